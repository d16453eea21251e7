//! One worker process: its descriptor, its group, what it prints.
//!
//! Invariants: the group is killed while the child's number is still its own.
//! Read next: `supervisor.rs`.

use crate::slot::Slot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, Command};

/// Of a line that a worker prints; the rest is left out.
pub const LINE_BYTES_MAX: usize = 1024;
/// What is heard of one worker before the next is.
const HEARD_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Child {
    group: &'static str,
    slot: Slot,
    process: Process,
    pid: Pid,
    /// Readable when it has ended.
    end: OwnedFd,
    /// None: nobody can print any more.
    output: Option<PipeReader>,
    line: Vec<u8>,
}

impl Child {
    /// Starts it, with what it prints to be heard here.
    pub(super) fn start(mut command: Command, group: &'static str, slot: Slot) -> io::Result<Self> {
        let (output, print) = pipe()?;
        ioctl_fionbio(&output, true)?;
        command.stdout(print.try_clone()?).stderr(print).process_group(0);
        let mut process = command.spawn()?;
        drop(command); // and with it our copies of its descriptors
        let pid = Pid::from_child(&process);
        let end = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            let _ = process.kill(); // it is there: we have not waited
            let _ = process.wait();
        })?;
        tracing::debug!(group, worker = %slot, pid = pid.as_raw_nonzero().get(), "started");
        Ok(Self { group, slot, process, pid, end, output: Some(output), line: Vec::new() })
    }

    /// What is to be waited for.
    pub(super) fn signs(&self) -> impl Iterator<Item = PollFd<'_>> {
        let output = self.output.as_ref().map(|output| PollFd::new(output, PollFlags::IN));
        [Some(PollFd::new(&self.end, PollFlags::IN)), output].into_iter().flatten()
    }

    /// Kills it and all it has started. Not after it was waited for.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL); // it is gone: all the better
    }

    pub(super) fn has_ended(&self) -> bool {
        let mut end = [PollFd::new(&self.end, PollFlags::IN)];
        poll(&mut end, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Hears what it printed so far.
    pub(super) fn hear(&mut self) {
        let mut bytes = [0; 4096];
        let mut heard = 0;
        while let Some(output) = &mut self.output
            && heard < HEARD_BYTES_MAX
        {
            match output.read(&mut bytes) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    heard += count;
                    bytes[..count].iter().for_each(|byte| self.hear_byte(*byte));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    fn hear_byte(&mut self, byte: u8) {
        if byte == b'\n' {
            self.say_line();
        } else if self.line.len() < LINE_BYTES_MAX {
            self.line.push(byte);
        }
    }

    fn say_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            let line = String::from_utf8_lossy(&line);
            tracing::info!(group = self.group, worker = %self.slot, line = %line.escape_debug(), "a worker says");
        }
    }

    /// After it has ended: nobody of it stays.
    pub(super) fn finish(mut self) {
        self.kill();
        self.hear();
        self.say_line();
        match self.process.wait() {
            Ok(status) => {
                tracing::info!(group = self.group, worker = %self.slot, %status, "a worker has ended");
            }
            Err(error) => {
                tracing::error!(group = self.group, worker = %self.slot, %error, "cannot be waited for");
            }
        }
    }
}
