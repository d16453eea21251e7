//! Whole evenings by `client-sim --mix`: hands in both games, and everything that players do between them.
//!
//! Read next: `usher_client_sim::mix`.

use crate::cluster::{Cluster, GUESTS, usher};
use crate::page::until;
use crate::secrets;
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use usher_proto::ServerKind;

const PLAYERS: u64 = 80;
/// Rooms of both games, with a short rest between hands.
const BOTH_GAMES: &str = "[room]\nnext_hand_delay_ms = 200\n\
    [[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 2\ncapacity = 60\n\
    [[room.rooms]]\nname = \"Dou Dizhu\"\ngame = \"doudizhu\"\ncount = 2\ncapacity = 60\n";
/// People in a hurry.
const MIX: &str = "[[kinds]]\nshare = 1\nplay = \"gomoku\"\nthink_ms = [5, 50]\nchat_every_s = 2\nhands = [1, 2]\n\
    after = { another_table = 3, another_room = 3, leave = 2, drop = 2 }\nback_after_s = [1, 2]\n\
    [[kinds]]\nshare = 1\nplay = \"doudizhu\"\nthink_ms = [5, 50]\nchat_every_s = 2\nhands = [1, 1]\n\
    after = { another_table = 3, another_room = 3, leave = 2, drop = 2 }\nback_after_s = [1, 2]\n";

/// So many players of this mix come, play and go; nobody fails. The report.
fn evening(cluster: &Cluster, mix: &str, players: u64, how: &[&str]) -> Value {
    let (mix, report) = (cluster.folder.write("evening.mix", mix), cluster.folder.0.join("report.json"));
    let mut crowd = usher()
        .args(["client-sim", "--quiet", "--die-with-parent"])
        .args(how)
        .args(["--players", &players.to_string(), "--login", cluster.address("login")])
        .args(["--login-key", &secrets::login_key().public().to_string(), "--mix"])
        .arg(mix)
        .arg("--json")
        .arg(&report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = until("the end of the evening", || crowd.try_wait().unwrap());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&players.into(), &0.into()), "{report:#}");
    report
}

#[test]
fn evenings_of_both_games_in_two_processes() {
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room-1", BOTH_GAMES),
        (ServerKind::Room, "room-2", BOTH_GAMES),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let report = evening(&cluster, MIX, PLAYERS, &["--rate", "80", "--seconds", "8", "--processes", "2"]);
    assert!(report["delivered"]["expected"].as_u64() > Some(0), "nobody said anything: {report:#}");
    for done in ["hands", "tables", "rooms", "drops", "leaves", "returns"] {
        assert!(report["evening"][done].as_u64() > Some(0), "no {done}: {report:#}");
    }
    println!("{}", report["evening"]);
}

#[test]
fn a_game_without_a_bot_or_a_screen_is_played_over_sockets_and_plays_back() {
    const HEAPS: &str = "[room]\nnext_hand_delay_ms = 50\n\
        [[room.rooms]]\nname = \"Heaps\"\ngame = \"nim\"\ncount = 1\ncapacity = 8\n";
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", HEAPS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let mix = "[[kinds]]\nshare = 1\nplay = \"nim\"\nthink_ms = [1, 10]\n";
    let report = evening(&cluster, mix, 8, &["--seconds", "2"]);
    let ended = report["evening"]["hands"].as_u64();
    assert!(ended > Some(0), "nobody was told the end of a hand: {report:#}");

    let journal = cluster.folder.0.join("hands-room.jsonl");
    let played = usher().arg("replay").arg(journal).output().unwrap();
    let said = String::from_utf8(played.stdout).unwrap();
    assert!(played.status.success(), "{said}");
    assert!(said.contains("  game    nim, rules 1\n") && said.contains("  ended   won, after "), "{said}");
    println!("{} seats were told an end; {}", ended.unwrap_or(0), said.lines().last().unwrap_or_default());
}

#[test]
fn a_mix_that_is_wrong_is_said_so_before_anybody_sets_out() {
    let folder = crate::cluster::Folder::new();
    let path = folder.write("evening.mix", &MIX.replace("hands = [1, 1]", "hands = [3, 1]"));
    let client_sim = |more: &[&str]| {
        let mut command = usher();
        command.args(["client-sim", "--login", "127.0.0.1:9", "--mix"]).arg(&path).args(more);
        command.output().unwrap()
    };
    let wrong = client_sim(&[]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    let place = format!("error: {}:14: kinds.hands: ends before it begins", path.display());
    assert!(said.starts_with(&place), "{said}");
    assert_eq!(client_sim(&["--play", "chat"]).status.code(), Some(2), "one or the other");
}
