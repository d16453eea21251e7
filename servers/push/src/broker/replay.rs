//! What a terminal missed, sent in portions: the quotes of a topic as they stand, the instructions of a log.
//!
//! Why: what a terminal missed may be far more than may wait for it. It is sent one portion at a time, and the next
//! when the terminal has said that it has taken the last; so a long absence never makes a slow consumer.
//! Invariants: a terminal that is owed instructions of a log is sent none of it otherwise; when it has the last one
//! it is sent every new one at once, in the same step. What the log does not hold any more is told as a gap.
//! Limits: `portion_bytes_max` bytes a portion, and one message more.
//! Read next: [`super::log`], [`super::terminal`].

use super::effects::Effects;
use super::log::Log;
use super::named::Named;
use super::terminal::{Known, Listening};
use super::topic::{Topic, quote};
use crate::config::WRAPPING_BYTES_MAX;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use usher_proto::ConnId;
use usher_proto::message::{Gap, Instruction, PortionSent, To};

/// Something that a terminal is still to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// The quotes of a topic, behind this key.
    Quotes { topic: Arc<str>, after: Arc<str> },
    /// The instructions of a topic behind number `seq`.
    Topic { topic: Arc<str>, seq: u64 },
    /// The instructions for it alone behind number `seq`.
    Own { seq: u64 },
}

impl Owed {
    /// Whether it is about that topic.
    pub(super) fn is_of(&self, name: &str) -> bool {
        match self {
            Self::Quotes { topic, .. } | Self::Topic { topic, .. } => &**topic == name,
            Self::Own { .. } => false,
        }
    }
}

/// What was sent of logs, for the figures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Replayed {
    pub(super) instructions: u64,
    pub(super) gaps: u64,
}

/// A portion under way to one terminal.
pub(super) struct Portion<'a> {
    pub(super) conn: ConnId,
    pub(super) topics: &'a Named<Topic>,
    pub(super) terminals: &'a Named<Known>,
    /// Bytes that it may still have.
    pub(super) room: usize,
    pub(super) out: &'a mut Effects,
    pub(super) replayed: &'a mut Replayed,
}

impl Portion<'_> {
    /// Sends what there is room for; afterwards the terminal owes an answer, if anything was sent.
    pub(super) fn send(mut self, listening: &mut Listening) {
        let room = self.room;
        while self.room > 0
            && let Some(owed) = listening.owed.front_mut()
        {
            if self.pay(owed, &listening.name) {
                listening.is_live |= matches!(owed, Owed::Own { .. });
                listening.owed.pop_front();
            }
        }
        if self.room < room {
            listening.portion_out = true;
            self.out.send(self.conn, PortionSent {});
        }
    }

    /// Whether all of it is sent.
    fn pay(&mut self, owed: &mut Owed, name: &str) -> bool {
        match owed {
            Owed::Quotes { topic, after } => match self.topics.get(topic) {
                Some(found) => self.quotes(found, topic, after),
                None => true,
            },
            Owed::Topic { topic, seq } => {
                let Some(found) = self.topics.get(topic) else { return true };
                let all = self.instructions(&found.log, &To::Topic((&**topic).into()), seq);
                if all {
                    self.out.join(self.conn, found.live);
                }
                all
            }
            Owed::Own { seq } => match self.terminals.get(name) {
                Some(known) => self.instructions(&known.log, &To::Terminal(name.into()), seq),
                None => true,
            },
        }
    }

    fn quotes(&mut self, topic: &Topic, name: &str, after: &mut Arc<str>) -> bool {
        for (key, value) in topic.quotes.range::<str, _>((Excluded(&**after), Unbounded)) {
            if self.room == 0 {
                return false;
            }
            self.takes(value.value.len());
            self.out.send_latest(self.conn, value.number, quote(name, key, &value.value));
            *after = Arc::clone(key);
        }
        true
    }

    fn instructions(&mut self, log: &Log, to: &To, seq: &mut u64) -> bool {
        if *seq + 1 < log.first() {
            let gap = Gap { to: to.clone(), from: *seq + 1, until: log.first() - 1 };
            self.takes(0);
            self.replayed.gaps += 1;
            *seq = gap.until;
            self.out.send(self.conn, gap);
        }
        while let Some(payload) = log.get(*seq + 1) {
            if self.room == 0 {
                return false;
            }
            self.takes(payload.len());
            self.replayed.instructions += 1;
            *seq += 1;
            self.out.send(self.conn, Instruction { to: to.clone(), seq: *seq, payload: payload.clone() });
        }
        true
    }

    fn takes(&mut self, payload_bytes: usize) {
        self.room = self.room.saturating_sub(payload_bytes + WRAPPING_BYTES_MAX);
    }
}
