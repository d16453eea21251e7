//! Many connections at once: coming and going at random, and stopped in the middle of work.
//!
//! What is proven is the bookkeeping: every `connected` has exactly one `disconnected`, every context and buffer
//! comes back, and after a shutdown no hook is left to run.
//! Read next: `conformance/main.rs`.

mod station;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use usher_completion::{Config, ConnId, Fault, Origin, Reason};

use station::{Event, React, Station, client, configs, echo, pattern, react, reset};

const VISITS: usize = 2_000;
const VISITORS: usize = 8;
const SEED: u64 = 0x05E4_7ED5;

/// What a visitor does once it is connected.
fn visit(stream: TcpStream, random: &mut StdRng) {
    match random.random_range(0..6) {
        0 => reset(stream),
        1 => drop(stream),
        2 => {
            talk(&stream, random);
            reset(stream);
        }
        3 => {
            talk(&stream, random);
            stream.shutdown(Shutdown::Write).ok();
            drain(&stream);
        }
        4 => {
            talk(&stream, random);
            drop(stream);
        }
        _ => {
            stream.shutdown(Shutdown::Write).ok();
            drain(&stream);
        }
    }
}

/// The server may have aborted meanwhile, so failing is as good as writing.
fn talk(mut stream: &TcpStream, random: &mut StdRng) {
    let len = random.random_range(1..20_000);
    stream.write_all(&pattern(len)).ok();
}

/// Reads until the end, of whichever kind; what must not happen is that there is none.
fn drain(mut stream: &TcpStream) {
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

/// An echo that now and then ends, pauses or ignores a connection by itself, and uses ids long stale.
fn moody() -> React {
    let state = Mutex::new((StdRng::seed_from_u64(SEED), Vec::<ConnId>::new()));
    react(move |io, event| {
        let (random, seen) = &mut *state.lock().unwrap();
        match event {
            Event::Connected(conn, _) => seen.push(*conn),
            Event::Received(conn, chunk) => match random.random_range(0..40) {
                0 => io.abort(*conn),
                1 => io.close(*conn),
                2 => {
                    io.pause_reading(*conn);
                    io.handle().resume_reading(*conn);
                }
                3 => io.close(seen[random.random_range(0..seen.len())]),
                _ => io.send(*conn, Bytes::copy_from_slice(chunk)),
            },
            Event::Finished(conn) => io.close(*conn),
            _ => {}
        }
    })
}

#[test]
fn everyone_who_came_has_left_exactly_once() {
    for config in configs() {
        let station = Station::start(Config { workers: 2, connections_max: 100_000, ..config }, &moody());
        std::thread::scope(|scope| {
            for visitor in 0..VISITORS {
                let address = station.address;
                scope.spawn(move || {
                    let mut random = StdRng::seed_from_u64(SEED + visitor as u64);
                    (0..VISITS / VISITORS).for_each(|_| visit(client(address), &mut random));
                });
            }
        });
        station.until(|stats| stats.accepted == VISITS as u64);
        let visits = VISITS - station.handle().stats().vanished as usize;
        let mut lives = BTreeMap::<ConnId, (usize, usize)>::new();
        let mut left = 0;
        while left < visits {
            match station.next() {
                Event::Connected(conn, _) => lives.entry(conn).or_default().0 += 1,
                Event::Disconnected(conn, _) => {
                    left += 1;
                    lives.entry(conn).or_default().1 += 1;
                }
                Event::Received(conn, _) | Event::Finished(conn) | Event::Sent(conn, _) => {
                    assert_eq!(lives.get(&conn), Some(&(1, 0)), "{conn} (seed {SEED:#x})");
                }
                Event::Fault(_) | Event::TurnEnded(_) => {}
            }
        }
        assert_eq!(lives.len(), visits, "seed {SEED:#x}");
        assert!(lives.values().all(|life| *life == (1, 1)), "seed {SEED:#x}");
        assert_eq!(station.shutdown().connected, visits as u64);
    }
}

#[test]
fn a_shutdown_under_load_leaves_nothing() {
    for config in configs() {
        let station = Station::start(Config { workers: 2, ..config }, &echo());
        let handle = station.handle().clone();
        let address = station.address;
        let clients: Vec<TcpStream> = (0..16).map(|_| client(address)).collect();
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| talk_until_cut_off(client));
            }
            // In the middle of work: every connection has spoken.
            let mut spoken = std::collections::BTreeSet::new();
            while spoken.len() < clients.len() {
                if let Event::Received(conn, _) = station.next() {
                    spoken.insert(conn);
                }
            }
            handle.connect(address, 1);
            let events = station.shutdown_with_events();
            let is_shutdown = |event: &&Event| matches!(event, Event::Disconnected(_, Reason::Shutdown));
            assert!(events.iter().filter(is_shutdown).count() >= clients.len(), "{events:?}");
            // The two ends of the connection to ourselves may also see each other go.
            let is_answer = |event: &&Event| match event {
                Event::Connected(_, opened) => opened.origin == Origin::Outgoing { token: 1 },
                Event::Fault(Fault::Connect { token, .. }) => *token == 1,
                _ => false,
            };
            assert_eq!(events.iter().filter(is_answer).count(), 1, "{events:?}");
        });
    }
}

fn talk_until_cut_off(mut stream: &TcpStream) {
    let bytes = pattern(1000);
    let mut back = vec![0; bytes.len()];
    while stream.write_all(&bytes).is_ok() && stream.read_exact(&mut back).is_ok() {
        assert!(back == bytes);
    }
}
