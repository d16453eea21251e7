//! The whole check of a submission: a list of steps, run in order up to the first that fails.
//!
//! - Owns: the order of the steps, their headings and times.
//! - Does not own: the judgement; each step runs a tool, or the binaries as a user would.
//! - Invariants: the last line says how many steps of the list passed, so a partial run never looks whole; a
//!   failure names its step.
//! - Limit: the demo has a deadline, as it alone could wait for ever; so has `chaos`, which is one.
//!
//! Read next: `ci/demo.rs`, `ci/follow.rs`, `ci/tools.rs`.

mod book;
mod demo;
mod disk;
mod follow;
mod tools;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cargo::{Workspace, now, succeed};
use crate::chaos;
use crate::tidy;

#[derive(Args)]
pub(crate) struct Options {
    /// Run just this step; may be given several times. The order stays that of the list.
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Vec<String>,
    /// Print the steps and stop.
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the formatting is rustfmt's", run: fmt },
    Step { name: "clippy", what: "no lint fires, in any target or feature", run: clippy },
    Step { name: "tools", what: "what the checks need and Cargo cannot bring", run: |_| tools::provide() },
    Step { name: "test", what: "all tests, those in the documentation too", run: test },
    Step { name: "doc", what: "the documentation builds without a warning", run: doc },
    Step { name: "tidy", what: "the rules of the tree", run: |workspace| tidy::run(&workspace.root) },
    Step {
        name: "follow",
        what: "the pages that teach, copied into empty projects, do as they say",
        run: follow::run,
    },
    Step { name: "book", what: "the book builds, where mdBook is here", run: book::run },
    Step { name: "outside", what: "a browser, Prometheus and systemd take what we give them", run: outside },
    Step { name: "build", what: "the binaries, as they are released", run: build },
    Step { name: "demo", what: "the real binaries seat a thousand players", run: demo::run },
    Step { name: "chaos", what: "servers are killed, and nobody is harmed", run: chaos::smoke },
    Step { name: "sim", what: "the machines in virtual time, with a crash", run: sim },
];

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.list {
        for step in STEPS {
            println!("{:8} {}", step.name, step.what);
        }
        return Ok(());
    }
    let chosen = |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    if let Some(warning) = disk::warning(&workspace.target) {
        println!("{warning}");
    }
    let mut times = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        println!("\n==> {}: {}", step.name, step.what);
        let started = now();
        let outcome = (step.run)(workspace);
        times.push((step.name, started.elapsed(), outcome.is_ok()));
        if let Err(error) = outcome {
            print!("{}", table(&times));
            if let Some(suspicion) = disk::suspicion(&workspace.target) {
                println!("{suspicion}");
            }
            return Err(error).context(format!("step `{}` failed", step.name));
        }
    }
    print!("{}", table(&times));
    println!("{}", verdict(times.len()));
    Ok(())
}

/// One line a step, and their sum.
fn table(times: &[(&str, Duration, bool)]) -> String {
    let row =
        |name: &str, time: Duration, mark: &str| format!("{name:8} {:>8.1} s  {mark}\n", time.as_secs_f64());
    let rows: String = times
        .iter()
        .map(|&(name, time, passed)| row(name, time, if passed { "passed" } else { "FAILED" }))
        .collect();
    let sum = times.iter().map(|&(_, time, _)| time).sum();
    format!("\n{rows}{}", row("total", sum, ""))
}

fn verdict(passed: usize) -> String {
    if passed == STEPS.len() {
        format!("ci: all {passed} steps passed")
    } else {
        format!("ci: {passed} of {} steps were run and passed; the others were not run", STEPS.len())
    }
}

fn fmt(workspace: &Workspace) -> Result<()> {
    succeed(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    succeed(&mut workspace.cargo(&arguments))
}

fn test(workspace: &Workspace) -> Result<()> {
    succeed(&mut workspace.cargo(&["test", "--workspace"]))
}

/// In the binary of the end-to-end tests, where a plain `cargo test` leaves them out.
fn outside(workspace: &Workspace) -> Result<()> {
    let arguments = ["test", "--workspace", "--test", "e2e", "outside::", "--", "--ignored"];
    succeed(&mut workspace.cargo(&arguments))
}

fn doc(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
    succeed(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn build(workspace: &Workspace) -> Result<()> {
    let arguments = ["build", "--release", "--workspace", "--bins"];
    let own = ["--exclude", "usher-xtask", "--exclude", "usher-fuzz"];
    succeed(workspace.cargo(&arguments).args(own))
}

fn sim(workspace: &Workspace) -> Result<()> {
    let smoke = "crates/sim/tests/smoke.rs";
    if !workspace.root.join(smoke).exists() {
        bail!("{smoke} is not there: the smoke run of the simulator is a test of that name");
    }
    succeed(&mut workspace.cargo(&["test", "--release", "--package", "usher-sim", "--test", "smoke"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_run_does_not_look_whole() {
        assert_eq!(verdict(STEPS.len()), "ci: all 13 steps passed");
        assert_eq!(verdict(1), "ci: 1 of 13 steps were run and passed; the others were not run");
    }

    #[test]
    fn the_table_shows_what_failed() {
        let times = [("fmt", Duration::from_millis(1_500), true), ("clippy", Duration::from_secs(2), false)];
        let shown = table(&times);
        let rows: Vec<&str> = shown.lines().collect();
        assert_eq!(
            rows,
            ["", "fmt           1.5 s  passed", "clippy        2.0 s  FAILED", "total         3.5 s  "]
        );
    }

    #[test]
    fn step_names_differ() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
        }
    }
}
