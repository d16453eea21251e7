//! Bytes on their way: order, partial writes, pausing, buffers running out.
//!
//! Whatever the sizes, a stream arrives whole and in order, and reading goes on when it may again.
//! Read next: `ending.rs`.

use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

use bytes::Bytes;
use usher_completion::{Config, Reason};

use crate::station::{
    Event, Extras, React, Station, configs, echo, nothing, pattern, react, read, read_to_end, reset, write,
};
use crate::{send_large, turn};

#[test]
fn bytes_come_back_in_order() {
    for config in configs() {
        let station = Station::start(config, &echo());
        let client = station.client();
        let bytes = pattern(300_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for part in bytes.chunks(7_919) {
                    write(&client, part);
                }
                client.shutdown(Shutdown::Write).unwrap();
            });
            assert!(read_to_end(&client) == bytes);
        });
        assert_eq!(station.disconnected().1, Reason::PeerClosed);
        let stats = station.shutdown();
        assert_eq!((stats.bytes_received, stats.bytes_sent), (300_000, 300_000));
    }
}

#[test]
fn a_slow_reader_gets_every_byte() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, conn) = station.pair();
        let bytes = send_large(station.handle(), conn);
        let refused = station.refused();
        assert_eq!(refused.bytes + refused.waiting, bytes.len());
        assert!(read(&client, bytes.len()) == bytes);
        let mut out = refused.bytes;
        station.find(|event| match event {
            Event::Sent(to, sent) => {
                assert_eq!(*to, conn);
                out += sent.bytes;
                (sent.waiting == 0).then_some(())
            }
            _ => None,
        });
        assert_eq!(out, bytes.len());
        station.shutdown();
    }
}

#[test]
fn a_turns_sends_leave_in_one_operation() {
    for config in configs() {
        let station = Station::start(
            config,
            &react(|io, event| {
                if let Event::Connected(conn, _) = event {
                    (0..100).for_each(|_| io.send(*conn, Bytes::from_static(b"ten bytes!")));
                }
            }),
        );
        let client = station.client();
        assert_eq!(read(&client, 1000), b"ten bytes!".repeat(100));
        let sent = station.find(|event| match event {
            Event::Sent(_, sent) => Some(*sent),
            _ => None,
        });
        assert_eq!((sent.bytes, sent.waiting), (1000, 0));
        station.shutdown();
    }
}

#[test]
fn a_paused_connection_reads_nothing_until_resumed() {
    for config in configs() {
        let station = Station::start(
            config,
            &react(|io, event| {
                if let Event::Received(conn, _) = event {
                    io.pause_reading(*conn);
                }
            }),
        );
        let (client, conn) = station.pair();
        write(&client, b"1");
        assert_eq!(station.received(1), b"1");
        let bytes = pattern(1000);
        write(&client, &bytes);
        client.shutdown(Shutdown::Write).unwrap();
        turn(&station, conn);
        assert_eq!(station.handle().stats().bytes_received, 1);
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            station.handle().resume_reading(conn);
            got.extend(station.received(1));
        }
        assert_eq!(got, bytes);
        station.handle().resume_reading(conn);
        assert_eq!(station.finished(), conn);
        station.shutdown();
    }
}

#[test]
fn reading_goes_on_when_a_buffer_comes_back() {
    for config in configs() {
        let config = Config { workers: 1, receive_buffers_max: 3, receive_buffer_bytes: 512, ..config };
        let station = Station::start_with(config, &nothing(), Extras { buffers: true, ..Extras::default() });
        let clients: Vec<TcpStream> = (0..5).map(|_| station.pair().0).collect();
        let bytes = pattern(20_000);
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| write(client, &bytes));
            }
            let (mut held, mut got) = (Vec::new(), 0);
            while got < clients.len() * bytes.len() {
                let Event::Received(_, chunk) = station.next() else { continue };
                got += chunk.len();
                held.push(chunk);
                if held.len() == 3 {
                    // The chunk was told of before it was counted.
                    station.until(|stats| stats.buffers.in_use() == 3);
                    held.clear();
                }
            }
        });
        assert!(station.shutdown().starved > 0);
    }
}

