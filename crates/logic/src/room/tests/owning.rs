//! A table's owner and rules, who is ready, and what somebody hears of hands that ended while away.
//!
//! Read next: `../floor/owner.rs`.

use super::house::{House, Way, config, who};
use alloc::vec;
use alloc::vec::Vec;
use usher_games::gomoku::RESIGN;
use usher_proto::message::{
    Act, CloseReason, Dismiss, Enter, HandBegin, HandEnded, PlayerReady, Ready, SeatNo, Seated,
    SetTableRules, Sit, SitDenial, SitDenied, Stand, Stood, TableDenial, TableDenied, TableRuled, TableRules,
    TableState, Unwatched, Watch, WatchDenial, WatchDenied,
};
use usher_proto::{AccountId, Message, RoomNo, ShardId, TableNo};

const TABLE: TableNo = TableNo(0);
const USUAL: TableRules = TableRules { begin: HandBegin::AtOnce, closed: false, private: false };

fn at(seat: u8) -> SeatNo {
    SeatNo { table: TABLE, seat }
}

fn state(heard: &[Message]) -> Option<TableState> {
    heard.iter().rev().find_map(|it| if let Message::TableState(it) = it { Some(it.clone()) } else { None })
}

fn ended(heard: &[Message]) -> Vec<HandEnded> {
    heard
        .iter()
        .filter_map(|it| if let Message::HandEnded(it) = it { Some(it.clone()) } else { None })
        .collect()
}

fn denied(reason: TableDenial) -> Vec<Message> {
    vec![TableDenied { reason }.into()]
}

/// Connections 1 to `people` are in the room; 1 sits in seat 0 of table 0, which is therefore theirs.
fn house(people: u64) -> House {
    let mut house = House::open(config(1, 12));
    for conn in 1..=people {
        house.arrive(conn, who(conn, 1), 0);
    }
    let heard = house.sit(1);
    assert_eq!(state(&heard).map(|it| (it.owner, it.rules)), Some((Some(0), USUAL)));
    house
}

fn sit_here(house: &mut House, conn: u64) -> Vec<Message> {
    house.say(conn, Sit { table: Some(TABLE), seat: None });
    house.heard(conn)
}

fn rule(house: &mut House, conn: u64, rules: TableRules) -> Vec<Message> {
    house.say(conn, SetTableRules { rules });
    house.heard(conn)
}

fn begin(begin: HandBegin) -> TableRules {
    TableRules { begin, ..USUAL }
}

fn ready(house: &mut House, conn: u64, ready: bool) -> Vec<Message> {
    house.say(conn, Ready { ready });
    house.heard(conn)
}

fn resign(house: &mut House, hand: u64) {
    // Whoever's turn it is; the other is denied.
    for conn in [1, 2] {
        house.say(conn, Act { hand, turn: 0, action: vec![RESIGN].into() });
    }
}

#[test]
fn hands_wait_until_everybody_is_ready_if_the_owner_wishes_it() {
    let mut house = house(2);
    let rules = begin(HandBegin::AllReady);
    let all_ready = TableRuled { table: TABLE, owner: Some(0), rules };
    assert_eq!(rule(&mut house, 1, rules), [all_ready.into()]);
    let sat = state(&sit_here(&mut house, 2)).expect("the table");
    assert_eq!((sat.playing, sat.rules, sat.owner, sat.ready), (false, rules, Some(0), 0));
    house.heard(1);

    assert_eq!(ready(&mut house, 2, true), [PlayerReady { at: at(1), ready: true }.into()]);
    assert_eq!(house.heard(1), [PlayerReady { at: at(1), ready: true }.into()]);
    assert_eq!(ready(&mut house, 2, true), [], "that is known");
    ready(&mut house, 2, false);
    ready(&mut house, 1, true);
    assert!(state(&house.heard(2)).is_none(), "one is not ready any more");
    let begun = state(&ready(&mut house, 2, true)).expect("a hand");
    assert_eq!((begun.playing, begun.hand, begun.ready), (true, 1, 0));

    house.heard(1);
    resign(&mut house, 1);
    house.pass(10_000);
    assert!(state(&house.heard(1)).is_none_or(|it| !it.playing), "for the next hand everybody is asked anew");
    ready(&mut house, 1, true);
    assert_eq!(state(&ready(&mut house, 2, true)).map(|it| (it.playing, it.hand)), Some((true, 2)));
}

#[test]
fn who_is_ready_and_away_is_waited_for() {
    let mut house = house(2);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    sit_here(&mut house, 2);
    ready(&mut house, 2, true);
    house.drop(2);
    ready(&mut house, 1, true);
    assert_eq!(house.figure("usher_hands_playing"), 0);
    house.connect(3, who(2, 1));
    let begun = state(&house.enter(3, 0)).expect("the table");
    assert!(begun.playing, "still ready, and here again");
}

