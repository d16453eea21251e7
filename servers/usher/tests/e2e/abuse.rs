//! What strangers do to a listener, on each of the four: every one gets its stated answer, nobody else notices.
//!
//! Read next: `usher_hpserver`, whose limits these are.

use crate::cluster::{Cluster, GUESTS_WITHOUT_HALL, Process, config};
use crate::page::{closed, connections, until};
use crate::wire::{Heard, Wire, first_frame, framed, greet, seat_guest};
use std::net::SocketAddr;
use usher_proto::first_frame::{PROTOCOL_VERSION, Role};
use usher_proto::limits::FRAME_BYTES_MAX;
use usher_proto::message::{CloseReason, Closing, Leave, Ping, Refused};
use usher_proto::{Message, ServerKind};
use usher_runtime::process::raise_file_limit;

/// Connections that never speak.
const SILENT: usize = 2_000;
/// What a server may have grown by when they are gone.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

/// Every listener: its server, what metrics call it, what it is.
const LISTENERS: [(&str, &str, Role); 4] = [
    ("login", "players", Role::Login),
    ("hall", "players", Role::Hall),
    ("room", "players", Role::Room),
    ("manager", "links", Role::Link),
];

/// Bytes without a meaning, the same in every run.
fn rubbish(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn closing(reason: CloseReason) -> Message {
    Closing { reason }.into()
}

/// Waits until a listener has only the connections it had before.
fn until_calm(admin: SocketAddr, listener: &str, before: u64) {
    until("the strangers are gone", || (connections(admin, listener)? <= before).then_some(()));
}

#[test]
fn rubbish_and_half_frames_get_their_stated_answer_on_every_listener() {
    let cluster = Cluster::impatient();
    let refused = || Message::from(Refused { versions: vec![PROTOCOL_VERSION] });
    for (name, listener, role) in LISTENERS {
        let before = if listener == "links" { 3 } else { 0 };
        let mut big = rubbish(FRAME_BYTES_MAX, 1);
        big[0] = 9;
        let mut big_of_ours = rubbish(FRAME_BYTES_MAX, 2);
        big_of_ours[..4].copy_from_slice(&[PROTOCOL_VERSION, role as u8, 0xff, 0xff]);
        let mut random = rubbish(300, 3);
        random[..3].copy_from_slice(&[0, 200, 9]);
        let half = framed(&first_frame(role, &[b'x'; 100]));
        let cases = [
            ("random bytes", random, refused()),
            ("a big frame of rubbish", framed(&big), closing(CloseReason::BadFrame)),
            ("a big frame of ours, then rubbish", framed(&big_of_ours), closing(CloseReason::BadFrame)),
            ("half a frame, then silence", half[..50].to_vec(), closing(CloseReason::FirstMessageDeadline)),
            ("half a length, then silence", vec![0], closing(CloseReason::FirstMessageDeadline)),
            ("nothing", Vec::new(), closing(CloseReason::FirstMessageDeadline)),
        ];
        let said_all = cases.map(|(what, bytes, expected)| {
            let mut wire = Wire::connect(cluster.address(name));
            wire.write(&bytes);
            (what, wire, expected)
        });
        for (what, mut wire, expected) in said_all {
            let said = wire.hear();
            assert!(matches!(&said, Heard::Said(said) if *said == expected), "{name}, {what}: {said:?}");
            let end = wire.hear();
            assert!(matches!(end, Heard::Ended), "{name}, {what}: {end:?}");
        }
        until_calm(cluster.admin(name), listener, before);
    }
    seat_guest(cluster.address("login"));
}

#[test]
fn bytes_of_any_kind_never_take_a_server_down() {
    let cluster = Cluster::impatient();
    for (name, _, role) in LISTENERS {
        for seed in 0..50 {
            let mut wire = Wire::connect(cluster.address(name));
            if seed % 2 == 0 && matches!(role, Role::Login | Role::Link) {
                wire.write(&framed(&first_frame(role, if role == Role::Link { b"stranger" } else { b"" })));
            }
            // The server may have turned it away before the last byte.
            let _ = wire.try_write(&rubbish(1000, seed));
        }
    }
    seat_guest(cluster.address("login"));
}

#[test]
fn a_stranger_who_is_let_in_and_says_nothing_is_closed_too() {
    let cluster = Cluster::impatient();
    let mut silent = greet(cluster.address("login"), Role::Login, b"").unwrap();
    assert_eq!(silent.last_word(), Some(CloseReason::FirstMessageDeadline));
    let mut pinging = greet(cluster.address("login"), Role::Login, b"").unwrap();
    pinging.say(Ping {});
    let said = pinging.hear();
    assert!(matches!(said, Heard::Said(Message::Pong(_))), "{said:?}");
    assert_eq!(pinging.last_word(), Some(CloseReason::FirstMessageDeadline));
}

#[test]
fn two_thousand_that_never_speak_are_closed_and_nobody_else_notices() {
    raise_file_limit();
    let mut cluster = Cluster::impatient();
    let login = cluster.address("login").to_string();
    let mut resident = seat_guest(&login);
    for (name, listener, _) in LISTENERS {
        let admin = cluster.admin(name);
        let before = connections(admin, listener).unwrap();
        let closed_before = closed(admin, listener, "first_message_deadline").unwrap();
        let rss_before = cluster.server(name).rss_kib();
        let mut silent: Vec<_> = (0..SILENT).map(|_| Wire::connect(cluster.address(name))).collect();
        let mut visitor = seat_guest(&login);
        resident.chat("who are all these");
        visitor.hear_chat("who are all these");
        visitor.say(Leave {});
        visitor.await_said("Left", |message| matches!(message, Message::Left(_)).then_some(()));
        drop(visitor);
        for wire in &mut silent {
            assert_eq!(wire.last_word(), Some(CloseReason::FirstMessageDeadline), "{name}");
        }
        drop(silent);
        until_calm(admin, listener, before);
        let silent = closed(admin, listener, "first_message_deadline").unwrap() - closed_before;
        assert_eq!(silent, SILENT as u64, "{name}");
        let rss_after = cluster.server(name).rss_kib();
        println!(
            "{name}: {SILENT} silent ones closed; resident {rss_before} KiB before, {rss_after} KiB after"
        );
        assert!(rss_after < rss_before + GROWTH_MAX_KIB, "{name} grew from {rss_before} to {rss_after} KiB");
    }
    resident.chat("at last");
}

#[test]
fn one_more_than_connections_max_is_told_so() {
    let cluster = Cluster::in_folder(crate::cluster::Folder::new());
    let limits = "[limits]\nserve_max = 2\nconnections_max = 3\n";
    let text =
        config(ServerKind::Login, "login", "127.0.0.1:0", "", &(limits.to_string() + GUESTS_WITHOUT_HALL));
    let login = Process::start(ServerKind::Login, &cluster.folder.write("login.toml", &text));
    let three: Vec<_> = (0..3).map(|_| Wire::connect(&login.ready.address)).collect();
    until("three are counted", || (connections(login.ready.admin, "players")? == 3).then_some(()));
    for _ in 0..3 {
        assert_eq!(Wire::connect(&login.ready.address).last_word(), Some(CloseReason::ConnectionsFull));
    }
    until("all counted", || (closed(login.ready.admin, "players", "connections_full")? == 3).then_some(()));
    drop(three);
    until_calm(login.ready.admin, "players", 0);
    greet(&login.ready.address, Role::Login, b"").expect("there is room again");
}
