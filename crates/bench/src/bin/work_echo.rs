//! `work_echo`: a worker that gives back what it is given. See `usher_bench::workers`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::workers::Echo;

fn main() -> ExitCode {
    match Echo::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("work_echo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
