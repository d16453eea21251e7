//! A game for three, which goes on when somebody leaves: free seats in a hand, who watches, who is late.
//!
//! Read next: `play.rs`, for a game that ends then.

use super::house::{House, config, who};
use crate::room::RoomConfig;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use usher_games::doudizhu::SET_BYTES;
use usher_games::{GameKind, Seat, bot};
use usher_proto::message::{
    Act, ActDenial, ActDenied, HandEnded, SeatNo, Seated, Sit, Stand, Stood, TableState,
};
use usher_proto::{AccountId, Message, TableNo};

const KIND: GameKind = GameKind::DouDizhu;
/// Where a view has the seats' hands.
const HANDS_AT: usize = 44;

fn at(table: u16, seat: u8) -> SeatNo {
    SeatNo { table: TableNo(table), seat }
}

fn three(capacity: u32) -> RoomConfig {
    let mut config = config(1, capacity);
    config.rooms[0].game = KIND;
    config
}

/// A table of three and what each connection, by seat, knows of the hand.
struct Three {
    house: House,
    conns: [u64; 3],
    views: [Option<TableState>; 3],
    ended: Vec<HandEnded>,
}

impl Three {
    fn at_a_table() -> Self {
        let mut house = House::open(three(6));
        for conn in 1..=3 {
            house.arrive(conn, who(conn, 1), 0);
            house.say(conn, Sit { table: Some(TableNo(0)), seat: Some((conn - 1) as u8) });
        }
        let mut table = Self { house, conns: [1, 2, 3], views: [None, None, None], ended: Vec::new() };
        table.listen();
        table
    }

    /// Everyone follows what they are told, as a client does.
    fn listen(&mut self) {
        for (&conn, known) in self.conns.iter().zip(&mut self.views) {
            for message in self.house.heard(conn) {
                match message {
                    Message::TableState(state) => *known = Some(state).filter(|state| state.playing),
                    Message::Acted(acted) => {
                        let state = known.as_mut().expect("a hand is played");
                        let mut view = state.view.to_vec();
                        assert_eq!((state.hand, state.turn), (acted.hand, acted.turn));
                        KIND.apply(&mut view, &acted.action).expect("an event follows from the view");
                        (state.view, state.turn, state.to_act) = (view.into(), acted.turn + 1, acted.to_act);
                    }
                    Message::HandEnded(ended) => {
                        *known = None;
                        self.ended.push(ended);
                    }
                    _ => {}
                }
            }
        }
    }

    fn state(&self, seat: u8) -> &TableState {
        self.views[usize::from(seat)].as_ref().expect("a hand is played")
    }

    fn to_act(&self) -> Option<u8> {
        self.views.iter().flatten().find_map(|state| state.to_act)
    }

    /// Whether a seat sees cards that it holds.
    fn has_cards(&self, seat: u8) -> bool {
        self.state(seat).view[HANDS_AT..].chunks(SET_BYTES).nth(seat.into()) != Some(&[0; SET_BYTES])
    }

    /// The seat to act does what the bot does.
    fn step(&mut self) {
        let seat = self.to_act().expect("somebody is to act");
        let state = self.state(seat);
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let action = bot::choose(KIND, &state.view, Seat(seat), rng).expect("its turn").into();
        let act = Act { hand: state.hand, turn: state.turn, action };
        self.house.say(self.conns[usize::from(seat)], act);
        self.listen();
    }

    fn play_to_the_end(&mut self) -> HandEnded {
        self.ended.clear();
        while self.to_act().is_some() {
            self.step();
        }
        self.ended.first().cloned().expect("the hand ended")
    }

    fn stand(&mut self, seat: u8) {
        let conn = self.conns[usize::from(seat)];
        self.house.say(conn, Stand {});
        assert_eq!(
            self.house.heard(conn).last(),
            Some(&Stood { from: Some(at(0, seat)), dismissed: false }.into())
        );
        self.views[usize::from(seat)] = None;
        self.listen();
    }
}

