//! `usher-push`: the push server as a program of its own. See `usher_push`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_push::Push>()
}
