//! One hand being played: the game, behind its guard, and what it says of itself.
//!
//! Why: a game's rules may have a bug, and a panic there must end that hand and nothing else; so nobody but
//! this file drives a game, and always through the guard. A room plays a hand with it, and [`crate::playback`] plays the
//! record again: with the same calls in the same order, so that it fails where the room failed.
//! Owns: the game's state, and what was done so far, so that the hand can be played back. Does not own seats'
//! occupants or clocks, nor how a panic is caught: that is the world's [`Guard`].
//! Invariants: `turn`, `to_act` and `outcome` are what the game said after its last change. Who sits down in a
//! seat that was left is a spectator of this hand.
//! After a [`Fault`] the hand is in an unknown state: it is dropped.
//! Read next: `room/floor/table.rs`.

use crate::moves::Moves;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use usher_games::{Event, Game, Illegal, Outcome, Seat, Seats};
use usher_proto::hand::Move;

/// Makes a call into a game; where that panicked, its words.
pub type Guard = fn(&mut dyn FnMut()) -> Result<(), String>;

/// The guard of whoever may fall with the game.
pub fn unguarded(call: &mut dyn FnMut()) -> Result<(), String> {
    call();
    Ok(())
}

/// The words of a panic, as its catcher has them.
pub fn words(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => {
            panic.downcast::<&str>().map_or_else(|_| "without a word".into(), |said| (*said).into())
        }
    }
}

/// The game panicked, with these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// Does a move to a game.
pub fn make(game: &mut dyn Game, done: &Move) -> Result<Vec<Event>, Illegal> {
    match done {
        Move::Act { seat, action } => game.act(Seat(*seat), action),
        Move::Timeout => Ok(game.timeout()),
        Move::Abandon { seat } => Ok(game.abandon(Seat(*seat))),
    }
}

/// A hand.
#[derive(Debug)]
pub struct Hand {
    game: Box<dyn Game>,
    guard: Guard,
    turn: u32,
    to_act: Seats,
    left: Seats,
    outcome: Option<Outcome>,
    moves: Moves,
}

impl Hand {
    /// A hand in which nothing has happened.
    pub fn new(guard: Guard, new_hand: impl FnOnce() -> Box<dyn Game>) -> Result<Self, Fault> {
        let game = guarded(guard, new_hand)?;
        let mut hand = Self {
            game,
            guard,
            turn: 0,
            to_act: Seats::NONE,
            left: Seats::NONE,
            outcome: None,
            moves: Moves::default(),
        };
        hand.change(|_| ())?;
        Ok(hand)
    }

    /// Does a move: what came of it, or why the game refuses it, and then nothing was done.
    pub fn apply(&mut self, done: &Move) -> Result<Result<Vec<Event>, Illegal>, Fault> {
        if let Move::Abandon { seat } = done {
            self.left = self.left.union(Seats::one(Seat(*seat)));
        }
        let made = self.change(|game| make(game, done));
        if !matches!(made, Ok(Err(_))) {
            self.moves.push(done);
        }
        made
    }

    pub(crate) fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Result<Vec<Event>, Illegal>, Fault> {
        self.apply(&Move::Act { seat: seat.0, action: action.to_vec() })
    }

    pub(crate) fn timeout(&mut self) -> Result<Vec<Event>, Fault> {
        self.apply(&Move::Timeout).map(Result::unwrap_or_default) // only an action is refused
    }

    pub(crate) fn abandon(&mut self, seat: Seat) -> Result<Vec<Event>, Fault> {
        self.apply(&Move::Abandon { seat: seat.0 }).map(Result::unwrap_or_default)
    }

    /// All that was done; after a fault, the last of it is what the game failed at.
    pub(crate) fn into_moves(self) -> Vec<Move> {
        self.moves.to_vec()
    }

    /// Actions, timeouts and abandonments so far.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    pub(crate) fn to_act(&self) -> Seats {
        self.to_act
    }

    /// The seat whose turn it is; of several, the first.
    pub(crate) fn first_to_act(&self) -> Option<u8> {
        self.to_act.iter().next().map(|seat| seat.0)
    }

    /// What came of it, once it is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// As whom somebody sees the hand who sits in this seat: as a spectator, if it was left before they came.
    pub(crate) fn viewer(&self, seat: u8) -> Option<Seat> {
        Some(Seat(seat)).filter(|&seat| !self.left.contains(seat))
    }

    /// What somebody in this seat may see.
    pub fn view(&self, seat: u8) -> Result<Vec<u8>, Fault> {
        guarded(self.guard, || self.game.view(self.viewer(seat)))
    }

    /// What somebody may see who does not sit here.
    pub fn seen_from_outside(&self) -> Result<Vec<u8>, Fault> {
        guarded(self.guard, || self.game.view(None))
    }

    pub(crate) fn is_between_tricks(&self) -> Result<bool, Fault> {
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
    guard(&mut || value = call.take().map(|call| call())).map_err(Fault)?;
    Ok(value.expect("invariant: a guard that says so has made the call"))
}
