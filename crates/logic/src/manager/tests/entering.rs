//! Who may be where: the rules (a) to (h), with requests lost, repeated and overtaken.
//!
//! Read next: [`super::super::presence`].

use super::*;
use usher_proto::message::{Evicted, Locate, Located, Revoked, SeatKept};

#[test]
fn a_an_older_login_is_denied() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    assert_eq!(cluster.claim(one, player(1, 2), 0), Verdict::Granted);
    for (conn, room) in [(one, 0), (one, 1), (two, 0)] {
        assert_eq!(cluster.claim(conn, player(1, 1), room), Verdict::Superseded);
    }
    assert_eq!(cluster.claim_in(two, player(1, 1), CHESS, 2), Verdict::Superseded, "in any game");
    assert_eq!(cluster.claim(two, player(2, 1), 0), Verdict::Granted, "another account");
    assert!(cluster.evictions(one).is_empty() && cluster.evictions(two).is_empty());
}

#[test]
fn a_an_older_login_is_denied_also_when_the_newer_one_has_left() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 2), 0);
    cluster.release(one, player(1, 2), 0);
    assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Superseded);
    assert_eq!(cluster.claim(one, player(1, 2), 1), Verdict::Granted);
}

#[test]
fn b_a_newer_login_is_granted_and_every_older_room_told() {
    let mut cluster = Cluster::new();
    let [one, two, three] = ["room-1", "room-2", "room-3"].map(|name| cluster.room(name));
    cluster.claim(one, player(1, 1), 0);
    cluster.claim_in(two, player(1, 1), CHESS, 2);
    assert_eq!(cluster.claim(three, player(1, 2), 0), Verdict::Granted);
    for conn in [one, two] {
        assert_eq!(cluster.evictions(conn), [evict(player(1, 2))]);
    }
    assert!(cluster.evictions(three).is_empty());
    assert_eq!(cluster.figure("usher_presence_places"), 1);
    let Evict { world, account, below } = evict(player(1, 2));
    cluster.say(one, Evicted { world, account, below });
    assert_eq!(cluster.figure("usher_evictions_total"), 2);
    assert_eq!(cluster.figure("usher_evictions_acknowledged_total"), 1);
}

#[test]
fn b_the_older_room_may_be_on_the_same_server() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.claim_in(one, player(1, 1), CHESS, 2);
    assert_eq!(cluster.claim(one, player(1, 2), 1), Verdict::Granted);
    assert_eq!(cluster.evictions(one), [evict(player(1, 2))], "one order is enough for a server");
}

#[test]
fn two_logins_at_once_end_with_exactly_one_whichever_is_first() {
    for newer_first in [false, true] {
        let mut cluster = Cluster::new();
        let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
        let (older, newer) = (player(1, 1), player(1, 2));
        if newer_first {
            assert_eq!(cluster.claim(two, newer, 0), Verdict::Granted);
            assert_eq!(cluster.claim(one, older, 0), Verdict::Superseded);
        } else {
            assert_eq!(cluster.claim(one, older, 0), Verdict::Granted);
            assert_eq!(cluster.claim(two, newer, 0), Verdict::Granted);
            assert_eq!(cluster.evictions(one), [evict(newer)]);
        }
        assert!(cluster.evictions(two).is_empty());
        assert_eq!(cluster.claim(two, newer, 0), Verdict::Granted, "and it is the newer one");
        assert_eq!(cluster.figure("usher_presence_places"), 1);
    }
}

#[test]
fn equal_generations_are_ordered_by_session() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    let older = player(1, 1);
    let newer = Identity { session: SessionId(older.session.0 + 1), ..older };
    assert_eq!(cluster.claim(one, older, 0), Verdict::Granted);
    assert_eq!(cluster.claim(two, newer, 0), Verdict::Granted);
    assert_eq!(cluster.evictions(one), [evict_this(older)], "below its own generation would spare it");
    assert_eq!(cluster.claim(one, older, 0), Verdict::Superseded);
}

#[test]
fn c_the_same_login_in_another_room_of_the_game_is_sent_back() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    assert_eq!(cluster.claim(two, player(1, 1), 0), elsewhere("room-1", 0));
    assert_eq!(cluster.claim(one, player(1, 1), 1), elsewhere("room-1", 0));
    assert_eq!(cluster.figure("usher_claims_total{verdict=\"elsewhere\"}"), 2);
    assert_eq!(cluster.claim_in(two, player(1, 1), CHESS, 2), Verdict::Granted, "another game");
    assert_eq!(cluster.figure("usher_presence_places"), 2);
    assert_eq!(cluster.figure("usher_presence_players"), 1);
}

