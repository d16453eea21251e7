//! `bench layer2`: what layer 2 must show by itself, each with its goal: idle connections that weigh little, a shard
//! whose handler is busy that nobody else notices, half a room that never reads and that the other half does not notice.
//!
//! - Owns: the list of cases.
//! - Invariant: a case starts its own server and loads and ends them; nothing else may run on the machine meanwhile.
//! - Limit: a missed goal is said and is no error; a server that fails is one.
//!
//! Read next: `idle.rs`, `layer2/busy.rs`, `layer2/deaf.rs`; `finding.rs` for the form.

mod busy;
mod deaf;

use anyhow::Result;
use clap::Args;

use crate::cases::{Case as _, Choice};
use crate::finding::{self, Finding};
use crate::idle::Idle;
use crate::relay::Relay;
use crate::station::{Engine, Framed, Programs, Stages, Station};
use crate::{cases, traffic};

const IDLE_SECONDS: u64 = 5;
/// Of the idle connections, in a smoke.
const SHARE_QUICK: u32 = 10;

/// What layer 2 must show by itself: memory of idle connections, a busy shard and deaf members that nobody notices.
///
/// A case is `idle-ENGINE/STAGES`, `busy-ENGINE`, `deaf-ENGINE` or `deaf-ENGINE-gateway`. `idle`: 18,000 idle connections at one worker, all stages inline
/// (0-0-0) or with a thread each (1-1-1), peak memory. `busy`: 100 connections echo at one listener, with and without
/// four at another whose handler is busy for 5 ms at each message; both have a logic thread of their own. Newcomers
/// at the first listener are counted and timed, too. `deaf`: one speaks to a room of 400 at half of the capacity, of
/// whom 200 read, or never read and come back as soon as they are closed on, for a minute; with `-gateway` all of them are
/// behind one gateway, on one trunk, and it is the gateway that is measured.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
    /// A smoke: fewer connections, shorter slices. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Idle(Stages),
    Busy,
    Deaf,
    DeafBehindAGateway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    what: What,
    engine: Engine,
}

impl cases::Case for Case {
    fn name(&self) -> String {
        match self.what {
            What::Idle(stages) => format!("idle-{}/{stages}", self.engine),
            What::Busy => format!("busy-{}", self.engine),
            What::Deaf => format!("deaf-{}", self.engine),
            What::DeafBehindAGateway => format!("deaf-{}-gateway", self.engine),
        }
    }
}

impl Case {
    fn all() -> Vec<Self> {
        let on = |engine| {
            let idle = [Stages::INLINE, Stages::ALL].map(What::Idle);
            let others = [What::Busy, What::Deaf, What::DeafBehindAGateway];
            idle.into_iter().chain(others).map(move |what| Self { what, engine })
        };
        [Engine::Uring, Engine::Mio].into_iter().flat_map(on).collect()
    }

    fn run(self, programs: &Programs, quick: bool) -> Result<Vec<Finding>> {
        match self.what {
            What::Idle(stages) => idle(Framed::on(self.engine, stages), quick).run(programs),
            What::Busy => busy::run(programs, self.engine, quick),
            What::Deaf => {
                deaf::run(programs, Station::FramedBroadcast(Framed::on(self.engine, Stages::DEFAULT)), quick)
            }
            What::DeafBehindAGateway => {
                deaf::run(programs, Station::Relay(Relay::GatewayBroadcast(self.engine, 1)), quick)
            }
        }
    }

    fn seconds(self, quick: bool) -> u64 {
        match self.what {
            What::Idle(_) => IDLE_SECONDS,
            What::Busy => busy::seconds(quick),
            What::Deaf | What::DeafBehindAGateway => deaf::seconds(quick),
        }
    }
}

fn idle(framed: Framed, quick: bool) -> Idle {
    Idle {
        station: Station::FramedEcho(framed),
        load: traffic::Echo::framed,
        share: if quick { SHARE_QUICK } else { 1 },
        each_bytes_max: 1024,
    }
}

/// Runs the chosen cases, one after the other; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| options.choice.holds(case)).collect();
    let seconds: u64 = cases.iter().map(|case| case.seconds(options.quick)).sum();
    let estimate = format!("{} cases: about {:.1} minutes", cases.len(), seconds as f64 / 60.0);
    let programs = Programs::locate()?;
    options.choice.run("layer2", &cases, &estimate, |case, journal| {
        finding::report(&case.name(), &case.run(&programs, options.quick)?, journal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names: Vec<String> = Case::all().iter().map(cases::Case::name).collect();
        let expected = [
            "idle-uring/0-0-0",
            "idle-uring/1-1-1",
            "busy-uring",
            "deaf-uring",
            "deaf-uring-gateway",
            "idle-mio/0-0-0",
            "idle-mio/1-1-1",
            "busy-mio",
            "deaf-mio",
            "deaf-mio-gateway",
        ];
        assert_eq!(names, expected);
    }
}
