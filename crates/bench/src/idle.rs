//! Idle connections: what a server of one worker weighs with 18,000 of them, each of which was answered once.
//!
//! - Invariant: receive buffers have been used before the idle ones come, so that what they add is their own.
//! - Limit: the peak is the kernel's (`VmHWM`), in whole pages, the program's code included.
//!
//! Read next: `layer1.rs`, `layer2.rs`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::finding::{Finding, Goal};
use crate::process;
use crate::slice::Slice;
use crate::station::{CASE_MAX, Programs, Server, Station};
use crate::traffic::Echo;

const BUSY: u32 = 1_000;
const BUSY_DEPTH: u32 = 16;
const IDLE: u32 = 17_000;
const BASE_MIB: f64 = 24.0;
const MIB: f64 = 1024.0 * 1024.0;
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Whose idle connections, and what is wanted of them.
#[derive(Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) station: Station,
    /// The load of so many connections with so many messages in flight.
    pub(crate) load: fn(u32, u32) -> Echo,
    /// Only one in so many connections, for a smoke.
    pub(crate) share: u32,
    pub(crate) each_bytes_max: u32,
}

impl Idle {
    /// Memory before, with the first thousand after their traffic, and with all.
    pub(crate) fn run(self, programs: &Programs) -> Result<Vec<Finding>> {
        let (busy_ones, idle_ones) = (BUSY / self.share, IDLE / self.share);
        let mut server = Server::start(programs, self.station, CASE_MAX)?;
        let pid = server.child.pid();
        let empty = process::memory(pid)?.resident;
        let mut busy = (self.load)(busy_ones, BUSY_DEPTH).start(programs, &mut server)?;
        busy.say("run 500")?;
        let _: Slice = busy.answer(ANSWER_MAX).with_context(|| server.child.state())?;
        let warm = process::memory(pid)?.resident;
        let idle = (self.load)(idle_ones, 1).start(programs, &mut server)?;
        let memory = process::memory(pid)?;
        // Who closes first keeps the port for a minute: that had better not be the loads.
        drop(server);
        drop((busy, idle));
        let connections = f64::from(busy_ones + idle_ones);
        let peak_max = BASE_MIB + connections * f64::from(self.each_bytes_max) / MIB;
        let grown = memory.resident.saturating_sub(warm) as f64;
        Ok(vec![
            Finding::new("connections", connections, "count"),
            Finding::new("resident, empty", empty as f64 / MIB, "MiB"),
            Finding::new("resident, first after traffic", warm as f64 / MIB, "MiB"),
            Finding::new("resident at the peak", memory.resident_peak as f64 / MIB, "MiB")
                .with(Goal::AtMost(peak_max)),
            Finding::new("each of the idle ones", grown / f64::from(idle_ones), "bytes"),
        ])
    }
}
