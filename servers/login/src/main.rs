//! `usher-login`: the login server as a program of its own. See `usher_login`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_login::Login>()
}