#[test]
fn c_unless_that_server_is_suspect_and_when_it_returns_the_older_place_goes() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    assert_eq!(cluster.claim(two, player(1, 1), 1), Verdict::Granted);
    // Its clock is ahead, and it says the player came later than it did.
    let late = STARTED_UNIX_MS + cluster.now.as_millis() + 2_000;
    let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, late)]);
    assert_eq!(cluster.evictions(one), [evict_this(player(1, 1))]);
    assert!(cluster.evictions(two).is_empty());
    assert_eq!(cluster.claim(one, player(1, 1), 0), elsewhere("room-2", 1));
}

#[test]
fn c_a_seat_kept_at_a_suspect_server_is_good_again_when_the_player_has_left_elsewhere() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    cluster.claim(two, player(1, 1), 0);
    cluster.release(two, player(1, 1), 0);
    let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, 5)]);
    assert!(cluster.evictions(one).is_empty());
    assert_eq!(cluster.claim(two, player(1, 1), 0), elsewhere("room-1", 0));
}

#[test]
fn c_or_gone() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    cluster.run(LEASE_MS + 250);
    assert_eq!(cluster.claim(two, player(1, 1), 0), Verdict::Granted);
}

#[test]
fn d_the_same_login_in_the_same_room_is_granted_again() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    for _ in 0..3 {
        assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Granted);
    }
    assert!(cluster.evictions(one).is_empty());
    assert_eq!(cluster.figure("usher_presence_places"), 1);
}

#[test]
fn d_a_verdict_that_was_lost_with_the_link_is_given_again() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    let one = cluster.room("room-1");
    cluster.sweep();
    assert_eq!(cluster.figure("usher_presence_places"), 0, "it was not presented: it is not there yet");
    assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Granted);
    assert_eq!(cluster.figure("usher_presence_places"), 1);
}

#[test]
fn d_a_claim_repeated_while_its_server_is_joining_outlives_the_joining() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    let facts = Register { players: 1, ..cluster.facts(ServerKind::Room, "room-1") };
    let one = cluster.join(facts);
    assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Granted);
    cluster.say(one, Present { players: vec![present(player(2, 1), 0, 0)] });
    cluster.sweep();
    assert_eq!(cluster.figure("usher_presence_places"), 2);
}

#[test]
fn e_a_newer_login_takes_the_seat_over_so_its_own_room_is_not_told_to_evict() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.claim_in(two, player(1, 1), CHESS, 2);
    assert_eq!(cluster.claim(one, player(1, 2), 0), Verdict::Granted);
    assert!(cluster.evictions(one).is_empty());
    assert_eq!(cluster.evictions(two), [evict(player(1, 2))], "the other older room is");
}

#[test]
fn e_a_newer_login_that_left_before_it_took_the_seat_over_leaves_no_older_one_behind() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.claim(one, player(1, 2), 0);
    cluster.release(one, player(1, 2), 0);
    assert_eq!(cluster.evictions(one), [evict(player(1, 2))]);
    assert_eq!(cluster.figure("usher_presence_places"), 0);
}

#[test]
fn f_a_release_is_always_answered_and_counts_once_for_the_one_who_left() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 2), 0);
    cluster.release(one, player(1, 1), 0);
    cluster.release(one, player(1, 2), 1);
    cluster.release(two, player(1, 2), 0);
    cluster.release(one, player(9, 9), 0);
    assert_eq!(cluster.figure("usher_presence_places"), 1, "none of these left that room");
    for _ in 0..2 {
        cluster.release(one, player(1, 2), 0);
        assert_eq!(cluster.figure("usher_presence_places"), 0);
    }
    assert!(cluster.evictions(one).is_empty());
    assert_eq!(cluster.claim(two, player(1, 2), 0), Verdict::Granted);
}

#[test]
fn f_a_release_sent_after_a_reconnect_finds_the_place_of_before() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    let facts = Register { players: 1, ..cluster.facts(ServerKind::Room, "room-1") };
    let one = cluster.join(facts);
    cluster.release(one, player(1, 1), 0);
    assert_eq!(cluster.figure("usher_presence_places"), 0);
}

