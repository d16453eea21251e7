//! `usher-gateway`: the gateway as a program of its own. See `usher_gateway`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_gateway::App>()
}
