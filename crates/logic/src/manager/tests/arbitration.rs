//! Who takes a client: two choices, reservations as load, strangers, hops, limits.
//!
//! Read next: [`super::super::arbitration`].

use super::*;
use usher_proto::message::{Arbitrate, ArbitrateParty, Arbitrated, Delay, Redeemed};
use usher_proto::{Address, ReservationId};

const SESSION: Option<SessionId> = Some(SessionId(5));

impl Cluster {
    /// A server that has reported its load, so that it can be chosen.
    fn loaded(&mut self, kind: ServerKind, name: &str, report: Load) -> ConnId {
        let conn = self.server(kind, name);
        self.say(conn, report);
        conn
    }

    fn halls(&mut self, names: &[&str]) -> Vec<ConnId> {
        names.iter().map(|name| self.loaded(ServerKind::Hall, name, load(0, 0))).collect()
    }

    /// Asks who takes a client; the reservation that was sealed for it.
    fn arbitrate(&mut self, asker: ConnId, session: Option<SessionId>) -> Option<Reservation> {
        let sealed_before = self.seals.len();
        self.say(asker, Arbitrate { request: 9, session, hops_left: 3 });
        match self.arbitrated(asker).to {
            None => {
                assert_eq!(self.seals.len(), sealed_before);
                None
            }
            Some((address, sealed)) => {
                let (id, reservation) = self.seals.last().cloned().expect("a place is sealed");
                assert_eq!(sealed.as_slice(), id.to_be_bytes());
                assert_eq!(address, Address::from(address_of(&reservation.target.0)));
                assert_eq!((reservation.session, reservation.hops_left), (session, 2));
                Some(reservation)
            }
        }
    }

    fn arbitrated(&mut self, asker: ConnId) -> Arbitrated {
        let heard = self.heard(asker);
        let answers = heard.into_iter().filter_map(|message| match message {
            Message::Arbitrated(arbitrated) => Some(arbitrated),
            _ => None,
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(answers.len(), 1, "one answer to one question");
        assert_eq!(answers[0].request, 9);
        answers.into_iter().next().expect("counted above")
    }

    /// Where a client of `asker` is sent, by name.
    fn target(&mut self, asker: ConnId) -> Option<String> {
        self.arbitrate(asker, SESSION).map(|reservation| (*reservation.target.0).into())
    }

    fn ended(&self, how: &str) -> u64 {
        self.figure(&format!("usher_reservations_ended_total{{end=\"{how}\"}}"))
    }

    fn outstanding(&self) -> u64 {
        self.figure("usher_reservations_outstanding")
    }
}

#[test]
fn a_client_is_sent_to_another_server_of_the_same_kind_and_world() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    cluster.loaded(ServerKind::Login, "login-1", load(0, 0));
    cluster.loaded(ServerKind::Room, "room-1", load(0, 0));
    let facts = Register { world: WorldId(2), ..cluster.facts(ServerKind::Hall, "hall-9") };
    let other_world = cluster.join(facts);
    cluster.say(other_world, load(0, 0));
    for _ in 0..50 {
        let reservation = cluster.arbitrate(asker, SESSION).expect("hall-2 takes it");
        assert_eq!(reservation.target, "hall-2".into());
    }
    assert_eq!(cluster.figure("usher_redirects_decided_total{kind=\"hall\"}"), 50);
}

#[test]
fn nobody_takes_a_client_without_hops_or_when_there_is_nobody() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1"])[0];
    assert_eq!(cluster.arbitrate(asker, SESSION), None);
    cluster.halls(&["hall-2"]);
    cluster.say(asker, Arbitrate { request: 9, session: SESSION, hops_left: 0 });
    assert_eq!(cluster.arbitrated(asker).to, None);
    assert!(cluster.arbitrate(asker, SESSION).is_some());
}

