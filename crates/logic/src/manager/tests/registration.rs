//! Who is in the cluster: registering, leases, coming back, restarts, time that jumps.
//!
//! Read next: [`super::super::registry`].

use super::*;
use usher_proto::limits::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX, PRESENT_PLAYERS_MAX, ROOMS_MAX};
use usher_proto::message::{
    Arbitrate, Closing, DrainOrder, Evicted, Locate, Redeemed, RegisterDenial, RegisterDenied, RoomsGone,
};

#[test]
fn a_server_is_up_when_all_its_players_are_presented() {
    let mut cluster = Cluster::new();
    let facts = Register { players: 3, ..cluster.facts(ServerKind::Room, "room-1") };
    let conn = cluster.join(facts);
    assert_eq!(cluster.state("room-1"), "joining");
    cluster.say(conn, Present { players: vec![present(player(1, 1), 0, 0), present(player(2, 1), 0, 0)] });
    assert_eq!(cluster.state("room-1"), "joining");
    cluster.say(conn, Present { players: vec![present(player(3, 1), 1, 0)] });
    assert_eq!(cluster.state("room-1"), "up");
    assert_eq!(cluster.figure("usher_presence_players"), 3);
}

#[test]
fn what_is_malformed_is_denied_and_closed() {
    type Spoil = fn(&mut Register);
    let spoils: [(&str, Spoil); 10] = [
        ("another name than the link proved", |facts| facts.name = "room-2".into()),
        ("a manager", |facts| facts.kind = ServerKind::Manager),
        ("no address", |facts| facts.address = "".into()),
        ("a long address", |facts| facts.address = "a".repeat(ADDRESS_BYTES_MAX + 1).into()),
        ("rooms in a hall", |facts| facts.kind = ServerKind::Hall),
        ("one room twice", |facts| facts.rooms[1].room = facts.rooms[0].room),
        ("a long room name", |facts| facts.rooms[0].name = "a".repeat(NAME_BYTES_MAX + 1).into()),
        ("too many rooms", |facts| {
            let room = |number| RoomReport { room: RoomNo(number), ..facts.rooms[0].clone() };
            facts.rooms = (0..=ROOMS_MAX as u16).map(room).collect();
        }),
        ("a clock ahead", |facts| facts.clock_unix_ms += 2_001),
        ("a clock behind", |facts| facts.clock_unix_ms -= 2_001),
    ];
    for (what, spoil) in spoils {
        let mut cluster = Cluster::new();
        let conn = cluster.link("room-1");
        let mut facts = cluster.facts(ServerKind::Room, "room-1");
        spoil(&mut facts);
        cluster.say(conn, facts);
        let clock = what.starts_with("a clock");
        let reason = if clock { RegisterDenial::ClockSkew } else { RegisterDenial::Malformed };
        assert_eq!(cluster.heard(conn), [RegisterDenied { reason }.into()], "{what}");
        assert_eq!(cluster.closed, [(conn, CloseReason::NotRegistered)], "{what}");
        assert_eq!(cluster.state("room-1"), "gone", "{what}");
    }
}

#[test]
fn a_name_too_long_or_empty_is_malformed() {
    for name in ["", &"n".repeat(NAME_BYTES_MAX + 1)] {
        let mut cluster = Cluster::new();
        let conn = cluster.link(name);
        cluster.say(conn, cluster.facts(ServerKind::Hall, name));
        assert_eq!(cluster.heard(conn), [RegisterDenied { reason: RegisterDenial::Malformed }.into()]);
    }
}

#[test]
fn a_clock_within_the_skew_is_registered() {
    let mut cluster = Cluster::new();
    for (name, clock_unix_ms) in [("a", 2_000_i64), ("b", -2_000)] {
        let facts = cluster.facts(ServerKind::Hall, name);
        let clock_unix_ms = facts.clock_unix_ms.saturating_add_signed(clock_unix_ms);
        cluster.join(Register { clock_unix_ms, ..facts });
        assert_eq!(cluster.state(name), "up");
    }
}

#[test]
fn who_has_not_registered_is_closed() {
    let mut cluster = Cluster::new();
    let conn = cluster.link("room-1");
    cluster.say(conn, Renew::default());
    assert_eq!(cluster.closed, [(conn, CloseReason::NotRegistered)]);
    cluster.say(conn, Renew::default());
    assert_eq!(cluster.closed.len(), 1, "what still arrives from a closed link is ignored");
}

