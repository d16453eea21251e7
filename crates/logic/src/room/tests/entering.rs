//! Knocking and entering: limits, full rooms, wrong doors, verdicts.

use super::house::{GOMOKU, House, config, denied, entered, who};
use crate::hand::unguarded;
use alloc::vec;
use usher_proto::machine::Peer;
use usher_proto::message::{
    Act, ActDenial, ActDenied, Chat, ChatDenial, ChatDenied, Claimed, CloseReason, Closing, Dismiss, Enter,
    EnterDenial, GetDirectory, Leave, Left, Placed, Ready, SetTableRules, Sit, SitDenial, SitDenied, Stand,
    Stood, TableChat, TableDenial, TableDenied, TableRules, Unwatch, Unwatched, Verdict, Watch, WatchDenial,
    WatchDenied, WhoIsHere,
};
use usher_proto::{Address, ConnId, GameId, Identity, Message, RoomNo, TableNo, WorldId};

#[test]
fn only_players_of_this_world_come_in() {
    let mut house = House::open(config(1, 4));
    let elsewhere = Identity { world: WorldId(2), ..who(1, 1) };
    let cases = [
        (Peer::Player(elsewhere), CloseReason::WrongWorld),
        (Peer::Stranger, CloseReason::NoTicket),
        (Peer::Server("hall-1".into()), CloseReason::WrongRole),
    ];
    for ((peer, reason), conn) in cases.into_iter().zip(1..) {
        house.knock(ConnId(conn), peer);
        assert_eq!(house.refused[&ConnId(conn)], Closing { reason }.into());
    }
    assert_eq!(house.figure("usher_serving"), 0);
}

#[test]
fn over_its_limit_it_is_busy_and_never_redirects() {
    let mut config = config(1, 100);
    config.node.serve_max = 2;
    let mut house = House::open(config);
    assert!(house.connect(1, who(1, 1)) && house.connect(2, who(2, 1)));
    assert!(!house.connect(3, who(3, 1)));
    let Message::Busy(busy) = &house.refused[&ConnId(3)] else { panic!("{:?}", house.refused) };
    assert!((250..750).contains(&busy.retry_after_ms));
    house.drop(1);
    assert!(house.connect(4, who(4, 1)));
}

#[test]
fn who_enters_is_told_room_number_and_population() {
    let mut house = House::open(config(3, 4));
    for (conn, population) in [(1, 1), (2, 2), (3, 3)] {
        let entered = house.arrive(conn, who(conn, 1), 2);
        assert_eq!((entered.room, &*entered.name, entered.seq), (RoomNo(2), "room 2", 0));
        assert_eq!((entered.population, entered.seat), (population, None));
    }
    assert_eq!(house.figure("usher_players"), 3);
    assert_eq!(house.enter(3, 1), denied(EnterDenial::AlreadyInside));
}

#[test]
fn any_room_is_the_fullest_with_space_until_all_are_full() {
    let mut house = House::open(config(3, 2));
    house.arrive(1, who(1, 1), 1);
    let mut rooms = vec![];
    for conn in 2..=6 {
        house.connect(conn, who(conn, 1));
        rooms.push(entered(&house.enter_any(conn)).room.0);
    }
    assert_eq!(rooms, [1, 0, 0, 2, 2]);
    house.connect(7, who(7, 1));
    assert_eq!(house.enter_any(7), denied(EnterDenial::Full(vec![])));
    assert_eq!(house.enter(7, 1), denied(EnterDenial::Full(vec![])));
    house.drop(4);
    assert_eq!(house.enter(7, 1), denied(EnterDenial::Full(vec![RoomNo(0)])));
    assert_eq!(entered(&house.enter(7, 0)).room, RoomNo(0));
}

#[test]
fn a_full_room_names_others_emptiest_first_and_not_too_many() {
    let mut house = House::open(config(12, 2));
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(2, 1), 0);
    house.arrive(3, who(3, 1), 11);
    house.connect(4, who(4, 1));
    let heard = house.enter(4, 0);
    let others = (3..=10).rev().map(RoomNo).collect();
    assert_eq!(heard, denied(EnterDenial::Full(others)));
}

#[test]
fn a_place_is_held_from_the_claim_on() {
    let mut house = House::dark(config(1, 1), unguarded);
    house.link_up();
    house.connect(1, who(1, 1));
    house.connect(2, who(2, 1));
    assert_eq!(house.enter(1, 0), []);
    assert_eq!(house.enter(2, 0), denied(EnterDenial::Full(vec![])));
    house.drop(1);
    assert_eq!(house.enter(2, 0), [], "the place is free again, so this one is claimed");
    assert_eq!(house.figure("usher_claims_pending"), 1);
}

