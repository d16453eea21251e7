//! The simulator by the seed: trials on all cores, until one fails; or the same of trees with one rule less.
//!
//! - Owns: how `crates/sim/examples/seeds.rs` is built and started, and of which tree.
//! - Does not own: what a seed is (`crates/sim/src/trial.rs`), what it prints.
//! - Invariant: exit code 0 only if every seed passed; with `--mutants`, only if each of them made a seed fail.
//!
//! Read next: `sim/mutants.rs`.

mod mutants;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use self::mutants::MUTANTS;
use crate::cargo::{Workspace, succeed};

#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds; 100, or only the one that is named.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first.
    #[arg(long)]
    seed: Option<u64>,
    /// Players of a seed, all crowds together.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    players: u32,
    /// Virtual minutes of a seed, five of six with faults.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    minutes: u32,
    /// Gateways before all halls and rooms; without it every second seed has two.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=8))]
    gateways: Option<u32>,
    /// Go on after a seed that fails, and name every one.
    #[arg(long)]
    all: bool,
    /// Take one rule after the other away, and see that a seed fails; within 1,000 unless `--seeds` says otherwise.
    #[arg(long)]
    mutants: bool,
    /// Of the mutants just this one; may be given several times.
    #[arg(long, value_name = "MUTANT", requires = "mutants", value_parser = PossibleValuesParser::new(MUTANTS.iter().map(|it| it.name)))]
    only: Vec<String>,
}

const SEEDS: u64 = 100;
const MUTANT_SEEDS: u64 = 1_000;

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.mutants {
        return mutants::run(workspace, options);
    }
    let program = build(workspace.cargo(&[]), &workspace.target)?;
    succeed(
        &mut options
            .trials(&program, options.seeds.unwrap_or(if options.seed.is_some() { 1 } else { SEEDS })),
    )
}

/// Builds the program that runs seeds, with this cargo into that folder.
fn build(mut cargo: Command, target: &Path) -> Result<PathBuf> {
    let arguments = ["build", "--release", "--package", "usher-sim", "--example", "seeds", "--target-dir"];
    succeed(cargo.args(arguments).arg(target))?;
    Ok(target.join("release/examples/seeds"))
}

impl Options {
    fn trials(&self, program: &Path, seeds: u64) -> Command {
        let mut command = Command::new(program);
        let first = self.seed.unwrap_or(1);
        command
            .args([first, seeds, self.players.into(), self.minutes.into()].map(|number| number.to_string()));
        command.arg(self.gateways.map_or_else(|| "by-seed".into(), |gateways| gateways.to_string()));
        command.args(self.all.then_some("all"));
        command
    }
}
