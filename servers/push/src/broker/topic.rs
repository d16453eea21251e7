//! A topic: a log of instructions, the latest value of each key, and the groups of those who hear it.
//!
//! Why: a topic comes to be when it is first named, by either side, so that neither need be first.
//! Invariants: groups and keys have numbers that are never used again, so a value never takes the place of another
//! key's where it waits.
//! Limits: `topics_max`; a topic makes room for another if nobody hears it and nothing was ever said about it.
//! `topic_keys_max` keys with a value.
//! Read next: [`super::log`].

use super::log::Log;
use super::named::Dispensable;
use std::collections::BTreeMap;
use std::sync::Arc;
use usher_proto::message::{Quote, TopicEntry};
use usher_proto::{GroupId, Payload};

/// The value of a key, and the number under which it waits.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) number: u64,
    pub(super) value: Payload,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) log: Log,
    pub(super) quotes: BTreeMap<Arc<str>, Value>,
    /// Terminals that hear it.
    pub(super) subscribers: usize,
    /// The group of all of them, and of those who have every instruction so far.
    pub(super) hearers: GroupId,
    pub(super) live: GroupId,
}

impl Topic {
    pub(super) fn new(log: u64, hearers: GroupId, live: GroupId) -> Self {
        Self { log: Log::new(log), quotes: BTreeMap::new(), subscribers: 0, hearers, live }
    }

    pub(super) fn entry(&self, name: &str) -> TopicEntry {
        TopicEntry {
            topic: name.into(),
            subscribers: self.subscribers as u64,
            quotes: self.quotes.len() as u64,
            log: self.log.entry(),
        }
    }
}

impl Dispensable for Topic {
    fn rank(&self) -> Option<u64> {
        (self.subscribers == 0 && self.log.is_unused() && self.quotes.is_empty()).then_some(0)
    }
}

pub(super) fn quote(topic: &str, key: &str, value: &Payload) -> Quote {
    Quote { topic: topic.into(), key: key.into(), value: value.clone() }
}
