//! Cargo and its compiler as these commands use them: where the workspace is, and runs that must succeed.
//!
//! - Owns: the choice of cargo (the one that started us) and the folder it runs in.
//! - Invariant: the target folder is the one cargo names, wherever config or environment put it.
//!
//! Read next: `ci.rs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Where the tree and its build products are.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn locate() -> Result<Self> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("running cargo metadata")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo metadata failed: {}", said.trim());
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")
    }

    /// A cargo command, to be run at the root; its output goes where ours goes.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.root);
        command
    }
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// As `succeed`, but it is killed if it does not end in time.
pub(crate) fn succeed_within(command: &mut Command, deadline: Duration) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let started = now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{command:?}: {status}");
            return Ok(());
        }
        if started.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("{command:?} did not end within {} s", deadline.as_secs());
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// How often a program that has a deadline is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The target this machine's compiler builds for by itself.
pub(crate) fn host() -> Result<String> {
    let version = ask_rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// What the compiler prints.
pub(crate) fn ask_rustc(arguments: &[&str]) -> Result<String> {
    let output = Command::new(rustc()).args(arguments).output().context("starting rustc")?;
    ensure!(output.status.success(), "rustc {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).context("what rustc printed")
}

/// The compiler that cargo would take.
pub(crate) fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The clock is read to time steps, for progress and for the demo's deadline; nothing is decided by it but that.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
