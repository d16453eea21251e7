//! One hand, played again from its seed and its moves, and held against its record.
//!
//! Why: the same seed and the same calls give the same hand, so whatever comes out otherwise was altered, or played by
//! other rules. `usher replay` says so to people; the simulator and the tests of the room hold every hand against it.
//! Owns: the comparison. Does not own any rule, nor how a game is called: that is [`Hand`], which a room plays with too.
//! Invariant: with a guard that catches, a game that panics ends its hand and nothing else.
//! Read next: [`crate::hand`].

use crate::hand::{Fault, Guard, Hand};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use usher_games::{Game, GameKind, Illegal, Outcome};
use usher_proto::HandRecord;
use usher_proto::hand::FAULT;

/// What came of it.
#[derive(Debug)]
pub struct Playback {
    /// Moves that were played, or tried last.
    pub tried: usize,
    /// Where that led.
    pub end: End,
    /// The hand as it was left; none if it failed.
    pub hand: Option<Hand>,
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

/// Plays a hand.
pub fn play(record: &HandRecord, guard: Guard, new_hand: impl FnOnce() -> Option<Box<dyn Game>>) -> Playback {
    let mut tried = 0;
    let (end, hand) = match play_moves(record, Hand::new(guard, new_hand), &mut tried) {
        Ok((end, hand)) => (end, Some(hand)),
        Err(Fault(said)) => (End::Failed(said), None),
    };
    let difference = difference(record, tried, &end);
    Playback { tried, end, hand, difference }
}

fn play_moves(
    record: &HandRecord,
    hand: Result<Hand, Fault>,
    tried: &mut usize,
) -> Result<(End, Hand), Fault> {
    let mut hand = hand?;
    for done in &record.moves {
        *tried += 1;
        if hand.outcome().is_some() {
            return Ok((End::OverBefore, hand));
        }
        if let Err(refused) = hand.apply(done)? {
            return Ok((End::Refused(refused), hand));
        }
    }
    if let Some(outcome) = hand.outcome() {
        return Ok((End::Over(outcome.clone()), hand));
    }
    if record.reason == FAULT {
        // All moves were well: then it failed when a seat was to be shown it.
        (0..).zip(&record.seats).try_for_each(|(seat, _)| hand.view(seat).map(drop))?;
    }
    Ok((End::Unfinished, hand))
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
