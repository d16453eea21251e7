//! One account is in one place: the later login stays, the earlier is told why it goes.
//!
//! Read next: `usher_logic::manager`.

use crate::cluster::{ACCOUNTS_WITHOUT_HALL, Cluster, Folder, ROOMS};
use crate::page::{cluster as view, metric, until, until_in_rooms};
use crate::wire::{Wire, enter, log_in_as};
use std::sync::Barrier;
use usher_proto::message::{CloseReason, Closing, EnterDenial, EnterDenied, Entered, Leave, LoggedIn};
use usher_proto::{Message, RoomNo, ServerKind};

/// How often two logins come at the same instant, unless `USHER_DUPLICATE_ROUNDS` says otherwise.
const ROUNDS: usize = 50;

fn start() -> Cluster {
    let folder = Folder::new();
    folder.write_accounts(&["ada", "bob"]);
    let mut cluster = Cluster::in_folder(folder);
    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room-1", ROOMS),
        (ServerKind::Room, "room-2", ROOMS),
        (ServerKind::Login, "login", ACCOUNTS_WITHOUT_HALL),
    ]);
    for name in ["manager", "room-1", "room-2", "login"] {
        let admin = cluster.admin(name);
        until("every server ready", || (crate::page::get(admin, "/readyz")?.0 == 200).then_some(()));
    }
    cluster
}

/// A later login. Two of the same millisecond are ordered by chance.
fn log_in_after(earlier: &LoggedIn, cluster: &Cluster, name: &str) -> LoggedIn {
    until("a later login", || {
        let login = log_in_as(cluster.address("login"), name);
        login.identity.is_newer_than(&earlier.identity).then_some(login)
    })
}

fn leave(mut wire: Wire) {
    wire.say(Leave {});
    wire.await_said("Left", |message| matches!(message, Message::Left(_)).then_some(()));
}

#[test]
fn the_second_login_of_an_account_evicts_the_first_from_another_room_server() {
    let cluster = start();
    let manager = cluster.admin("manager");
    let first = log_in_as(cluster.address("login"), "ada");
    let second = log_in_after(&first, &cluster, "ada");
    assert_eq!(first.identity.account, second.identity.account);
    let (mut old, _) = enter(cluster.address("room-1"), &first.ticket, Some(0)).unwrap();
    old.sit();
    until_in_rooms(manager, 1);
    let (mut new, entered) = enter(cluster.address("room-2"), &second.ticket, Some(0)).unwrap();
    assert_eq!(entered.seat, None);
    assert_eq!(old.last_word(), Some(CloseReason::Evicted));
    until("one eviction and one player", || {
        let view = view(manager)?;
        (view["players_in_rooms"] == 1 && view["players_online"] == 1 && view["evictions"] == 1).then_some(())
    });
    new.chat("it is me who stayed");
    let again = enter(cluster.address("room-1"), &first.ticket, Some(0)).map(|(_, entered)| entered);
    assert_eq!(again, Err(EnterDenied { reason: EnterDenial::Superseded }.into()));
    println!("evicted with the reason, 1 in rooms, 1 eviction counted, the first login stays out");
}

#[test]
fn the_second_login_takes_over_the_seat_in_the_same_room() {
    let cluster = start();
    let first = log_in_as(cluster.address("login"), "ada");
    let second = log_in_after(&first, &cluster, "ada");
    let (mut old, _) = enter(cluster.address("room-1"), &first.ticket, Some(0)).unwrap();
    let seat = old.sit();
    let (mut new, entered) = enter(cluster.address("room-1"), &second.ticket, Some(0)).unwrap();
    assert_eq!((entered.seat, entered.population), (Some(seat), 1));
    assert_eq!(old.last_word(), Some(CloseReason::Evicted));
    new.chat("it is me who sits here");
    until_in_rooms(cluster.admin("manager"), 1);
    let room = cluster.admin("room-1");
    until("the room counts it", || (metric(room, "usher_evicted_total")? == 1).then_some(()));
}

