//! How connections begin and end: at the door, from our side, by the thousand, all at once.

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use usher_hpserver::{CloseReason, DialError, ListenerConfig, ListenerId};

use crate::{
    client::Heard,
    protocol::{Named, Names, Talk, frame, hello},
    rig::{Note, Probe, Random, Rig, Seen, Shape, answer, listener, numbered, shapes},
};

fn names() -> ListenerConfig<Probe> {
    ListenerConfig { channel: Arc::new(Names), ..listener(Talk::default()) }
}

#[test]
fn whoever_knocks_is_admitted_refused_or_not_even_heard() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![names()]);
        let mut friend = rig.client(0);
        let wire = [&hello(b"friend")[..], &friend.encode(b"e1"), &friend.encode(b"e2")].concat();
        for byte in wire.chunks(1) {
            friend.write(byte);
        }
        assert_eq!(friend.hear(), Heard::Frame(b'w', "elcome".into()));
        assert_eq!(friend.recv(), b"e1"[..]);
        assert_eq!(friend.recv(), b"e2"[..]);

        let mut nobody = rig.client(0);
        nobody.write(&[&hello(b"nobody")[..], &nobody.encode(b"e")].concat());
        assert_eq!(nobody.hear(), Heard::Packet("full".into()));
        nobody.expect_end();
        drop(nobody);
        assert_eq!(rig.wait_closed(), CloseReason::Local);

        let mut stranger = rig.client(0);
        stranger.write(&hello(b"stranger"));
        assert_eq!(stranger.hear(), Heard::Frame(b'~', "who?".into()));
        stranger.expect_end();

        let mut waiting = rig.client(0);
        waiting.write(&[&hello(b"wait")[..], &waiting.encode(b"snever")].concat());
        rig.wait(|seen| matches!(seen, Seen::Knock(_, name) if name == "wait").then_some(()));
        // The friend is open, this one knocks, and nothing is left of the others.
        rig.wait_metrics(|metrics| metrics.listeners[0].states.map(|(_, count)| count) == [0, 1, 0, 0, 1, 0]);
        let report = rig.finish();
        assert_eq!(waiting.hear(), Heard::Frame(b'~', "shutdown".into()));
        assert_eq!(report.metrics.listeners[0].closed["greeting_refused"], 1);
    }
}

#[test]
fn dialling_ends_in_a_connection_or_in_the_reason_why_not() {
    for shape in shapes() {
        let dials = ListenerConfig { address: None, ..names() };
        let rig = Rig::new(shape.config(2), vec![names(), dials]);
        let remote = rig.remote();
        let dial = |token, name: &'static str| {
            remote.dial(1, ListenerId(1), rig.address(0), token, Some(Box::new(Named(name))));
        };
        dial(1, "friend");
        let conn = rig.wait(|seen| match seen {
            Seen::Dialed(1, conn) => Some(*conn),
            _ => None,
        });
        rig.tell(1, Note::SendTo(conn, "sover the wire".into()));
        rig.wait_for(&Seen::Packet(0, "over the wire".into()));
        dial(2, "nobody");
        rig.wait_for(&Seen::DialFailed(2, DialError::Refused("full".into())));
        dial(3, "stranger");
        rig.wait_for(&Seen::DialFailed(3, DialError::Closed));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        remote.dial(0, ListenerId(1), closed, 4, None);
        let refused = std::io::ErrorKind::ConnectionRefused;
        rig.wait_for(&Seen::DialFailed(4, DialError::Connect(refused)));
        rig.tell(1, Note::SendTo(conn, "q".into()));
        rig.wait_for(&Seen::Closed(conn, CloseReason::PeerClosed));
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[1].closed["dial_refused"], 1);
    }
}

#[test]
fn a_dialled_server_that_does_not_answer_is_given_up() {
    for shape in shapes() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut dials = ListenerConfig { address: None, ..names() };
        dials.limits.first_message_deadline = Duration::from_millis(30);
        let rig = Rig::new(shape.config(1), vec![dials]);
        let address = silent.local_addr().unwrap();
        rig.remote().dial(0, ListenerId(0), address, 1, Some(Box::new(Named("who"))));
        rig.wait_for(&Seen::DialFailed(1, DialError::Closed));
        rig.finish();
    }
}

#[test]
fn what_was_connected_elsewhere_is_like_what_was_dialled() {
    for shape in shapes() {
        let children = ListenerConfig { address: None, ..listener(Talk { pings: true, ..Talk::default() }) };
        let rig = Rig::new(shape.config(2), vec![children]);
        let (ours, theirs) = UnixStream::pair().unwrap();
        rig.remote().adopt(1, ListenerId(0), ours, 7, None);
        let conn = rig.wait(|seen| match seen {
            Seen::Dialed(7, conn) => Some(*conn),
            _ => None,
        });
        rig.tell(1, Note::SendTo(conn, "down the pipe".into()));
        let said = frame(b'.', b"down the pipe");
        let mut heard = vec![0; said.len()];
        (&theirs).read_exact(&mut heard).unwrap();
        assert_eq!(heard, said);
        (&theirs).write_all(&frame(b'.', b"sand up")).unwrap();
        rig.wait_for(&Seen::Packet(1, "and up".into()));
        drop(theirs);
        rig.wait_for(&Seen::Closed(conn, CloseReason::PeerClosed));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        rig.remote().adopt(0, ListenerId(9), ours, 8, None);
        let nowhere = std::io::ErrorKind::InvalidInput;
        rig.wait_for(&Seen::DialFailed(8, DialError::Connect(nowhere)));
        // An offer that says nothing waits for the other end to begin.
        let (ours, theirs) = UnixStream::pair().unwrap();
        rig.remote().adopt(0, ListenerId(0), ours, 9, Some(Box::new(Named(""))));
        (&theirs).write_all(&frame(b'w', b"elcome")).unwrap();
        rig.wait(|seen| matches!(seen, Seen::Dialed(9, _)).then_some(()));
        rig.finish();
    }
}

