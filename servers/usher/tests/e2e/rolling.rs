//! A rolling restart of room servers, under players who play: nobody fails, no hand is lost.
//!
//! By hand with more players, who then think longer: `USHER_ROLLING_PLAYERS=3000 cargo test --release -p usher --test e2e
//! rolling -- --nocapture`.
//! Read next: `usher_logic::room`, `door/moving.rs`; `crates/sim/tests/drain.rs`, the same in virtual time.

use crate::cluster::{Cluster, GUESTS, usher};
use crate::page::{get, metric, state, until, until_in_rooms};
use crate::secrets;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::process::Stdio;
use usher_proto::{HandRecord, ServerKind};
use usher_runtime::clock;
use usher_store::hands::Records;

/// As many, unless more are asked for.
const CROWD: u64 = 120;
const SERVERS: [&str; 3] = ["room-1", "room-2", "room-3"];
/// How many play.
fn crowd() -> u64 {
    std::env::var("USHER_ROLLING_PLAYERS").map_or(CROWD, |players| players.parse().expect("a number"))
}

/// Two servers of these take the crowd.
fn rooms() -> String {
    let capacity = crowd() * 2 / 3;
    format!(
        "[room]\nnext_hand_delay_ms = 100\n[[room.rooms]]\nname = \"Nim\"\ngame = \"nim\"\ncount = 2\n\
         capacity = {capacity}\n"
    )
}

fn mix() -> String {
    let think = if crowd() > CROWD { "[500, 1500]" } else { "[50, 150]" };
    format!("[[kinds]]\nshare = 1\nplay = \"nim\"\nthink_ms = {think}\n")
}

fn post(admin: SocketAddr, path: &str) -> (u16, String) {
    let request = ureq::post(format!("http://{admin}{path}")).config().http_status_as_error(false).build();
    let mut answer = request.send_empty().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn hands(cluster: &Cluster, server: &str) -> Vec<HandRecord> {
    let journal = cluster.folder.0.join(format!("hands-{server}.jsonl"));
    let reader = BufReader::new(File::open(&journal).unwrap());
    Records::new(&journal, reader).map(Result::unwrap).collect()
}

/// Every hand that was begun at a table has its number; none may be missing.
fn check_numbers(hands: &[HandRecord]) {
    let mut tables: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for hand in hands {
        let id = &hand.id;
        tables.entry((id.incarnation, id.room, id.table)).or_default().push(id.hand);
    }
    for (table, mut numbers) in tables {
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{table:?}");
    }
}

/// Everybody has a seat, and hands are played.
fn until_all_sit(cluster: &Cluster) {
    let all = crowd();
    until(&format!("{all} sit"), || {
        let seated = |name: &&str| metric(cluster.admin(name), "usher_players_seated");
        let seated: Option<Vec<u64>> = SERVERS.iter().map(seated).collect();
        (seated?.iter().sum::<u64>() == all).then_some(())
    });
}

/// The server is asked to go, goes with every hand written down that it had begun, and is started again.
fn restart(cluster: &mut Cluster, name: &str, ask: impl FnOnce(&mut Cluster)) {
    let (manager, admin) = (cluster.admin("manager"), cluster.admin(name));
    let before = hands(cluster, name).len() as u64;
    let asked = clock::instant();
    ask(cluster);
    let mut begun = 0;
    until(&format!("{name} is empty"), || {
        begun = begun.max(metric(admin, "usher_hands_started_total").unwrap_or(0));
        (!cluster.server(name).is_running()).then_some(())
    });
    let took = clock::instant() - asked;
    let (status, last) = cluster.server(name).ended();
    assert!(status.success(), "{status}: {last}");
    for pool in ["contexts", "buffers"] {
        assert_eq!(last["pools"][pool]["taken"], last["pools"][pool]["returned"], "{last}");
    }
    let recorded = hands(cluster, name);
    check_numbers(&recorded);
    assert!(begun > 0 && recorded.len() as u64 >= begun, "{} of {begun} hands", recorded.len());
    println!("{name}: empty after {took:?}, {} hands before and {} in all", before, recorded.len());
    cluster.restart(ServerKind::Room, name);
    until("it is up again", || (state(manager, name)? == "up").then_some(()));
}

#[test]
fn a_rolling_restart_loses_no_player_and_no_hand() {
    let (players, rooms) = (crowd(), rooms());
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, SERVERS[0], &rooms),
        (ServerKind::Room, SERVERS[1], &rooms),
        (ServerKind::Room, SERVERS[2], &rooms),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let manager = cluster.admin("manager");
    let mix = cluster.folder.write("nim.mix", &mix());
    let report = cluster.folder.0.join("report.json");
    let (rate, seconds) = ((players / 4).to_string(), (25 + players / 70).to_string());
    let mut crowd = usher()
        .args(["client-sim", "--quiet", "--die-with-parent", "--rate", &rate, "--seconds", &seconds])
        .args(["--reconnect-per-mille", "0", "--players", &players.to_string()])
        .args(["--login", cluster.address("login")])
        .args(["--login-key", &secrets::login_key().public().to_string(), "--mix"])
        .arg(&mix)
        .arg("--json")
        .arg(&report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until_in_rooms(manager, players);
    until_all_sit(&cluster);
    assert_eq!(post(manager, "/api/drain/nobody"), (404, "no such server\n".into()));
    restart(&mut cluster, SERVERS[0], |cluster| cluster.server(SERVERS[0]).terminate());
    until_all_sit(&cluster);
    restart(&mut cluster, SERVERS[1], |cluster| {
        let answer = post(cluster.admin("manager"), &format!("/api/drain/{}", SERVERS[1]));
        assert_eq!(answer, (200, "draining\n".into()));
    });
    until_all_sit(&cluster);
    restart(&mut cluster, SERVERS[2], |cluster| cluster.server(SERVERS[2]).terminate());
    until_all_sit(&cluster);
    assert!(crowd.try_wait().unwrap().is_none(), "the players went home in the middle of it");

    let status = until("all go home", || crowd.try_wait().unwrap());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&players.into(), &0.into()), "{report:#}");
    assert!(report["redirects"]["room"].as_u64() >= Some(players / 2), "{report:#}");
    until_in_rooms(manager, 0);
    for name in SERVERS {
        let [begun, ended] = ["started", "ended"].map(|it| format!("usher_hands_{it}_total"));
        let admin = cluster.admin(name);
        until("every hand has ended", || (metric(admin, &begun)? == metric(admin, &ended)?).then_some(()));
        check_numbers(&hands(&cluster, name));
        assert_eq!(get(admin, "/readyz").unwrap().0, 200);
    }
    println!(
        "redirects {}, drops {}, delivered {}",
        report["redirects"], report["drops"], report["delivered"]
    );
}
