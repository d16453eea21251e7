//! A terminal that does not read, among a hundred that do: whether anybody notices, and why not.
//!
//! At half of what the server can do, slices with and without it, in ABBA order. It hears the quotes that all hear,
//! and quotes of a topic of its own, of which so many are set before the slice that its socket is full: in the slice
//! every quote for it waits, and takes the place of the older one of its key. Afterwards it reads, and has the latest.
//!
//! - Invariant: it is full before a slice begins, and reads only after its end.
//! - Limits: quotes alone can never close it: the values of all keys are less than may wait.
//!
//! Read next: `../contest.rs` for the order; `deaf.rs`.

mod deaf;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::deaf::Deaf;
use super::server::Logs;
use crate::child::Child;
use crate::contest::{Side, order};
use crate::finding::{Finding, Goal};
use crate::interval::Interval;
use crate::page::Page;
use crate::process;
use crate::slice::Slice;
use crate::station::{CASE_MAX, Engine, Programs, Server, Station};
use crate::traffic::{Instructing, Writes};

const TERMINALS: u32 = 100;
const QUOTES_A_SECOND: u32 = 200;
const CAPACITY_SLICES: u32 = 3;
/// Of the capacity.
const SHARE: f64 = 0.5;
const LATE_MAX: Duration = Duration::from_secs(90);
const P99_RATIO_MAX: f64 = 1.10;
/// To fill the one that does not read, and to let it catch up.
const FILL: Duration = Duration::from_millis(300);

/// How much of it.
struct Extent {
    pairs: usize,
    slice: Duration,
}

impl Extent {
    fn of(quick: bool, pairs: Option<usize>) -> Self {
        let (usual, slice) =
            if quick { (3, Duration::from_millis(500)) } else { (15, Duration::from_secs(2)) };
        Self { pairs: pairs.unwrap_or(usual).max(1), slice }
    }
}

/// About how long it takes.
pub(super) fn seconds(quick: bool, pairs: Option<usize>) -> u64 {
    let Extent { pairs, slice } = Extent::of(quick, pairs);
    (slice * (CAPACITY_SLICES + 1) + (slice * 2 + FILL) * pairs as u32).as_secs() + 1
}

/// Measures the capacity, then slices with and without.
pub(super) fn run(
    programs: &Programs,
    engine: Engine,
    quick: bool,
    pairs: Option<usize>,
) -> Result<Vec<Finding>> {
    let Extent { pairs, slice } = Extent::of(quick, pairs);
    let capacity = capacity(programs, engine, slice)?;
    let rate = (capacity * SHARE) as u32;
    let mut scene = Scene::start(programs, engine, Some(rate))?;
    scene.slice(slice)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for side in (0..pairs).flat_map(order) {
        match side {
            Side::Ours => beside.push(scene.beside_the_deaf(slice)?),
            Side::Peer => alone.push(scene.slice(slice)?),
        }
    }
    let mut findings = vec![
        Finding::new("capacity, one in flight to each", capacity, "instructions/s"),
        Finding::new("offered", f64::from(rate), "instructions/s"),
    ];
    findings.extend(of_slices(&alone, &beside));
    Ok(findings)
}

/// Instructions a second, of a server of its own; quotes are set as in the slices.
fn capacity(programs: &Programs, engine: Engine, slice: Duration) -> Result<f64> {
    let mut scene = Scene::start(programs, engine, None)?;
    let throughputs: Vec<f64> =
        (0..CAPACITY_SLICES).map(|_| Ok(scene.ask(slice)?.throughput())).collect::<Result<_>>()?;
    Ok(Interval::of_median(&throughputs).value)
}

/// The server, who instructs a hundred, and who sets quotes that they hear.
struct Scene {
    server: Server,
    desk: Child,
}

/// A slice, and what the server's own counters say of it.
#[derive(Clone, Copy, Debug)]
struct Measured {
    slice: Slice,
    /// By instruction.
    cpu_us: f64,
    /// Times a stage waited for the one after it.
    waits: u64,
    /// Connections closed because too much waited for them.
    closed: u64,
    /// Quotes that made room for newer ones.
    conflated: u64,
}

/// The same, beside one that does not read.
#[derive(Clone, Copy, Debug)]
struct Beside {
    measured: Measured,
    /// Quotes that all others were sent and it was not.
    left_out: u64,
}

impl Scene {
    fn start(programs: &Programs, engine: Engine, rate: Option<u32>) -> Result<Self> {
        let mut server = Server::start(programs, Station::Push(engine, Logs::Default), CASE_MAX)?;
        let instructing = Instructing {
            terminals: TERMINALS,
            rate,
            writes: Writes::Together,
            quotes: Some(QUOTES_A_SECOND),
        };
        let desk = instructing.start(programs, &mut server)?;
        Ok(Self { server, desk })
    }

    fn ask(&mut self, time: Duration) -> Result<Slice> {
        self.desk.say(&format!("run {}", time.as_millis()))?;
        let slice: Slice = self.desk.answer(time + LATE_MAX).with_context(|| self.server.child.state())?;
        ensure!(slice.messages > 0, "nothing arrived within {} s", time.as_secs_f64());
        Ok(slice)
    }

