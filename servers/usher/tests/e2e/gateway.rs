//! Players behind gateways: how they come in, and what they notice when a gateway, a trunk or one of them fails.
//!
//! By hand with more in one room, for the bytes of a broadcast: `USHER_GATEWAY_PLAYERS=400 USHER_GATEWAY_CHATS=1000 cargo
//! test --release -p usher --test e2e gateway -- --nocapture`.
//! Read next: docs/gateway.md; `usher_hpserver::trunk`; `crates/sim/tests/gateways.rs`, the same in virtual time.

mod relay;

use crate::cluster::{Cluster, Folder, GUESTS, Process, ROOMS, config, free_address, usher};
use crate::page::{closed, cluster as view, connections, get, metric, until, until_in_rooms, until_up};
use crate::secrets;
use crate::slow::never_reads;
use crate::wire::{Wire, enter, first_frame, framed, log_in, seat_guest, visit_hall};
use relay::{Relay, Way};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use usher_proto::first_frame::Role;
use usher_proto::message::{Chat, CloseReason, Credentials};
use usher_proto::{Message, ServerKind};
use usher_secure::{LinkKey, LinkSecret};

const CROWD: u64 = 60;
/// Lets gateways in.
pub(crate) const INNER: &str = "[inner]\nlisten = \"127.0.0.1:0\"\n";
/// Takes the crowd and a few more.
const ROOM: &str = "[[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 2\ncapacity = 50\n";
/// Nobody says too much.
const TALKATIVE: &str = "messages_per_second_max = 0\nbytes_per_second_max = 0\n";
const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

/// A cluster whose room server and hall are behind these gateways.
fn behind(gateways: &[&str], room: &str, gateway: &str) -> Cluster {
    let room = format!("{INNER}{room}");
    let mut servers = vec![
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", room.as_str()),
        (ServerKind::Hall, "hall", INNER),
    ];
    servers.extend(gateways.iter().map(|name| (ServerKind::Gateway, *name, gateway)));
    servers.push((ServerKind::Login, "login", GUESTS));
    let cluster = Cluster::start(&servers);
    // Whoever comes is given their addresses there.
    let manager = cluster.admin("manager");
    let [(_, room), (_, hall)] =
        ["room", "hall"].map(|server| until("it is behind a gateway", || through(manager, server)));
    until("everybody is sent there", || {
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        let (_, directory) = visit_hall(&hall, &guest.ticket);
        let rooms_are_there = directory.rooms.iter().all(|it| *it.address.0 == *room);
        (rooms_are_there && *guest.halls.first()?.0 == *hall).then_some(())
    });
    cluster
}

/// The gateway that clients of a server come through, and the address they are given.
pub(crate) fn through(manager: SocketAddr, server: &str) -> Option<(String, String)> {
    let view = view(manager)?;
    let server = view["servers"].as_array()?.iter().find(|it| it["name"] == server)?;
    Some((server["through"].as_str()?.into(), server["address"].as_str()?.into()))
}

/// Simulated players.
struct Crowd {
    child: Child,
    report: PathBuf,
}

impl Crowd {
    fn come(cluster: &Cluster, seconds: u32) -> Self {
        let report = cluster.folder.0.join("report.json");
        let child = usher()
            .args(["client-sim", "--quiet", "--die-with-parent", "--reconnect-per-mille", "0"])
            .args(["--players", &CROWD.to_string(), "--rate", "60", "--seconds", &seconds.to_string()])
            .args(["--login", cluster.address("login")])
            .args(["--login-key", &secrets::login_key().public().to_string(), "--json"])
            .arg(&report)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, report }
    }

    fn is_here(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: all had a seat, nobody failed, every chat came once and in order.
    fn went_home(mut self) -> Value {
        let status = until("the crowd's end", || self.child.try_wait().unwrap());
        let report: Value = serde_json::from_str(&fs::read_to_string(&self.report).unwrap()).unwrap();
        assert!(status.success(), "{status}: {report:#}");
        assert_eq!((&report["seated"], &report["failed"]), (&CROWD.into(), &0.into()), "{report:#}");
        assert_eq!(report["delivered"]["duplicated"], 0, "{report:#}");
        assert!(report["delivered"]["expected"].as_u64() > Some(0), "nobody said anything: {report:#}");
        report
    }
}

/// Waits until everybody sits, each on a connection that a gateway carries.
fn until_all_sit(room: SocketAddr, players: u64) {
    until(&format!("{players} sit"), || {
        let seated = metric(room, "usher_players_seated")? == players;
        let here = metric(room, "usher_players_absent")? == 0 && connections(room, "carried")? == players;
        (seated && here).then_some(())
    });
}

