//! Visits to a hall, with and without a manager.

use super::*;
use crate::bench::{Bench, LINK};
use alloc::sync::Arc;
use alloc::vec;
use usher_proto::message::{
    Arbitrate, Arbitrated, Directory as DirectoryAnswer, Load, Located, Redirect, Revoked, RoomReport,
    RoomsGone, RoomsOf,
};
use usher_proto::{AccountId, Generation, RoomNo, SessionId, WorldId};

const GAME: GameId = GameId(1);

fn who(session: u64) -> Identity {
    Identity {
        world: WorldId(1),
        account: AccountId(session),
        session: SessionId(session),
        generation: Generation(7),
    }
}

fn player(session: u64) -> Peer {
    Peer::Player(who(session))
}

fn config() -> HallConfig {
    HallConfig::default()
}

fn bench() -> Bench<Hall> {
    Bench::new(Hall::new(config(), 7))
}

fn linked() -> Bench<Hall> {
    let mut bench = bench();
    bench.link_up();
    bench
}

fn rooms_of(server: &str, populations: &[u32]) -> RoomsOf {
    let room = |(no, population): (usize, &u32)| RoomReport {
        room: RoomNo(no as u16),
        name: "room".into(),
        game: GAME,
        population: *population,
        capacity: 100,
    };
    let rooms = populations.iter().enumerate().map(room).collect();
    RoomsOf { server: server.into(), address: server.into(), rooms }
}

fn get_directory() -> GetDirectory {
    GetDirectory { game: None }
}

fn sealed() -> Answer {
    Answer::Ticket(Some(vec![3; 50]))
}

