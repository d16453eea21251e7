//! kill -9 of half of the players, in the middle of their hands.
//!
//! Nobody says goodbye: sockets are gone, seats are held until their grace is over, clocks run out, a trustee plays on, and
//! whoever was playing with the dead finishes the hand.
//! Read next: `usher_logic::room`; `crashes.rs`, where servers are killed.

use crate::cluster::{Cluster, GUESTS, usher};
use crate::page::{cluster as view, metric, until, until_in_rooms};
use crate::secrets;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use usher_games::GameKind;
use usher_proto::hand::Move;
use usher_proto::{HandRecord, ServerKind};
use usher_store::hands::Records;

/// Players of each of two processes.
const HALF: u64 = 30;
/// A clock is over before a grace is, and both before the others go home.
const ROOMS: &str = "[room]\nseat_grace_s = 4\nnext_hand_delay_ms = 200\n\
    [[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 1\ncapacity = 60\nturn_time_ms = 2000\n\
    [[room.rooms]]\nname = \"Dou Dizhu\"\ngame = \"doudizhu\"\ncount = 1\ncapacity = 60\nturn_time_ms = 2000\n";
/// Everybody sits at one table for as long as they are here.
const MIX: &str = "[[kinds]]\nshare = 1\nplay = \"gomoku\"\nthink_ms = [50, 200]\n\
    [[kinds]]\nshare = 2\nplay = \"doudizhu\"\nthink_ms = [50, 200]\n";

/// Starts so many players, who write their report to the file.
fn crowd(cluster: &Cluster, mix: &Path, seed: &str, report: &Path) -> Child {
    usher()
        .args(["client-sim", "--quiet", "--die-with-parent", "--rate", "30", "--seconds", "10"])
        .args(["--reconnect-per-mille", "0", "--seed", seed, "--players", &HALF.to_string()])
        .args(["--login", cluster.address("login")])
        .args(["--login-key", &secrets::login_key().public().to_string(), "--mix"])
        .arg(mix)
        .arg("--json")
        .arg(report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until a room server's figures are these.
fn until_figures(admin: SocketAddr, figures: &[(&str, u64)]) {
    until(&format!("{figures:?}"), || {
        let are = |(name, wanted): &(&str, u64)| metric(admin, name) == Some(*wanted);
        figures.iter().all(are).then_some(())
    });
}

fn hands(cluster: &Cluster) -> Vec<HandRecord> {
    let journal = cluster.folder.0.join("hands-room.jsonl");
    let reader = BufReader::new(File::open(&journal).unwrap());
    Records::new(&journal, reader).map(Result::unwrap).collect()
}

#[test]
fn half_of_the_players_killed_in_their_hands_hold_nobody_up() {
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let mix = cluster.folder.write("table.mix", MIX);
    let report = cluster.folder.0.join("report.json");
    let mut killed = crowd(&cluster, &mix, "1", &cluster.folder.0.join("never.json"));
    let mut others = crowd(&cluster, &mix, "2", &report);
    until_figures(room, &[("usher_players_seated", 2 * HALF), ("usher_players_absent", 0)]);
    let ended = metric(room, "usher_hands_ended_total").unwrap();
    let playing = until("hands are played", || metric(room, "usher_hands_playing").filter(|&it| it > 5));

    killed.kill().unwrap();
    killed.wait().unwrap();
    until_figures(room, &[("usher_players_absent", HALF), ("usher_players_seated", 2 * HALF)]);
    until_figures(room, &[("usher_seats_given_up_total", HALF), ("usher_players_absent", 0)]);
    until_in_rooms(manager, HALF);
    let until_ended = || (metric(room, "usher_hands_ended_total")? >= ended + playing).then_some(());
    until("their hands have ended", until_ended);

    let status = until("the others go home", || others.try_wait().unwrap());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&HALF.into(), &0.into()), "{report:#}");
    let gone = ["usher_players", "usher_players_seated", "usher_hands_playing", "usher_places_held"];
    until_figures(room, &gone.map(|name| (name, 0)));
    until_in_rooms(manager, 0);
    let is_empty = |room: &Value| room["population"] == 0;
    until("rooms report that they are empty", || {
        view(manager)?["rooms"].as_array()?.iter().all(is_empty).then_some(())
    });
    let [begun, over] =
        ["started", "ended"].map(|it| metric(room, &format!("usher_hands_{it}_total")).unwrap());
    assert_eq!(begun, over);

    cluster.server("room").terminate();
    let (status, last) = cluster.server("room").ended();
    assert!(status.success(), "{status}: {last}");
    for pool in ["contexts", "buffers"] {
        assert_eq!(last["pools"][pool]["taken"], last["pools"][pool]["returned"], "{last}");
    }
    let hands = hands(&cluster);
    assert_eq!(hands.len() as u64, over);
    check_how_they_ended(&hands);
    println!("{HALF} killed in {playing} hands; {over} were written down; delivered {}", report["delivered"]);
}

/// In hands of both games a clock ran out; Gomoku is lost by it, in Dou Dizhu the trustee has played it to its end.
fn check_how_they_ended(hands: &[HandRecord]) {
    let of = |kind: GameKind| hands.iter().filter(move |hand| hand.game.0 == kind.id());
    let reasons = |kind| of(kind).map(|hand| &*hand.reason).collect::<BTreeSet<_>>();
    assert!(reasons(GameKind::Gomoku).contains("timed out"), "{:?}", reasons(GameKind::Gomoku));
    assert!(reasons(GameKind::DouDizhu).is_subset(&["won", "draw"].into()), "no other way to end");
    let left = |hand: &&HandRecord| hand.moves.iter().any(|done| matches!(done, Move::Abandon { .. }));
    let late = |hand: &&HandRecord| hand.moves.contains(&Move::Timeout);
    let played_on = of(GameKind::DouDizhu).filter(left).filter(late).filter(|hand| hand.reason == "won");
    assert!(played_on.count() > 0, "no trustee played");
    assert!(hands.iter().all(|hand| hand.scores.iter().sum::<i32>() == 0));
}
