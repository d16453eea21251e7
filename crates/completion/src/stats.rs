//! What happened, in numbers that only grow.
//!
//! Each thread counts for itself with plain loads and stores (one writer, no locked instruction);
//! [`Stats`] adds them up when asked. Leak invariants are read here: taken - returned = in use.
//! Read next: `pool.rs`, `context.rs`, whose counts these are.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was taken from a pool and what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCount {
    /// Taken so far.
    pub taken: u64,
    /// Returned so far.
    pub returned: u64,
}

impl PoolCount {
    /// In use now.
    pub fn in_use(self) -> u64 {
        self.taken.saturating_sub(self.returned)
    }
}

/// Counters of a whole server. They only grow; each is exact once its threads are still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connection contexts.
    pub contexts: PoolCount,
    /// Receive buffers.
    pub buffers: PoolCount,
    /// Connections accepted by the kernel for us, those that vanished or were refused because it was full included.
    pub accepted: u64,
    /// Accepted connections that were reset before anybody could ask for their peer's address.
    pub vanished: u64,
    /// `connected` hooks called.
    pub connected: u64,
    /// `disconnected` hooks called.
    pub disconnected: u64,
    /// Outgoing connections that were not established.
    pub connect_errors: u64,
    /// Bytes handed to `received`.
    pub bytes_received: u64,
    /// Bytes the sockets took.
    pub bytes_sent: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// Connections closed at once because accepted ones had no place left.
    pub refused_full: u64,
    /// Sends refused because `commands_max` were waiting.
    pub refused_busy: u64,
    /// Verbs for connections that were gone, and sends for closing ones.
    pub stale_verbs: u64,
    /// Times a connection began to wait with bytes to read because no receive buffer was free.
    pub starved: u64,
    /// Turns of all workers.
    pub turns: u64,
}

/// A number with one writing thread and any readers.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Only the owning thread may call this: it is a load and a store, not one operation.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counts. Aligned so that two workers never share a cache line.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounters {
    pub(crate) buffers_taken: Counter,
    pub(crate) buffers_returned: Counter,
    pub(crate) contexts_taken: Counter,
    pub(crate) contexts_returned: Counter,
    pub(crate) connected: Counter,
    pub(crate) disconnected: Counter,
    pub(crate) connect_errors: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) stale_verbs: Counter,
    pub(crate) starved: Counter,
    pub(crate) turns: Counter,
}

impl WorkerCounters {
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.buffers.taken += self.buffers_taken.get();
        stats.buffers.returned += self.buffers_returned.get();
        stats.contexts.taken += self.contexts_taken.get();
        stats.contexts.returned += self.contexts_returned.get();
        stats.connected += self.connected.get();
        stats.disconnected += self.disconnected.get();
        stats.connect_errors += self.connect_errors.get();
        stats.bytes_received += self.bytes_received.get();
        stats.bytes_sent += self.bytes_sent.get();
        stats.stale_verbs += self.stale_verbs.get();
        stats.starved += self.starved.get();
        stats.turns += self.turns.get();
    }
}

/// What the accept thread counts.
#[derive(Default)]
pub(crate) struct AcceptCounters {
    pub(crate) accepted: Counter,
    pub(crate) vanished: Counter,
    pub(crate) errors: Counter,
    pub(crate) refused_full: Counter,
}

impl AcceptCounters {
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.accepted += self.accepted.get();
        stats.vanished += self.vanished.get();
        stats.accept_errors += self.errors.get();
        stats.refused_full += self.refused_full.get();
    }
}
