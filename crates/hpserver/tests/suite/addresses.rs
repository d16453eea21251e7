//! What one address may have at a listener: so many connections, so fast, and no trace of it afterwards.

use std::{
    io::{ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};
use usher_hpserver::{AddressLimits, CloseReason, ListenerConfig, Rate};

use crate::{
    client::{Client, Heard},
    protocol::Talk,
    rig::{PATIENCE, Probe, Rig, Seen, listener, now, shapes},
};

/// A listener that limits addresses so.
fn limited(addresses: AddressLimits) -> ListenerConfig<Probe> {
    let mut config = listener(Talk::default());
    config.limits.addresses = addresses;
    config
}

/// A client that comes from that host of the loopback; nothing if it was reset at once.
fn knock(rig: &Rig, host: u8) -> Option<Client> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into()).unwrap();
    match socket.connect(&rig.address(0).into()) {
        Ok(()) => Some(rig.client_over(0, TcpStream::from(socket))),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("from {host}: {error}"),
    }
}

fn client_from(rig: &Rig, host: u8) -> Client {
    knock(rig, host).expect("it is let in")
}

fn is_reset(rig: &Rig, host: u8) -> bool {
    knock(rig, host).is_none_or(|mut client| client.hear() == Heard::Reset)
}

#[test]
fn one_connection_too_many_of_an_address_is_reset_and_others_are_not() {
    for shape in shapes() {
        let limits = AddressLimits { connections_max: 2, ..AddressLimits::default() };
        let rig = Rig::new(shape.config(1), vec![limited(limits)]);
        let mut two = [(); 2].map(|()| client_from(&rig, 2));
        for client in &mut two {
            client.echo(b"e");
        }
        for _ in 0..20 {
            assert!(is_reset(&rig, 2));
        }
        client_from(&rig, 3).echo(b"e");
        let [first, mut second] = two;
        drop(first);
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 1);
        client_from(&rig, 2).echo(b"e");
        second.echo(b"e");
        let refused = |seen: &Seen| matches!(seen, Seen::Closed(_, CloseReason::AddressFull));
        assert!(!rig.seen_by_now().iter().any(refused), "no service hears of who was reset");
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].closed["address_full"], 20);
        assert_eq!(report.metrics.listeners[0].addresses, 0);
    }
}

#[test]
fn an_address_that_connects_too_fast_is_reset_and_forgotten_when_it_rests() {
    const RATE: Rate = Rate { per_second: 20, burst: 3 };
    for shape in shapes() {
        let limits = AddressLimits { connects: RATE, ..AddressLimits::default() };
        let rig = Rig::new(shape.config(1), vec![limited(limits)]);
        let start = now();
        let (mut taken, mut refused) = (0, 0);
        while refused < 5 {
            assert!(now() < start + PATIENCE, "{taken} were let in, and {refused} refused");
            match knock(&rig, 2).map(|mut client| say(&mut client)) {
                Some(Heard::Packet(_)) => taken += 1,
                Some(Heard::Reset) | None => refused += 1,
                Some(other) => panic!("{other:?}"),
            }
        }
        let allowed = f64::from(RATE.burst) + f64::from(RATE.per_second) * (now() - start).as_secs_f64();
        assert!(taken >= 3 && f64::from(taken) <= allowed.ceil(), "{taken} were let in, {allowed} might be");
        client_from(&rig, 3).echo(b"e");
        rig.wait_metrics(|metrics| metrics.listeners[0].addresses == 0);
        assert_eq!(rig.finish().metrics.listeners[0].closed["address_rate"], refused);
    }
}

/// A word, and what comes of it; a reset may come before it is out.
fn say(client: &mut Client) -> Heard {
    let word = client.encode(b"e");
    client.stream.write_all(&word).map_or(Heard::Reset, |()| client.hear())
}

#[test]
fn the_exempt_come_as_they_like() {
    for shape in shapes() {
        let exempt = vec!["127.0.0.2".parse().unwrap()];
        let connects = Rate { per_second: 1, burst: 1 };
        let limits = AddressLimits { connections_max: 1, connects, exempt, ..AddressLimits::default() };
        let rig = Rig::new(shape.config(1), vec![limited(limits)]);
        let mut clients: Vec<_> = (0..50).map(|_| client_from(&rig, 2)).collect();
        for client in &mut clients {
            client.echo(b"e");
        }
        rig.finish();
    }
}

#[test]
fn strangers_beyond_the_table_share_one_place() {
    for shape in shapes() {
        let limits = AddressLimits { connections_max: 2, known_max: 3, ..AddressLimits::default() };
        let rig = Rig::new(shape.config(1), vec![limited(limits)]);
        let let_in = |host| {
            let mut client = client_from(&rig, host);
            client.echo(b"e");
            client
        };
        let inside = [2, 3, 4, 5, 6, 2, 3].map(let_in);
        assert!(is_reset(&rig, 7), "5 and 6 have what the rest may have");
        assert!(is_reset(&rig, 5));
        drop(inside);
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 0);
        assert_eq!(rig.remote().metrics().listeners[0].addresses, 0);
        client_from(&rig, 7).echo(b"e");
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].closed["address_full"], 2);
        assert_eq!(report.metrics.listeners[0].addresses, 0);
    }
}
