//! What reading a packet costs, counted by the allocator: whatever the bytes, never more than a multiple of them.
//!
//! One test, for the count is the whole process's. The multiple is the largest entry of a list: a list of so many
//! bytes may have as many entries, and room is made for all of them at once.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::limits::FRAME_BYTES_MAX;
use usher_proto::message::{Packing, SPECS, Spec};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated for each byte of a packet, at most.
const MULTIPLE: usize = 160;
/// And for what is said about a packet that cannot be read.
const WORDS_BYTES_MAX: usize = 1024;
/// Every field that is a list, in any message.
const LISTS: [&str; 14] = [
    "rooms",
    "players",
    "totals",
    "clients",
    "topics",
    "terminals",
    "addresses",
    "seats",
    "halls",
    "versions",
    "scores",
    "reservations",
    "view",
    "ticket",
];

fn packet(spec: &Spec, body: &[u8]) -> Vec<u8> {
    [&spec.opcode.to_be_bytes()[..], &[0], body].concat()
}

/// Reads it, whoever may say it; what that allocated is within the bound.
fn read(packet: &[u8]) {
    let region = Region::new(ALLOCATOR);
    let read = codec::decode(Form::MessagePack, |_| true, &mut Unfinished::default(), packet);
    let allocated = region.change().bytes_allocated;
    let allocated_max = WORDS_BYTES_MAX + MULTIPLE * packet.len();
    assert!(allocated <= allocated_max, "{allocated} bytes for {} ({read:?})", packet.len());
}

/// A list of so many nothings.
fn list(entries: usize) -> Vec<u8> {
    [&[0xdd][..], &(entries as u32).to_be_bytes(), &vec![0xc0; entries]].concat()
}

/// Bodies whose lists are as long as their opcode allows, and hold nothing.
fn long_lists(spec: &Spec) -> Vec<Vec<u8>> {
    let entries = (spec.bytes_max.min(FRAME_BYTES_MAX)).saturating_sub(64);
    let in_field =
        |name: &&str| [&[0x81, 0xa0 | name.len() as u8][..], name.as_bytes(), &list(entries)].concat();
    let at_place =
        |place: usize| [&[0x91 + place as u8][..], &[0, 0, 0xc2][..place], &list(entries)].concat();
    match spec.packing {
        Packing::Map => LISTS.iter().map(in_field).collect(),
        Packing::Array => (0..=3).map(at_place).collect(),
    }
}

fn any_spec() -> impl Strategy<Value = &'static Spec> {
    (0..SPECS.len()).prop_map(|at| &SPECS[at])
}

/// Bytes as they come, and bytes that are mostly markers of lists, maps and texts with long promises.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let marker = prop_oneof![0x80..0xa0u8, 0xc4..=0xdfu8, Just(0xff), Just(0), any::<u8>()];
    prop_oneof![prop::collection::vec(any::<u8>(), 0..600), prop::collection::vec(marker, 0..600)]
}

#[test]
fn reading_anything_never_panics_and_allocates_no_more_than_a_multiple_of_it() {
    for spec in SPECS {
        for body in long_lists(spec) {
            read(&packet(spec, &body));
        }
    }
    proptest!(ProptestConfig::with_cases(20_000), |(spec in any_spec(), body in any_body())| {
        read(&packet(spec, &body));
        read(&body);
    });
}
