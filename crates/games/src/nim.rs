//! Nim, misère: four heaps of stones; a turn takes some of one heap; who takes the last stone loses.
//!
//! - Action, 2 bytes: a heap, from 0, and how many stones. Event, public: the seat, then its action, or [`TIMED_OUT`] or
//!   [`ABANDONED`], by which the hand is lost.
//! - View, the same for everybody: the turn, the seat to move (when the hand is over: that lost), 0 or the number of
//!   the [`EndReason`], the heaps. All is open, so a client's state is this very type.
//!
//! Read next: `docs/writing-a-game.md`, which makes this file.

use alloc::{format, string::String, vec, vec::Vec};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::Rules;
use crate::game::{
    ABANDONED, Action, BadView, EndReason, Event, Game, Illegal, Outcome, Seat, Seats, TIMED_OUT,
};

const HEAPS: u8 = 4;
const HEAP_MAX: u8 = 10;

/// One hand of Nim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nim {
    turn: u8,
    /// Whose turn it is; when the hand is over, who lost it.
    seat: Seat,
    end: Option<EndReason>,
    heaps: [u8; HEAPS as usize],
}

impl Nim {
    fn lose(&mut self, seat: Seat, reason: EndReason, what: u8) -> Vec<Event> {
        if self.end.is_some() || seat.0 >= Self::SEATS {
            return Vec::new();
        }
        (self.turn, self.seat, self.end) = (self.turn + 1, seat, Some(reason));
        vec![Event::public(vec![seat.0, what])]
    }
}

impl Game for Nim {
    fn turn(&self) -> u32 {
        self.turn.into()
    }

    fn to_act(&self) -> Seats {
        if self.end.is_none() { Seats::one(self.seat) } else { Seats::NONE }
    }

    fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Vec<Event>, Illegal> {
        self.on_turn(seat)?;
        let &[heap, stones @ 1..=HEAP_MAX] = action else { return Err(Illegal::Malformed) };
        let heap = self.heaps.get_mut(usize::from(heap)).ok_or(Illegal::OffBoard)?;
        *heap = heap.checked_sub(stones).ok_or(Illegal::OffBoard)?;
        self.turn += 1;
        match self.heaps.iter().max() {
            Some(0) => self.end = Some(EndReason::Won),
            _ => self.seat = Seat(1 - seat.0),
        }
        Ok(vec![Event::public([&[seat.0], action].concat())])
    }

    fn timeout(&mut self) -> Vec<Event> {
        self.lose(self.seat, EndReason::TimedOut, TIMED_OUT)
    }

    fn abandon(&mut self, seat: Seat) -> Vec<Event> {
        self.lose(seat, EndReason::Abandoned, ABANDONED)
    }

    fn outcome(&self) -> Option<Outcome> {
        let (reason, loser) = (self.end?, Seats::one(self.seat));
        let scores = [0, 1].map(|seat| if loser.contains(Seat(seat)) { -1 } else { 1 }).into();
        let left = if reason == EndReason::Abandoned { loser } else { Seats::NONE };
        Some(Outcome { scores, reason, left })
    }

    fn legal_actions(&self, seat: Seat) -> Vec<Action> {
        let heaps = self.heaps.iter().filter(|_| self.to_act().contains(seat));
        (0..).zip(heaps).flat_map(|(heap, &left)| (1..=left).map(move |stones| vec![heap, stones])).collect()
    }

    fn is_between_tricks(&self) -> bool {
        true
    }

    fn view(&self, _seat: Option<Seat>) -> Vec<u8> {
        let end = self.end.map_or(0, EndReason::id);
        [&[self.turn, self.seat.0, end][..], &self.heaps].concat()
    }
}

impl Rules for Nim {
    const NAME: &'static str = "nim";
    const TITLE: &'static str = "Nim";
    const VERSION: u16 = 1;
    const SEATS: u8 = 2;
    const TURN_TIME_MS: u32 = 20_000;

    fn new(seed: [u8; 32]) -> Self {
        let mut chance = ChaCha8Rng::from_seed(seed);
        let mut below = |limit: u8| (chance.next_u32() % u32::from(limit)) as u8;
        let seat = Seat(below(Self::SEATS));
        Self { turn: 0, seat, end: None, heaps: [HEAP_MAX; HEAPS as usize].map(|most| most - below(5)) }
    }

    fn from_view(view: &[u8]) -> Result<Self, BadView> {
        let &[turn, seat, end, ref heaps @ ..] = view else { return Err(BadView) };
        let heaps = heaps.try_into().map_err(|_| BadView)?;
        let hand = Self { turn, seat: Seat(seat), end: EndReason::from_id(end), heaps };
        let is_won = hand.end == Some(EndReason::Won);
        let fits = turn < u8::MAX && seat < Self::SEATS && heaps.iter().all(|&stones| stones <= HEAP_MAX);
        if fits && is_won == (heaps == [0; _]) && hand.view(None) == view { Ok(hand) } else { Err(BadView) }
    }

    fn describe(action: &[u8]) -> String {
        let &[heap @ 0..HEAPS, stones] = action else { return format!("{action:02x?}") };
        format!("{}{stones}", char::from(b'a' + heap))
    }

    fn show(&self) -> String {
        let heaps = ('a'..).zip(self.heaps).map(|(name, stones)| format!("heap {name}: {stones}\n"));
        heaps.chain(["who takes the last stone loses".into()]).collect()
    }
}

#[cfg(test)]
mod tests;
