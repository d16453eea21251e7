//! `bench layer1`: what layer 1 must show by itself, each with its goal: idle connections that weigh nothing, more
//! connections than descriptors, newcomers who do not wait.
//!
//! - Owns: the list of cases, what is printed of them.
//! - Invariant: a case starts its own server and load and ends them; nothing else may run on the machine meanwhile.
//! - Limit: a missed goal is said and is no error; a server that fails is one.
//!
//! Read next: `layer1/idle.rs`, `layer1/direct.rs`, `layer1/storm.rs`; `layer1/finding.rs` for the form.

mod direct;
mod finding;
mod idle;
mod storm;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::de::DeserializeOwned;

use self::finding::Finding;
use crate::child::Child;
use crate::interval::Interval;
use crate::journal::Journal;
use crate::station::{Engine, Programs, Server};
use crate::table::columns;

/// A server that is still up after this ends by itself.
const CASE_MAX: Duration = Duration::from_secs(600);

/// What layer 1 must show by itself: memory of idle connections, more connections than descriptors, a storm of newcomers.
///
/// A case is `WHAT-ENGINE`. `idle`: 18,000 idle connections at one worker, peak memory. `direct`: 62,000 connections
/// at four workers with 20,000 direct descriptors each, under a limit of 20,000 open files; io_uring only. `storm`:
/// 5,000 visitors a second for ten seconds while 1,000 other connections echo as fast as they can, two workers.
#[derive(Debug, Args)]
pub struct Options {
    /// Only cases whose name holds this; may be given several times.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Write the lines of JSON to this file, not to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the names of the cases and stop.
    #[arg(long)]
    list: bool,
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

impl Case {
    /// Only `io_uring` has direct descriptors.
    const ALL: [Self; 5] = [
        Self { what: What::Idle, engine: Engine::Uring },
        Self { what: What::Idle, engine: Engine::Mio },
        Self { what: What::Direct, engine: Engine::Uring },
        Self { what: What::Storm, engine: Engine::Uring },
        Self { what: What::Storm, engine: Engine::Mio },
    ];

    fn name(self) -> String {
        let what = match self.what {
            What::Idle => "idle",
            What::Direct => "direct",
            What::Storm => "storm",
        };
        format!("{what}-{}", self.engine)
    }

    fn run(self, programs: &Programs) -> Result<Vec<Finding>> {
        match self.what {
            What::Idle => idle::run(programs, self.engine),
            What::Direct => direct::run(programs, self.engine),
            What::Storm => storm::run(programs, self.engine),
        }
    }
}

impl Options {
    fn chosen(&self) -> Vec<Case> {
        let named = |case: &Case| {
            self.cases.is_empty() || self.cases.iter().any(|part| case.name().contains(part.as_str()))
        };
        Case::ALL.into_iter().filter(named).collect()
    }
}

/// Runs the chosen cases, one after the other.
pub fn run(options: &Options) -> Result<()> {
    let cases = options.chosen();
    ensure!(!cases.is_empty(), "no case has such a name; `--list` shows them");
    if options.list {
        for case in &cases {
            println!("{}", case.name());
        }
        return Ok(());
    }
    let programs = Programs::locate()?;
    let mut journal = Journal::open("layer1", options.json.as_deref())?;
    for (index, case) in cases.iter().enumerate() {
        let name = case.name();
        eprintln!("[{}/{}] {name}", index + 1, cases.len());
        let findings = case.run(&programs).with_context(|| name.clone())?;
        println!("{name}:\n\n{}", columns(&finding::rows(&findings)));
        for found in findings {
            journal.write(&format!("{name}/{}", found.key()), Interval::exact(found.value), found.unit)?;
        }
    }
    Ok(())
}

/// The line of JSON that a load or storm prints; the server may be why there is none.
fn answer<T: DeserializeOwned>(child: &mut Child, server: &mut Server, within: Duration) -> Result<T> {
    let line = child.line(within).with_context(|| server.child.state())?;
    serde_json::from_str(&line).with_context(|| format!("`{line}` is no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cases: &[&str]) -> Vec<String> {
        let cases = cases.iter().map(ToString::to_string).collect();
        Options { cases, json: None, list: false }.chosen().into_iter().map(Case::name).collect()
    }

    #[test]
    fn cases_are_chosen_by_a_part_of_the_name() {
        assert_eq!(names(&[]), ["idle-uring", "idle-mio", "direct-uring", "storm-uring", "storm-mio"]);
        assert_eq!(names(&["storm"]), ["storm-uring", "storm-mio"]);
        assert_eq!(names(&["idle-mio", "direct"]), ["idle-mio", "direct-uring"]);
        assert_eq!(names(&["nobody"]), [""; 0]);
    }
}