#[test]
fn what_a_reset_follows_is_still_delivered() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (client, _) = station.pair();
        write(&client, b"last words");
        assert_eq!(station.received(10), b"last words");
        reset(client);
        assert_eq!(station.disconnected().1, Reason::PeerReset);
        station.shutdown();
    }
}

#[test]
fn verbs_reach_connections_of_other_workers() {
    for config in configs() {
        // Whoever speaks is told to everybody, on whichever worker they live.
        let everyone = Mutex::new(Vec::new());
        let station = Station::start(
            Config { workers: 3, ..config },
            &react(move |io, event| match event {
                Event::Connected(conn, _) => everyone.lock().unwrap().push(*conn),
                Event::Received(_, chunk) => {
                    for conn in &*everyone.lock().unwrap() {
                        io.send(*conn, Bytes::copy_from_slice(chunk));
                        io.close(*conn);
                    }
                }
                _ => {}
            }),
        );
        let clients: Vec<_> = (0..6).map(|_| station.pair()).collect();
        let mut on: Vec<usize> = clients.iter().map(|(_, conn)| conn.worker()).collect();
        on.sort_unstable();
        assert_eq!(on, [0, 0, 1, 1, 2, 2]);
        write(&clients[0].0, b"!");
        for (client, _) in &clients {
            assert_eq!(read_to_end(client), b"!");
        }
        drop(clients);
        (0..6).for_each(|_| assert_eq!(station.disconnected().1, Reason::Closed));
        station.shutdown();
    }
}

#[test]
fn a_wake_is_followed_by_the_end_of_a_turn() {
    for config in configs() {
        let workers = config.workers;
        let station = Station::start_with(config, &nothing(), Extras { turns: true, ..Extras::default() });
        for worker in (0..workers).cycle().take(200) {
            station.events.try_iter().for_each(drop);
            station.handle().wake(worker);
            station.find(|event| matches!(event, Event::TurnEnded(ended) if *ended == worker).then_some(()));
        }
        station.shutdown();
    }
}

/// How many turns it takes to answer one client, question by question.
fn turns(config: Config, answers: &React) -> u64 {
    let station = Station::start_with(config, answers, Extras { turns: true, ..Extras::default() });
    let client = station.client();
    for _ in 0..500 {
        write(&client, b"?");
        assert_eq!(read(&client, 1), b"?");
    }
    station.shutdown().turns
}

#[test]
fn what_the_end_of_a_turn_sends_through_the_handle_leaves_in_that_turn() {
    for config in configs() {
        let came = Mutex::new(None);
        let late = react(move |io, event| match event {
            Event::Received(conn, _) => *came.lock().unwrap() = Some(*conn),
            Event::TurnEnded(_) => {
                if let Some(conn) = came.lock().unwrap().take() {
                    io.handle().send(conn, Bytes::from_static(b"?")).unwrap();
                }
            }
            _ => {}
        });
        let (at_once, late) = (turns(config.clone(), &echo()), turns(config, &late));
        assert!(late < at_once + at_once / 4, "{late} turns, {at_once} when answered at once");
    }
}

#[test]
fn a_pause_at_the_end_of_a_turn_loses_nothing_that_is_read_before_it_takes_effect() {
    for config in configs() {
        let wrote = Mutex::new(None);
        // What was written completes while the turn settles; the turn's second end finds it here.
        let pausing = react(move |io, event| match event {
            Event::Received(conn, chunk) => io.send(*conn, Bytes::copy_from_slice(chunk)),
            Event::Sent(conn, _) => *wrote.lock().unwrap() = Some(*conn),
            Event::TurnEnded(_) => {
                if let Some(conn) = wrote.lock().unwrap().take() {
                    io.pause_reading(conn);
                    io.handle().resume_reading(conn);
                }
            }
            Event::Finished(conn) => io.close(*conn),
            _ => {}
        });
        let station = Station::start_with(config, &pausing, Extras { turns: true, ..Extras::default() });
        let client = station.client();
        for number in 0..2_000u32 {
            write(&client, &number.to_be_bytes());
        }
        let expected: Vec<u8> = (0..2_000u32).flat_map(u32::to_be_bytes).collect();
        assert_eq!(read(&client, expected.len()), expected);
        station.shutdown();
    }
}

