//! The account of one slice: what may be sent, what came back, how long it took.
//!
//! - Invariant: nothing is allocated for a message.
//! - Limit: [`LATENCY_MAX_NS`]; what takes longer counts as that long.
//!
//! Read next: `connection.rs`, which asks it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::slice::Slice;

/// A server that says nothing for so long has failed; under callgrind they are slow.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);
const LATENCY_MAX_NS: u64 = 120_000_000_000;
const DIGITS: u8 = 3;

/// When to stop sending.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// At this time of the clock, nanoseconds.
    Time(u64),
    /// After so many more messages.
    Messages(u64),
}

pub(super) struct Traffic {
    clock: Clock,
    started: u64,
    limit: Limit,
    times: Histogram<u64>,
    messages: u64,
    drained: u64,
    last: u64,
    pub(super) in_flight: u64,
}

impl Traffic {
    pub(super) fn new() -> Result<Self> {
        let times = Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS)
            .map_err(|error| anyhow!("a histogram of {LATENCY_MAX_NS} ns: {error}"))?;
        let limit = Limit::Messages(0);
        let clock = Clock::start();
        Ok(Self { clock, started: 0, limit, times, messages: 0, drained: 0, last: 0, in_flight: 0 })
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.nanoseconds()
    }

    /// Begins a slice.
    pub(super) fn start(&mut self, limit: impl FnOnce(u64) -> Limit) {
        self.times.reset();
        self.messages = 0;
        self.drained = 0;
        self.started = self.now();
        self.last = self.started;
        self.limit = limit(self.started);
    }

    /// How many of the wanted messages may be sent. They are in flight from now on.
    pub(super) fn grant(&mut self, wanted: usize, now: u64) -> usize {
        let granted = match &mut self.limit {
            Limit::Time(end) if now >= *end => 0,
            Limit::Time(_) => wanted as u64,
            Limit::Messages(left) => {
                let granted = (*left).min(wanted as u64);
                *left -= granted;
                granted
            }
        };
        self.in_flight += granted;
        granted as usize
    }

    pub(super) fn came_back(&mut self, sent: u64, now: u64) {
        self.in_flight -= 1;
        self.times.saturating_record(now - sent);
        self.last = now;
        match self.limit {
            Limit::Time(end) if now >= end => self.drained += 1,
            _ => self.messages += 1,
        }
    }

    /// What the slice was.
    pub(super) fn slice(&self) -> Slice {
        let end = match self.limit {
            Limit::Time(end) => end,
            Limit::Messages(_) => self.last,
        };
        let us = |quantile: f64| self.times.value_at_quantile(quantile) as f64 / 1e3;
        Slice {
            messages: self.messages,
            drained: self.drained,
            seconds: (end - self.started) as f64 / 1e9,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_granted_once() {
        let mut traffic = Traffic::new().unwrap();
        traffic.start(|_| Limit::Messages(5));
        let granted = [3, 3, 3].map(|wanted| traffic.grant(wanted, 0));
        assert_eq!((granted, traffic.in_flight), ([3, 2, 0], 5));
    }

    #[test]
    fn what_comes_after_the_end_is_drained() {
        let mut traffic = Traffic::new().unwrap();
        let mut origin = 0;
        traffic.start(|now| {
            origin = now;
            Limit::Time(now + 1_000)
        });
        assert_eq!(traffic.grant(4, origin), 4);
        assert_eq!(traffic.grant(4, origin + 1_000), 0);
        traffic.came_back(origin, origin + 999);
        traffic.came_back(origin, origin + 1_000);
        let slice = traffic.slice();
        assert_eq!((slice.messages, slice.drained, traffic.in_flight), (1, 1, 2));
        assert!((slice.seconds - 1e-6).abs() < 1e-12 && (slice.p50_us - 0.999).abs() < 0.002);
    }
}
