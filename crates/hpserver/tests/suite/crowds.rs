//! Crowds that would fill the memory if anybody let them: each in a process of its own, whose memory is theirs alone.

use std::{collections::BTreeMap, net::SocketAddr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use usher_hpserver::{Bytes, CloseReason, ConnId, Framed};

use crate::{
    child,
    client::Client,
    protocol::{Talk, frame},
    rig::{Rig, Seen, Shape, answer, listener, shapes},
};

/// Bytes of memory that `/proc/self/status` counts under that name.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
}

/// Each shape in a child that may open as many sockets as it likes.
fn in_children(test: &str, crowd: fn(Shape)) {
    if let Some(shape) = child::argument() {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        return crowd(shapes().nth(shape).unwrap());
    }
    for (index, shape) in shapes().enumerate() {
        let child = child::run(test, index);
        assert!(child.status.success(), "{shape:?}: {child:#?}");
    }
}

const UNFINISHED: usize = 500;
const ARRIVED_BYTES: usize = 10_000;

/// One listener has messages of many frames, of 3 MB at most, the other has frames of 64 KB at most.
#[test]
fn a_thousand_unfinished_messages_hold_only_what_has_arrived() {
    in_children("crowds::a_thousand_unfinished_messages_hold_only_what_has_arrived", |shape| {
        let mut config = shape.config(1);
        // What is received passes through few buffers, whose memory is not to be taken for what is held.
        config.completion.receive_buffers_max = 64;
        let rig = Rig::new(config, vec![listener(Talk::default()), listener(Framed::default())]);
        let parts: Vec<u8> = (0..).flat_map(|_| frame(b'+', &[b'-'; 990])).take(ARRIVED_BYTES).collect();
        let part = [&[0xff, 0xff][..], &[b'-'; ARRIVED_BYTES - 2]].concat();
        let mut clients: Vec<Vec<Client>> =
            [0, 1].map(|id| (0..UNFINISHED).map(|_| rig.client(id)).collect()).into();
        rig.wait_metrics(|metrics| metrics.receive.items >= 2 * UNFINISHED as u64);
        let before = memory("VmData");
        for (clients, bytes) in clients.iter_mut().zip([&parts, &part]) {
            // In pieces, so that what has arrived is added to, again and again.
            for piece in bytes.chunks(ARRIVED_BYTES / 4) {
                for client in &mut *clients {
                    client.write(piece);
                }
            }
        }
        let arrived = (UNFINISHED * ARRIVED_BYTES) as u64;
        rig.wait_metrics(|metrics| metrics.listeners.iter().all(|listener| listener.bytes_in == arrived));
        let held = memory("VmData") - before;
        let arrived = 2 * arrived as usize;
        assert!(held < 3 * arrived, "{held} bytes are held for {arrived} that arrived");
        rig.finish();
    });
}

const DEAF: usize = 200;
const READERS: usize = 200;
const GROUP: u8 = 7;
const ROUNDS: u64 = 300;
/// Publishes at once; then the readers have all of them before the next.
const ROUND: u64 = 5;

/// Clients that never read, and come back as soon as they are closed.
struct Deaf<'a> {
    rig: &'a Rig,
    clients: Vec<Client>,
    places: BTreeMap<SocketAddr, usize>,
    conns: BTreeMap<ConnId, usize>,
    closed: u64,
}

impl<'a> Deaf<'a> {
    fn new(rig: &'a Rig) -> Self {
        let mut deaf =
            Self { rig, clients: Vec::new(), places: BTreeMap::new(), conns: BTreeMap::new(), closed: 0 };
        for place in 0..DEAF {
            let client = deaf.come(place);
            deaf.clients.push(client);
        }
        deaf
    }

    fn come(&mut self, place: usize) -> Client {
        let mut client = self.rig.client(0);
        client.send(&[b'j', GROUP]);
        self.places.insert(client.stream.local_addr().unwrap(), place);
        client
    }

    /// Those who were closed come back.
    fn come_back(&mut self) {
        for seen in self.rig.seen_by_now() {
            match seen {
                Seen::Opened(conn, peer) => {
                    let place = self.places.remove(&peer);
                    self.conns.extend(place.map(|place| (conn, place)));
                }
                Seen::Closed(conn, reason) => {
                    assert_eq!(reason, CloseReason::SlowConsumer);
                    let place = self.conns.remove(&conn).unwrap();
                    self.clients[place] = self.come(place);
                    self.closed += 1;
                }
                _ => {}
            }
        }
    }
}

/// As many rounds as there are, and how much memory is resident after each.
fn publish_to_all(rig: &Rig, readers: &mut [Client], deaf: &mut Deaf<'_>) -> Vec<usize> {
    let round = |round: u64| {
        let packets: Vec<Bytes> = (round * ROUND..(round + 1) * ROUND).map(answer).collect();
        let published = packets.clone();
        rig.ask(0, move |out| {
            for packet in published {
                out.publish(u64::from(GROUP), packet, None);
            }
        });
        for reader in &mut *readers {
            for packet in &packets {
                assert_eq!(reader.recv(), packet);
            }
        }
        deaf.come_back();
        memory("VmRSS")
    };
    (0..ROUNDS).map(round).collect()
}

/// Who does not read is closed when as much waits for him as may: memory goes up and down, but in the last rounds no
/// further up than in the first.
#[test]
fn two_hundred_that_never_read_cost_no_memory_and_no_reader_a_packet() {
    in_children("crowds::two_hundred_that_never_read_cost_no_memory_and_no_reader_a_packet", |shape| {
        let mut talk = listener(Talk::default());
        talk.limits.high_water_bytes = 64 * 1024;
        let rig = Rig::new(shape.small_sockets(1), vec![talk]);
        let mut readers: Vec<_> = (0..READERS).map(|_| rig.client(0)).collect();
        for reader in &mut readers {
            reader.send(&[b'j', GROUP]);
            reader.echo(b"e");
        }
        let mut deaf = Deaf::new(&rig);
        let resident = publish_to_all(&rig, &mut readers, &mut deaf);
        let peak = |samples: &[usize]| samples.iter().copied().max().unwrap();
        let third = resident.len() / 3;
        let (first, last) = (peak(&resident[..third]), peak(&resident[2 * third..]));
        assert!(last < first + first / 4 + (4 << 20), "{first} bytes are resident, {last} in the end");
        assert!(deaf.closed > 2 * DEAF as u64, "only {} were closed", deaf.closed);
        let listener = &rig.finish().metrics.listeners[0];
        let closed = listener.closed["slow_consumer"] + listener.closed["shutdown"];
        assert_eq!(closed, listener.connections_total);
    });
}
