//! A table whose rules are a worker's: the hand is asked for, and so is what comes of each move.
//!
//! Why: the table is the same as where the rules are here; only an answer takes its time, and what happens meanwhile waits.
//! The way: a move is asked about with all moves before it, so that any worker can say. Until the answer the turn is
//! nobody's: who acts is told that the turn is over, and then the table. Who stands up meanwhile leaves when the answer
//! is here. The clock stands still.
//! Invariants: one question at a time; what is waited for is answered, or the hand is over by a fault after
//! [`ANSWER_MAX`], which is longer than any world takes.
//! Limits: a seat is left once a hand, so fewer moves than seats wait. Where no worker answers, no hand begins, and the
//! table asks again after [`UNOPENED_REST`].
//! Read next: [`super::play`], `docs/workers.md`.

use super::asks::Asker;
use super::play::{Began, Playing, Stage};
use super::step::Step;
use super::table::Table;
use crate::hand::{Fault, Hand};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::ACTION_BYTES_MAX;
use usher_proto::Time;
use usher_proto::hand::{HandFailure, Move, Seed};
use usher_proto::machine::{Played, Question};
use usher_proto::message::{ActDenial, Deed, Play};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// What is said where it took longer.
pub(super) const UNANSWERED: &str = "no worker answered in time";
/// The rest where no worker answered for a hand.
const UNOPENED_REST: Duration = Duration::from_secs(5);

/// A hand that was asked for.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) ask: u64,
    began: Began,
}

/// A move that was asked about.
#[derive(Debug)]
pub(super) struct Asked {
    ask: u64,
    since: Time,
    seat: u8,
    done: Move,
    /// What is done next, whatever the answer.
    due: Vec<Move>,
}

impl Playing {
    /// What is left of the turn: while a worker is asked, what was left then.
    pub(super) fn turn_left(&self, now: Time) -> Duration {
        self.turn_ends - self.asked.as_ref().map_or(now, |asked| asked.since)
    }

    /// Whether this is the number of the question that is open.
    pub(super) fn is_asking(&self, number: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.ask == number)
    }
}

impl Table {
    /// Asks for a hand in which nothing has happened.
    pub(super) fn open(&mut self, began: Began, step: &mut Step<'_>) {
        let ask = self.question(self.hand_no + 1, began.seed, (Vec::new(), None), step);
        self.stage = Stage::Opening(Box::new(Opening { ask, began }));
    }

    /// The hand is here: it begins, if everybody still is.
    pub(super) fn opened(&mut self, played: Played, step: &mut Step<'_>) {
        let Stage::Opening(opening) = core::mem::replace(&mut self.stage, Stage::Resting) else { return };
        self.set_alarm(None, step);
        match played {
            Played::Look(look) if self.may_begin(step) && self.accounts() == opening.began.seats => {
                let hand = Hand::begun(step.guard, *look, self.seats.len() as u8);
                self.begin(opening.began, hand, step);
            }
            Played::Look(_) => {}
            Played::Refused(why) => self.not_opened(why, step),
            Played::Undone(why) => self.not_opened(why.to_string(), step),
        }
        self.start_if_ready(step);
    }

    /// There is nobody to play with.
    pub(super) fn not_opened(&mut self, why: String, step: &mut Step<'_>) {
        self.stage = Stage::Resting;
        step.counts.hands_unopened += 1;
        self.rest_until = step.now + UNOPENED_REST;
        let hand = self.hand_id(self.hand_no + 1, step);
        step.tell(HandFailure { hand, had_begun: false, why });
    }

    /// Asks about a move; or keeps it, if another is asked about.
    pub(super) fn ask(
        &mut self,
        seat: u8,
        done: Move,
        question: (Vec<Deed>, Option<Deed>),
        step: &mut Step<'_>,
    ) {
        let Stage::Playing(playing) = &mut self.stage else { return };
        if let Move::Abandon { seat } = done {
            playing.hand.is_left(seat);
        }
        if let Some(asked) = &mut playing.asked {
            return asked.due.push(done);
        }
        if let Some(reason) = denial(&playing.hand, &done, question.1.is_none()) {
            let turn = (self.hand_no, playing.hand.turn());
            return self.deny(seat, turn, reason, step);
        }
        let seed = playing.began.seed;
        let ask = self.question(self.hand_no, seed, question, step);
        if let Stage::Playing(playing) = &mut self.stage {
            let since = step.now;
            playing.asked = Some(Box::new(Asked { ask, since, seat, done, due: Vec::new() }));
        }
    }

    fn question(
        &mut self,
        hand: u64,
        seed: Seed,
        (moves, next): (Vec<Deed>, Option<Deed>),
        step: &mut Step<'_>,
    ) -> u64 {
        let play = Play {
            game: step.rules.kind.name().into(),
            hand: self.hand_id(hand, step).to_string(),
            seats: self.seats.len() as u8,
            seed: seed.into(),
            moves,
            next,
        };
        self.set_alarm(Some(step.now + ANSWER_MAX), step);
        step.ask(Asker::Table(step.rules.room, self.no), Question::Play(Box::new(play)))
    }

    /// The worker has answered: the hand goes on, or the turn is again that of who was refused.
    pub(super) fn played(&mut self, played: Played, step: &mut Step<'_>) {
        let Stage::Playing(playing) = &mut self.stage else { return };
        let Some(asked) = playing.asked.take() else { return };
        let Asked { since, seat, done, due, .. } = *asked;
        playing.turn_ends = playing.turn_ends + (step.now - since);
        let (turn, ends) = (playing.hand.turn(), playing.turn_ends);
        match (played, &done) {
            (Played::Look(look), _) => {
                let events = playing.hand.moved(&done, *look);
                self.went_on(turn, seat, events, step);
            }
            (Played::Refused(why), Move::Act { .. }) => {
                self.set_alarm(Some(ends), step);
                self.deny(seat, (self.hand_no, turn), ActDenial::Illegal(why), step);
            }
            (Played::Refused(why), _) => self.went_on(turn, seat, Err(Fault(why)), step),
            (Played::Undone(why), _) => self.went_on(turn, seat, Err(Fault(why.to_string())), step),
        }
        for done in due {
            self.make(done, step);
        }
        self.start_if_ready(step);
    }
}

/// What no worker need be asked about.
fn denial(hand: &Hand, done: &Move, is_no_text: bool) -> Option<ActDenial> {
    let Move::Act { seat, action } = done else { return None };
    if !hand.to_act().iter().any(|to_act| to_act.0 == *seat) {
        return Some(ActDenial::NotYourTurn);
    }
    let is_malformed = is_no_text || action.is_empty() || action.len() > ACTION_BYTES_MAX;
    is_malformed.then(|| ActDenial::Illegal(usher_games::Illegal::Malformed.name().into()))
}
