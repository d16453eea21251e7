//! `audience`: says messages to members that all hear them. See `usher_bench::audience`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::audience::Audience;

fn main() -> ExitCode {
    match Audience::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audience: {error:#}");
            ExitCode::FAILURE
        }
    }
}
