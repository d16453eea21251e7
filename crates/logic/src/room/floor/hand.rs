//! One hand being played: the game, behind its guard, and what it says of itself.
//!
//! Why: a game's rules may have a bug, and a panic there must end that hand and nothing else; so nobody but
//! this file calls a game, and always through the guard.
//! Owns: the game's state, and what was done so far, so that the hand can be played back. Does not own seats'
//! occupants or clocks.
//! Invariants: `turn`, `to_act` and `outcome` are what the game said after its last change. Who sits down in a
//! seat that was left is a spectator of this hand.
//! After a [`Fault`] the hand is in an unknown state: it is dropped.
//! Read next: [`super::table`].

use super::super::Guard;
use alloc::boxed::Box;
use alloc::vec::Vec;
use usher_games::{Event, Game, GameKind, Illegal, Outcome, Seat, Seats};
use usher_proto::hand::{Move, Seed};

#[cfg(not(test))]
fn new_hand(kind: GameKind, seed: Seed) -> Box<dyn Game> {
    kind.new_hand(seed)
}
/// On the bench a seed may also stand for a hand that no shuffle deals.
#[cfg(test)]
use crate::room::tests::rigged::new_hand;

/// The game panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault;

/// A hand.
#[derive(Debug)]
pub(super) struct Hand {
    game: Box<dyn Game>,
    guard: Guard,
    turn: u32,
    to_act: Seats,
    left: Seats,
    outcome: Option<Outcome>,
    moves: Vec<Move>,
}

impl Hand {
    pub(super) fn new(kind: GameKind, seed: Seed, guard: Guard) -> Result<Self, Fault> {
        let game = guarded(guard, || new_hand(kind, seed))?;
        let mut hand = Self {
            game,
            guard,
            turn: 0,
            to_act: Seats::NONE,
            left: Seats::NONE,
            outcome: None,
            moves: Vec::new(),
        };
        hand.change(|_| ())?;
        Ok(hand)
    }

    /// All that was done; after a fault, the last of it is what the game failed at.
    pub(super) fn into_moves(self) -> Vec<Move> {
        self.moves
    }

    /// Actions, timeouts and abandonments so far.
    pub(super) fn turn(&self) -> u32 {
        self.turn
    }

    pub(super) fn to_act(&self) -> Seats {
        self.to_act
    }

    /// The seat whose turn it is; of several, the first.
    pub(super) fn first_to_act(&self) -> Option<u8> {
        self.to_act.iter().next().map(|seat| seat.0)
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    pub(super) fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Result<Vec<Event>, Illegal>, Fault> {
        self.moves.push(Move::Act { seat: seat.0, action: action.to_vec() });
        let done = self.change(|game| game.act(seat, action))?;
        if done.is_err() {
            self.moves.pop(); // refused: nothing was done
        }
        Ok(done)
    }

    pub(super) fn timeout(&mut self) -> Result<Vec<Event>, Fault> {
        self.moves.push(Move::Timeout);
        self.change(|game| game.timeout())
    }

    pub(super) fn abandon(&mut self, seat: Seat) -> Result<Vec<Event>, Fault> {
        self.moves.push(Move::Abandon { seat: seat.0 });
        self.left = self.left.union(Seats::one(seat));
        self.change(|game| game.abandon(seat))
    }

    /// As whom somebody sees the hand who sits in this seat: as a spectator, if it was left before they came.
    pub(super) fn viewer(&self, seat: u8) -> Option<Seat> {
        Some(Seat(seat)).filter(|&seat| !self.left.contains(seat))
    }

    /// What somebody in this seat may see.
    pub(super) fn view(&self, seat: u8) -> Result<Vec<u8>, Fault> {
        guarded(self.guard, || self.game.view(self.viewer(seat)))
    }

    /// What somebody may see who does not sit here.
    pub(super) fn seen_from_outside(&self) -> Result<Vec<u8>, Fault> {
        guarded(self.guard, || self.game.view(None))
    }

    pub(super) fn is_between_tricks(&self) -> Result<bool, Fault> {
        guarded(self.guard, || self.game.is_between_tricks())
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut dyn Game) -> T) -> Result<T, Fault> {
        let game = &mut *self.game;
        let (value, turn, to_act, outcome) = guarded(self.guard, || {
            let value = change(game);
            (value, game.turn(), game.to_act(), game.outcome())
        })?;
        (self.turn, self.to_act, self.outcome) = (turn, to_act, outcome);
        Ok(value)
    }
}

fn guarded<T>(guard: Guard, call: impl FnOnce() -> T) -> Result<T, Fault> {
    let (mut call, mut value) = (Some(call), None);
    let ended = guard(&mut || value = call.take().map(|call| call()));
    value.filter(|_| ended).ok_or(Fault)
}
