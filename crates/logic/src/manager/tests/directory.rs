//! What halls and logins are told, and what the admin page shows.
//!
//! Read next: [`super::super::directory`].

use super::super::HallsOrder;
use super::*;
use usher_proto::machine::FlowView;
use usher_proto::message::{Arbitrate, Halls, RoomsGone, RoomsOf};

fn rooms_of(server: &str, populations: [u32; 4]) -> Message {
    let mut rooms = rooms();
    for (report, population) in rooms.iter_mut().zip(populations) {
        report.population = population;
    }
    RoomsOf { server: server.into(), address: Address::from(address_of(server)), rooms }.into()
}

fn rooms_gone(server: &str) -> Message {
    RoomsGone { server: server.into() }.into()
}

fn halls(names: &[&str]) -> Message {
    Halls { addresses: names.iter().map(|name| Address::from(address_of(name))).collect() }.into()
}

fn population(room: u16, population: u32) -> Load {
    Load { rooms: vec![(RoomNo(room), population)], ..load(0, 0) }
}

#[test]
fn a_hall_is_told_every_room_there_is_and_every_room_that_comes() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    assert_eq!(cluster.heard(hall), [rooms_of("room-1", [0; 4])]);
    cluster.room("room-2");
    assert_eq!(cluster.heard(hall), [rooms_of("room-2", [0; 4])]);
    let facts = Register { world: WorldId(2), ..cluster.facts(ServerKind::Room, "room-3") };
    cluster.join(facts);
    let facts = Register { players: 1, ..cluster.facts(ServerKind::Room, "room-4") };
    let joining = cluster.join(facts);
    cluster.run(3_000);
    assert_eq!(cluster.heard(hall), [], "not of another world, not before it is complete, not twice");
    cluster.say(joining, Present { players: vec![present(player(1, 1), 0, 0)] });
    assert_eq!(cluster.heard(hall), [rooms_of("room-4", [0; 4])]);
}

#[test]
fn populations_are_told_when_they_change_and_once_a_second() {
    let mut cluster = Cluster::new();
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    let room = cluster.room("room-1");
    cluster.heard(hall);
    for people in 1..=20 {
        cluster.say(room, population(1, people));
        cluster.say(room, population(9, people));
        cluster.run(100);
    }
    cluster.run(1_250);
    let mut told = cluster.heard(hall);
    assert!((2..=3).contains(&told.len()), "in about three seconds: {told:?}");
    assert_eq!(told.pop(), Some(rooms_of("room-1", [0, 20, 0, 0])));
    cluster.say(room, population(1, 20));
    cluster.run(3_000);
    assert_eq!(cluster.heard(hall), [], "nothing has changed");
}

#[test]
fn rooms_of_a_suspect_or_draining_server_are_withdrawn_at_once_and_once() {
    for draining in [false, true] {
        let mut cluster = Cluster::new();
        let hall = cluster.server(ServerKind::Hall, "hall-1");
        let room = cluster.room("room-1");
        cluster.heard(hall);
        if draining {
            cluster.say(room, Load { draining: true, ..population(0, 5) });
        } else {
            cluster.cut(room);
        }
        assert_eq!(cluster.heard(hall), [rooms_gone("room-1")], "draining: {draining}");
        cluster.run(2 * LEASE_MS);
        assert_eq!(cluster.heard(hall), [], "draining: {draining}");
    }
}

#[test]
fn rooms_of_a_silent_server_are_withdrawn_when_its_lease_ends() {
    let mut cluster = Cluster::new();
    let room = cluster.room("room-1");
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    cluster.heard(hall);
    cluster.renewing.remove(&room);
    cluster.run(LEASE_MS + 250);
    assert_eq!(cluster.heard(hall), [rooms_gone("room-1")]);
}

#[test]
fn a_server_that_comes_back_is_offered_again() {
    let mut cluster = Cluster::new();
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    let room = cluster.room("room-1");
    cluster.cut(room);
    cluster.heard(hall);
    cluster.room("room-1");
    assert_eq!(cluster.heard(hall), [rooms_of("room-1", [0; 4])]);
}

#[test]
fn a_hall_that_was_away_is_told_what_it_missed() {
    let mut cluster = Cluster::new();
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    let room = cluster.room("room-1");
    cluster.room("room-2");
    cluster.cut(hall);
    cluster.cut(room);
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    assert_eq!(cluster.heard(hall), [rooms_gone("room-1"), rooms_of("room-2", [0; 4])]);
}

#[test]
fn in_the_first_lease_nothing_is_withdrawn_and_afterwards_what_is_still_away() {
    let mut cluster = Cluster::unsettled(Config::default());
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    let conns = ["room-1", "room-2"].map(|name| cluster.room(name));
    cluster.heard(hall);
    for conn in conns {
        cluster.cut(conn);
    }
    let late = cluster.server(ServerKind::Hall, "hall-2");
    cluster.run(LEASE_MS - 500);
    cluster.room("room-2");
    assert_eq!(cluster.heard(hall), [rooms_of("room-2", [0; 4])]);
    assert_eq!(cluster.heard(late), [rooms_of("room-2", [0; 4])]);
    cluster.run(1_000);
    assert_eq!(cluster.heard(hall), [rooms_gone("room-1")]);
}

