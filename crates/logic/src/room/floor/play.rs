//! From one hand to the next: dealt, played, written down, announced.
//!
//! Why: a hand begins with chance that the world gives and ends when the world has written it down, and in between
//! anybody may stand up, drop out or come back.
//! Order: everybody is here and the rest is over; the world is asked for a seed; if the rules are a worker's, that one is
//! asked for the hand ([`super::asking`]); the hand is played; its record is given to the world; what came of it is said, with the seed; rest.
//! Invariants: nobody knows a seed before its hand is over. No outcome is announced that could still be lost, unless the
//! world says that it cannot write, or says nothing for [`RECORD_MAX`].
//! Limits: one question at a time; a hand that could not begin, or whose game failed, is followed by a rest.
//! Read next: [`crate::hand`].

use super::asking::{Asked, Opening};
use super::asks::Asker;
use super::step::Step;
use super::table::{Sitter, Table};
use super::watch::{Look, Watch};
use crate::hand::{Fault, Hand};
use crate::room::game_id;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::{Audience, Event, GameKind, Illegal, Outcome, Seat};
use usher_proto::hand::{FAULT, HandFailure, HandId, HandRecord, Move, Seed};
use usher_proto::machine::{Answer, Question};
use usher_proto::message::{ActDenial, Acted, HandEnded, TableState};
use usher_proto::{AccountId, Time};

/// The least rest after a hand whose game failed, so that a game that always panics does not keep the floor busy.
pub(super) const FAULT_REST: Duration = Duration::from_secs(1);
/// How long a record may take. Then the outcome is said without: the players are not to wait for a disk.
const RECORD_MAX: Duration = Duration::from_secs(5);

/// What a table is at.
#[derive(Debug)]
pub(super) enum Stage {
    /// No hand.
    Resting,
    /// The next one's chance was asked for, by this number.
    Dealing(u64),
    /// The worker that has its rules was asked for it.
    Opening(Box<Opening>),
    /// A hand.
    Playing(Box<Playing>),
    /// It is over, and being written down.
    Recording(Box<Recording>),
}

/// A hand with what its record will say.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) hand: Hand,
    pub(super) began: Began,
    pub(super) turn_ends: Time,
    /// What its worker is asked just now.
    pub(super) asked: Option<Box<Asked>>,
}

/// What a hand begins with.
#[derive(Debug)]
pub(super) struct Began {
    pub(super) seed: Seed,
    pub(super) seats: Vec<AccountId>,
    at: Time,
}

/// What is said once the hand is written down.
#[derive(Debug)]
pub(super) struct Recording {
    ask: u64,
    seats: Vec<AccountId>,
    scores: Vec<i32>,
    reason: String,
    seed: Seed,
    left: u8,
}

impl Table {
    /// Asks for the next hand's chance, or sees to it that this is done when the rest is over.
    pub(super) fn start_if_ready(&mut self, step: &mut Step<'_>) {
        if !matches!(self.stage, Stage::Resting) {
            return;
        }
        let wanted = self.may_begin(step);
        let starts = wanted && step.now >= self.rest_until;
        self.set_alarm((wanted && !starts).then_some(self.rest_until), step);
        if starts {
            let asker = Asker::Table(step.rules.room, self.no);
            self.stage = Stage::Dealing(step.ask(asker, Question::HandSeed));
        }
    }

    /// Whether every seat is taken by somebody whose connection is there, and nothing stands against a hand.
    pub(super) fn may_begin(&self, step: &Step<'_>) -> bool {
        let is_there = |sitter: &Option<Sitter>| sitter.is_some_and(|sitter| sitter.conn.is_some());
        self.seats.iter().all(is_there) && self.is_wanted() && !step.draining
    }

