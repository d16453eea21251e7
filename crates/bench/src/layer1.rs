//! `bench layer1`: what layer 1 must show by itself, each with its goal: idle connections that weigh nothing, more
//! connections than descriptors, newcomers who do not wait.
//!
//! - Owns: the list of cases.
//! - Invariant: a case starts its own server and load and ends them; nothing else may run on the machine meanwhile.
//! - Limit: a missed goal is said and is no error; a server that fails is one.
//!
//! Read next: `idle.rs`, `layer1/direct.rs`, `layer1/storm.rs`; `finding.rs` for the form.

mod direct;
mod storm;

use anyhow::Result;
use clap::Args;

use crate::cases::{Case as _, Choice};
use crate::finding::{self, Finding};
use crate::idle::Idle;
use crate::station::{Engine, Programs, Station};
use crate::{cases, traffic};

const ESTIMATE: &str = "half a minute a case at the most";

/// What layer 1 must show by itself: memory of idle connections, more connections than descriptors, a storm of newcomers.
///
/// A case is `WHAT-ENGINE`. `idle`: 18,000 idle connections at one worker, peak memory. `direct`: 62,000 connections
/// at four workers with 20,000 direct descriptors each, under a limit of 20,000 open files; io_uring only. `storm`:
/// 5,000 visitors a second for ten seconds while 1,000 other connections echo as fast as they can, two workers.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Idle,
    Direct,
    Storm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    what: What,
    engine: Engine,
}

impl cases::Case for Case {
    fn name(&self) -> String {
        let what = match self.what {
            What::Idle => "idle",
            What::Direct => "direct",
            What::Storm => "storm",
        };
        format!("{what}-{}", self.engine)
    }
}

impl Case {
    /// Only `io_uring` has direct descriptors.
    const ALL: [Self; 5] = [
        Self { what: What::Idle, engine: Engine::Uring },
        Self { what: What::Idle, engine: Engine::Mio },
        Self { what: What::Direct, engine: Engine::Uring },
        Self { what: What::Storm, engine: Engine::Uring },
        Self { what: What::Storm, engine: Engine::Mio },
    ];

    fn run(self, programs: &Programs) -> Result<Vec<Finding>> {
        match self.what {
            What::Idle => idle(self.engine).run(programs),
            What::Direct => direct::run(programs, self.engine),
            What::Storm => storm::run(programs, self.engine),
        }
    }
}

fn idle(engine: Engine) -> Idle {
    Idle { station: Station::RawEcho(engine, 1), load: traffic::Echo::plain, share: 1, each_bytes_max: 256 }
}

/// Runs the chosen cases, one after the other.
pub fn run(options: &Options) -> Result<()> {
    let cases: Vec<Case> = Case::ALL.into_iter().filter(|case| options.choice.holds(case)).collect();
    let programs = Programs::locate()?;
    options.choice.run("layer1", &cases, ESTIMATE, |case, journal| {
        finding::report(&case.name(), &case.run(&programs)?, journal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names = Case::ALL.map(|case| case.name());
        assert_eq!(names, ["idle-uring", "idle-mio", "direct-uring", "storm-uring", "storm-mio"]);
    }
}
