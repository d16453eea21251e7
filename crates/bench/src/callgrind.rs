//! User instructions of a server, by `valgrind --tool=callgrind`.
//!
//! A count does not depend on the machine's mood. What a message costs is the difference of two runs that differ
//! only in how many messages were sent: start, connections and end are in both.
//!
//! - Owns: one run, from the start of the server to the file with its total.
//! - Invariant: the server is ended by SIGTERM while its connections are open, so that no run counts their ends.
//! - Limit: [`RUN_MAX`] for the messages of a run, [`END_MAX`] to write the file.
//!
//! Read next: `instructions.rs`; `examples/patient_ring.rs`, which a server on `io_uring` needs for this.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::slice::Slice;
use crate::station::{ANY_PORT, Programs, Server, Station};
use crate::traffic::Echo;

const RUN_MAX: Duration = Duration::from_secs(300);
const END_MAX: Duration = Duration::from_secs(30);
/// What only makes a server countable is no part of its count.
const NOT_COUNTED: &str = "libpatient_ring.so";

/// Refuses with what to do when there is no valgrind.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        _ => bail!("valgrind is not here; it counts the instructions (Debian: apt-get install valgrind)"),
    }
}

/// All user instructions of a server that echoes so many messages, from its start to its end.
pub(crate) fn count(programs: &Programs, station: Station, echo: Echo, messages: u64) -> Result<u64> {
    let file = std::env::temp_dir().join(format!("usher-bench-{}.callgrind", std::process::id()));
    let total = run(programs, station, echo, messages, &file).and_then(|()| read(&file));
    // Of an earlier failure there may be none.
    let _ = fs::remove_file(&file);
    total.with_context(|| format!("counting {station} under {echo}"))
}

fn run(programs: &Programs, station: Station, echo: Echo, messages: u64, file: &Path) -> Result<()> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--fair-sched=try"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .args(programs.server(station, RUN_MAX * 2, ANY_PORT))
        .env("LD_PRELOAD", programs.patient_ring());
    let mut server = Server::spawn(command)?;
    let mut load = echo.start(programs, &mut server)?;
    load.say(&format!("count {messages}"))?;
    let slice: Slice = load.answer(RUN_MAX).with_context(|| server.child.state())?;
    ensure!(slice.messages == messages, "{} of {messages} messages came back", slice.messages);
    let pid = i32::try_from(server.child.pid()).ok().and_then(Pid::from_raw).context("a process number")?;
    kill_process(pid, Signal::TERM).context("ending the server")?;
    server.child.end(END_MAX)?;
    Ok(())
}

fn read(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    total(&text, NOT_COUNTED).with_context(|| format!("{} is not as callgrind writes it", file.display()))
}

/// The file's total without the instructions of one object. `None` if its lines do not add up to its total.
///
/// Costs stand by source line, under the object (`ob=`) they are in; the line after `calls=` repeats what the called
/// function cost and does not count. A name is written once, with a number in brackets, then the number alone.
fn total(text: &str, object_left_out: &str) -> Option<u64> {
    let (mut sum, mut left_out) = (0, 0);
    let (mut numbers_left_out, mut is_left_out, mut is_call) = (Vec::new(), false, false);
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            let number = object.split(' ').next()?;
            if object.ends_with(object_left_out) {
                numbers_left_out.push(number);
            }
            is_left_out = numbers_left_out.contains(&number);
        } else if let Some(object) = line.strip_prefix("cob=") {
            if object.ends_with(object_left_out) {
                numbers_left_out.push(object.split(' ').next()?);
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost: u64 = line.split(' ').nth(1)?.parse().ok()?;
            if !std::mem::take(&mut is_call) {
                sum += cost;
                left_out += if is_left_out { cost } else { 0 };
            }
        }
    }
    let stated = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    (stated.trim().parse() == Ok(sum)).then(|| sum - left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1
events: Ir
summary: 60

ob=(1) /t/server
fl=(1) a.rs
fn=(1) run
10 20
+2 5
cob=(2) /t/libpatient_ring.so
cfn=(2) syscall
calls=3 40
* 18
fi=(2) b.rs
-3 2

ob=(2)
fn=(2)
40 15
cob=(1)
cfn=(1)
calls=1 10
41 7
42 8

ob=(1)
fn=(3) end
7 10

totals: 60
";

    #[test]
    fn what_was_called_counts_once_and_an_object_may_be_left_out() {
        assert_eq!(total(FILE, "libpatient_ring.so"), Some(37));
        assert_eq!(total(FILE, "no such object"), Some(60));
    }

    #[test]
    fn a_file_that_does_not_add_up_is_refused() {
        assert_eq!(total(&FILE.replace("totals: 60", "totals: 61"), "x"), None);
        assert_eq!(total("events: Ir\n1 2\n", "x"), None);
        assert_eq!(total("1 many\ntotals: 1\n", "x"), None);
    }
}
