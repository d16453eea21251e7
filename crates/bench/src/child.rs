//! A process started to be measured, or to measure: its lines, its commands, its end.
//!
//! - Owns: the process; it is killed when the handle is dropped, however the bench ends.
//! - Invariant: every wait has a deadline; the error of a late or dead process names it.
//! - Limit: [`LINES_MAX`] lines that nobody asked for; the process then waits in its write.
//!
//! Read next: `station.rs`, which knows what to start.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use crate::clock::now;

const LINES_MAX: usize = 256;
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running process that talks in lines.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Child {
    /// Starts `program`; what it says on stderr goes where ours goes.
    pub fn start(program: &Path, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(command)
    }

    /// Starts a command; its stdin and stdout are ours.
    pub fn spawn(command: Command) -> Result<Self> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::spawn_as(&name, command)
    }

    /// The same under a name for errors: the command may be one that starts another.
    pub(crate) fn spawn_as(name: &str, mut command: Command) -> Result<Self> {
        let name = name.to_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process =
            command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let stdin = process.stdin.take().expect("invariant: stdin was piped");
        let stdout = process.stdout.take().expect("invariant: stdout was piped");
        let (sender, lines) = sync_channel(LINES_MAX);
        let child = Self { name, process, stdin, lines };
        thread::Builder::new().name("lines".into()).spawn(move || forward(stdout, &sender))?;
        Ok(child)
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next line it prints.
    pub fn line(&mut self, within: Duration) -> Result<String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{} said nothing for {} s", self.name, within.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!("{} ended: {}", self.name, self.process.wait()?)
            }
        }
    }

    /// The next line it prints, which is JSON.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, within: Duration) -> Result<T> {
        let line = self.line(within)?;
        serde_json::from_str(&line).with_context(|| format!("{} said `{line}`", self.name))
    }

    /// Gives it a line.
    pub fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").with_context(|| format!("telling {} to {line}", self.name))
    }

    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Whether it runs, for an error that may be its fault.
    pub(crate) fn state(&mut self) -> String {
        match self.process.try_wait() {
            Ok(Some(status)) => format!("{} has ended: {status}", self.name),
            _ => format!("{} runs", self.name),
        }
    }

    /// Its end, if that comes in time.
    pub fn end(&mut self, within: Duration) -> Result<ExitStatus> {
        let started = now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > within {
                bail!("{} did not end within {} s", self.name, within.as_secs());
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already; there is nothing else to do about an error here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends with the process, or when nobody listens any more.
fn forward(stdout: ChildStdout, lines: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn lines_go_in_and_out() {
        let mut child = Child::start(Path::new("cat"), &[]).unwrap();
        child.say("one").unwrap();
        assert_eq!(child.line(SOON).unwrap(), "one");
        let error = child.line(Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("cat said nothing"), "{error}");
    }

    #[test]
    fn a_dead_process_is_named() {
        let mut child = Child::start(Path::new("true"), &[]).unwrap();
        let error = child.line(SOON).unwrap_err().to_string();
        assert!(error.starts_with("true ended"), "{error}");
        assert!(child.end(SOON).unwrap().success());
    }

    #[test]
    fn it_ends_with_its_handle() {
        let child = Child::start(Path::new("cat"), &[]).unwrap();
        let path = format!("/proc/{}", child.pid());
        assert!(Path::new(&path).exists());
        drop(child);
        assert!(!Path::new(&path).exists());
    }
}
