//! Limits of a listener, each with its stated answer.

use std::{io::Write, net::TcpListener, sync::Arc, time::Duration};

use usher_hpserver::{CloseReason, DialError, ListenerConfig, ListenerId, Rate};

use crate::{
    client::Heard,
    protocol::{Named, Names, Talk, frame, hello},
    rig::{Note, Probe, Rig, Seen, listener, shapes},
};

fn names(mut config: ListenerConfig<Probe>) -> ListenerConfig<Probe> {
    config.channel = Arc::new(Names);
    config
}

#[test]
fn whoever_does_not_speak_in_time_is_closed() {
    for shape in shapes() {
        let mut quick = listener(Talk::default());
        quick.limits.first_message_deadline = Duration::from_millis(50);
        let mut quick_names = names(listener(Talk::default()));
        quick_names.limits.first_message_deadline = Duration::from_millis(50);
        let rig = Rig::new(shape.config(1), vec![quick, quick_names, listener(Talk::default())]);
        let mut patient = rig.client(2);
        for (silent, start) in [(0, &b""[..]), (0, b"\0\x09.hal"), (1, b""), (1, b"\0\x09fr")] {
            let mut client = rig.client(silent);
            client.write(start);
            assert_eq!(client.hear(), Heard::Frame(b'~', "first_message_deadline".into()), "{start:?}");
            client.expect_end();
        }
        patient.echo(b"e");
        let report = rig.finish();
        for listener in &report.metrics.listeners[..2] {
            assert_eq!(listener.closed["first_message_deadline"], 2);
        }
    }
}

/// The service answers a knock only after others, who came later, have met their deadline on every lane.
#[test]
fn whoever_waits_for_the_service_meets_no_deadline() {
    for shape in shapes() {
        let mut config = names(listener(Talk::default()));
        config.limits.first_message_deadline = Duration::from_millis(50);
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut patient = rig.client(0);
        patient.write(&[&hello(b"wait")[..], &patient.encode(b"early")].concat());
        let conn = rig.wait(|seen| match seen {
            Seen::Knock(conn, _) => Some(*conn),
            _ => None,
        });
        let mut silent: Vec<_> = (0..8).map(|_| rig.client(0)).collect();
        for client in &mut silent {
            assert_eq!(client.hear(), Heard::Frame(b'~', "first_message_deadline".into()));
        }
        rig.tell(0, Note::Admit(conn));
        assert_eq!(patient.hear(), Heard::Frame(b'w', "elcome".into()));
        assert_eq!(patient.recv(), b"early"[..]);
        rig.finish();
    }
}

const FIRST_FRAME_MAX: usize = 100;

/// What a stranger writes, in which pieces; whether it is a first frame that is taken.
fn first_frames() -> Vec<(Vec<Vec<u8>>, bool)> {
    let whole = |bytes: usize| hello(&vec![b'w'; bytes - 2]);
    let mut cases = vec![(vec![whole(400)[..=FIRST_FRAME_MAX].to_vec()], false)];
    for (bytes, taken) in [(3, true), (99, true), (100, true), (101, false), (102, false), (400, false)] {
        cases.push((vec![whole(bytes)], taken));
        for cut in [1, 2, bytes - 1] {
            cases.push((vec![whole(bytes)[..cut].to_vec(), whole(bytes)[cut..].to_vec()], taken));
        }
    }
    cases
}

#[test]
fn a_first_frame_that_is_too_long_is_refused_before_it_is_whole() {
    for shape in shapes() {
        let mut config = names(listener(Talk::default()));
        config.limits.first_frame_bytes_max = FIRST_FRAME_MAX;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut refused = 0;
        for (pieces, taken) in first_frames() {
            let mut client = rig.client(0);
            for piece in &pieces {
                // It may have been shown out by what came before.
                let _ = client.stream.write_all(piece);
            }
            if taken {
                assert_eq!(client.hear(), Heard::Frame(b'w', "elcome".into()), "{pieces:?}");
                client.echo(&[b'e'; 500]);
            } else {
                assert_eq!(client.hear(), Heard::Frame(b'~', "bad_frame".into()), "{pieces:?}");
                refused += 1;
            }
        }
        assert_eq!(rig.finish().metrics.listeners[0].closed["bad_frame"], refused);
    }
}

