//! `desk`: instructs the terminals of a push server. See `usher_bench::desk`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::desk::Desk;

fn main() -> ExitCode {
    match Desk::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("desk: {error:#}");
            ExitCode::FAILURE
        }
    }
}