#[test]
fn who_is_suspect_draining_full_or_has_not_reported_takes_nobody() {
    type Spoil = fn(&mut Cluster, ConnId);
    let cases: [(&str, Spoil); 5] = [
        ("suspect", |cluster, conn| cluster.cut(conn)),
        ("draining", |cluster, conn| cluster.say(conn, Load { draining: true, ..load(0, 0) })),
        ("full", |cluster, conn| cluster.say(conn, load(100, 0))),
        ("fast", |cluster, conn| cluster.say(conn, load(0, 1_000))),
        ("over", |cluster, conn| cluster.say(conn, load(u32::MAX, u32::MAX))),
    ];
    for (what, spoil) in cases {
        let mut cluster = Cluster::new();
        let halls = cluster.halls(&["hall-1", "hall-2"]);
        assert!(cluster.arbitrate(halls[0], SESSION).is_some());
        spoil(&mut cluster, halls[1]);
        assert_eq!(cluster.arbitrate(halls[0], SESSION), None, "{what}");
    }
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1"])[0];
    cluster.server(ServerKind::Hall, "hall-2");
    assert_eq!(cluster.arbitrate(asker, SESSION), None, "not reported");
}

#[test]
fn draining_is_never_taken_back() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    cluster.say(halls[1], Load { draining: true, ..load(0, 0) });
    cluster.say(halls[1], load(0, 0));
    assert_eq!(cluster.state("hall-2"), "draining");
    cluster.cut(halls[1]);
    cluster.halls(&["hall-2"]);
    assert_eq!(cluster.state("hall-2"), "draining", "not by coming back either");
    assert_eq!(cluster.arbitrate(halls[0], SESSION), None);
}

#[test]
fn outstanding_reservations_are_load_so_a_stale_report_starts_no_stampede() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    let taken = (0..500).filter(|_| cluster.arbitrate(asker, SESSION).is_some()).count();
    assert_eq!(taken, 100, "as many as its serve_max, no report having come");
    assert_eq!(cluster.outstanding(), 100);
}

#[test]
fn the_rate_limits_reservations_as_the_number_served_does() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1"])[0];
    cluster.loaded(ServerKind::Hall, "hall-2", load(0, 990));
    let taken = (0..500).filter(|_| cluster.arbitrate(asker, SESSION).is_some()).count();
    assert_eq!(taken, 10);
}

#[test]
fn a_redeemed_reservation_is_no_load_any_more_and_an_unredeemed_one_expires() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    let ids: Vec<ReservationId> =
        (0..4).map(|_| cluster.arbitrate(halls[0], SESSION).expect("there is room").id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    cluster.say(halls[1], Redeemed { reservations: vec![ids[2], ReservationId(1)] });
    assert_eq!(cluster.outstanding(), 3);
    cluster.say(halls[1], Redeemed { reservations: vec![ids[2]] });
    assert_eq!(cluster.outstanding(), 3, "once");
    cluster.say(halls[0], Redeemed { reservations: vec![ids[0]] });
    assert_eq!(cluster.outstanding(), 3, "only by its target");
    cluster.run(4_900);
    assert_eq!(cluster.outstanding(), 3);
    cluster.run(400);
    assert_eq!(cluster.outstanding(), 0);
}

#[test]
fn a_redeemed_place_counts_as_used_until_the_next_report_and_never_as_free() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1"])[0];
    let target = cluster.loaded(ServerKind::Hall, "hall-2", load(98, 0));
    let ids: Vec<_> = (0..2).map(|_| cluster.arbitrate(asker, SESSION).expect("there is room").id).collect();
    assert_eq!(cluster.arbitrate(asker, SESSION), None);
    // Twice the same, and one nobody gave: each place is used once.
    cluster.say(target, Redeemed { reservations: vec![ids[0], ids[0], ReservationId(1)] });
    cluster.say(target, Redeemed { reservations: vec![ids[1]] });
    assert_eq!(cluster.outstanding(), 0);
    assert_eq!(cluster.arbitrate(asker, SESSION), None, "both places are used");
    cluster.say(target, load(98, 0));
    assert!(cluster.arbitrate(asker, SESSION).is_some(), "the report knows better");
}

#[test]
fn an_expired_reservation_makes_room_in_the_very_moment() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1"])[0];
    cluster.loaded(ServerKind::Hall, "hall-2", load(99, 0));
    assert!(cluster.arbitrate(asker, SESSION).is_some());
    assert_eq!(cluster.arbitrate(asker, SESSION), None);
    cluster.run(5_000);
    assert!(cluster.arbitrate(asker, SESSION).is_some());
}

