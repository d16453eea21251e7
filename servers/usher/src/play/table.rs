//! The table a person sits at, followed from what the room says of it.
//!
//! Why: a table is sent whole once and in changes after that; the screen and the keys need it whole.
//! Owns: the hand as this seat may see it, whose turn it is and how long, scores.
//! Invariants: a change that does not follow asks for the whole again ([`Table::resync`]); the hand that is over stays
//! to be looked at until the next one.
//! Limits: how long a turn takes is not told at each; it is taken from the longest that was.
//! Read next: `evening.rs`.

use std::time::Duration;
use usher_games::{GameKind, Seat};
use usher_proto::message::{Act, Acted, HandEnded, PlayerSat, Scored, SeatNo, TableRules, TableState};
use usher_proto::{AccountId, GameId, TableNo};

/// A table, as the one in `seat` sees it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) no: TableNo,
    pub(super) seat: Seat,
    pub(super) kind: Option<GameKind>,
    pub(super) hand: u64,
    pub(super) turn: u32,
    pub(super) playing: bool,
    pub(super) seats: Vec<Option<AccountId>>,
    pub(super) scores: Vec<Option<i64>>,
    pub(super) to_act: Option<u8>,
    pub(super) view: Vec<u8>,
    pub(super) owner: Option<u8>,
    pub(super) rules: TableRules,
    /// Seats that are ready for the next hand, as bits.
    pub(super) ready: u8,
    /// What came of the last hand, until the next.
    pub(super) outcome: Option<String>,
    /// When the turn is over, and how long turns are.
    turn_ends: Option<Duration>,
    turn_time: Duration,
}

impl Table {
    pub(super) fn new(at: SeatNo, game: GameId) -> Self {
        let kind = GameKind::from_id(game.0);
        let seats = usize::from(kind.map_or(1, GameKind::seats)).max(usize::from(at.seat) + 1);
        Self {
            no: at.table,
            seat: Seat(at.seat),
            kind,
            hand: 0,
            turn: 0,
            playing: false,
            seats: vec![None; seats],
            scores: vec![None; seats],
            to_act: None,
            view: Vec::new(),
            owner: None,
            rules: TableRules::default(),
            ready: 0,
            outcome: None,
            turn_ends: None,
            turn_time: Duration::ZERO,
        }
    }

    /// The whole table. Whether a hand has begun with it.
    pub(super) fn on_state(&mut self, state: TableState, now: Duration) -> bool {
        let begins = state.playing && (state.hand != self.hand || !self.playing) && state.turn == 0;
        self.no = state.table;
        self.seats = state.seats;
        self.scores = state.scores;
        self.scores.resize(self.seats.len(), None);
        self.playing = state.playing;
        (self.owner, self.rules, self.ready) = (state.owner, state.rules, state.ready);
        if state.playing {
            (self.hand, self.turn, self.to_act) = (state.hand, state.turn, state.to_act);
            self.view = state.view.into_vec();
            self.outcome = None;
            let left = Duration::from_millis(state.turn_left_ms.into());
            self.turn_time = self.turn_time.max(left);
            self.turn_ends = Some(now + left);
        } else {
            (self.to_act, self.turn_ends) = (None, None);
        }
        begins
    }

    /// A change; false if it does not follow from what is known.
    pub(super) fn on_acted(&mut self, acted: &Acted, now: Duration) -> bool {
        if acted.hand != self.hand || acted.turn < self.turn {
            return true; // an echo of what the whole table has said already
        }
        let follows = acted.turn == self.turn
            && self.kind.is_some_and(|kind| kind.apply(&mut self.view, &acted.action).is_ok());
        if follows {
            self.turn += 1;
            self.to_act = acted.to_act;
            self.turn_ends = acted.to_act.map(|_| now + self.turn_time);
        }
        follows
    }

    /// An action that is certainly stale: it is answered with the whole table.
    pub(super) fn resync(&self) -> Act {
        Act { hand: self.hand, turn: u32::MAX, action: vec![0].into() }
    }

    /// The hand is over; who sits here now may not have played it.
    pub(super) fn on_ended(&mut self, ended: &HandEnded, me: Option<AccountId>) {
        (self.playing, self.to_act, self.turn_ends) = (false, None, None);
        let sitters = self.seats.iter().zip(&ended.seats).zip(&ended.totals);
        for (score, ((sitter, player), total)) in self.scores.iter_mut().zip(sitters) {
            if *sitter == Some(*player) {
                *score = Some(*total);
            }
        }
        let mine = ended.seats.iter().zip(&ended.scores).find(|(player, _)| Some(**player) == me);
        let verdict = match mine.map(|(_, score)| *score) {
            None => "it was others'".to_string(),
            Some(0) => "nobody wins".to_string(),
            Some(score @ 1..) => format!("you win {score}"),
            Some(score) => format!("you lose {}", -score),
        };
        self.outcome = Some(format!("hand {} is over: {verdict} ({})", ended.hand, ended.reason));
    }