/// The gateway that everybody comes through, which need not be the one that newcomers are given.
fn carrier(cluster: &Cluster) -> &'static str {
    let carries_all = |name: &&str| metric(cluster.admin(name), "usher_serving") == Some(CROWD);
    until("one gateway carries all", || GATEWAYS.into_iter().find(carries_all))
}

/// Nobody was left out: each lost his connection `times` times, came back, and had his seat still.
fn all_came_back(report: &Value, room: SocketAddr, times: u64) {
    let reconnects = report["reconnects"].as_u64().unwrap();
    assert!(reconnects >= times * CROWD, "{report:#}");
    assert_eq!(metric(room, "usher_seats_given_up_total"), Some(0));
    println!("drops {}, reconnects {reconnects}, delivered {}", report["drops"], report["delivered"]);
}

#[test]
fn players_come_in_through_a_gateway_and_their_own_address_is_known() {
    let mut cluster = behind(&["gateway-1"], ROOMS, "");
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let (_, front) = through(manager, "room").unwrap();
    assert_ne!(front, cluster.address("room"));
    let mut ann = seat_guest(cluster.address("login"));
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let (mut ben, _) = enter(&front, &guest.ticket, Some(0)).unwrap();
    ann.chat("we are behind a gateway");
    ben.hear_chat("we are behind a gateway");
    assert_eq!(connections(room, "carried"), Some(2));
    assert_eq!((connections(room, "trunks"), connections(room, "players")), (Some(1), Some(0)));
    let gateway = cluster.admin("gateway-1");
    until("the gateway counts them", || (metric(gateway, "usher_serving")? == 2).then_some(()));
    for name in ["room", "hall"] {
        cluster.server(name).terminate();
        let (status, last) = cluster.server(name).ended();
        assert!(status.success(), "{name}: {status}, {last}");
    }
    assert_eq!(ann.last_word(), Some(CloseReason::Draining));
    cluster.server("gateway-1").terminate();
    let (status, last) = cluster.server("gateway-1").ended();
    assert!(status.success(), "{status}, {last}");
}

#[test]
fn players_of_a_killed_gateway_come_back_through_another_and_keep_their_seats() {
    let mut cluster = behind(&GATEWAYS, ROOM, "");
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let mut crowd = Crowd::come(&cluster, 8);
    until_all_sit(room, CROWD);
    let victim = carrier(&cluster);
    assert!(crowd.is_here());
    cluster.server(victim).kill();
    until("its trunk is down", || (closed(room, "carried", "trunk_down")? == CROWD).then_some(()));
    until("another stands before it", || through(manager, "room").filter(|(name, _)| name != victim));
    until_all_sit(room, CROWD);
    assert!(crowd.is_here(), "they went home before they were back");
    all_came_back(&crowd.went_home(), room, 1);
    until_in_rooms(manager, 0);
}

#[test]
fn a_drained_gateway_ends_by_itself_and_nobody_fails() {
    let mut cluster = behind(&GATEWAYS, ROOM, "");
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let mut crowd = Crowd::come(&cluster, 25);
    for by_signal in [false, true] {
        until_all_sit(room, CROWD);
        let leaving = carrier(&cluster);
        if by_signal {
            cluster.server(leaving).terminate();
        } else {
            let answer = ureq::post(format!("http://{manager}/api/drain/{leaving}")).send_empty().unwrap();
            assert_eq!(answer.status().as_u16(), 200);
        }
        let (status, last) = cluster.server(leaving).ended();
        assert!(status.success(), "{status}: {last}");
        for pool in ["contexts", "buffers"] {
            assert_eq!(last["pools"][pool]["taken"], last["pools"][pool]["returned"], "{last}");
        }
        until_all_sit(room, CROWD);
        cluster.restart(ServerKind::Gateway, leaving);
        until_up(manager, leaving);
    }
    assert!(crowd.is_here(), "they went home before they were back");
    all_came_back(&crowd.went_home(), room, 2);
}

#[test]
fn one_who_never_reads_behind_a_gateway_is_closed_and_the_others_on_the_trunk_miss_nothing() {
    let limits =
        format!("[limits]\nhigh_water_bytes = 16384\n{TALKATIVE}[room]\nchats_per_second_max = 0\n{ROOMS}");
    let cluster = behind(&["gateway-1"], &limits, &format!("[limits]\n{TALKATIVE}"));
    let (_, front) = through(cluster.admin("manager"), "room").unwrap();
    never_reads(&cluster, &front, "carried");
    assert_eq!(closed(cluster.admin("gateway-1"), "front-0", "slow_consumer"), Some(0));
    assert_eq!(connections(cluster.admin("room"), "trunks"), Some(1));
}