#[test]
fn a_second_live_server_of_a_name_is_denied() {
    let mut cluster = Cluster::new();
    let first = cluster.room("room-1");
    let second = cluster.link("room-1");
    cluster.say(second, Register { incarnation: 2, ..cluster.facts(ServerKind::Room, "room-1") });
    assert_eq!(cluster.heard(second), [RegisterDenied { reason: RegisterDenial::NameTaken }.into()]);
    assert_eq!(cluster.closed, [(second, CloseReason::NotRegistered)]);
    cluster.cut(second);
    assert_eq!(cluster.state("room-1"), "up");
    assert_eq!(cluster.claim(first, player(1, 1), 0), Verdict::Granted);
}

#[test]
fn a_server_that_reconnects_before_its_old_link_is_seen_to_break_takes_it_over() {
    let mut cluster = Cluster::new();
    let old = cluster.room("room-1");
    let new = cluster.room("room-1");
    assert_eq!(cluster.closed, [(old, CloseReason::Replaced)]);
    cluster.cut(old);
    assert_eq!(cluster.state("room-1"), "up");
    assert_eq!(cluster.claim(new, player(1, 1), 0), Verdict::Granted);
}

#[test]
fn a_broken_link_is_suspect_at_once_and_gone_when_the_lease_ends() {
    let mut cluster = Cluster::new();
    let conn = cluster.room_with("room-1", vec![present(player(1, 1), 0, 0)]);
    cluster.run(3_000);
    cluster.cut(conn);
    assert_eq!(cluster.state("room-1"), "suspect");
    cluster.run(LEASE_MS - 1);
    assert_eq!(cluster.state("room-1"), "suspect");
    assert_eq!(cluster.figure("usher_presence_players"), 1);
    cluster.run(251);
    assert_eq!(cluster.state("room-1"), "gone");
    assert_eq!(cluster.figure("usher_presence_players"), 0);
}

#[test]
fn a_link_that_is_silent_for_a_lease_is_closed() {
    let mut cluster = Cluster::new();
    let conn = cluster.room("room-1");
    cluster.renewing.clear();
    cluster.run(LEASE_MS + 250);
    assert_eq!(cluster.closed, [(conn, CloseReason::NotRegistered)]);
    assert_eq!(cluster.state("room-1"), "gone");
    cluster.room("room-1");
    assert_eq!(cluster.state("room-1"), "up", "and its name is free again");
}

#[test]
fn any_message_prolongs_a_lease() {
    let messages: [Message; 3] =
        [Renew::default().into(), load(1, 1).into(), Redeemed { reservations: Vec::new() }.into()];
    for message in messages {
        let mut cluster = Cluster::new();
        let conn = cluster.room("room-1");
        cluster.renewing.clear();
        for _ in 0..3 {
            cluster.run(LEASE_MS - 500);
            cluster.say(conn, message.clone());
        }
        assert_eq!(cluster.state("room-1"), "up", "{message:?}");
    }
}

#[test]
fn who_comes_back_within_its_lease_keeps_what_it_presents_again_and_loses_the_rest() {
    let mut cluster = Cluster::new();
    let stays = present(player(1, 1), 0, 0);
    let first = cluster.room_with("room-1", vec![stays, present(player(2, 1), 1, 0)]);
    cluster.cut(first);
    let facts = Register { players: 1, ..cluster.facts(ServerKind::Room, "room-1") };
    let back = cluster.join(facts);
    let other = cluster.room("room-2");
    assert_eq!(cluster.claim(other, player(2, 1), 0), elsewhere("room-1", 1), "not before it is complete");
    cluster.say(back, Present { players: vec![stays] });
    cluster.sweep();
    assert_eq!(cluster.figure("usher_presence_players"), 1);
    assert_eq!(cluster.claim(other, player(1, 1), 0), elsewhere("room-1", 0));
    assert_eq!(cluster.claim(other, player(2, 1), 0), Verdict::Granted);
}

#[test]
fn a_presentation_cut_short_is_begun_again() {
    let mut cluster = Cluster::new();
    let players = vec![present(player(1, 1), 0, 0), present(player(2, 1), 0, 0)];
    let mut conn = cluster.room_with("room-1", players.clone());
    for _ in 0..3 {
        cluster.cut(conn);
        let facts = Register { players: 2, ..cluster.facts(ServerKind::Room, "room-1") };
        conn = cluster.join(facts);
        cluster.say(conn, Present { players: players[..1].to_vec() });
        assert_eq!(cluster.state("room-1"), "joining");
        assert_eq!(cluster.figure("usher_presence_players"), 2);
    }
    cluster.say(conn, Present { players: players[1..].to_vec() });
    cluster.sweep();
    assert_eq!(cluster.figure("usher_presence_players"), 2);
}

