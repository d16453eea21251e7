//! What the floor has asked its world, and whom the answer is for.
//!
//! Why: answers come in their own time, and by then a table may be doing something else.
//! Owns: the numbers of questions. Does not own what an answer is good for: who asked remembers the number and is told
//! only of that one.
//! Limits: two questions a table (chance, and the record of a hand) and one a seat.
//! Read next: [`super::table`].

use alloc::collections::BTreeMap;
use usher_proto::{AccountId, RoomNo, TableNo};

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A table: for a hand's chance, or until one is written down.
    Table(RoomNo, TableNo),
    /// Somebody who sat down: for the score.
    Player(RoomNo, AccountId),
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    open: BTreeMap<u64, Asker>,
}

impl Asks {
    /// A number for a question, never used before.
    pub(super) fn open(&mut self, asker: Asker) -> u64 {
        self.last += 1;
        self.open.insert(self.last, asker);
        self.last
    }

    /// Who asked; the question is answered.
    pub(super) fn close(&mut self, number: u64) -> Option<Asker> {
        self.open.remove(&number)
    }
}
