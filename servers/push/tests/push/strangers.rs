//! Limits and bad input: each has its answer, and nobody else notices.
//!
//! Read next: `docs/push.md`, the table of limits.

use crate::rig::{Lines, PATIENCE, Peer, Server, Setup, until};
use rand::{Rng as _, RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::io::ErrorKind;
use usher_proto::Message;
use usher_proto::message::{
    CloseReason, ControllerHello, Instruct, Instruction, Ping, Pong, Port, SetQuote, Since, Subscribe,
    TerminalHello, To,
};
use usher_push::client::{Client, frames};

const PORTS: [Port; 3] = [Port::Terminals, Port::Controllers, Port::Administrators];

/// Somebody who must not notice anything.
struct Bystanders {
    terminal: Peer,
    controller: Peer,
    said: u64,
}

impl Bystanders {
    fn new(server: &Server) -> Self {
        Self { terminal: server.hearer("bystander", "quiet"), controller: server.controller("desk"), said: 0 }
    }

    fn are_well(&mut self) {
        self.said += 1;
        let to = To::Topic("quiet".into());
        let seq = self.controller.instruct(self.said, &to, "still here?");
        assert_eq!(self.terminal.hear(), Instruction { to, seq, payload: "still here?".into() }.into());
    }
}

#[test]
fn what_is_no_message_of_that_port_closes_the_connection_with_a_word() {
    let server = Setup::default().start();
    let mut bystanders = Bystanders::new(&server);
    let instruct = Instruct { request: 1, to: To::Topic("gold".into()), payload: "do".into() };
    let subscribe = Subscribe { topic: "gold".into(), since: Since::Now };
    let framed = |body: &[u8]| [&(body.len() as u16).to_be_bytes()[..], body].concat();
    let cases = [
        (Port::Terminals, frames(&instruct.clone().into()), CloseReason::BadFrame),
        (Port::Controllers, frames(&subscribe.clone().into()), CloseReason::BadFrame),
        (Port::Terminals, frames(&subscribe.into()), CloseReason::Unexpected),
        (Port::Controllers, frames(&instruct.into()), CloseReason::Unexpected),
        (Port::Terminals, framed(b""), CloseReason::BadFrame),
        (Port::Terminals, framed(&[0xff, 0xff, 0]), CloseReason::BadFrame),
        (Port::Terminals, framed(&[0x20, 0x01, 0, 0xc1]), CloseReason::BadFrame),
        (Port::Terminals, framed(&[0x20, 0x01, 9, 0x80]), CloseReason::BadFrame),
        (Port::Terminals, b"GET / HTTP/1.1\r\n\r\n".to_vec(), CloseReason::BadFrame),
        (Port::Controllers, framed(&[&[0x21, 0x01, 0][..], &[0; 65]].concat()), CloseReason::BadFrame),
    ];
    for (port, bytes, reason) in cases {
        let mut peer = server.connect(port);
        peer.0.write(&bytes).unwrap();
        assert_eq!(peer.last_word(), Some(reason), "{bytes:02x?}");
        bystanders.are_well();
    }
}

#[test]
fn a_silent_stranger_is_shown_out_and_a_silent_client_is_pinged() {
    let port = "first_message_deadline_ms = 50\nping_interval_ms = 50\npings_missed_max = 2\n\
                messages_per_second_max = 0\nbytes_per_second_max = 0\n";
    let server =
        Setup { terminals: port, controllers: port, administrators: port, ..Setup::default() }.start();
    for port in [Port::Terminals, Port::Controllers] {
        assert_eq!(server.connect(port).last_word(), Some(CloseReason::FirstMessageDeadline));
    }
    let closing = |reason: &str| Some(json!({"closing": {"reason": reason}}));
    assert_eq!(server.administrator().read(), closing("first_message_deadline"));
    let mut awake = server.terminal("t1");
    let mut silent = Lines::connect(server.address(Port::Administrators));
    assert!(silent.ask("{\"get_counts\":{}}")["counts"].is_object());
    while server.counters(Port::Administrators).closed["ping_timeout"] == 0 {
        awake.say(Ping {});
        assert_eq!(awake.hear(), Pong {}.into());
    }
    for _ in 0..2 {
        assert_eq!(silent.read(), Some(json!({"ping": {}})));
    }
    assert_eq!(silent.read(), closing("ping_timeout"));
}

#[test]
fn one_more_than_connections_max_is_told_so_on_each_port() {
    let port = "connections_max = 2\n";
    let server =
        Setup { terminals: port, controllers: port, administrators: port, ..Setup::default() }.start();
    for port in PORTS {
        let two = [(); 2].map(|()| server.connect(port));
        until("two are counted", || (server.counters(port).connections == 2).then_some(()));
        if port == Port::Administrators {
            let refused = server.administrator().read();
            assert_eq!(refused, Some(json!({"closing": {"reason": "connections_full"}})));
        } else {
            assert_eq!(server.connect(port).last_word(), Some(CloseReason::ConnectionsFull));
        }
        server.until_closed(port, "connections_full", 1);
        drop(two);
        until("there is room again", || (server.counters(port).connections == 0).then_some(()));
    }
}

#[test]
fn an_administrator_that_asks_and_never_reads_is_closed() {
    let server = Setup {
        administrators: "high_water_bytes = 10000\nmessages_per_second_max = 0\nbytes_per_second_max = 0\n",
        ..Setup::default()
    }
    .start();
    let nc = server.administrator();
    let asking = "{\"get_counts\":{}}\n".repeat(1_000);
    let closed = || server.counters(Port::Administrators).closed["slow_consumer"] == 1;
    nc.0.get_ref().set_nonblocking(true).unwrap();
    until("it is closed", || {
        // What it cannot say any more because it does not read is not its worry.
        let _ = std::io::Write::write(&mut nc.0.get_ref(), asking.as_bytes());
        closed().then_some(())
    });
}

/// Bytes by chance, at chance lengths, sometimes behind a good message.
fn nonsense(rng: &mut ChaCha8Rng, port: Port) -> Vec<u8> {
    let hello: Message = match port {
        Port::Terminals => {
            TerminalHello { name: "nonsense".into(), generation: 0, since: Since::Start }.into()
        }
        _ => ControllerHello { name: "nonsense".into(), generation: 0 }.into(),
    };
    let mut bytes = if rng.random_bool(0.5) { frames(&hello) } else { Vec::new() };
    for _ in 0..rng.random_range(1..8) {
        let mut body = vec![0; rng.random_range(0..600)];
        rng.fill_bytes(&mut body);
        if body.len() > 3 && rng.random_bool(0.8) {
            let opcode = rng.random_range(0..4) * 0x100 + 0x2000 + rng.random_range(0..16);
            body[..2].copy_from_slice(&u16::to_be_bytes(opcode));
            body[2] = 0;
        }
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
    }
    bytes
}

#[test]
fn nonsense_harms_nobody() {
    let server = Setup::default().start();
    let mut bystanders = Bystanders::new(&server);
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let port = PORTS[rng.random_range(0..3)];
        let mut client = Client::connect(server.address(port), PATIENCE).unwrap();
        let bytes = nonsense(&mut rng, port);
        let _ = client.write(&bytes); // it may be closed before all of it is said
        let _ = client.socket().shutdown(std::net::Shutdown::Write); // or reset
        while !matches!(client.hear(), Err(error) if error.kind() != ErrorKind::InvalidData) {}
        if seed % 20 == 0 {
            bystanders.are_well();
        }
    }
    bystanders.are_well();
    until("they have all left", || (server.counters(Port::Administrators).connections == 0).then_some(()));
    let mut nc = server.administrator();
    until("and are not listed", || (nc.clients().len() == 3).then_some(()));
}

