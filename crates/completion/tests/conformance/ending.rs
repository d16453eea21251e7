//! The end of a connection, from either side and in every state.
//!
//! Each end has its reason and is told once; what was promised to the peer is delivered first.
//! Read next: `origin.rs`.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use usher_completion::{Config, ConnId, Fault, Reason, Refused, Verb};

use crate::station::{
    Event, React, Station, client, configs, nothing, pattern, react, read, read_to_end, reset, write,
};
use crate::{send_large, turn};

#[test]
fn who_has_finished_sending_still_gets_the_answer() {
    for config in configs() {
        let station = Station::start(
            config,
            &react(|io, event| {
                if let Event::Finished(conn) = event {
                    io.send(*conn, Bytes::from_static(b"answer"));
                    io.close(*conn);
                }
            }),
        );
        let client = station.client();
        write(&client, b"question");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&client), b"answer");
        assert_eq!(station.disconnected().1, Reason::PeerClosed);
        station.shutdown();
    }
}

#[test]
fn the_end_is_said_once_even_if_we_wait() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, conn) = station.pair();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(station.finished(), conn);
        station.handle().pause_reading(conn);
        station.handle().resume_reading(conn);
        station.handle().close(conn);
        assert!(matches!(station.next(), Event::Disconnected(gone, Reason::PeerClosed) if gone == conn));
        station.shutdown();
    }
}

/// Answers the first of what comes and is done with it.
fn answer_once(answer: &Bytes) -> React {
    let answer = answer.clone();
    react(move |io, event| {
        if let Event::Received(conn, _) = event {
            io.send(*conn, answer.clone());
            io.close(*conn);
        }
    })
}

#[test]
fn close_lingers_over_unread_input() {
    let answer = Bytes::from(pattern(2 * 1024 * 1024));
    for config in configs() {
        let station = Station::start(config, &answer_once(&answer));
        let client = station.client();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                write(&client, &pattern(2 * 1024 * 1024));
                client.shutdown(Shutdown::Write).unwrap();
            });
            assert!(read_to_end(&client) == answer);
        });
        assert_eq!(station.disconnected().1, Reason::Closed);
        assert_eq!(station.shutdown().stale_verbs, 0);
    }
}

const VISITS: usize = 1_000;
const VISITORS: usize = 8;

#[test]
fn a_thousand_short_visits_get_their_whole_answer() {
    let answer = Bytes::from(pattern(2 * 1024 * 1024));
    let input = pattern(64 * 1024);
    // The smallest of sizes take too long for a thousand; the test above has them once.
    for config in configs().into_iter().filter(|config| config.socket_buffer_bytes.is_none()) {
        let station = Station::start(config, &answer_once(&answer));
        let address = station.address;
        std::thread::scope(|scope| {
            for _ in 0..VISITORS {
                scope.spawn(|| visit_often(address, &input, &answer));
            }
        });
        for _ in 0..VISITS {
            assert_eq!(station.disconnected().1, Reason::Closed);
        }
        assert_eq!(station.shutdown().connected, VISITS as u64);
    }
}

/// One visitor's share of the visits. The server reads only the first part of the input.
fn visit_often(address: SocketAddr, input: &[u8], answer: &[u8]) {
    let mut got = Vec::with_capacity(answer.len());
    for visit in 0..VISITS / VISITORS {
        let mut client = client(address);
        write(&client, input);
        got.clear();
        client.read_to_end(&mut got).unwrap();
        assert!(got == answer, "visit {visit}: {} bytes, or others", got.len());
    }
}

#[test]
fn after_close_nothing_is_received_and_sends_are_stale() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, conn) = station.pair();
        station.handle().close(conn);
        station.handle().close(conn);
        station.handle().send(conn, Bytes::from_static(b"late")).unwrap();
        assert!(read_to_end(&client).is_empty());
        write(&client, b"unheard");
        drop(client);
        let told = [station.next(), station.next()];
        let [Event::Fault(Fault::Stale { verb: Verb::Send, .. }), Event::Disconnected(_, Reason::Closed)] =
            told
        else {
            panic!("{told:?}")
        };
        assert_eq!(station.shutdown().stale_verbs, 1);
    }
}

#[test]
fn a_peer_that_does_not_finish_is_let_go() {
    for config in configs() {
        let station =
            Station::start(Config { linger_timeout: Duration::from_millis(30), ..config }, &nothing());
        let (client, conn) = station.pair();
        station.handle().send(conn, Bytes::from_static(b"bye")).unwrap();
        station.handle().close(conn);
        assert_eq!(read_to_end(&client), b"bye");
        assert_eq!(station.disconnected(), (conn, Reason::LingerTimeout));
        station.shutdown();
    }
}