    /// The world has answered; what nobody waits for any more changes nothing.
    pub(super) fn answered(&mut self, number: u64, answer: Answer, step: &mut Step<'_>) {
        match (&self.stage, answer) {
            (Stage::Dealing(ask), Answer::HandSeed(seed)) if *ask == number => self.deal(seed, step),
            (Stage::Opening(opening), Answer::Played(played)) if opening.ask == number => {
                self.opened(played, step);
            }
            (Stage::Playing(playing), Answer::Played(played)) if playing.is_asking(number) => {
                self.played(played, step);
            }
            (Stage::Recording(recording), Answer::HandRecorded(totals)) if recording.ask == number => {
                self.announce(totals, step);
            }
            _ => {}
        }
    }

    /// Whether whoever sits here plays the hand, or has played it and waits for what came of it.
    pub(super) fn has_a_stake(&self, seat: u8) -> bool {
        match (&self.stage, self.sitter(seat)) {
            (Stage::Playing(playing), Some(_)) => playing.hand.viewer(seat).is_some(),
            (Stage::Recording(it), Some(sitter)) => it.seats.get(usize::from(seat)) == Some(&sitter.account),
            _ => false,
        }
    }

    /// Begins a hand, if everybody is still here; or asks for it.
    fn deal(&mut self, seed: Seed, step: &mut Step<'_>) {
        self.stage = Stage::Resting;
        if !self.may_begin(step) {
            return self.start_if_ready(step);
        }
        let began = Began { seed, seats: self.accounts(), at: step.now };
        if matches!(step.rules.kind, GameKind::Worker(_)) {
            return self.open(began, step);
        }
        self.begin(began, Hand::new(step.guard, || step.rules.new_hand(seed)), step);
    }

