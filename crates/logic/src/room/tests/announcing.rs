//! An operator's words: to everybody who is in a room, and to nobody else.

use super::house::{House, config, who};
use alloc::vec::Vec;
use usher_proto::Message;
use usher_proto::message::{Announce, Announced, Leave, Presence};

fn heard(house: &mut House, conns: core::ops::RangeInclusive<u64>) -> Vec<Vec<Message>> {
    conns.map(|conn| house.heard(conn)).collect()
}

#[test]
fn an_announcement_reaches_everybody_in_a_room_on_every_floor_once() {
    let mut house = House::open(config(3, 6));
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), conn as u16 - 1);
    }
    house.sit(1);
    house.connect(4, who(4, 1));
    house.arrive(5, who(5, 1), 0);
    house.say(5, Leave {});
    house.arrive(6, who(6, 1), 0);
    house.sit(6);
    house.drop(6);
    heard(&mut house, 1..=6);
    house.manager_says(Announce { text: "Closing at ten.".into() });
    let announced = [Announced { text: "Closing at ten.".into() }.into()];
    for conn in 1..=3 {
        assert_eq!(house.heard(conn), announced, "{conn}");
    }
    for (conn, why) in [(4, "stands at the door"), (5, "has left"), (6, "is away")] {
        assert_eq!(house.heard(conn), [], "{conn} {why}");
    }
    let late = house.connect(7, who(7, 1)) && house.enter(7, 0).iter().any(|it| *it == announced[0]);
    assert!(!late, "it is not kept for who comes later");
}

#[test]
fn a_player_who_says_it_is_shown_out() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(2, 1), 0);
    heard(&mut house, 1..=2);
    house.say(1, Announce { text: "I am the operator".into() });
    assert!(house.reason(1).is_some());
    let others = house.heard(2);
    assert!(others.iter().all(|it| matches!(it, Message::Presence(Presence { .. }))), "{others:?}");
}
