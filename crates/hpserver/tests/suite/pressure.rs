//! Too much for someone: a slow shard, a slow client, a full queue before a link. Nobody else notices.

use std::{io::Write, sync::Arc, time::Duration};

use usher_hpserver::{Bytes, CloseReason, ListenerConfig};

use crate::{
    client::Heard,
    protocol::{Names, Talk, hello},
    rig::{MUCH_BYTES, Probe, Rig, Seen, Shape, answer, listener, numbered, shapes},
};

/// A slow service needs a thread that it may hold up: the arrangements with a logic thread for each of two shards.
fn shapes_with_logic_threads() -> impl Iterator<Item = Shape> {
    let threads = [(0, 2, 0), (1, 2, 1), (2, 2, 2)];
    let shapes = threads.into_iter().flat_map(|threads| [1, 64].map(|queue| Shape { threads, queue }));
    shapes.inspect(|shape| eprintln!("{shape:?}"))
}

/// All of them, with queues of a few places too.
fn more_shapes_with_logic_threads() -> impl Iterator<Item = Shape> {
    let threads = [(0, 2, 0), (1, 2, 0), (0, 2, 1), (1, 2, 1), (2, 2, 2)];
    let queues = [1, 2, 8, 4096];
    let shapes = threads.into_iter().flat_map(move |threads| queues.map(|queue| Shape { threads, queue }));
    shapes.inspect(|shape| eprintln!("{shape:?}"))
}

/// A listener of that shard, whose clients may be as slow as they like.
fn door(door: usize) -> ListenerConfig<Probe> {
    let mut listener = ListenerConfig { door, ..listener(Talk::default()) };
    listener.limits.high_water_bytes = MUCH_BYTES;
    listener
}

#[test]
fn a_slow_shard_slows_its_own_clients_and_loses_nothing() {
    for shape in shapes_with_logic_threads() {
        let rig = Rig::new(shape.small_sockets(2), vec![door(0), door(1)]);
        let (mut slow, mut other) = (rig.client(0), rig.client(1));
        rig.ledger.close_gate();
        slow.send(b"g");
        let (whole, mut written) = (16_000, 0);
        let wire: Vec<u8> = (0..whole)
            .flat_map(|number| slow.encode(&[numbered(number), vec![b'-'; 900]].concat()))
            .collect();
        slow.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while let Ok(count) = slow.stream.write(&wire[written..]) {
            written += count;
            assert!(written < wire.len(), "nothing stopped the client");
        }
        for number in 0..100 {
            other.echo(&numbered(number));
        }
        let taken = rig.remote().metrics().listeners[0].bytes_in;
        assert!(taken < 3 << 20, "{taken} bytes were taken in for a shard that stands still");
        rig.ledger.open_gate();
        slow.stream.set_write_timeout(None).unwrap();
        let mut writer = slow.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(&wire[written..]).unwrap());
            assert_eq!(slow.recv(), b"g"[..]);
            for number in 0..whole {
                assert_eq!(slow.recv()[..9], numbered(number));
            }
        });
        rig.finish();
    }
}

/// Clients of shard 1, on every lane, come and are served.
fn others_are_served(rig: &Rig) {
    let mut others: Vec<_> = (0..6).map(|_| rig.client(1)).collect();
    for number in 0..50 {
        for other in &mut others {
            other.echo(&numbered(number));
        }
    }
}

/// The first that is ever asked of shard 0, when nothing is known of its pace.
#[test]
fn a_shard_that_stands_still_from_the_start_holds_up_no_other() {
    for shape in more_shapes_with_logic_threads() {
        let names = ListenerConfig { channel: Arc::new(Names), ..door(0) };
        let rig = Rig::new(shape.config(2), vec![names, door(1)]);
        rig.ledger.close_gate();
        let mut held: Vec<_> = (0..4).map(|_| rig.client(0)).collect();
        for client in &mut held {
            client.write(&hello(b"gate"));
        }
        rig.wait_for(&Seen::AtGate(0));
        others_are_served(&rig);
        rig.ledger.open_gate();
        for client in &mut held {
            assert_eq!(client.hear(), Heard::Frame(b'w', "elcome".into()));
        }
        rig.finish();
    }
}

