//! Hands played back: as recorded, or it is said what is not.
//!
//! Why here: a panic is caught, for which a machine's crate has no means.
//! Read next: `usher_logic::playback`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use usher_games::{Action, EndReason, Event, Game, Illegal, Outcome, Seat, Seats};
use usher_logic::hand::{Fault, Hand, words};
use usher_logic::playback::{End, play};
use usher_proto::hand::{FAULT, Move};
use usher_proto::limits::MOVES_MAX;
use usher_proto::{AccountId, GameId, HandId, HandRecord, RoomNo, TableNo};

fn guarded(call: &mut dyn FnMut()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(words)
}

/// Ends and fails where it is told to.
#[derive(Debug)]
struct Brittle {
    turn: u32,
    over_at: u32,
    fails_at: u32,
}

impl Brittle {
    /// Ends with its third move.
    fn new(fails_at: u32) -> Self {
        Self { turn: 0, over_at: 3, fails_at }
    }

    fn go_on(&mut self) -> Vec<Event> {
        self.turn += 1;
        assert_ne!(self.turn, self.fails_at, "brittle");
        Vec::new()
    }
}

impl Game for Brittle {
    fn turn(&self) -> u32 {
        self.turn
    }
    fn to_act(&self) -> Seats {
        Seats::one(Seat(0))
    }
    fn act(&mut self, seat: Seat, _: &[u8]) -> Result<Vec<Event>, Illegal> {
        if seat == Seat(0) { Ok(self.go_on()) } else { Err(Illegal::NotYourTurn) }
    }
    fn timeout(&mut self) -> Vec<Event> {
        self.go_on()
    }
    fn abandon(&mut self, _: Seat) -> Vec<Event> {
        self.go_on()
    }
    fn outcome(&self) -> Option<Outcome> {
        (self.turn >= self.over_at).then(|| Outcome {
            scores: vec![1, -1],
            reason: EndReason::Won,
            left: Seats::NONE,
        })
    }
    fn legal_actions(&self, _: Seat) -> Vec<Action> {
        Vec::new()
    }
    fn is_between_tricks(&self) -> bool {
        true
    }
    fn view(&self, seat: Option<Seat>) -> Vec<u8> {
        assert_ne!(self.turn + 100, self.fails_at, "brittle to look at");
        assert!(seat.is_some() || self.turn + 200 != self.fails_at, "brittle from outside");
        Vec::new()
    }
}

fn record(moves: usize, scores: [i32; 2], reason: &str) -> HandRecord {
    let (room, table) = (RoomNo(0), TableNo(0));
    let act = Move::Act { seat: 0, action: vec![7] };
    HandRecord {
        id: HandId { server: "room-1".into(), incarnation: 1, room, table, hand: 1 },
        game: GameId(1),
        rules: 1,
        seed: [0; 32],
        seats: vec![AccountId(1), AccountId(2)],
        moves: [Move::Timeout, act.clone(), Move::Abandon { seat: 1 }, act][..moves].to_vec(),
        scores: scores.to_vec(),
        reason: reason.into(),
        began_unix_ms: 1,
        ended_unix_ms: 2,
    }
}

/// What differs, when a game that fails at a move (100 more: when it is looked at; 200 more: by who does not play) is
/// played by a record.
#[test]
fn a_hand_is_as_recorded_or_it_is_said_what_is_not() {
    let fails = u32::MAX;
    let cases = [
        (fails, record(3, [1, -1], "won"), 3, None),
        (fails, record(3, [-1, 1], "won"), 3, Some("the scores are [1, -1], recorded as [-1, 1]")),
        (fails, record(3, [1, -1], "draw"), 3, Some("the reason is \"won\", recorded as \"draw\"")),
        (fails, record(2, [1, -1], "won"), 2, Some("the hand is not over after move 2")),
        (fails, record(4, [1, -1], "won"), 4, Some("the hand is over before move 4 of 4")),
        (2, record(3, [1, -1], "won"), 2, Some("the game fails at move 2 of 3: ")),
        (102, record(3, [1, -1], "won"), 3, None),
        (2, record(2, [0, 0], FAULT), 2, None),
        (102, record(2, [0, 0], FAULT), 2, None),
        (100, record(0, [0, 0], FAULT), 0, None),
        (101, record(2, [0, 0], FAULT), 2, Some("the game does not fail")),
        (202, record(2, [0, 0], FAULT), 2, Some("the game does not fail")),
        (2, record(2, [1, -1], FAULT), 2, Some("a hand that failed has the scores [1, -1]")),
        (2, record(3, [0, 0], FAULT), 2, Some("the game fails at move 2 of 3: ")),
        (fails, record(2, [0, 0], FAULT), 2, Some("the game does not fail")),
        (fails, record(3, [0, 0], FAULT), 3, Some("the game does not fail")),
    ];
    for (at, (fails_at, record, tried, difference)) in cases.into_iter().enumerate() {
        let playback = play(&record, guarded, || Some(Box::new(Brittle::new(fails_at))));
        assert_eq!(playback.tried, tried, "case {at}");
        match (&playback.difference, difference) {
            (None, None) => {}
            (Some(is), Some(wanted)) => assert!(is.starts_with(wanted), "case {at}: {is}"),
            other => panic!("case {at}: {other:?}"),
        }
    }
}

#[test]
fn a_refused_move_and_a_panic_are_told_in_their_words() {
    let mut refused = record(3, [1, -1], "won");
    refused.moves[1] = Move::Act { seat: 1, action: vec![7] };
    let playback = play(&refused, guarded, || Some(Box::new(Brittle::new(u32::MAX))));
    assert_eq!(playback.end, End::Refused(Illegal::NotYourTurn));
    assert_eq!(playback.difference.unwrap(), "move 2 of 3 is refused: not your turn");
    let failed = play(&record(1, [0, 0], FAULT), guarded, || panic!("no hand today"));
    assert_eq!((failed.tried, failed.end), (0, End::Failed("no hand today".into())));
}

/// Whoever sits down in a seat that was left is shown the hand as a spectator is.
#[test]
fn a_game_that_fails_when_a_seat_that_was_left_is_shown_fails_again() {
    let brittle = || Some(Box::new(Brittle::new(202)) as Box<dyn Game>);
    let record =
        HandRecord { moves: vec![Move::Timeout, Move::Abandon { seat: 1 }], ..record(2, [0, 0], FAULT) };
    let mut hand = Hand::new(guarded, brittle).unwrap();
    for done in &record.moves {
        hand.apply(done).unwrap().unwrap();
    }
    assert_eq!((hand.view(0), hand.view(1)), (Ok(vec![]), Err(Fault("brittle from outside".into()))));
    let playback = play(&record, guarded, brittle);
    assert_eq!(playback.end, End::Failed("brittle from outside".into()));
    assert_eq!((playback.tried, playback.difference), (2, None));
}

/// So that what a room plays can be written down.
#[test]
fn a_hand_that_is_not_over_when_its_record_is_full_has_failed() {
    let cases = [(MOVES_MAX as u32, record(0, [1, -1], "won")), (u32::MAX, record(0, [0, 0], FAULT))];
    for (over_at, mut record) in cases {
        record.moves = vec![Move::Timeout; MOVES_MAX];
        let endless = || Some(Box::new(Brittle { over_at, ..Brittle::new(u32::MAX) }) as Box<dyn Game>);
        let playback = play(&record, guarded, endless);
        assert_eq!((playback.tried, playback.difference), (MOVES_MAX, None));
    }
}
