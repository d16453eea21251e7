//! Newer logins: taking a seat over, evicting an older login, and being the older one.

use super::house::{GOMOKU, House, Way, config, denied, entered, who};
use crate::hand::unguarded;
use alloc::vec;
use alloc::vec::Vec;
use usher_proto::message::{
    Claimed, CloseReason, Enter, EnterDenial, Evict, Evicted, Released, SeatNo, Verdict,
};
use usher_proto::{AccountId, ConnId, Generation, Message, TableNo, WorldId};

fn evict(account: u64, below: u64) -> Evict {
    Evict { world: WorldId(1), account: AccountId(account), below: Generation(below) }
}

fn evicted(account: u64, below: u64) -> Message {
    Evicted { world: WorldId(1), account: AccountId(account), below: Generation(below) }.into()
}

fn evictions(told: Vec<Message>) -> Vec<Message> {
    told.into_iter().filter(|it| matches!(it, Message::Evicted(_))).collect()
}

#[test]
fn a_newer_login_takes_the_seat_over() {
    let mut house = House::open(config(2, 4));
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.told_manager();
    let entered = house.arrive(3, who(1, 2), 0);
    assert_eq!(entered.seat, Some(SeatNo { table: TableNo(0), seat: 0 }));
    assert_eq!(house.reason(1), Some(CloseReason::Evicted));
    assert_eq!((house.figure("usher_hands_playing"), house.figure("usher_players")), (1, 2));
    let told = house.told_manager();
    assert!(matches!(told[..], [Message::Claim(_)]), "{told:?}");
    house.drop(3);
    house.connect(4, who(1, 1));
    assert_eq!(house.enter(4, 0), denied(EnterDenial::Superseded));
    house.connect(5, who(1, 2));
    super::house::entered(&house.enter(5, 0));
}

#[test]
fn a_full_room_still_lets_the_newer_login_of_somebody_inside_in() {
    let mut house = House::open(config(1, 1));
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(1, 2), 0);
    assert_eq!((house.figure("usher_places_held"), house.reason(1)), (1, Some(CloseReason::Evicted)));
}

#[test]
fn a_newer_login_in_another_room_evicts_the_older() {
    let mut house = House::open(config(2, 4));
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.told_manager();
    house.arrive(3, who(1, 2), 1);
    assert_eq!(house.reason(1), Some(CloseReason::Evicted));
    assert!(
        house.heard(2).iter().any(|it| matches!(it, Message::HandEnded(end) if &*end.reason == "abandoned"))
    );
    assert_eq!(evictions(house.told_manager()), [evicted(1, 2)]);
    assert_eq!((house.figure("usher_players"), house.figure("usher_places_held")), (2, 2));
}

#[test]
fn an_eviction_of_who_is_not_here_is_answered_at_once() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 5), 0);
    house.told_manager();
    for below in [4, 5] {
        house.manager_says(evict(1, below));
        assert_eq!(house.told_manager(), [evicted(1, below)]);
    }
    house.manager_says(evict(2, 9));
    assert_eq!(house.told_manager(), [evicted(2, 9)]);
    let foreign = Evict { world: WorldId(2), ..evict(1, 9) };
    house.manager_says(foreign);
    assert!(matches!(house.told_manager()[..], [Message::Evicted(it)] if it.world == WorldId(2)));
    assert_eq!(house.reason(1), None);
}

#[test]
fn an_eviction_reaches_every_connection_of_the_account() {
    let mut house = House::dark(config(2, 4), unguarded);
    house.link_up();
    house.connect(2, who(1, 1));
    house.enter(2, 1);
    house.connect(1, who(1, 1));
    house.connect(3, who(1, 3));
    house.told_manager();
    house.manager_says(evict(1, 2));
    let closed = Some(CloseReason::Evicted);
    assert_eq!((house.reason(1), house.reason(2), house.reason(3)), (closed, closed, None));
    let told = house.told_manager();
    assert!(matches!(told[0], Message::Release(_)), "the claim may have been granted: {told:?}");
    assert_eq!(evictions(told), [evicted(1, 2)]);
    assert_eq!(house.figure("usher_claims_pending"), 0);
}

#[test]
fn an_absent_player_is_evicted_too() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.sit(1);
    house.drop(1);
    house.manager_says(evict(1, 2));
    assert_eq!((house.figure("usher_players"), house.figure("usher_places_held")), (0, 0));
    assert_eq!(evictions(house.told_manager()), [evicted(1, 2)]);
    house.pass(60_000);
    assert_eq!(house.figure("usher_seats_given_up_total"), 0, "its grace is forgotten");
}

#[test]
fn who_is_being_evicted_does_not_slip_back_in() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.sit(1);
    house.told_manager();
    house.post_manager(evict(1, 2));
    house.deliver(Way::FromManager);
    // The floor has not heard of it yet.
    assert!(house.connect(2, who(1, 1)));
    house.post(2, Enter { game: GOMOKU, room: None, last_seq: None, last_hand: None });
    house.deliver(Way::Client(ConnId(2)));
    house.settle();
    assert_eq!(house.heard(2), denied(EnterDenial::Superseded));
    assert_eq!((house.figure("usher_evictions_pending"), house.figure("usher_players")), (0, 0));
    assert_eq!(evictions(house.told_manager()), [evicted(1, 2)]);
    house.connect(3, who(1, 2));
    entered(&house.enter(3, 0));
}

#[test]
fn an_older_login_is_refused_without_the_manager() {
    let mut house = House::open(config(2, 4));
    house.arrive(1, who(1, 2), 0);
    house.link_down();
    house.connect(2, who(1, 1));
    for room in [0, 1] {
        assert_eq!(house.enter(2, room), denied(EnterDenial::Superseded));
    }
    assert_eq!(house.reason(1), None);
}

#[test]
fn a_newer_claim_that_is_given_up_still_ends_the_older_stay() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.presence = None;
    house.told_manager();
    house.connect(2, who(1, 2));
    house.enter(2, 0);
    house.drop(2);
    assert_eq!(house.reason(1), Some(CloseReason::Evicted), "the manager believes it replaced");
    let told = house.told_manager();
    let [Message::Claim(claim), Message::Release(first), Message::Release(second)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((claim.identity, first.identity, second.identity), (who(1, 2), who(1, 2), who(1, 1)));
    for request in [first.request, second.request] {
        house.manager_says(Released { request });
    }
    assert_eq!((house.figure("usher_places_held"), house.figure("usher_releases_pending")), (0, 0));
}

#[test]
fn of_two_claims_of_one_login_the_second_keeps_what_the_first_gives_up() {
    let mut house = House::dark(config(1, 4), unguarded);
    house.link_up();
    house.told_manager();
    house.connect(1, who(1, 1));
    house.enter(1, 0);
    house.connect(2, who(1, 1));
    house.enter(2, 0);
    let requests: Vec<_> = house
        .told_manager()
        .iter()
        .map(|it| if let Message::Claim(claim) = it { claim.request } else { panic!("{it:?}") })
        .collect();
    house.manager_says(Claimed { request: requests[0], verdict: Verdict::Granted });
    entered(&house.heard(1));
    house.drop(1);
    assert_eq!(house.told_manager(), vec![], "a release would undo the second claim");
    house.manager_says(Claimed { request: requests[1], verdict: Verdict::Granted });
    entered(&house.heard(2));
    house.drop(2);
    assert!(matches!(house.told_manager()[..], [Message::Release(_)]));
}