/// By then it has sent as much as the send stage has places for, in the same batch.
#[test]
fn a_shard_that_stands_still_after_it_has_sent_holds_up_no_other() {
    for shape in more_shapes_with_logic_threads() {
        let rig = Rig::new(shape.config(2), vec![door(0), door(1)]);
        let mut held: Vec<_> = (0..4).map(|_| rig.client(0)).collect();
        for client in &mut held {
            client.echo(b"e");
        }
        let places = shape.queue as u64;
        rig.ledger.close_gate();
        for client in &mut held {
            let many = client.encode(&[&b"m"[..], &places.to_be_bytes()].concat());
            let wire = [many, client.encode(b"g"), client.encode(b"e")].concat();
            client.write(&wire);
        }
        rig.wait_for(&Seen::AtGate(0));
        others_are_served(&rig);
        rig.ledger.open_gate();
        for client in &mut held {
            (0..places).for_each(|index| assert_eq!(client.recv(), answer(index)));
            assert_eq!(client.recv(), b"g"[..]);
            assert_eq!(client.recv(), b"e"[..]);
        }
        rig.finish();
    }
}

#[test]
fn a_sign_of_life_leaves_while_every_shard_stands_still() {
    for shape in shapes().filter(|shape| shape.threads.1 > 0) {
        let rig = Rig::new(shape.config(2), vec![door(0), door(1)]);
        let mut clients: Vec<_> = (0..8).map(|index| rig.known_client(index % 2)).collect();
        rig.ledger.close_gate();
        for (client, _) in &mut clients {
            client.send(b"g");
        }
        rig.wait(|seen| matches!(seen, Seen::AtGate(_)).then_some(()));
        for (client, conn) in &mut clients {
            rig.send(*conn, &"still here".into());
            assert_eq!(client.recv(), b"still here"[..]);
        }
        rig.ledger.open_gate();
        for (client, _) in &mut clients {
            assert_eq!(client.recv(), b"g"[..]);
        }
        rig.finish();
    }
}

#[test]
fn a_client_that_does_not_read_is_closed_and_nobody_else_notices() {
    for shape in shapes() {
        let rig = Rig::new(shape.small_sockets(1), vec![listener(Talk::default())]);
        let (mut deaf, deaf_conn) = rig.known_client(0);
        let mut member = rig.client(0);
        for client in [&mut deaf, &mut member] {
            client.send(b"j\x01");
            client.echo(b"e");
        }
        let text = [b'-'; 900];
        let mut rounds = 0;
        while rig.remote().metrics().listeners[0].closed["slow_consumer"] == 0 {
            for _ in 0..100 {
                member.send(&[&b"p\x01"[..], &text].concat());
                assert_eq!(member.recv(), text[..]);
            }
            rounds += 1;
            assert!(rounds < 300, "27 MB wait for a client that does not read");
        }
        rig.wait_for(&Seen::Closed(deaf_conn, CloseReason::SlowConsumer));
        while deaf.hear() != Heard::Reset {}
        member.echo(b"e");
        assert_eq!(rig.finish().metrics.listeners[0].closed["slow_consumer"], 1);
    }
}