    /// Who sits here, by seat, where every seat is taken.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        self.sitters().map(|sitter| sitter.account).collect()
    }

    /// This is the next hand.
    pub(super) fn begin(&mut self, began: Began, hand: Result<Hand, Fault>, step: &mut Step<'_>) {
        self.hand_no += 1;
        self.nobody_is_ready();
        step.counts.hands_started += 1;
        let hand = match hand {
            Ok(hand) => hand,
            Err(fault) => {
                let scores = self.note_fault(fault, step);
                return self.record(began, Vec::new(), scores, FAULT.into(), step);
            }
        };
        let turn_ends = step.now;
        self.stage = Stage::Playing(Box::new(Playing { hand, began, turn_ends, asked: None }));
        self.restart_clock(step);
        for seat in 0..self.seats.len() as u8 {
            self.show(seat, step);
        }
        self.show_watchers(Watch::begin, step);
    }

    /// The hand and the turn that somebody may act in now.
    pub(super) fn turn(&self) -> Option<(u64, u32)> {
        match &self.stage {
            Stage::Playing(playing) if playing.asked.is_none() => Some((self.hand_no, playing.hand.turn())),
            _ => None,
        }
    }

    /// How long those to act still have.
    pub(super) fn turn_left(&self, now: Time) -> Option<Duration> {
        if let Stage::Playing(playing) = &self.stage { Some(playing.turn_left(now)) } else { None }
    }

    /// Has a move done: at once where the rules are here, or when their worker has answered.
    pub(super) fn make(&mut self, done: Move, step: &mut Step<'_>) {
        let Stage::Playing(playing) = &mut self.stage else { return };
        let hand = &mut playing.hand;
        let turn = hand.turn();
        let seat = match done {
            Move::Act { seat, .. } | Move::Abandon { seat } => seat,
            Move::Timeout => hand.first_to_act().unwrap_or(0),
        };
        if let Some(question) = hand.question(&done) {
            return self.ask(seat, done, question, step);
        }
        match hand.apply(&done) {
            Ok(Err(illegal)) => self.deny(seat, (self.hand_no, turn), denial(illegal), step),
            Ok(Ok(events)) => self.went_on(turn, seat, Ok(events), step),
            Err(fault) => self.went_on(turn, seat, Err(fault), step),
        }
    }

    /// The hand changed: tells the seats, and starts the next clock or ends the hand.
    pub(super) fn went_on(
        &mut self,
        turn: u32,
        seat: u8,
        done: Result<Vec<Event>, Fault>,
        step: &mut Step<'_>,
    ) {
        let events = match done {
            Ok(events) => events,
            Err(fault) => return self.fault(fault, step),
        };
        let Some(hand) = self.hand() else { return };
        for (sitter, to) in self.seats.iter().zip(0..) {
            let Some(conn) = sitter.and_then(|sitter| sitter.conn) else { continue };
            let to_act = hand.first_to_act();
            for action in seen_by(hand.viewer(to), &events) {
                let action = action.to_vec().into();
                step.out.send(conn, Acted { hand: self.hand_no, turn, seat, action, to_act });
            }
        }
        let outcome = hand.outcome().cloned();
        self.note_for_watchers(turn, seat, &events, step);
        match outcome {
            Some(Outcome { scores, reason, .. }) => self.end(scores, reason.name().into(), step),
            None => self.restart_clock(step),
        }
    }

    /// The game failed: its hand is nobody's, and is written down as far as it came.
    pub(super) fn fault(&mut self, fault: Fault, step: &mut Step<'_>) {
        let scores = self.note_fault(fault, step);
        self.end(scores, FAULT.into(), step);
    }

    /// Tells the operator of a fault, and sees to it that the next one takes its time; the scores of such a hand.
    fn note_fault(&mut self, Fault(why): Fault, step: &mut Step<'_>) -> Vec<i32> {
        step.counts.faults += 1;
        self.rest_until = step.now + FAULT_REST;
        step.tell(HandFailure { hand: self.hand_id(self.hand_no, step), had_begun: true, why });
        alloc::vec![0; self.seats.len()]
    }

    fn end(&mut self, scores: Vec<i32>, reason: String, step: &mut Step<'_>) {
        if let Stage::Playing(playing) = core::mem::replace(&mut self.stage, Stage::Resting) {
            let Playing { hand, began, .. } = *playing;
            self.record(began, hand.into_moves(), scores, reason, step);
        }
    }

    fn record(
        &mut self,
        began: Began,
        moves: Vec<Move>,
        scores: Vec<i32>,
        reason: String,
        step: &mut Step<'_>,
    ) {
        step.counts.hands_ended += 1;
        let (node, Began { seed, seats, at }) = (&step.config.node, began);
        let record = HandRecord {
            id: self.hand_id(self.hand_no, step),
            game: game_id(step.rules.kind),
            rules: step.rules.kind.rules(),
            seed,
            seats: seats.clone(),
            moves,
            scores: scores.clone(),
            reason: reason.clone(),
            began_unix_ms: node.unix_ms(at),
            ended_unix_ms: node.unix_ms(step.now),
        };
        let left = record.left();
        let asker = Asker::Table(step.rules.room, self.no);
        let ask = step.ask(asker, Question::RecordHand(Box::new(record)));
        self.stage = Stage::Recording(Box::new(Recording { ask, seats, scores, reason, seed, left }));
        self.set_alarm(Some(step.now + RECORD_MAX), step);
    }

    /// What the hand of this number is called.
    pub(super) fn hand_id(&self, hand: u64, step: &Step<'_>) -> HandId {
        let node = &step.config.node;
        HandId {
            server: node.name.clone(),
            incarnation: node.started_unix_ms,
            room: step.rules.room,
            table: self.no,
            hand,
        }
    }

    /// The hand is written down, or cannot be: says what came of it.
    pub(super) fn announce(&mut self, totals: Option<Vec<i64>>, step: &mut Step<'_>) {
        let Stage::Recording(recording) = core::mem::replace(&mut self.stage, Stage::Resting) else { return };
        step.counts.hands_unrecorded += u64::from(totals.is_none());
        self.set_alarm(None, step);
        let totals = totals.unwrap_or_default();
        let Recording { seats, scores, reason, seed, left, .. } = *recording;
        for ((sitter, account), total) in self.seats.iter_mut().zip(&seats).zip(&totals) {
            // Somebody else may sit there by now.
            if let Some(sitter) = sitter.as_mut().filter(|sitter| sitter.account == *account) {
                sitter.score = Some(*total);
            }
        }
        let seed = Some(Box::new(seed.into()));
        let ended =
            HandEnded { hand: self.hand_no, scores, reason: reason.into(), totals, seed, left, seats };
        if let Some(watch) = &mut self.watch {
            watch.end(step);
            watch.tell(ended.clone(), step);
        }
        self.tell(ended.clone(), step);
        self.last = Some(Box::new(ended));
        self.forget_if_empty();
        self.rest_until = self.rest_until.max(step.now + step.config.next_hand_delay);
        self.start_if_ready(step);
    }

    /// A change, for those who watch: told when its trick, and the next, are over.
    fn note_for_watchers(&mut self, turn: u32, seat: u8, events: &[Event], step: &mut Step<'_>) {
        let (Some(hand), true) = (self.hand(), self.watch.is_some()) else { return };
        let (hand_no, to_act) = (self.hand_no, hand.first_to_act());
        let is_over = hand.outcome().is_none() && hand.is_between_tricks() == Ok(true);
        if let Some(watch) = &mut self.watch {
            for action in seen_by(None, events) {
                watch.note(Acted { hand: hand_no, turn, seat, action: action.to_vec().into(), to_act });
            }
        }
        if is_over {
            self.show_watchers(Watch::trick_over, step);
        }
    }

    /// A game that cannot be looked at is found out by those who play it.
    fn show_watchers(&mut self, show: fn(&mut Watch, Look, TableState, &mut Step<'_>), step: &mut Step<'_>) {
        let state = self.outline(step.now);
        let look = self.hand().filter(|_| self.watch.is_some()).map(Look::at);
        if let (Some(Ok(look)), Some(watch)) = (look, &mut self.watch) {
            show(watch, look, state, step);
        }
    }

    fn restart_clock(&mut self, step: &mut Step<'_>) {
        let ends = step.now + step.rules.turn_time;
        if let Stage::Playing(playing) = &mut self.stage {
            playing.turn_ends = ends;
        }
        self.set_alarm(Some(ends), step);
    }
}

