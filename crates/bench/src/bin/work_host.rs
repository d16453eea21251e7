//! `work_host`: keeps workers and requests in flight to them. See `usher_bench::workers`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::workers::Host;
use usher_runtime::leash;

fn main() -> ExitCode {
    if let Some(ended) = leash::obey() {
        return ended;
    }
    match Host::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("work_host: {error:#}");
            ExitCode::FAILURE
        }
    }
}