#[test]
fn a_restarted_server_is_another_one_its_players_are_gone() {
    let mut cluster = Cluster::new();
    let first = cluster.room_with("room-1", vec![present(player(1, 1), 0, 0)]);
    cluster.cut(first);
    let facts = Register { incarnation: 2, ..cluster.facts(ServerKind::Room, "room-1") };
    cluster.join(facts);
    let other = cluster.room("room-2");
    assert_eq!(cluster.claim(other, player(1, 1), 0), Verdict::Granted, "also before they are swept out");
    cluster.sweep();
    assert_eq!(cluster.figure("usher_presence_players"), 1);
}

#[test]
fn a_server_may_present_itself_anew_on_the_same_link() {
    let mut cluster = Cluster::new();
    let conn = cluster.room_with("room-1", vec![present(player(1, 1), 0, 0)]);
    cluster.say(conn, cluster.facts(ServerKind::Room, "room-1"));
    cluster.sweep();
    assert!(cluster.closed.is_empty());
    assert_eq!(cluster.state("room-1"), "up");
    assert_eq!(cluster.figure("usher_presence_players"), 0);
}

#[test]
fn in_its_first_lease_the_manager_expires_nothing() {
    let mut cluster = Cluster::unsettled(Config { lease: Duration::from_secs(4), ..Config::default() });
    let conn = cluster.room("room-1");
    cluster.cut(conn);
    cluster.run(LEASE_MS - 1);
    assert_eq!(cluster.state("room-1"), "suspect");
    cluster.run(300);
    assert_eq!(cluster.state("room-1"), "gone");
}

#[test]
fn the_first_lease_counts_from_the_managers_start_not_from_the_worlds() {
    let mut cluster = Cluster::new();
    cluster.run(60_000);
    cluster.restart();
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    let room = cluster.room("room-1");
    cluster.heard(hall);
    cluster.cut(room);
    cluster.run(LEASE_MS - 500);
    assert!(cluster.heard(hall).is_empty(), "nobody is told that rooms are gone");
}

#[test]
fn when_its_time_jumps_every_lease_gets_a_full_term() {
    let mut cluster = Cluster::new();
    let up = cluster.room("room-1");
    let suspect = cluster.room("room-2");
    cluster.cut(suspect);
    cluster.now = cluster.now + Duration::from_secs(3_600);
    cluster.step(Input::Timeout);
    assert_eq!((cluster.state("room-1"), cluster.state("room-2")), ("up", "suspect"));
    assert_eq!(cluster.figure("usher_time_jumps_total"), 1);
    assert!(cluster.closed.is_empty());
    cluster.run(LEASE_MS - 1);
    assert_eq!((cluster.state("room-1"), cluster.state("room-2")), ("up", "suspect"));
    cluster.run(300);
    assert_eq!((cluster.state("room-1"), cluster.state("room-2")), ("up", "gone"));
    assert_eq!(cluster.claim(up, player(1, 1), 0), Verdict::Granted);
}

#[test]
fn a_steady_clock_never_counts_as_a_jump() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    cluster.run(60_000);
    assert_eq!(cluster.figure("usher_time_jumps_total"), 0);
}

#[test]
fn only_servers_are_let_in_and_only_so_many() {
    let mut cluster = Cluster::with(Config { servers_max: 2, ..Config::default() });
    for peer in [Peer::Stranger, Peer::Player(player(1, 1))] {
        let conn = cluster.knock(peer);
        let refusal = Closing { reason: CloseReason::WrongRole }.into();
        assert_eq!(cluster.refused.pop(), Some((conn, refusal)));
    }
    let links = ["a", "b", "c"].map(|name| cluster.server_link(name));
    assert_eq!(cluster.closed, [(links[2], CloseReason::ConnectionsFull)], "a third server");
    cluster.link("d");
    cluster.link("e");
    let fifth = cluster.link("f");
    let refusal = Closing { reason: CloseReason::ConnectionsFull }.into();
    assert_eq!(cluster.refused, [(fifth, refusal)], "twice as many links as servers");
}

impl Cluster {
    fn server_link(&mut self, name: &str) -> ConnId {
        let conn = self.link(name);
        self.say(conn, self.facts(ServerKind::Hall, name));
        conn
    }
}