fn denial(illegal: Illegal) -> ActDenial {
    match illegal {
        Illegal::NotYourTurn => ActDenial::NotYourTurn,
        illegal => ActDenial::Illegal(illegal.name().into()),
    }
}

/// What a viewer is told of a change: every event they may know, or nothing but that there was one.
fn seen_by(viewer: Option<Seat>, events: &[Event]) -> Vec<&[u8]> {
    let may_know = |event: &&Event| match event.to {
        Audience::Everyone => true,
        Audience::Only(seat) => viewer == Some(seat),
        Audience::Spectators => viewer.is_none(),
    };
    let seen: Vec<_> = events.iter().filter(may_know).map(|event| &*event.bytes).collect();
    if seen.is_empty() { alloc::vec![&[]] } else { seen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_seat_is_told_what_it_may_know_and_always_something() {
        let public = Event::public(vec![1]);
        let private = Event { to: Audience::Only(Seat(1)), bytes: vec![2] };
        let events = [public, private];
        let outside = Event { to: Audience::Spectators, bytes: vec![3] };
        let cases = [
            (&[events[1].clone(), outside][..], Some(1), vec![&[2][..]]),
            (&events[..1], Some(0), vec![&[1][..]]),
            (&events, Some(0), vec![&[1]]),
            (&events, Some(1), vec![&[1], &[2]]),
            (&events, None, vec![&[1]]),
            (&events[1..], Some(0), vec![&[]]),
            (&[], Some(0), vec![&[]]),
        ];
        for (events, viewer, seen) in cases {
            assert_eq!(seen_by(viewer.map(Seat), events), seen);
        }
    }
}
