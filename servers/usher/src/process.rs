//! A server as a child process: started, known by its two lines, stopped; or killed, and started again.
//!
//! Why: the demo and `usher up` run real processes of this same executable, as an operator would.
//! Owns: the child, its ready line, its last line. Invariants: a child dies with this process.
//! Limits: a server has [`READY_MAX`] to say that it is ready.
//! Read next: `usher_runtime::life`, which says the lines.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use usher_runtime::config::Kind;

/// How long a server may take to start.
pub(crate) const READY_MAX: Duration = Duration::from_secs(20);

/// What a server says when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    /// Its name.
    #[serde(rename = "ready")]
    pub(crate) name: String,
    /// Where players (a manager's: servers) find it.
    pub(crate) address: String,
    /// Its admin port.
    pub(crate) admin: SocketAddr,
    /// Its listeners by name, if it has several.
    #[serde(default)]
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
}

/// A server that is running, or was.
pub(crate) struct ServerProcess {
    /// Its kind.
    pub(crate) kind: Kind,
    /// What it said when it was ready.
    pub(crate) ready: Ready,
    config: PathBuf,
    child: Child,
    lines: Receiver<String>,
}

impl fmt::Display for ServerProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, Ready { name, address, admin, .. }) = (self.kind.as_str(), &self.ready);
        write!(f, "{name:<13}{kind:<9}{address:<22} http://{admin}/metrics")
    }
}

impl ServerProcess {
    /// Starts a server of this executable and waits until it is ready.
    pub(crate) fn start(kind: Kind, config: &Path) -> anyhow::Result<Self> {
        let mut child = own_command()?
            .arg(kind.as_str())
            .arg("-c")
            .arg(config)
            .arg("--die-with-parent")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", kind.as_str()))?;
        let stdout = child.stdout.take().expect("invariant: standard output is piped");
        let (sender, lines) = channel();
        std::thread::Builder::new().name("lines".into()).spawn(move || pass_on(stdout, &sender))?;
        let Ok(line) = lines.recv_timeout(READY_MAX) else {
            let _ = child.kill(); // it may have ended by itself
            bail!("{} did not start: {}", config.display(), child.wait()?);
        };
        let ready = serde_json::from_str(&line).with_context(|| format!("{}: `{line}`", config.display()))?;
        Ok(Self { kind, ready, config: config.into(), child, lines })
    }

    /// Starts it again by its config, after it was killed.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        *self = Self::start(self.kind, &self.config)?;
        Ok(())
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop: drains first.
    pub(crate) fn terminate(&self) {
        signal(&self.child, Signal::TERM);
    }

    /// Ends it at once, without a word.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait(); // and may have been waited for
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it has stopped; whether it ended well, and the pools of its last line.
    pub(crate) fn stopped(&mut self, within: Duration) -> anyhow::Result<(bool, Value)> {
        let last: Value = match self.lines.recv_timeout(within) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_default(),
            Err(_) => Value::Null,
        };
        if last.is_null() {
            self.kill();
        }
        let status = self.child.wait()?;
        Ok((status.success(), last.get("pools").cloned().unwrap_or_default()))
    }
}

/// A command of this executable, in a process group of its own: Ctrl-C reaches only who started it.
pub(crate) fn own_command() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find my own executable")?);
    command.process_group(0);
    Ok(command)
}

/// Sends a signal to a child that may have ended already.
pub(crate) fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal); // it may have ended by itself
    }
}

fn pass_on(stdout: ChildStdout, lines: &Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// Ends a process at once that is no child of this one.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL); // it may have ended by itself
    }
}
