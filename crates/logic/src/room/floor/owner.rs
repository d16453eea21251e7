//! Whose table it is, what they have laid down for it, and who is ready.
//!
//! Why: friends want a table for themselves, and nobody wants a hand dealt before they are back from the kitchen.
//! Rules: the owner is who sat down first; when the owner stands up, the next one round the table, of those who are here if anybody is. The owner says
//! when hands begin, whether others may sit down or watch, and may have somebody stand up who plays no hand.
//! Does not own: when else a hand may begin ([`super::play`]), nor a sitter's way out (the room).
//! Invariants: there is an owner exactly while somebody sits; a table nobody sits at has the usual rules; nobody is
//! ready in a seat that is not taken.
//! Read next: [`super::play`].

use super::step::Step;
use super::table::{Sitter, Table};
use usher_proto::message::{HandBegin, PlayerReady, SeatNo, TableDenial, TableRuled, TableRules};

impl Table {
    /// Whether those who have a say in it want the next hand to begin.
    pub(super) fn is_wanted(&self) -> bool {
        let is_ready = |seat: u8| self.sitter(seat).is_some_and(|sitter| sitter.ready);
        match self.rules.begin {
            HandBegin::AtOnce => true,
            HandBegin::AllReady => self.sitters().all(|sitter| sitter.ready),
            HandBegin::OwnerReady => self.owner.is_some_and(is_ready),
        }
    }

    /// Somebody is ready, or not any more.
    pub(super) fn ready(&mut self, seat: u8, ready: bool, step: &mut Step<'_>) {
        let Some(sitter) = &mut self.seats[usize::from(seat)] else { return };
        if core::mem::replace(&mut sitter.ready, ready) != ready {
            self.tell(PlayerReady { at: SeatNo { table: self.no, seat }, ready }, step);
            self.start_if_ready(step);
        }
    }

    /// The seats that are ready, as bits.
    pub(super) fn ready_bits(&self) -> u8 {
        let bit = |(seat, sitter): (u8, &Option<Sitter>)| u8::from(sitter.is_some_and(|it| it.ready)) << seat;
        (0..).zip(&self.seats).map(bit).sum()
    }

    /// A hand begins: for the next one everybody is asked anew.
    pub(super) fn nobody_is_ready(&mut self) {
        self.seats.iter_mut().flatten().for_each(|sitter| sitter.ready = false);
    }

    /// The owner lays down how it is to be.
    pub(super) fn rule(&mut self, rules: TableRules, step: &mut Step<'_>) {
        if core::mem::replace(&mut self.rules, rules) != rules {
            self.nobody_is_ready();
        }
        self.tell_rules(step);
        self.start_if_ready(step);
    }

    /// Whom the owner may have stand up in a seat.
    pub(super) fn may_dismiss(&self, seat: u8) -> Result<Sitter, TableDenial> {
        let sitter = self.sitter(seat).ok_or(TableDenial::NoSuchSeat)?;
        if self.has_a_stake(seat) { Err(TableDenial::HandPlayed) } else { Ok(sitter) }
    }

    /// Somebody has stood up: if the table was theirs, it is the next one's.
    pub(super) fn pass_on(&mut self, from: u8, step: &mut Step<'_>) {
        if self.owner != Some(from) {
            return;
        }
        let count = self.seats.len() as u8;
        let round = || (1..count).map(|on| (from + on) % count);
        let is_here = |seat: &u8| self.sitter(*seat).is_some_and(|sitter| sitter.conn.is_some());
        let is_taken = |seat: &u8| self.sitter(*seat).is_some();
        self.owner = round().find(is_here).or_else(|| round().find(is_taken));
        if self.owner.is_none() {
            self.rules = TableRules::default();
        }
        self.tell_rules(step);
    }

    fn tell_rules(&self, step: &mut Step<'_>) {
        self.tell(TableRuled { table: self.no, owner: self.owner, rules: self.rules }, step);
    }

    pub(super) fn check_owner(&self) {
        assert_eq!(self.owner.is_some(), self.sitters().next().is_some(), "table {} is nobody's", self.no);
        assert!(self.owner.is_none_or(|owner| self.sitter(owner).is_some()), "its owner does not sit there");
        assert!(self.owner.is_some() || self.rules == TableRules::default());
    }
}
