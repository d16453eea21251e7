//! A table on the bench: who sits there follows what they are told, as a client does, and plays as the bots do.
//!
//! Invariants: whoever is shown a hand that they have followed sees, byte for byte, what they have; nobody is told twice
//! how a hand ended.
//! Read next: `coming_back.rs`, `secrecy.rs`.

use super::house::{House, who};
use alloc::vec;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use usher_games::{GameKind, Seat, bot};
use usher_proto::hand::Move;
use usher_proto::message::{Act, Enter, HandEnded, SeatNo, Sit, Stand, Stood, TableState};
use usher_proto::{Message, RoomNo, TableNo};

const TABLE: TableNo = TableNo(0);
/// What a newer connection of the same person has more in its number.
pub(super) const NEXT_CONN: u64 = 100;

/// How a hand ended for a seat.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    /// What it saw last, unless it came when the hand was over.
    pub(super) view: Option<Vec<u8>>,
    pub(super) ended: HandEnded,
}

/// A table, all of whose seats are taken.
pub(super) struct Sitting {
    pub(super) house: House,
    pub(super) kind: GameKind,
    /// By seat, as all below.
    pub(super) conns: Vec<u64>,
    /// What they know of the hand; nothing between hands, and while their connection is gone.
    pub(super) views: Vec<Option<TableState>>,
    /// How the last hand ended, for who was told.
    pub(super) ends: Vec<Option<End>>,
    /// The last hand whose end they were told.
    told: Vec<u64>,
    logins: Vec<u64>,
}

impl Sitting {
    /// Accounts 1, 2, ... come by connections of these numbers, and sit down in that order.
    pub(super) fn begin(mut house: House) -> Self {
        let kind = GameKind::from_id(house.game.0).expect("a game");
        let seats = usize::from(kind.seats());
        let conns: Vec<_> = (1..=seats as u64).collect();
        for (&conn, seat) in conns.iter().zip(0..) {
            house.arrive(conn, who(conn, 1), 0);
            house.say(conn, Sit { table: Some(TABLE), seat: Some(seat) });
        }
        let (views, ends, told) = (vec![None; seats], vec![None; seats], vec![0; seats]);
        let mut sitting = Self { house, kind, conns, views, ends, told, logins: vec![1; seats] };
        sitting.listen();
        sitting
    }

    /// Everyone follows what they are told.
    pub(super) fn listen(&mut self) {
        for seat in 0..self.conns.len() {
            for message in self.house.heard(self.conns[seat]) {
                self.hear(seat, message);
            }
        }
    }

    fn hear(&mut self, seat: usize, message: Message) {
        let known = &mut self.views[seat];
        match message {
            Message::TableState(state) => {
                if let Some(known) = known.as_ref().filter(|known| state.playing && known.hand == state.hand)
                {
                    assert_eq!((&known.view, known.turn), (&state.view, state.turn), "seat {seat}");
                }
                *known = Some(state).filter(|state| state.playing);
            }
            Message::Acted(acted) => {
                let state = known.as_mut().expect("a hand is played");
                let mut view = state.view.to_vec();
                assert_eq!((state.hand, state.turn), (acted.hand, acted.turn));
                self.kind.apply(&mut view, &acted.action).expect("an event follows from the view");
                (state.view, state.turn, state.to_act) = (view.into(), acted.turn + 1, acted.to_act);
            }
            Message::HandEnded(ended) => {
                assert!(ended.hand > self.told[seat], "seat {seat} is told twice of hand {}", ended.hand);
                self.told[seat] = ended.hand;
                let view = known.take().map(|state| state.view.to_vec());
                self.ends[seat] = Some(End { view, ended });
            }
            _ => {}
        }
    }

    pub(super) fn state(&self, seat: u8) -> &TableState {
        self.views[usize::from(seat)].as_ref().expect("a hand is played")
    }

    pub(super) fn to_act(&self) -> Option<u8> {
        self.views.iter().flatten().find_map(|state| state.to_act)
    }

    /// What the bot does in the place of the seat to act.
    pub(super) fn choice(&self) -> Move {
        let seat = self.to_act().expect("somebody is to act");
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let action = bot::choose(self.kind, &self.state(seat).view, Seat(seat), rng).expect("its turn");
        Move::Act { seat, action }
    }

    pub(super) fn step(&mut self) {
        let choice = self.choice();
        self.make(&choice);
    }

    pub(super) fn make(&mut self, done: &Move) {
        self.post(done);
        self.house.settle();
        self.listen();
    }

    /// An action is on its way; or the time of who is to act is over.
    pub(super) fn post(&mut self, done: &Move) {
        match done {
            Move::Act { seat, action } => {
                let state = self.state(*seat);
                let act = Act { hand: state.hand, turn: state.turn, action: action.clone().into() };
                self.house.post(self.conns[usize::from(*seat)], act);
            }
            Move::Timeout => self.house.pass(u64::from(self.kind.turn_time_ms())),
            Move::Abandon { .. } => panic!("nobody leaves like that"),
        }
    }

    pub(super) fn play_to_the_end(&mut self) -> HandEnded {
        self.ends.fill(None);
        while self.to_act().is_some() {
            self.step();
        }
        self.ends.iter().flatten().next().expect("the hand ended").ended.clone()
    }

    pub(super) fn stand(&mut self, seat: u8) {
        let conn = self.conns[usize::from(seat)];
        self.house.say(conn, Stand {});
        let stood = Stood { from: Some(SeatNo { table: TABLE, seat }), dismissed: false };
        assert_eq!(self.house.heard(conn).last(), Some(&stood.into()));
        self.views[usize::from(seat)] = None;
        self.listen();
    }

    /// A seat's connection drops.
    pub(super) fn drop(&mut self, seat: u8) {
        self.house.drop(self.conns[usize::from(seat)]);
        self.views[usize::from(seat)] = None;
        self.listen();
    }

    /// The player of a seat comes by a new connection, by the same login or a newer one.
    pub(super) fn come(&mut self, seat: u8, is_newer: bool) {
        let at = usize::from(seat);
        self.conns[at] += NEXT_CONN;
        self.logins[at] += u64::from(is_newer);
        let (conn, login) = (self.conns[at], self.logins[at]);
        assert!(self.house.connect(conn, who(u64::from(seat) + 1, login)), "{:?}", self.house.refused);
        let (game, last_hand) = (self.house.game, Some(self.told[at]));
        self.house.say(conn, Enter { game, room: Some(RoomNo(0)), last_seq: None, last_hand });
        self.views[at] = None;
        self.listen();
    }
}