#[test]
fn strangers_hold_at_most_half_of_the_open_places() {
    let mut cluster = Cluster::new();
    let asker = cluster.loaded(ServerKind::Login, "login-1", load(0, 0));
    cluster.loaded(ServerKind::Login, "login-2", load(80, 0));
    let strangers = (0..50).filter(|_| cluster.arbitrate(asker, None).is_some()).count();
    assert_eq!(strangers, 10);
    let known = (0..50).filter(|_| cluster.arbitrate(asker, SESSION).is_some()).count();
    assert_eq!(known, 10, "the rest is for those who are known");
    assert_eq!(cluster.figure("usher_redirects_decided_total{kind=\"login\"}"), 20);
}

#[test]
fn equal_servers_get_equal_shares() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["a", "b", "c", "d", "e"])[0];
    let mut shares = BTreeMap::new();
    for _ in 0..320 {
        let reservation = cluster.arbitrate(asker, SESSION).expect("there is room");
        *shares.entry(reservation.target).or_insert(0_u32) += 1;
    }
    assert_eq!(shares.len(), 4);
    assert!(shares.values().all(|share| (70..=90).contains(share)), "{shares:?}");
}

#[test]
fn unequal_servers_fill_to_an_equal_part() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["a"])[0];
    for (name, serve_max) in [("small", 100), ("large", 300)] {
        let facts = Register { serve_max, ..cluster.facts(ServerKind::Hall, name) };
        let conn = cluster.join(facts);
        cluster.say(conn, load(0, 0));
    }
    let mut small = 0;
    for _ in 0..200 {
        let reservation = cluster.arbitrate(asker, SESSION).expect("there is room");
        small += u32::from(reservation.target == "small".into());
    }
    assert!((40..=60).contains(&small), "{small} of 200 went to a quarter of the places");
}

#[test]
fn a_target_that_broke_while_its_seal_was_made_gets_nobody() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    cluster.hold_seals = true;
    cluster.say(halls[0], Arbitrate { request: 9, session: SESSION, hops_left: 3 });
    cluster.cut(halls[1]);
    let (id, _) = cluster.seals[0];
    cluster.seal(id);
    assert_eq!(cluster.arbitrated(halls[0]).to, None);
    cluster.heard(halls[0]);
    cluster.seal(id);
    assert!(cluster.heard(halls[0]).is_empty(), "a second answer is nobody's");
}

#[test]
fn an_asker_that_broke_meanwhile_is_not_answered() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    cluster.hold_seals = true;
    cluster.say(halls[0], Arbitrate { request: 9, session: SESSION, hops_left: 3 });
    cluster.heard(halls[0]);
    cluster.cut(halls[0]);
    let (id, _) = cluster.seals[0];
    cluster.seal(id);
    assert!(cluster.heard(halls[0]).is_empty());
    assert_eq!(cluster.outstanding(), 1, "the place is kept until it expires");
}

#[test]
fn seals_that_never_come_are_bounded_and_forgotten() {
    let mut cluster = Cluster::with(Config { seals_max: 3, ..Config::default() });
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    cluster.hold_seals = true;
    for _ in 0..4 {
        cluster.heard(asker);
        cluster.say(asker, Arbitrate { request: 9, session: SESSION, hops_left: 3 });
    }
    assert_eq!(cluster.arbitrated(asker).to, None);
    assert_eq!(cluster.seals.len(), 3);
    cluster.run(5_300);
    cluster.hold_seals = false;
    cluster.heard(asker);
    assert!(cluster.arbitrate(asker, SESSION).is_some());
}

#[test]
fn a_target_keeps_only_so_many_places() {
    let mut cluster = Cluster::with(Config { reservations_max: 7, ..Config::default() });
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    let taken = (0..50).filter(|_| cluster.arbitrate(asker, SESSION).is_some()).count();
    assert_eq!(taken, 7);
}

#[test]
fn a_manager_that_starts_anew_never_repeats_a_reservation() {
    let mut cluster = Cluster::new();
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    let before = cluster.arbitrate(asker, SESSION).expect("there is room").id;
    cluster.run(1);
    cluster.restart();
    let asker = cluster.halls(&["hall-1", "hall-2"])[0];
    let after = cluster.arbitrate(asker, SESSION).expect("it arbitrates among those present").id;
    assert!(after > before);
}

#[test]
fn a_server_that_comes_back_still_has_its_places_kept() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    let id = cluster.arbitrate(halls[0], SESSION).expect("there is room").id;
    cluster.cut(halls[1]);
    let back = cluster.server(ServerKind::Hall, "hall-2");
    assert_eq!(cluster.outstanding(), 1);
    cluster.say(back, Redeemed { reservations: vec![id] });
    assert_eq!(cluster.outstanding(), 0);
}