#[test]
fn what_a_server_may_not_say_closes_its_link_and_makes_it_suspect() {
    let identity = player(1, 1);
    let stranger = Identity { world: WorldId(2), ..identity };
    let claim = |identity, game, room| Claim { request: 1, identity, game, room: RoomNo(room) };
    let crowd = vec![present(identity, 0, 0); PRESENT_PLAYERS_MAX + 1];
    let unknown_room = PlayerPresent { game: CHESS, ..present(identity, 0, 0) };
    let evicted = Evicted { world: WORLD, account: identity.account, below: identity.generation };
    let cases: Vec<(ServerKind, Message)> = vec![
        (ServerKind::Hall, claim(identity, GOMOKU, 0).into()),
        (ServerKind::Room, claim(stranger, GOMOKU, 0).into()),
        (ServerKind::Room, claim(identity, GOMOKU, 9).into()),
        (ServerKind::Room, claim(identity, CHESS, 0).into()),
        (ServerKind::Login, Release { request: 1, identity, game: GOMOKU, room: RoomNo(0) }.into()),
        (ServerKind::Room, Arbitrate { request: 1, session: None, hops_left: 3 }.into()),
        (ServerKind::Room, Locate { request: 1, identity }.into()),
        (ServerKind::Hall, Locate { request: 1, identity: stranger }.into()),
        (ServerKind::Login, evicted.into()),
        (ServerKind::Hall, Present { players: Vec::new() }.into()),
        (ServerKind::Room, Present { players: crowd }.into()),
        (ServerKind::Room, Present { players: vec![unknown_room] }.into()),
        (ServerKind::Room, DrainOrder {}.into()),
        (ServerKind::Hall, Closing { reason: CloseReason::Finished }.into()),
    ];
    for (kind, message) in cases {
        let mut cluster = Cluster::new();
        let conn = cluster.server(kind, "server");
        cluster.heard(conn);
        cluster.say(conn, message.clone());
        assert_eq!(cluster.closed, [(conn, CloseReason::Unexpected)], "{message:?}");
        assert_eq!(cluster.state("server"), "suspect", "{message:?}");
        assert!(cluster.heard(conn).is_empty(), "{message:?}");
    }
}

#[test]
fn what_concerns_nobody_is_ignored() {
    let mut cluster = Cluster::new();
    let conn = ConnId(999);
    let peer = Peer::Server("room-1".into());
    cluster.step(Input::Connected { conn, peer });
    cluster.say(conn, Renew::default());
    cluster.cut(conn);
    cluster.step(Input::Answer { id: 5, answer: Answer::Reservation(Vec::new()) });
    cluster.step(Input::Answer { id: 6, answer: Answer::Ticket(None) });
    cluster.step(Input::LinkDown);
    assert!(cluster.inbox.is_empty() && cluster.closed.is_empty());
}

#[test]
fn a_manager_that_knows_nobody_needs_no_timer() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.manager.next_timeout(), None);
    let conn = cluster.room("room-1");
    assert!(cluster.manager.next_timeout().is_some());
    cluster.cut(conn);
    cluster.run(LEASE_MS + 2_000);
    assert_eq!(cluster.manager.next_timeout(), None, "nor one that has forgotten everybody");
}

#[test]
fn a_drained_manager_is_done_at_once() {
    let mut cluster = Cluster::new();
    cluster.step(Input::Drain);
    assert!(cluster.drained);
}

#[test]
fn who_is_ordered_to_drain_is_told_now_and_again_and_takes_nobody() {
    let mut cluster = Cluster::new();
    let (room, hall) = (cluster.room("room-1"), cluster.server(ServerKind::Hall, "hall-1"));
    cluster.heard(hall);
    let name = || "room-1".into();
    cluster.step(Input::DrainServer { name: name() });
    assert_eq!(cluster.heard(room), [DrainOrder {}.into()]);
    assert_eq!(cluster.heard(hall), [RoomsGone { server: name() }.into()]);
    assert_eq!(cluster.state("room-1"), "draining");
    cluster.cut(room);
    let room = cluster.room("room-1");
    assert_eq!(cluster.heard(room), [DrainOrder {}.into()], "it comes back and is told again");
    cluster.cut(room);
    let facts = Register { incarnation: 2, ..cluster.facts(ServerKind::Room, "room-1") };
    let room = cluster.join(facts);
    assert_eq!(cluster.heard(room), [], "another process of its name is not");
    assert_eq!(cluster.state("room-1"), "up");
    cluster.step(Input::DrainServer { name: "nobody".into() });
}

#[test]
fn a_draining_server_is_taken_out_of_the_directory_also_by_a_manager_that_has_just_started() {
    let mut cluster = Cluster::unsettled(Config::default());
    let (room, hall) = (cluster.room("room-1"), cluster.server(ServerKind::Hall, "hall-1"));
    cluster.heard(hall);
    cluster.say(room, Load { draining: true, ..load(0, 0) });
    assert_eq!(cluster.heard(hall), [RoomsGone { server: "room-1".into() }.into()]);
}
