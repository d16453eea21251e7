//! A hand of Dou Dizhu as 67 bytes, and back.
//!
//! | offset | what |
//! |---|---|
//! | 0 | the seat to move; 255 when the hand is over |
//! | 1 | the seat that bids first |
//! | 2..5 | what each seat bid: 255 nothing yet, 0 a pass, else the bid |
//! | 5 | the seats whose players left: seat `s` is bit `s` |
//! | 6, 7 | bombs and rockets played; how often the landlord played |
//! | 8, 9..16 | the seat whose cards are to be beaten, and the cards; 255 and none for who leads |
//! | 16..37 | what each seat played, three sets |
//! | 37..44 | the bottom; an empty set while it is hidden |
//! | 44..65 | what each seat holds, three sets; an empty one, while the hand lasts, is hidden |
//! | 65, 66 | the turn, big-endian |
//!
//! A set is [`SET_BYTES`] long. The landlord's cards have the bottom among them.
//! Invariant: reading is strict. A view is taken only if it is coherent and writing it gives the same bytes.

use alloc::vec::Vec;

use super::auction::Auction;
use super::cards::{Cards, SET_BYTES};
use super::event::read_set;
use super::{DouDizhu, SEATS};
use crate::game::{BadView, Seat, Seats};

const NONE: u8 = 255;
const SETS_AT: usize = 9;
/// Cards to be beaten, played by each, the bottom, held by each.
const SETS: usize = 2 * SEATS + 2;
const TURN_AT: usize = SETS_AT + SETS * SET_BYTES;

/// Length of a view.
pub const VIEW_BYTES: usize = TURN_AT + 2;

impl DouDizhu {
    /// What this seat, or a spectator, may know: its own hand, and all of them at the end.
    pub(super) fn seen_by(&self, viewer: Option<Seat>) -> Self {
        let mut seen = self.clone();
        if self.to_move.is_none() {
            return seen;
        }
        for (hand, seat) in seen.hands.iter_mut().zip(super::seats()) {
            *hand = hand.filter(|_| viewer == Some(seat));
        }
        seen.bottom = self.bottom.filter(|_| self.landlord().is_some());
        seen
    }

    /// Whether somebody can see just so much: while the hand lasts, one hand at most and no bottom kept back.
    fn is_seen(&self) -> bool {
        let hands = self.hands.iter().flatten().count();
        match self.to_move {
            None => true,
            Some(_) => hands <= 1 && self.bottom.is_some() == self.landlord().is_some(),
        }
    }
}

/// All that is known here.
pub(super) fn write(hand: &DouDizhu) -> Vec<u8> {
    let mut view = Vec::with_capacity(VIEW_BYTES);
    view.push(hand.to_move.map_or(NONE, |seat| seat.0));
    view.extend(hand.auction.to_bytes());
    view.extend([hand.left.bits(), hand.doublings, hand.landlord_plays]);
    view.push(hand.on_table.map_or(NONE, |(seat, _)| seat.0));
    let on_table = hand.on_table.map(|(_, cards)| cards);
    let open = [on_table].into_iter().chain(hand.played.map(Some));
    for set in open.chain([hand.bottom]).chain(hand.hands) {
        view.extend(set.unwrap_or_default().to_bytes());
    }
    view.extend(u16::from(hand.turn).to_be_bytes());
    view
}

/// What is known by a view.
pub(super) fn read(view: &[u8]) -> Result<DouDizhu, BadView> {
    if view.len() != VIEW_BYTES {
        return Err(BadView);
    }
    let seat = |byte| (byte != NONE).then_some(Seat(byte));
    let mut sets = [Cards::NONE; SETS];
    for (set, bytes) in sets.iter_mut().zip(view[SETS_AT..TURN_AT].chunks(SET_BYTES)) {
        *set = read_set(bytes)?;
    }
    let [on_table, played @ .., bottom, first, second, third] = sets;
    let auction = view[1..=1 + SEATS].try_into().ok().and_then(Auction::from_bytes).ok_or(BadView)?;
    let to_move = seat(view[0]);
    let known = |set: Cards| (to_move.is_none() || !set.is_empty()).then_some(set);
    let hand = DouDizhu {
        turn: view[TURN_AT + 1],
        auction,
        to_move,
        left: Seats::from_bits(view[5]),
        hands: [first, second, third].map(known),
        bottom: known(bottom),
        played,
        doublings: view[6],
        landlord_plays: view[7],
        on_table: seat(view[8]).map(|seat| (seat, on_table)),
    };
    if hand.is_coherent() && hand.is_seen() && write(&hand) == view { Ok(hand) } else { Err(BadView) }
}