#[test]
fn a_denial_leaves_the_connection_open() {
    let rest =
        "[limits]\ntopics_max = 1\ntopic_keys_max = 1\nquote_bytes_max = 4\ninstruction_bytes_max = 4\n";
    let server = Setup { rest, ..Setup::default() }.start();
    let mut controller = server.controller("desk");
    let mut terminal = server.hearer("t1", "gold");
    let quote = |topic: &str, key: &str, value: &str| -> Message {
        SetQuote { topic: topic.into(), key: key.into(), value: value.into() }.into()
    };
    let instruct = |request, topic: &str, payload: &str| -> Message {
        Instruct { request, to: To::Topic(topic.into()), payload: payload.into() }.into()
    };
    controller.quote("gold", "ask", "1");
    let wrong = [
        quote("iron", "ask", "1"),
        quote("gold", "bid", "1"),
        quote("gold", "ask", "12345"),
        instruct(1, "gold", "12345"),
        instruct(2, "iron", "1"),
        instruct(2, "gold", "1"),
    ];
    for message in wrong {
        controller.say(message.clone());
        let denied = controller.hear();
        assert!(
            matches!(denied, Message::QuoteDenied(_) | Message::InstructDenied(_)),
            "{message:?}: {denied:?}"
        );
    }
    terminal.say(Subscribe { topic: "iron".into(), since: Since::Now });
    terminal.await_said("a denial", |it| matches!(it, Message::SubscribeDenied(_)).then_some(()));
    assert_eq!(controller.instruct(3, &To::Topic("gold".into()), "1"), 1);
    terminal.await_said("the instruction", |it| matches!(it, Message::Instruction(_)).then_some(()));
}
