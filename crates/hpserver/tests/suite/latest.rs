//! Packets of which only the latest of their key is worth waiting for, for a client that does not read.
//!
//! What a client hears is told by numbers: everything the service asks for is numbered in order, and says its number.

use std::collections::BTreeMap;

use usher_hpserver::{Actions, Bytes, CloseReason, ConnId, ListenerConfig};

use crate::{
    client::{Client, Heard},
    protocol::Talk,
    rig::{Probe, Rig, Seen, Shape, listener, shapes},
};

const GROUP: u64 = 7;
const KEYS: u64 = 8;
const PACKET_BYTES: usize = 1000;
const HIGH_WATER_BYTES: usize = 64 * 1024;
/// Of one packet at least: far more than two sockets hold.
const ROUNDS_MAX: usize = 3_000;

fn start(shape: Shape) -> Rig {
    let mut talk: ListenerConfig<Probe> = listener(Talk::default());
    talk.limits.high_water_bytes = HIGH_WATER_BYTES;
    Rig::new(shape.small_sockets(1), vec![talk])
}

/// A packet, and how it is asked for: with a key or without, to the connection or to its group.
#[derive(Clone)]
struct Asked {
    key: Option<u64>,
    packet: Bytes,
    published: bool,
}

impl Asked {
    fn ask(self, conn: ConnId, out: &mut Actions<Probe>) {
        match (self.published, self.key) {
            (false, None) => out.send(conn, self.packet),
            (false, Some(key)) => out.send_latest(conn, key, self.packet),
            (true, None) => out.publish(GROUP, self.packet, None),
            (true, Some(key)) => out.publish_latest(GROUP, key, self.packet, None),
        }
    }
}

/// A client that does not read, and everything that was asked for it.
struct Deaf<'a> {
    rig: &'a Rig,
    client: Client,
    conn: ConnId,
    asked: Vec<Asked>,
}

impl<'a> Deaf<'a> {
    fn new(rig: &'a Rig) -> Self {
        let (mut client, conn) = rig.known_client(0);
        client.send(&[b'j', GROUP as u8]);
        client.echo(b"e");
        Self { rig, client, conn, asked: Vec::new() }
    }

    /// Has the service send one packet a key, all in one step; every other time to the group.
    fn ask(&mut self, keys: impl Iterator<Item = Option<u64>>) {
        let first = self.asked.len();
        for (number, key) in (first..).zip(keys) {
            let mut packet = vec![b'-'; PACKET_BYTES];
            packet[..8].copy_from_slice(&(number as u64).to_be_bytes());
            self.asked.push(Asked { key, packet: packet.into(), published: number.is_multiple_of(2) });
        }
        let (conn, asked) = (self.conn, self.asked[first..].to_vec());
        self.rig.ask(0, move |out| asked.into_iter().for_each(|asked| asked.ask(conn, out)));
    }

    /// Until packets wait here because the socket takes no more.
    fn fill(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.ask((0..KEYS).map(Some));
            self.wait_until_asked();
            if self.rig.remote().metrics().conflated > 0 {
                return;
            }
        }
        panic!("24 MB were sent to a client that does not read");
    }

    /// Until the send stage has had all of it, unless it was too much. (One more: the client has said `e`.)
    fn wait_until_asked(&self) {
        let packets = 1 + self.asked.len() as u64;
        self.rig.wait_metrics(|metrics| {
            let listener = &metrics.listeners[0];
            listener.packets_out == packets || listener.closed["slow_consumer"] > 0
        });
    }

    /// What the client hears next is this packet, as it was sent.
    fn check(&self, heard: &Bytes) -> usize {
        let number = u64::from_be_bytes(heard[..8].try_into().unwrap()) as usize;
        assert_eq!(*heard, self.asked[number].packet);
        number
    }
}

#[test]
fn the_latest_of_each_key_and_everything_else_arrives_in_order() {
    for shape in shapes() {
        let rig = start(shape);
        let mut deaf = Deaf::new(&rig);
        deaf.fill();
        for round in 0..200 {
            deaf.ask((0..KEYS).map(|key| (key != 3 || round % 5 > 0).then_some(key)));
        }
        deaf.ask([None].into_iter());
        deaf.wait_until_asked();
        assert_eq!(rig.remote().metrics().listeners[0].closed["slow_consumer"], 0);

        let (asked, mut heard) = (deaf.asked.len(), Vec::new());
        while heard.last() != Some(&(asked - 1)) {
            let packet = deaf.client.recv();
            heard.push(deaf.check(&packet));
        }
        assert!(heard.is_sorted_by(|a, b| a < b), "out of order");
        let latest: BTreeMap<u64, usize> =
            (0..).zip(&deaf.asked).filter_map(|(number, asked)| Some((asked.key?, number))).collect();
        let plain = (0..).zip(&deaf.asked).filter(|(_, asked)| asked.key.is_none()).map(|(number, _)| number);
        for number in plain.chain(latest.into_values()) {
            assert!(heard.binary_search(&number).is_ok(), "{number} did not arrive");
        }
        deaf.client.echo(b"e");
        assert_eq!(rig.finish().metrics.conflated as usize, asked - heard.len());
    }
}

/// Packets without a key, or of ever new keys, count until they are too many.
#[test]
fn more_than_the_high_water_mark_closes_it_and_nothing_follows_what_was_cut() {
    let kinds: [fn(u64) -> Option<u64>; 2] = [|_| None, |number| Some(KEYS + number)];
    for (shape, kind) in shapes().flat_map(|shape| kinds.map(|kind| (shape, kind))) {
        let rig = start(shape);
        let mut deaf = Deaf::new(&rig);
        deaf.fill();
        for number in 0.. {
            if rig.remote().metrics().listeners[0].closed["slow_consumer"] > 0 {
                break;
            }
            assert!(number < ROUNDS_MAX as u64, "3 MB wait for a client that does not read");
            deaf.ask([kind(number)].into_iter());
            deaf.wait_until_asked();
        }
        rig.wait_for(&Seen::Closed(deaf.conn, CloseReason::SlowConsumer));
        let mut heard = Vec::new();
        loop {
            match deaf.client.hear() {
                Heard::Packet(packet) => heard.push(deaf.check(&packet)),
                other => break assert_eq!(other, Heard::Reset),
            }
        }
        assert!(heard.is_sorted_by(|a, b| a < b), "out of order");
        assert_eq!(rig.finish().metrics.listeners[0].closed["slow_consumer"], 1);
    }
}
