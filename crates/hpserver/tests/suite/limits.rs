//! Limits of a listener, each with its stated answer.

use std::{sync::Arc, time::Duration};

use usher_hpserver::{CloseReason, ListenerConfig};

use crate::{
    client::Heard,
    protocol::{Names, Talk, frame},
    rig::{Probe, Rig, listener, shapes},
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

#[test]
fn whoever_is_silent_is_pinged_and_then_closed() {
    for shape in shapes() {
        let mut config = listener(Talk { pings: true });
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
        let mut config = listener(Talk { pings: true });
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
        assert_eq!(report.metrics.listeners[0].connections_peak, 3);
    }
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    type Change = fn(&mut usher_hpserver::Config, &mut ListenerConfig<Probe>);
    let wrong: [(&str, Change); 4] = [
        ("shards", |config, _| config.shards = 0),
        ("queue_items_max", |config, _| config.queue_items_max = 0),
        ("batch_items_max", |config, _| config.batch_items_max = 0),
        ("a listener's door", |_, listener| listener.door = 1),
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
