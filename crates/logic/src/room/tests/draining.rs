//! Emptying a server: nobody new, hands are played to their end, players are shown away, then it says so.

use super::house::{House, config, denied, entered, who};
use crate::hand::unguarded;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use usher_games::gomoku::RESIGN;
use usher_proto::message::{
    Act, Arbitrated, CloseReason, Closing, EnterDenial, Evict, Leave, Redirect, Stand,
};
use usher_proto::{ConnId, Message, RoomNo};

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

/// The same house, in a cluster where another server has space.
fn busy_with_others() -> House {
    let mut house = busy();
    house.presence.as_mut().unwrap().takes_parties = true;
    house.told_manager();
    house
}

fn redirect(house: &mut House, conn: u64) -> Option<Redirect> {
    house.heard(conn).into_iter().find_map(|message| match message {
        Message::Redirect(redirect) => Some(redirect),
        _ => None,
    })
}

/// How many each of the questions was about.
fn parties(house: &House) -> Vec<usize> {
    house.presence.as_ref().unwrap().parties.iter().map(|party| party.sessions.len()).collect()
}

#[test]
fn table_mates_are_shown_to_another_room_together() {
    let mut house = busy_with_others();
    house.drain();
    for conn in [3, 4] {
        let shown = redirect(&mut house, conn).expect("it is shown the way");
        assert_eq!((&*shown.address.0, shown.room), ("other:1", Some(RoomNo(9))));
        assert_eq!(shown.reservation.as_slice(), who(conn, 1).session.0.to_be_bytes());
        assert_eq!(house.reason(conn), DRAINING);
    }
    assert_eq!((redirect(&mut house, 5), house.reason(5)), (None, DRAINING), "it was in no room");
    assert_eq!(parties(&house), [1, 1]);
    resign(&mut house);
    for conn in [1, 2] {
        assert!(redirect(&mut house, conn).is_some(), "{conn}");
    }
    assert_eq!(parties(&house), [1, 1, 2]);
    assert_eq!((house.drained, house.figure("usher_moved_total")), (1, 4));
    assert_eq!(house.records.hands.len(), 1);
}

#[test]
fn who_is_shown_away_is_released_before_anybody_is_asked() {
    let mut house = busy_with_others();
    house.drain();
    resign(&mut house);
    let mut released = BTreeSet::new();
    let mut asked = 0;
    for message in house.told_manager() {
        match message {
            Message::Release(release) => _ = released.insert(release.identity.session),
            Message::ArbitrateParty(party) => {
                asked += party.sessions.len();
                assert!(party.sessions.iter().all(|session| released.contains(session)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((asked, released.len()), (4, 4));
}

/// A house whose manager says nothing of parties, with everybody at the door who played no hand.
fn waiting_for_word() -> House {
    let mut house = busy();
    house.presence = None;
    house.drain();
    for conn in [3, 4] {
        assert_eq!(house.reason(conn), None, "{conn} waits for the manager's word");
    }
    house
}

#[test]
fn without_a_word_of_the_manager_they_find_their_own_way() {
    let mut house = waiting_for_word();
    house.link_down();
    assert_eq!([3, 4].map(|conn| house.reason(conn)), [DRAINING; 2]);
    let mut house = waiting_for_word();
    house.pass(10_000);
    assert_eq!([3, 4].map(|conn| house.reason(conn)), [DRAINING; 2]);
    let mut house = busy();
    house.link_down();
    house.drain();
    assert_eq!([3, 4].map(|conn| house.reason(conn)), [DRAINING; 2]);
    assert_eq!(redirect(&mut house, 3), None);
}

#[test]
fn who_is_about_to_be_shown_away_may_leave_and_is_not_heard_otherwise() {
    let mut house = waiting_for_word();
    house.heard(3);
    house.say(3, Stand {});
    house.say(3, Act { hand: 1, turn: 0, action: vec![0].into() });
    house.say(4, Leave {});
    assert_eq!(house.heard(3), []);
    let first = house.told_manager().into_iter().find_map(|message| match message {
        Message::ArbitrateParty(party) => Some(party.request),
        _ => None,
    });
    for request in first.unwrap()..first.unwrap() + 10 {
        let to = Some(("other:1".into(), vec![1].into()));
        house.manager_says(Arbitrated { request, to, room: Some(RoomNo(9)) });
    }
    assert!(redirect(&mut house, 3).is_some());
    let heard = house.heard(4);
    assert!(matches!(heard[..], [Message::Left(_)]), "{heard:?}");
    assert_eq!([3, 4].map(|conn| house.reason(conn)), [DRAINING; 2]);
}

#[test]
fn an_older_login_is_put_out_also_while_it_waits_for_a_word() {
    let mut house = waiting_for_word();
    let newer = who(3, 2);
    house.manager_says(Evict { world: newer.world, account: newer.account, below: newer.generation });
    assert_eq!((house.reason(3), house.reason(4)), (Some(CloseReason::Evicted), None));
}
