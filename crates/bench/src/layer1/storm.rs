//! A storm: 5,000 newcomers a second for ten seconds, at a server that others keep busy with all its processors.
//!
//! A newcomer who is established may still wait in the backlog, so what is judged is the time to the first echo,
//! which holds the wait for the accept and all others: once from when the newcomer was due, once from its call of
//! `connect`. If only the first is too long, the newcomers' own process did not get a processor; see what else runs.
//!
//! - Invariant: the busy ones outlast the newcomers.
//! - Limit: dropped connections are counted for the whole machine.
//!
//! Read next: `../storm.rs`, the newcomers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock::now;
use crate::finding::{Finding, Goal};
use crate::netstat::Backlogs;
use crate::slice::Slice;
use crate::station::{CASE_MAX, Engine, Programs, Server, Station};
use crate::storm::Visits;
use crate::traffic::{Echo, Newcomers};

const WORKERS: u16 = 2;
const BUSY: Echo = Echo::plain(1_000, 1);
const NEWCOMERS: Newcomers = Newcomers { rate: 5_000, visits: 50_000, framed: false };
/// The newcomers' ten seconds, and time to start and end them.
const BUSY_FOR: Duration = Duration::from_secs(13);
const ANSWER_MAX: Duration = Duration::from_secs(90);
const WAIT_MAX_MS: f64 = 100.0;

/// Waits, and what the backlog lost.
pub(super) fn run(programs: &Programs, engine: Engine) -> Result<Vec<Finding>> {
    let mut server = Server::start(programs, Station::RawEcho(engine, WORKERS), CASE_MAX)?;
    let mut load = BUSY.start(programs, &mut server)?;
    let before = Backlogs::read()?;
    load.say(&format!("run {}", BUSY_FOR.as_millis()))?;
    let started = now();
    let visits = NEWCOMERS.visit(programs, &mut server)?;
    ensure!(started.elapsed() < BUSY_FOR, "the newcomers were not done within {} s", BUSY_FOR.as_secs());
    let after = Backlogs::read()?;
    let busy: Slice = load.answer(ANSWER_MAX).with_context(|| server.child.state())?;
    drop(server);
    drop(load);
    let lost = [after.overflows - before.overflows, after.drops - before.drops];
    Ok(findings(&visits, lost, &busy))
}

fn findings(visits: &Visits, [overflows, drops]: [u64; 2], busy: &Slice) -> Vec<Finding> {
    let count = |name, value: u64| Finding::new(name, value as f64, "count");
    let ms = |name, us: f64| Finding::new(name, us / 1e3, "ms");
    let Visits { begun, established, echoed, served, .. } = visits;
    vec![
        count("answered", visits.answered).with(Goal::AtLeast(NEWCOMERS.visits.into())),
        count("failed", visits.failed).with(Goal::AtMost(0.0)),
        count("backlog overflows", overflows).with(Goal::AtMost(0.0)),
        count("dropped by listeners", drops).with(Goal::AtMost(0.0)),
        ms("called connect, p50", begun.p50_us),
        ms("called connect, p99.9", begun.p999_us),
        ms("established, p50", established.p50_us),
        ms("established, p99", established.p99_us),
        ms("established, p99.9", established.p999_us),
        ms("first echo, p50", echoed.p50_us),
        ms("first echo, p99", echoed.p99_us),
        ms("first echo, p99.9", echoed.p999_us).with(Goal::AtMost(WAIT_MAX_MS)),
        ms("first echo, the last", echoed.max_us),
        ms("connect to first echo, p99.9", served.p999_us).with(Goal::AtMost(WAIT_MAX_MS)),
        Finding::new("echoed for the others", busy.throughput(), "messages/s"),
        ms("the others, p99", busy.p99_us),
    ]
}
