//! `cargo xtask`: the project's own commands.
//!
//! What a submission must pass is a program here and not a script of some service, so that it runs the same
//! on every desk.
//!
//! - Owns: `ci`, the whole check, `tidy`, the rules no compiler knows, `tsan`, `fuzz`, `chaos`, and the ways to the
//!   benches and the simulator.
//! - Does not own: what the checks check; tests live with what they test, and measuring is `crates/bench`.
//! - Invariant: nothing depends on this crate.
//!
//! Read next: `ci.rs`, then `tidy.rs`.
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod chaos;
mod ci;
mod delivered;
mod fuzz;
mod sim;
mod tidy;
mod tsan;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cargo::Workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check a submission must pass, in order, up to the first that fails.
    Ci(ci::Options),
    /// Check the rules of the tree that no compiler knows.
    Tidy,
    /// Measure the stations side by side with their peers; `cargo xtask bench --help` says what there is.
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Run the suites that share memory between threads under ThreadSanitizer.
    Tsan(tsan::Options),
    /// Run the machines in virtual time with faults, seed after seed, until one fails.
    Sim(sim::Options),
    /// Kill the demo's servers by their pids while everybody plays, seed after seed, and see that nobody is harmed.
    Chaos(chaos::Options),
    /// Feed what takes strangers' bytes with what reaches new code. 0: nothing was found, 1: something, 2: bad usage.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let workspace = Workspace::locate()?;
    match &arguments.command {
        Command::Ci(options) => ci::run(&workspace, options),
        Command::Tidy => tidy::run(&workspace.root),
        Command::Bench(options) => bench::run(&workspace, options),
        Command::Tsan(options) => tsan::run(&workspace, options),
        Command::Sim(options) => sim::run(&workspace, options),
        Command::Chaos(options) => chaos::run(&workspace, options),
        Command::Fuzz(options) => fuzz::run(&workspace, options),
    }
}