#[test]
fn every_listener_has_its_own_high_water_mark() {
    for shape in shapes() {
        let rig = Rig::new(shape.small_sockets(1), vec![listener(Talk::default()), door(0)]);
        let mut deaf = [0, 1].map(|id| rig.known_client(id));
        let conns = [deaf[0].1, deaf[1].1];
        rig.ask(0, move |out| conns.into_iter().for_each(|conn| out.join(conn, 1)));
        let mut published = 0;
        while rig.remote().metrics().listeners[0].closed["slow_consumer"] == 0 {
            let first = published;
            published += 100;
            rig.ask(0, move |out| (first..published).for_each(|index| out.publish(1, answer(index), None)));
            rig.wait_metrics(|metrics| metrics.listeners[1].packets_out == published);
            assert!(published < 30_000, "30 MB wait for a client that does not read");
        }
        rig.wait_for(&Seen::Closed(conns[0], CloseReason::SlowConsumer));
        (0..published).for_each(|index| assert_eq!(deaf[1].0.recv(), answer(index)));
        let listeners = rig.finish().metrics.listeners;
        let closed: Vec<_> = listeners.iter().map(|listener| listener.closed["slow_consumer"]).collect();
        assert_eq!(closed, [1, 0]);
    }
}

#[test]
fn a_client_that_reads_late_but_in_time_gets_everything() {
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.high_water_bytes = MUCH_BYTES;
        let rig = Rig::new(shape.small_sockets(1), vec![config]);
        let mut client = rig.client(0);
        let count = 12_000_u64;
        client.send(&[&b"m"[..], &count.to_be_bytes()].concat());
        rig.wait_metrics(|metrics| metrics.listeners[0].packets_out == count);
        (0..count).for_each(|index| assert_eq!(client.recv(), answer(index)));
        client.echo(b"e");
        rig.finish();
    }
}

#[test]
fn a_link_goes_ahead_of_a_full_queue() {
    for shape in shapes_with_logic_threads() {
        let link = ListenerConfig { link: true, ..listener(Talk::default()) };
        let mut config = shape.config(1);
        config.batch_items_max = 1;
        let rig = Rig::new(config, vec![listener(Talk::default()), link]);
        let (mut client, mut link) = (rig.client(0), rig.client(1));
        client.echo(b"e");
        link.echo(b"e");
        rig.ledger.close_gate();
        client.send(b"g");
        (0..200).for_each(|_| client.send(b"srest"));
        // Whoever waits for places is called when half are free, so a full queue is half full at least.
        let full = (shape.queue as u64).div_ceil(2);
        rig.wait_metrics(|metrics| metrics.logic.length >= full);
        link.send(b"slink");
        rig.wait_metrics(|metrics| metrics.listeners[1].packets_in == 2);
        rig.ledger.open_gate();
        let first = rig.wait(|seen| match seen {
            Seen::Packet(0, bytes) => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(first, Bytes::from("link"));
        client.send(b"slast");
        rig.wait_for(&Seen::Packet(0, "last".into()));
        rig.finish();
    }
}

/// Whoever comes, says who he is and leaves, again and again, while the shard that is to hear of it stands still.
#[test]
fn churn_leaves_no_more_behind_than_there_may_be_connections() {
    for shape in shapes_with_logic_threads() {
        let mut names = ListenerConfig { channel: Arc::new(Names), ..listener(Talk::default()) };
        names.limits.connections_max = 10;
        let rig = Rig::new(shape.config(1), vec![listener(Talk::default()), names]);
        let mut slow = rig.client(0);
        rig.ledger.close_gate();
        slow.send(b"g");
        rig.wait_metrics(|metrics| metrics.listeners[0].packets_in == 1);
        for come in 1..=10 {
            rig.client(1).write(&hello(b"friend"));
            rig.wait_metrics(|metrics| metrics.listeners[1].connections_total == come);
        }
        for _ in 0..20 {
            let mut newcomer = rig.client(1);
            assert_eq!(newcomer.hear(), Heard::Frame(b'~', "connections_full".into()));
        }
        assert_eq!(rig.remote().metrics().listeners[1].connections, 10);
        rig.ledger.open_gate();
        assert_eq!(slow.recv(), b"g"[..]);
        rig.wait_metrics(|metrics| metrics.listeners[1].connections == 0);
        let mut newcomer = rig.client(1);
        newcomer.write(&hello(b"friend"));
        assert_eq!(newcomer.hear(), Heard::Frame(b'w', "elcome".into()));
        rig.finish();
    }
}
