//! More completions in one turn than the ring's queue has places: the kernel keeps the rest, and none is lost.
//!
//! Alone in its process, because it raises the limit of open files for the whole of it.
//! Read next: `src/sys/uring/ring.rs`.
#![cfg(target_os = "linux")]

mod station;

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Mutex;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use usher_completion::{Config, ConnId, Engine};

use station::{Event, Station, configs, react, write};

/// The ring has places for 4,096.
const CONNECTIONS: usize = 6_000;

#[test]
fn more_completions_than_the_queue_has_places_are_all_told() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    for config in configs().into_iter().filter(|config| config.engine == Engine::Uring) {
        all_at_once(Config { workers: 1, connections_max: CONNECTIONS + 1, ..config });
    }
}

/// Everybody is paused and has sent a byte, then one turn posts a receive for each of them, which completes where it
/// is posted: with the byte, or for want of a buffer.
fn all_at_once(config: Config) {
    let paused = Mutex::new(Vec::<ConnId>::new());
    let station = Station::start(
        config,
        &react(move |io, event| match event {
            Event::Connected(conn, _) => {
                io.pause_reading(*conn);
                let mut paused = paused.lock().unwrap();
                paused.push(*conn);
                if paused.len() > CONNECTIONS {
                    paused.iter().for_each(|conn| io.resume_reading(*conn));
                }
            }
            Event::Finished(conn) => io.close(*conn),
            _ => {}
        }),
    );
    let speak = |_| {
        let client = station.client();
        write(&client, b"!");
        client
    };
    let clients: Vec<TcpStream> = (0..CONNECTIONS).map(speak).collect();
    station.until(|stats| stats.connected == CONNECTIONS as u64);
    let last = speak(0);
    let mut heard = BTreeSet::new();
    while heard.len() < CONNECTIONS {
        if let Event::Received(conn, _) = station.next() {
            assert!(heard.insert(conn), "{conn} spoke once");
        }
    }
    drop((clients, last));
    station.shutdown();
}
