//! `usher-workers`: a host of workers as a program of its own. See `usher_workers`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_workers::Host>()
}
