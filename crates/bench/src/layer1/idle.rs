//! Idle connections: what a server of one worker weighs with 18,000 of them, each of which was answered once.
//!
//! - Invariant: receive buffers have been used before the idle ones come, so that what they add is their own.
//! - Limit: the peak is the kernel's (`VmHWM`), in whole pages, the program's code included.
//!
//! Read next: `direct.rs`.

use std::time::Duration;

use anyhow::Result;

use super::finding::{Finding, Goal};
use super::{CASE_MAX, answer};
use crate::contest::{Traffic, start_load};
use crate::process;
use crate::slice::Slice;
use crate::station::{Engine, Programs, Server, Station};

const BUSY: Traffic = Traffic { connections: 1_000, depth: 16 };
const IDLE: Traffic = Traffic { connections: 17_000, depth: 1 };
const CONNECTIONS: f64 = (BUSY.connections + IDLE.connections) as f64;
const GOAL_BYTES: f64 = 24.0 * MIB + CONNECTIONS * 256.0;
const MIB: f64 = 1024.0 * 1024.0;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Memory before, with the first thousand after their traffic, and with all.
pub(super) fn run(programs: &Programs, engine: Engine) -> Result<Vec<Finding>> {
    let mut server = Server::start(programs, Station::RawEcho(engine, 1), CASE_MAX)?;
    let pid = server.child.pid();
    let empty = process::memory(pid)?.resident;
    let mut busy = start_load(programs, &mut server, BUSY)?;
    busy.say("run 500")?;
    let _: Slice = answer(&mut busy, &mut server, ANSWER_MAX)?;
    let warm = process::memory(pid)?.resident;
    let idle = start_load(programs, &mut server, IDLE)?;
    let memory = process::memory(pid)?;
    // Who closes first keeps the port for a minute: that had better not be the loads.
    drop(server);
    drop((busy, idle));
    let grown = memory.resident.saturating_sub(warm) as f64;
    Ok(vec![
        Finding::new("connections", CONNECTIONS, "count"),
        Finding::new("resident, empty", empty as f64 / MIB, "MiB"),
        Finding::new("resident, 1,000 after traffic", warm as f64 / MIB, "MiB"),
        Finding::new("resident at the peak", memory.resident_peak as f64 / MIB, "MiB")
            .with(Goal::AtMost(GOAL_BYTES / MIB)),
        Finding::new("each of the other 17,000", grown / f64::from(IDLE.connections), "bytes"),
    ])
}
