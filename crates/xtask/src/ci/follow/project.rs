//! An empty project beside the tree, filled from a page, and the programs that come of it.
//!
//! It lies in the target folder, where a link named `usher` stands for the clone that a reader has beside the project. What is
//! built is kept for the next time.
//!
//! - Owns: the project's folder, Cargo's runs in it, the processes started from it.
//! - Invariants: the folder is made anew; a process ends with its [`Server`].
//! - Limit: [`PATIENCE`] for each line that a server is to print.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use super::page::Page;
use crate::cargo::{Workspace, succeed};

pub(super) struct Project {
    folder: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Copies every block that is to be copied.
    pub(super) fn make(workspace: &Workspace, name: &str, page: &Page) -> Result<Self> {
        let beside = workspace.target.join("follow");
        let (folder, target) = (beside.join(name), beside.join("target"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        link(&workspace.root, &beside.join("usher"))?;
        std::fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        for (file, text) in page.files()? {
            let file = folder.join(file);
            std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            std::fs::write(file, text)?;
        }
        Ok(Self { folder, target })
    }

    /// A run of Cargo in it, which takes no warning. Nothing is fetched: what the tree needed to be built is here.
    pub(super) fn cargo(&self, workspace: &Workspace, arguments: &[&str]) -> Result<()> {
        let mut command = workspace.cargo(arguments);
        command.arg("--offline").current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", &self.target).env("RUSTFLAGS", "-D warnings");
        succeed(command.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0"))
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.target.join("debug").join(name))
    }

    /// What a program prints that is told this.
    pub(super) fn output(&self, name: &str, arguments: &[&str], typed: &str) -> Result<String> {
        let mut command = self.program(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        child.stdin.take().context("its input is ours")?.write_all(typed.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{name}: {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a server that prints a line for each of its listeners.
    pub(super) fn serve(&self, name: &str, arguments: &[&str], listeners: usize) -> Result<Server> {
        let mut child = self.program(name).args(arguments).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("its output is ours")?);
        let (sender, lines) = mpsc::channel();
        let pass_on = move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        thread::Builder::new().spawn(pass_on)?;
        let mut server = Server { child, lines, addresses: Vec::new() };
        for _ in 0..listeners {
            let line = server.lines.recv_timeout(PATIENCE).with_context(|| format!("{name} says nothing"))?;
            let address =
                line.strip_prefix("listening on ").with_context(|| format!("{name} says {line}"))?;
            server.addresses.push(address.to_owned());
        }
        Ok(server)
    }
}

/// A server of the project's, for as long as this lives.
pub(super) struct Server {
    child: Child,
    lines: Receiver<String>,
    /// Of its listeners, in order.
    pub(super) addresses: Vec<String>,
}

impl Server {
    /// Ends it as Ctrl-C does; what it prints last.
    pub(super) fn interrupt(mut self) -> Result<Vec<String>> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let last: Vec<_> = self.lines.iter().collect();
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(last)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn link(root: &Path, place: &Path) -> Result<()> {
    if std::fs::read_link(place).is_ok_and(|there| there == root) {
        return Ok(());
    }
    let _ = std::fs::remove_file(place);
    std::os::unix::fs::symlink(root, place).with_context(|| format!("linking {}", place.display()))
}
