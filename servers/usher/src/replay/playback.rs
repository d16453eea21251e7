//! One hand, played again from its seed and its moves, and held against its record.
//!
//! Why: the same seed and the same calls give the same hand, so whatever comes out otherwise was altered, or played by
//! other rules.
//! Owns: the order of calls, which is the room's, and the comparison. Does not own any rule.
//! Invariants: a game that panics ends its hand and nothing else.
//! Read next: `crates/logic/src/room/floor/hand.rs`, which drives a game the same way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use usher_games::{Game, GameKind, Illegal, Outcome, Seat};
use usher_proto::HandRecord;
use usher_proto::hand::{FAULT, Move};

/// What came of it.
#[derive(Debug)]
pub(super) struct Playback {
    /// Moves that were played, or tried last.
    pub(super) tried: usize,
    /// Where that led.
    pub(super) end: End,
    /// What is not as it was recorded.
    pub(super) difference: Option<String>,
}

/// Where the moves lead.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
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
pub(super) fn play(record: &HandRecord, new_hand: impl FnOnce() -> Box<dyn Game>) -> Playback {
    let (tried, end) = play_moves(record, new_hand);
    let difference = difference(record, record.reason == FAULT, tried, &end);
    Playback { tried, end, difference }
}

fn play_moves(record: &HandRecord, new_hand: impl FnOnce() -> Box<dyn Game>) -> (usize, End) {
    let begun = guarded(|| {
        let game = new_hand();
        look(game.as_ref(), record);
        game
    });
    let mut game = match begun {
        Ok(game) => game,
        Err(said) => return (0, End::Failed(said)),
    };
    for (number, done) in (1..).zip(&record.moves) {
        let moved = guarded(|| {
            let moved = make(game.as_mut(), done);
            look(game.as_ref(), record);
            moved
        });
        match moved {
            Ok(None) => {}
            Ok(Some(end)) => return (number, end),
            Err(said) => return (number, End::Failed(said)),
        }
    }
    let outcome = guarded(|| game.outcome());
    let end = outcome.map_or_else(End::Failed, |outcome| outcome.map_or(End::Unfinished, End::Over));
    (record.moves.len(), end)
}

/// One move. Where it leads, if it is the last that can be played.
fn make(game: &mut dyn Game, done: &Move) -> Option<End> {
    if game.outcome().is_some() {
        return Some(End::OverBefore);
    }
    match done {
        Move::Act { seat, action } => return game.act(Seat(*seat), action).err().map(End::Refused),
        Move::Timeout => drop(game.timeout()),
        Move::Abandon { seat } => drop(game.abandon(Seat(*seat))),
    }
    None
}

/// A room asks all this after a move, and may show the hand to any seat. Of a hand that did not fail, nobody needs to
/// know what else would.
fn look(game: &dyn Game, record: &HandRecord) {
    if record.reason == FAULT {
        let _ = (game.turn(), game.to_act(), game.outcome());
        (0..).zip(&record.seats).for_each(|(seat, _)| drop(game.view(Some(Seat(seat)))));
    }
}

fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => {
            panic.downcast::<&str>().map_or_else(|_| "without a word".into(), |said| (*said).into())
        }
    })
}

fn difference(record: &HandRecord, is_fault: bool, tried: usize, end: &End) -> Option<String> {
    let of = record.moves.len();
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

#[cfg(test)]
mod tests {
    use super::*;
    use usher_games::{Action, EndReason, Event, Seats};
    use usher_proto::{AccountId, GameId, HandId, RoomNo, TableNo};

    /// Ends with its third move; fails where it is told to.
    #[derive(Debug)]
    struct Brittle {
        turn: u32,
        fails_at: u32,
    }

    impl Brittle {
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
            (self.turn >= 3).then(|| Outcome {
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
        fn view(&self, _: Option<Seat>) -> Vec<u8> {
            assert_ne!(self.turn + 100, self.fails_at, "brittle to look at");
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

    /// What differs, when a game that fails at a move (100 more: when it is looked at) is played by a record.
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
            (2, record(2, [1, -1], FAULT), 2, Some("a hand that failed has the scores [1, -1]")),
            (2, record(3, [0, 0], FAULT), 2, Some("the game fails at move 2 of 3: ")),
            (fails, record(2, [0, 0], FAULT), 2, Some("the game does not fail")),
            (fails, record(3, [0, 0], FAULT), 3, Some("the game does not fail")),
        ];
        for (at, (fails_at, record, tried, difference)) in cases.into_iter().enumerate() {
            let playback = play(&record, || Box::new(Brittle { turn: 0, fails_at }));
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
        let playback = play(&refused, || Box::new(Brittle { turn: 0, fails_at: u32::MAX }));
        assert_eq!(playback.end, End::Refused(Illegal::NotYourTurn));
        assert_eq!(playback.difference.unwrap(), "move 2 of 3 is refused: not your turn");
        let failed = play(&record(1, [0, 0], FAULT), || panic!("no hand today"));
        assert_eq!((failed.tried, failed.end), (0, End::Failed("no hand today".into())));
    }
}
