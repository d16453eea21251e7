//! A busy shard: its handler takes 5 ms for each message, and four connections never let it rest.
//!
//! The other shard has a logic thread of its own; its 100 connections echo in slices with and without the four, in
//! ABBA order. What they notice is the processor that the busy handler takes from them, and nothing else.
//!
//! - Invariant: the four begin before a slice and outlast it.
//! - Limit: one worker; both listeners are on it, and new connections of both.
//!
//! Read next: `../contest.rs` for the order.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::Child;
use crate::contest::{Side, order};
use crate::finding::{Finding, Goal};
use crate::interval::Interval;
use crate::slice::Slice;
use crate::station::{CASE_MAX, Engine, Framed, Programs, Server, Stages, Station};
use crate::storm::Visits;
use crate::traffic::{Echo, Newcomers};

const STAGES: Stages = Stages::new(0, 2, 0);
const FLAGS: [&str; 2] = ["--busy", "5"];
const OTHERS: Echo = Echo::framed(100, 1);
const FOUR: Echo = Echo::framed(4, 1);
/// The four go on for so long after a slice, or after the last newcomer was due.
const LONGER: Duration = Duration::from_millis(500);
const NEWCOMERS_A_SECOND: u32 = 200;
const LATE_MAX: Duration = Duration::from_secs(90);
const P50_RATIO_MAX: f64 = 2.0;

/// How much of it.
struct Extent {
    pairs: usize,
    slice: Duration,
    newcomers: u32,
}

impl Extent {
    fn of(quick: bool) -> Self {
        if quick {
            Self { pairs: 3, slice: Duration::from_millis(500), newcomers: 100 }
        } else {
            Self { pairs: 15, slice: Duration::from_secs(2), newcomers: 1_000 }
        }
    }
}

/// About how long it takes.
pub(super) fn seconds(quick: bool) -> u64 {
    let Extent { pairs, slice, newcomers } = Extent::of(quick);
    let slices = (slice * 2 + LONGER) * (pairs as u32 + 1);
    slices.as_secs() + u64::from(2 * newcomers / NEWCOMERS_A_SECOND) + 2
}

/// Slices with and without, then newcomers with and without.
pub(super) fn run(programs: &Programs, engine: Engine, quick: bool) -> Result<Vec<Finding>> {
    let extent = Extent::of(quick);
    let mut scene = Scene::start(programs, engine)?;
    scene.quiet(extent.slice)?;
    let (mut quiet, mut beside) = (Vec::new(), Vec::new());
    for side in (0..extent.pairs).flat_map(order) {
        match side {
            Side::Ours => beside.push(scene.beside_the_four(extent.slice)?),
            Side::Peer => quiet.push(scene.quiet(extent.slice)?),
        }
    }
    let newcomers = Newcomers { rate: NEWCOMERS_A_SECOND, visits: extent.newcomers, framed: true };
    let alone = newcomers.visit(programs, &mut scene.server)?;
    let visits = scene.visits_beside_the_four(programs, newcomers)?;
    Ok([of_slices(&quiet, &beside), of_newcomers(newcomers, &alone, &visits)].concat())
}

/// A server with two listeners, and a load at each.
struct Scene {
    server: Server,
    others: Child,
    four: Child,
}

/// A slice of the others, and what the four did meanwhile.
#[derive(Clone, Copy)]
struct Beside {
    others: Slice,
    four: Slice,
}

impl Scene {
    fn start(programs: &Programs, engine: Engine) -> Result<Self> {
        let station = Station::FramedEcho(Framed::on(engine, STAGES));
        let mut server = Server::start_with(programs, station, CASE_MAX, &FLAGS)?;
        let busy = server.next_address().context("where the busy shard listens")?;
        let others = OTHERS.start(programs, &mut server)?;
        let four = FOUR.start_at(programs, &mut server, busy)?;
        Ok(Self { server, others, four })
    }

    fn quiet(&mut self, time: Duration) -> Result<Slice> {
        self.others.say(&format!("run {}", time.as_millis()))?;
        self.others.answer(time + LATE_MAX).with_context(|| self.server.child.state())
    }