#[test]
fn a_hand_begins_when_three_sit_and_is_played_to_its_end() {
    let mut table = Three::at_a_table();
    for seat in 0..3 {
        assert_eq!((table.state(seat).hand, table.state(seat).turn_left_ms), (1, 20_000));
        assert!(table.has_cards(seat));
    }
    let ended = table.play_to_the_end();
    assert_eq!((ended.hand, ended.scores.len(), ended.scores.iter().sum::<i32>()), (1, 3, 0));
    table.house.pass(3_000);
    table.listen();
    assert_eq!(table.state(0).hand, 2);
}

#[test]
fn a_late_seat_is_played_for_and_the_hand_goes_on() {
    let mut table = Three::at_a_table();
    let late = table.to_act();
    table.house.pass(20_000);
    table.listen();
    assert_eq!(table.state(0).turn, 1);
    assert_ne!(table.to_act(), late);
    assert_eq!(table.play_to_the_end().hand, 1);
}

#[test]
fn who_stands_up_frees_a_seat_and_the_others_play_on() {
    for leaver in 0..3 {
        let mut table = Three::at_a_table();
        for _ in 0..4 {
            table.step();
        }
        let turn = table.state(leaver).turn;
        table.stand(leaver);
        let other = (leaver + 1) % 3;
        assert_eq!(table.state(other).turn, turn + 1);
        assert_eq!(table.play_to_the_end().reason, "won");
        table.house.pass(10_000);
        table.listen();
        assert!(table.views.iter().all(Option::is_none), "no hand for two");
    }
}

#[test]
fn whoever_takes_a_left_seat_watches_and_plays_the_next_hand() {
    let mut table = Three::at_a_table();
    for _ in 0..4 {
        table.step();
    }
    table.stand(1);
    table.house.arrive(4, who(4, 1), 0);
    table.house.say(4, Sit { table: Some(TableNo(0)), seat: None });
    table.conns[1] = 4;
    table.listen();
    assert_eq!(table.state(1).seats, [1, 4, 3].map(|account| Some(AccountId(account))));
    assert!(!table.has_cards(1) && table.has_cards(0), "what was left is nobody's to see");
    let watched = table.state(1);
    let act = Act { hand: watched.hand, turn: watched.turn, action: alloc::vec![255].into() };
    let denied = ActDenied { hand: act.hand, turn: act.turn, reason: ActDenial::NotYourTurn };
    table.house.say(4, act);
    assert_eq!(table.house.heard(4), [denied.into()]);
    table.play_to_the_end();
    table.house.pass(3_000);
    table.listen();
    assert_eq!(table.state(1).hand, 2);
    assert!(table.has_cards(1));
}

#[test]
fn whoever_only_watched_stands_up_without_a_word_to_the_hand() {
    let mut table = Three::at_a_table();
    table.stand(2);
    table.house.arrive(4, who(4, 1), 0);
    table.house.say(4, Sit { table: Some(TableNo(0)), seat: Some(2) });
    let turn = table.state(0).turn;
    table.conns[2] = 4;
    table.listen();
    table.stand(2);
    assert_eq!(table.state(0).turn, turn);
    assert_eq!(table.play_to_the_end().hand, 1);
}

#[test]
fn the_last_to_leave_ends_the_hand() {
    let mut table = Three::at_a_table();
    for seat in 0..3 {
        table.stand(seat);
    }
    assert_eq!(table.house.figure("usher_hands_playing"), 0);
    assert_eq!(table.house.figure("usher_hands_ended_total"), 1);
}

#[test]
fn waiting_players_come_before_empty_tables_and_those_before_a_hand_that_goes_on() {
    let mut table = Three::at_a_table();
    table.stand(0);
    for conn in 4..=6 {
        table.house.arrive(conn, who(conn, 1), 0);
    }
    for (conn, seat) in [(1, at(1, 0)), (4, at(1, 1)), (5, at(1, 2)), (6, at(0, 0))] {
        assert_eq!(table.house.sit(conn)[0], Seated { at: seat }.into());
    }
}
