//! Each limit has its answer: refuse, close, end.
//!
//! Read next: `../churn.rs`, many connections at once.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};

use bytes::Bytes;
use usher_completion::{Config, Engine, Fault, Origin, Reason, Refused};

use crate::station::{
    DEADLINE, Event, Station, configs, echo, nothing, now, react, read, read_to_end, write,
};
use crate::{LARGE_BYTES, send_large};

#[test]
fn a_full_server_closes_at_once_and_says_so() {
    for config in configs() {
        let station = Station::start(Config { connections_max: 2, ..config }, &nothing());
        let (_first, conn) = station.pair();
        let _second = station.pair();
        assert!(read_to_end(&station.client()).is_empty());
        assert!(
            matches!(station.next(), Event::Fault(Fault::ConnectionsFull { listener }) if listener == station.listener)
        );
        station.handle().connect(station.address, 5);
        let event = station.next();
        let Event::Fault(Fault::Connect { token: 5, error }) = event else { panic!("{event:?}") };
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        assert_eq!(station.handle().connections(), 2);
        station.handle().abort(conn);
        station.disconnected();
        let _third = station.pair();
        let stats = station.shutdown();
        assert_eq!((stats.accepted, stats.refused_full, stats.connected), (4, 1, 3));
    }
}

#[test]
fn a_crowd_at_the_door_leaves_places_for_outgoing_connections() {
    for config in configs() {
        let station =
            Station::start(Config { connections_max: 3, outgoing_reserved: 1, ..config }, &nothing());
        let _inside = [station.pair(), station.pair()];
        assert!(read_to_end(&station.client()).is_empty());
        station.find(|event| matches!(event, Event::Fault(Fault::ConnectionsFull { .. })).then_some(()));
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        station.handle().connect(other.local_addr().unwrap(), 7);
        let (conn, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Outgoing { token: 7 });
        station.handle().abort(conn);
        assert_eq!(station.disconnected().0, conn);
        // The place it leaves is still none for who comes in.
        assert!(read_to_end(&station.client()).is_empty());
        assert_eq!(station.shutdown().refused_full, 2);
    }
}

#[test]
fn sends_from_other_threads_are_bounded() {
    for config in configs() {
        let (entered, is_in) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let (entered, gate) = (Mutex::new(entered), Mutex::new(gate));
        let blocks = react(move |_, event| {
            if let Event::Received(..) = event {
                entered.lock().unwrap().send(()).unwrap();
                gate.lock().unwrap().recv_timeout(DEADLINE).unwrap();
            }
        });
        let station = Station::start(Config { commands_max: 3, ..config }, &blocks);
        let (client, conn) = station.pair();
        write(&client, b"block");
        is_in.recv_timeout(DEADLINE).unwrap();
        let part = Bytes::from_static(b"x");
        for _ in 0..3 {
            station.handle().send(conn, part.clone()).unwrap();
        }
        assert_eq!(station.handle().send(conn, part.clone()), Err(Refused::Busy));
        station.handle().close(conn);
        release.send(()).unwrap();
        assert_eq!(read_to_end(&client), b"xxx");
        assert_eq!(station.shutdown().refused_busy, 1);
    }
}

#[test]
fn the_last_wall_ends_the_connection() {
    for config in configs() {
        let station = Station::start(Config { send_queue_bytes_max: LARGE_BYTES / 2, ..config }, &nothing());
        let (mut client, conn) = station.pair();
        send_large(station.handle(), conn);
        assert_eq!(station.disconnected(), (conn, Reason::SendQueueFull));
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::ConnectionReset);
        station.shutdown();
    }
}

/// A round trip takes a turn at least, so a hundred of them have to be rested between.
#[test]
fn turns_beyond_a_burst_keep_to_their_rate() {
    const TURNS_PER_SECOND: u32 = 500;
    for config in configs() {
        let began = now();
        let station =
            Station::start(Config { turns_per_second_max: TURNS_PER_SECOND, workers: 1, ..config }, &echo());
        let (client, _conn) = station.pair();
        for _ in 0..100 {
            write(&client, b"hello");
            assert_eq!(read(&client, 5), b"hello");
        }
        let turns = station.shutdown().turns;
        let allowed = began.elapsed().as_secs_f64() * f64::from(TURNS_PER_SECOND) + 64.0 + 1.0;
        assert!((100.0..=allowed).contains(&(turns as f64)), "{turns} turns, {allowed} allowed");
    }
}

/// Two places for five sockets: some are in the table, some are not, and nobody can tell.
#[cfg(target_os = "linux")]
#[test]
fn a_full_table_leaves_the_rest_ordinary() {
    let config = Config { engine: Engine::Uring, workers: 1, direct_descriptors: 2, ..Config::default() };
    let station = Station::start(config, &echo());
    for _ in 0..3 {
        let clients: Vec<_> = (0..5).map(|_| station.pair()).collect();
        for (client, _) in &clients {
            write(client, b"hello");
            assert_eq!(read(client, 5), b"hello");
        }
        // In the order in which they came, and in the opposite one: places come back, and are used again.
        for (_, conn) in clients.iter().take(2).chain(clients.iter().skip(2).rev()) {
            station.handle().abort(*conn);
            assert_eq!(station.disconnected(), (*conn, Reason::Aborted));
        }
    }
    station.shutdown();
}
