//! `unix_ping`: a bare ping-pong over a Unix socket. See `usher_bench::workers`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use usher_bench::workers::Ping;

fn main() -> ExitCode {
    match Ping::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unix_ping: {error:#}");
            ExitCode::FAILURE
        }
    }
}
