//! The encrypted channel between real processes: what goes over the wire, and who gets no further.
//!
//! Read next: `usher_secure::noise`, docs/security.md.

use crate::cluster::{Cluster, GUESTS, Process, ROOMS, config, usher};
use crate::page::{closed, connections, get, metric, until};
use crate::secrets;
use crate::wire::{self, Wire, enter, first_frame, framed, log_in, packets, seat_guest, visit_hall};
use rustix::process::Signal;
use std::fs;
use std::net::SocketAddr;
use usher_proto::ServerKind;
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame, Role};
use usher_proto::message::{CloseReason, Credentials, GetDirectory};
use usher_secure::LinkSecret;

const CHAT: &str = "meet me at the seventh table";
const SHORT_DEADLINE: &str = "[limits]\nfirst_message_deadline_ms = 500\n";
/// How often a recorded frame is sent again.
const REPLAYS: u64 = 1_000;

/// The first frame of whoever shows that ticket, with a handshake, as an eavesdropper would have it.
fn recorded(role: Role, ticket: &[u8]) -> Vec<u8> {
    let head = first_frame(role, ticket);
    let (_, message) = secrets::begin(role, ticket, &head).expect("the key is known");
    framed(&[&head[..], &message].concat())
}

/// All claims that the manager has settled, however.
fn claims(manager: SocketAddr) -> u64 {
    let page = get(manager, "/metrics").expect("the manager answers").1;
    let values = page.lines().filter(|line| line.starts_with("usher_claims_total{"));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn nothing_of_what_is_said_or_known_is_on_the_wire() {
    let cluster = Cluster::one_of_each();
    let player = log_in(cluster.address("login"), Credentials::Guest);
    let key = player.session_key.to_vec();
    let (renewed, directory) = visit_hall(&player.halls[0].0, &player.ticket);
    let ticket = renewed.ticket.expect("the session is young");
    let room = &directory.rooms[0];
    let (mut wire, _) = enter(&room.address.0, &ticket, Some(room.room.0)).unwrap();
    wire.chat(CHAT);
    let heard = wire::recorded();
    let account = player.identity.account.0.to_string();
    for secret in [CHAT.as_bytes(), &key, account.as_bytes(), b"Gomoku"] {
        assert!(!heard.windows(secret.len()).any(|part| part == secret), "{secret:02x?} was to be read");
    }
    assert!(heard.windows(ticket.len()).any(|part| part == &ticket[..]), "the seal itself is shown in clear");
}

#[test]
fn a_recorded_first_frame_gets_nobody_in_and_the_player_notices_nothing() {
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room-1", &(SHORT_DEADLINE.to_string() + ROOMS)),
        (ServerKind::Room, "room-2", &(SHORT_DEADLINE.to_string() + ROOMS)),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let player = log_in(cluster.address("login"), Credentials::Guest);
    let (mut seated, _) = enter(cluster.address("room-1"), &player.ticket, None).unwrap();
    seated.sit();
    let before = seated.chat("before");
    until("its own claim is counted", || (claims(cluster.admin("manager")) == 1).then_some(()));
    let frame = recorded(Role::Room, &player.ticket);
    for name in ["room-1", "room-2"] {
        for _ in 0..REPLAYS {
            let mut replay = Wire::connect(cluster.address(name));
            replay.write(&frame);
            // What was recorded behind it opens nothing either: the keys are others.
            replay.write(&framed(&[7; 40]));
        }
        let players = u64::from(name == "room-1");
        until("they are all gone", || {
            (connections(cluster.admin(name), "players")? == players).then_some(())
        });
        until("only who is there has entered", || {
            let entered = metric(cluster.admin(name), "usher_entered_total")?;
            assert!(entered <= players, "{name} let somebody in");
            (entered == players).then_some(())
        });
    }
    assert_eq!(claims(cluster.admin("manager")), 1, "no claim reached the manager");
    assert_eq!(seated.chat("after"), before + 1, "and the player heard nothing but itself");
}

#[test]
fn what_is_altered_after_the_handshake_ends_the_connection() {
    let cluster = Cluster::one_of_each();
    let player = log_in(cluster.address("login"), Credentials::Guest);
    for (name, role) in [("hall", Role::Hall), ("room", Role::Room)] {
        let before = closed(cluster.admin(name), "players", "bad_frame").unwrap();
        let mut wire = wire::greet(cluster.address(name), role, &player.ticket).unwrap();
        let mut sealed = wire.sealed(&packets(GetDirectory { game: None }));
        *sealed.last_mut().unwrap() ^= 1;
        wire.write(&sealed);
        assert_eq!(wire.last_word(), Some(CloseReason::BadFrame), "{name}");
        until("it is counted", || {
            (closed(cluster.admin(name), "players", "bad_frame")? == before + 1).then_some(())
        });
    }
}

#[test]
fn who_does_not_know_the_key_gets_no_further_than_the_handshake() {
    let cluster = Cluster::one_of_each();
    let player = log_in(cluster.address("login"), Credentials::Guest);
    for (name, listener, role, ticket) in [
        ("login", "players", Role::Login, &b""[..]),
        ("hall", "players", Role::Hall, &player.ticket),
        ("room", "players", Role::Room, &player.ticket),
        ("manager", "links", Role::Link, b"room-9"),
    ] {
        let mut frame = recorded(role, ticket);
        *frame.last_mut().unwrap() ^= 1;
        let mut wire = Wire::connect(cluster.address(name));
        wire.write(&frame);
        assert_eq!(wire.last_word(), Some(CloseReason::HandshakeFailed), "{name}");
        let mut plain = Wire::connect(cluster.address(name));
        plain.write(&framed(&first_frame(role, ticket)));
        assert_eq!(plain.last_word(), Some(CloseReason::WrongChannel), "{name}");
        let admin = cluster.admin(name);
        until("both are counted", || (closed(admin, listener, "greeting_refused")? >= 2).then_some(()));
    }
}

#[test]
fn a_beginning_that_stops_at_any_byte_leaves_nothing() {
    let cluster = Cluster::one_of_each();
    let player = log_in(cluster.address("login"), Credentials::Guest);
    for (name, role, ticket) in [
        ("login", Role::Login, &b""[..]),
        ("hall", Role::Hall, &player.ticket),
        ("room", Role::Room, &player.ticket),
    ] {
        let frame = recorded(role, ticket);
        for cut in 0..=frame.len() {
            let _ = Wire::connect(cluster.address(name)).try_write(&frame[..cut]);
        }
        until("they are all gone", || (connections(cluster.admin(name), "players")? == 0).then_some(()));
    }
    seat_guest(cluster.address("login"));
}

#[test]
fn a_server_with_a_key_of_another_cluster_is_no_server_of_this_one() {
    let cluster = Cluster::one_of_each();
    let text = config(ServerKind::Room, "room-9", "127.0.0.1:0", cluster.address("manager"), ROOMS);
    let text = text.replace("create_key = true", "create_key = true\nlink_file = \"other.key\"");
    LinkSecret::generate().key_of("room-9").write_file(&cluster.folder.0.join("other.key")).unwrap();
    let stranger = Process::start(ServerKind::Room, &cluster.folder.write("room-9.toml", &text));
    let admin = cluster.admin("manager");
    until("it was refused, and again", || (closed(admin, "links", "greeting_refused")? >= 2).then_some(()));
    assert_eq!(get(stranger.ready.admin, "/readyz").unwrap().0, 503);
    assert_eq!(crate::page::state(admin, "room-9"), None);
}

#[test]
fn a_plain_cluster_works_and_says_so() {
    let mut cluster = Cluster::in_folder(crate::cluster::Folder::new());
    let plain = |sections: &str| format!("channel = \"plain\"\n{sections}");
    cluster.add(ServerKind::Manager, "manager", "127.0.0.1:0", &plain(""));
    cluster.add(
        ServerKind::Login,
        "login",
        "127.0.0.1:0",
        &plain("[login]\nguests = true\nhalls = [\"127.0.0.1:9\"]\n"),
    );
    let log = cluster.folder.0.join("login.log");
    until("it says so", || fs::read_to_string(&log).ok()?.contains("the channel is plain").then_some(()));
    let mut wire = Wire::connect(cluster.address("login"));
    wire.write(&framed(
        &FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: b"" }.to_bytes(),
    ));
    assert_eq!(wire.hear_raw(), [ANSWER_WELCOME]);
    let mut sealed = Wire::connect(cluster.address("login"));
    sealed.write(&recorded(Role::Login, b""));
    assert_eq!(sealed.last_word(), Some(CloseReason::WrongChannel));
}

