//! Direct descriptors: one process holds 62,000 live connections though it may open 20,000 files.
//!
//! Each ring has a table of sockets of its own, which the kernel bounds by the limit of open files but does not
//! count towards it. Several loads, each under the same limit, hold the other ends.
//!
//! - Invariant: live means that each connection brought a message back after the last one was opened.
//!
//! Read next: `storm.rs`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::Child;
use crate::finding::{Finding, Goal};
use crate::slice::Slice;
use crate::station::{CASE_MAX, Engine, Programs, Server, Station};
use crate::traffic::Echo;
use crate::{files, process};

const FILES_MAX: u64 = 20_000;
const WORKERS: u16 = 4;
const LOADS: u8 = 4;
const EACH: Echo = Echo::plain(15_500, 1);
const CONNECTIONS: f64 = LOADS as f64 * EACH.connections as f64;
const LIVE_MIN: f64 = 60_000.0;
const FLAGS: [&str; 4] = ["--direct", "20000", "--connections", "70000"];
const MIB: f64 = 1024.0 * 1024.0;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Opens all, then has each answered once more, all loads at the same time.
pub(super) fn run(programs: &Programs, engine: Engine) -> Result<Vec<Finding>> {
    files::allow_at_most(FILES_MAX)?;
    let station = Station::RawEcho(engine, WORKERS);
    let mut server = Server::start_with(programs, station, CASE_MAX, &FLAGS)?;
    let pid = server.child.pid();
    let empty = process::memory(pid)?.resident;
    let start = |source| EACH.start_from(programs, &mut server, source);
    let mut loads = (1..=LOADS).map(start).collect::<Result<Vec<_>>>()?;
    let (live, slowest) = round_trip(&mut loads, &mut server)?;
    let memory = process::memory(pid)?;
    let findings = vec![
        Finding::new("live connections", live as f64, "count").with(Goal::AtLeast(LIVE_MIN)),
        Finding::new("open files allowed", process::descriptors_max(pid)? as f64, "count"),
        Finding::new("open files", process::descriptors(pid)? as f64, "count")
            .with(Goal::AtMost(FILES_MAX as f64)),
        Finding::new("one message each", slowest, "s"),
        Finding::new("resident, empty", empty as f64 / MIB, "MiB"),
        Finding::new("resident", memory.resident as f64 / MIB, "MiB"),
        Finding::new("resident at the peak", memory.resident_peak as f64 / MIB, "MiB"),
        Finding::new("each connection", (memory.resident - empty) as f64 / CONNECTIONS, "bytes"),
    ];
    // Who closes first keeps the port for a minute: that had better not be the loads.
    drop(server);
    drop(loads);
    Ok(findings)
}

/// So many messages as there are connections are one for each. How many came back, and how long the slowest load took.
fn round_trip(loads: &mut [Child], server: &mut Server) -> Result<(u64, f64)> {
    let order = format!("count {}", EACH.connections);
    loads.iter_mut().try_for_each(|load| load.say(&order))?;
    let (mut live, mut slowest) = (0, 0.0_f64);
    for load in loads {
        let slice: Slice = load.answer(ANSWER_MAX).with_context(|| server.child.state())?;
        live += slice.messages;
        slowest = slowest.max(slice.seconds);
    }
    Ok((live, slowest))
}
