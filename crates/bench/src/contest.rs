//! Two servers side by side: both up, both loaded, slices in the order A B B A, a ratio for each pair.
//!
//! What the machine does in a second it does to both halves of a pair; what drifts over minutes, or favours whoever
//! comes second, cancels over the order.
//!
//! - Owns: two servers and two loads; they end with it.
//! - Invariant: only one of the two has traffic at a time.
//! - Limit: a slice may be late by [`LATE_MAX`].
//!
//! Read next: `interval.rs`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::child::Child;
use crate::interval::Interval;
use crate::process::{self, Memory, Ticks};
use crate::slice::Slice;
use crate::station::{Programs, Server, Station};
use crate::traffic::Traffic;

const LATE_MAX: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Peer,
}

/// Who goes first in this pair: A B, B A, A B, ...
pub(crate) fn order(pair: usize) -> [Side; 2] {
    if pair.is_multiple_of(2) { [Side::Ours, Side::Peer] } else { [Side::Peer, Side::Ours] }
}

/// What slices are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Throughput,
    Cpu,
    P50,
    P99,
}

impl Metric {
    pub(crate) const ALL: [Self; 4] = [Self::Throughput, Self::Cpu, Self::P50, Self::P99];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Cpu => "cpu",
            Self::P50 => "p50",
            Self::P99 => "p99",
        }
    }

    pub(crate) fn unit(self, traffic: Traffic) -> &'static str {
        match (self, traffic) {
            (Self::Throughput, Traffic::Echo(_) | Traffic::Instructions(_)) => "messages/s",
            (Self::Throughput, Traffic::Broadcast(_)) => "deliveries/s",
            (Self::Cpu, Traffic::Echo(_) | Traffic::Instructions(_)) => "us/message",
            (Self::Cpu, Traffic::Broadcast(_)) => "us/delivery",
            (Self::P50 | Self::P99, _) => "us",
        }
    }

    fn of(self, measured: &Measured) -> f64 {
        match self {
            Self::Throughput => measured.slice.throughput(),
            Self::Cpu => measured.cpu_us,
            Self::P50 => measured.slice.p50_us,
            Self::P99 => measured.slice.p99_us,
        }
    }
}

/// One slice, and the server's CPU in it.
#[derive(Clone, Copy, Debug)]
struct Measured {
    slice: Slice,
    /// By message, or delivery.
    cpu_us: f64,
}

/// A server, its load, and what was seen of them.
pub(crate) struct Party {
    pub(crate) station: Station,
    server: Server,
    load: Child,
    empty: Memory,
    full: Memory,
    ticks: Ticks,
    slices: Vec<Measured>,
}

/// What a party was over all its slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Microseconds a message, or delivery.
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    /// Bytes a connection, connected and with traffic before.
    pub(crate) connection_bytes: f64,
    pub(crate) resident_peak: u64,
}

impl Party {
    fn start(programs: &Programs, station: Station, traffic: Traffic, at_most: Duration) -> Result<Self> {
        let mut server = Server::start(programs, station, at_most)?;
        let empty = process::memory(server.child.pid())?;
        let load = traffic.start(programs, &mut server, station)?;
        let ticks = Ticks::default();
        Ok(Self { station, server, load, empty, full: empty, ticks, slices: Vec::new() })
    }

    /// One slice that does not count; afterwards buffers have their size and caches are warm.
    fn warm_up(&mut self, time: Duration) -> Result<()> {
        self.slice(time)?;
        self.slices.clear();
        self.full = process::memory(self.server.child.pid())?;
        self.ticks = process::ticks(self.server.child.pid())?;
        Ok(())
    }

    fn slice(&mut self, time: Duration) -> Result<()> {
        let pid = self.server.child.pid();
        let before = process::on_cpu_ns(pid)?;
        self.load.say(&format!("run {}", time.as_millis()))?;
        let slice: Slice = self.load.answer(time + LATE_MAX).with_context(|| self.server.child.state())?;
        ensure!(slice.messages > 0, "{}: nothing came back within {} s", self.station, time.as_secs_f64());
        let cpu_ns = process::on_cpu_ns(pid)? - before;
        self.slices.push(Measured { slice, cpu_us: cpu_ns as f64 / 1e3 / slice.echoed() as f64 });
        Ok(())
    }

    pub(crate) fn median(&self, metric: Metric) -> Interval {
        let values: Vec<f64> = self.slices.iter().map(|slice| metric.of(slice)).collect();
        Interval::of_median(&values)
    }

    /// So far, over the whole contest: ticks are too coarse for one slice.
    pub(crate) fn usage(&self, connections: u32) -> Result<Usage> {
        let pid = self.server.child.pid();
        let ticks = process::ticks(pid)?;
        let messages: u64 = self.slices.iter().map(|measured| measured.slice.echoed()).sum();
        let us = |now: u64, before: u64| (now - before) as f64 * process::tick_us() / messages as f64;
        let grown = self.full.resident.saturating_sub(self.empty.resident);
        Ok(Usage {
            user_us: us(ticks.user, self.ticks.user),
            system_us: us(ticks.system, self.ticks.system),
            connection_bytes: grown as f64 / f64::from(connections),
            resident_peak: process::memory(pid)?.resident_peak,
        })
    }
}

pub(crate) struct Contest {
    pub(crate) ours: Party,
    pub(crate) peer: Party,
    pairs: usize,
}

impl Contest {
    /// Starts both and warms them up.
    pub(crate) fn start(
        programs: &Programs,
        [ours, peer]: [Station; 2],
        traffic: Traffic,
        slice: Duration,
        at_most: Duration,
    ) -> Result<Self> {
        let start = |station| Party::start(programs, station, traffic, at_most);
        let mut contest = Self { ours: start(ours)?, peer: start(peer)?, pairs: 0 };
        contest.ours.warm_up(slice)?;
        contest.peer.warm_up(slice)?;
        Ok(contest)
    }

    /// One more pair of slices.
    pub(crate) fn pair(&mut self, slice: Duration) -> Result<()> {
        for side in order(self.pairs) {
            match side {
                Side::Ours => self.ours.slice(slice)?,
                Side::Peer => self.peer.slice(slice)?,
            }
        }
        self.pairs += 1;
        Ok(())
    }

    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Ours by the peer's, pair by pair.
    pub(crate) fn ratio(&self, metric: Metric) -> Interval {
        let pairs = self.ours.slices.iter().zip(&self.peer.slices);
        let ratios: Vec<f64> = pairs.map(|(ours, peer)| metric.of(ours) / metric.of(peer)).collect();
        Interval::of_median(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_side_is_always_first() {
        use Side::{Ours, Peer};
        let sides: Vec<Side> = (0..4).flat_map(order).collect();
        assert_eq!(sides, [Ours, Peer, Peer, Ours, Ours, Peer, Peer, Ours]);
    }
}