#[test]
fn an_answer_that_is_too_long_is_refused_before_it_is_whole() {
    for shape in shapes() {
        let mut config = ListenerConfig { address: None, ..names(listener(Talk::default())) };
        config.limits.first_frame_bytes_max = FIRST_FRAME_MAX;
        let rig = Rig::new(shape.config(1), vec![config]);
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        for (token, (pieces, taken)) in (0..).zip(first_frames()) {
            rig.remote().dial(
                0,
                ListenerId(0),
                other.local_addr().unwrap(),
                token,
                Some(Box::new(Named("who"))),
            );
            let (mut answering, _) = other.accept().unwrap();
            for piece in &pieces {
                let _ = answering.write_all(piece);
            }
            let seen = rig.wait(|seen| match seen {
                Seen::Dialed(dialed, _) => Some((*dialed, true)),
                Seen::DialFailed(failed, DialError::Closed) => Some((*failed, false)),
                _ => None,
            });
            assert_eq!(seen, (token, taken), "{pieces:?}");
        }
        rig.finish();
    }
}

#[test]
fn whoever_is_silent_is_pinged_and_then_closed() {
    for shape in shapes() {
        let mut config = listener(Talk { pings: true, ..Talk::default() });
        config.limits.ping_interval = Duration::from_millis(20);
        config.limits.pings_missed_max = 3;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut silent = rig.client(0);
        for _ in 0..3 {
            assert_eq!(silent.hear(), Heard::Frame(b'?', "".into()));
        }
        assert_eq!(silent.hear(), Heard::Frame(b'~', "ping_timeout".into()));
        silent.expect_end();
        assert_eq!(rig.wait_closed(), CloseReason::PingTimeout);
        rig.finish();
    }
}

#[test]
fn whoever_answers_pings_stays() {
    for shape in shapes() {
        let mut config = listener(Talk { pings: true, ..Talk::default() });
        config.limits.ping_interval = Duration::from_millis(40);
        config.limits.pings_missed_max = 100;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut client = rig.client(0);
        for _ in 0..3 {
            assert_eq!(client.hear(), Heard::Frame(b'?', "".into()));
            client.write(&frame(b'!', b""));
        }
        client.send(b"c");
        while client.hear() == Heard::Frame(b'?', "".into()) {}
        assert_eq!(rig.wait_closed(), CloseReason::Local);
        rig.finish();
    }
}

#[test]
fn one_connection_too_many_is_told_so() {
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.connections_max = 2;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut inside = [rig.client(0), rig.client(0)];
        for client in &mut inside {
            client.echo(b"e");
        }
        let mut third = rig.client(0);
        assert_eq!(third.hear(), Heard::Frame(b'~', "connections_full".into()));
        third.expect_end();
        drop(third);
        let [first, mut second] = inside;
        drop(first);
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 1);
        rig.client(0).echo(b"e");
        second.echo(b"e");
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].closed["connections_full"], 1);
        assert_eq!(report.metrics.listeners[0].connections_peak, 2);
        assert_eq!(report.metrics.listeners[0].connections_total, 4);
    }
}

#[test]
fn the_most_at_once_is_no_sum_of_each_listeners_most() {
    for shape in shapes() {
        let links = ListenerConfig { link: true, ..listener(Talk::default()) };
        let listeners = vec![listener(Talk::default()), listener(Talk::default()), links];
        let rig = Rig::new(shape.config(1), listeners);
        rig.client(2).echo(b"e");
        for at in [0, 1] {
            let mut inside = [rig.client(at), rig.client(at)];
            for client in &mut inside {
                client.echo(b"e");
            }
            drop(inside);
            rig.wait_metrics(|metrics| metrics.listeners.iter().all(|listener| listener.connections == 0));
        }
        let report = rig.finish();
        let peaks: Vec<_> = report.metrics.listeners.iter().map(|it| it.connections_peak).collect();
        assert_eq!((&peaks[..], report.metrics.connections_peak), (&[2, 2, 1][..], 2));
    }
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    type Change = fn(&mut usher_hpserver::Config, &mut ListenerConfig<Probe>);
    let wrong: [(&str, Change); 8] = [
        ("shards", |config, _| config.shards = 0),
        ("queue_items_max", |config, _| config.queue_items_max = 0),
        ("batch_items_max", |config, _| config.batch_items_max = 0),
        ("a listener's door", |_, listener| listener.door = 1),
        ("first_message_deadline", |_, listener| listener.limits.first_message_deadline = Duration::ZERO),
        ("the burst of a rate", |_, listener| {
            listener.limits.rates.messages = Rate { per_second: 1, burst: 0 };
        }),
        ("the burst of rates.bytes", |_, listener| {
            listener.limits.rates.bytes = Rate { per_second: 1, burst: 100 };
        }),
        ("ping_interval", |_, listener| listener.limits.ping_interval = Duration::ZERO),
    ];
    for (field, change) in wrong {
        let mut config = usher_hpserver::Config::default();
        let mut listener = listener(Talk::default());
        change(&mut config, &mut listener);
        let start = usher_hpserver::Server::start(config, vec![listener], |_| -> Probe { unreachable!() });
        let error = start.err().expect("it was refused").to_string();
        assert!(error.starts_with(field), "{field}: {error}");
    }
}
