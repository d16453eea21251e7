//! Visits to a login server, from the knock to the end.

mod proving;

use super::*;
use crate::bench::{Bench, LINK, reservation};
use alloc::string::String;
use alloc::vec;
use core::time::Duration;
use usher_proto::message::{
    Arbitrate, Arbitrated, DrainOrder, Halls, ListWorlds, Load, Redirect, RegisterDenial, RegisterDenied,
    Registered, WorldsUp,
};
use usher_proto::{AccountId, Generation, Identity, ServerName, SessionId, WorldId};

fn config(serve_max: u32) -> LoginConfig {
    let default = LoginConfig::default();
    let node = NodeConfig { serve_max, connections_max: serve_max + 2, ..default.node };
    LoginConfig { node, halls: vec!["hall-a:1".into(), "hall-b:1".into()], ..default }
}

fn bench(serve_max: u32) -> Bench<Login> {
    Bench::new(Login::new(config(serve_max), 7))
}

fn linked(serve_max: u32) -> Bench<Login> {
    let mut bench = bench(serve_max);
    assert!(matches!(bench.link_up().to_manager()[..], [Message::Register(_), Message::Load(_)]));
    bench
}

fn player() -> Identity {
    Identity { world: WorldId(1), account: AccountId(5), session: SessionId(6), generation: Generation(7) }
}

fn guest() -> LogIn {
    LogIn { world: WorldId(1), credentials: Credentials::Guest }
}

fn granted() -> Answer {
    Answer::LogIn(Ok(Grant {
        identity: player(),
        session_key: vec![1; 32],
        ticket: vec![2; 99],
        ticket_ttl: Duration::from_secs(7_200),
        server_final: None,
    }))
}

