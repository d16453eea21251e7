//! A process of its own for a test: this test binary runs itself once more, for that test and with a number.

use std::{
    env,
    process::{Command, Output},
};

const ARGUMENT: &str = "USHER_SUITE_CHILD";

/// The number, in the child.
pub(crate) fn argument() -> Option<usize> {
    env::var(ARGUMENT).ok().map(|argument| argument.parse().unwrap())
}

/// Runs `test`, by its whole name, in a child.
pub(crate) fn run(test: &str, argument: usize) -> Output {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "--nocapture", test]).env(ARGUMENT, argument.to_string()).output().unwrap()
}
