//! A hand in which somebody's connection drops, at every step of it: it is the hand that it would have been.
//!
//! Each hand is played undisturbed, then again from the same seed for every step, every seat and every way of coming back.
//! Whoever plays does what the bot does with what that seat sees, so a seat that came back and knew less would play
//! otherwise.
//! Read next: `returning.rs`, about the stay; `sitting.rs`, which holds every snapshot against what was known.

use super::house::{House, Way, config, who};
use super::sitting::Sitting;
use crate::hand::{make, unguarded};
use crate::playback::play;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::{Game, GameKind, Seat};
use usher_proto::ShardId;
use usher_proto::hand::{HandRecord, Move, Seed};
use usher_proto::message::{HandEnded, Sit};

const SEED: Seed = [42; 32];
/// What the floor's world answers: chance, and that a record is written.
const WORLD: Way = Way::World(ShardId(1));

/// How a player comes back.
#[derive(Clone, Copy, Debug)]
struct Return {
    /// The old connection is gone before; else it is taken over.
    drops: bool,
    /// By a newer login; else on the same ticket.
    is_newer: bool,
}

const RETURNS: [Return; 4] = [
    Return { drops: true, is_newer: false },
    Return { drops: false, is_newer: false },
    Return { drops: true, is_newer: true },
    Return { drops: false, is_newer: true },
];

fn house(kind: GameKind, seat_grace: Duration) -> House {
    let mut config = config(1, 6);
    config.rooms[0].game = kind;
    config.seat_grace = seat_grace;
    let mut house = House::open(config);
    house.records.seeds.extend([SEED, SEED]);
    house
}

fn at_a_table(kind: GameKind) -> Sitting {
    Sitting::begin(house(kind, Duration::from_secs(60)))
}

fn come_back(table: &mut Sitting, seat: u8, way: Return) {
    if way.drops {
        table.drop(seat);
    }
    table.come(seat, way.is_newer);
}

/// What a hand came to: its record but for the times, and how it ended for each seat.
#[derive(Debug, PartialEq)]
struct Hand {
    moves: Vec<Move>,
    scores: Vec<i32>,
    reason: String,
    seed: Seed,
    views: Vec<Option<Vec<u8>>>,
    ended: Vec<Option<HandEnded>>,
}

impl Hand {
    fn at(table: &Sitting) -> Self {
        let HandRecord { moves, scores, reason, seed, .. } = table.house.records.hands[0].clone();
        let ends = || table.ends.iter().cloned();
        let views = ends().map(|end| end?.view).collect();
        Self { moves, scores, reason, seed, views, ended: ends().map(|end| Some(end?.ended)).collect() }
    }

    fn undisturbed(kind: GameKind) -> Self {
        let mut table = at_a_table(kind);
        table.play_to_the_end();
        let hand = Self::at(&table);
        assert!(hand.moves.len() > 3 && hand.views.iter().all(Option::is_some), "{hand:?}");
        hand
    }
}

/// Every step of a hand of each game, and every seat.
fn every_step(mut test: impl FnMut(&Hand, GameKind, usize, u8)) {
    for &kind in GameKind::ALL {
        let undisturbed = Hand::undisturbed(kind);
        for step in 0..undisturbed.moves.len() {
            for seat in 0..kind.seats() {
                test(&undisturbed, kind, step, seat);
            }
        }
    }
}

/// The server's own hand beside that of the table.
struct Beside {
    table: Sitting,
    game: Box<dyn Game>,
}

impl Beside {
    fn new(kind: GameKind) -> Self {
        Self { table: at_a_table(kind), game: kind.new_hand(SEED).unwrap() }
    }

    fn step(&mut self) {
        let choice = self.table.choice();
        make(self.game.as_mut(), &choice).expect("a bot's choice is legal");
        self.table.make(&choice);
        self.check();
    }

    /// Whoever is there sees, byte for byte, what the server would show.
    fn check(&self) {
        for (state, seat) in self.table.views.iter().zip(0..) {
            let Some(state) = state else { continue };
            assert_eq!(state.view, self.game.view(Some(Seat(seat))), "seat {seat}");
            assert_eq!(state.turn, self.game.turn());
            assert_eq!(state.to_act, self.game.to_act().iter().next().map(|seat| seat.0));
        }
    }
}

#[test]
fn a_hand_goes_on_as_if_nobody_had_dropped_at_any_step() {
    for way in RETURNS {
        every_step(|undisturbed, kind, step, seat| {
            let mut hand = Beside::new(kind);
            for number in 0..undisturbed.moves.len() {
                if number == step {
                    come_back(&mut hand.table, seat, way);
                    assert!(hand.table.views[usize::from(seat)].is_some(), "nothing was shown");
                    hand.check();
                }
                hand.step();
            }
            assert_eq!(&Hand::at(&hand.table), undisturbed, "{kind}, {way:?}, seat {seat} at {step}");
        });
    }
}

