//! One hand, played again from its seed and its moves, and held against its record.
//!
//! Why: the same seed and the same calls give the same hand, so whatever comes out otherwise was altered, or played by
//! other rules. `usher replay` says so to people; the simulator and the tests of the room hold every hand against it.
//! Owns: the order of calls, which is the room's, and the comparison. Does not own any rule, nor how a panic is caught:
//! who plays a hand back brings a [`Guard`], as who runs a room does.
//! Invariant: with a guard that catches, a game that panics ends its hand and nothing else.
//! Read next: `room/floor/hand.rs`, which drives a game the same way.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use usher_games::{Event, Game, GameKind, Illegal, Outcome, Seat};
use usher_proto::HandRecord;
use usher_proto::hand::{FAULT, Move};

/// Makes a call into a game; where that panicked, with what words.
pub type Guard = fn(&mut dyn FnMut()) -> Result<(), String>;

/// What came of it.
#[derive(Debug)]
pub struct Playback {
    /// Moves that were played, or tried last.
    pub tried: usize,
    /// Where that led.
    pub end: End,
    /// The hand as it was left, in any state at all if it failed; none if it could not begin.
    pub game: Option<Box<dyn Game>>,
    /// What is not as it was recorded.
    pub difference: Option<String>,
}

/// Where the moves lead.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// To the end of the hand.
    Over(Outcome),
    /// Not as far as that.
    Unfinished,
    /// Further: there is a move after the end.
    OverBefore,
    /// To one that the game does not take.
    Refused(Illegal),
    /// To a panic, with these words.
    Failed(String),
}

/// The guard of whoever may fall with the game.
pub fn unguarded(call: &mut dyn FnMut()) -> Result<(), String> {
    call();
    Ok(())
}

/// Plays a hand.
pub fn play(record: &HandRecord, guard: Guard, new_hand: impl FnOnce() -> Box<dyn Game>) -> Playback {
    let (tried, end, game) = match guarded(guard, new_hand) {
        Ok(mut game) => {
            let (tried, end) = play_moves(record, guard, game.as_mut());
            (tried, end, Some(game))
        }
        Err(said) => (0, End::Failed(said), None),
    };
    let difference = difference(record, tried, &end);
    Playback { tried, end, game, difference }
}

/// Does to a game what was done.
pub fn make(game: &mut dyn Game, done: &Move) -> Result<Vec<Event>, Illegal> {
    match done {
        Move::Act { seat, action } => game.act(Seat(*seat), action),
        Move::Timeout => Ok(game.timeout()),
        Move::Abandon { seat } => Ok(game.abandon(Seat(*seat))),
    }
}

fn play_moves(record: &HandRecord, guard: Guard, game: &mut dyn Game) -> (usize, End) {
    if let Err(said) = guarded(guard, || look(game, record)) {
        return (0, End::Failed(said));
    }
    for (number, done) in (1..).zip(&record.moves) {
        let moved = guarded(guard, || {
            let is_over = game.outcome().is_some();
            let end = if is_over { Some(End::OverBefore) } else { make(game, done).err().map(End::Refused) };
            look(game, record);
            end
        });
        match moved {
            Ok(None) => {}
            Ok(Some(end)) => return (number, end),
            Err(said) => return (number, End::Failed(said)),
        }
    }
    let outcome = guarded(guard, || game.outcome());
    let end = outcome.map_or_else(End::Failed, |outcome| outcome.map_or(End::Unfinished, End::Over));
    (record.moves.len(), end)
}

/// A room asks all this after a move, and may show the hand to any seat. Of a hand that did not fail, nobody needs to
/// know what else would.
fn look(game: &dyn Game, record: &HandRecord) {
    if record.reason == FAULT {
        let _ = (game.turn(), game.to_act(), game.outcome());
        (0..).zip(&record.seats).for_each(|(seat, _)| drop(game.view(Some(Seat(seat)))));
    }
}

fn guarded<T>(guard: Guard, call: impl FnOnce() -> T) -> Result<T, String> {
    let (mut call, mut value) = (Some(call), None);
    guard(&mut || value = call.take().map(|call| call()))?;
    Ok(value.expect("invariant: a guard that says so has made the call"))
}

fn difference(record: &HandRecord, tried: usize, end: &End) -> Option<String> {
    let (of, is_fault) = (record.moves.len(), record.reason == FAULT);
    let rules = GameKind::from_id(record.game.0).map(GameKind::rules);
    match end {
        _ if rules.is_some_and(|rules| rules != record.rules) => Some(format!(
            "it was played by rules {}, and here are rules {}",
            record.rules,
            rules.unwrap_or_default()
        )),
        End::Failed(_) if is_fault && tried == of => {
            let unsettled = record.scores.iter().any(|score| *score != 0);
            unsettled.then(|| format!("a hand that failed has the scores {:?}", record.scores))
        }
        End::Failed(said) => Some(format!("the game fails at move {tried} of {of}: {said}")),
        End::Refused(why) => Some(format!("move {tried} of {of} is refused: {why}")),
        End::OverBefore => Some(format!("the hand is over before move {tried} of {of}")),
        End::Over(_) | End::Unfinished if is_fault => Some("the game does not fail".into()),
        End::Unfinished => Some(format!("the hand is not over after move {of}")),
        End::Over(Outcome { scores, .. }) if *scores != record.scores => {
            Some(format!("the scores are {scores:?}, recorded as {:?}", record.scores))
        }
        End::Over(Outcome { reason, .. }) if reason.name() != record.reason => {
            Some(format!("the reason is \"{reason}\", recorded as \"{}\"", record.reason))
        }
        End::Over(_) => None,
    }
}
