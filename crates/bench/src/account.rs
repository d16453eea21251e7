//! The account of one slice: what may be sent, what came back, how long it took.
//!
//! - Invariant: nothing is allocated for a message.
//! - Limit: [`LATENCY_MAX_NS`]; what takes longer counts as that long.
//!
//! Read next: `load/connection.rs` and `audience/room.rs`, which ask it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::slice::Slice;

/// A server that says nothing for so long has failed; under callgrind they are slow.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);
const LATENCY_MAX_NS: u64 = 120_000_000_000;
const DIGITS: u8 = 3;

/// When to stop sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// After this time.
    Time(Duration),
    /// After so many messages.
    Messages(u64),
}

/// Times are of its own clock, nanoseconds.
pub(crate) struct Account {
    clock: Clock,
    started: u64,
    /// Nothing is sent from this time on; `u64::MAX` if only a number ends the slice.
    end: u64,
    /// How many may still be sent.
    left: u64,
    times: Histogram<u64>,
    came_in_time: u64,
    came_late: u64,
    last: u64,
    /// What is still to come back.
    pub(crate) in_flight: u64,
}

impl Account {
    pub(crate) fn new() -> Result<Self> {
        let times = Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS)
            .map_err(|error| anyhow!("a histogram of {LATENCY_MAX_NS} ns: {error}"))?;
        let clock = Clock::start();
        Ok(Self {
            clock,
            started: 0,
            end: 0,
            left: 0,
            times,
            came_in_time: 0,
            came_late: 0,
            last: 0,
            in_flight: 0,
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.nanoseconds()
    }

    /// Begins a slice; says when.
    pub(crate) fn start(&mut self, limit: Limit) -> u64 {
        self.times.reset();
        self.came_in_time = 0;
        self.came_late = 0;
        self.started = self.now();
        self.last = self.started;
        (self.end, self.left) = match limit {
            Limit::Time(time) => (self.started + time.as_nanos() as u64, u64::MAX),
            Limit::Messages(messages) => (u64::MAX, messages),
        };
        self.started
    }

    /// How many of the wanted messages may be sent at this time.
    pub(crate) fn grant(&mut self, wanted: u64, at: u64) -> u64 {
        let granted = if at < self.end { self.left.min(wanted) } else { 0 };
        self.left -= granted;
        granted
    }

    /// Whether nothing more may be sent, at this time or later.
    pub(crate) fn is_over(&self, at: u64) -> bool {
        at >= self.end || self.left == 0
    }

    /// So many answers to what was sent at one time.
    pub(crate) fn came_back(&mut self, sent: u64, now: u64, count: u64) {
        self.in_flight -= count;
        self.times.saturating_record_n(now - sent, count);
        self.last = now;
        if now < self.end {
            self.came_in_time += count;
        } else {
            self.came_late += count;
        }
    }

    /// What the slice was.
    pub(crate) fn slice(&self) -> Slice {
        let end = if self.end == u64::MAX { self.last } else { self.end };
        let us = |quantile: f64| self.times.value_at_quantile(quantile) as f64 / 1e3;
        Slice {
            messages: self.came_in_time,
            drained: self.came_late,
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
        let mut account = Account::new().unwrap();
        let start = account.start(Limit::Messages(5));
        assert_eq!([3, 3, 3].map(|wanted| account.grant(wanted, start)), [3, 2, 0]);
        assert!(account.is_over(start));
    }

    #[test]
    fn what_comes_after_the_end_is_drained() {
        let mut account = Account::new().unwrap();
        let start = account.start(Limit::Time(Duration::from_micros(1)));
        assert!(!account.is_over(start + 999) && account.is_over(start + 1_000));
        assert_eq!([0, 1_000].map(|after| account.grant(4, start + after)), [4, 0]);
        account.in_flight += 4;
        account.came_back(start, start + 999, 1);
        account.came_back(start, start + 1_000, 2);
        let slice = account.slice();
        assert_eq!((slice.messages, slice.drained, account.in_flight), (1, 2, 1));
        assert!((slice.seconds - 1e-6).abs() < 1e-12 && (slice.p50_us - 1.0).abs() < 0.002);
    }
}
