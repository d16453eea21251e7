//! `usher-room`: the room server as a program of its own. See `usher_room`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_runtime::app::main::<usher_room::Room>()
}
