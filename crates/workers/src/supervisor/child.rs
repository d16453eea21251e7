//! One worker process: its descriptor, its group, what it prints.
//!
//! Invariants: the group is killed while the child's number is still its own.
//! Limits: [`LINES_MAX`] lines within [`SPAN`], of [`LINE_BYTES_MAX`] each; what is left out is counted and said.
//! Read next: `supervisor.rs`.

use crate::slot::Slot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, Command};
use std::time::{Duration, Instant};
use usher_runtime::clock;
use usher_runtime::logs::CHILDREN;

/// Of a line that a worker prints; the rest is left out.
pub const LINE_BYTES_MAX: usize = 1024;
/// Lines of one worker that are passed on within ten seconds: a traceback or two.
pub const LINES_MAX: u32 = 200;
/// The span of `LINES_MAX`.
pub(super) const SPAN: Duration = Duration::from_secs(10);
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
    lines: Lines,
}

/// The lines that were heard in this span.
struct Lines {
    since: Instant,
    passed_on: u32,
    left_out: u64,
}

impl Lines {
    fn new() -> Self {
        Self { since: clock::instant(), passed_on: 0, left_out: 0 }
    }

    /// Whether one more is passed on.
    fn takes(&mut self) -> bool {
        let takes = self.passed_on < LINES_MAX;
        self.passed_on += u32::from(takes);
        self.left_out += u64::from(!takes);
        takes
    }

    /// How many were left out in a span that is over.
    fn take_left_out(&mut self) -> u64 {
        if self.since.elapsed() < SPAN { 0 } else { std::mem::replace(self, Self::new()).left_out }
    }
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
        let (output, line, lines) = (Some(output), Vec::new(), Lines::new());
        Ok(Self { group, slot, process, pid, end, output, line, lines })
    }

    /// What is to be waited for.
    pub(super) fn signs(&self) -> impl Iterator<Item = PollFd<'_>> {
        let output = self.output.as_ref().map(|output| PollFd::new(output, PollFlags::IN));
        [Some(PollFd::new(&self.end, PollFlags::IN)), output].into_iter().flatten()
    }

    /// Kills it, also where it has left its group, and all of the group. Not after it was waited for: until then the number
    /// is its own.
    pub(super) fn kill(&self) {
        let _ = kill_process(self.pid, Signal::KILL); // it is gone: all the better
        let _ = kill_process_group(self.pid, Signal::KILL);
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
        let left_out = self.lines.take_left_out();
        self.say_left_out(left_out);
        if !line.is_empty() && self.lines.takes() {
            let line = String::from_utf8_lossy(&line);
            tracing::info!(
                target: CHILDREN,
                group = self.group,
                worker = %self.slot,
                line = %line.escape_debug(),
                "a worker says"
            );
        }
    }

    fn say_left_out(&self, left_out: u64) {
        if left_out > 0 {
            tracing::warn!(target: CHILDREN, group = self.group, worker = %self.slot, left_out, "lines left out");
        }
    }

    /// After it has ended: nobody of it stays.
    pub(super) fn finish(mut self) {
        self.kill();
        self.hear();
        self.say_line();
        self.say_left_out(self.lines.left_out);
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
