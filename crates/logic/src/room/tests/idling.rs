//! At the door and in no room: how many connections of one login, and for how long.

use super::house::{House, config, denied, who};
use crate::hand::unguarded;
use core::time::Duration;
use usher_proto::ConnId;
use usher_proto::machine::Peer;
use usher_proto::message::{CloseReason, EnterDenial, Leave, Left};

#[test]
fn one_ticket_does_not_fill_a_server() {
    let mut config = config(1, 4);
    config.node.serve_max = 10;
    let mut house = House::open(config);
    for conn in 1..=100 {
        // Every other one does not even come up.
        if conn % 2 == 0 {
            assert!(house.connect(conn, who(1, 1)));
        } else {
            house.knock(ConnId(conn), Peer::Player(who(1, 1)));
        }
        house.settle();
        let knocked = u64::from(conn % 2 != 0);
        assert_eq!(house.figure("usher_serving"), knocked + conn.min(2) / 2);
    }
    assert!((1..100).all(|conn| house.reason(conn) == Some(CloseReason::Replaced)));
    assert_eq!(house.reason(100), None);
    assert!(house.connect(101, who(2, 1)), "there is room for others");
}

#[test]
fn whoever_only_knocks_moves_nobody_who_is_proven_and_few_of_his_like_stay() {
    let mut house = House::open(config(1, 4));
    assert!(house.connect(1, who(1, 1)));
    for conn in 2..=20 {
        house.knock(ConnId(conn), Peer::Player(who(1, 1)));
        house.settle();
    }
    assert_eq!(house.reason(1), None);
    assert!((2..=16).all(|conn| house.reason(conn) == Some(CloseReason::Replaced)), "the first go first");
    assert!((17..=20).all(|conn| house.reason(conn).is_none()));
}

#[test]
fn only_idle_connections_of_the_same_login_are_replaced() {
    let mut house = House::dark(config(2, 4), unguarded);
    house.link_up();
    assert!(house.connect(1, who(1, 1)) && house.connect(2, who(2, 1)));
    assert_eq!(house.enter(1, 0), [], "it claims");
    assert!(house.connect(3, who(1, 2)) && house.connect(4, who(1, 1)) && house.connect(5, who(1, 1)));
    house.settle();
    let reasons = [1, 2, 3, 4, 5].map(|conn| house.reason(conn));
    assert_eq!(reasons, [None, None, None, Some(CloseReason::Replaced), None]);

    let mut house = House::open(config(2, 4));
    house.arrive(1, who(1, 1), 0);
    assert!(house.connect(2, who(1, 1)));
    house.settle();
    assert_eq!(house.reason(1), None, "who is in a room idles not");
}

#[test]
fn who_enters_no_room_is_closed_in_time() {
    let mut config = config(1, 4);
    config.door_timeout = Duration::from_secs(5);
    let mut house = House::open(config);
    assert!(house.connect(1, who(1, 1)));
    house.knock(ConnId(2), Peer::Player(who(2, 1)));
    house.arrive(3, who(3, 1), 0);
    house.pass(4_000);
    assert_eq!(house.enter(1, 9), denied(EnterDenial::NoSuchRoom), "asking in vain wins no time");
    house.pass(999);
    assert_eq!([1, 2, 3].map(|conn| house.reason(conn)), [None; 3]);
    house.pass(1);
    assert_eq!([1, 2].map(|conn| house.reason(conn)), [Some(CloseReason::Idle); 2]);
    house.pass(60_000);
    assert_eq!(house.reason(3), None, "inside one may stay");
    assert_eq!(house.figure("usher_idle_closed_total"), 2);
    assert_eq!(house.figure("usher_serving"), 1);
}

#[test]
fn leaving_a_room_begins_the_time_at_the_door_anew() {
    let mut config = config(1, 4);
    config.door_timeout = Duration::from_secs(5);
    let mut house = House::open(config);
    house.arrive(1, who(1, 1), 0);
    house.pass(60_000);
    house.say(1, Leave {});
    assert_eq!(house.heard(1), [Left { seq: 0 }.into()]);
    house.pass(4_999);
    assert_eq!(house.reason(1), None);
    house.pass(1);
    assert_eq!(house.reason(1), Some(CloseReason::Idle));
}

#[test]
fn a_claim_that_waits_ends_with_the_time_at_the_door() {
    let mut config = config(1, 1);
    (config.door_timeout, config.claim_timeout) = (Duration::from_secs(5), Duration::from_secs(9));
    let mut house = House::dark(config, unguarded);
    house.link_up();
    assert!(house.connect(1, who(1, 1)));
    assert_eq!(house.enter(1, 0), []);
    house.pass(5_000);
    assert_eq!(house.reason(1), Some(CloseReason::Idle));
    assert_eq!((house.figure("usher_claims_pending"), house.figure("usher_places_held")), (0, 0));
    assert_eq!(house.figure("usher_releases_pending"), 1, "the manager may grant it yet");
}