impl Cluster {
    fn room_servers(&mut self, names: &[&str]) -> Vec<ConnId> {
        names.iter().map(|name| self.loaded(ServerKind::Room, name, load(0, 0))).collect()
    }

    /// Asks who takes so many table-mates: for each a server and a room, or nothing.
    fn arbitrate_party(&mut self, asker: ConnId, size: u64) -> Vec<Option<(Address, RoomNo)>> {
        self.heard(asker);
        let sessions = (0..size).map(SessionId).collect();
        self.say(asker, ArbitrateParty { request: 40, game: GOMOKU, sessions });
        let answers = self.heard(asker).into_iter().zip(40..).map(|(message, request)| match message {
            Message::Arbitrated(answer) => {
                assert_eq!(answer.request, request);
                Some((answer.to?.0, answer.room.expect("a party is sent into a room")))
            }
            other => panic!("{other:?}"),
        });
        answers.collect()
    }
}

fn populated(rooms: [u32; 2]) -> Load {
    Load { rooms: (0..).map(RoomNo).zip(rooms).collect(), ..load(0, 0) }
}

#[test]
fn table_mates_are_sent_to_one_room_of_their_game_with_space_for_all() {
    let mut cluster = Cluster::new();
    let servers = cluster.room_servers(&["room-1", "room-2", "room-3"]);
    cluster.halls(&["hall-1"]);
    cluster.say(servers[1], populated([9, 9]));
    cluster.say(servers[2], populated([9, 6]));
    let there = Some((Address::from(address_of("room-3")), RoomNo(1)));
    assert_eq!(cluster.arbitrate_party(servers[0], 3), [there.clone(), there.clone(), there]);
    assert_eq!(
        (cluster.outstanding(), cluster.figure("usher_redirects_decided_total{kind=\"room\"}")),
        (3, 3)
    );
    assert_eq!(cluster.arbitrate_party(servers[0], 3), [None, None, None], "one place is left in it");
    let there = cluster.arbitrate_party(servers[0], 1);
    assert!(there[0].is_some());
    let (_, reservation) = cluster.seals[0].clone();
    assert_eq!((reservation.target, reservation.session), ("room-3".into(), Some(SessionId(0))));
    cluster.run(5_000);
    assert_eq!(cluster.outstanding(), 0);
    assert!(cluster.arbitrate_party(servers[0], 4).iter().all(Option::is_some), "nobody came");
}

#[test]
fn a_party_is_no_reason_to_pass_over_any_limit() {
    type Spoil = fn(&mut Cluster, ConnId);
    let cases: [(&str, Spoil); 4] = [
        ("suspect", |cluster, conn| cluster.cut(conn)),
        ("draining", |cluster, conn| cluster.say(conn, Load { draining: true, ..load(0, 0) })),
        ("full", |cluster, conn| cluster.say(conn, load(99, 0))),
        ("rooms full", |cluster, conn| cluster.say(conn, populated([9, 10]))),
    ];
    for (what, spoil) in cases {
        let mut cluster = Cluster::new();
        let servers = cluster.room_servers(&["room-1", "room-2"]);
        assert!(cluster.arbitrate_party(servers[0], 2).iter().all(Option::is_some));
        cluster.run(5_000);
        spoil(&mut cluster, servers[1]);
        assert_eq!(cluster.arbitrate_party(servers[0], 2), [None, None], "{what}");
    }
}

#[test]
fn a_party_has_somebody_in_it_and_is_a_room_servers() {
    for (kind, size) in [(ServerKind::Room, 0), (ServerKind::Room, 9), (ServerKind::Hall, 1)] {
        let mut cluster = Cluster::new();
        let asker = cluster.server(kind, "asker");
        let sessions = (0..size).map(SessionId).collect();
        cluster.say(asker, ArbitrateParty { request: 1, game: GOMOKU, sessions });
        assert_eq!(cluster.closed, [(asker, CloseReason::Unexpected)], "{kind:?} {size}");
    }
}