#[test]
fn a_trunk_cut_in_the_middle_of_a_record_is_told_to_every_player_and_all_come_back() {
    let inner = free_address();
    let mut cluster = Cluster::in_folder(Folder::new());
    let room = format!("[inner]\nlisten = \"{inner}\"\n{ROOM}");
    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &room),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let relay = Relay::to(&inner);
    let gateway = format!(
        "[gateway]\nfollow = false\n[[gateway.servers]]\nname = \"room\"\nkind = \"room\"\ninner = \"{}\"\n\
         listen = \"127.0.0.1:0\"\n",
        relay.address
    );
    cluster.add(ServerKind::Gateway, "gateway", "127.0.0.1:0", &gateway);
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let (_, front) = until("the room is behind it", || through(manager, "room"));
    cluster.until_whole();
    let mut crowd = Crowd::come(&cluster, 12);
    for (cuts, way) in [(1, Way::ToGateway), (2, Way::ToServer)] {
        until_all_sit(room, CROWD);
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        let (mut witness, _) = enter(&front, &guest.ticket, Some(0)).unwrap();
        until("the witness is carried", || (connections(room, "carried")? == CROWD + 1).then_some(()));
        relay.cut(way);
        until("it is cut", || relay.was_cut().then_some(()));
        assert_eq!(witness.last_word(), Some(CloseReason::Unreachable), "{way:?}");
        until("the room knows", || {
            (closed(room, "carried", "trunk_down")? == cuts * (CROWD + 1)).then_some(())
        });
    }
    until_all_sit(room, CROWD);
    assert!(crowd.is_here(), "they went home before they were back");
    let report = crowd.went_home();
    assert!(report["drops"]["unreachable"].as_u64() >= Some(2 * CROWD), "{report:#}");
    all_came_back(&report, room, 2);
}

/// Bytes that all listeners of players of a gateway have sent.
fn sent_to_players(gateway: SocketAddr) -> u64 {
    let (_, page) = get(gateway, "/metrics").unwrap();
    let sent = page.lines().filter_map(|line| line.strip_prefix("usher_sent_bytes_total{listener=\"front-"));
    sent.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn asked_for(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |count| count.parse().expect("a number"))
}

#[test]
fn a_broadcast_to_many_behind_one_gateway_crosses_the_trunk_once() {
    const BATCH: usize = 20;
    let players = asked_for("USHER_GATEWAY_PLAYERS", 100);
    let chats = asked_for("USHER_GATEWAY_CHATS", 200).next_multiple_of(BATCH);
    let room = format!(
        "[limits]\n{TALKATIVE}[room]\nchats_per_second_max = 0\npresence_interval_ms = 0\n[[room.rooms]]\nname = \"Gomoku\"\n\
         game = \"gomoku\"\ncount = 1\ncapacity = {players}\n"
    );
    let cluster = behind(&["gateway-1"], &room, &format!("[limits]\n{TALKATIVE}"));
    let (room, gateway) = (cluster.admin("room"), cluster.admin("gateway-1"));
    let (_, front) = through(cluster.admin("manager"), "room").unwrap();
    let mut wires: Vec<Wire> = (0..players)
        .map(|_| {
            enter(&front, &log_in(cluster.address("login"), Credentials::Guest).ticket, Some(0)).unwrap().0
        })
        .collect();
    let figures = || {
        let of = |name: &str| metric(room, name).unwrap();
        let trunk = of("usher_sent_bytes_total{listener=\"trunks\"}");
        (trunk, of("usher_packets_sent_total{listener=\"carried\"}"), sent_to_players(gateway))
    };
    let before = figures();
    let text = "x".repeat(100);
    for batch in 0..chats / BATCH {
        for request in 0..BATCH {
            wires[0].say(Chat { request: request as u32, text: text.clone() });
        }
        for wire in &mut wires {
            for next in batch * BATCH + 1..=(batch + 1) * BATCH {
                let seq = wire.await_said("the next chat", |said| match said {
                    Message::ChatSaid(said) => Some(said.seq),
                    _ => None,
                });
                assert_eq!(seq, next as u64, "the chats come whole and in order");
            }
        }
    }
    let after = figures();
    let (trunk, packets, sent) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    let said = format!(
        "{chats} chats of {} bytes to {players} players: {trunk} bytes over the trunk ({} a chat), {packets} packets and {sent} \
         bytes to players ({} a chat)",
        text.len(),
        trunk / chats as u64,
        sent / chats as u64,
    );
    println!("{said}");
    assert!(packets >= (players * chats) as u64 && sent >= (players * chats * text.len()) as u64, "{said}");
    // Twice the text has room for the heads, the tag and the speaker's own answers, and none for a second copy.
    assert!(trunk < 2 * (chats * text.len()) as u64 + 2 * (players * 64) as u64, "{said}");
}