#[test]
fn ticket_keys_are_changed_without_logging_anybody_out() {
    let mut cluster = Cluster::one_of_each();
    let folder = cluster.folder.0.clone();
    let keygen = |step: &str| {
        let ended = usher().args(["keygen", step]).arg(&folder).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    let footer = |ticket: &[u8]| ticket.rsplit(|byte| *byte == b'.').next().unwrap().to_vec();
    let early = log_in(cluster.address("login"), Credentials::Guest);
    keygen("--next");
    for step in ["read the next key", "use it"] {
        for name in ["login", "hall", "room", "manager"] {
            let log = folder.join(format!("{name}.log"));
            let count = || fs::read_to_string(&log).unwrap().matches("ticket keys read again").count();
            let before = count();
            cluster.server(name).signal(Signal::HUP);
            until(&format!("{name}: {step}"), || (count() > before).then_some(()));
        }
        if step == "read the next key" {
            let meanwhile = log_in(cluster.address("login"), Credentials::Guest);
            assert_eq!(footer(&meanwhile.ticket), footer(&early.ticket), "the old key still seals");
            keygen("--use-next");
        }
    }
    let late = log_in(cluster.address("login"), Credentials::Guest);
    assert_ne!(footer(&late.ticket), footer(&early.ticket), "the new key seals");
    let (renewed, _) = visit_hall(cluster.address("hall"), &early.ticket);
    assert_eq!(footer(&renewed.ticket.unwrap()), footer(&late.ticket), "an old ticket is renewed under it");
    enter(cluster.address("room"), &late.ticket, None).unwrap();
    enter(cluster.address("room"), &early.ticket, None).unwrap();
}
