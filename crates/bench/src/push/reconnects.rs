//! Terminals that leave and come back at random moments while instructions go on.
//!
//! - Invariant: whoever leaves says where it stood when it comes back; the seed is the same in every run.
//!
//! Read next: `../desk/returns.rs`.

use std::time::Duration;

use anyhow::{Context, Result};

use super::server::Logs;
use crate::child::Child;
use crate::desk::Returns;
use crate::finding::{Finding, Goal};
use crate::station::{CASE_MAX, Engine, Programs, Server, Station};
use crate::traffic::{Instructing, Writes};

const TERMINALS: u32 = 20;
const RATE: u32 = 10_000;
const RETURNS: u32 = 1_000;
const RETURNS_QUICK: u32 = 100;
/// The random times between two departures, on average.
const RETURN_EVERY: Duration = Duration::from_millis(5);
const ANSWER_MAX: Duration = Duration::from_secs(120);

fn returns(quick: bool) -> u32 {
    if quick { RETURNS_QUICK } else { RETURNS }
}

/// About how long it takes.
pub(super) fn seconds(quick: bool) -> u64 {
    (RETURN_EVERY * returns(quick)).as_secs() + 1
}

pub(super) fn run(programs: &Programs, engine: Engine, quick: bool) -> Result<Vec<Finding>> {
    let wanted = returns(quick);
    let mut server = Server::start(programs, Station::Push(engine, Logs::Default), CASE_MAX)?;
    let instructing =
        Instructing { terminals: TERMINALS, rate: Some(RATE), writes: Writes::Together, quotes: None };
    let mut arguments = instructing.arguments(server.address, server.ports()?.controllers);
    arguments.push(format!("--returns={wanted}"));
    let mut desk = Child::start(&programs.desk(), &arguments)?;
    let returns: Returns = desk.answer(ANSWER_MAX).with_context(|| server.child.state())?;
    Ok(findings(&returns, wanted))
}

fn findings(returns: &Returns, wanted: u32) -> Vec<Finding> {
    let count = |name, value: u64| Finding::new(name, value as f64, "count");
    let ms = |name, us: f64| Finding::new(name, us / 1e3, "ms");
    vec![
        count("returns", returns.returns).with(Goal::AtLeast(wanted.into())),
        count("instructions", returns.instructions),
        count("of them while their terminal was away", returns.missed).with(Goal::AtLeast(1.0)),
        count("lost", returns.lost).with(Goal::AtMost(0.0)),
        count("doubled", returns.doubled).with(Goal::AtMost(0.0)),
        ms("a return, p50", returns.took.p50_us),
        ms("a return, p99", returns.took.p99_us),
        ms("a return, the longest", returns.took.max_us),
    ]
}
