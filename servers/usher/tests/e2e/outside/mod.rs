//! What programs of others make of us: the browser, Prometheus and systemd that people run Usher with.
//!
//! Why: whether a page can be used, a metric read or a unit started is known by them and not by us.
//! Owns: these tests, which a plain `cargo test` leaves out: not every desk has those programs. `cargo xtask ci` installs them, or
//! says what to install, and runs all of these.
//! Invariants: a program that is not there fails the test.
//! Read next: [`prometheus`], [`systemd`], [`dashboard`].

mod browser;
mod dashboard;
mod prometheus;
mod systemd;

use std::process::{Command, Output, Stdio};

/// Runs a program to its end with this on its standard input.
fn run(command: &mut Command, stdin: &[u8]) -> Output {
    use std::io::Write as _;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; see cargo xtask ci --only tools"));
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}
