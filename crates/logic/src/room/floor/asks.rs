//! What the floor has asked its world, and whom the answer is for.
//!
//! Why: answers come in their own time, and by then a table may be doing something else.
//! Owns: the numbers of questions. Does not own what an answer is good for: who asked remembers the number and is told
//! only of that one.
//! Limits: two questions a table (chance, and the record of a hand) and one a seat: who sits down where one is open is
//! asked for when that is answered.
//! Read next: [`super::table`].

use alloc::collections::BTreeMap;
use usher_proto::message::SeatNo;
use usher_proto::{RoomNo, TableNo};

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A table: for a hand's chance, or until one is written down.
    Table(RoomNo, TableNo),
    /// A seat: for the score of whoever sat down in it.
    Seat(RoomNo, SeatNo),
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    open: BTreeMap<u64, Asker>,
    /// Seats whose question is open, and whether somebody has sat down since it was asked.
    seats: BTreeMap<(RoomNo, SeatNo), bool>,
}

impl Asks {
    /// A number for a question, never used before.
    pub(super) fn open(&mut self, asker: Asker) -> u64 {
        self.last += 1;
        self.open.insert(self.last, asker);
        self.last
    }

    /// Somebody sits down: whether their score may be asked for now.
    pub(super) fn take_seat(&mut self, room: RoomNo, at: SeatNo) -> bool {
        let is_open = self.seats.contains_key(&(room, at));
        self.seats.insert((room, at), is_open);
        !is_open
    }

    /// The question of a seat is answered: whether for somebody who sat there before.
    pub(super) fn is_outdated(&mut self, room: RoomNo, at: SeatNo) -> bool {
        self.seats.remove(&(room, at)) == Some(true)
    }

    /// Who asked; the question is answered.
    pub(super) fn close(&mut self, number: u64) -> Option<Asker> {
        self.open.remove(&number)
    }
}
