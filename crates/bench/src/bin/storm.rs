//! `storm`: sends visitors to an echo server at a steady rate. See `usher_bench::storm`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::storm::Storm;

fn main() -> ExitCode {
    match Storm::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error:#}");
            ExitCode::FAILURE
        }
    }
}
