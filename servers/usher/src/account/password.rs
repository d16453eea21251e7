//! Where a password comes from: typed twice and not shown, or one line of standard input.
//!
//! Why: a command line is read by everybody on the machine, and kept in a shell's history.
//! Invariants: what was read is wiped when it was used.
//! Limits: a line of [`LINE_BYTES_MAX`].
//! Read next: `usher_secure::scram`.

use super::usage;
use anyhow::{Context, anyhow};
use clap::Args;
use std::io::{BufRead, IsTerminal, Read, stdin};
use zeroize::Zeroizing;

/// More is no password.
const LINE_BYTES_MAX: u64 = 1_024;

/// How the password is given.
#[derive(Args, Clone, Debug)]
pub(super) struct PasswordArgs {
    /// Take it from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    pub(super) fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        if self.password_stdin { line() } else { typed() }
    }
}

fn line() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line).context("standard input")?;
    let password = line.strip_suffix('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
    Ok(Zeroizing::new(password.unwrap_or(&line).to_owned()))
}

fn typed() -> anyhow::Result<Zeroizing<String>> {
    if !stdin().is_terminal() {
        return Err(usage(anyhow!("nobody is here to type a password: use --password-stdin")));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).context("the terminal");
    let (first, second) = (ask("Password: ")?, ask("Again: ")?);
    if first == second { Ok(first) } else { Err(usage(anyhow!("the two are not the same"))) }
}
