//! What can be counted about a running server, as plain numbers at one moment.
//!
//! It exists so that `runtime` renders one struct and a test asserts on it. The counters themselves live
//! with whoever counts; this file only names their sum.
//!
//! Invariants: totals never go down.
//! Read next: `lane` and `listener`, where the counting happens.

use std::collections::BTreeMap;

use crate::{Delays, stream::Phase};

/// A server's counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Deframing and decoding.
    pub receive: StageMetrics,
    /// The services.
    pub logic: StageMetrics,
    /// Encoding and sending.
    pub send: StageMetrics,
    /// Each listener, in the order they were configured.
    pub listeners: Vec<ListenerMetrics>,
    /// The most connections at once on all of them together, links left out.
    pub connections_peak: u64,
    /// Publishes asked for.
    pub publishes: u64,
    /// Packets that publishes brought to members.
    pub deliveries: u64,
    /// Connections handed over between shards.
    pub hand_overs: u64,
    /// Actions about connections that were gone.
    pub stale_actions: u64,
    /// Packets that were too large for their codec and not sent.
    pub too_large: u64,
    /// Packets that waited for a slow consumer and were replaced by a newer one under their key.
    pub conflated: u64,
    /// Layer 1.
    pub completion: usher_completion::Stats,
}

/// One stage, all its lanes.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageMetrics {
    /// Items that entered its queues.
    pub items: u64,
    /// Batches it took from them.
    pub batches: u64,
    /// Times a thread of the stage was handed a lane with work.
    pub handoffs_queue: u64,
    /// Times its work was run inline by the stage before.
    pub handoffs_inline: u64,
    /// Items waiting now.
    pub length: u64,
    /// The most that ever waited in one lane.
    pub length_peak: u64,
    /// Times it waited for the stage after it.
    pub waits: u64,
    /// How long items waited in its queues; a sample.
    pub delays: Delays,
}

/// One listener.
#[derive(Debug, Clone, Default)]
pub struct ListenerMetrics {
    /// Its name.
    pub name: String,
    /// Whether its connections are links between servers.
    pub link: bool,
    /// Let in, and open now.
    pub connections: u64,
    /// The most at once.
    pub connections_peak: u64,
    /// Ever opened, dialled ones and those shown out at once too.
    pub connections_total: u64,
    /// Addresses that its limits by address know of: those with a connection, or with too many a moment ago.
    pub addresses: u64,
    /// Those that the receive stage knows of, by how far they have come.
    pub states: [(&'static str, u64); Phase::COUNT],
    /// How many ended for which reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// Packets decoded.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes handed to layer 1.
    pub bytes_out: u64,
}
