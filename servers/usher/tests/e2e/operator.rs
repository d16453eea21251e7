//! An operator's words, by `usher announce`, `usher drain` and `usher evict`, down to the player they are meant for.
//!
//! Read next: `usher_runtime::admin`, which takes them; `logins.rs`, for the token and for pages of other origins.

use crate::cluster::{Cluster, Folder, GUESTS, Process, ROOMS, config, usher};
use crate::page::{state, until};
use crate::wire::{GOMOKU, Heard, enter, log_in};
use std::net::SocketAddr;
use std::process::Output;
use usher_proto::message::{CloseReason, Credentials, Enter, Leave};
use usher_proto::{Message, ServerKind};
use usher_secure::private_file;

fn two_rooms() -> Cluster {
    Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room-1", ROOMS),
        (ServerKind::Room, "room-2", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ])
}

fn order(manager: SocketAddr, args: &[&str]) -> Output {
    usher().args(args).args(["--admin", &manager.to_string()]).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn an_announcement_reaches_every_player_in_a_room_and_nobody_who_left() {
    let cluster = two_rooms();
    let inside = |server: &str, room| {
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        enter(cluster.address(server), &guest.ticket, Some(room)).unwrap().0
    };
    let mut players = [inside("room-1", 0), inside("room-1", 1), inside("room-2", 0)];
    let mut left = inside("room-1", 0);
    left.say(Leave {});
    left.await_said("the way out", |said| matches!(said, Message::Left(_)).then_some(()));
    let said = order(cluster.admin("manager"), &["announce", "Wir schließen um zehn."]);
    assert_eq!((said.status.code(), text(&said.stdout)), (Some(0), "announced\n"), "{}", text(&said.stderr));
    for player in &mut players {
        let heard = player.await_said("the announcement", |said| match said {
            Message::Announced(announced) => Some(announced.text.clone()),
            _ => None,
        });
        assert_eq!(heard, "Wir schließen um zehn.");
        player.chat("heard it");
    }
    left.say(Enter { game: GOMOKU, room: None, last_seq: None, last_hand: None });
    let next = left.hear();
    assert!(matches!(next, Heard::Said(Message::Entered(_))), "who left hears nothing of it: {next:?}");
}

#[test]
fn what_is_no_announcement_is_refused_with_its_reason() {
    let folder = Folder::new();
    let token = folder.0.join("admin.token");
    private_file::write(&token, "seven times seven\n").unwrap();
    let text_of = config(ServerKind::Manager, "manager", "127.0.0.1:0", "", "");
    let text_of = text_of.replace("[cluster]", "admin_token_file = \"admin.token\"\n[cluster]");
    let manager = Process::start(ServerKind::Manager, &folder.write("manager.toml", &text_of));
    let post = |token: Option<&str>, body: &[u8]| {
        let url = format!("http://{}/api/announce", manager.ready.admin);
        let mut request = ureq::post(url).config().http_status_as_error(false).build();
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let good = Some("seven times seven");
    let far_too_long = vec![b'x'; 100_000];
    let cases: [(Option<&str>, &[u8], u16, &str); 8] = [
        (None, b"hello", 401, "show the token"),
        (Some("seven times eight"), b"hello", 401, "show the token"),
        (good, b"", 400, "says something"),
        (good, &[b'x'; 513], 400, "at most 512 bytes"),
        (good, &far_too_long, 400, "at most 512 bytes"),
        (good, b"\xff\xfe", 400, "UTF-8"),
        (good, b"one\ntwo", 400, "without control characters"),
        (good, &[b'x'; 512], 200, "announced"),
    ];
    for (token, body, status, why) in cases {
        let (answered, said) = post(token, body);
        assert!(
            answered == status && said.contains(why),
            "{:?}: {answered} {said}",
            &body[..body.len().min(9)]
        );
    }
    let without = order(manager.ready.admin, &["announce", "hello"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without.stderr).contains("name its file with --token-file"), "{}", text(&without.stderr));
    let with = order(manager.ready.admin, &["announce", "hello", "--token-file", token.to_str().unwrap()]);
    assert_eq!((with.status.code(), text(&with.stdout)), (Some(0), "announced\n"), "{}", text(&with.stderr));
    let nowhere = order(manager.ready.admin, &["announce", "hello", "--token-file", "/nowhere/token"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere.stderr));
}

#[test]
fn a_server_is_drained_and_an_account_evicted_by_a_word() {
    let mut cluster = two_rooms();
    let manager = cluster.admin("manager");
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let (mut inside, _) = enter(cluster.address("room-1"), &guest.ticket, Some(0)).unwrap();
    let evicted = order(manager, &["evict", &guest.identity.account.0.to_string()]);
    assert_eq!((evicted.status.code(), text(&evicted.stdout)), (Some(0), "evicted\n"));
    assert_eq!(inside.last_word(), Some(CloseReason::Evicted));

    let nobody = order(manager, &["drain", "no such/server"]);
    assert_eq!((nobody.status.code(), text(&nobody.stderr)), (Some(1), "error: no such server\n"));
    until("the manager shows it", || state(manager, "room-2"));
    let drained = order(manager, &["drain", "room-2"]);
    assert_eq!((drained.status.code(), text(&drained.stdout)), (Some(0), "draining\n"));
    let (status, _) = cluster.server("room-2").ended();
    assert!(status.success(), "{status}");

    let at_a_room = order(cluster.admin("room-1"), &["drain", "room-1"]);
    assert_eq!(at_a_room.status.code(), Some(1));
    assert!(text(&at_a_room.stderr).contains("is no manager"), "{}", text(&at_a_room.stderr));
    cluster.server("manager").kill();
    let silent = order(manager, &["drain", "room-1"]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(text(&silent.stderr).contains("start a cluster with `usher up`"), "{}", text(&silent.stderr));
}
