//! Too many connections of one address, too much on one connection: both end, and a guest gets in meanwhile.
//!
//! The flood comes from another host of the loopback than everybody else, and nobody is exempt.
//! Read next: `usher_hpserver`, whose limits these are; `docs/operating.md`, their table.

use crate::cluster::{Cluster, Folder, GUESTS, GUESTS_WITHOUT_HALL, Process, ROOMS, config};
use crate::page::{closed, connections, metric, until};
use crate::wire::{Wire, greet, log_in, packets, visit_hall};
use std::net::Ipv4Addr;
use usher_proto::ServerKind;
use usher_proto::first_frame::Role;
use usher_proto::message::{CloseReason, Credentials, Ping};
use usher_runtime::clock;
use usher_runtime::process::raise_file_limit;

/// Where floods come from.
const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// What one address may have open, in these tests.
const OPEN_MAX: u64 = 50;
const FLOOD: usize = 3_000;
/// A guest logs in each time that so many have knocked.
const GUEST_EVERY: usize = 500;
const ADDRESSES: &str = "[limits]\nfirst_message_deadline_ms = 600000\n[addresses]\nconnections_per_address_max = 50\n\
    connections_per_address_per_second_max = 500\nconnections_per_address_burst = 200\n";

/// A login server by itself, which limits addresses.
fn login() -> (Cluster, Process) {
    let cluster = Cluster::in_folder(Folder::new());
    let sections = ADDRESSES.to_string() + GUESTS_WITHOUT_HALL;
    let text = config(ServerKind::Login, "login", "127.0.0.1:0", "", &sections);
    let login = Process::start(ServerKind::Login, &cluster.folder.write("login.toml", &text));
    (cluster, login)
}

/// So many connections of one address, held as long as the server holds them; how many it refused.
fn flood(login: &Process, count: usize) -> u64 {
    let (address, admin) = (&login.ready.address, login.ready.admin);
    let mut held = Vec::new();
    for number in 0..count {
        held.extend(Wire::connect_from(FLOODER, address));
        if number % GUEST_EVERY == 0 {
            log_in(address, Credentials::Guest);
            held.retain(|wire| !wire.is_over());
        }
    }
    let refused =
        || Some(closed(admin, "players", "address_full")? + closed(admin, "players", "address_rate")?);
    until("every one was let in or refused", || {
        let refused = refused()?;
        (connections(admin, "players")? + refused == count as u64).then_some(refused)
    })
}

/// Nobody is left, nothing is remembered, and every pool has back what was taken from it.
fn until_forgotten(mut login: Process) {
    let admin = login.ready.admin;
    until("nobody is left", || (connections(admin, "players")? == 0).then_some(()));
    until("no address is remembered", || {
        (metric(admin, "usher_addresses{listener=\"players\"}")? == 0).then_some(())
    });
    login.terminate();
    let (status, line) = login.ended();
    assert!(status.success(), "{line}");
    for pool in ["contexts", "buffers"] {
        assert_eq!(line["pools"][pool]["taken"], line["pools"][pool]["returned"], "{line}");
    }
}

#[test]
fn a_flood_from_one_address_is_refused_and_a_guest_from_another_logs_in() {
    raise_file_limit();
    let (_cluster, login) = login();
    let refused = flood(&login, FLOOD);
    assert_eq!(refused, FLOOD as u64 - OPEN_MAX);
    until_forgotten(login);
}

/// By hand, with the release binary: `cargo test --release -p usher --test e2e -- --ignored --nocapture fifty`.
#[test]
#[ignore = "figures to look at, and worth it with the release binary alone"]
fn fifty_thousand_from_one_address_in_a_minute() {
    raise_file_limit();
    let (_cluster, login) = login();
    log_in(&login.ready.address, Credentials::Guest);
    let before = login.rss_kib();
    let start = clock::instant();
    let refused = flood(&login, 50_000);
    println!(
        "{refused} of 50,000 refused in {:?}; resident {before} KiB before, {} KiB after; {} guests meanwhile",
        clock::instant() - start,
        login.rss_kib(),
        50_000 / GUEST_EVERY,
    );
    assert_eq!(refused, 50_000 - OPEN_MAX);
    until_forgotten(login);
}

/// A cluster whose servers allow one connection so much.
fn limited(limits: &str) -> Cluster {
    let with = |own: &str| format!("[limits]\n{limits}{own}");
    Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &with(ROOMS)),
        (ServerKind::Hall, "hall", &with("")),
        (ServerKind::Login, "login", &with(GUESTS)),
    ])
}

/// Pings without end, on each kind of server, are answered with the last word.
fn abuse_each(cluster: &Cluster, pings: usize) {
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let ticket = visit_hall(cluster.address("hall"), &guest.ticket).0.ticket.expect("the session is young");
    for (name, role, ticket) in [
        ("login", Role::Login, &b""[..]),
        ("hall", Role::Hall, &ticket[..]),
        ("room", Role::Room, &ticket[..]),
    ] {
        let admin = cluster.admin(name);
        let mut abuser = greet(cluster.address(name), role, ticket).unwrap();
        // It may be closed before the last byte is out.
        let pings = abuser.sealed(&packets(Ping {}).repeat(pings));
        let _ = abuser.try_write(&pings);
        assert_eq!(abuser.last_word(), Some(CloseReason::RateLimited), "{name}");
        until("it is counted", || (closed(admin, "players", "rate_limited")? == 1).then_some(()));
        until("it is gone", || (connections(admin, "players")? == 0).then_some(()));
    }
    log_in(cluster.address("login"), Credentials::Guest);
}

#[test]
fn one_who_says_too_much_too_fast_is_closed_with_a_word() {
    abuse_each(
        &limited("messages_per_second_max = 10\nmessages_burst = 20\nbytes_per_second_max = 0\n"),
        1_000,
    );
}

#[test]
fn one_who_sends_too_many_bytes_is_closed_with_a_word() {
    let limits = "messages_per_second_max = 0\nbytes_per_second_max = 1000\nbytes_burst = 16384\n";
    abuse_each(&limited(limits), 10_000);
}