#[test]
fn g_a_seat_at_a_suspect_or_draining_server_is_not_shown() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    cluster.claim(one, player(1, 1), 1);
    cluster.claim_in(two, player(1, 1), CHESS, 3);
    let seat = |server: &str, room, game| SeatKept {
        address: address_of(server).as_str().into(),
        room: RoomNo(room),
        game,
    };
    let both = vec![seat("room-1", 1, GOMOKU), seat("room-2", 3, CHESS)];
    assert_eq!(cluster.locate(hall, player(1, 1)), both);
    assert_eq!(cluster.locate(hall, player(1, 2)), [], "another login has no seat");
    assert_eq!(cluster.locate(hall, player(2, 1)), [], "nor has a stranger");
    cluster.say(two, Load { draining: true, ..load(0, 0) });
    assert_eq!(cluster.locate(hall, player(1, 1)), both[..1]);
    cluster.cut(one);
    assert_eq!(cluster.locate(hall, player(1, 1)), []);
}

impl Cluster {
    fn locate(&mut self, hall: ConnId, identity: Identity) -> Vec<SeatKept> {
        self.heard(hall);
        self.say(hall, Locate { request: 5, identity });
        match self.heard(hall).pop() {
            Some(Message::Located(Located { request: 5, seats })) => seats,
            other => panic!("{other:?} says nothing of seats"),
        }
    }
}

#[test]
fn g_an_order_to_evict_that_was_lost_with_the_link_is_given_again() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    cluster.claim(two, player(1, 2), 0);
    for lease_ended in [false, true] {
        if lease_ended {
            cluster.run(LEASE_MS + 250);
        }
        let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, 0)]);
        assert_eq!(cluster.evictions(one), [evict(player(1, 2))], "lease ended: {lease_ended}");
        cluster.cut(one);
    }
}

#[test]
fn g_an_older_login_is_evicted_also_when_the_newer_one_has_left() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    cluster.claim(two, player(1, 2), 0);
    cluster.release(two, player(1, 2), 0);
    let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, 0)]);
    assert_eq!(cluster.evictions(one), [evict(player(1, 2))]);
    assert_eq!(cluster.figure("usher_presence_places"), 0);
}

/// What two servers present to a manager that has just started, and which of them is told to evict whom.
#[test]
fn h_after_a_restart_of_the_manager_disagreement_is_settled() {
    let (older, newer) = (player(1, 1), player(1, 2));
    let cases = [
        ("newer second", (older, 900), (newer, 100), Some((0, evict(newer)))),
        ("newer first", (newer, 100), (older, 900), Some((1, evict(newer)))),
        ("one login, later second", (older, 100), (older, 200), Some((0, evict_this(older)))),
        ("one login, later first", (older, 200), (older, 100), Some((1, evict_this(older)))),
        ("one login, at once", (older, 100), (older, 100), Some((1, evict_this(older)))),
        ("two accounts", (older, 100), (player(2, 1), 100), None),
    ];
    for (what, (first, first_ms), (second, second_ms), expected) in cases {
        let mut cluster = Cluster::new();
        cluster.restart();
        let one = cluster.room_with("room-1", vec![present(first, 0, first_ms)]);
        let two = cluster.room_with("room-2", vec![present(second, 0, second_ms)]);
        for (at, conn) in [one, two].into_iter().enumerate() {
            let told: Vec<_> =
                expected.iter().filter(|(loser, _)| *loser == at).map(|(_, evict)| *evict).collect();
            assert_eq!(cluster.evictions(conn), told, "{what}, server {at}");
        }
        let places = if expected.is_some() { 1 } else { 2 };
        assert_eq!(cluster.figure("usher_presence_places"), places, "{what}");
    }
}

#[test]
fn h_a_login_evicted_at_a_server_loses_its_places_in_other_games_there_too() {
    let mut cluster = Cluster::new();
    let identity = player(1, 1);
    let chess = |room| PlayerPresent { game: CHESS, room: RoomNo(room), ..present(identity, 0, 1) };
    cluster.room_with("room-1", vec![present(identity, 0, 100)]);
    let two = cluster.room_with("room-2", vec![chess(2), present(identity, 0, 50)]);
    assert_eq!(cluster.evictions(two), [evict_this(identity)]);
    assert_eq!(cluster.figure("usher_presence_places"), 1);
}

