//! Dropped connections: seats kept, resumed, replaced, given up.

use super::house::{House, config, entered, who};
use super::manager::Presence;
use crate::hand::unguarded;
use alloc::vec;
use alloc::vec::Vec;
use usher_proto::message::{Act, Chat, CloseReason, EnterDenial, SeatNo, TableState};
use usher_proto::{AccountId, ConnId, Message, RoomNo, TableNo};

const SEAT: SeatNo = SeatNo { table: TableNo(0), seat: 0 };

fn states(heard: &[Message]) -> Vec<&TableState> {
    heard
        .iter()
        .filter_map(|it| if let Message::TableState(state) = it { Some(state) } else { None })
        .collect()
}

/// Connections 1 and 2 play at table 0 of room 0; the manager has heard of it.
fn playing() -> House {
    let mut house = House::open(config(2, 4));
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.heard(1);
    house.told_manager();
    house
}

#[test]
fn who_drops_without_a_seat_is_gone() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.told_manager();
    house.drop(1);
    assert!(matches!(house.told_manager()[..], [Message::Release(_)]));
    for figure in ["usher_players", "usher_places_held", "usher_serving"] {
        assert_eq!(house.figure(figure), 0, "{figure}");
    }
}

#[test]
fn a_seat_is_kept_and_resumed_with_the_table_as_it_is() {
    let mut house = playing();
    house.drop(1);
    assert_eq!((house.figure("usher_players_absent"), house.figure("usher_players")), (1, 2));
    assert_eq!(house.told_manager(), [], "presence goes on");
    house.say(2, Act { hand: 1, turn: 0, action: vec![7].into() });
    house.pass(20_000);
    house.connect(3, who(1, 1));
    let heard = house.enter(3, 0);
    assert_eq!(entered(&heard).seat, Some(SEAT));
    let state = states(&heard)[0];
    assert!(state.playing && state.hand == 1 && !state.view.is_empty());
    assert_eq!(state.seats, [Some(AccountId(1)), Some(AccountId(2))]);
    assert_eq!(house.told_manager(), [], "this very login is present, so nothing is asked");
    house.say(3, Chat { request: 1, text: "back".into() });
    assert_eq!(house.heard(3).len(), 2, "accepted, and heard in the room");
}

#[test]
fn any_room_is_then_the_one_where_the_seat_is() {
    let mut house = playing();
    house.drop(1);
    house.connect(3, who(1, 1));
    assert_eq!(entered(&house.enter_any(3)).seat, Some(SEAT));
    let mut house = playing();
    house.drop(1);
    house.connect(3, who(1, 1));
    let there = EnterDenial::Elsewhere { address: "room".into(), room: RoomNo(0) };
    assert_eq!(house.enter(3, 1), super::house::denied(there));
}

#[test]
fn after_its_grace_a_seat_is_given_up() {
    let mut house = playing();
    house.drop(1);
    house.pass(59_999);
    assert_eq!(house.figure("usher_players"), 2);
    house.heard(2);
    house.pass(1);
    assert_eq!((house.figure("usher_players"), house.figure("usher_seats_given_up_total")), (1, 1));
    let told = house.told_manager();
    assert!(matches!(told[..], [Message::Release(release)] if release.identity == who(1, 1)));
    assert!(house.heard(2).iter().any(|it| matches!(it, Message::PlayerStood(_))));
    house.connect(3, who(1, 1));
    assert_eq!(entered(&house.enter(3, 0)).seat, None);
}

#[test]
fn the_clock_of_an_absent_player_runs_and_grace_abandons_the_hand() {
    let mut config = config(1, 4);
    config.seat_grace = core::time::Duration::from_secs(10);
    let mut house = House::open(config);
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.heard(1);
    house.drop(1);
    house.pass(10_000);
    let abandoned = house.heard(2);
    assert!(abandoned.iter().any(|it| matches!(it, Message::HandEnded(end) if &*end.reason == "abandoned")));
    assert_eq!(house.figure("usher_hands_playing"), 0);
}

#[test]
fn the_same_login_on_a_new_connection_replaces_the_old() {
    let mut house = playing();
    house.connect(3, who(1, 1));
    let heard = house.enter(3, 0);
    assert_eq!(entered(&heard).seat, Some(SEAT));
    assert_eq!(house.reason(1), Some(CloseReason::Replaced));
    assert_eq!((house.figure("usher_players"), house.figure("usher_serving")), (2, 2));
    assert_eq!(house.figure("usher_replaced_total"), 1);
    assert_eq!(house.told_manager(), []);
    house.drop(3);
    assert_eq!(house.figure("usher_players_absent"), 1);
}

#[test]
fn a_replaced_connection_has_nothing_more_to_say() {
    let mut house = playing();
    house.connect(3, who(1, 1));
    house.post(1, Chat { request: 1, text: "old".into() });
    // The old one's chat is on its way when the new one enters.
    house.enter(3, 0);
    house.heard(3);
    house.pass(0);
    assert!(house.figure("usher_chats_total") <= 1);
    assert_eq!(house.figure("usher_players_seated"), 2);
}

#[test]
fn the_stay_of_a_newcomer_survives_the_news_of_the_old_ones_end() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.connect(2, who(1, 1));
    house.told_manager();
    // Both at once: the floor hears that 1 is gone, the door hears that 2 enters.
    house.post_drop(1);
    let gone = house.ways()[0];
    house.deliver(gone);
    house.post(
        2,
        usher_proto::message::Enter {
            game: super::house::GOMOKU,
            room: None,
            last_seq: None,
            last_hand: None,
        },
    );
    let enters = super::house::Way::Client(ConnId(2));
    house.deliver(enters);
    house.settle();
    entered(&house.heard(2));
    assert_eq!((house.figure("usher_players"), house.figure("usher_places_held")), (1, 1));
    assert_eq!(house.told_manager(), [], "a release now would undo the presence of who is here");
}

#[test]
fn a_kept_seat_is_there_while_the_manager_is_away_and_the_server_full() {
    let mut config = config(1, 4);
    config.node.serve_max = 2;
    let mut house = House::dark(config, unguarded);
    house.presence = Some(Presence::default());
    house.link_up();
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.drop(1);
    house.connect(3, who(3, 1));
    assert!(!house.connect(4, who(4, 1)));
    house.link_down();
    assert!(house.connect(5, who(1, 1)));
    assert_eq!(entered(&house.enter(5, 0)).seat, Some(SEAT));
}
