//! A room server whose game is in workers: played, renewed and killed while people play; its workers end with it.
//!
//! Needs `python3`: the workers are an example of crates/workers.

use crate::cluster::{Cluster, Folder, GUESTS, signal, usher};
use crate::logs::{lines, message};
use crate::page::{metric, until, until_in_rooms};
use crate::secrets;
use crate::wire::{Wire, greet, log_in};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use usher_games::GameKind;
use usher_proto::first_frame::Role;
use usher_proto::hand::FAULT;
use usher_proto::message::{Act, Credentials, Enter, Sit};
use usher_proto::{GameId, Message, ServerKind, TableNo};
use usher_runtime::process::{children_of, is_running};

const PLAYERS: u64 = 20;

/// Rooms of a game, and two workers that know its rules.
fn tournament() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/workers/examples/rps.py");
    format!(
        "[room]\nnext_hand_delay_ms = 50\n\
         [[room.rooms]]\nname = \"Rock, paper, scissors\"\ngame = \"worker:rps\"\nseats = 4\ncapacity = 40\n\
         [workers]\nheartbeat_ms = 500\n\
         [[workers.groups]]\nname = \"games\"\ncommand = [\"python3\", \"{script}\"]\ninstances = 2\ngames = [\"rps\"]\n"
    )
}

#[test]
fn a_game_in_workers_is_played_while_they_are_renewed_and_killed() {
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &tournament()),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let (admin, room) = (cluster.admin("room"), cluster.server("room").id());
    let figure = |name: &str| metric(admin, &format!("usher_workers_{name}{{group=\"games\"}}"));
    until("both workers are up", || (figure("up")? == 2).then_some(()));
    let report = cluster.folder.0.join("report.json");
    let mut crowd = usher()
        .args(["client-sim", "--quiet", "--die-with-parent", "--play", "worker:rps", "--rate", "40"])
        .args(["--seconds", "8", "--players", &PLAYERS.to_string(), "--login", cluster.address("login")])
        .args(["--login-key", &secrets::login_key().public().to_string(), "--json"])
        .arg(&report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until_in_rooms(cluster.admin("manager"), PLAYERS);
    let order = usher().args(["reload-workers", "--admin", &admin.to_string()]).output().unwrap();
    assert!(order.status.success(), "{order:?}");
    until("both are renewed", || (figure("reloads_total")? == 2).then_some(()));
    assert_eq!(figure("deaths_total"), Some(0));
    let workers = children_of(room);
    assert_eq!(workers.len(), 2, "{workers:?}");
    signal(workers[0], Signal::KILL);
    until("another has taken its place", || {
        (figure("deaths_total")? == 1 && figure("up")? == 2).then_some(())
    });
    let status = until("the crowd's end", || crowd.try_wait().unwrap());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert!(status.success(), "{status}: {report:#}");
    assert_eq!((&report["seated"], &report["failed"]), (&PLAYERS.into(), &0.into()), "{report:#}");
    assert!(metric(admin, "usher_workers_requests_total{result=\"answered\"}") > Some(PLAYERS));
    for lost in ["worker_died", "late", "set_aside", "full", "no_worker"] {
        let name = format!("usher_workers_requests_total{{result=\"{lost}\"}}");
        assert_eq!(metric(admin, &name), Some(0), "{lost}");
    }
    let workers = children_of(room);
    cluster.server("room").kill();
    until("no worker is left", || (!workers.iter().any(|&pid| is_running(pid))).then_some(()));
}

/// Games that fail: one at the first move, one before any hand begins.
const BROKEN: &str = r#"
from usher_worker import Game, Worker

class Stuck(Game):
    def __init__(self, seed): pass
    def to_act(self): return [0]
    def actions(self, seat): return ["on"]
    def act(self, seat, action): raise ValueError("no way on")
    def show(self, viewer): return ""
    def outcome(self): return None

class Unborn(Stuck):
    def __init__(self, seed): raise KeyError("cards")

Worker("broken").game("stuck", Stuck).game("unborn", Unborn).run()
"#;