/// A whole visit without waiting: the names of the servers offered.
fn visit(bench: &mut Bench<Hall>, conn: u64) -> Vec<alloc::string::String> {
    bench.connect(conn, player(conn));
    let located = bench.say(conn, get_directory());
    if let Some(Message::Locate(Locate { request, .. })) = located.to_manager().last() {
        bench.manager_says(Located { request: *request, seats: vec![] });
    }
    let caused = bench.step(Input::Answer { id: conn, answer: sealed() });
    assert_eq!(caused.closed(conn), Some(CloseReason::Finished));
    bench.disconnect(conn);
    match &caused.to(conn)[..] {
        [Message::Renewed(_), Message::Directory(it)] => {
            it.rooms.iter().map(|it| (*it.address.0).into()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_visit_waits_for_ticket_and_seats_in_either_order() {
    for ticket_first in [true, false] {
        let mut bench = linked();
        bench.manager_says(rooms_of("room-1", &[10]));
        bench.connect(1, player(1));
        let caused = bench.say(1, get_directory());
        assert_eq!(caused.asked(), Some((1, Question::RenewTicket { conn: ConnId(1) })));
        let [Message::Locate(Locate { request, identity })] = caused.to_manager()[..] else {
            panic!("{}", caused.text())
        };
        assert_eq!(identity, who(1));

        let kept = SeatKept { address: "room-1".into(), room: RoomNo(0), game: GAME };
        let located =
            Input::Message { conn: LINK, message: Located { request, seats: vec![kept.clone()] }.into() };
        let ticket = Input::Answer { id: 1, answer: sealed() };
        let (first, second) = if ticket_first { (ticket, located) } else { (located, ticket) };
        assert!(bench.step(first).is_nothing());
        let caused = bench.step(second);
        let [Message::Renewed(renewed), Message::Directory(directory)] = &caused.to(1)[..] else {
            panic!("{}", caused.text())
        };
        assert_eq!(renewed.ticket.as_deref(), Some(&vec![3; 50]));
        assert_eq!(renewed.seats, [kept]);
        assert!((1_620..=1_980).contains(&renewed.directory_refresh_s), "{}", renewed.directory_refresh_s);
        assert_eq!(directory.rooms.len(), 1);
        assert_eq!(caused.closed(1), Some(CloseReason::Finished));
        bench.disconnect(1);
        assert_eq!(bench.figure("usher_serving"), 0);
    }
}

#[test]
fn a_session_that_is_over_gets_the_directory_without_a_ticket() {
    let mut bench = bench();
    bench.connect(1, player(1));
    bench.say(1, get_directory());
    let caused = bench.step(Input::Answer { id: 1, answer: Answer::Ticket(None) });
    assert!(matches!(
        &caused.to(1)[..],
        [Message::Renewed(Renewed { ticket: None, .. }), Message::Directory(_)]
    ));
}

#[test]
fn without_an_answer_from_the_manager_a_visit_ends_without_seats() {
    type Break = fn(&mut Bench<Hall>) -> crate::bench::Caused;
    let breaks: [(&str, Break); 5] = [
        ("silence", |bench| bench.pass(1_000)),
        ("link down", |bench| bench.step(Input::LinkDown)),
        ("link gone", |bench| bench.disconnect(LINK.0)),
        ("link anew", Bench::link_up),
        ("denied", |bench| {
            let reason = usher_proto::message::RegisterDenial::ClockSkew;
            bench.manager_says(usher_proto::message::RegisterDenied { reason })
        }),
    ];
    for (name, breaks) in breaks {
        let mut bench = linked();
        bench.connect(1, player(1));
        bench.say(1, get_directory());
        assert!(bench.step(Input::Answer { id: 1, answer: sealed() }).is_nothing());
        let caused = breaks(&mut bench);
        let sent = caused.to(1);
        assert!(
            matches!(&sent[..], [Message::Renewed(it), Message::Directory(_)] if it.seats.is_empty()),
            "{name}"
        );
        assert_eq!(caused.closed(1), Some(CloseReason::Finished), "{name}");
    }
}

#[test]
fn a_silent_manager_does_not_make_up_for_a_missing_ticket() {
    let mut bench = linked();
    bench.connect(1, player(1));
    bench.say(1, get_directory());
    let caused = bench.pass(1_500);
    assert!(caused.to(1).is_empty() && caused.closed(1).is_none());
    assert_eq!(bench.figure("usher_locate_timeouts_total"), 1);
    assert_eq!(bench.step(Input::Answer { id: 1, answer: sealed() }).to(1).len(), 2);
}

#[test]
fn without_a_link_rooms_known_are_still_offered() {
    let mut bench = linked();
    bench.manager_says(rooms_of("room-1", &[1]));
    bench.step(Input::LinkDown);
    bench.pass(60_000);
    assert_eq!(visit(&mut bench, 1), ["room-1"]);
}

#[test]
fn who_may_not_come_in_is_told_why() {
    let mut bench = linked();
    let elsewhere = Peer::Player(Identity { world: WorldId(2), ..who(1) });
    let cases = [
        (Peer::Stranger, CloseReason::NoTicket),
        (elsewhere, CloseReason::WrongWorld),
        (Peer::Server("room-1".into()), CloseReason::WrongRole),
    ];
    for (peer, reason) in cases {
        let caused = bench.knock(1, peer.clone(), None);
        assert_eq!(caused.refused(1), Some(Closing { reason }.into()), "{peer:?}");
        assert!(caused.to_manager().is_empty());
    }
}

#[test]
fn what_is_not_expected_closes_and_nothing_follows() {
    let mut bench = linked();
    bench.connect(1, player(1));
    assert_eq!(bench.say(1, RoomsGone { server: "x".into() }).closed(1), Some(CloseReason::Unexpected));
    bench.connect(2, player(2));
    bench.say(2, get_directory());
    assert_eq!(bench.say(2, get_directory()).closed(2), Some(CloseReason::Unexpected), "asked twice");
    assert!(bench.step(Input::Answer { id: 2, answer: sealed() }).is_nothing());
    assert!(bench.pass(900).to(2).is_empty());
    assert_eq!(bench.manager_says(get_directory()).closed(LINK.0), Some(CloseReason::Unexpected));
}

#[test]
fn inputs_about_nobody_are_ignored() {
    let mut bench = linked();
    assert!(bench.say(77, get_directory()).is_nothing());
    assert!(bench.disconnect(77).is_nothing());
    assert!(bench.step(Input::Answer { id: 77, answer: sealed() }).is_nothing());
    assert!(bench.manager_says(Located { request: 77, seats: vec![] }).is_nothing());
    bench.connect(1, player(1));
    bench.say(1, get_directory());
    bench.disconnect(1);
    assert!(bench.step(Input::Answer { id: 1, answer: sealed() }).is_nothing());
    assert!(bench.manager_says(Located { request: 1, seats: vec![] }).is_nothing());
}

#[test]
fn an_answer_for_a_visit_that_has_not_asked_is_ignored() {
    let mut bench = linked();
    bench.connect(1, player(1));
    assert!(bench.step(Input::Answer { id: 1, answer: sealed() }).is_nothing());
}

#[test]
fn over_the_limit_the_arbitration_names_the_session() {
    let mut config = config();
    config.node.serve_max = 0;
    let mut bench = Bench::new(Hall::new(config, 7));
    bench.link_up();
    let caused = bench.knock(1, player(42), None);
    let [Message::Arbitrate(Arbitrate { request, session: Some(SessionId(42)), hops_left: 3 })] =
        caused.to_manager()[..]
    else {
        panic!("{}", caused.text())
    };
    let to = Some(("hall-2".into(), vec![1].into()));
    let caused = bench.manager_says(Arbitrated { request, to, room: None });
    let redirect = Redirect { address: "hall-2".into(), reservation: vec![1].into(), room: None };
    assert_eq!(caused.refused(1), Some(redirect.into()));
}

#[test]
fn one_second_of_visitors_shares_one_answer() {
    let mut bench = linked();
    bench.manager_says(rooms_of("room-1", &[1]));
    let shared = |bench: &mut Bench<Hall>, conn, game| -> Arc<Message> {
        bench.connect(conn, player(conn));
        let caused = bench.say(conn, GetDirectory { game });
        let [Message::Locate(Locate { request, .. }), ..] = caused.to_manager()[..] else {
            panic!("{}", caused.text())
        };
        bench.manager_says(Located { request, seats: vec![] });
        let caused = bench.step(Input::Answer { id: conn, answer: sealed() });
        let found = caused.0.into_iter().find_map(|it| match it {
            Output::SendShared(_, message) => Some(message),
            _ => None,
        });
        found.unwrap()
    };
    let all = shared(&mut bench, 1, None);
    assert!(Arc::ptr_eq(&all, &shared(&mut bench, 2, None)));
    assert!(!Arc::ptr_eq(&all, &shared(&mut bench, 3, Some(GAME))));
    bench.manager_says(rooms_of("room-1", &[2]));
    assert!(Arc::ptr_eq(&all, &shared(&mut bench, 4, None)), "a population is not news within a second");
    bench.pass(1_000);
    let later = shared(&mut bench, 5, None);
    assert!(matches!(&*later, Message::Directory(DirectoryAnswer { rooms, .. }) if rooms[0].population == 2));
}

#[test]
fn a_server_that_comes_or_goes_is_news_at_once() {
    let mut bench = linked();
    assert!(visit(&mut bench, 1).is_empty());
    bench.manager_says(rooms_of("room-1", &[1]));
    assert_eq!(visit(&mut bench, 2), ["room-1"]);
    bench.manager_says(RoomsGone { server: "room-1".into() });
    assert!(visit(&mut bench, 3).is_empty());
    bench.manager_says(RoomsGone { server: "room-1".into() });
}

#[test]
fn a_new_link_forgets_after_a_lease_what_was_not_said_again() {
    let mut bench = linked();
    bench.manager_says(rooms_of("room-1", &[1]));
    bench.manager_says(rooms_of("room-2", &[2]));
    bench.step(Input::LinkDown);
    bench.pass(10_000);
    bench.link_up();
    bench.manager_says(rooms_of("room-2", &[2]));
    bench.pass(3_999);
    assert_eq!(visit(&mut bench, 1), ["room-2", "room-1"]);
    bench.pass(1);
    assert_eq!(visit(&mut bench, 2), ["room-2"]);
    assert_eq!(bench.figure("usher_directory_servers"), 1);
}

#[test]
fn a_link_that_breaks_again_postpones_forgetting() {
    let mut bench = linked();
    bench.manager_says(rooms_of("room-1", &[1]));
    bench.link_up();
    bench.pass(3_000);
    bench.step(Input::LinkDown);
    bench.pass(3_000);
    assert_eq!(visit(&mut bench, 1), ["room-1"]);
    bench.link_up();
    bench.pass(3_999);
    assert_eq!(visit(&mut bench, 2), ["room-1"]);
    bench.pass(1);
    assert!(visit(&mut bench, 3).is_empty());
}

#[test]
fn refresh_times_are_spread_by_a_tenth() {
    let mut bench = bench();
    let times: Vec<u32> = (1..=200)
        .map(|conn| {
            bench.connect(conn, player(conn));
            bench.say(conn, get_directory());
            match &bench.step(Input::Answer { id: conn, answer: sealed() }).to(conn)[..] {
                [Message::Renewed(it), _] => it.directory_refresh_s,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(times.iter().all(|it| (1_620..=1_980).contains(it)), "{times:?}");
    assert!(times.iter().any(|it| *it < 1_690) && times.iter().any(|it| *it > 1_910), "{times:?}");
}

#[test]
fn a_login_that_an_operator_ended_is_shown_out_and_a_new_manager_told() {
    let mut bench = linked();
    let logins = vec![(AccountId(1), Generation(8))];
    bench.manager_says(Revoked { logins: logins.clone() });
    let evicted = Some(Closing { reason: CloseReason::Evicted }.into());
    assert_eq!(bench.knock(1, player(1), None).refused(1), evicted);
    assert!(bench.knock(2, player(2), None).admitted(2));
    let later = Peer::Player(Identity { generation: Generation(8), ..who(1) });
    assert!(bench.knock(3, later, None).admitted(3));
    bench.step(Input::LinkDown);
    assert_eq!(bench.knock(4, player(1), None).refused(4), evicted, "without a manager, too");
    let told = bench.link_up().to_manager();
    assert!(matches!(told[..], [Message::Register(_), Message::Revoked(_), ..]), "{told:?}");
    assert!(told.contains(&Revoked { logins }.into()));
}

#[test]
fn a_drained_hall_ends_when_the_last_visit_has() {
    let mut bench = linked();
    bench.connect(1, player(1));
    let caused = bench.step(Input::Drain);
    assert!(matches!(&caused.to_manager()[..], [Message::Load(Load { draining: true, serving: 1, .. })]));
    let refused = bench.knock(2, player(2), None).refused(2);
    assert_eq!(refused, Some(Closing { reason: CloseReason::Draining }.into()));
    bench.say(1, get_directory());
    assert_eq!(bench.disconnect(1).drained(), 1);
}

#[test]
fn times_beyond_reason_saturate() {
    let node = NodeConfig {
        busy_retry: Duration::MAX,
        reservation_ttl: Duration::MAX,
        serve_max: 1,
        ..NodeConfig::new(ServerKind::Hall)
    };
    let config = HallConfig { node, directory_refresh: Duration::MAX, ..HallConfig::default() };
    let mut bench = Bench::new(Hall::new(config, 7));
    bench.connect(1, player(1));
    let Some(Message::Busy(busy)) = bench.knock(2, player(2), None).refused(2) else {
        panic!("one too many")
    };
    assert_eq!(busy.retry_after_ms, u32::MAX);
    let (id, _) = bench.say(1, get_directory()).asked().unwrap();
    match &bench.step(Input::Answer { id, answer: sealed() }).to(1)[0] {
        Message::Renewed(renewed) => assert_eq!(renewed.directory_refresh_s, u32::MAX),
        other => panic!("{other:?}"),
    }
}
