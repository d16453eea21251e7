//! What servers write down: one player's way from login to room, and not what a flood of strangers does.
//!
//! Read next: `usher_runtime::logs`, `usher_runtime::steps`.

use crate::cluster::{Cluster, GUESTS, ROOMS};
use crate::page::until;
use crate::wire::{Heard, Wire, enter, first_frame, framed, log_in, visit_hall};
use serde_json::Value;
use std::fs;
use usher_proto::first_frame::Role;
use usher_proto::message::{Credentials, Leave};
use usher_proto::{Message, ServerKind};

const STEPS: &str = "[log]\nlevel = \"info,usher::steps=debug\"\njson = true\n";
const JSON: &str = "[log]\njson = true\n";

/// The lines that a server has written so far.
pub(crate) fn lines(cluster: &Cluster, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(cluster.folder.0.join(format!("{name}.log"))).unwrap();
    let whole = text.lines().map(serde_json::from_str);
    whole.map_while(Result::ok).collect() // the last may be half there
}

pub(crate) fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap_or_default()
}

/// What a server wrote about one session.
fn steps(cluster: &Cluster, name: &str, session: &str) -> Vec<String> {
    let about = |line: &&Value| line["fields"]["session"] == session;
    lines(cluster, name).iter().filter(about).map(|line| message(line).into()).collect()
}

#[test]
fn one_session_is_followed_from_login_to_room() {
    let [room, login] = [ROOMS, GUESTS].map(|sections| STEPS.to_owned() + sections);
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", STEPS),
        (ServerKind::Room, "room", &room),
        (ServerKind::Hall, "hall", STEPS),
        (ServerKind::Login, "login", &login),
    ]);
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let (renewed, _) = visit_hall(&guest.halls[0].0, &guest.ticket);
    let (mut wire, _) = enter(cluster.address("room"), &renewed.ticket.unwrap(), Some(0)).unwrap();
    wire.sit();
    wire.say(Leave {});
    wire.await_said("the way out", |message| matches!(message, Message::Left(_)).then_some(()));
    drop(wire);

    let session = guest.identity.session.to_string();
    for (name, way) in [
        ("login", &["logged in"][..]),
        ("hall", &["arrived", "shown the directory", "closed", "gone"]),
        ("room", &["arrived", "entered", "seated", "left", "gone"]),
    ] {
        until(&format!("the whole way at the {name}"), || {
            (steps(&cluster, name, &session).last().map(String::as_str) == way.last().copied()).then_some(())
        });
        assert_eq!(steps(&cluster, name, &session), way, "{name}");
        let told = lines(&cluster, name);
        let account = guest.identity.account.0;
        let mut own = told.iter().filter(|line| line["fields"]["session"] == session.as_str());
        assert!(own.all(|line| line["fields"]["account"] == account && line["level"] == "DEBUG"), "{name}");
    }
    for server in ["room", "hall", "login"] {
        until(&format!("the manager says that the {server} is up"), || {
            let is_it = |it: &Value| it["server"] == server && it["state"] == "up";
            let lines = lines(&cluster, "manager");
            lines.iter().any(|line| message(line) == "server state" && is_it(&line["fields"])).then_some(())
        });
    }
}

#[test]
fn a_flood_of_bad_first_frames_is_a_few_lines_and_a_number() {
    const VISITS: u64 = 400;
    let mut cluster =
        Cluster::start(&[(ServerKind::Manager, "manager", ""), (ServerKind::Hall, "hall", JSON)]);
    let address = cluster.address("hall").to_owned();
    let frame = framed(&first_frame(Role::Room, b"meant for another door"));
    for _ in 0..VISITS {
        let mut stranger = Wire::connect(&address);
        stranger.write(&frame);
        assert!(matches!(stranger.hear(), Heard::Said(Message::Closing(_))));
    }
    cluster.server("hall").terminate();
    assert!(cluster.server("hall").ended().0.success());

    let told = lines(&cluster, "hall");
    let shown_out: Vec<_> = told.iter().filter(|line| message(line) == "shown out at the door").collect();
    let numbers = told.iter().filter(|line| message(line) == "lines left out");
    let left_out: u64 = numbers
        .map(|line| {
            assert_eq!(line["fields"]["of"], "shown out at the door");
            line["fields"]["left_out"].as_u64().unwrap()
        })
        .sum();
    let written = shown_out.len() as u64;
    assert_eq!(written + left_out, VISITS, "each is there or counted");
    assert!(written < VISITS / 4, "{written} lines");
    assert!(shown_out.iter().all(|line| line["fields"]["reason"] == "wrong_role"));
    println!("{VISITS} bad first frames: {written} lines, {left_out} left out");
}
