//! Deadlines that all lie equally far ahead, so that a first-in first-out list keeps them in order.
//!
//! Invariant: times in the list never decrease.
//! Limit: an entry outlives its connection by at most the timeout, so the list holds at most the connections
//! that began to wait within one timeout.
//! Read next: `worker.rs`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::id::ConnId;

pub(crate) struct Deadlines {
    timeout: Duration,
    waiting: VecDeque<(Instant, ConnId)>,
}

impl Deadlines {
    pub(crate) fn new(timeout: Duration) -> Deadlines {
        Deadlines { timeout, waiting: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, now: Instant, conn: ConnId) {
        self.waiting.push_back((now + self.timeout, conn));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Time until the first one is due.
    pub(crate) fn next(&self, now: Instant) -> Option<Duration> {
        self.waiting.front().map(|(due, _)| due.saturating_duration_since(now))
    }

    /// The first one, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<ConnId> {
        let (due, conn) = *self.waiting.front()?;
        (due <= now).then(|| self.waiting.pop_front())?;
        Some(conn)
    }
}
