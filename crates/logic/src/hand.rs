//! One hand being played: the game, behind its guard, and what it says of itself; or what a worker says of it.
//!
//! Why: a game's rules may have a bug, and a panic there must end that hand and nothing else; so nobody but
//! this file drives a game, and always through the guard. A room plays a hand with it, and [`crate::playback`] plays the
//! record again: with the same calls in the same order, so that it fails where the room failed.
//! Two kinds of hand: one has its rules here, and a move is done at once ([`Hand::apply`]); the rules of the other are a
//! worker's, who is asked, and whose answer is the hand from then on.
//! Owns: the game's state, and what was done so far, so that the hand can be played back. Does not own seats'
//! occupants or clocks, nor how a panic is caught: that is the world's [`Guard`].
//! Invariants: `turn`, `to_act` and `outcome` are what the game said after its last change. Who sits down in a
//! seat that was left is a spectator of this hand. What a worker says that no game could is a fault.
//! After a [`Fault`] the hand is in an unknown state: it is dropped.
//! Limit: [`MOVES_MAX`]; a hand that is not over by then is at fault, so that there is a record of every hand.
//! Read next: `room/floor/table.rs`.

use crate::moves::Moves;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use usher_games::worker::{self, View};
use usher_games::{Audience, EndReason, Event, Game, Illegal, Outcome, Seat, Seats};
use usher_proto::hand::Move;
use usher_proto::limits::MOVES_MAX;
use usher_proto::message::{Deed, HandEnd, Look, Sight};

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

/// The game panicked, with these words; or its worker has nothing to say of it, or nothing that a game could.
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

/// Where a hand's rules are.
#[derive(Debug)]
enum Rules {
    Here(Box<dyn Game>),
    /// What was seen of it last.
    Worker(Box<Seen>),
}

/// A hand as its worker last said it is.
#[derive(Debug)]
struct Seen {
    /// By seat, and then for those who watch; packed.
    views: Vec<Vec<u8>>,
    between_tricks: bool,
}

impl Seen {
    fn by(&self, viewer: Option<Seat>) -> &[u8] {
        &self.views[viewer.map_or(self.views.len() - 1, Seat::index)]
    }
}

/// A hand.
#[derive(Debug)]
pub struct Hand {
    game: Rules,
    guard: Guard,
    turn: u32,
    to_act: Seats,
    left: Seats,
    outcome: Option<Outcome>,
    moves: Moves,
}

impl Hand {
    /// A hand in which nothing has happened, if its rules are here.
    pub fn new(guard: Guard, new_hand: impl FnOnce() -> Option<Box<dyn Game>>) -> Result<Self, Fault> {
        let game =
            guarded(guard, new_hand)?.ok_or_else(|| Fault("the rules of this game are a worker's".into()))?;
        let mut hand = Self::of(guard, Rules::Here(game));
        hand.change(|_| ())?;
        Ok(hand)
    }

    /// A hand in which nothing has happened, as a worker sees it.
    pub(crate) fn begun(guard: Guard, look: Look, seats: u8) -> Result<Self, Fault> {
        let views = alloc::vec![Vec::new(); usize::from(seats) + 1];
        let mut hand = Self::of(guard, Rules::Worker(Box::new(Seen { views, between_tricks: true })));
        hand.see(look).map_err(|why| Fault(why.into()))?;
        match hand.outcome {
            Some(_) => Err(Fault("a worker's hand is over before anybody has acted".into())),
            None => Ok(hand),
        }
    }

    fn of(guard: Guard, game: Rules) -> Self {
        let (to_act, left) = (Seats::NONE, Seats::NONE);
        Self { game, guard, turn: 0, to_act, left, outcome: None, moves: Moves::default() }
    }

    /// What its worker is asked about a move, if its rules are a worker's: all that was done, and that.
    pub(crate) fn question(&self, done: &Move) -> Option<(Vec<Deed>, Option<Deed>)> {
        match self.game {
            Rules::Here(_) => None,
            Rules::Worker(_) => {
                Some((self.moves.to_vec().iter().filter_map(Deed::of).collect(), Deed::of(done)))
            }
        }
    }

    /// Nobody acts for this seat any more, whenever that is done.
    pub(crate) fn is_left(&mut self, seat: u8) {
        self.left = self.left.union(Seats::one(Seat(seat)));
    }

    /// The worker has done a move: what came of it.
    pub(crate) fn moved(&mut self, done: &Move, look: Look) -> Result<Vec<Event>, Fault> {
        self.moves.push(done);
        self.turn += 1;
        let events = self.see(look).map_err(|why| Fault(why.into()))?;
        self.may_go_on().map(|()| events)
    }

