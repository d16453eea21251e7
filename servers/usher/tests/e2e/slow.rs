//! A member of a room who does not read: closed, and nobody else misses a word.
//!
//! Read next: `usher_hpserver`, for what counts as slow.

use crate::cluster::{Cluster, GUESTS_WITHOUT_HALL, ROOMS};
use crate::page::{closed, until, until_in_rooms};
use crate::wire::{Heard, Wire, enter, log_in};
use usher_proto::limits::CHAT_BYTES_MAX;
use usher_proto::message::{Chat, CloseReason, Closing, Credentials};
use usher_proto::{Message, ServerKind};

/// Chats said before the answers are read.
const BATCH: u32 = 32;
/// After so many the slow one must have been closed: more than the kernel's buffers and the mark hold.
const BATCHES_MAX: u32 = 1_500;

/// Says a batch, and hears until everything of it has come to both; the highest number.
fn talk(speaker: &mut Wire, listener: &mut Wire, heard: u64, text: &str) -> u64 {
    for request in 0..BATCH {
        speaker.say(Chat { request, text: text.into() });
    }
    let last = heard + u64::from(BATCH);
    for wire in [speaker, listener] {
        let mut next = heard + 1;
        while next <= last {
            wire.await_said("the next chat", |message| match message {
                Message::ChatSaid(said) => {
                    assert_eq!(said.seq, next, "the chats come whole and in order");
                    Some(())
                }
                _ => None,
            });
            next += 1;
        }
    }
    last
}

/// Three enter a room at that address, of a cluster whose `room` has few bytes waiting for anybody; two talk until the third,
/// who does not read, is closed at that listener.
pub(crate) fn never_reads(cluster: &Cluster, address: &str, listener: &str) {
    let [mut ann, mut ben, mut slow] = [(); 3].map(|()| {
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        enter(address, &guest.ticket, Some(0)).unwrap().0
    });
    let text = "x".repeat(CHAT_BYTES_MAX);
    let (admin, mut heard) = (cluster.admin("room"), 0);
    let mut batches = 0;
    while closed(admin, listener, "slow_consumer").unwrap() == 0 {
        assert!(batches < BATCHES_MAX, "it does not read, and is still there after {heard} chats");
        for _ in 0..10 {
            heard = talk(&mut ann, &mut ben, heard, &text);
            heard = talk(&mut ben, &mut ann, heard, &text);
            batches += 2;
        }
    }
    let mut missed = heard;
    let end = loop {
        match slow.hear() {
            Heard::Said(Message::ChatSaid(_)) => missed -= 1,
            Heard::Said(Message::Closing(Closing { reason })) => {
                assert_eq!(reason, CloseReason::SlowConsumer);
            }
            Heard::Said(other) => panic!("{other:?}"),
            end => break end,
        }
    };
    assert!(missed > 0);
    until_in_rooms(cluster.admin("manager"), 2);
    heard = talk(&mut ann, &mut ben, heard, "just us");
    until("one is counted", || (closed(admin, listener, "slow_consumer")? == 1).then_some(()));
    println!(
        "both others heard all {heard} chats in order; the slow one was closed ({end:?}) and missed {missed}"
    );
}

#[test]
fn a_member_that_never_reads_is_closed_and_the_others_miss_nothing() {
    let limits =
        "[limits]\nhigh_water_bytes = 16384\nmessages_per_second_max = 0\nbytes_per_second_max = 0\n"
            .to_string();
    let cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", &(limits + "[room]\nchats_per_second_max = 0\n" + ROOMS)),
        (ServerKind::Login, "login", GUESTS_WITHOUT_HALL),
    ]);
    never_reads(&cluster, cluster.address("room"), "players");
}
