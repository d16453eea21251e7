//! Connections whose frames are sealed: what a listener with keys does that one without does not.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use usher_hpserver::{CloseReason, DialError, ListenerConfig, ListenerId, Open, Seal};

use crate::{
    client::{Client, Heard},
    protocol::{Named, Names, SealedNames, Talk, Turns, frame, hello},
    rig::{MUCH_BYTES, Note, Probe, Rig, Seen, answer, listener, numbered, shapes},
};

fn sealed() -> ListenerConfig<Probe> {
    ListenerConfig { channel: Arc::new(SealedNames), ..listener(Talk::default()) }
}

/// A client that has said its name and was answered; its keys.
struct Guest {
    client: Client,
    seal: Turns,
    open: Turns,
}

impl Guest {
    fn new(rig: &Rig, listener: u16) -> Self {
        let mut client = rig.client(listener);
        client.write(&hello(b"friend"));
        assert_eq!(client.hear_raw(), b"wsealed"[..]);
        Self { client, seal: Turns::new(), open: Turns::new() }
    }

    fn sealed(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut out = usher_hpserver::BytesMut::new();
        self.seal.seal(&self.client.encode(packet), &mut out).unwrap();
        out.to_vec()
    }

    fn send(&mut self, packet: &[u8]) {
        let bytes = self.sealed(packet);
        self.client.write(&bytes);
    }

    /// The body of the next frame, opened.
    fn hear(&mut self) -> Vec<u8> {
        let mut clear = Vec::new();
        self.open.open(&self.client.hear_raw(), &mut clear).unwrap();
        clear
    }

    fn echo(&mut self, packet: &[u8]) {
        self.send(packet);
        assert_eq!(self.hear(), [b".", packet].concat());
    }
}

#[test]
fn the_service_hears_of_a_guest_when_a_frame_has_opened_and_not_before() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![sealed(), listener(Talk::default())]);
        let mut silent = Guest::new(&rig, 0);
        let mut forger = Guest::new(&rig, 0);
        forger.client.write(&frame(b'?', b"not sealed"));
        rig.wait(|seen| matches!(seen, Seen::Closed(_, CloseReason::BadFrame("forged"))).then_some(()));
        let mut patient = rig.client(1);
        patient.echo(b"e");
        assert_eq!(
            rig.seen_by_now().iter().filter(|seen| matches!(seen, Seen::Opened(..))).count(),
            1,
            "patient's"
        );
        silent.echo(b"e1");
        silent.echo(b"e2");
        rig.finish();
    }
}

#[test]
fn many_who_come_at_once_are_all_let_in_a_few_a_turn() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![sealed()]);
        let mut clients: Vec<_> = (0..50).map(|_| rig.client(0)).collect();
        for client in &mut clients {
            client.write(&hello(b"friend"));
        }
        for mut client in clients {
            assert_eq!(client.hear_raw(), b"wsealed"[..]);
            Guest { client, seal: Turns::new(), open: Turns::new() }.echo(b"e");
        }
        rig.finish();
    }
}

#[test]
fn everything_is_sealed_in_the_order_in_which_it_leaves() {
    for shape in shapes() {
        let mut config = sealed();
        config.limits.high_water_bytes = MUCH_BYTES;
        let rig = Rig::new(shape.small_sockets(1), vec![config]);
        let mut guest = Guest::new(&rig, 0);
        guest.send(&[b'j', 7]);
        let conn = rig.wait(|seen| match seen {
            Seen::Opened(conn, _) => Some(*conn),
            _ => None,
        });
        guest.echo(b"e");
        rig.ask(0, move |out| {
            for number in 0..2_000 {
                match number % 3 {
                    0 => out.publish(7, answer(number), None),
                    1 => out.send(conn, answer(number)),
                    _ => out.publish_latest(7, number, answer(number), None),
                }
            }
        });
        for number in 0..2_000 {
            assert_eq!(guest.hear(), [b".", &answer(number)[..]].concat());
        }
        rig.finish();
    }
}

#[test]
fn a_spent_key_ends_the_connection_with_that_reason() {
    for shape in shapes() {
        let mut config = sealed();
        config.limits.high_water_bytes = MUCH_BYTES;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut guest = Guest::new(&rig, 0);
        guest.send(&[&b"m"[..], &u64::from(Turns::MAX + 1).to_be_bytes()].concat());
        let mut read = [0; 16 * 1024];
        while guest.client.stream.read(&mut read).is_ok_and(|count| count > 0) {}
        assert_eq!(rig.wait_closed(), CloseReason::KeySpent);
        assert_eq!(rig.finish().metrics.listeners[0].closed["key_spent"], 1);
    }
}

#[test]
fn a_handshake_that_does_not_hold_and_one_that_is_cut_leave_nothing() {
    for shape in shapes() {
        let mut config = sealed();
        config.limits.first_message_deadline = Duration::from_millis(100);
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut liar = rig.client(0);
        liar.write(&hello(b"liar"));
        assert_eq!(rig.wait_closed(), CloseReason::GreetingRefused("lies"));
        assert_eq!(liar.hear(), Heard::Frame(b'~', "greeting_refused".into()));
        liar.expect_end();
        let wire = [hello(b"friend"), Guest::new(&rig, 0).sealed(b"e")].concat();
        for cut in 0..wire.len() {
            let mut client = rig.client(0);
            client.stream.write_all(&wire[..cut]).unwrap();
        }
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 0);
        rig.finish();
    }
}

#[test]
fn both_ends_of_a_dialled_connection_have_keys() {
    for shape in shapes() {
        let dials = ListenerConfig { address: None, ..listener(Talk::default()) };
        let plain = ListenerConfig { channel: Arc::new(Names), ..listener(Talk::default()) };
        let rig = Rig::new(shape.config(2), vec![sealed(), dials, plain]);
        let dial = |token, name, to| {
            rig.remote().dial(1, ListenerId(1), rig.address(to), token, Some(Box::new(Named(name))));
        };
        dial(1, "friend", 0);
        let conn = rig.wait(|seen| match seen {
            Seen::Dialed(1, conn) => Some(*conn),
            _ => None,
        });
        rig.tell(1, Note::SendTo(conn, "sover the wire".into()));
        rig.wait_for(&Seen::Packet(0, "over the wire".into()));
        for number in 0..50 {
            rig.tell(1, Note::SendTo(conn, [&b"s"[..], &numbered(number)].concat().into()));
            rig.wait_for(&Seen::Packet(0, numbered(number).into()));
        }
        dial(2, "nobody", 0);
        rig.wait_for(&Seen::DialFailed(2, DialError::Refused("full".into())));
        rig.finish();
    }
}