/// Two guests at a table of this game: the one in the first seat, then the other.
fn two_at_a_table(cluster: &Cluster, game: &str) -> [Wire; 2] {
    let game = GameId(GameKind::from_name(game).unwrap().id());
    [0, 1].map(|seat| {
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        let mut wire = greet(cluster.address("room"), Role::Room, &guest.ticket).unwrap();
        wire.say(Enter { game, room: None, last_seq: None, last_hand: None });
        wire.await_said("the room", |said| matches!(said, Message::Entered(_)).then_some(()));
        wire.say(Sit { table: Some(TableNo(0)), seat: Some(seat) });
        wire.await_said("a seat", |said| matches!(said, Message::Seated(_)).then_some(()));
        wire
    })
}

#[test]
fn why_a_hand_failed_or_did_not_begin_is_in_the_log_and_its_moves_are_printed() {
    let folder = Folder::new();
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/workers/sdk");
    let script = folder.write("broken.py", &format!("import sys\nsys.path.insert(0, \"{sdk}\")\n{BROKEN}"));
    let room = |game| {
        format!("[[room.rooms]]\nname = \"{game}\"\ngame = \"worker:{game}\"\nseats = 2\ncapacity = 4\n")
    };
    let sections = format!(
        "[room]\n{}{}[[workers.groups]]\nname = \"games\"\ncommand = [\"python3\", \"{}\"]\n\
         games = [\"stuck\", \"unborn\"]\n[log]\njson = true\n",
        room("stuck"),
        room("unborn"),
        script.display()
    );
    let mut cluster = Cluster::in_folder(folder);
    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &sections),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    cluster.until_whole();
    let logged = |what: &'static str| {
        until(what, || {
            let lines = lines(&cluster, "room");
            lines.iter().find(|line| message(line) == what).map(|line| line["fields"].clone())
        })
    };
    let _waiting = two_at_a_table(&cluster, "worker:unborn");
    let fields = logged("no worker opens a hand");
    assert_eq!(fields["why"], "failed: KeyError: 'cards'");
    assert!(fields["hand"].as_str().unwrap().ends_with("/1/0/1"), "{fields}");

    let [mut acts, _other] = two_at_a_table(&cluster, "worker:stuck");
    acts.await_hand();
    acts.say(Act { hand: 1, turn: 0, action: b"on".to_vec().into() });
    let reason = acts.await_said("its end", |said| match said {
        Message::HandEnded(ended) => Some(ended.reason.clone()),
        _ => None,
    });
    assert_eq!(&*reason, FAULT);
    let fields = logged("a game failed");
    assert_eq!(fields["why"], "failed: ValueError: no way on");
    let hand = fields["hand"].as_str().unwrap();
    assert!(hand.ends_with("/0/0/1"), "{fields}");

    let journal = cluster.folder.0.join("hands-room.jsonl");
    let printed = usher().arg("replay").arg(journal).args(["--hand", hand]).output().unwrap();
    let said = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success() && said.contains("  ended   fault, after "), "{said}");
}

#[test]
fn a_room_server_that_is_stopped_ends_its_workers() {
    let mut cluster = Cluster::in_folder(Folder::new());
    cluster.add_all(&[(ServerKind::Manager, "manager", ""), (ServerKind::Room, "room", &tournament())]);
    let room = cluster.server("room");
    let id = room.id();
    let workers = until("its workers are there", || Some(children_of(id)).filter(|it| it.len() == 2));
    room.terminate();
    let (status, _) = room.ended();
    assert!(status.success(), "{status}");
    assert!(!workers.iter().any(|&pid| is_running(pid)), "{workers:?}");
}

#[test]
fn a_demo_that_has_nothing_to_run_its_workers_with_says_what_is_missing_and_starts_nothing() {
    let folder = Folder::new();
    let ended = usher().args(["demo", "--workers"]).env("PATH", &folder.0).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("--workers needs node and python3, which cannot be run here"), "{said}");
    assert!(ended.stdout.is_empty(), "something was started");
}
