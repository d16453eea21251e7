//! A terminal: what is known of it whether it is connected or not, and what is kept of its connection.
//!
//! Why: an instruction to one terminal waits for it while it is away; where it stands in each log it knows itself.
//! Invariants: at most one connection has a name. A connection hears each topic once.
//! Limits: `terminals_known_max`; a terminal makes room for another if it is away and was never instructed.
//! `terminal_topics_max` topics.
//! Read next: [`super::replay`], which gives a terminal what it missed.

use super::log::Log;
use super::named::Dispensable;
use super::replay::Owed;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use usher_proto::ConnId;

/// What is known of a terminal.
#[derive(Debug)]
pub(super) struct Known {
    /// What is for it alone.
    pub(super) log: Log,
    /// Its connection, while it has one.
    pub(super) conn: Option<ConnId>,
    /// Which of its connections that is.
    pub(super) generation: u64,
}

impl Known {
    pub(super) fn new(log: u64) -> Self {
        Self { log: Log::new(log), conn: None, generation: 0 }
    }

    /// Whether a newer connection than `generation` has the name.
    pub(super) fn is_ahead_of(&self, generation: u64) -> bool {
        self.conn.is_some() && self.generation > generation
    }
}

impl Dispensable for Known {
    fn rank(&self) -> Option<u64> {
        (self.conn.is_none() && self.log.is_unused()).then_some(0)
    }
}

/// What is kept of a terminal's connection.
#[derive(Debug)]
pub(super) struct Listening {
    /// Its name.
    pub(super) name: Arc<str>,
    /// The topics it hears.
    pub(super) topics: BTreeSet<Arc<str>>,
    /// What it missed and is still to be sent.
    pub(super) owed: VecDeque<Owed>,
    /// A portion of it was sent, and it has not said yet that it has taken it.
    pub(super) portion_out: bool,
    /// It has everything so far of what is for it alone.
    pub(super) is_live: bool,
}

impl Listening {
    pub(super) fn new(name: Arc<str>) -> Self {
        let (topics, owed) = (BTreeSet::new(), VecDeque::new());
        Self { name, topics, owed, portion_out: false, is_live: false }
    }

    /// Something it missed is still to be sent, or was not yet taken.
    pub(super) fn is_behind(&self) -> bool {
        self.portion_out || !self.owed.is_empty()
    }
}
