//! Shards, groups and listeners: who hears what, and in which order.

use std::{sync::Arc, time::Duration};

use usher_hpserver::{Bytes, ListenerConfig};

use crate::{
    client::{Client, Heard},
    protocol::{Lines, Names, Talk},
    rig::{Note, Probe, Random, Rig, Seen, listener, now, numbered, shapes},
};

fn member(rig: &Rig, listener: u16) -> Client {
    let mut client = rig.client(listener);
    client.send(b"j\x07");
    client.echo(b"e");
    client
}

#[test]
fn a_group_hears_what_is_published_and_only_while_in_it() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut members: Vec<_> = (0..9).map(|_| member(&rig, 0)).collect();
        let mut stranger = rig.client(0);
        stranger.echo(b"e");
        members[0].send(b"p\x07all");
        for client in &mut members {
            assert_eq!(client.recv(), b"all"[..]);
        }
        members[0].send(b"x\x07others");
        for client in &mut members[1..] {
            assert_eq!(client.recv(), b"others"[..]);
        }
        members[1].send(b"l\x07");
        members[1].echo(b"e");
        members.pop();
        rig.wait_metrics(|metrics| metrics.listeners[0].connections == 9);
        members[0].send(b"p\x07rest");
        for index in [0, 2, 3, 4, 5, 6, 7] {
            assert_eq!(members[index].recv(), b"rest"[..]);
        }
        members[1].echo(b"e");
        stranger.send(b"p\x07from outside");
        assert_eq!(members[0].recv(), b"from outside"[..]);
        stranger.echo(b"e");
        let metrics = rig.finish().metrics;
        assert_eq!(metrics.publishes, 4);
        assert_eq!(metrics.deliveries, 9 + 8 + 7 + 7);
    }
}

#[test]
fn members_that_come_and_go_disturb_no_one() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut steady = member(&rig, 0);
        let mut random = Random(3);
        for round in 0..40_u64 {
            let mut others: Vec<_> = (0..random.below(4)).map(|_| member(&rig, 0)).collect();
            steady.send(&[b"p\x07", &round.to_be_bytes()[..]].concat());
            assert_eq!(steady.recv(), round.to_be_bytes()[..]);
            if random.below(2) == 0 {
                for client in &mut others {
                    client.send(b"a");
                }
            }
        }
        rig.finish();
    }
}

#[test]
fn listeners_with_other_codecs_send_to_each_other() {
    for shape in shapes() {
        let lines = || ListenerConfig { door: 1, ..listener(Lines) };
        let rig = Rig::new(
            shape.config(2),
            (0..10).map(|index| if index % 2 == 0 { listener(Talk::default()) } else { lines() }).collect(),
        );
        for index in 0..10 {
            rig.client(index).echo(b"e one line");
        }
        let (mut talker, talker_conn) = rig.known_client(0);
        let (mut writer, line_conn) = rig.known_client(1);
        rig.tell(0, Note::SendTo(line_conn, "a line".into()));
        rig.tell(1, Note::SendTo(talker_conn, "a talk".into()));
        assert_eq!(writer.recv(), b"a line"[..]);
        assert_eq!(talker.recv(), b"a talk"[..]);
        let (mut talk_member, mut line_member) = (member(&rig, 2), member(&rig, 3));
        writer.send(b"p\x07both");
        assert_eq!(talk_member.recv(), b"both"[..]);
        assert_eq!(line_member.recv(), b"both"[..]);
        rig.finish();
    }
}