    fn slice(&mut self, time: Duration) -> Result<Measured> {
        let (pid, admin) = (self.server.child.pid(), self.server.ports()?.admin);
        let (page, cpu_ns) = (Page::get(admin)?, process::on_cpu_ns(pid)?);
        let slice = self.ask(time)?;
        let cpu_ns = process::on_cpu_ns(pid)? - cpu_ns;
        let later = Page::get(admin)?;
        let grown = |beginning: &str| {
            let now = later.sum(beginning).with_context(|| format!("/metrics has no {beginning}"))?;
            anyhow::Ok(now - page.sum(beginning).unwrap_or(0))
        };
        Ok(Measured {
            slice,
            cpu_us: cpu_ns as f64 / 1e3 / slice.echoed() as f64,
            waits: grown("usher_stage_waits_total{")?,
            closed: grown("usher_connections_closed_total{listener=\"terminals\",reason=\"slow_consumer\"}")?,
            conflated: grown("usher_messages_conflated_total ")?,
        })
    }

    fn beside_the_deaf(&mut self, time: Duration) -> Result<Beside> {
        let deaf = Deaf::come(self.server.address, self.server.ports()?.controllers)
            .context("who is not to read")?;
        let measured = self.slice(time)?;
        let left_out = deaf.read_on().context("who did not read")?;
        Ok(Beside { measured, left_out })
    }
}

fn of_slices(alone: &[Measured], beside: &[Beside]) -> Vec<Finding> {
    let beside_it: Vec<Measured> = beside.iter().map(|both| both.measured).collect();
    let of = |name, of: fn(&Measured) -> f64, slices: &[Measured], unit| {
        Finding::within(name, median(slices.iter().map(of)), unit)
    };
    let ratio = |name, of: fn(&Measured) -> f64| {
        let pairs = beside_it.iter().zip(alone);
        Finding::within(name, median(pairs.map(|(beside, alone)| of(beside) / of(alone))), "ratio")
    };
    let sum = |of: fn(&Measured) -> u64, slices: &[Measured]| slices.iter().map(of).sum::<u64>();
    let count = |name, value: u64| Finding::new(name, value as f64, "count");
    let fewest = |counts: &mut dyn Iterator<Item = u64>| counts.min().unwrap_or(0);
    vec![
        of("throughput, beside it", |it| it.slice.throughput(), &beside_it, "instructions/s"),
        of("p50, alone", |it| it.slice.p50_us, alone, "us"),
        of("p50, beside it", |it| it.slice.p50_us, &beside_it, "us"),
        ratio("p50, by alone", |it| it.slice.p50_us),
        of("p99, alone", |it| it.slice.p99_us, alone, "us"),
        of("p99, beside it", |it| it.slice.p99_us, &beside_it, "us"),
        ratio("p99, by alone", |it| it.slice.p99_us).with(Goal::AtMost(P99_RATIO_MAX)),
        ratio("server CPU, by alone", |it| it.cpu_us),
        count("times a stage waited", sum(|it| it.waits, &beside_it)).with(Goal::AtMost(0.0)),
        count("closed as slow", sum(|it| it.closed, &beside_it)).with(Goal::AtMost(0.0)),
        count("quotes replaced, alone", sum(|it| it.conflated, alone)),
        count("fewest replaced beside it, a slice", fewest(&mut beside_it.iter().map(|it| it.conflated)))
            .with(Goal::AtLeast(1.0)),
        count("fewest it was not sent, a slice", fewest(&mut beside.iter().map(|it| it.left_out)))
            .with(Goal::AtLeast(1.0)),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> Interval {
    Interval::of_median(&values.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(p99_us: f64, waits: u64, conflated: u64) -> Measured {
        let slice = Slice { messages: 100, drained: 0, seconds: 0.5, p50_us: 1.0, p99_us, p999_us: 9.0 };
        Measured { slice, cpu_us: 2.0, waits, closed: 0, conflated }
    }

    #[test]
    fn beside_is_divided_by_alone_and_counters_are_added_up() {
        let alone = [2.0, 4.0, 2.0].map(|p99| measured(p99, 0, 0));
        let beside = [3.0, 6.0, 3.0].map(|p99| Beside { measured: measured(p99, 2, 1), left_out: 5 });
        let findings = of_slices(&alone, &beside);
        let ratio = Finding::new("p99, by alone", 1.5, "ratio").with(Goal::AtMost(1.10));
        let waits = Finding::new("times a stage waited", 6.0, "count").with(Goal::AtMost(0.0));
        assert!(findings.contains(&ratio) && findings.contains(&waits), "{findings:?}");
    }

    #[test]
    fn every_slice_must_have_had_something_to_replace() {
        let beside = [3, 0, 9].map(|count| Beside { measured: measured(1.0, 0, count), left_out: 5 });
        let findings = of_slices(&[measured(1.0, 0, 0); 3], &beside);
        let fewest = |name, value| Finding::new(name, value, "count").with(Goal::AtLeast(1.0));
        assert!(findings.contains(&fewest("fewest replaced beside it, a slice", 0.0)), "{findings:?}");
        assert!(findings.contains(&fewest("fewest it was not sent, a slice", 5.0)), "{findings:?}");
    }

    #[test]
    fn the_time_counts_both_sides() {
        assert_eq!(seconds(false, None), 8 + 64 + 1);
    }
}