#[test]
fn h_a_room_granted_by_this_manager_is_later_than_one_presented_afterwards() {
    let mut cluster = Cluster::new();
    cluster.restart();
    let two = cluster.room("room-2");
    assert_eq!(cluster.claim(two, player(1, 1), 0), Verdict::Granted);
    let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, u64::MAX)]);
    assert_eq!(cluster.evictions(one), [evict_this(player(1, 1))]);
    assert!(cluster.evictions(two).is_empty());
}

#[test]
fn h_a_room_granted_stays_later_when_its_own_server_presents_it() {
    let mut cluster = Cluster::new();
    let (one, two) = (cluster.room("room-1"), cluster.room("room-2"));
    cluster.claim(one, player(1, 1), 0);
    cluster.cut(one);
    cluster.claim(two, player(1, 1), 0);
    cluster.cut(two);
    let two = cluster.room_with("room-2", vec![present(player(1, 1), 0, 100)]);
    // Its clock is ahead.
    let one = cluster.room_with("room-1", vec![present(player(1, 1), 0, 200)]);
    assert_eq!(cluster.evictions(one), [evict_this(player(1, 1))]);
    assert!(cluster.evictions(two).is_empty());
}

#[test]
fn what_is_presented_twice_is_there_once() {
    let mut cluster = Cluster::new();
    let players = vec![present(player(1, 1), 0, 10), present(player(1, 1), 0, 10)];
    let one = cluster.room_with("room-1", players);
    assert!(cluster.evictions(one).is_empty());
    assert_eq!(cluster.figure("usher_presence_places"), 1);
}

#[test]
fn a_fence_is_forgotten_after_its_time() {
    let mut cluster = Cluster::with(Config { fence_ttl: Duration::from_secs(10), ..Config::default() });
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 2), 0);
    cluster.release(one, player(1, 2), 0);
    cluster.run(9_000);
    assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Superseded, "which does not prolong it");
    cluster.run(1_000);
    assert_eq!(cluster.figure("usher_presence_entries"), 0);
    assert_eq!(cluster.claim(one, player(1, 1), 0), Verdict::Granted);
}

#[test]
fn who_came_back_is_not_forgotten_with_the_fence_of_before() {
    let mut cluster = Cluster::with(Config { fence_ttl: Duration::from_secs(10), ..Config::default() });
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.release(one, player(1, 1), 0);
    cluster.run(5_000);
    cluster.claim(one, player(1, 1), 0);
    cluster.run(6_000);
    assert_eq!(cluster.figure("usher_presence_players"), 1);
    cluster.release(one, player(1, 1), 0);
    cluster.run(9_000);
    assert_eq!(cluster.figure("usher_presence_entries"), 1);
}

#[test]
fn the_oldest_fence_makes_way_and_when_there_is_none_a_newcomer_is_denied() {
    let mut cluster = Cluster::with(Config { presence_max: 2, ..Config::default() });
    let one = cluster.room("room-1");
    cluster.claim(one, player(1, 1), 0);
    cluster.claim(one, player(2, 1), 0);
    assert_eq!(cluster.claim(one, player(3, 1), 0), Verdict::Superseded);
    assert_eq!(cluster.figure("usher_claims_total{verdict=\"full\"}"), 1);
    assert_eq!(cluster.claim(one, player(2, 2), 0), Verdict::Granted, "who is known needs no room");
    cluster.release(one, player(1, 1), 0);
    assert_eq!(cluster.claim(one, player(3, 1), 0), Verdict::Granted);
    assert_eq!(cluster.figure("usher_presence_entries"), 2);
}

#[test]
fn only_so_many_fences_are_kept() {
    let mut cluster = Cluster::with(Config { fences_max: 3, ..Config::default() });
    let one = cluster.room("room-1");
    for account in 0..10 {
        cluster.claim(one, player(account, 2), 0);
        cluster.release(one, player(account, 2), 0);
    }
    assert_eq!(cluster.figure("usher_presence_entries"), 3);
    assert_eq!(cluster.claim(one, player(9, 1), 0), Verdict::Superseded);
    assert_eq!(cluster.claim(one, player(0, 1), 0), Verdict::Granted);
}