    /// Takes a look for what the hand is now; why it is none.
    fn see(&mut self, look: Look) -> Result<Vec<Event>, &'static str> {
        let Rules::Worker(seen) = &mut self.game else { return Err("no worker has these rules") };
        let seats = seen.views.len() - 1;
        if look.views.len() != seats + 1 {
            return Err("a worker shows a hand to other seats than it has");
        }
        let views = look.views.iter().map(pack).collect::<Result<Vec<_>, _>>()?;
        self.outcome = look.end.map(|end| outcome(end, seats, self.left)).transpose()?;
        self.to_act = look.to_act.iter().fold(Seats::NONE, |all, seat| all.union(Seats::one(Seat(*seat))));
        if look.to_act.iter().any(|seat| usize::from(*seat) >= seats) {
            return Err("a worker lets a seat act that is not there");
        }
        if self.outcome.is_some() != self.to_act.is_empty() {
            return Err("a worker's hand is over and somebody is to act, or neither");
        }
        let event = |to, view: &[u8]| Event { to, bytes: worker::event(&look.words, view) };
        let told = |seat: u8| event(Audience::Only(Seat(seat)), &views[usize::from(seat)]);
        let mut events: Vec<_> = (0..seats as u8).map(told).collect();
        events.push(event(Audience::Spectators, &views[seats]));
        **seen = Seen { views, between_tricks: look.between_tricks };
        Ok(events)
    }

    /// Does a move: what came of it, or why the game refuses it, and then nothing was done. Of a worker's hand none is done
    /// here.
    pub fn apply(&mut self, done: &Move) -> Result<Result<Vec<Event>, Illegal>, Fault> {
        if let Move::Abandon { seat } = done {
            self.is_left(*seat);
        }
        let made = self.change(|game| make(game, done));
        if matches!(made, Ok(Err(_))) {
            return made;
        }
        self.moves.push(done);
        made.and_then(|events| self.may_go_on().map(|()| events))
    }

    fn may_go_on(&self) -> Result<(), Fault> {
        if self.outcome.is_none() && self.moves.count() >= MOVES_MAX {
            return Err(Fault(format!("it is not over after {MOVES_MAX} moves")));
        }
        Ok(())
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

    /// The seat whose turn it is; of several, the first. Nobody's, while a worker does not know yet that it was left.
    pub(crate) fn first_to_act(&self) -> Option<u8> {
        self.to_act.iter().find(|seat| !self.left.contains(*seat)).map(|seat| seat.0)
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
        self.seen_by(self.viewer(seat))
    }

    /// What somebody may see who does not sit here.
    pub fn seen_from_outside(&self) -> Result<Vec<u8>, Fault> {
        self.seen_by(None)
    }

    fn seen_by(&self, viewer: Option<Seat>) -> Result<Vec<u8>, Fault> {
        match &self.game {
            Rules::Here(game) => guarded(self.guard, || game.view(viewer)),
            Rules::Worker(seen) => Ok(seen.by(viewer).to_vec()),
        }
    }

    pub(crate) fn is_between_tricks(&self) -> Result<bool, Fault> {
        match &self.game {
            Rules::Here(game) => guarded(self.guard, || game.is_between_tricks()),
            Rules::Worker(seen) => Ok(seen.between_tricks),
        }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut dyn Game) -> T) -> Result<T, Fault> {
        let Rules::Here(game) = &mut self.game else { return Err(Fault("a worker is not asked".into())) };
        let game = &mut **game;
        let (value, turn, to_act, outcome) = guarded(self.guard, || {
            let value = change(game);
            (value, game.turn(), game.to_act(), game.outcome())
        })?;
        (self.turn, self.to_act, self.outcome) = (turn, to_act, outcome);
        Ok(value)
    }
}

fn pack(sight: &Sight) -> Result<Vec<u8>, &'static str> {
    View { actions: sight.actions.iter().map(String::as_str).collect(), shown: &sight.shown }.pack()
}

fn outcome(end: HandEnd, seats: usize, left: Seats) -> Result<Outcome, &'static str> {
    let reason = EndReason::from_name(&end.reason).ok_or("a worker's hand ends for no reason there is")?;
    let sum = end.scores.iter().map(|score| i64::from(*score)).sum::<i64>();
    if end.scores.len() != seats || sum != 0 {
        return Err("a worker's scores are not one a seat, with the sum zero");
    }
    Ok(Outcome { scores: end.scores, reason, left })
}

fn guarded<T>(guard: Guard, call: impl FnOnce() -> T) -> Result<T, Fault> {
    let (mut call, mut value) = (Some(call), None);
    guard(&mut || value = call.take().map(|call| call())).map_err(Fault)?;
    Ok(value.expect("invariant: a guard that says so has made the call"))
}
