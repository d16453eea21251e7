//! A program that dies with this one, whatever it is and however this one ends.
//!
//! Why: a worker process must not outlive its host, not even one that was killed with SIGKILL; and whoever wrote the worker
//! need not know. So our own executable is started in its place, ties itself to its parent and becomes the worker.
//! Invariants: the hidden first argument [`WORD`] is looked for before any command line is read. The kernel ties a child
//! to the *thread* that started it: that thread must live as long as the child may.
//! Limits: a process that the worker starts itself is not tied to anybody.
//! Read next: `usher_workers`, which starts workers so.

use crate::process;
use std::env;
use std::ffi::OsStr;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{Command, ExitCode, id};

/// The first argument of an executable of ours that is to become another program.
pub const WORD: &str = "worker-exec";
/// What a shell says of a program that it cannot run.
const CANNOT_RUN: u8 = 127;

/// A command that runs `program`, through `through`, an executable whose main calls [`obey`].
pub fn command<S: AsRef<OsStr>>(through: &Path, program: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(through);
    command.arg(WORD).arg(id().to_string()).args(program);
    command
}

/// If this process was started to become another program, does so; what it gives back says that it could not.
pub fn obey() -> Option<ExitCode> {
    let mut args = env::args_os().skip(1);
    if args.next()? != WORD {
        return None;
    }
    let parent = args.next().and_then(|parent| parent.to_str()?.parse::<u32>().ok())?;
    let program = args.next()?;
    process::die_with_parent();
    if parent_id() != parent {
        return Some(ExitCode::FAILURE); // it died before we were tied to it
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("cannot run {}: {error}", program.display());
    Some(ExitCode::from(CANNOT_RUN))
}