#[test]
fn the_same_session_on_a_second_connection_replaces_the_first() {
    let cluster = start();
    let login = log_in_as(cluster.address("login"), "ada");
    let (mut old, _) = enter(cluster.address("room-1"), &login.ticket, Some(0)).unwrap();
    let seat = old.sit();
    let (mut new, entered) = enter(cluster.address("room-1"), &login.ticket, None).unwrap();
    assert_eq!(entered.seat, Some(seat));
    assert_eq!(old.last_word(), Some(CloseReason::Replaced));
    new.chat("the same, on another line");
    until_in_rooms(cluster.admin("manager"), 1);
}

#[test]
fn of_two_logins_at_the_same_instant_exactly_the_later_stays() {
    let cluster = start();
    let rounds =
        std::env::var("USHER_DUPLICATE_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let (mut met, mut denied) = (0, 0);
    for round in 0..rounds {
        let servers = if round % 2 == 0 { ["room-1", "room-2"] } else { ["room-1", "room-1"] };
        let [earlier, later] = come_at_once(&cluster, servers);
        let (mut stayed, _) = later.unwrap_or_else(|said| panic!("round {round}: the later got {said:?}"));
        match earlier {
            Ok((mut wire, _)) => {
                assert_eq!(wire.last_word(), Some(CloseReason::Evicted), "round {round}");
                met += 1;
            }
            Err(
                Message::EnterDenied(EnterDenied { reason: EnterDenial::Superseded })
                | Message::Closing(Closing { reason: CloseReason::Evicted }),
            ) => denied += 1,
            Err(other) => panic!("round {round}: the earlier got {other:?}"),
        }
        stayed.chat("still here");
        if round % 10 == 0 {
            until_in_rooms(cluster.admin("manager"), 1);
        }
        leave(stayed);
    }
    until_in_rooms(cluster.admin("manager"), 0);
    println!(
        "{rounds} times exactly the later stayed: the earlier was evicted {met} times, not let in {denied} times"
    );
}

type Entry = Result<(Wire, Entered), Message>;

/// Two log in as one, and enter at these servers; what came of the earlier login, then of the later.
fn come_at_once(cluster: &Cluster, servers: [&str; 2]) -> [Entry; 2] {
    let (door, servers) = (cluster.address("login"), servers.map(|name| cluster.address(name)));
    let (before_login, before_entry) = (Barrier::new(2), Barrier::new(2));
    let come = |server: &str| {
        before_login.wait();
        let login = log_in_as(door, "bob");
        before_entry.wait();
        let entry = enter(server, &login.ticket, Some(0));
        (login.identity, entry)
    };
    let [(one, first), (other, second)] = std::thread::scope(|scope| {
        let other = scope.spawn(|| come(servers[0]));
        let one = come(servers[1]);
        [one, other.join().unwrap()]
    });
    if one.is_newer_than(&other) { [second, first] } else { [first, second] }
}

#[test]
fn a_second_room_of_the_same_game_is_refused_with_the_address_of_the_first() {
    let cluster = start();
    let login = log_in_as(cluster.address("login"), "ada");
    let held = cluster.address("room-1");
    let (mut wire, _) = enter(held, &login.ticket, Some(1)).unwrap();
    let elsewhere = EnterDenial::Elsewhere { address: held.into(), room: RoomNo(1) };
    for (server, room) in [("room-2", 0), ("room-2", 1), ("room-1", 0)] {
        let denied = enter(cluster.address(server), &login.ticket, Some(room)).map(|(_, entered)| entered);
        assert_eq!(denied, Err(EnterDenied { reason: elsewhere.clone() }.into()), "{server}, room {room}");
    }
    wire.chat("still in the first");
    until_in_rooms(cluster.admin("manager"), 1);
    leave(wire);
    enter(cluster.address("room-2"), &login.ticket, Some(0)).expect("the first room was left");
}