impl Cluster {
    /// What a login was told of halls since it was asked last.
    pub(super) fn told_halls(&mut self, login: ConnId) -> Vec<Message> {
        let heard = self.heard(login).into_iter();
        heard.filter(|message| matches!(message, Message::Halls(_))).collect()
    }
}

#[test]
fn logins_are_told_the_least_loaded_halls_first() {
    let mut cluster = Cluster::new();
    let login = cluster.server(ServerKind::Login, "login-1");
    assert_eq!(cluster.told_halls(login), [], "no halls, nothing to say");
    let conns = ["a", "b", "c", "d"].map(|name| cluster.server(ServerKind::Hall, name));
    for (conn, serving) in conns.into_iter().zip([40, 30, 20, 10]) {
        cluster.say(conn, load(serving, 0));
    }
    cluster.run(1_250);
    assert_eq!(cluster.told_halls(login).pop(), Some(halls(&["d", "c", "b"])));
    cluster.run(5_000);
    assert_eq!(cluster.told_halls(login), [], "nothing has changed");
    cluster.cut(conns[3]);
    cluster.run(250);
    assert_eq!(cluster.told_halls(login), [halls(&["c", "b", "a"])]);
    let second = cluster.server(ServerKind::Login, "login-2");
    assert_eq!(cluster.told_halls(second), [halls(&["c", "b", "a"])], "at once");
    for changes in 0..20 {
        cluster.say(conns[changes % 3], load((changes * 37 % 100) as u32, 0));
        cluster.run(100);
    }
    let told = cluster.told_halls(login).len();
    assert!((1..=3).contains(&told), "{told} times in two seconds");
}

#[test]
fn halls_are_named_by_name_if_the_config_says_so() {
    let mut cluster = Cluster::with(Config { halls_order: HallsOrder::Name, ..Config::default() });
    let conns = ["hall-2", "hall-1"].map(|name| cluster.server(ServerKind::Hall, name));
    cluster.say(conns[1], load(99, 0));
    let facts = Register { world: WorldId(2), ..cluster.facts(ServerKind::Hall, "hall-0") };
    cluster.join(facts);
    let login = cluster.server(ServerKind::Login, "login-1");
    cluster.run(3_000);
    assert_eq!(cluster.heard(login)[0], halls(&["hall-1", "hall-2"]));
}

#[test]
fn the_page_shows_everybody_at_most_once_a_second() {
    let mut cluster = Cluster::new();
    let room = cluster.room("room-1");
    cluster.server(ServerKind::Login, "login-1");
    cluster.say(room, Load { rooms: vec![(RoomNo(1), 6)], ..load(6, 1) });
    cluster.claim(room, player(1, 1), 1);
    cluster.claim(room, player(1, 1), 0);
    let shown = cluster.shown;
    cluster.run(10_000);
    let shown = cluster.shown - shown;
    assert!((9..=11).contains(&shown), "{shown} times in ten seconds");
    let names: Vec<_> = cluster.view.servers.iter().map(|server| (&*server.name.0, server.state)).collect();
    assert_eq!(names, [("login-1", "up"), ("room-1", "up")]);
    assert_eq!(cluster.view.servers[1].serving, 6);
    assert_eq!(cluster.view.rooms.len(), 4);
    assert_eq!(cluster.view.rooms[1].population, 6);
    assert_eq!((cluster.view.players_online, cluster.view.players_in_rooms), (1, 1));
    assert_eq!(cluster.view.claims_denied, 1);
}

#[test]
fn the_page_shows_who_sent_how_many_where_until_one_of_the_two_is_gone() {
    let mut cluster = Cluster::new();
    let [first, second] = ["hall-1", "hall-2"].map(|name| cluster.server(ServerKind::Hall, name));
    for conn in [first, second] {
        cluster.say(conn, load(0, 0));
    }
    for asker in [first, first, second] {
        cluster.say(asker, Arbitrate { request: 1, session: Some(SessionId(5)), hops_left: 3 });
    }
    cluster.say(first, Arbitrate { request: 2, session: Some(SessionId(5)), hops_left: 0 });
    cluster.run(1_500);
    let flow = |from: &str, to: &str, redirects| FlowView { from: from.into(), to: to.into(), redirects };
    let ClusterView { flows, redirects_hall, redirects_nobody, unix_ms, .. } = cluster.view.clone();
    assert_eq!(flows, [flow("hall-1", "hall-2", 2), flow("hall-2", "hall-1", 1)]);
    assert_eq!((redirects_hall, redirects_nobody), (3, 1));
    let age_ms = STARTED_UNIX_MS + cluster.now.as_millis() - unix_ms;
    assert!(age_ms <= 1_500, "{age_ms} ms old");

    cluster.cut(second);
    cluster.run(LEASE_MS + 1_500);
    let ClusterView { flows, redirects_unpaired, leases_ended, .. } = &cluster.view;
    assert_eq!((flows.as_slice(), *redirects_unpaired, *leases_ended), (&[][..], 3, 1));
}
