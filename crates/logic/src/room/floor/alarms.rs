//! What is due when: turns, next hands, seats kept for the absent, news of who is here.
//!
//! Why: the earliest of thousands of deadlines must be known exactly, and any may be taken back.
//! Owns: one ordered set. Does not own what is done: who sets an alarm remembers its time to take it back.
//! Limits: one alarm a room, a table and a player.
//! Read next: [`super`].

use alloc::collections::BTreeSet;
use usher_proto::{AccountId, RoomNo, TableNo, Time};

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A table's: the turn is over, or the rest between two hands.
    Table(RoomNo, TableNo),
    /// A room's: it is told who came and went.
    Presence(RoomNo),
    /// A player's: the seat is kept no longer.
    Grace(RoomNo, AccountId),
}

/// Everything that is due some time.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    due: BTreeSet<(Time, Alarm)>,
}

impl Alarms {
    /// Moves an alarm from its former time, if it had one, to another, or to never.
    pub(super) fn move_to(&mut self, alarm: Alarm, from: Option<Time>, to: Option<Time>) {
        if let Some(from) = from {
            self.due.remove(&(from, alarm));
        }
        if let Some(to) = to {
            self.due.insert((to, alarm));
        }
    }

    /// Takes the earliest that is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Alarm> {
        self.due.first().filter(|&&(at, _)| at <= now)?;
        self.due.pop_first().map(|(_, alarm)| alarm)
    }

    /// When the earliest is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Whether exactly this is set.
    pub(super) fn is_set(&self, alarm: Alarm, at: Time) -> bool {
        self.due.contains(&(at, alarm))
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}