/// Knocks over the limit; the request the manager was asked with.
fn redirected(bench: &mut Bench<Login>, conn: u64) -> u64 {
    let caused = bench.knock(conn, Peer::Stranger, None);
    assert!(!caused.admitted(conn) && caused.refused(conn).is_none(), "{}", caused.text());
    match caused.to_manager()[..] {
        [Message::Arbitrate(Arbitrate { request, session: None, hops_left: 3 })] => request,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_visit_from_the_knock_to_the_end() {
    let mut bench = bench(10);
    bench.connect(1, Peer::Stranger);
    let caused = bench.say(1, guest());
    let (id, asked) = caused.asked().unwrap();
    assert_eq!(asked, Question::LogInGuest { world: WorldId(1) });
    let caused = bench.step(Input::Answer { id, answer: granted() });
    let logged_in = LoggedIn {
        identity: player(),
        session_key: vec![1; 32].into(),
        ticket: vec![2; 99].into(),
        ticket_ttl_s: 7_200,
        halls: ["hall-a:1", "hall-b:1"].map(Address::from).into(),
        server_final: None,
    };
    assert_eq!(caused.to(1), [logged_in.into()]);
    assert_eq!(caused.closed(1), Some(CloseReason::Finished));
    assert_eq!(bench.figure("usher_serving"), 1, "until it is gone it counts");
    bench.disconnect(1);
    assert_eq!(bench.figure("usher_serving"), 0);
    assert_eq!(bench.figure("usher_logins_total{result=\"granted\"}"), 1);
}

#[test]
fn credentials_are_checked_before_the_world_is_asked() {
    let scram = |length: usize| LogIn {
        world: WorldId(1),
        credentials: Credentials::Scram { client_first: "n".repeat(length) },
    };
    let cases = [
        (scram(0), Some(LogInDenial::Malformed)),
        (scram(SCRAM_BYTES_MAX + 1), Some(LogInDenial::Malformed)),
        (scram(1), None),
        (scram(SCRAM_BYTES_MAX), None),
        (LogIn { world: WorldId(2), ..guest() }, Some(LogInDenial::NoSuchWorld)),
    ];
    for (log_in, expected) in cases {
        let mut bench = bench(10);
        bench.connect(1, Peer::Stranger);
        let caused = bench.say(1, log_in.clone());
        assert_eq!(caused.asked().is_none(), expected.is_some(), "{log_in:?}");
        if let Some(reason) = expected {
            assert_eq!(caused.to(1), [LogInDenied { reason }.into()]);
            assert_eq!(caused.closed(1), Some(CloseReason::Finished));
        }
    }
}

#[test]
fn strangers_of_one_address_are_sent_on_so_often_and_then_told_busy() {
    let mut bench = linked(1);
    bench.connect(1, Peer::Stranger);
    bench.address = Some([192, 0, 2, 1].into());
    let asked_max = u64::from(NodeConfig::new(ServerKind::Login).reservations_per_address_max);
    for conn in 2..2 + asked_max {
        redirected(&mut bench, conn);
    }
    let caused = bench.knock(1_000, Peer::Stranger, None);
    assert!(caused.told_busy(1_000), "{}", caused.text());
    assert_eq!(bench.figure("usher_busy_total{cause=\"address\"}"), 1);
    bench.address = Some([192, 0, 2, 2].into());
    redirected(&mut bench, 1_001);
    bench.address = None;
    redirected(&mut bench, 1_002);
    bench.pass(5_000);
    bench.address = Some([192, 0, 2, 1].into());
    redirected(&mut bench, 1_003);
}

#[test]
fn a_denied_login_is_told_why_and_closed() {
    for reason in [LogInDenial::WrongCredentials, LogInDenial::NoGuests] {
        let mut bench = bench(10);
        bench.connect(1, Peer::Stranger);
        let (id, _) = bench.say(1, guest()).asked().unwrap();
        let caused = bench.step(Input::Answer { id, answer: Answer::LogIn(Err(reason)) });
        assert_eq!(caused.to(1), [LogInDenied { reason }.into()]);
        assert_eq!(caused.closed(1), Some(CloseReason::Finished));
        assert_eq!(bench.figure("usher_logins_total{result=\"denied\"}"), 1);
    }
}

#[test]
fn what_is_not_expected_closes() {
    let mut bench = bench(10);
    bench.connect(1, Peer::Stranger);
    assert_eq!(bench.say(1, Registered { lease_ms: 1 }).closed(1), Some(CloseReason::Unexpected));
    assert!(bench.say(1, guest()).is_nothing(), "a closed visit says nothing more");

    bench.connect(2, Peer::Stranger);
    let (id, _) = bench.say(2, guest()).asked().unwrap();
    assert_eq!(bench.say(2, guest()).closed(2), Some(CloseReason::Unexpected), "a second LogIn");
    assert!(bench.step(Input::Answer { id, answer: granted() }).is_nothing());

    assert!(bench.knock(3, Peer::Stranger, None).admitted(3));
    assert_eq!(bench.say(3, guest()).closed(3), Some(CloseReason::Unexpected), "before it is connected");
    assert_eq!(bench.figure("usher_unexpected_total"), 3);
}

#[test]
fn inputs_about_nobody_are_ignored() {
    let mut bench = linked(10);
    assert!(bench.say(77, guest()).is_nothing());
    assert!(bench.disconnect(77).is_nothing());
    assert!(bench.step(Input::Answer { id: 77, answer: granted() }).is_nothing());
    assert!(bench.step(Input::Connected { conn: ConnId(77), peer: Peer::Stranger }).is_nothing());
    assert!(bench.manager_says(Arbitrated { request: 77, to: None, room: None }).is_nothing());
    assert!(bench.step(Input::Timeout).is_nothing());
}

#[test]
fn an_answer_for_somebody_who_left_is_ignored() {
    let mut bench = bench(10);
    bench.connect(1, Peer::Stranger);
    let (id, _) = bench.say(1, guest()).asked().unwrap();
    bench.disconnect(1);
    assert!(bench.step(Input::Answer { id, answer: granted() }).is_nothing());
}

#[test]
fn only_strangers_log_in() {
    let mut bench = bench(10);
    for peer in [Peer::Player(player()), Peer::Server(ServerName::from("room-1"))] {
        let refused = bench.knock(1, peer, None).refused(1);
        assert_eq!(refused, Some(Closing { reason: CloseReason::WrongRole }.into()));
    }
    assert_eq!(bench.figure("usher_serving"), 0);
}

#[test]
fn over_the_limit_a_client_goes_where_the_manager_says() {
    let mut bench = linked(1);
    bench.connect(1, Peer::Stranger);
    let request = redirected(&mut bench, 2);
    let to = Some(("login-2:7".into(), vec![9; 40].into()));
    let caused = bench.manager_says(Arbitrated { request, to: to.clone(), room: None });
    let (address, reservation) = to.clone().unwrap();
    assert_eq!(caused.refused(2), Some(Redirect { address, reservation, room: None }.into()));
    assert!(bench.manager_says(Arbitrated { request, to, room: None }).is_nothing(), "a second answer");
    assert_eq!(bench.figure("usher_redirects_total{cause=\"full\"}"), 1);
}

#[test]
fn busy_when_nobody_takes_a_client_or_nobody_answers() {
    let mut bench = linked(0);
    let request = redirected(&mut bench, 1);
    assert!(bench.manager_says(Arbitrated { request, to: None, room: None }).told_busy(1));

    let request = redirected(&mut bench, 2);
    assert!(bench.pass(999).refused(2).is_none());
    assert!(bench.pass(1).told_busy(2));
    assert!(bench.manager_says(Arbitrated { request, to: None, room: None }).is_nothing());

    redirected(&mut bench, 3);
    assert!(bench.step(Input::LinkDown).told_busy(3));
    assert!(bench.knock(4, Peer::Stranger, None).told_busy(4), "without a link");

    bench.link_up();
    redirected(&mut bench, 5);
    assert!(bench.disconnect(LINK.0).told_busy(5), "the link's own end is as its break");

    for cause in ["nobody", "timeout"] {
        assert_eq!(bench.figure(&alloc::format!("usher_busy_total{{cause=\"{cause}\"}}")), 1);
    }
    assert_eq!(bench.figure("usher_busy_total{cause=\"link\"}"), 3);
}

#[test]
fn a_client_without_hops_is_busy_without_asking() {
    let mut bench = linked(0);
    let mut full = config(0);
    full.node.connections_max = 0;
    let mut other = Bench::new(Login::new(full, 7));
    other.link_up();
    let caused = other.knock(1, Peer::Stranger, Some(reservation(1, 0)));
    assert!(caused.told_busy(1) && caused.to_manager().is_empty());
    assert!(bench.knock(1, Peer::Stranger, Some(reservation(1, 0))).admitted(1), "its place was kept");
}

#[test]
fn reservations_are_honoured_above_the_limits_once_and_reported() {
    let mut bench = linked(1);
    bench.connect(1, Peer::Stranger);
    let caused = bench.knock(2, Peer::Stranger, Some(reservation(8, 2)));
    assert!(caused.admitted(2));
    assert!(
        caused.to_manager().iter().any(|it| matches!(it, Message::Redeemed(it) if it.reservations[0].0 == 8)),
        "{}",
        caused.text()
    );
    let caused = bench.knock(3, Peer::Stranger, Some(reservation(8, 2)));
    assert!(matches!(caused.to_manager()[..], [Message::Arbitrate(Arbitrate { hops_left: 3, .. })]));
}

#[test]
fn only_so_many_wait_for_the_manager() {
    let mut config = config(0);
    config.arbitration.arbitrations_max = 2;
    let mut bench = Bench::new(Login::new(config, 7));
    bench.link_up();
    redirected(&mut bench, 1);
    redirected(&mut bench, 2);
    assert!(bench.knock(3, Peer::Stranger, None).told_busy(3));
    bench.disconnect(1);
    redirected(&mut bench, 4);
    assert_eq!(bench.figure("usher_busy_total{cause=\"full\"}"), 1);
}

#[test]
fn somebody_who_left_while_waiting_is_not_answered() {
    let mut bench = linked(0);
    let request = redirected(&mut bench, 1);
    bench.disconnect(1);
    assert!(
        bench
            .manager_says(Arbitrated { request, to: Some(("a:1".into(), vec![1].into())), room: None })
            .is_nothing()
    );
    assert!(bench.pass(1_500).refused(1).is_none());
}

#[test]
fn busy_waits_are_spread_around_the_configured_one_and_repeat_with_the_seed() {
    let waits = |seed| {
        let mut bench = Bench::new(Login::new(config(0), seed));
        let busy = (1..=200).map(|conn| match bench.knock(conn, Peer::Stranger, None).refused(conn) {
            Some(Message::Busy(busy)) => busy.retry_after_ms,
            other => panic!("{other:?}"),
        });
        busy.collect::<Vec<u32>>()
    };
    let first = waits(1);
    assert!(first.iter().all(|wait| (250..=750).contains(wait)), "{first:?}");
    assert!(first.iter().any(|wait| *wait < 350) && first.iter().any(|wait| *wait > 650), "{first:?}");
    assert_eq!(first, waits(1));
    assert_ne!(first, waits(2));
}

#[test]
fn the_managers_halls_come_before_the_configs() {
    let halls_told = |bench: &mut Bench<Login>, conn| {
        bench.connect(conn, Peer::Stranger);
        let (id, _) = bench.say(conn, guest()).asked().unwrap();
        match &bench.step(Input::Answer { id, answer: granted() }).to(conn)[..] {
            [Message::LoggedIn(it)] => it.halls.iter().map(|it| (*it.0).into()).collect::<Vec<String>>(),
            other => panic!("{other:?}"),
        }
    };
    let mut bench = linked(100);
    assert_eq!(halls_told(&mut bench, 1), ["hall-a:1", "hall-b:1"]);
    let addresses = ["x:1", "y:1", "z:1", "over:1"].map(Address::from).to_vec();
    bench.manager_says(Halls { addresses });
    assert_eq!(halls_told(&mut bench, 2), ["x:1", "y:1", "z:1"]);
    bench.step(Input::LinkDown);
    assert_eq!(halls_told(&mut bench, 3), ["x:1", "y:1", "z:1"], "the last that was heard");
    bench.link_up();
    bench.manager_says(Halls { addresses: vec![] });
    assert_eq!(halls_told(&mut bench, 4), ["hall-a:1", "hall-b:1"]);
}

#[test]
fn a_login_that_knows_no_hall_lets_nobody_in_yet() {
    let mut bench = Bench::new(Login::new(LoginConfig { halls: vec![], ..config(100) }, 7));
    bench.link_up();
    let waits: Vec<_> = (1..=20)
        .map(|conn| match bench.knock(conn, Peer::Stranger, None).refused(conn) {
            Some(Message::Busy(busy)) => busy.retry_after_ms,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(waits.iter().all(|wait| (250..=750).contains(wait)) && waits.iter().any(|it| *it != waits[0]));
    assert_eq!(bench.figure("usher_busy_total{cause=\"halls\"}"), 20);
    assert_eq!(bench.figure("usher_serving"), 0);
    bench.manager_says(Halls { addresses: vec!["x:1".into()] });
    assert!(bench.knock(30, Peer::Stranger, None).admitted(30));
    bench.manager_says(Halls { addresses: vec![] });
    assert!(bench.knock(31, Peer::Stranger, None).told_busy(31));
    bench.step(Input::Drain);
    let refused = bench.knock(32, Peer::Stranger, None).refused(32);
    assert_eq!(refused, Some(Closing { reason: CloseReason::Draining }.into()));
}

#[test]
fn a_denied_registration_is_as_no_link() {
    let mut bench = linked(0);
    redirected(&mut bench, 1);
    let denied = RegisterDenied { reason: RegisterDenial::NameTaken };
    assert!(bench.manager_says(denied).told_busy(1));
    assert!(bench.knock(2, Peer::Stranger, None).told_busy(2));
    assert!(bench.manager_says(Halls { addresses: vec!["x:1".into()] }).is_nothing());
    assert_eq!(bench.figure("usher_busy_total{cause=\"link\"}"), 2);
}

#[test]
fn a_manager_that_talks_nonsense_is_closed() {
    let mut bench = linked(1);
    assert!(bench.manager_says(Registered { lease_ms: 4_000 }).is_nothing());
    assert_eq!(bench.manager_says(guest()).closed(LINK.0), Some(CloseReason::Unexpected));
}

#[test]
fn load_is_reported_while_nothing_happens() {
    let mut bench = linked(10);
    let reports = bench.pass(5_000).to_manager();
    assert_eq!(reports.len(), 5);
    let idle = Load { serving: 0, served_per_second: 0, draining: false, rooms: vec![] };
    assert!(reports.iter().all(|it| *it == idle.clone().into()), "{reports:?}");
}

#[test]
fn a_drained_server_admits_nobody_and_ends_when_the_last_has_left() {
    for by_manager in [false, true] {
        let mut bench = linked(10);
        bench.connect(1, Peer::Stranger);
        let drain = |bench: &mut Bench<Login>| {
            if by_manager { bench.manager_says(DrainOrder {}) } else { bench.step(Input::Drain) }
        };
        let caused = drain(&mut bench);
        assert_eq!(caused.drained(), 0);
        assert!(matches!(&caused.to_manager()[..], [Message::Load(Load { draining: true, .. })]));
        let refused = bench.knock(2, Peer::Stranger, None).refused(2);
        assert_eq!(refused, Some(Closing { reason: CloseReason::Draining }.into()));
        assert!(bench.say(1, guest()).asked().is_some(), "who is in is served");
        assert_eq!(bench.disconnect(1).drained(), 1);
        assert_eq!(drain(&mut bench).drained(), 0, "it is said once");
    }
}

#[test]
fn a_drained_server_still_answers_who_waits_for_the_manager() {
    let mut bench = linked(0);
    let request = redirected(&mut bench, 1);
    assert_eq!(bench.step(Input::Drain).drained(), 0);
    let caused = bench.manager_says(Arbitrated { request, to: None, room: None });
    assert!(caused.told_busy(1));
    assert_eq!(caused.drained(), 1);
}

#[test]
fn a_crowd_that_comes_and_goes_leaves_nothing_behind() {
    let mut bench = linked(50);
    for conn in 1..=2_000 {
        let caused = bench.knock(conn, Peer::Stranger, None);
        if caused.admitted(conn) && conn % 3 != 0 {
            bench.step(Input::Connected { conn: ConnId(conn), peer: Peer::Stranger });
            bench.say(conn, guest());
        }
        bench.pass(3);
        if let Some(before) = conn.checked_sub(40) {
            bench.disconnect(before);
        }
    }
    (1_960..=2_000).for_each(|conn| drop(bench.disconnect(conn)));
    assert_eq!(bench.figure("usher_serving"), 0);
    assert_eq!(bench.figure("usher_arbitrations_waiting"), 0);
    assert!(bench.figure("usher_admitted_total") > 0);
}

fn in_world(world: u16, players: u32, logins: &[&str]) -> WorldEntry {
    let logins = logins.iter().copied().map(Address::from).collect();
    WorldEntry { world: WorldId(world), players, capacity: 100, logins }
}

fn worlds_told(bench: &mut Bench<Login>, conn: u64) -> Vec<WorldEntry> {
    bench.connect(conn, Peer::Stranger);
    let caused = bench.say(conn, ListWorlds {});
    assert!(caused.asked().is_none());
    assert_eq!(caused.closed(conn), Some(CloseReason::Finished), "the answer ends the visit");
    match &caused.to(conn)[..] {
        [Message::Worlds(it)] => it.worlds.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn worlds_are_listed_as_the_manager_said_and_its_own_in_any_case() {
    let mut bench = linked(100);
    let alone = WorldEntry { capacity: 0, ..in_world(1, 0, &[]) };
    assert_eq!(worlds_told(&mut bench, 1), core::slice::from_ref(&alone), "before the manager has said any");
    let all = vec![in_world(1, 5, &["login-1:1"]), in_world(2, 9, &["login-2:1"])];
    bench.manager_says(WorldsUp { worlds: all.clone() });
    assert_eq!(worlds_told(&mut bench, 2), all);
    bench.step(Input::LinkDown);
    assert_eq!(worlds_told(&mut bench, 3), all, "the last that was heard");
    bench.link_up();
    bench.manager_says(WorldsUp { worlds: (2..=100).map(|world| in_world(world, 0, &["x:1"])).collect() });
    let listed = worlds_told(&mut bench, 4);
    assert_eq!(listed.len(), WORLDS_MAX);
    assert_eq!(listed[0], alone, "its own, though it is not among them");
    assert_eq!(bench.figure("usher_worlds_listed_total"), 4);
    assert_eq!(bench.figure("usher_logins_total{result=\"denied\"}"), 0);
}

#[test]
fn a_visit_is_a_login_or_a_question() {
    let mut bench = bench(10);
    bench.connect(1, Peer::Stranger);
    bench.say(1, ListWorlds {});
    assert!(bench.say(1, guest()).is_nothing(), "it is over");
    bench.connect(2, Peer::Stranger);
    bench.say(2, guest());
    assert_eq!(bench.say(2, ListWorlds {}).closed(2), Some(CloseReason::Unexpected));
}
