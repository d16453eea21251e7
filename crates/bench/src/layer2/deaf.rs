//! Half of a room that never reads and comes back as soon as it is closed on: whether the other half notices.
//!
//! A room of 400 hears one who speaks at half of what the server can do. Of the 200 who are timed each must hear
//! everything. The other 200 read, or read nothing: in blocks of slices, in ABBA order, so that the server has a minute
//! of each.
//!
//! - Invariant: a block's first slice is not counted: the half has to fill, or to catch up.
//! - Limit: what the kernel keeps for a connection nobody reads is the kernel's; the server's memory is measured.
//!
//! Read next: `../contest.rs` for the order; `half.rs`.

mod half;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::half::Half;
use crate::child::Child;
use crate::contest::{Side, order};
use crate::finding::{Finding, Goal};
use crate::interval::Interval;
use crate::process;
use crate::slice::Slice;
use crate::station::{CASE_MAX, Programs, Server, Station};
use crate::traffic::{Audience, Pace};

const TIMED: u32 = 200;
const HALF: usize = 200;
/// The capacity is the last rate of a ladder at which who is timed hears in time.
const RATE_MIN: f64 = 2_000.0;
const RATE_STEP: f64 = 1.4;
const RATE_MAX: f64 = 200_000.0;
const IN_TIME_P99_US: f64 = 20_000.0;
/// Rungs that it takes, about.
const RUNGS: usize = 10;
/// Of the capacity.
const SHARE: f64 = 0.5;
const LATE_MAX: Duration = Duration::from_secs(90);
const P99_RATIO_MAX: f64 = 1.10;
/// What the server may grow by from the first deaf block to the last.
const GROWTH_MAX_MIB: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;

/// How much of it.
struct Extent {
    pairs: usize,
    slices: usize,
    slice: Duration,
}

impl Extent {
    fn of(quick: bool) -> Self {
        if quick {
            Self { pairs: 2, slices: 1, slice: Duration::from_millis(500) }
        } else {
            Self { pairs: 4, slices: 8, slice: Duration::from_secs(2) }
        }
    }
}

/// About how long it takes.
pub(super) fn seconds(quick: bool) -> u64 {
    let Extent { pairs, slices, slice } = Extent::of(quick);
    (slice * (RUNGS + 1 + 2 * pairs * (slices + 1)) as u32).as_secs() + 1
}

/// Measures the capacity, then blocks with a half that reads and with one that does not.
pub(super) fn run(programs: &Programs, room: Station, quick: bool) -> Result<Vec<Finding>> {
    let Extent { pairs, slices, slice } = Extent::of(quick);
    let capacity = capacity(programs, room, slice)?;
    let rate = (capacity * SHARE) as u32;
    let mut scene = Scene::start(programs, room, Pace::PerSecond(rate))?;
    scene.slice(slice)?;
    let (mut hearing, mut deaf) = (Vec::new(), Vec::new());
    for side in (0..pairs).flat_map(order) {
        let block = scene.block(side == Side::Ours, slices, slice)?;
        if side == Side::Ours { deaf.push(block) } else { hearing.push(block) }
    }
    let mut findings = vec![
        Finding::new("capacity", capacity, "messages/s"),
        Finding::new("offered", f64::from(rate), "messages/s"),
    ];
    findings.extend(of_blocks(&hearing, &deaf));
    Ok(findings)
}

/// Messages a second that all 400 hear in time.
fn capacity(programs: &Programs, room: Station, slice: Duration) -> Result<f64> {
    let (mut capacity, mut rate) = (0.0, RATE_MIN);
    while rate < RATE_MAX {
        let mut scene = Scene::start(programs, room, Pace::PerSecond(rate as u32))?;
        // Who is sent more than can be carried is cut off, behind a gateway sooner than by a socket of his own.
        let heard = scene.slice(slice);
        if heard.is_err() || heard.is_ok_and(|heard| heard.slice.p99_us > IN_TIME_P99_US) {
            break;
        }
        (capacity, rate) = (rate, rate * RATE_STEP);
    }
    ensure!(capacity > 0.0, "not even {RATE_MIN} messages a second are heard in time");
    Ok(capacity)
}

struct Scene {
    server: Server,
    timed: Child,
    half: Half,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    slice: Slice,
    cpu_ns: u64,
    resident: u64,
}

/// Slices in a row with the half in one mood.
#[derive(Clone, Debug)]
struct Block {
    slices: Vec<Measured>,
    /// How often somebody of the half was closed on.
    closed_on: u64,
}

impl Block {
    fn resident_peak_mib(&self) -> f64 {
        self.slices.iter().map(|it| it.resident).max().unwrap_or(0) as f64 / MIB
    }
}