#[test]
fn there_must_be_such_a_room() {
    let mut house = House::open(config(2, 2));
    house.connect(1, who(1, 1));
    for (game, room) in [(GOMOKU, Some(2)), (GameId(99), Some(0)), (GameId(99), None)] {
        house.say(1, Enter { game, room: room.map(RoomNo), last_seq: None, last_hand: None });
        assert_eq!(house.heard(1), denied(EnterDenial::NoSuchRoom), "{game} {room:?}");
    }
    assert_eq!(house.told_manager(), []);
}

#[test]
fn the_managers_verdict_is_passed_on_and_another_room_may_be_tried() {
    let mut house = House::dark(config(2, 2), unguarded);
    house.link_up();
    house.told_manager();
    house.connect(1, who(1, 1));
    let elsewhere = (Address::from("10.0.0.9:7"), RoomNo(5));
    let cases = [
        (Verdict::Superseded, EnterDenial::Superseded),
        (
            Verdict::Elsewhere { address: elsewhere.0.clone(), room: elsewhere.1 },
            EnterDenial::Elsewhere { address: elsewhere.0, room: elsewhere.1 },
        ),
    ];
    for (verdict, denial) in cases {
        house.enter(1, 0);
        let request = claimed_request(&mut house);
        house.manager_says(Claimed { request, verdict });
        assert_eq!(house.heard(1), denied(denial));
        assert_eq!(house.figure("usher_places_held"), 0);
    }
    house.enter(1, 1);
    let request = claimed_request(&mut house);
    house.manager_says(Claimed { request, verdict: Verdict::Granted });
    assert_eq!(entered(&house.heard(1)).room, RoomNo(1));
    house.manager_says(Claimed { request, verdict: Verdict::Granted });
    house.manager_says(Claimed { request: 99, verdict: Verdict::Granted });
    assert_eq!(house.figure("usher_players"), 1, "an answer said twice changes nothing");
}