#[test]
fn the_owner_alone_says_when_if_the_owner_wishes_it() {
    let mut house = house(2);
    rule(&mut house, 1, begin(HandBegin::OwnerReady));
    sit_here(&mut house, 2);
    assert!(state(&ready(&mut house, 2, true)).is_none());
    assert!(state(&ready(&mut house, 1, true)).expect("a hand").playing);
}

#[test]
fn rules_that_change_what_was_waited_for_begin_the_hand() {
    let mut house = house(2);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    sit_here(&mut house, 2);
    ready(&mut house, 2, true);
    let heard = rule(&mut house, 1, begin(HandBegin::OwnerReady));
    assert!(state(&heard).is_none(), "nobody is ready any more under other rules");
    house.heard(2);
    let heard = rule(&mut house, 1, USUAL);
    assert_eq!(heard[0], TableRuled { table: TABLE, owner: Some(0), rules: USUAL }.into());
    assert!(state(&heard).expect("a hand").playing);
}

#[test]
fn the_table_is_the_next_ones_when_its_owner_stands_up_and_nobodys_when_the_last_does() {
    let mut house = house(2);
    let rules = begin(HandBegin::AllReady);
    rule(&mut house, 1, rules);
    sit_here(&mut house, 2);
    assert_eq!(rule(&mut house, 2, USUAL), denied(TableDenial::NotOwner));
    house.say(1, Stand {});
    house.heard(1);
    let heard = house.heard(2);
    assert_eq!(heard.last(), Some(&TableRuled { table: TABLE, owner: Some(1), rules }.into()));
    assert_eq!(rule(&mut house, 1, USUAL), denied(TableDenial::NotSeated));
    house.say(2, Stand {});
    house.heard(1);
    house.say(1, Sit { table: Some(TABLE), seat: Some(1) });
    let fresh = state(&house.heard(1)).expect("the table");
    assert_eq!((fresh.owner, fresh.rules), (Some(1), USUAL), "nothing is left of its last owner");
}

#[test]
fn nobody_sits_down_at_a_closed_table_and_not_all_may_be_closed() {
    let mut house = house(4);
    let closed = TableRules { closed: true, ..USUAL };
    rule(&mut house, 1, closed);
    house.say(2, Sit { table: Some(TABLE), seat: None });
    assert_eq!(house.heard(2), [SitDenied { reason: SitDenial::Closed }.into()]);
    let elsewhere = SeatNo { table: TableNo(1), seat: 0 };
    assert_eq!(house.sit(2)[0], Seated { at: elsewhere }.into(), "who sits anywhere sits elsewhere");
    assert_eq!(rule(&mut house, 2, closed), denied(TableDenial::TooManyClosed), "one of six tables");
    assert!(matches!(rule(&mut house, 1, closed)[..], [Message::TableRuled(_)]), "it is closed already");
    rule(&mut house, 1, USUAL);
    house.say(3, Sit { table: Some(TABLE), seat: None });
    assert_eq!(house.heard(3)[0], Seated { at: at(1) }.into());
}

#[test]
fn who_watches_a_table_that_becomes_private_does_so_no_more() {
    let mut house = house(3);
    house.say(3, Watch { table: TABLE });
    house.heard(3);
    let private = TableRules { private: true, ..USUAL };
    rule(&mut house, 1, private);
    assert_eq!(house.heard(3), [Unwatched { table: Some(TABLE) }.into()]);
    house.say(3, Watch { table: TABLE });
    assert_eq!(house.heard(3), [WatchDenied { reason: WatchDenial::Private }.into()]);
    sit_here(&mut house, 2);
    assert_eq!(house.heard(3), [], "and is told nothing");
    rule(&mut house, 1, USUAL);
    house.say(3, Watch { table: TABLE });
    assert!(matches!(house.heard(3)[0], Message::Watching(_)));
}

#[test]
fn the_owner_has_somebody_stand_up_but_not_out_of_a_hand() {
    let mut house = house(3);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    sit_here(&mut house, 2);
    house.say(2, Dismiss { seat: 0 });
    assert_eq!(house.heard(2), denied(TableDenial::NotOwner));
    for (seat, reason) in [(2, TableDenial::NoSuchSeat), (255, TableDenial::NoSuchSeat)] {
        house.heard(1);
        house.say(1, Dismiss { seat });
        assert_eq!(house.heard(1), denied(reason));
    }
    house.say(1, Dismiss { seat: 1 });
    assert_eq!(house.heard(2), [Stood { from: Some(at(1)), dismissed: true }.into()]);
    assert_eq!(house.figure("usher_players_seated"), 1);

    rule(&mut house, 1, USUAL);
    sit_here(&mut house, 2);
    house.heard(1);
    house.say(1, Dismiss { seat: 1 });
    assert_eq!(house.heard(1), denied(TableDenial::HandPlayed));
    house.say(3, Dismiss { seat: 1 });
    assert_eq!(house.heard(3), denied(TableDenial::NotSeated));
}