impl Scene {
    fn start(programs: &Programs, room: Station, pace: Pace) -> Result<Self> {
        let mut server = Server::start(programs, room, CASE_MAX)?;
        let timed = Audience { members: TIMED, pace }.start(programs, &mut server, room)?;
        let half = Half::come(server.address, HALF)?;
        Ok(Self { server, timed, half })
    }

    fn slice(&mut self, time: Duration) -> Result<Measured> {
        let pid = self.server.child.pid();
        let cpu_ns = process::on_cpu_ns(pid)?;
        self.timed.say(&format!("run {}", time.as_millis()))?;
        let slice: Slice = self.timed.answer(time + LATE_MAX).with_context(|| self.server.child.state())?;
        ensure!(slice.messages > 0, "nothing was heard within {} s", time.as_secs_f64());
        let cpu_ns = process::on_cpu_ns(pid)? - cpu_ns;
        Ok(Measured { slice, cpu_ns, resident: process::memory(pid)?.resident })
    }

    fn block(&mut self, deaf: bool, slices: usize, time: Duration) -> Result<Block> {
        self.half.be_deaf(deaf)?;
        self.slice(time)?;
        let before = self.half.closed_on()?;
        let slices = (0..slices).map(|_| self.slice(time)).collect::<Result<_>>()?;
        Ok(Block { slices, closed_on: self.half.closed_on()? - before })
    }
}

fn of_blocks(hearing: &[Block], deaf: &[Block]) -> Vec<Finding> {
    let of = |name, of: fn(&Measured) -> f64, blocks: &[Block], unit| {
        Finding::within(name, median(blocks.iter().flat_map(|block| &block.slices).map(of)), unit)
    };
    let ratio = |name, of: fn(&Measured) -> f64| {
        let slices = |blocks: &[Block]| -> Vec<f64> {
            blocks.iter().flat_map(|block| block.slices.iter().map(of)).collect()
        };
        let pairs = slices(deaf).into_iter().zip(slices(hearing));
        Finding::within(name, median(pairs.map(|(deaf, hearing)| deaf / hearing)), "ratio")
    };
    let closed = |blocks: &[Block]| blocks.iter().map(|block| block.closed_on).sum::<u64>() as f64;
    let peaks: Vec<f64> = deaf.iter().map(Block::resident_peak_mib).collect();
    let grown = peaks.last().unwrap_or(&0.0) - peaks.first().unwrap_or(&0.0);
    vec![
        of("p99, all read", |it| it.slice.p99_us, hearing, "us"),
        of("p99, half is deaf", |it| it.slice.p99_us, deaf, "us"),
        ratio("p50, by all read", |it| it.slice.p50_us),
        ratio("p99, by all read", |it| it.slice.p99_us).with(Goal::AtMost(P99_RATIO_MAX)),
        ratio("heard, by all read", |it| it.slice.throughput()),
        ratio("server CPU, by all read", |it| it.cpu_ns as f64),
        Finding::new("closed on, all read", closed(hearing), "count").with(Goal::AtMost(0.0)),
        Finding::new("closed on, half is deaf", closed(deaf), "count").with(Goal::AtLeast(HALF as f64)),
        of("resident, all read", |it| it.resident as f64 / MIB, hearing, "MiB"),
        Finding::new("resident at most, half is deaf", peaks.iter().copied().fold(0.0, f64::max), "MiB"),
        Finding::new("resident, last deaf block by first", grown, "MiB").with(Goal::AtMost(GROWTH_MAX_MIB)),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> Interval {
    Interval::of_median(&values.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(p99_us: f64, resident_mib: u64, closed_on: u64) -> Block {
        let slice = Slice { messages: 100, drained: 0, seconds: 0.5, p50_us: 1.0, p99_us, p999_us: 9.0 };
        Block { slices: vec![Measured { slice, cpu_ns: 2, resident: resident_mib << 20 }; 2], closed_on }
    }

    #[test]
    fn the_deaf_are_divided_by_those_who_read_and_growth_is_from_block_to_block() {
        let hearing = [block(2.0, 5, 0), block(4.0, 5, 1)];
        let deaf = [block(3.0, 20, 7), block(6.0, 23, 8)];
        let findings = of_blocks(&hearing, &deaf);
        for expected in [
            Finding::new("p99, by all read", 1.5, "ratio").with(Goal::AtMost(1.10)),
            Finding::new("closed on, all read", 1.0, "count").with(Goal::AtMost(0.0)),
            Finding::new("closed on, half is deaf", 15.0, "count").with(Goal::AtLeast(200.0)),
            Finding::new("resident, last deaf block by first", 3.0, "MiB").with(Goal::AtMost(1.0)),
        ] {
            assert!(findings.contains(&expected), "{expected:?} is not in {findings:?}");
        }
    }

    #[test]
    fn the_time_counts_both_moods() {
        assert_eq!(seconds(false), 2 * (10 + 1 + 2 * 4 * 9) + 1);
    }
}