#[test]
fn every_listener_has_its_own_limit_and_counts_its_own() {
    for shape in shapes() {
        let limited = |connections_max, mut config: ListenerConfig<Probe>| {
            config.limits.connections_max = connections_max;
            config
        };
        let listeners = vec![
            limited(1, listener(Talk::default())),
            limited(2, listener(Lines)),
            limited(3, listener(Talk::default())),
        ];
        let rig = Rig::new(shape.config(1), listeners);
        let mut inside: Vec<Vec<_>> =
            [0, 1, 2].map(|id| (0..=id).map(|_| rig.known_client(id)).collect()).into();
        for id in [0, 1, 2] {
            let mut one_too_many = rig.client(id);
            if id != 1 {
                assert_eq!(one_too_many.hear(), Heard::Frame(b'~', "connections_full".into()));
            }
            one_too_many.expect_end();
        }
        let conns: Vec<Vec<_>> =
            inside.iter().map(|clients| clients.iter().map(|(_, conn)| *conn).collect()).collect();
        rig.ask(0, move |out| {
            conns[1].iter().chain(&conns[2]).for_each(|conn| out.join(*conn, 7));
            out.publish(7, "everybody but the first".into(), None);
            out.send(conns[2][0], "one".into());
        });
        for (id, clients) in inside.iter_mut().enumerate() {
            for (index, (client, _)) in clients.iter_mut().enumerate() {
                let heard = ["everybody but the first", "one"];
                let count = usize::from(id > 0) + usize::from((id, index) == (2, 0));
                for packet in &heard[..count] {
                    assert_eq!(client.recv(), *packet);
                }
                client.echo(b"e");
            }
        }
        rig.wait_metrics(|metrics| {
            let listeners = metrics.listeners.iter();
            let counts = listeners.map(|counts| (counts.connections, counts.packets_in, counts.packets_out));
            counts.eq([(1, 1, 1), (2, 2, 2 + 2), (3, 3, 3 + 1 + 3)])
        });
        drop(inside.pop());
        rig.wait_metrics(|metrics| metrics.listeners[2].connections == 0);
        inside.iter_mut().flatten().for_each(|(client, _)| client.echo(b"e"));
        drop(inside);
        let listeners = rig.finish().metrics.listeners;
        for (listener, let_in) in listeners.iter().zip(1..) {
            assert_eq!((listener.connections_peak, listener.connections_total), (let_in, let_in + 1));
            assert_eq!(listener.closed["connections_full"], 1);
        }
    }
}

/// Sends numbered packets and goes from shard to shard all the while; the answers come in order. Then it
/// leaves in one of three ways, in the middle of a hand-over.
fn wander(mut client: Client, random: &mut Random) {
    let mut number = 0;
    for _ in 0..30 {
        let first = number;
        let mut wire = Vec::new();
        for _ in 0..20 {
            (0..random.below(3)).for_each(|_| wire.extend(client.encode(&[b'h', random.below(4) as u8])));
            wire.extend(client.encode(&numbered(number)));
            number += 1;
        }
        let cut = random.below(wire.len());
        client.write(&wire[..cut]);
        client.write(&wire[cut..]);
        (first..number).for_each(|number| assert_eq!(client.recv(), numbered(number)));
    }
    let away: Vec<u8> = (0..50).flat_map(|index| client.encode(&[b'h', index % 4])).collect();
    client.write(&away);
    match random.below(3) {
        0 => drop(client),
        1 => {
            client.finish_sending();
            client.expect_end();
        }
        _ => {
            client.send(b"clast");
            assert_eq!(client.recv(), b"last"[..]);
            client.expect_end();
        }
    }
}

#[test]
fn hand_overs_keep_order_and_every_connection_is_accounted_for() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(4), vec![listener(Talk::default())]);
        std::thread::scope(|scope| {
            for seed in 1..=8 {
                let rig = &rig;
                scope.spawn(move || wander(rig.client(0), &mut Random(seed)));
            }
        });
        let report = rig.finish();
        assert!(report.flushed);
        assert!(report.metrics.hand_overs > 1000);
    }
}

#[test]
fn a_knock_may_be_handed_over_before_it_is_opened() {
    for shape in shapes() {
        let names = ListenerConfig { channel: Arc::new(Names), ..listener(Talk::default()) };
        let rig = Rig::new(shape.config(2), vec![names]);
        let mut client = rig.client(0);
        let wire = [&b"\0\x09elsewhere"[..], &client.encode(b"sfirst"), &client.encode(b"e")].concat();
        client.write(&wire);
        rig.wait_for(&Seen::Packet(1, "first".into()));
        assert_eq!(client.hear(), Heard::Frame(b'w', "elcome".into()));
        assert_eq!(client.recv(), b"e"[..]);
        rig.finish();
    }
}

#[test]
fn shards_hear_each_other_the_outside_and_the_clock() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(3), vec![listener(Talk::default())]);
        let remote = rig.remote();
        rig.client(0).send(b"t\x02from shard 0");
        rig.wait_for(&Seen::Told(2, "from shard 0".into()));
        rig.tell(1, Note::Say("from outside".into()));
        rig.wait_for(&Seen::Told(1, "from outside".into()));
        assert!(remote.tell(3, Note::Say(Bytes::new())).is_err(), "there is no such shard");
        for shard in [2, 0, 1] {
            rig.tell(shard, Note::WakeAt(now() + Duration::from_millis(5)));
            rig.wait_for(&Seen::Deadline(shard));
        }
        rig.finish();
        assert!(remote.tell(1, Note::Say(Bytes::new())).is_err(), "the server has stopped");
    }
}