    pub(super) fn on_scored(&mut self, scored: &Scored) {
        if let Some(score) = self.scores.get_mut(usize::from(scored.at.seat)) {
            *score = Some(scored.score);
        }
    }

    pub(super) fn on_sat(&mut self, sat: &PlayerSat) {
        self.set_sitter(sat.at.seat, Some(sat.account));
    }

    pub(super) fn set_sitter(&mut self, seat: u8, account: Option<AccountId>) {
        if let Some(sitter) = self.seats.get_mut(usize::from(seat)) {
            *sitter = account;
            self.set_ready(seat, false);
            self.scores[usize::from(seat)] = None;
        }
    }

    /// Who sits in a seat.
    pub(super) fn sitter(&self, seat: u8) -> Option<AccountId> {
        self.seats.get(usize::from(seat)).copied().flatten()
    }

    pub(super) fn is_ready(&self, seat: u8) -> bool {
        self.ready.checked_shr(seat.into()).is_some_and(|bits| bits & 1 == 1)
    }

    pub(super) fn set_ready(&mut self, seat: u8, ready: bool) {
        if usize::from(seat) < self.seats.len() {
            self.ready = self.ready & !(1 << seat) | u8::from(ready) << seat;
        }
    }

    pub(super) fn is_my_turn(&self) -> bool {
        self.playing && self.to_act == Some(self.seat.0)
    }

    /// How long whoever is to act still has.
    pub(super) fn turn_left(&self, now: Duration) -> Option<Duration> {
        self.turn_ends.map(|ends| ends.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_games::gomoku::Gomoku;
    use usher_games::{Game, Rules};
    use usher_proto::TableNo;

    fn state(hand: &Gomoku, number: u64) -> TableState {
        TableState {
            table: TableNo(3),
            hand: number,
            playing: true,
            turn: hand.turn(),
            seats: vec![Some(AccountId(1)), Some(AccountId(2))],
            to_act: hand.to_move().map(|seat| seat.0),
            turn_left_ms: 5000,
            view: hand.to_view().into(),
            scores: Vec::new(),
            owner: None,
            rules: TableRules::default(),
            ready: 0,
        }
    }

    #[test]
    fn a_hand_is_followed_and_a_hole_in_it_noticed() {
        let at = SeatNo { table: TableNo(3), seat: 0 };
        let mut table = Table::new(at, GameId(GameKind::Gomoku.id()));
        let mut hand = Gomoku::new([1; 32]);
        assert!(table.on_state(state(&hand, 1), Duration::ZERO));
        let change = |hand: &mut Gomoku, cell: u8| {
            let (seat, turn) = (hand.to_move().unwrap(), hand.turn());
            let event = hand.act(seat, &[cell]).unwrap().remove(0);
            let to_act = hand.to_move().map(|seat| seat.0);
            Acted { hand: 1, turn, seat: seat.0, action: event.bytes.into(), to_act }
        };
        let first = change(&mut hand, 112);
        assert!(table.on_acted(&first, Duration::from_secs(2)));
        assert_eq!(table.view, hand.to_view());
        assert_eq!(table.turn_left(Duration::from_secs(3)), Some(Duration::from_secs(4)));
        assert!(table.on_acted(&first, Duration::from_secs(2)), "an echo");
        let (_missed, third) = (change(&mut hand, 113), change(&mut hand, 114));
        assert!(!table.on_acted(&third, Duration::from_secs(3)));
        assert_eq!(table.resync().turn, u32::MAX);
        assert!(!table.on_state(state(&hand, 1), Duration::from_secs(3)), "no new hand");
        assert_eq!(table.turn, 3);
    }

    #[test]
    fn a_hand_that_is_over_says_what_came_of_it() {
        let mut table = Table::new(SeatNo { table: TableNo(0), seat: 1 }, GameId(GameKind::DouDizhu.id()));
        let ended = HandEnded {
            hand: 4,
            scores: vec![6, -3, -3],
            reason: "won".into(),
            totals: vec![10, -2, -8],
            seed: None,
            left: 0,
            seats: [7, 8, 9].map(AccountId).into(),
        };
        table.seats = [Some(7), Some(8), Some(10)].map(|account| account.map(AccountId)).into();
        table.on_ended(&ended, Some(AccountId(8)));
        assert_eq!(table.outcome.as_deref(), Some("hand 4 is over: you lose 3 (won)"));
        assert_eq!(table.scores, [Some(10), Some(-2), None], "who sits in the last seat has not played");
        table.on_ended(&ended, Some(AccountId(10)));
        assert_eq!(table.outcome.as_deref(), Some("hand 4 is over: it was others' (won)"));
    }
}
