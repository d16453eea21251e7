//! What is always true of a hand, for whoever knows all of it or a part.
//!
//! The same sentences hold on both sides: the server asserts them after every change, and a client takes no
//! view and no event that would break them.
//!
//! - Owns: where each card is, and what the bidding, the table and the seat to move say of each other.
//! - Does not own: the layout of views (`view.rs`).
//! - Invariant: in a coherent hand no step that may be taken panics.
//!
//! Read next: `view.rs`.

use super::cards::{BOTTOM, CARDS, Cards, DEALT};
use super::combination::Combination;
use super::{DouDizhu, SEATS, next, seats};
use crate::game::Seat;

/// Bids, plays, two passes after each play, and leaving.
const TURNS_MAX: u8 = 2 * SEATS as u8 + SEATS as u8 * CARDS;
/// Thirteen bombs and a rocket.
const DOUBLINGS_MAX: u8 = 14;

impl DouDizhu {
    pub(super) fn is_coherent(&self) -> bool {
        self.cards_are_conserved() && self.table_is_coherent() && self.has_the_right_seat_to_move()
    }

    /// Whether a seat may hold these cards, as far as is known here.
    pub(super) fn may_hold(&self, seat: Seat, cards: Cards) -> bool {
        match self.hands[seat.index()] {
            Some(hand) => hand.holds(cards),
            None => cards.len() <= self.count(seat) && !self.known_elsewhere(seat).meets(cards),
        }
    }

    /// Cards of which it is known that this seat, whose hand is hidden, does not hold them.
    fn known_elsewhere(&self, seat: Seat) -> Cards {
        let not_its_bottom = self.bottom.filter(|_| self.landlord() != Some(seat));
        let known = self.hands.into_iter().flatten().chain(self.played).chain(not_its_bottom);
        known.fold(Cards::NONE, Cards::with)
    }

    /// No card is in two places, no place has more or fewer than it must; where all is known, nothing is missing.
    fn cards_are_conserved(&self) -> bool {
        let kept = self.bottom.filter(|_| self.landlord().is_none());
        let known = self.hands.into_iter().flatten().chain(self.played).chain(kept);
        let (sum, all) =
            known.fold((0, Cards::NONE), |(sum, all), cards| (sum + cards.len(), all.with(cards)));
        let is_counted =
            |seat: Seat| self.hands[seat.index()].is_none_or(|hand| hand.len() == self.count(seat));
        self.played_is_possible()
            && sum == all.len()
            && seats().all(is_counted)
            && self.bottom.is_none_or(|bottom| bottom.len() == BOTTOM && self.bottom_is_in_place(bottom))
    }

    fn played_is_possible(&self) -> bool {
        seats().all(|seat| {
            let played = self.played[seat.index()];
            match self.landlord() {
                None => played.is_empty(),
                Some(landlord) if landlord == seat => played.len() <= DEALT + BOTTOM,
                Some(_) => played.len() <= DEALT,
            }
        })
    }

    /// Once there is a landlord, nobody else has any of the bottom.
    fn bottom_is_in_place(&self, bottom: Cards) -> bool {
        let Some(landlord) = self.landlord() else { return true };
        seats().all(|seat| {
            let (hand, played) = (self.hands[seat.index()], self.played[seat.index()]);
            if seat == landlord {
                hand.is_none_or(|hand| hand.with(played).holds(bottom))
            } else {
                !hand.unwrap_or_default().with(played).meets(bottom)
            }
        })
    }

    /// What lies on the table was played last, and counters count what was played.
    fn table_is_coherent(&self) -> bool {
        let was_played = |(seat, cards): (Seat, Cards)| {
            seat.index() < SEATS
                && self.played[seat.index()].holds(cards)
                && Combination::read(&cards.ranks()).is_some()
        };
        let by_landlord = self.landlord().map_or(0, |seat| self.played[seat.index()].len());
        let by_nobody = self.played.into_iter().all(Cards::is_empty);
        self.on_table.is_none_or(was_played)
            && (by_landlord > 0 || by_nobody)
            && (self.landlord_plays == 0) == (by_landlord == 0)
            && self.landlord_plays <= by_landlord
            && self.doublings <= DOUBLINGS_MAX
            && self.turn <= TURNS_MAX
    }

    fn has_the_right_seat_to_move(&self) -> bool {
        let may_move = |seat: Seat| seat.index() < SEATS && !self.left.contains(seat);
        let are_ours = self.left.iter().all(|seat| seat.index() < SEATS);
        self.to_move.is_none_or(may_move) && are_ours && self.to_move_follows()
    }

    fn to_move_follows(&self) -> bool {
        let Some(landlord) = self.landlord() else { return self.to_move == self.auction.speaker() };
        let mut out = seats().filter(|&seat| self.count(seat) == 0);
        match (out.next(), out.next(), self.on_table, self.to_move) {
            (None, _, None, Some(leads)) => leads == landlord || self.landlord_plays > 0,
            (None, _, Some((played, _)), Some(seat)) => seat == next(played) || seat == next(next(played)),
            (Some(out), None, Some((played, _)), None) => out == played,
            _ => false,
        }
    }
}