#[test]
fn a_gateway_whose_port_is_taken_keeps_its_link_and_stands_there_once_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    // If it waited a second for each, it would have renewed nothing for longer than half a lease.
    let halls = ["hall-1", "hall-2", "hall-3", "hall-4"];
    let mut servers = vec![(ServerKind::Manager, "manager", "")];
    servers.extend(halls.map(|hall| (ServerKind::Hall, hall, INNER)));
    let mut cluster = Cluster::start(&servers);
    cluster.add(ServerKind::Gateway, "gateway", &taken.local_addr().unwrap().to_string(), "");
    let log = cluster.folder.0.join("gateway.log");
    let logged = |words: &str| fs::read_to_string(&log).unwrap().matches(words).count();
    until("it was tried for each", || (logged("cannot stand before it") >= halls.len()).then_some(()));
    drop(taken);
    let manager = cluster.admin("manager");
    until("one is behind it", || halls.iter().find_map(|hall| through(manager, hall)));
    assert_eq!(logged("this process slept"), 0);
    assert_eq!(closed(cluster.admin("gateway"), "manager", "local"), Some(0));
}

#[test]
fn a_gateway_with_a_wrong_key_is_refused_and_says_so_and_serves_with_the_right_one() {
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &format!("{INNER}{ROOMS}")),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let key = cluster.folder.0.join("inner-gateway.key");
    LinkSecret::generate().key_of("gateway").write_file(&key).unwrap();
    cluster.add(ServerKind::Gateway, "gateway", "127.0.0.1:0", "");
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    let log = cluster.folder.0.join("gateway.log");
    let logged = |words: &str| fs::read_to_string(&log).unwrap().matches(words).count();
    until("it is refused, and again", || (closed(room, "trunks", "greeting_refused")? >= 2).then_some(()));
    until("it says so", || (logged("refused: handshake_failed") > 0).then_some(()));
    assert_eq!(logged("refused: handshake_failed"), 1, "once");
    assert_eq!(through(manager, "room"), None, "nobody is sent there");
    drop(seat_guest(cluster.address("login")));
    cluster.server("gateway").kill();
    fs::remove_file(&key).unwrap();
    secrets::inner_secret().key_of("gateway").write_file(&key).unwrap();
    cluster.restart(ServerKind::Gateway, "gateway");
    until("the room is behind it", || through(manager, "room"));
    cluster.until_whole();
    let _seated = seat_guest(cluster.address("login"));
    assert_eq!(connections(room, "carried"), Some(1));
}

#[test]
fn a_recorded_first_frame_gets_nobody_in_through_a_gateway() {
    let patience = "[limits]\nfirst_message_deadline_ms = 500\n";
    let cluster = behind(&["gateway-1"], &format!("{patience}{ROOMS}"), patience);
    let (_, front) = through(cluster.admin("manager"), "room").unwrap();
    let (room, gateway) = (cluster.admin("room"), cluster.admin("gateway-1"));
    let player = log_in(cluster.address("login"), Credentials::Guest);
    let (mut inside, _) = enter(&front, &player.ticket, None).unwrap();
    let before = inside.chat("before");
    let head = first_frame(Role::Room, &player.ticket);
    let (_, message) = secrets::begin(Role::Room, &player.ticket, &head).unwrap();
    for _ in 0..20 {
        let mut replay = Wire::connect(&front);
        replay.write(&framed(&[&head[..], &message].concat()));
        // What was recorded behind it opens nothing: the keys are others.
        replay.write(&framed(&[7; 40]));
    }
    until("they are all gone", || (metric(gateway, "usher_serving")? == 1).then_some(()));
    until("at the room, too", || (connections(room, "carried")? == 1).then_some(()));
    until("nobody else has entered", || (metric(room, "usher_entered_total")? == 1).then_some(()));
    assert_eq!(inside.chat("after"), before + 1, "and the player heard nothing but itself");
}

#[test]
fn a_gateway_reads_its_ticket_keys_again() {
    let mut cluster = behind(&["gateway-1"], ROOMS, "");
    let keygen = usher().args(["keygen", "--next"]).arg(&cluster.folder.0).output().unwrap();
    assert!(keygen.status.success());
    let log = cluster.folder.0.join("gateway-1.log");
    cluster.server("gateway-1").signal(Signal::HUP);
    until("it says so", || {
        fs::read_to_string(&log).unwrap().contains("ticket keys read again").then_some(())
    });
    let _seated = seat_guest(cluster.address("login"));
}