#[test]
fn players_of_a_gone_server_are_swept_out_in_bounded_steps() {
    let mut cluster = Cluster::new();
    let players: Vec<_> = (0..1_000).map(|account| present(player(account, 1), 0, 0)).collect();
    let one = cluster.room_with("room-1", players);
    cluster.room_with("room-2", vec![present(player(5_000, 1), 0, 0)]);
    cluster.sweep();
    cluster.cut(one);
    cluster.now = cluster.now + Duration::from_millis(1_900);
    cluster.step(Input::Timeout);
    cluster.run(LEASE_MS);
    assert_eq!(cluster.figure("usher_presence_players"), 1);
    assert_eq!(cluster.figure("usher_presence_entries"), 1_001, "they are fenced as if they had left");
}

#[test]
fn an_account_of_another_world_is_another_account() {
    let mut cluster = Cluster::new();
    let one = cluster.room("room-1");
    let facts = Register { world: WorldId(2), ..cluster.facts(ServerKind::Room, "room-2") };
    let two = cluster.join(facts);
    cluster.claim(one, player(1, 2), 0);
    let there = Identity { world: WorldId(2), ..player(1, 1) };
    assert_eq!(cluster.claim(two, there, 0), Verdict::Granted);
}

#[test]
fn every_login_of_a_revoked_account_so_far_is_over_and_a_later_one_is_not() {
    let mut cluster = Cluster::new();
    let [one, two] = ["room-1", "room-2"].map(|name| cluster.room(name));
    cluster.claim(one, player(1, 1), 0);
    cluster.claim(two, player(2, 1), 0);
    cluster.step(Input::Revoke { account: AccountId(1) });
    cluster.step(Input::Revoke { account: AccountId(3) });
    let told = cluster.evictions(one);
    assert_eq!(told.len(), 1);
    assert!(told[0].account == AccountId(1) && told[0].below > player(1, 1).generation, "{told:?}");
    assert!(cluster.evictions(two).is_empty(), "nobody else is");
    assert_eq!(cluster.claim(two, player(1, 1), 0), Verdict::Superseded);
    assert_eq!(cluster.claim(two, player(3, 1), 0), Verdict::Superseded, "one that was nowhere, too");
    let later = Identity { generation: told[0].below, ..player(1, 1) };
    assert_eq!(cluster.claim(two, later, 0), Verdict::Granted);
    assert_eq!(cluster.figure("usher_revocations_total"), 2);
}

#[test]
fn every_server_keeps_what_was_revoked_for_a_manager_that_forgot() {
    let revoked = |told: Vec<Message>| -> Vec<_> {
        let logins = |message| if let Message::Revoked(said) = message { Some(said.logins) } else { None };
        told.into_iter().filter_map(logins).flatten().collect()
    };
    let mut cluster = Cluster::new();
    let (hall, room) = (cluster.server(ServerKind::Hall, "hall-1"), cluster.room("room-1"));
    cluster.claim(room, player(1, 1), 0);
    cluster.step(Input::Revoke { account: AccountId(1) });
    let said = revoked(cluster.heard(hall));
    assert_eq!(said[..], revoked(cluster.heard(room))[..]);
    let [(AccountId(1), below)] = said[..] else { panic!("{said:?}") };
    let late = cluster.server(ServerKind::Hall, "hall-2");
    assert_eq!(revoked(cluster.heard(late)), said, "who comes later is told, too");

    cluster.restart();
    let present = present(player(1, 1), 0, 5);
    let room = cluster.room_with("room-1", vec![present]);
    assert_eq!(cluster.evictions(room), [], "this manager has heard of nothing yet");
    let hall = cluster.server(ServerKind::Hall, "hall-1");
    cluster.say(hall, Revoked { logins: said.clone() });
    let told = cluster.heard(room);
    assert!(told.contains(&Evict { below, ..evict(player(1, 1)) }.into()), "{told:?}");
    assert_eq!(revoked(told), said);
    cluster.say(hall, Revoked { logins: said });
    assert_eq!(revoked(cluster.heard(room)), [], "said again it is no news");
    assert_eq!(cluster.claim(room, player(1, 1), 0), Verdict::Superseded);
    let back = cluster.room_with("room-2", vec![present]);
    assert_eq!(cluster.evictions(back), [Evict { below, ..evict(player(1, 1)) }], "nor by presenting it");
}
