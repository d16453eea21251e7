//! `usher-manager`: the manager server as a program of its own. See `usher_manager`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_manager::Manager>()
}