#[test]
fn the_kept_seat_of_somebody_away_is_the_owners_to_give() {
    let mut house = house(2);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    sit_here(&mut house, 2);
    house.drop(2);
    assert_eq!(house.figure("usher_players_absent"), 1);
    house.say(1, Dismiss { seat: 1 });
    assert_eq!((house.figure("usher_players"), house.figure("usher_players_absent")), (1, 0));
    assert_eq!(house.reason(2), Some(CloseReason::Finished));
}

/// A hand is begun; connection 2 is lost; the hand ends without it. What 2 is told on coming back.
fn back_after(last_hand: Option<u64>) -> Vec<Message> {
    let mut house = house(2);
    sit_here(&mut house, 2);
    house.drop(2);
    house.pass(31_000);
    assert_eq!(ended(&house.heard(1)).len(), 1, "somebody's clock ran out");
    house.connect(3, who(2, 1));
    house.say(3, Enter { game: house.game, room: Some(RoomNo(0)), last_seq: Some(0), last_hand });
    house.heard(3)
}

#[test]
fn a_hand_that_ended_while_somebody_was_away_is_told_once() {
    let heard = back_after(Some(0));
    let told = ended(&heard);
    assert_eq!((told.len(), told[0].hand, told[0].seed.is_some()), (1, 1, true));
    let [.., Message::HandEnded(_), Message::TableState(_)] = &heard[..] else {
        panic!("the end, then the table: {heard:?}")
    };
    assert_eq!(ended(&back_after(Some(1))), [], "it knows");
    assert_eq!(ended(&back_after(None)), [], "it asks for nothing");
}

#[test]
fn a_hand_that_ends_after_coming_back_is_told_then() {
    let mut house = house(2);
    sit_here(&mut house, 2);
    house.drop(2);
    house.connect(3, who(2, 1));
    house.say(3, Enter { game: house.game, room: Some(RoomNo(0)), last_seq: Some(0), last_hand: Some(0) });
    assert_eq!(ended(&house.heard(3)), []);
    house.pass(31_000);
    assert_eq!(ended(&house.heard(3)).len(), 1);
}

#[test]
fn who_played_is_not_dismissed_before_the_outcome_is_told() {
    let mut house = house(3);
    sit_here(&mut house, 2);
    house.hold(Way::World(ShardId(1)));
    resign(&mut house, 1);
    for conn in [1, 2] {
        assert_eq!(ended(&house.heard(conn)), [], "it is being written down");
    }
    house.say(1, Dismiss { seat: 1 });
    assert_eq!(house.heard(1), denied(TableDenial::HandPlayed));
    house.pass(5_000);
    let told = ended(&house.heard(2));
    assert_eq!((told.len(), &told[0].seats[..]), (1, &[AccountId(1), AccountId(2)][..]));
    house.say(1, Dismiss { seat: 1 });
    assert_eq!(house.heard(2).last(), Some(&Stood { from: Some(at(1)), dismissed: true }.into()));
}

#[test]
fn where_a_hand_waits_for_a_word_nobody_is_seated_before_an_empty_table() {
    let mut house = house(3);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    let elsewhere = SeatNo { table: TableNo(1), seat: 0 };
    assert_eq!(house.sit(2)[0], Seated { at: elsewhere }.into());
    assert_eq!(
        house.sit(3)[0],
        Seated { at: SeatNo { seat: 1, ..elsewhere } }.into(),
        "where somebody waits"
    );
}

#[test]
fn a_table_is_left_to_somebody_who_is_here() {
    let mut config = config(1, 12);
    config.rooms[0].game = usher_games::GameKind::DouDizhu;
    let mut house = House::open(config);
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), 0);
    }
    house.sit(1);
    rule(&mut house, 1, begin(HandBegin::AllReady));
    for conn in [2, 3] {
        house.say(conn, Sit { table: Some(TABLE), seat: None });
    }
    house.drop(2);
    house.heard(3);
    house.say(1, Stand {});
    let ruled = house.heard(3).into_iter().find_map(|it| match it {
        Message::TableRuled(ruled) => ruled.owner,
        _ => None,
    });
    assert_eq!(ruled, Some(2), "seat 1 is kept for somebody away");
}

#[test]
fn who_left_a_hand_is_named_at_its_end() {
    let mut house = house(2);
    sit_here(&mut house, 2);
    house.heard(1);
    house.say(2, Stand {});
    assert_eq!(ended(&house.heard(1))[0].left, 1 << 1);
}