fn claimed_request(house: &mut House) -> u64 {
    match house.told_manager().as_slice() {
        [Message::Claim(claim)] => claim.request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_login_is_in_one_room_of_a_game() {
    let mut house = House::open(config(2, 2));
    house.arrive(1, who(1, 1), 0);
    house.connect(2, who(1, 1));
    let here = EnterDenial::Elsewhere { address: "room".into(), room: RoomNo(0) };
    assert_eq!(house.enter(2, 1), denied(here));
    assert_eq!(house.figure("usher_players"), 1);
}

#[test]
fn a_server_is_where_its_manager_says_on_this_link() {
    let mut house = House::open(config(2, 2));
    house.arrive(1, who(1, 1), 0);
    house.connect(2, who(1, 1));
    let at = |address: &str| denied(EnterDenial::Elsewhere { address: address.into(), room: RoomNo(0) });
    house.manager_says(Placed { address: "gateway".into() });
    assert_eq!(house.enter(2, 1), at("gateway"));
    house.link_down();
    assert_eq!(house.enter(2, 1), at("gateway"), "as far as anybody knows");
    house.link_up();
    assert_eq!(house.enter(2, 1), at("room"), "this manager has said nothing");
    house.manager_says(Placed { address: "gateway".into() });
    house.manager_says(Placed { address: "room".into() });
    assert_eq!(house.enter(2, 1), at("room"));
}

#[test]
fn too_many_claims_are_busy() {
    let mut config = config(1, 10);
    config.claims_pending_max = 2;
    let mut house = House::dark(config, unguarded);
    for conn in 1..=3 {
        house.connect(conn, who(conn, 1));
    }
    assert_eq!((house.enter(1, 0), house.enter(2, 0)), (vec![], vec![]));
    assert_eq!(house.enter(3, 0), denied(EnterDenial::Busy));
}

#[test]
fn nobody_waits_for_the_manager_for_ever() {
    let mut house = House::dark(config(1, 1), unguarded);
    house.connect(1, who(1, 1));
    house.enter(1, 0);
    house.pass(9_999);
    assert_eq!(house.heard(1), []);
    house.pass(1);
    assert_eq!(house.heard(1), denied(EnterDenial::Busy));
    assert_eq!(house.figure("usher_places_held"), 0);
    house.link_up();
    assert!(!house.told_manager().iter().any(|it| matches!(it, Message::Claim(_) | Message::Release(_))));
    house.enter(1, 0);
    house.pass(10_000);
    assert_eq!(house.heard(1), denied(EnterDenial::Busy));
    let asked = house.told_manager();
    assert!(matches!(asked[..], [Message::Claim(_), Message::Release(_)]), "{asked:?}");
}

#[test]
fn outside_a_room_everything_is_denied_and_the_rest_shown_out() {
    let mut house = House::open(config(1, 2));
    house.connect(1, who(1, 1));
    let not_seated = Message::from(TableDenied { reason: TableDenial::NotSeated });
    let cases: [(Message, Message); 10] = [
        (
            Chat { request: 5, text: "hello".into() }.into(),
            ChatDenied { request: 5, reason: ChatDenial::NotInside }.into(),
        ),
        (Sit { table: None, seat: None }.into(), SitDenied { reason: SitDenial::NotInside }.into()),
        (Stand {}.into(), Stood { from: None, dismissed: false }.into()),
        (
            Act { hand: 1, turn: 2, action: vec![1].into() }.into(),
            ActDenied { hand: 1, turn: 2, reason: ActDenial::NotSeated }.into(),
        ),
        (
            TableChat { request: 6, text: "hello".into() }.into(),
            ChatDenied { request: 6, reason: ChatDenial::NotInside }.into(),
        ),
        (Watch { table: TableNo(0) }.into(), WatchDenied { reason: WatchDenial::NotInside }.into()),
        (Unwatch {}.into(), Unwatched { table: None }.into()),
        (Ready { ready: true }.into(), not_seated.clone()),
        (SetTableRules { rules: TableRules::default() }.into(), not_seated.clone()),
        (Dismiss { seat: 0 }.into(), not_seated),
    ];
    house.say(1, WhoIsHere {});
    assert_eq!(house.heard(1), [], "nobody is to be told of");
    for (said, answer) in cases {
        house.say(1, said);
        assert_eq!(house.heard(1), [answer]);
    }
    for (said, conn) in [(Message::from(Leave {}), 2), (GetDirectory { game: None }.into(), 3)] {
        house.connect(conn, who(conn, 1));
        house.say(conn, said);
        assert_eq!(house.reason(conn), Some(CloseReason::Unexpected));
    }
    assert_eq!(house.figure("usher_serving"), 1);
}

#[test]
fn inside_too_what_nobody_says_there_closes() {
    let mut house = House::open(config(1, 2));
    house.arrive(1, who(1, 1), 0);
    house.say(1, GetDirectory { game: None });
    assert_eq!(house.reason(1), Some(CloseReason::Unexpected));
    assert_eq!((house.figure("usher_players"), house.figure("usher_serving")), (0, 0));
}

#[test]
fn entering_twice_at_once_closes() {
    let mut house = House::dark(config(1, 2), unguarded);
    house.connect(1, who(1, 1));
    house.enter(1, 0);
    house.enter(1, 0);
    assert_eq!(house.reason(1), Some(CloseReason::Unexpected));
    assert_eq!((house.figure("usher_claims_pending"), house.figure("usher_places_held")), (0, 0));
}

#[test]
fn who_leaves_is_told_when_the_manager_knows_and_may_enter_again() {
    let mut house = House::open(config(2, 2));
    house.arrive(1, who(1, 1), 0);
    house.say(1, Chat { request: 1, text: "bye".into() });
    house.heard(1);
    house.told_manager();
    house.say(1, Leave {});
    assert_eq!(house.heard(1), [Left { seq: 1 }.into()]);
    assert!(matches!(house.told_manager()[..], [Message::Release(_)]));
    assert_eq!((house.figure("usher_players"), house.figure("usher_places_held")), (0, 0));
    assert_eq!(house.figure("usher_left_total"), 1);
    assert_eq!(entered(&house.enter(1, 1)).room, RoomNo(1));
}

#[test]
fn until_the_manager_knows_one_has_not_left() {
    let mut house = House::open(config(2, 2));
    house.arrive(1, who(1, 1), 0);
    house.presence = None;
    house.say(1, Leave {});
    assert_eq!(house.enter(1, 1), denied(EnterDenial::AlreadyInside));
    house.link_down();
    assert_eq!(house.heard(1), [Left { seq: 0 }.into()]);
}
