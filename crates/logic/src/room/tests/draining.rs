//! Emptying a server: nobody new, hands are played to their end, then it says so.

use super::house::{House, config, denied, entered, who};
use crate::hand::unguarded;
use alloc::vec;
use usher_games::gomoku::RESIGN;
use usher_proto::message::{Act, CloseReason, Closing, EnterDenial, Leave, Stand};
use usher_proto::{ConnId, Message};

const DRAINING: Option<CloseReason> = Some(CloseReason::Draining);

/// 1 and 2 play, 3 waits at another table, 4 stands in a room, 5 is at the door.
fn busy() -> House {
    let mut house = House::open(config(2, 6));
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.arrive(4, who(4, 1), 1);
    house.connect(5, who(5, 1));
    for conn in 1..=5 {
        house.heard(conn);
    }
    house
}

fn resign(house: &mut House) {
    for conn in 1..=2 {
        // Who was shown out with the end of the hand has nothing more to say.
        if house.reason(conn).is_some() {
            return;
        }
        house.say(conn, Act { hand: 1, turn: 0, action: vec![RESIGN].into() });
    }
}

#[test]
fn an_empty_server_is_drained_at_once_and_says_so_once() {
    let mut house = House::dark(config(1, 2), unguarded);
    house.drain();
    house.drain();
    assert_eq!(house.drained, 1);
}

#[test]
fn hands_are_played_to_their_end() {
    let mut house = busy();
    house.drain();
    for conn in 3..=5 {
        assert_eq!(house.reason(conn), DRAINING, "{conn}");
    }
    assert_eq!((house.reason(1), house.reason(2), house.drained), (None, None, 0));
    assert!(!house.connect(6, who(6, 1)));
    assert_eq!(house.refused[&ConnId(6)], Closing { reason: CloseReason::Draining }.into());
    resign(&mut house);
    assert!(house.heard(1).iter().any(|it| matches!(it, Message::HandEnded(_))), "it is told how it ended");
    assert_eq!((house.reason(1), house.reason(2), house.drained), (DRAINING, DRAINING, 1));
    assert_eq!(house.figure("usher_places_held"), 0);
}

#[test]
fn somebody_in_a_hand_may_still_come_back_and_go() {
    let mut house = busy();
    house.drop(1);
    house.drain();
    assert!(house.connect(6, who(1, 1)));
    entered(&house.enter(6, 0));
    house.say(6, Leave {});
    assert!(house.heard(6).iter().any(|it| matches!(it, Message::Left(_))));
    assert_eq!((house.reason(6), house.reason(2), house.drained), (DRAINING, DRAINING, 1));
}

#[test]
fn who_stands_up_goes() {
    let mut house = busy();
    house.drain();
    house.say(1, Stand {});
    assert!(matches!(house.heard(1).last(), Some(Message::Stood(_))));
    assert_eq!((house.reason(1), house.reason(2), house.drained), (DRAINING, DRAINING, 1));
}

#[test]
fn an_absent_player_is_waited_for_no_longer_than_the_hand() {
    let mut house = busy();
    house.drop(1);
    house.drop(2);
    house.drain();
    assert_eq!(house.drained, 0);
    house.pass(30_000);
    assert_eq!((house.drained, house.figure("usher_players")), (1, 0));
}

#[test]
fn who_is_handed_over_while_the_hand_ends_is_shown_out() {
    let mut house = busy();
    house.connect(6, who(1, 1));
    house.drop(1);
    house.drain();
    assert_eq!(house.reason(6), DRAINING, "it was at the door");
    assert!(house.connect(7, who(1, 1)));
    house.post(
        7,
        usher_proto::message::Enter {
            game: super::house::GOMOKU,
            room: None,
            last_seq: None,
            last_hand: None,
        },
    );
    house.deliver(super::house::Way::Client(ConnId(7)));
    house.now_ms += 30_000;
    house.settle();
    house.pass(0);
    assert_eq!((house.reason(7), house.drained), (DRAINING, 1));
}

#[test]
fn a_newer_login_does_not_enter_a_draining_server() {
    let mut house = busy();
    house.drain();
    assert!(house.connect(6, who(1, 2)), "the account has a place here");
    assert_eq!(house.enter(6, 0), denied(EnterDenial::Draining));
}
