//! `usher status`: once, by the second, on a terminal and in a pipe.
//!
//! Read next: `terminal.rs`, the terminal.

use crate::cluster::{Cluster, signal, usher};
use crate::page::{self, PATIENCE, state, until, until_in_rooms};
use crate::terminal::Terminal;
use crate::wire::seat_guest;
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

fn status(args: &[&str]) -> Output {
    usher().arg("status").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_look_shows_what_the_manager_says_and_judges_it() {
    let mut cluster = Cluster::one_of_each();
    let (manager, address) = (cluster.admin("manager"), cluster.admin("manager").to_string());
    let _seated = seat_guest(cluster.address("login"));
    until_in_rooms(manager, 1);
    let shown = until("the room counts its player", || {
        let shown = status(&[&address]);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        text(&shown.stdout).contains("rooms      2: 1 of 16 places taken").then_some(shown)
    });
    let shown = text(&shown.stdout);
    println!("{shown}");
    for name in ["manager", "login", "hall", "room"] {
        let line = shown.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        assert!(
            line.is_some_and(|line| line.contains(" up ") && line.ends_with(" MiB")),
            "{name} in\n{shown}"
        );
    }
    assert!(
        shown.contains("4 servers, all well") && shown.contains("1 online, 1 places in rooms"),
        "{shown}"
    );
    let json: Value = serde_json::from_slice(&status(&[&address, "--json"]).stdout).unwrap();
    let api = page::cluster(manager).unwrap();
    assert_eq!((&json["players_online"], json["rooms"].as_array()), (&1.into(), api["rooms"].as_array()));

    cluster.server("room").kill();
    until("the room is suspect", || (state(manager, "room")? == "suspect").then_some(()));
    let shown = status(&[&address]);
    assert_eq!(shown.status.code(), Some(1), "{}", text(&shown.stdout));
    assert!(text(&shown.stdout).contains("1 SUSPECT") && text(&shown.stdout).contains("\n! room"));
}

#[test]
fn who_cannot_be_asked_is_named_with_what_to_do() {
    let cluster = Cluster::one_of_each();
    let login = cluster.admin("login").to_string();
    for (address, why) in
        [("127.0.0.1:1", "start a cluster with `usher up`"), (&login, "is no manager: name the")]
    {
        for more in [&[][..], &["--watch"], &["--json"]] {
            let silent = status(&[&[address], more].concat());
            assert_eq!(silent.status.code(), Some(1), "{address} {more:?}");
            assert!(
                silent.stdout.is_empty() && text(&silent.stderr).contains(why),
                "{}",
                text(&silent.stderr)
            );
        }
    }
    assert_eq!(status(&["here"]).status.code(), Some(2));
}

/// `usher status --watch`, into a pipe.
fn watching(address: &str, more: &[&str]) -> (std::process::Child, Receiver<String>) {
    let mut command: Command = usher();
    command.args(["status", "--watch", address]).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)))
        .unwrap();
    (child, receiver)
}

#[test]
fn in_a_pipe_a_block_comes_each_second_until_nobody_wants_more() {
    let cluster = Cluster::one_of_each();
    let address = cluster.admin("manager").to_string();
    let (mut child, lines) = watching(&address, &[]);
    let next = |start: &str| loop {
        let line = lines.recv_timeout(PATIENCE).expect("a line");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        if line.starts_with(start) {
            return line;
        }
    };
    assert!(!next("  redirects").contains("/s"), "one look has no rates");
    assert!(next("  redirects").contains("login 0  +0/s"), "two have");
    signal(child.id(), Signal::INT);
    assert!(until("its end", || child.try_wait().unwrap()).success());

    let (mut child, lines) = watching(&address, &["--json"]);
    for _ in 0..2 {
        let line: Value = serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
        assert_eq!(line["servers"].as_array().unwrap().len(), 4);
    }
    drop(lines);
    let ended = until("it ends when nobody reads", || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(ended.success() && said.is_empty(), "{ended}: {said}");
}

#[test]
fn on_a_terminal_it_is_drawn_in_place_and_given_back() {
    let cluster = Cluster::one_of_each();
    let mut command = usher();
    command.args(["status", "--watch"]).arg(cluster.admin("manager").to_string());
    for end in ["q", "\u{3}"] {
        let mut terminal = Terminal::start(&command, (110, 30));
        terminal.until("login 0  +0/s");
        terminal.show("usher status --watch");
        assert!(terminal.is_taken_over() && !terminal.has_colors());
        assert_eq!(terminal.text().matches("  players ").count(), 1, "one block is on the screen");
        terminal.resize(110, 8);
        terminal.until("lines more in a higher window");
        terminal.keys(end);
        assert!(terminal.ended().success());
        until("the screen is given back", || (!terminal.is_taken_over()).then_some(()));
    }
}
