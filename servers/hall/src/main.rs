//! `usher-hall`: the hall server as a program of its own. See `usher_hall`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_hall::Hall>()
}