#[test]
fn a_stale_id_is_harmless_and_counted() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let (client, gone) = rig.known_client(0);
        drop(client);
        rig.wait_closed();
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 0);
        let (mut heir, conn) = rig.known_client(0);
        for stale in [gone, usher_hpserver::ConnId::from_bits(u64::MAX)] {
            rig.tell(0, Note::SendTo(stale, "for the dead".into()));
        }
        rig.tell(0, Note::SendTo(conn, "for the heir".into()));
        assert_eq!(heir.recv(), b"for the heir"[..]);
        rig.wait_metrics(|metrics| metrics.stale_actions == 2);
        rig.finish();
    }
}

#[test]
fn a_thousand_connections_come_and_go() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(2), vec![listener(Talk::default())]);
        std::thread::scope(|scope| {
            for seed in 1..=4 {
                let rig = &rig;
                scope.spawn(move || {
                    let mut random = Random(seed);
                    (0..250).for_each(|_| visit(rig, &mut random));
                });
            }
        });
        rig.wait_metrics(|metrics| {
            let listener = &metrics.listeners[0];
            (listener.connections_total, listener.connections) == (1000, 0)
        });
        rig.finish();
    }
}

fn visit(rig: &Rig, random: &mut Random) {
    let mut client = rig.client(0);
    match random.below(7) {
        0 => {}
        1 => client.echo(b"e"),
        2 => client.send(b"a"),
        3 => client.write(b"\0\x20.half a fr"),
        4 => client.write(&frame(b'z', b"bad")),
        5 => {
            client.send(b"j\x01");
            client.send(&[b'h', random.below(2) as u8]);
            client.send(b"p\x01hello, all of you");
            client.finish_sending();
            while matches!(client.hear(), Heard::Packet(_)) {}
        }
        _ => {
            client.send(b"m\0\0\0\0\0\0\0\x20");
            client.send(b"cbye");
            (0..32).for_each(|index| assert_eq!(client.recv(), answer(index)));
            assert_eq!(client.recv(), b"bye"[..]);
            client.expect_end();
        }
    }
}

#[test]
fn a_shutdown_sends_what_is_queued_first() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut clients: Vec<_> = (0..5).map(|_| rig.client(0)).collect();
        for client in &mut clients {
            client.send(b"m\0\0\0\0\0\0\x01\0");
            assert_eq!(client.recv(), answer(0));
        }
        let readers = clients.into_iter().map(|mut client| {
            std::thread::Builder::new()
                .spawn(move || {
                    (1..256).for_each(|index| assert_eq!(client.recv(), answer(index)));
                    assert_eq!(client.hear(), Heard::Frame(b'~', "shutdown".into()));
                    client.expect_end();
                })
                .unwrap()
        });
        let readers: Vec<_> = readers.collect();
        let report = rig.finish();
        assert!(report.flushed);
        assert_eq!(report.metrics.listeners[0].closed["shutdown"], 5);
        for reader in readers {
            reader.join().unwrap();
        }
    }
}

#[test]
fn a_shutdown_in_the_middle_of_everything_leaks_nothing() {
    for (round, shape) in shapes().enumerate() {
        let rig = Rig::new(shape.config(3), vec![listener(Talk::default()), names()]);
        let address = rig.address(0);
        let mut clients: Vec<_> = (0..20).map(|_| rig.client(0)).collect();
        for client in &mut clients {
            client.stream.set_nonblocking(true).unwrap();
            let mut wire = client.encode(b"m\0\0\0\0\0\0\x10\0").to_vec();
            for number in 0..500 {
                wire.extend(client.encode(&[b'h', number as u8 % 3]));
                wire.extend(client.encode(&numbered(number)));
            }
            let _ = client.stream.write(&wire);
        }
        rig.remote().dial(0, ListenerId(1), address, 1, Some(Box::new(Named("too late"))));
        let within = if round % 2 == 0 { Duration::ZERO } else { Duration::from_millis(20) };
        rig.finish_within(within);
    }
}

#[test]
fn a_server_that_is_dropped_ends() {
    let shape = Shape { threads: (1, 1, 1), queue: 4 };
    let rig = Rig::talk(shape);
    let mut client = rig.client(0);
    client.echo(b"e");
    drop(rig);
    assert!(matches!(client.hear(), Heard::End | Heard::Reset | Heard::Frame(b'~', _)));
}

#[test]
fn the_online_list_of_a_listener_is_who_is_connected_through_it() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![listener(Talk::default()), names()]);
        let online = |id| {
            let mut peers: Vec<_> = rig.remote().online(ListenerId(id)).iter().map(|it| it.peer).collect();
            peers.sort();
            peers
        };
        let mut clients: Vec<_> = (0..3).map(|_| rig.known_client(0)).collect();
        let mut here: Vec<_> = clients.iter().map(|(it, _)| it.stream.local_addr().unwrap()).collect();
        here.sort();
        assert_eq!((online(0), online(1), online(9)), (here.clone(), vec![], vec![]));
        let (gone, _) = clients.swap_remove(1);
        here.retain(|peer| *peer != gone.stream.local_addr().unwrap());
        drop(gone);
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 2);
        assert_eq!(online(0), here);
        rig.finish();
        drop(clients);
    }
}