#[test]
fn a_peer_that_does_not_read_is_let_go_with_a_reset() {
    for config in configs() {
        let station =
            Station::start(Config { linger_timeout: Duration::from_millis(30), ..config }, &nothing());
        let (mut client, conn) = station.pair();
        let bytes = send_large(station.handle(), conn);
        station.handle().close(conn);
        assert_eq!(station.disconnected(), (conn, Reason::LingerTimeout));
        let mut got = Vec::new();
        assert_eq!(client.read_to_end(&mut got).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(bytes.starts_with(&got));
        station.shutdown();
    }
}

#[test]
fn close_flushes_what_is_queued() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, conn) = station.pair();
        let bytes = send_large(station.handle(), conn);
        station.refused();
        station.handle().close(conn);
        assert!(read_to_end(&client) == bytes);
        drop(client);
        assert_eq!(station.disconnected(), (conn, Reason::Closed));
        station.shutdown();
    }
}

#[test]
fn abort_resets() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (mut client, conn) = station.pair();
        station.handle().abort(conn);
        assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(station.disconnected(), (conn, Reason::Aborted));
        station.shutdown();
    }
}

/// Brings a connection into a state in which the peer will then reset it.
type Prepare = fn(&Station, &TcpStream, ConnId);

#[test]
fn a_reset_by_the_peer_ends_every_state() {
    let states: [(&str, Prepare); 8] = [
        ("idle", |_, _, _| {}),
        ("paused", |station, _, conn| {
            station.handle().pause_reading(conn);
            turn(station, conn);
        }),
        ("paused with input", |station, client, conn| {
            station.handle().pause_reading(conn);
            turn(station, conn);
            write(client, b"unread");
        }),
        ("peer finished", |station, client, _| {
            client.shutdown(Shutdown::Write).unwrap();
            station.finished();
        }),
        ("refused", |station, _, conn| {
            send_large(station.handle(), conn);
            station.refused();
        }),
        ("flushing", |station, _, conn| {
            send_large(station.handle(), conn);
            station.refused();
            station.handle().close(conn);
            turn(station, conn);
        }),
        ("lingering", |station, client, conn| {
            station.handle().close(conn);
            assert!(read_to_end(client).is_empty());
        }),
        ("unread by the peer", |station, _, conn| {
            station.handle().send(conn, Bytes::from_static(b"unread")).unwrap();
            station.find(|event| matches!(event, Event::Sent(..)).then_some(()));
        }),
    ];
    for config in configs() {
        for (state, prepare) in states {
            let station = Station::start(config.clone(), &nothing());
            let (client, conn) = station.pair();
            prepare(&station, &client, conn);
            reset(client);
            assert_eq!(station.disconnected(), (conn, Reason::PeerReset), "{state}");
            station.shutdown();
        }
    }
}

#[test]
fn who_is_paused_from_the_start_is_seen_to_fail_too() {
    for config in configs() {
        let pausing = react(|io, event| {
            if let Event::Connected(conn, _) = event {
                io.pause_reading(*conn);
            }
        });
        let station = Station::start(config, &pausing);
        let (client, conn) = station.pair();
        turn(&station, conn);
        reset(client);
        assert_eq!(station.disconnected(), (conn, Reason::PeerReset));
        station.shutdown();
    }
}

#[test]
fn a_stale_id_reaches_nobody() {
    for config in configs() {
        let station = Station::start(Config { workers: 1, ..config }, &nothing());
        let (first, gone) = station.pair();
        station.handle().abort(gone);
        station.disconnected();
        drop(first);
        let (second, conn) = station.pair();
        assert_eq!((conn.slot(), conn.worker()), (gone.slot(), gone.worker()));
        assert_ne!(conn, gone);
        let handle = station.handle();
        handle.send(gone, Bytes::from_static(b"wrong")).unwrap();
        handle.pause_reading(gone);
        handle.resume_reading(gone);
        handle.close(gone);
        handle.abort(gone);
        let verbs = [Verb::Send, Verb::PauseReading, Verb::ResumeReading, Verb::Close, Verb::Abort];
        for expected in verbs {
            let event = station.next();
            let Event::Fault(Fault::Stale { conn, verb }) = event else { panic!("{event:?}") };
            assert_eq!((conn, verb), (gone, expected));
        }
        handle.send(conn, Bytes::from_static(b"right")).unwrap();
        assert_eq!(read(&second, 5), b"right");
        assert_eq!(station.shutdown().stale_verbs, 5);
    }
}

#[test]
fn a_stopped_server_answers_so() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, conn) = station.pair();
        let handle = station.handle().clone();
        assert_eq!(station.shutdown().disconnected, 1);
        assert!(read_to_end(&client).is_empty());
        assert_eq!(handle.send(conn, Bytes::from_static(b"late")), Err(Refused::Stopped));
        handle.close(conn);
        handle.connect("127.0.0.1:9".parse().unwrap(), 1);
        handle.wake(0);
        assert_eq!(handle.connections(), 0);
        assert_eq!(
            handle.listen("127.0.0.1:0".parse().unwrap()).unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    }
}
