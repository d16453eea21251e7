//! Places elsewhere that are asked for and never taken: strangers who only want to be sent on, and players who get in
//! all the same.
//!
//! The strangers come from hosts of their own, whose limits by address hold; the players' host is exempt.
//! Read next: `usher_logic::asked_for`; `usher_logic::manager`'s `arbitration`.

use crate::cluster::{Cluster, usher};
use crate::page::{metric, until};
use crate::secrets;
use crate::wire::{Heard, Wire, framed};
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use usher_proto::ServerKind;
use usher_proto::first_frame::{FirstFrame, Role};
use usher_proto::message::{Busy, Message, Redirect};
use usher_runtime::clock;

/// Hosts the strangers come from, each a thread.
const HOSTS: u8 = 20;
/// Players who come meanwhile, in a second.
const PLAYERS_PER_SECOND: u64 = 20;
/// The players' host may have any number; login-1 serves a fraction of who comes, login-2 everybody.
const EXEMPT: &str = "[addresses]\nexempt = [\"127.0.0.1/32\"]\nconnections_per_address_per_second_max = 0\n";
const NARROW: &str = "[limits]\nserve_per_second_max = 10\n";
const ROOMS: &str = "[[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 2\ncapacity = 400\n";
const GUESTS: &str = "[login]\nguests = true\n";

/// What the strangers were told.
#[derive(Debug, Default)]
struct Told {
    redirects: AtomicU64,
    busy: AtomicU64,
    other: AtomicU64,
}

/// A stranger's visit: a first frame whose handshake holds nothing, and the answer.
fn visit(host: Ipv4Addr, login: &str, told: &Told) {
    let Some(mut wire) = Wire::connect_from(host, login) else { return };
    let first = FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: &[9; 48] };
    wire.write(&framed(&first.to_bytes()));
    let count = match wire.hear() {
        Heard::Said(Message::Redirect(Redirect { .. })) => &told.redirects,
        Heard::Said(Message::Busy(Busy { .. })) => &told.busy,
        _ => &told.other,
    };
    count.fetch_add(1, Ordering::Relaxed);
}

/// So many visits a second, as far as the login keeps up, until it is over.
fn flood(host: u8, login: &str, per_second: u64, told: &Told, over: &AtomicBool) {
    let (host, start) = (Ipv4Addr::new(127, 0, 1, host), clock::instant());
    for number in 0u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let due = start + Duration::from_secs(1) / per_second as u32 * number;
        thread::sleep(due.saturating_duration_since(clock::instant()));
        visit(host, login, told);
    }
}

fn places_that_are_not_taken_keep_nobody_out(seconds: u64, per_second: u64) {
    let with = |sections: &str| format!("{sections}{EXEMPT}");
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", &with("")),
        (ServerKind::Room, "room", &with(ROOMS)),
        (ServerKind::Hall, "hall", &with("")),
        (ServerKind::Login, "login-2", &with(GUESTS)),
        (ServerKind::Login, "login", &with(&format!("{NARROW}{GUESTS}"))),
    ]);
    let (login, told, over) = (cluster.address("login"), Told::default(), AtomicBool::new(false));
    let report = cluster.folder.0.join("report.json");
    let status = thread::scope(|scope| {
        for host in 1..=HOSTS {
            let (told, over) = (&told, &over);
            scope.spawn(move || flood(host, login, per_second / u64::from(HOSTS), told, over));
        }
        let crowd = usher()
            .args(["client-sim", "--quiet", "--die-with-parent", "--play", "idle", "--seconds", "1"])
            .args(["--rate", &PLAYERS_PER_SECOND.to_string()])
            .args(["--players", &(PLAYERS_PER_SECOND * seconds).to_string(), "--login", login])
            .args(["--login-key", &secrets::login_key().public().to_string(), "--json"])
            .arg(&report)
            .stdout(Stdio::null())
            .status();
        over.store(true, Ordering::Relaxed);
        crowd.unwrap()
    });
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    println!(
        "{told:?} in {seconds} s; players: {} of {} seated, redirected {}, journey p99 {} us",
        report["seated"], report["players"], report["redirects"], report["steps"]["journey"]["p99"]
    );
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&report["players"], &0.into()), "{report:#}");
    assert!(told.redirects.load(Ordering::Relaxed) > 0, "nobody took a place: {told:?}");
    assert!(told.busy.load(Ordering::Relaxed) > 0, "nobody was told busy: {told:?}");
    let manager = cluster.admin("manager");
    until("no place is kept any more", || {
        (metric(manager, "usher_reservations_outstanding")? == 0).then_some(())
    });
}

#[test]
fn strangers_who_never_come_keep_no_player_out() {
    places_that_are_not_taken_keep_nobody_out(3, 500);
}

/// By hand, with the release binary: `cargo test --release -p usher --test e2e -- --ignored --nocapture reservations`.
#[test]
#[ignore = "half a minute, and worth it with the release binary alone"]
fn two_thousand_a_second_who_never_come_keep_no_player_out() {
    places_that_are_not_taken_keep_nobody_out(30, 2_000);
}
