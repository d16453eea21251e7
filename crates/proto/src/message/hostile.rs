//! Every message as somebody hostile would pack it: refused, each for the same few reasons.
//!
//! Why: the table of messages grows; what holds for one must hold for the next without anybody's remembering.
//! Owns: nothing but tests. What such bytes cost is counted in `tests/bombs.rs`.
//! Read next: [`crate::codec`].

use super::largest::every;
use super::*;
use crate::codec::{CodecError, DEPTH_MAX};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

/// Cuts tried of one message.
const CUTS_MAX: usize = 500;

/// A message with one value to come: in a field that would be ignored, or in the first place.
fn begin(spec: &Spec) -> &'static [u8] {
    match spec.packing {
        Packing::Map => &[0x81, 0xa1, b'x'],
        Packing::Array => &[0x91],
    }
}

#[test]
fn a_message_cut_short_is_refused_wherever_it_is_cut() {
    for message in every() {
        let spec = message.spec();
        let body = message.pack().unwrap();
        for cut in (0..body.len()).step_by(body.len() / CUTS_MAX + 1) {
            let read = Message::unpack(spec.opcode, &body[..cut]);
            assert!(matches!(read, Err(CodecError::Malformed(_))), "{} cut at {cut}: {read:?}", spec.name);
        }
    }
}

#[test]
fn a_message_with_more_behind_it_is_refused() {
    for message in every() {
        let mut body = message.pack().unwrap();
        body.push(0xc0);
        assert!(Message::unpack(message.spec().opcode, &body).is_err(), "{}", message.spec().name);
    }
}

#[test]
fn a_promise_that_is_not_kept_is_refused_in_any_message_and_any_field() {
    let promising = |marker: u8| [&[marker][..], &[0x7f, 0xff, 0xff, 0xff], &[0; 9]].concat();
    for spec in SPECS {
        for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
            let body = [begin(spec), &promising(marker)].concat();
            let why = Message::unpack(spec.opcode, &body).unwrap_err().to_string();
            assert_eq!(why, "a value promises more than there is", "{}: {marker:#x}", spec.name);
            assert!(Message::unpack(spec.opcode, &promising(marker)).is_err(), "{}: {marker:#x}", spec.name);
        }
    }
}

#[test]
fn nesting_too_deep_is_refused_in_any_message_also_in_a_field_that_would_be_ignored() {
    let nested = [vec![0x91; DEPTH_MAX], vec![0xc0]].concat();
    for spec in SPECS {
        let why = Message::unpack(spec.opcode, &[begin(spec), &nested].concat()).unwrap_err().to_string();
        assert_eq!(why, "nested too deep", "{}", spec.name);
    }
}

#[test]
fn what_is_no_message_at_all_is_refused() {
    let others: [&[u8]; 9] = [
        &[0xc0],
        &[0xc3],
        &[7],
        &[0xff],
        &[0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xa2, b'h', b'i'],
        &[0xc4, 2, 1, 2],
        &[0xd4, 1, 1],
    ];
    for spec in SPECS {
        for body in others {
            let read = Message::unpack(spec.opcode, body);
            assert!(read.is_err(), "{}: {body:02x?} is {read:?}", spec.name);
        }
        let otherwise_packed = if spec.packing == Packing::Map { [0x90] } else { [0x80] };
        assert!(Message::unpack(spec.opcode, &otherwise_packed).is_err(), "{}", spec.name);
    }
}

/// Each byte of each message in turn becomes the marker of another type: read or refused, never a panic.
#[test]
fn another_type_in_the_place_of_any_value_never_panics() {
    for message in every() {
        let opcode = message.spec().opcode;
        let body = message.pack().unwrap();
        for at in (0..body.len()).step_by(body.len() / CUTS_MAX + 1) {
            for marker in [0x00, 0x80, 0x90, 0xa0, 0xc0, 0xc1, 0xc3, 0xc4, 0xca, 0xd4, 0xdd, 0xff] {
                let mut other: Vec<u8> = body.clone();
                other[at] = marker;
                let _ = Message::unpack(opcode, &other);
            }
        }
    }
}
