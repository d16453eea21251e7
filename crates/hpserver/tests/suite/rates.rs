//! What one connection may say: a burst at once, then its rate, then the last word.

use std::time::Instant;

use usher_hpserver::{CloseReason, Rate};

use crate::{
    client::{Client, Heard},
    protocol::{Talk, frame},
    rig::{Rig, listener, now, shapes},
};

const A_SECOND: u32 = 5;
const BURST: u32 = 20;

/// Echoes until the last word, which must be that it said too much; how many there were.
fn echoes(client: &mut Client) -> usize {
    let mut count = 0;
    loop {
        match client.hear() {
            Heard::Packet(_) => count += 1,
            Heard::Frame(b'!', _) => {}
            Heard::Frame(b'~', word) => {
                assert_eq!(word, "rate_limited");
                return count;
            }
            other => panic!("{other:?} instead of the last word"),
        }
    }
}

/// Units that may have passed since `start`, whatever the machine was busy with.
fn allowed(start: Instant, burst: u32) -> usize {
    burst as usize + (f64::from(A_SECOND) * (now() - start).as_secs_f64()).ceil() as usize
}

#[test]
fn one_who_says_too_many_messages_is_closed_with_a_word_and_nobody_else() {
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.rates.messages = Rate { per_second: A_SECOND, burst: BURST };
        let rig = Rig::new(shape.config(1), vec![config, listener(Talk::default())]);
        let (mut modest, mut other) = (rig.client(0), rig.client(1));
        let start = now();
        let mut abuser = rig.client(0);
        let flood: Vec<u8> = (0..1000).flat_map(|_| abuser.encode(b"e")).collect();
        abuser.write(&flood);
        let heard = echoes(&mut abuser);
        assert!((BURST as usize..=allowed(start, BURST)).contains(&heard), "{heard} of {flood:?}");
        assert_eq!(rig.wait_closed(), CloseReason::RateLimited);
        modest.echo(b"e");
        (0..1000).for_each(|_| other.send(b"e"));
        (0..1000).for_each(|_| assert_eq!(other.recv(), b"e"[..]));
        assert_eq!(rig.finish().metrics.listeners[0].closed["rate_limited"], 1);
    }
}

#[test]
fn pings_and_parts_of_a_message_are_messages_too() {
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.rates.messages = Rate { per_second: A_SECOND, burst: BURST };
        let rig = Rig::new(shape.config(1), vec![config]);
        for kind in [b'?', b'+'] {
            let mut abuser = rig.client(0);
            abuser.write(&frame(kind, b"part").repeat(1000));
            assert_eq!(echoes(&mut abuser), 0);
        }
        assert_eq!(rig.finish().metrics.listeners[0].closed["rate_limited"], 2);
    }
}

#[test]
fn one_who_sends_too_many_bytes_is_closed_with_a_word() {
    const BYTES_BURST: u32 = 16 * 1024;
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.rates.bytes = Rate { per_second: A_SECOND, burst: BYTES_BURST };
        let rig = Rig::new(shape.config(1), vec![config]);
        let start = now();
        let mut abuser = rig.client(0);
        let packet = [b'e'; 1000];
        let flood = abuser.encode(&packet).repeat(100);
        abuser.write(&flood);
        let heard = echoes(&mut abuser);
        assert!(heard * packet.len() <= allowed(start, BYTES_BURST), "{heard}");
        rig.client(0).echo(b"e");
        assert_eq!(rig.finish().metrics.listeners[0].closed["rate_limited"], 1);
    }
}

#[test]
fn a_link_may_say_anything() {
    for shape in shapes() {
        let mut config = listener(Talk::default());
        config.limits.rates.messages = Rate { per_second: 1, burst: 1 };
        config.limits.rates.bytes = Rate { per_second: 1, burst: 16 * 1024 };
        config.link = true;
        let rig = Rig::new(shape.config(1), vec![config]);
        let mut link = rig.client(0);
        for _ in 0..100 {
            link.echo(&[b'e'; 1000]);
        }
        rig.finish();
    }
}
