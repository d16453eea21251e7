//! Turns that are coalesced under load, as a network card's interrupts are.
//!
//! Waking a thread costs more than most of what it wakes for. A thread that has many turns a second rests between
//! them, and does in one turn what came meanwhile; one that has few is not held up.
//!
//! Invariant: nobody who rests is asleep (`signal.rs`), so nobody spends a wake on it.
//! Limits: turns a second, beyond `BURST` of them; a rest is at most the time between two such turns.
//! Read next: `worker.rs`, `accept.rs`, which rest before they wait.

use std::thread;
use std::time::{Duration, Instant};

/// Turns that may follow each other at once, after as many that could have been and were not.
const BURST: u32 = 64;

pub(crate) struct Coalescing {
    interval: Duration,
    /// When as many turns as there were would be over if they came evenly; `None`: turns are not limited.
    even: Option<Instant>,
}

impl Coalescing {
    /// 0 turns a second: as many as come.
    pub(crate) fn new(turns_per_second_max: u32) -> Coalescing {
        let interval = Duration::from_secs(1).checked_div(turns_per_second_max).unwrap_or_default();
        Coalescing { interval, even: (turns_per_second_max > 0).then(clock) }
    }

    /// Rests until there may be another turn.
    pub(crate) fn rest(&self) {
        let Some(even) = self.even else { return };
        let ahead = even.saturating_duration_since(clock());
        let rest = ahead.saturating_sub(self.interval * BURST);
        if !rest.is_zero() {
            thread::sleep(rest);
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self) {
        if let Some(even) = &mut self.even {
            *even = clock().max(*even) + self.interval;
        }
    }
}

/// This thread owns its clock.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}
