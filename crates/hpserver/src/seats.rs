//! A shard's table of the connections it owns, and of those it gave away whose packets still arrive.
//!
//! It exists so that a hand-over keeps order. Each hand-over of a connection begins a new epoch:
//! 1. the old owner gives up its seat of epoch `e`, notes where it went, tells the new owner (a seat of epoch
//!    `e + 1`) and the receive lane;
//! 2. the receive lane stops reading the connection and sends a barrier behind what it sent before;
//! 3. what the old owner still finds in its queue for epoch `e` it forwards, as of epoch `e + 1`;
//! 4. at the barrier nothing of epoch `e` is left: the note is dropped, the receive lane goes on with the new
//!    owner. `Closed` is the last of everything and so its own barrier.
//!
//! Invariants: an item of an epoch meets either that epoch's seat or that epoch's note, or nothing (the
//! connection closed). It works however often and wherever a connection is handed on meanwhile, back too.
//! Limit: one note for each hand-over under way.
//! Read next: `logic`, which asks; `stream`, the receive lane's half.

use std::cell::Cell;

use usher_completion::ConnId;
use usher_steady::SteadyMap;

use crate::{ListenerId, ShardId, lane::Class};

#[derive(Default)]
pub(crate) struct Seats {
    taken: SteadyMap<ConnId, Seat>,
    /// The seat that was looked at last: the same connection is likely to be next.
    latest: Cell<Option<(ConnId, Seat)>>,
    notes: SteadyMap<(ConnId, u32), (ShardId, Class)>,
}

/// A connection that this shard owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) listener: ListenerId,
    pub(crate) class: Class,
    pub(crate) epoch: u32,
    /// The service closed it; no packet reaches the service any more.
    pub(crate) closing: bool,
}

/// Where an item belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Here(Seat),
    Elsewhere(ShardId, Class),
    Nowhere,
}

impl Seats {
    pub(crate) fn take(&mut self, conn: ConnId, seat: Seat) {
        self.latest.set(None);
        self.taken.insert(conn, seat);
    }

    pub(crate) fn get(&self, conn: ConnId) -> Option<Seat> {
        if let Some((latest, seat)) = self.latest.get()
            && latest == conn
        {
            return Some(seat);
        }
        let seat = self.taken.get(&conn).copied()?;
        self.latest.set(Some((conn, seat)));
        Some(seat)
    }

    pub(crate) fn set_closing(&mut self, conn: ConnId) {
        self.latest.set(None);
        if let Some(seat) = self.taken.get_mut(&conn) {
            seat.closing = true;
        }
    }

    pub(crate) fn place(&self, conn: ConnId, epoch: u32) -> Place {
        if let Some((to, class)) = self.notes.get(&(conn, epoch)) {
            return Place::Elsewhere(*to, *class);
        }
        match self.get(conn) {
            Some(seat) if seat.epoch == epoch => Place::Here(seat),
            _ => Place::Nowhere,
        }
    }

    /// Gives up a seat; it was this one.
    pub(crate) fn give_away(&mut self, conn: ConnId, to: ShardId) -> Option<Seat> {
        self.latest.set(None);
        let seat = self.taken.remove(&conn)?;
        self.notes.insert((conn, seat.epoch), (to, seat.class));
        Some(seat)
    }

    /// Nothing of this epoch comes any more.
    pub(crate) fn forget(&mut self, conn: ConnId, epoch: u32) {
        self.notes.remove(&(conn, epoch));
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.latest.set(None);
        self.taken.remove(&conn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_comes_back_is_told_apart_by_epoch() {
        let conn = ConnId::from_bits(1);
        let seat = Seat { listener: ListenerId(0), class: Class::Rest, epoch: 0, closing: false };
        let mut seats = Seats::default();
        seats.take(conn, seat);
        assert_eq!(seats.place(conn, 0), Place::Here(seat));
        assert_eq!(seats.give_away(conn, 7), Some(seat));
        assert_eq!(seats.place(conn, 0), Place::Elsewhere(7, Class::Rest));
        let back = Seat { epoch: 2, ..seat };
        seats.take(conn, back);
        assert_eq!(seats.place(conn, 0), Place::Elsewhere(7, Class::Rest));
        assert_eq!(seats.place(conn, 1), Place::Nowhere);
        assert_eq!(seats.place(conn, 2), Place::Here(back));
        seats.forget(conn, 0);
        assert_eq!(seats.place(conn, 0), Place::Nowhere);
        seats.close(conn);
        assert_eq!(seats.place(conn, 2), Place::Nowhere);
        assert!(seats.taken.is_empty() && seats.notes.is_empty());
    }
}
