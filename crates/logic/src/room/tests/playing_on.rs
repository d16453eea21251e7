//! A game for three, which goes on when somebody leaves: free seats in a hand, who watches, who is late.
//!
//! Read next: `play.rs`, for a game that ends then.

use super::house::{House, config, who};
use super::sitting::Sitting;
use crate::room::RoomConfig;
use usher_games::GameKind;
use usher_games::doudizhu::SET_BYTES;
use usher_proto::message::{Act, ActDenial, ActDenied, SeatNo, Seated, Sit};
use usher_proto::{AccountId, TableNo};

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

fn three_at_a_table() -> Sitting {
    Sitting::begin(House::open(three(6)))
}

/// Whether a seat sees cards that it holds.
fn has_cards(table: &Sitting, seat: u8) -> bool {
    table.state(seat).view[HANDS_AT..].chunks(SET_BYTES).nth(seat.into()) != Some(&[0; SET_BYTES])
}

#[test]
fn a_hand_begins_when_three_sit_and_is_played_to_its_end() {
    let mut table = three_at_a_table();
    for seat in 0..3 {
        assert_eq!((table.state(seat).hand, table.state(seat).turn_left_ms), (1, 20_000));
        assert!(has_cards(&table, seat));
    }
    let ended = table.play_to_the_end();
    assert_eq!((ended.hand, ended.scores.len(), ended.scores.iter().sum::<i32>()), (1, 3, 0));
    table.house.pass(3_000);
    table.listen();
    assert_eq!(table.state(0).hand, 2);
}

#[test]
fn a_late_seat_is_played_for_and_the_hand_goes_on() {
    let mut table = three_at_a_table();
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
        let mut table = three_at_a_table();
        for _ in 0..4 {
            table.step();
        }
        let turn = table.state(leaver).turn;
        table.stand(leaver);
        let other = (leaver + 1) % 3;
        assert_eq!(table.state(other).turn, turn + 1);
        assert_eq!(&*table.play_to_the_end().reason, "won");
        table.house.pass(10_000);
        table.listen();
        assert!(table.views.iter().all(Option::is_none), "no hand for two");
    }
}

#[test]
fn whoever_takes_a_left_seat_watches_and_plays_the_next_hand() {
    let mut table = three_at_a_table();
    for _ in 0..4 {
        table.step();
    }
    table.stand(1);
    table.house.arrive(4, who(4, 1), 0);
    table.house.say(4, Sit { table: Some(TableNo(0)), seat: None });
    table.conns[1] = 4;
    table.listen();
    assert_eq!(table.state(1).seats, [1, 4, 3].map(|account| Some(AccountId(account))));
    assert!(!has_cards(&table, 1) && has_cards(&table, 0), "what was left is nobody's to see");
    let watched = table.state(1);
    let act = Act { hand: watched.hand, turn: watched.turn, action: alloc::vec![255].into() };
    let denied = ActDenied { hand: act.hand, turn: act.turn, reason: ActDenial::NotYourTurn };
    table.house.say(4, act);
    assert_eq!(table.house.heard(4), [denied.into()]);
    table.play_to_the_end();
    table.house.pass(3_000);
    table.listen();
    assert_eq!(table.state(1).hand, 2);
    assert!(has_cards(&table, 1));
}

#[test]
fn whoever_only_watched_stands_up_without_a_word_to_the_hand() {
    let mut table = three_at_a_table();
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
    let mut table = three_at_a_table();
    for seat in 0..3 {
        table.stand(seat);
    }
    assert_eq!(table.house.figure("usher_hands_playing"), 0);
    assert_eq!(table.house.figure("usher_hands_ended_total"), 1);
}

#[test]
fn waiting_players_come_before_empty_tables_and_those_before_a_hand_that_goes_on() {
    let mut table = three_at_a_table();
    table.stand(0);
    for conn in 4..=6 {
        table.house.arrive(conn, who(conn, 1), 0);
    }
    for (conn, seat) in [(1, at(1, 0)), (4, at(1, 1)), (5, at(1, 2)), (6, at(0, 0))] {
        assert_eq!(table.house.sit(conn)[0], Seated { at: seat }.into());
    }
}
