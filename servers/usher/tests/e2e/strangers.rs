//! Slow ones, bombs, and those at the wrong door, on each of the four listeners.
//!
//! Read next: `usher_proto::codec`, which reads what a bomb says; `abuse`, for rubbish and half frames.

use crate::cluster::Cluster;
use crate::page::{connections, until};
use crate::wire::{Wire, first_frame, framed, greet, log_in, visit_hall};
use std::time::Duration;
use usher_proto::Message;
use usher_proto::first_frame::Role;
use usher_proto::message::{CloseReason, Closing, Credentials, SPECS, Speaker};

/// From one byte of a slow one to the next; the deadline is over long before its frame is.
const DRIP: Duration = Duration::from_millis(50);

/// Every listener: its server, what metrics call it, what it is, who speaks there.
const LISTENERS: [(&str, &str, Role, Speaker); 4] = [
    ("login", "players", Role::Login, Speaker::Client),
    ("hall", "players", Role::Hall, Speaker::Client),
    ("room", "players", Role::Room, Speaker::Client),
    ("manager", "links", Role::Link, Speaker::Node),
];

/// A ticket of a guest.
fn ticket(cluster: &Cluster) -> Vec<u8> {
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    visit_hall(cluster.address("hall"), &guest.ticket).0.ticket.expect("the session is young").into_vec()
}

/// What lets somebody in at a listener.
fn credential(role: Role, ticket: &[u8]) -> &[u8] {
    match role {
        Role::Login => b"",
        Role::Hall | Role::Room => ticket,
        Role::Link | Role::Trunk | Role::Workers => b"stranger",
    }
}

/// Only the links of the cluster itself are left anywhere, and every server ends with its pools whole.
fn end_well(mut cluster: Cluster) {
    for (name, listener, ..) in LISTENERS {
        let links = if listener == "links" { 3 } else { 0 };
        let admin = cluster.admin(name);
        until("the strangers are gone", || (connections(admin, listener)? == links).then_some(()));
    }
    for (name, ..) in LISTENERS {
        let server = cluster.server(name);
        server.terminate();
        let (status, line) = server.ended();
        assert!(status.success(), "{name}: {line}");
    }
}

#[test]
fn slow_ones_are_closed_wherever_they_stop() {
    let cluster = Cluster::impatient();
    for (name, _, role, _) in LISTENERS {
        // Each a guest of its own: of one session the newer connection would replace the older.
        let let_in = || greet(cluster.address(name), role, credential(role, &ticket(&cluster))).unwrap();
        let silent = let_in();
        let mut stopping = let_in();
        stopping.write(&[0, 50, 1]);
        let mut dripping = Wire::connect(cluster.address(name));
        for byte in framed(&first_frame(role, &[b'x'; 300])) {
            if dripping.is_heard_within(DRIP) || dripping.try_write(&[byte]).is_err() {
                break;
            }
        }
        for (what, mut wire) in [("silent", silent), ("stopping", stopping), ("dripping", dripping)] {
            assert_eq!(wire.last_word(), Some(CloseReason::FirstMessageDeadline), "{name}, {what}");
        }
    }
    log_in(cluster.address("login"), Credentials::Guest);
    end_well(cluster);
}

/// Bodies that promise what is not there, are nested without end, or are no message at all.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let promising = |marker: u8| [&[marker][..], &[0xff; 4], &[0; 7]].concat();
    let in_field =
        |name: &str, value: Vec<u8>| [&[0x81, 0xa0 | name.len() as u8][..], name.as_bytes(), &value].concat();
    vec![
        ("a list", promising(0xdd)),
        ("a map", promising(0xdf)),
        ("a text", promising(0xdb)),
        ("bytes", promising(0xc6)),
        ("an extension", promising(0xc9)),
        ("a list in a field", in_field("rooms", promising(0xdd))),
        ("a text in an unknown field", in_field("unknown", promising(0xdb))),
        ("lists in lists", vec![0x91; 15]),
        ("maps in maps", [0x81, 0xc0].repeat(8)),
        ("a number", vec![7]),
        ("nothing", vec![0xc0]),
        ("no value", vec![]),
    ]
}

#[test]
fn bombs_are_bad_frames_on_every_listener() {
    let cluster = Cluster::impatient();
    let ticket = ticket(&cluster);
    for (name, _, role, speaker) in LISTENERS {
        for spec in SPECS.iter().filter(|spec| spec.speaker == speaker) {
            for (what, body) in bombs() {
                let mut wire = greet(cluster.address(name), role, credential(role, &ticket)).unwrap();
                let frame = framed(&[&spec.opcode.to_be_bytes()[..], &[0], &body].concat());
                let sealed = wire.sealed(&frame);
                wire.write(&sealed);
                assert_eq!(wire.last_word(), Some(CloseReason::BadFrame), "{name}, {}: {what}", spec.name);
            }
        }
    }
    log_in(cluster.address("login"), Credentials::Guest);
    end_well(cluster);
}

#[test]
fn a_first_frame_for_another_kind_of_server_is_told_so() {
    let cluster = Cluster::impatient();
    let ticket = ticket(&cluster);
    for (name, _, role, _) in LISTENERS {
        for (_, _, other, _) in LISTENERS.into_iter().filter(|(_, _, other, _)| *other != role) {
            let said = greet(cluster.address(name), other, credential(other, &ticket)).err();
            let wrong_role = Message::from(Closing { reason: CloseReason::WrongRole });
            assert_eq!(said, Some(wrong_role), "{other:?} at {name}");
        }
    }
    end_well(cluster);
}
