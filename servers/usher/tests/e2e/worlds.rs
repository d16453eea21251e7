//! Two worlds under one manager, as real processes.
//!
//! Why: a login lists all worlds and lets in to its own; nothing else of a world is seen from another.
//! Read next: `crates/sim/tests/worlds.rs`, the same with crowds.

use crate::cluster::{Cluster, Folder, GUESTS};
use crate::page::{self, until, until_in_rooms};
use crate::wire::{self, Heard, greet, seat_guest, visit_hall};
use usher_proto::first_frame::Role;
use usher_proto::message::{CloseReason, Closing, ListWorlds, LogInDenial, WorldEntry};
use usher_proto::{Message, ServerKind, WorldId};

const ROOM: &str = "[[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 1\ncapacity = 8\n";
/// One visitor at a time.
const ONE: &str = "[limits]\nserve_max = 1\nconnections_max = 50\n";

/// A login, a hall and a room server of each world. `limits` are those of the first world's login.
fn two_worlds(limits: &str) -> Cluster {
    let mut cluster = Cluster::in_folder(Folder::new());
    cluster.add(ServerKind::Manager, "manager", "127.0.0.1:0", "");
    for world in [1, 2] {
        let own = format!("world = {world}\n");
        let limits = if world == 1 { limits } else { "" };
        for (kind, sections) in [
            (ServerKind::Room, ROOM.to_owned()),
            (ServerKind::Hall, String::new()),
            (ServerKind::Login, format!("{limits}{GUESTS}")),
        ] {
            let name = format!("{}{world}", kind.as_str());
            cluster.add(kind, &name, "127.0.0.1:0", &format!("{own}{sections}"));
        }
    }
    for name in ["login1", "hall1", "room1", "login2", "hall2", "room2"] {
        until(&format!("{name} is up"), || {
            (page::state(cluster.admin("manager"), name)? == "up").then_some(())
        });
    }
    cluster
}

fn worlds(login: &str) -> Option<Vec<WorldEntry>> {
    let mut wire = greet(login, Role::Login, b"").ok()?;
    wire.say(ListWorlds {});
    let worlds = match wire.hear() {
        Heard::Said(Message::Worlds(worlds)) => worlds.worlds,
        other => panic!("{other:?}"),
    };
    assert_eq!(wire.last_word(), Some(CloseReason::Finished));
    Some(worlds)
}

#[test]
fn worlds_are_listed_with_their_people_and_nothing_else_of_one_is_seen_in_the_other() {
    let cluster = two_worlds("");
    let (first, second) = (cluster.address("login1"), cluster.address("login2"));
    let one = until("the first world's rooms", || {
        let guest = wire::log_in_to(first, WorldId(1)).ok()?;
        let (_, directory) = visit_hall(&guest.halls.first()?.0, &guest.ticket);
        (!directory.rooms.is_empty()).then_some((guest, directory))
    });
    assert!(one.1.rooms.iter().all(|room| *room.address.0 == *cluster.address("room1")));
    assert_eq!(&*one.0.halls[0].0, cluster.address("hall1"));
    assert_eq!(wire::log_in_to(first, WorldId(2)).unwrap_err(), LogInDenial::NoSuchWorld);
    let wrong_world = Message::from(Closing { reason: CloseReason::WrongWorld });
    for (server, role) in [("hall2", Role::Hall), ("room2", Role::Room)] {
        let refused = greet(cluster.address(server), role, &one.0.ticket).map(|_| ());
        assert_eq!(refused, Err(wrong_world.clone()), "{server}");
    }
    let seated: Vec<_> = (0..3).map(|_| seat_guest(first)).collect();
    until_in_rooms(cluster.admin("manager"), 3);
    let entry = |world: u16, players, login: &str| WorldEntry {
        world: WorldId(world),
        players,
        capacity: 12_000,
        logins: vec![login.into()],
    };
    let expected = [entry(1, 3, first), entry(2, 0, second)];
    for login in [first, second] {
        until("both worlds with their people", || {
            let listed = worlds(login)?;
            println!("{listed:?}");
            let listed = listed.iter().map(|it| (it.world, it.players, &it.logins));
            listed.eq(expected.iter().map(|it| (it.world, it.players, &it.logins))).then_some(())
        });
    }
    drop(seated);
}

#[test]
fn a_full_world_sends_nobody_to_another() {
    let cluster = two_worlds(ONE);
    let login = cluster.address("login1");
    let _visitor = until("a place at the login", || greet(login, Role::Login, b"").ok());
    for _ in 0..20 {
        let answer = greet(login, Role::Login, b"").map(|_| ());
        assert!(matches!(answer, Err(Message::Busy(_))), "{answer:?}");
    }
    wire::log_in_to(cluster.address("login2"), WorldId(2)).expect("the other world has places");
    let redirects = page::metric(cluster.admin("manager"), "usher_redirects_decided_total{kind=\"login\"}");
    assert_eq!(redirects, Some(0));
}
