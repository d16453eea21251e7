//! The link to the manager: presenting, claims that wait, releases that are repeated, load.

use super::house::{House, LINK, config, entered, who};
use super::manager::Presence;
use crate::hand::unguarded;
use alloc::vec::Vec;
use usher_proto::limits::PRESENT_PLAYERS_MAX;
use usher_proto::message::{
    Claimed, CloseReason, DrainOrder, Halls, Leave, Left, RegisterDenial, RegisterDenied, Verdict,
};
use usher_proto::{ConnId, Message, RoomNo};

#[test]
fn a_server_presents_itself_with_rooms_and_players() {
    let mut house = House::open(config(2, 1200));
    for account in 1..=1001 {
        house.now_ms += 1;
        house.arrive(account, who(account, 1), 1);
    }
    house.told_manager();
    house.link_down();
    house.presence = Some(Presence::default());
    house.link_up();
    let told = house.told_manager();
    let [Message::Register(register), Message::Present(first), Message::Present(rest)] = &told[..] else {
        panic!("{} messages", told.len());
    };
    let rooms: Vec<_> = register.rooms.iter().map(|it| (it.room.0, it.population, it.capacity)).collect();
    assert_eq!(rooms, [(0, 0, 1200), (1, 1001, 1200)]);
    assert_eq!((register.players, first.players.len(), rest.players.len()), (1001, PRESENT_PLAYERS_MAX, 1));
    let entered = first.players.iter().map(|it| it.entered_unix_ms);
    assert!(entered.eq(1..=1000), "each says when it entered");
    assert_eq!(house.presence.as_ref().map(|it| it.rooms.len()), Some(1001));
}

#[test]
fn claims_wait_for_the_link_and_keep_their_number() {
    let mut house = House::dark(config(1, 4), unguarded);
    house.connect(1, who(1, 1));
    assert_eq!(house.enter(1, 0), []);
    let mut seen = Vec::new();
    for _ in 0..2 {
        house.link_up();
        let told = house.told_manager();
        let [Message::Register(_), Message::Claim(claim)] = told[..] else { panic!("{told:?}") };
        seen.push(claim.request);
        house.link_down();
    }
    assert_eq!(seen[0], seen[1]);
    house.link_up();
    house.manager_says(Claimed { request: seen[0], verdict: Verdict::Granted });
    entered(&house.heard(1));
}

#[test]
fn a_claim_that_nobody_waits_for_is_taken_back_only_if_it_was_made() {
    // Whether there is a link before, and after, the claim begins to wait.
    for (before, after) in [(false, false), (true, false), (false, true)] {
        let made = before || after;
        let mut house = House::dark(config(1, 4), unguarded);
        house.connect(1, who(1, 1));
        if before {
            house.link_up();
        }
        house.enter(1, 0);
        if after {
            house.link_up();
        }
        house.link_down();
        house.told_manager();
        house.drop(1);
        house.link_up();
        let released = house.told_manager().iter().any(|it| matches!(it, Message::Release(_)));
        assert_eq!(released, made);
        assert_eq!(house.figure("usher_places_held"), 0);
    }
}

#[test]
fn a_release_is_repeated_until_it_is_acknowledged() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.link_down();
    house.say(1, Leave {});
    assert_eq!(house.heard(1), [Left { seq: 0 }.into()], "without a link nothing is waited for");
    assert_eq!(house.enter(1, 0), [], "the next claim waits behind the release");
    house.presence = None;
    house.told_manager();
    house.link_up();
    house.link_down();
    house.told_manager();
    house.presence = Some(Presence::default());
    house.link_up();
    let told = house.told_manager();
    let [Message::Register(_), Message::Release(release), Message::Claim(claim)] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(release.request < claim.request);
    entered(&house.heard(1));
    assert_eq!(house.figure("usher_releases_pending"), 0);
    house.link_down();
    house.link_up();
    assert!(!house.told_manager().iter().any(|it| matches!(it, Message::Release(_))));
}

#[test]
fn a_server_that_is_not_wanted_goes_on_by_itself() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.manager_says(RegisterDenied { reason: RegisterDenial::NameTaken });
    house.told_manager();
    house.say(1, Leave {});
    assert_eq!(house.heard(1), [Left { seq: 0 }.into()]);
    assert_eq!(house.told_manager(), []);
}

#[test]
fn the_link_that_is_gone_is_down() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.presence = None;
    house.say(1, Leave {});
    assert_eq!(house.heard(1), []);
    house.link_down();
    assert_eq!(house.heard(1), [Left { seq: 0 }.into()]);
    assert_eq!(house.figure("usher_serving"), 1);
}

#[test]
fn what_no_manager_says_to_a_room_server_closes_the_link() {
    let mut house = House::open(config(1, 4));
    house.manager_says(Halls { addresses: Vec::new() });
    assert_eq!(house.closed.get(&LINK), Some(&CloseReason::Unexpected));
}

#[test]
fn populations_are_reported_when_they_changed() {
    let mut house = House::open(config(3, 100));
    house.pass(1000);
    house.loads();
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), 2);
    }
    house.arrive(4, who(4, 1), 1);
    house.drop(1);
    house.pass(1000);
    let loads = house.loads();
    let rooms: Vec<_> = loads.iter().flat_map(|load| load.rooms.iter().copied()).collect();
    assert_eq!(rooms, [(RoomNo(1), 1), (RoomNo(2), 2)]);
    assert_eq!(loads.last().map(|load| (load.serving, load.draining)), Some((3, false)));
    house.pass(1000);
    assert!(house.loads().iter().all(|load| load.rooms.is_empty()));
}

#[test]
fn the_manager_may_order_a_drain() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.manager_says(DrainOrder {});
    assert_eq!(house.closed.get(&ConnId(1)), Some(&CloseReason::Draining));
    assert!(house.loads().iter().any(|load| load.draining));
    assert_eq!(house.drained, 1);
}
