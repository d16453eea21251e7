//! Bytes into packets and back: whole, in order, however they are cut.

use crate::{
    client::Heard,
    protocol::{Talk, frame},
    rig::{PATIENCE, Random, Rig, Seen, answer, listener, numbered, shapes},
};
use usher_hpserver::{Bytes, CloseReason};

#[test]
fn a_stream_cut_at_any_byte_comes_back_whole() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut client = rig.client(0);
        let packets: [&[u8]; 4] = [b"e", b"", b"eleven", &[b'e'; 1010]];
        let wire: Vec<u8> = packets.iter().flat_map(|packet| client.encode(packet)).collect();
        for cut in 0..=wire.len() {
            client.write(&wire[..cut]);
            client.write(&wire[cut..]);
            for packet in packets {
                assert_eq!(client.recv(), packet, "cut at {cut}");
            }
        }
        rig.finish();
    }
}

/// Messages of several frames, cut at every byte, while the server says something of its own at the cut: all of it
/// comes whole, and nothing comes between the frames of a message.
#[test]
fn messages_of_many_frames_are_whole_both_ways() {
    let messages: [&[u8]; 5] = [b"e12", b"e123", b"e1234567", b"", b"e12345678901234"];
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![listener(Talk { part_bytes: 4, ..Talk::default() })]);
        let (mut client, conn) = rig.known_client(0);
        let wire: Vec<u8> = messages.iter().flat_map(|message| client.encode(message)).collect();
        let mut written = 0;
        for cut in 0..=wire.len() {
            client.write(&wire[..cut]);
            written += cut as u64;
            rig.wait_metrics(|metrics| metrics.listeners[0].bytes_in == written);
            let said = Bytes::from(format!("said at the cut {cut}"));
            let again = said.clone();
            rig.ask(0, move |out| (0..3).for_each(|_| out.send(conn, again.clone())));
            client.write(&wire[cut..]);
            written += (wire.len() - cut) as u64;
            let heard: Vec<_> = (0..messages.len() + 3).map(|_| client.recv()).collect();
            let (said_too, echoed): (Vec<_>, Vec<_>) = heard.into_iter().partition(|packet| *packet == said);
            assert_eq!(said_too.len(), 3, "cut at {cut}");
            assert_eq!(echoed, messages, "cut at {cut}");
        }
        rig.finish();
    }
}

#[test]
fn random_packets_in_random_pieces_come_back_in_order() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut random = Random(7);
        let mut clients: Vec<_> = (0..8).map(|_| rig.client(0)).collect();
        for _ in 0..20 {
            for client in &mut clients {
                let count = 1 + random.below(20);
                let packets: Vec<Vec<u8>> = (0..count)
                    .map(|_| {
                        let bound = if random.below(10) == 0 { 5000 } else { 100 };
                        let length = random.below(bound);
                        [vec![b'e'], random.bytes(length)].concat()
                    })
                    .collect();
                let wire: Vec<u8> = packets.iter().flat_map(|packet| client.encode(packet)).collect();
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    let piece = (1 + random.below(700)).min(rest.len());
                    client.write(&rest[..piece]);
                    rest = &rest[piece..];
                }
                for packet in packets {
                    assert_eq!(client.recv(), packet);
                }
            }
        }
        rig.finish();
    }
}

#[test]
fn many_clients_at_once_keep_their_order() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                let mut client = rig.client(0);
                scope.spawn(move || {
                    for start in (0..400).step_by(50) {
                        (start..start + 50).for_each(|number| client.send(&numbered(number)));
                        (start..start + 50).for_each(|number| assert_eq!(client.recv(), numbered(number)));
                    }
                });
            }
        });
        let metrics = rig.finish().metrics;
        assert_eq!((metrics.listeners[0].packets_in, metrics.listeners[0].packets_out), (6400, 6400));
    }
}

#[test]
fn a_thousand_packets_in_one_write() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut client = rig.client(0);
        let wire: Vec<u8> = (0..1000).flat_map(|number| client.encode(&numbered(number))).collect();
        client.write(&wire);
        (0..1000).for_each(|number| assert_eq!(client.recv(), numbered(number)));
        rig.finish();
    }
}

#[test]
fn a_bad_frame_ends_its_own_connection_behind_its_answers() {
    let cases: [(&[u8], &str); 3] =
        [(&[0xff, 0xff], "too_long"), (&frame(b'z', b"?"), "kind"), (&[0, 0], "no_kind")];
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut other = rig.client(0);
        other.echo(b"e1");
        for (bad, kind) in cases {
            let mut client = rig.client(0);
            let wire = [&client.encode(b"egood")[..], bad, &client.encode(b"elate")[..]].concat();
            client.write(&wire);
            assert_eq!(client.recv(), b"egood"[..]);
            assert_eq!(client.hear(), Heard::Frame(b'~', "bad_frame".into()));
            client.expect_end();
            assert_eq!(rig.wait_closed(), CloseReason::BadFrame(kind));
        }
        other.echo(b"e2");
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].closed["bad_frame"], 3);
    }
}

#[test]
fn what_was_sent_before_a_half_close_is_answered() {
    for shape in shapes() {
        let rig = Rig::talk(shape);
        let mut client = rig.client(0);
        let wire: Vec<u8> = (0..200).flat_map(|number| client.encode(&numbered(number))).collect();
        client.write(&wire);
        client.finish_sending();
        (0..200).for_each(|number| assert_eq!(client.recv(), numbered(number)));
        client.expect_end();
        assert_eq!(rig.wait_closed(), CloseReason::PeerClosed);
        rig.finish();
    }
}

#[test]
fn last_words_arrive_whole_although_input_is_unread() {
    for shape in shapes() {
        let mut config = shape.config(1);
        config.completion.linger_timeout = PATIENCE;
        let rig = Rig::new(config, vec![listener(Talk::default())]);
        let mut client = rig.client(0);
        let mut wire = [&client.encode(b"m\0\0\0\0\0\0\x07\xd0")[..], &client.encode(b"clast")[..]].concat();
        (0..2000).for_each(|_| wire.extend(client.encode(&[b'e'; 900])));
        let mut writer = client.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            // The server stops reading at `clast`; whether all of it can be written is its own affair.
            scope.spawn(move || _ = std::io::Write::write_all(&mut writer, &wire));
            (0..2000).for_each(|index| assert_eq!(client.recv(), answer(index)));
            assert_eq!(client.recv(), b"last"[..]);
            client.expect_end();
        });
        drop(client);
        assert_eq!(rig.wait_closed(), CloseReason::Local);
        rig.finish();
    }
}

#[test]
fn pings_are_answered_and_never_seen() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![listener(Talk { pings: true, ..Talk::default() })]);
        let mut client = rig.client(0);
        client.write(&frame(b'?', b""));
        assert_eq!(client.hear(), Heard::Frame(b'!', "".into()));
        client.write(&frame(b'!', b""));
        client.send(b"sdone");
        rig.wait_for(&Seen::Packet(0, "done".into()));
        rig.finish();
    }
}