#[test]
fn a_gateway_without_a_manager_is_ready_and_stands_before_those_of_its_config() {
    let folder = Folder::new();
    let gateway = config(
        ServerKind::Gateway,
        "gateway",
        "127.0.0.1:0",
        "",
        "[[gateway.servers]]\nname = \"room\"\nkind = \"room\"\ninner = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:0\"\n",
    );
    let gateway = gateway.replace("manager = \"127.0.0.1:1\"\n", "");
    let gateway = Process::start(ServerKind::Gateway, &folder.write("gateway.toml", &gateway));
    assert_eq!(get(gateway.ready.admin, "/readyz").unwrap().0, 200);
    let front = &gateway.ready.listeners["room"];
    let mut wire = Wire::connect(front);
    wire.write(&[0, 0]);
    assert_eq!(wire.last_word(), Some(CloseReason::BadFrame));
}

#[test]
fn a_wrong_config_of_a_gateway_names_file_line_and_field() {
    let folder = Folder::new();
    let server = "[[gateway.servers]]\nname = \"room\"\nkind = \"room\"\ninner = \"127.0.0.1:7350\"\nlisten = \"127.0.0.1:0\"\n";
    let good = config(ServerKind::Gateway, "gateway", "127.0.0.1:0", "127.0.0.1:1", server);
    let file = folder.write("gateway.toml", &good);
    let checked = |name: &str, text: &str| {
        let file = folder.write(name, text);
        let ended = usher().arg("check-config").arg(&file).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    assert_eq!(checked("gateway.toml", &good), (Some(0), String::new()));
    for (from, to, place) in [
        ("[[gateway.servers]]", "[gateway]\ntrunks = 0\n[[gateway.servers]]", ":11: gateway.trunks: "),
        ("[[gateway.servers]]", "[gateway]\nfolow = true\n[[gateway.servers]]", ":11: gateway.folow: "),
        ("kind = \"room\"", "kind = \"login\"", ":10: gateway.servers: "),
        ("inner = \"127.0.0.1:7350\"", "inner = \"nowhere\"", ":10: gateway.servers: "),
    ] {
        let (code, said) = checked("gateway.toml", &good.replacen(from, to, 1));
        assert_eq!(code, Some(2), "{to}: {said}");
        assert!(said.starts_with(&format!("error: {}{place}", file.display())), "{to}: {said}");
    }
    let alone = config(ServerKind::Gateway, "gateway", "127.0.0.1:0", "127.0.0.1:1", "");
    let (code, said) = checked("gateway.toml", &alone.replace("manager = \"127.0.0.1:1\"\n", ""));
    let place = format!("error: {}: cluster.manager: is missing", file.display());
    assert!(code == Some(2) && said.starts_with(&place), "{said}");
    for kind in [ServerKind::Login, ServerKind::Manager] {
        let (code, said) = checked("other.toml", &config(kind, "other", "127.0.0.1:0", "", INNER));
        let line = if kind == ServerKind::Login { 10 } else { 9 };
        let place = format!("other.toml:{line}: inner: is for halls and room servers");
        assert!(code == Some(2) && said.contains(&place), "{said}");
    }
}

#[test]
fn keygen_makes_what_gateways_and_servers_prove_themselves_to_each_other_by() {
    let folder = Folder::new();
    let keys = folder.0.join("keys");
    let made = usher()
        .arg("keygen")
        .arg(&keys)
        .args(["--server", "room", "--gateway", "gateway-1"])
        .output()
        .unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    for (file, belongs_to) in [
        ("link-gateway-1.key", "gateway-1 alone"),
        ("inner.secret", "halls and room servers behind gateways"),
        ("inner-gateway-1.key", "gateway-1 alone"),
    ] {
        let file = keys.join(file).display().to_string();
        let line =
            said.lines().find(|line| line.contains(&file)).unwrap_or_else(|| panic!("no {file} in {said}"));
        assert!(line.starts_with("made ") && line.ends_with(&format!("for {belongs_to}")), "{line}");
    }
    let secret = LinkSecret::load(&keys.join("inner.secret")).unwrap();
    let key = LinkKey::load(&keys.join("inner-gateway-1.key")).unwrap();
    assert_eq!(key.as_bytes(), secret.key_of("gateway-1").as_bytes());
    assert!(!keys.join("inner-room.key").exists());
}
