//! What a room needs of its floor during one step: time, outbox, alarms, questions, counters.
//!
//! Why: one argument instead of eight, and rooms and tables own none of it.
//! Invariants: made anew for each step, for one room.
//! Read next: [`super::room`].

use super::alarms::Alarms;
use super::asks::{Asker, Asks};
use crate::hand::Guard;
use crate::room::{RoomConfig, RoomNote};
use alloc::boxed::Box;
use core::time::Duration;
use usher_games::{Game, GameKind};
use usher_proto::hand::{HandFailure, Seed};
use usher_proto::machine::Question;
use usher_proto::{Outbox, Output, RoomNo, Time};

#[cfg(not(test))]
fn new_hand(kind: GameKind, seed: Seed) -> Option<Box<dyn Game>> {
    kind.new_hand(seed)
}
/// On the bench a seed may also stand for a hand that no shuffle deals.
#[cfg(test)]
use crate::room::tests::rigged::new_hand;

/// What is fixed about one room's play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Which room.
    pub(super) room: RoomNo,
    /// What is played.
    pub(super) kind: GameKind,
    /// Time to act.
    pub(super) turn_time: Duration,
}

impl Rules {
    /// A hand of the room's game; none if its rules are a worker's.
    pub(super) fn new_hand(&self, seed: Seed) -> Option<Box<dyn Game>> {
        new_hand(self.kind, seed)
    }
}

/// What a floor counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) chats: u64,
    pub(super) hands_started: u64,
    pub(super) hands_ended: u64,
    pub(super) hands_unrecorded: u64,
    pub(super) hands_unopened: u64,
    pub(super) faults: u64,
    pub(super) evicted: u64,
    pub(super) replaced: u64,
    pub(super) seats_taken: u64,
    pub(super) seats_given_up: u64,
}

/// One step of one room.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) now: Time,
    pub(super) out: &'a mut Outbox<RoomNote>,
    pub(super) alarms: &'a mut Alarms,
    pub(super) asks: &'a mut Asks,
    pub(super) counts: &'a mut Counts,
    pub(super) config: &'a RoomConfig,
    pub(super) rules: Rules,
    pub(super) guard: Guard,
    pub(super) draining: bool,
}

impl Step<'_> {
    /// Asks the world; the number that the answer will have.
    pub(super) fn ask(&mut self, asker: Asker, question: Question) -> u64 {
        let id = self.asks.open(asker);
        self.out.push(Output::Ask { id, question });
        id
    }

    /// Tells whoever runs the server of a hand that failed.
    pub(super) fn tell(&mut self, failure: HandFailure) {
        self.out.push(Output::HandFailed(Box::new(failure)));
    }
}
