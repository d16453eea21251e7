//! `load`: keeps messages in flight to an echo server. See `usher_bench::load`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::load::Load;

fn main() -> ExitCode {
    match Load::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
