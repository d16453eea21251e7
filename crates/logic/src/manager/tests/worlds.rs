//! Worlds: one manager, and nothing of one world reaches another but its name and its numbers.
//!
//! Read next: [`super::super::directory`].

use super::*;
use usher_proto::message::{Announce, Arbitrate, Arbitrated, WorldEntry, WorldsUp};

const OTHER: WorldId = WorldId(2);

impl Cluster {
    /// A server of that world, which has reported what it serves.
    fn server_in(&mut self, world: WorldId, kind: ServerKind, name: &str, serving: u32) -> ConnId {
        let facts = Register { world, ..self.facts(kind, name) };
        let conn = self.join(facts);
        self.say(conn, load(serving, 0));
        conn
    }

    /// The list of worlds that it was told last, if it was told any.
    fn worlds(&mut self, conn: ConnId) -> Option<Vec<WorldEntry>> {
        let mut told = self.heard(conn).into_iter().filter_map(|message| match message {
            Message::WorldsUp(WorldsUp { worlds }) => Some(worlds),
            _ => None,
        });
        told.next_back()
    }

    fn sent_to(&mut self, asker: ConnId) -> Option<String> {
        self.heard(asker);
        self.say(asker, Arbitrate { request: 1, session: Some(SessionId(1)), hops_left: 3 });
        self.heard(asker).into_iter().find_map(|message| match message {
            Message::Arbitrated(Arbitrated { to, .. }) => to.map(|(address, _)| (*address.0).into()),
            _ => None,
        })
    }
}

fn entry(world: WorldId, players: u32, capacity: u32, logins: &[&str]) -> WorldEntry {
    let logins = logins.iter().map(|name| address_of(name).as_str().into()).collect();
    WorldEntry { world, players, capacity, logins }
}

#[test]
fn every_login_is_told_all_worlds_with_their_people_and_their_logins() {
    let mut cluster = Cluster::new();
    let one = cluster.server_in(WORLD, ServerKind::Login, "a-login-1", 0);
    assert_eq!(cluster.worlds(one).unwrap(), [entry(WORLD, 0, 0, &["a-login-1"])], "at once");
    let two = cluster.server_in(OTHER, ServerKind::Login, "b-login-1", 0);
    cluster.server_in(WORLD, ServerKind::Room, "a-room-1", 30);
    cluster.server_in(WORLD, ServerKind::Room, "a-room-2", 12);
    cluster.server_in(OTHER, ServerKind::Room, "b-room-1", 7);
    cluster.run(2_000);
    let all = [entry(WORLD, 42, 200, &["a-login-1"]), entry(OTHER, 7, 100, &["b-login-1"])];
    assert_eq!(cluster.worlds(one).unwrap(), all);
    assert_eq!(cluster.worlds(two).unwrap(), all);
    cluster.run(5_000);
    assert_eq!(cluster.worlds(one), None, "what has not changed is not said again");
}

#[test]
fn a_world_without_a_login_is_not_listed_and_a_silent_room_server_still_counts() {
    let mut cluster = Cluster::new();
    let login = cluster.server_in(WORLD, ServerKind::Login, "a-login-1", 0);
    let other = cluster.server_in(OTHER, ServerKind::Login, "b-login-1", 0);
    let room = cluster.server_in(OTHER, ServerKind::Room, "b-room-1", 7);
    cluster.run(2_000);
    assert_eq!(cluster.worlds(login).unwrap().len(), 2);
    cluster.cut(room);
    cluster.run(2_000);
    assert_eq!(cluster.worlds(login), None, "its players are where they were");
    cluster.cut(other);
    cluster.run(2_000);
    assert_eq!(cluster.worlds(login).unwrap(), [entry(WORLD, 0, 0, &["a-login-1"])]);
}

#[test]
fn the_list_is_bounded_and_holds_the_lowest_numbers() {
    let mut cluster = Cluster::new();
    let logins: Vec<_> = (1..=70)
        .map(|world| cluster.server_in(WorldId(world), ServerKind::Login, &format!("login-{world}"), 0))
        .collect();
    cluster.run(2_000);
    let worlds = cluster.worlds(logins[0]).unwrap();
    let numbers: Vec<_> = worlds.iter().map(|entry| entry.world.0).collect();
    assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
}

#[test]
fn a_full_world_sends_nobody_to_an_empty_one() {
    for kind in [ServerKind::Login, ServerKind::Hall] {
        let mut cluster = Cluster::new();
        let asker = cluster.server_in(WORLD, kind, "a-1", 100);
        let full = cluster.server_in(WORLD, kind, "a-2", 100);
        cluster.server_in(OTHER, kind, "b-1", 0);
        cluster.server_in(OTHER, kind, "b-2", 0);
        for _ in 0..100 {
            assert_eq!(cluster.sent_to(asker), None);
        }
        cluster.say(full, load(50, 0));
        assert_eq!(cluster.sent_to(asker).as_deref(), Some("a-2:1000"), "a place of its own world");
    }
}

#[test]
fn an_account_may_be_in_two_worlds_and_an_operator_ends_both() {
    let mut cluster = Cluster::new();
    let here = cluster.server_in(WORLD, ServerKind::Room, "a-room-1", 0);
    let there = cluster.server_in(OTHER, ServerKind::Room, "b-room-1", 0);
    let in_other = Identity { world: OTHER, ..player(1, 2) };
    assert_eq!(cluster.claim(here, player(1, 1), 0), Verdict::Granted);
    assert_eq!(cluster.claim(there, in_other, 0), Verdict::Granted, "the newer login is of another world");
    assert_eq!(cluster.evictions(here), []);
    cluster.step(Input::Revoke { account: AccountId(1) });
    let worlds = |evictions: Vec<Evict>| evictions.iter().map(|evict| evict.world).collect::<Vec<_>>();
    assert_eq!(worlds(cluster.evictions(here)), [WORLD]);
    assert_eq!(worlds(cluster.evictions(there)), [OTHER]);
}

#[test]
fn an_announcement_is_given_to_every_room_server_that_can_be_reached() {
    let mut cluster = Cluster::new();
    let here = cluster.server_in(WORLD, ServerKind::Room, "a-room-1", 0);
    let there = cluster.server_in(OTHER, ServerKind::Room, "b-room-1", 0);
    let suspect = cluster.server_in(WORLD, ServerKind::Room, "a-room-2", 0);
    let hall = cluster.server_in(WORLD, ServerKind::Hall, "a-hall-1", 0);
    cluster.cut(suspect);
    for conn in [here, there, suspect, hall] {
        cluster.heard(conn);
    }
    cluster.step(Input::Announce { text: "Closing at ten.".into() });
    for conn in [here, there] {
        assert_eq!(cluster.heard(conn), [Announce { text: "Closing at ten.".into() }.into()]);
    }
    assert_eq!((cluster.heard(suspect), cluster.heard(hall)), (vec![], vec![]));
    assert_eq!(cluster.figure("usher_announcements_total"), 1);
}

#[test]
fn a_server_does_not_speak_for_another_world() {
    let mut cluster = Cluster::new();
    let room = cluster.server_in(WORLD, ServerKind::Room, "a-room-1", 0);
    let stranger = Identity { world: OTHER, ..player(1, 1) };
    cluster.say(room, Claim { request: 1, identity: stranger, game: GOMOKU, room: RoomNo(0) });
    assert_eq!(cluster.closed.last(), Some(&(room, CloseReason::Unexpected)));
}
