//! kill -9: of a room server under load, and of the manager.
//!
//! Read next: `usher_logic::manager`, for leases, suspects, and how presence is rebuilt.

use crate::cluster::{Cluster, GUESTS, ROOMS, free_address, usher};
use crate::page::{PATIENCE, cluster as view, get, metric, until, until_in_rooms};
use crate::secrets;
use crate::wire::{GOMOKU, enter, greet, log_in, seat_guest, visit_hall};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use usher_proto::first_frame::Role;
use usher_proto::message::{Credentials, Enter};
use usher_proto::{Message, RoomNo, ServerKind};
use usher_runtime::clock;

const CROWD: u64 = 300;
/// `lease_ms`, as it is by default.
const LEASE: Duration = Duration::from_secs(4);
/// Two of these take the crowd.
const ROOM_OF_200: &str = "[[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 1\ncapacity = 200\n";

/// People in the rooms of the servers but that one.
fn in_rooms_but(view: &Value, server: &str) -> u64 {
    let rooms = view["rooms"].as_array().unwrap().iter().filter(|room| room["server"] != server);
    rooms.map(|room| room["population"].as_u64().unwrap()).sum()
}

/// The room server with the most people, and how many room servers have any.
fn fullest(view: &Value) -> (String, usize) {
    let rooms = view["rooms"].as_array().unwrap();
    let population = |room: &&Value| room["population"].as_u64().unwrap();
    let fullest = rooms.iter().max_by_key(population).unwrap();
    (fullest["server"].as_str().unwrap().into(), rooms.iter().filter(|room| population(room) > 0).count())
}

#[test]
fn players_of_a_killed_room_server_come_back_in_another_room() {
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room-1", ROOM_OF_200),
        (ServerKind::Room, "room-2", ROOM_OF_200),
        (ServerKind::Room, "room-3", ROOM_OF_200),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let (manager, began) = (cluster.admin("manager"), clock::instant());
    let report = cluster.folder.0.join("report.json");
    let mut crowd = usher()
        .args([
            "client-sim",
            "--quiet",
            "--die-with-parent",
            "--play",
            "chat",
            "--rate",
            "300",
            "--seconds",
            "8",
        ])
        .args(["--players", &CROWD.to_string(), "--login", cluster.address("login")])
        .args(["--login-key", &secrets::login_key().public().to_string(), "--json"])
        .arg(&report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until_in_rooms(manager, CROWD);
    // A manager tells nobody that rooms are gone before it has heard from everybody.
    until("the manager's first lease is over", || (clock::instant() - began > LEASE).then_some(()));
    let (victim, servers) = fullest(&view(manager).unwrap());
    assert!(servers >= 2, "all are on {victim}");
    let gone = cluster.address(&victim).to_string();
    let asker = log_in(cluster.address("login"), Credentials::Guest);
    let killed = clock::instant();
    cluster.server(&victim).kill();
    until("the hall offers none of its rooms", || {
        let (_, directory) = visit_hall(cluster.address("hall"), &asker.ticket);
        directory.rooms.iter().all(|room| *room.address.0 != *gone).then_some(())
    });
    let unlisted = clock::instant() - killed;
    assert!(unlisted < LEASE, "still offered after {unlisted:?}");
    until("all are in other rooms", || (in_rooms_but(&view(manager)?, &victim) == CROWD).then_some(()));
    let back = clock::instant() - killed;
    let status = until("the crowd's end", || crowd.try_wait().unwrap());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&CROWD.into(), &0.into()), "{report:#}");
    let drops: u64 = report["drops"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    let reconnects = report["reconnects"].as_u64().unwrap();
    assert!(drops > 0 && reconnects > 0, "{report:#}");
    assert!(report["delivered"]["expected"].as_u64() > Some(0), "nobody said anything: {report:#}");
    println!(
        "killed {victim} of {servers} with players: unlisted after {unlisted:?}, all {CROWD} in rooms again after \
         {back:?}; drops {}, reconnects {reconnects}, delivered {}",
        report["drops"], report["delivered"]
    );
}

#[test]
fn nobody_is_thrown_out_by_a_killed_manager_and_after_its_restart_new_players_are_seated() {
    let mut cluster = Cluster::in_folder(crate::cluster::Folder::new());
    cluster.add(ServerKind::Manager, "manager", &free_address(), "");
    cluster.add_all(&[
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    cluster.until_whole();
    let login = cluster.address("login").to_string();
    let [mut ann, mut ben] = [(); 2].map(|()| seat_guest(&login));
    until_in_rooms(cluster.admin("manager"), 2);

    cluster.server("manager").kill();
    for name in ["room", "hall", "login"] {
        let admin = cluster.admin(name);
        until("it notices", || (metric(admin, "usher_link_up")? == 0).then_some(()));
        assert_eq!(get(admin, "/readyz").unwrap().0, 200, "what serves goes on, {name}");
    }
    ann.chat("is anybody here");
    ben.hear_chat("is anybody here");
    let waiting = log_in(&login, Credentials::Guest);
    let (_, directory) = visit_hall(cluster.address("hall"), &waiting.ticket);
    assert!(!directory.rooms.is_empty(), "the hall still offers what it knows");
    let mut waiting = greet(cluster.address("room"), Role::Room, &waiting.ticket).unwrap();
    waiting.say(Enter { game: GOMOKU, room: Some(RoomNo(0)), last_seq: None, last_hand: None });

    cluster.restart(ServerKind::Manager, "manager");
    let ready = clock::instant();
    let _seated = until("a new guest gets a seat", || {
        let guest = log_in(&login, Credentials::Guest);
        let (_, directory) = visit_hall(&guest.halls.first()?.0, &guest.ticket);
        let room = directory.rooms.first()?;
        let (mut wire, _) = enter(&room.address.0, &guest.ticket, Some(room.room.0)).ok()?;
        wire.sit();
        Some(wire)
    });
    let took = clock::instant() - ready;
    assert!(took < PATIENCE / 3, "a new guest was seated only after {took:?}");
    let entered = waiting.await_said("the waiting claim's verdict", |message| match message {
        Message::Entered(entered) => Some(entered.room),
        Message::EnterDenied(denied) => panic!("{denied:?}"),
        _ => None,
    });
    ben.chat("we have been here all along");
    ann.hear_chat("we have been here all along");
    until_in_rooms(cluster.admin("manager"), 4);
    println!(
        "a new guest was seated {took:?} after the new manager was ready; the one who waited is in room {entered}"
    );
}