    fn beside_the_four(&mut self, time: Duration) -> Result<Beside> {
        self.start_the_four(time + LONGER)?;
        let others = self.quiet(time)?;
        let four = self.end_of_the_four()?;
        Ok(Beside { others, four })
    }

    fn visits_beside_the_four(&mut self, programs: &Programs, newcomers: Newcomers) -> Result<Visits> {
        let time = Duration::from_secs(1) * newcomers.visits / newcomers.rate;
        self.start_the_four(time + LONGER)?;
        let visits = newcomers.visit(programs, &mut self.server)?;
        self.end_of_the_four()?;
        Ok(visits)
    }

    fn start_the_four(&mut self, time: Duration) -> Result<()> {
        self.four.say(&format!("run {}", time.as_millis()))
    }

    fn end_of_the_four(&mut self) -> Result<Slice> {
        self.four.answer(LATE_MAX).with_context(|| self.server.child.state())
    }
}

fn of_slices(quiet: &[Slice], beside: &[Beside]) -> Vec<Finding> {
    let us_quiet = |name, of: fn(&Slice) -> f64| Finding::within(name, median(quiet.iter().map(of)), "us");
    let us_beside = |name, of: fn(&Slice) -> f64| {
        Finding::within(name, median(beside.iter().map(|both| of(&both.others))), "us")
    };
    let ratio = |name, of: fn(&Slice) -> f64| {
        let pairs = beside.iter().zip(quiet);
        Finding::within(name, median(pairs.map(|(beside, quiet)| of(&beside.others) / of(quiet))), "ratio")
    };
    let of_four = median(beside.iter().map(|both| both.four.throughput()));
    vec![
        us_quiet("p50, alone", |slice| slice.p50_us),
        us_beside("p50, beside the busy", |slice| slice.p50_us),
        ratio("p50, by alone", |slice| slice.p50_us).with(Goal::AtMost(P50_RATIO_MAX)),
        us_quiet("p99, alone", |slice| slice.p99_us),
        us_beside("p99, beside the busy", |slice| slice.p99_us),
        ratio("p99, by alone", |slice| slice.p99_us),
        ratio("throughput, by alone", Slice::throughput),
        Finding::within("of the busy", of_four, "messages/s"),
    ]
}

fn of_newcomers(newcomers: Newcomers, alone: &Visits, beside: &Visits) -> Vec<Finding> {
    let count = |name, value: u64| Finding::new(name, value as f64, "count");
    let ms = |name, us: f64| Finding::new(name, us / 1e3, "ms");
    vec![
        count("newcomers answered", beside.answered).with(Goal::AtLeast(newcomers.visits.into())),
        count("newcomers failed", beside.failed).with(Goal::AtMost(0.0)),
        ms("newcomer's first echo, p50 alone", alone.echoed.p50_us),
        ms("newcomer's first echo, p50", beside.echoed.p50_us),
        ms("newcomer's first echo, p99 alone", alone.echoed.p99_us),
        ms("newcomer's first echo, p99", beside.echoed.p99_us),
        ms("newcomer's first echo, the last", beside.echoed.max_us),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> Interval {
    Interval::of_median(&values.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(p50_us: f64) -> Slice {
        Slice { messages: 100, drained: 0, seconds: 0.5, p50_us, p99_us: 9.0, p999_us: 9.0 }
    }

    #[test]
    fn beside_is_divided_by_alone() {
        let beside = [slice(3.0), slice(6.0), slice(3.0)].map(|others| Beside { others, four: slice(1.0) });
        let findings = of_slices(&[slice(2.0), slice(4.0), slice(2.0)], &beside);
        let expected = Finding::new("p50, by alone", 1.5, "ratio").with(Goal::AtMost(2.0));
        assert_eq!(findings[2], expected);
        assert_eq!(*findings.last().unwrap(), Finding::new("of the busy", 200.0, "messages/s"));
    }

    #[test]
    fn the_time_counts_both_sides() {
        assert_eq!((seconds(false), seconds(true)), (16 * 9 / 2 + 10 + 2, 6 + 1 + 2));
    }
}