#[test]
fn the_silent_do_not_keep_a_buffer_from_one_who_speaks() {
    for config in configs() {
        let config = Config { workers: 1, receive_buffers_max: 1, ..config };
        let station = Station::start_with(config, &nothing(), Extras { buffers: true, ..Extras::default() });
        let first = station.client();
        write(&first, b"1");
        let held = station.find_chunk();
        // They come while the only buffer is held, and nobody but the last of them ever speaks.
        let others: Vec<(TcpStream, _)> = (0..20).map(|_| station.pair()).collect();
        write(&others[19].0, b"2");
        turn(&station, others[19].1);
        drop(held);
        assert_eq!(station.received(1), b"2");
        station.shutdown();
    }
}

#[test]
fn nobody_starves_while_there_are_buffers() {
    for config in configs() {
        let config = Config { workers: 1, receive_buffers_max: 8, ..config };
        let station = Station::start_with(config, &nothing(), Extras { buffers: true, ..Extras::default() });
        let (client, conn) = station.pair();
        let speak = |_| {
            write(&client, b"!");
            station.find_chunk()
        };
        // More than half of them, after which a backend that posts ahead finds none to post.
        let held: Vec<_> = (0..5).map(speak).collect();
        (0..3).for_each(|_| turn(&station, conn));
        assert_eq!(station.handle().stats().starved, 0);
        drop(held);
        station.shutdown();
    }
}

#[test]
fn whoever_starves_is_counted_once_however_long_it_takes() {
    for config in configs() {
        let config = Config { workers: 1, receive_buffers_max: 1, ..config };
        let station = Station::start_with(config, &nothing(), Extras { buffers: true, ..Extras::default() });
        let ((first, _), (second, _)) = (station.pair(), station.pair());
        write(&first, b"1");
        let held = station.find_chunk();
        write(&second, b"2");
        station.until(|stats| stats.starved > 0);
        let (_third, conn) = station.pair();
        turn(&station, conn);
        let starved = station.handle().stats().starved;
        (0..20).for_each(|_| turn(&station, conn));
        assert_eq!(station.handle().stats().starved, starved);
        drop(held);
        assert_eq!(station.received(1), b"2");
        station.shutdown();
    }
}

/// Nobody drops a chunk here: the one buffer comes back from the socket that took it, at the end of a turn.
#[test]
fn reading_goes_on_when_a_chunk_was_sent_on() {
    const SPEAKERS: usize = 4;
    for config in configs() {
        let config = Config { workers: 1, receive_buffers_max: 1, ..config };
        let paused = Mutex::new(Vec::new());
        // All have spoken when the last one comes and they may be read, so all but one of them starve in one turn.
        let at_once = react(move |io, event| {
            if let Event::Connected(conn, _) = event {
                let mut paused = paused.lock().unwrap();
                if paused.len() < SPEAKERS {
                    io.pause_reading(*conn);
                    paused.push(*conn);
                } else {
                    paused.iter().for_each(|conn| io.resume_reading(*conn));
                }
            }
        });
        let station = Station::start_with(config, &at_once, Extras { sent_on: true, ..Extras::default() });
        let speakers: Vec<TcpStream> = (0..SPEAKERS).map(|_| station.pair().0).collect();
        for speaker in &speakers {
            write(speaker, b"hello");
        }
        let _last = station.client();
        for speaker in &speakers {
            assert_eq!(read(speaker, 5), b"hello");
        }
        station.shutdown();
    }
}