#[test]
fn who_comes_back_before_the_clock_acts_as_if_never_away() {
    every_step(|undisturbed, kind, step, seat| {
        let mut hand = Beside::new(kind);
        let mut is_away = false;
        for number in 0..undisturbed.moves.len() {
            if number == step {
                hand.table.drop(seat);
                is_away = true;
            }
            if is_away && hand.table.to_act() == Some(seat) {
                hand.table.house.pass(u64::from(kind.turn_time_ms()) - 1);
                hand.table.come(seat, false);
                hand.check();
                is_away = false;
            }
            hand.step();
        }
        let mut seen = Hand::at(&hand.table);
        if is_away {
            // The hand was over before it was this seat's turn: it is told so when it is back, and is shown no more.
            let at = usize::from(seat);
            assert_eq!((&seen.views[at], &seen.ended[at]), (&None, &None));
            hand.table.come(seat, false);
            seen.ended[at] = hand.table.ends[at].clone().map(|end| end.ended);
            seen.views[at].clone_from(&undisturbed.views[at]);
            hand.table.house.pass(3_000);
            hand.table.listen();
            assert!(hand.table.views.iter().all(Option::is_some), "the next hand");
        }
        assert_eq!(&seen, undisturbed, "{kind}, seat {seat} from {step}");
    });
}

#[test]
fn for_who_never_comes_back_the_hand_ends_by_its_rules_and_the_seat_is_free_again() {
    for seat_grace in [60, 10].map(Duration::from_secs) {
        every_step(|_, kind, step, seat| {
            let mut table = Sitting::begin(house(kind, seat_grace));
            (0..step).for_each(|_| table.step());
            table.drop(seat);
            while let Some(to_act) = table.to_act() {
                if to_act == seat {
                    table.house.pass(1_000);
                } else {
                    table.step();
                }
                table.listen();
            }
            let [record] = &table.house.records.hands[..] else { panic!("one hand was written down") };
            check_the_end(&table, record, seat);
            table.house.pass(60_000);
            let figures = ["usher_players_absent", "usher_hands_playing"].map(|it| table.house.figure(it));
            assert_eq!((figures, table.house.figure("usher_seats_given_up_total")), ([0, 0], 1));
            assert_eq!(table.house.figure("usher_seats_taken_total"), table.conns.len() as u64);
            the_next_hand_is_played(&mut table, seat);
        });
    }
}

/// The others have seen the end, as the record has it, and whoever went away has not won by it.
fn check_the_end(table: &Sitting, record: &HandRecord, seat: u8) {
    let playback = play(record, unguarded, || table.kind.new_hand(record.seed));
    let hand = playback.hand.expect("it plays back");
    for (end, other) in table.ends.iter().zip(0..) {
        assert_eq!(end.is_none(), other == seat);
        let Some(end) = end else { continue };
        assert_eq!(end.view, hand.view(other).ok());
        assert_eq!(end.ended.scores, record.scores);
    }
    if let "timed out" | "abandoned" = &*record.reason {
        assert_eq!(record.scores[usize::from(seat)], -1);
    }
}

/// Somebody else sits down in the free seat, and all is well.
fn the_next_hand_is_played(table: &mut Sitting, seat: u8) {
    let newcomer = 9;
    table.house.arrive(newcomer, who(newcomer, 1), 0);
    table.house.say(newcomer, Sit { table: None, seat: None });
    table.conns[usize::from(seat)] = newcomer;
    table.listen();
    assert_eq!(table.state(seat).hand, 2);
    assert_eq!(table.play_to_the_end().hand, 2);
}

#[test]
fn who_drops_while_the_hand_is_written_down_is_told_its_end_and_plays_the_next() {
    for &kind in GameKind::ALL {
        let undisturbed = Hand::undisturbed(kind);
        let (last, before) = undisturbed.moves.split_last().expect("moves");
        for (way, seat) in RETURNS.into_iter().flat_map(|way| (0..kind.seats()).map(move |seat| (way, seat)))
        {
            let mut table = at_a_table(kind);
            for done in before {
                table.make(done);
            }
            table.house.hold(WORLD);
            table.make(last);
            assert!(table.ends.iter().all(Option::is_none), "told before it is written down");
            come_back(&mut table, seat, way);
            assert!(table.views[usize::from(seat)].is_none(), "there is no hand to be shown");
            table.house.let_go();
            table.listen();
            let mut hand = Hand::at(&table);
            hand.views[usize::from(seat)].clone_from(&undisturbed.views[usize::from(seat)]);
            assert_eq!(hand, undisturbed, "{kind}, {way:?}, seat {seat}");
            table.house.pass(3_000);
            table.listen();
            assert!((0..kind.seats()).all(|seat| table.state(seat).hand == 2));
        }
    }
}

#[test]
fn who_drops_while_the_chance_is_asked_for_is_dealt_the_same_hand() {
    for &kind in GameKind::ALL {
        let undisturbed = Hand::undisturbed(kind);
        for (way, seat) in RETURNS.into_iter().flat_map(|way| (0..kind.seats()).map(move |seat| (way, seat)))
        {
            for answered_while_away in [false, true] {
                let mut house = house(kind, Duration::from_secs(60));
                house.hold(WORLD);
                let mut table = Sitting::begin(house);
                assert!(table.to_act().is_none(), "dealt without chance");
                if answered_while_away {
                    table.drop(seat);
                    table.house.let_go();
                    table.listen();
                    assert!(table.to_act().is_none(), "dealt to somebody who is not here");
                    table.come(seat, way.is_newer);
                } else {
                    come_back(&mut table, seat, way);
                    table.house.let_go();
                    table.listen();
                }
                table.play_to_the_end();
                assert_eq!(Hand::at(&table), undisturbed, "{kind}, {way:?}, seat {seat}");
            }
        }
    }
}