#[test]
fn a_server_behind_with_its_logic_is_load_and_takes_nobody_until_it_is_down_to_half() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    let delay = |millis: u32| Delay { logic_delay_us: millis * 1_000 };
    // Up to 250 ms and down again: what it says, and whether it takes anybody then.
    let said = [(249, true), (250, false), (249, false), (126, false), (124, true), (249, true)];
    for (millis, takes) in said {
        cluster.say(halls[1], delay(millis));
        assert_eq!(cluster.target(halls[0]).is_some(), takes, "{millis} ms");
    }
    cluster.say(halls[1], Delay { logic_delay_us: u32::MAX });
    assert_eq!(cluster.target(halls[0]), None);
}

#[test]
fn of_two_servers_the_one_with_the_shorter_queue_gets_more() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2", "hall-3"]);
    cluster.say(halls[1], Delay { logic_delay_us: 200_000 });
    let shares = (0..40).filter(|_| cluster.target(halls[0]).as_deref() == Some("hall-2")).count();
    assert!(shares < 20, "{shares} of 40 went where the queue is long");
    assert!(shares > 0, "two choices, not the best of all");
}

#[test]
fn a_server_at_its_limit_does_not_flap() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2", "hall-3"]);
    cluster.say(halls[1], load(100, 0));
    assert_eq!(cluster.target(halls[0]).as_deref(), Some("hall-3"));
    // A few places become free, are reported, and are not taken as long as there is one elsewhere.
    for (serving, is_back) in [(99, false), (97, false), (96, false), (95, true)] {
        cluster.run(5_300);
        cluster.say(halls[1], load(serving, 0));
        cluster.say(halls[2], load(94, 0));
        let there = (0..6).filter(|_| cluster.target(halls[0]).as_deref() == Some("hall-2")).count();
        assert_eq!(there > 0, is_back, "{serving} serving: {there} of 6");
    }
}

#[test]
fn no_place_is_left_empty_for_fear_of_flapping() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2", "hall-3"]);
    cluster.say(halls[1], load(100, 0));
    cluster.say(halls[2], load(100, 0));
    assert_eq!(cluster.target(halls[0]), None);
    cluster.say(halls[1], load(99, 0));
    assert_eq!(cluster.target(halls[0]).as_deref(), Some("hall-2"), "the one place there is");
    assert_eq!(cluster.target(halls[0]), None);
}

#[test]
fn every_reservation_comes_to_an_end_and_is_counted_by_it() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    let ids: Vec<_> =
        (0..5).map(|_| cluster.arbitrate(halls[0], SESSION).expect("there is room").id).collect();
    cluster.say(halls[1], Redeemed { reservations: ids[..2].to_vec() });
    cluster.run(5_300);
    // It was there in time, and its target says so late.
    cluster.say(halls[1], Redeemed { reservations: vec![ids[4]] });
    cluster.arbitrate(halls[0], SESSION).expect("there is room");
    cluster.renewing.remove(&halls[1]);
    cluster.run(4_500);
    assert_eq!(cluster.state("hall-2"), "gone");
    assert_eq!(cluster.figure("usher_reservations_given_total"), 6);
    assert_eq!(["redeemed", "expired"].map(|how| cluster.ended(how)), [2, 3]);
    assert_eq!(cluster.outstanding(), 1, "whoever comes to the next hall-2 is served there");
    cluster.run(1_100);
    assert_eq!(["redeemed", "expired"].map(|how| cluster.ended(how)), [2, 4]);
    assert_eq!(cluster.figure("usher_reservations_late_total"), 1);
    assert_eq!((cluster.outstanding(), cluster.figure("usher_reservations_leaked")), (0, 0));
}

#[test]
fn a_place_kept_at_a_server_that_is_gone_counts_at_the_next_of_its_name() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    cluster.say(halls[1], load(99, 0));
    assert_eq!(cluster.target(halls[0]).as_deref(), Some("hall-2"), "the one place there is");
    cluster.cut(halls[1]);
    let next = Register { incarnation: 2, ..cluster.facts(ServerKind::Hall, "hall-2") };
    let next = cluster.join(next);
    cluster.say(next, load(99, 0));
    assert_eq!(cluster.target(halls[0]), None, "whose client is on the way");
    cluster.run(5_100);
    assert_eq!(cluster.target(halls[0]).as_deref(), Some("hall-2"));
}

#[test]
fn who_is_gone_gets_nobody() {
    let mut cluster = Cluster::new();
    let halls = cluster.halls(&["hall-1", "hall-2"]);
    cluster.renewing.remove(&halls[1]);
    cluster.run(4_500);
    assert_eq!(cluster.target(halls[0]), None);
}
