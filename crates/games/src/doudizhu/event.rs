//! What everybody is told of a change, and how a client follows it.
//!
//! One change is one event, though the trustee may have acted for several seats after it:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the seat that acted, whose clock ran out, or whose player left |
//! | 1 | [`ACTED`], [`TIMED_OUT`] or [`ABANDONED`] |
//! | each step | one length byte, then so many bytes of an action, by the seat whose turn it is then |
//! | after the step that ends the bidding with a landlord | 3: the bottom cards, ascending |
//! | after the step that ends the hand | 3 sets of 7: what each seat still holds |
//!
//! The first step is the named seat's own, unless its player left; all others are by seats that have left.
//! - Invariant: an event says nothing that is hidden after it.
//! - Limit: with nobody left to act, 20 leads, 43 passes and the end are under 200 bytes.
//!
//! Read next: `view.rs`.

use alloc::vec;
use alloc::vec::Vec;

use super::action::Step;
use super::cards::{BOTTOM, Cards, SET_BYTES};
use super::{DouDizhu, SEATS, Turn};
use crate::game::{ABANDONED, BadView, Event, Seat, Seats, TIMED_OUT};

/// The seat acted.
pub const ACTED: u8 = 0;

/// An event being written.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(seat: Seat, what: u8) -> Self {
        Self(vec![seat.0, what])
    }

    /// A step that was taken, and what is seen after it.
    pub(super) fn step(&mut self, step: Step, led_to: Turn, hand: &DouDizhu) {
        let action = step.to_bytes();
        self.0.push(action.len() as u8);
        self.0.extend(action);
        match led_to {
            Turn::GoesOn => {}
            Turn::LandlordFound => self.0.extend(hand.bottom.unwrap_or_default().iter()),
            Turn::Over => {
                self.0.extend(hand.hands.iter().flat_map(|hand| hand.unwrap_or_default().to_bytes()));
            }
        }
    }

    pub(super) fn done(self) -> Vec<Event> {
        vec![Event::public(self.0)]
    }
}

/// Following what the server did.
impl DouDizhu {
    /// Brings a client's hand up to date with an event the server sent. After an error it is in between.
    pub(super) fn follow(&mut self, event: &[u8]) -> Result<(), BadView> {
        let [seat, what, steps @ ..] = event else { return Err(BadView) };
        let seat = Seat(*seat);
        let steps = &mut &*steps;
        match *what {
            ACTED | TIMED_OUT if self.to_move == Some(seat) => self.follow_step(steps)?,
            ABANDONED if self.may_leave(seat) => self.left = self.left.union(Seats::one(seat)),
            _ => return Err(BadView),
        }
        while self.to_move.is_some_and(|seat| self.left.contains(seat)) {
            self.follow_step(steps)?;
        }
        self.turn = self.turn.checked_add(1).ok_or(BadView)?;
        if steps.is_empty() && self.is_coherent() { Ok(()) } else { Err(BadView) }
    }

    fn may_leave(&self, seat: Seat) -> bool {
        self.to_move.is_some() && seat.index() < SEATS && !self.left.contains(seat)
    }

    fn follow_step(&mut self, bytes: &mut &[u8]) -> Result<(), BadView> {
        let seat = self.to_move.ok_or(BadView)?;
        let &[length] = take(bytes, 1)? else { return Err(BadView) };
        let action = take(bytes, length.into())?;
        let step = self.check(seat, action).map_err(|_| BadView)?;
        match self.take(step) {
            Turn::GoesOn => Ok(()),
            Turn::LandlordFound => self.learn_bottom(take(bytes, BOTTOM.into())?),
            Turn::Over => self.learn_hands(take(bytes, SEATS * SET_BYTES)?),
        }
    }

    fn learn_bottom(&mut self, cards: &[u8]) -> Result<(), BadView> {
        let Some(Step::Play(bottom)) = Step::read(cards) else { return Err(BadView) };
        self.show_bottom(bottom);
        Ok(())
    }

    /// The hand is over: what everybody held is known, and so are three cards that nobody took.
    fn learn_hands(&mut self, sets: &[u8]) -> Result<(), BadView> {
        for (hand, set) in self.hands.iter_mut().zip(sets.chunks(SET_BYTES)) {
            let shown = read_set(set)?;
            if hand.is_some_and(|known| known != shown) {
                return Err(BadView);
            }
            *hand = Some(shown);
        }
        if self.landlord().is_none() {
            let held = self.hands.into_iter().flatten().fold(Cards::NONE, Cards::with);
            self.bottom = Some(Cards::DECK.without(held));
        }
        Ok(())
    }
}

pub(super) fn read_set(bytes: &[u8]) -> Result<Cards, BadView> {
    let bytes = bytes.try_into().map_err(|_| BadView)?;
    Cards::from_bytes(bytes).ok_or(BadView)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], BadView> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(BadView)?;
    *bytes = rest;
    Ok(taken)
}
