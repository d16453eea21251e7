//! The shape of MessagePack: one whole value, as long as the bytes are, and not nested too deep.
//!
//! Why: a length in the bytes is a promise. A reader that makes room for what is promised is made to allocate by
//! whoever promises much and sends little; so promises are held against the bytes before any reader sees them.
//! Owns: lengths, nesting, and whether the message is a map or a list. Does not own types, nor whether a text is UTF-8: those are the reader's.
//! Invariants: nothing is allocated here, and no value is looked at twice.
//! Limits: [`DEPTH_MAX`].
//! Read next: [`crate::codec`], which calls this first.

use crate::codec::DEPTH_MAX;
use crate::message::Packing;

/// What is wrong with a shape.
pub(crate) type Flaw = &'static str;

const TOO_SHORT: Flaw = "a value promises more than there is";
const TOO_DEEP: Flaw = "nested too deep";
const TOO_LONG: Flaw = "bytes after the message";
const OTHERWISE_PACKED: Flaw = "neither the map nor the list that its opcode says";
const RESERVED: Flaw = "a marker without a meaning";

/// Whether `body` is exactly one value, packed so.
pub(crate) fn check(body: &[u8], packing: Packing) -> Result<(), Flaw> {
    let is_packed_so = match packing {
        Packing::Map => matches!(body, [0x80..=0x8f | 0xde | 0xdf, ..]),
        Packing::Array => matches!(body, [0x90..=0x9f | 0xdc | 0xdd, ..]),
    };
    if is_packed_so { check_value(body) } else { Err(OTHERWISE_PACKED) }
}

fn check_value(body: &[u8]) -> Result<(), Flaw> {
    let mut rest = body;
    let mut open = [0; DEPTH_MAX];
    let mut depth = 0;
    loop {
        let inside = step(&mut rest)?;
        if inside > rest.len() {
            return Err(TOO_SHORT);
        }
        if inside > 0 {
            *open.get_mut(depth).ok_or(TOO_DEEP)? = inside;
            depth += 1;
            continue;
        }
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return if rest.is_empty() { Ok(()) } else { Err(TOO_LONG) };
        }
    }
}

/// Passes one marker and its bytes; how many values lie inside it, each at least a byte.
fn step(rest: &mut &[u8]) -> Result<usize, Flaw> {
    let marker = pass(rest, 1)?[0];
    let (bytes, inside) = match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, 0),
        0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f)),
        0x90..=0x9f => (0, usize::from(marker & 0x0f)),
        0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
        0xc1 => return Err(RESERVED),
        0xc4..=0xc6 => (length(rest, marker - 0xc4)?, 0),
        0xc7..=0xc9 => (length(rest, marker - 0xc7)?.saturating_add(1), 0),
        0xcc | 0xd0 => (1, 0),
        0xcd | 0xd1 => (2, 0),
        0xca | 0xce | 0xd2 => (4, 0),
        0xcb | 0xcf | 0xd3 => (8, 0),
        0xd4..=0xd8 => (1 + (1 << (marker - 0xd4)), 0),
        0xd9..=0xdb => (length(rest, marker - 0xd9)?, 0),
        0xdc | 0xdd => (0, length(rest, marker - 0xdc + 1)?),
        0xde | 0xdf => (0, length(rest, marker - 0xde + 1)?.saturating_mul(2)),
    };
    pass(rest, bytes)?;
    Ok(inside)
}

/// A length of 1, 2 or 4 bytes.
fn length(rest: &mut &[u8], size_log2: u8) -> Result<usize, Flaw> {
    let bytes = pass(rest, 1 << size_log2)?;
    Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn pass<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Flaw> {
    let (passed, behind) = rest.split_at_checked(count).ok_or(TOO_SHORT)?;
    *rest = behind;
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn every_kind_of_value_is_passed_whole_and_refused_one_byte_short() {
        let with =
            |marker: u8, lengths: &[u8], bytes: usize| [&[marker][..], lengths, &vec![0; bytes]].concat();
        let values = [
            with(0x7f, &[], 0),
            with(0xff, &[], 0),
            with(0xc0, &[], 0),
            with(0xc2, &[], 0),
            with(0x8f, &[], 30),
            with(0x9f, &[], 15),
            with(0xbf, &[], 31),
            with(0xc4, &[9], 9),
            with(0xc5, &[1, 0], 256),
            with(0xc6, &[0, 1, 0, 0], 65_536),
            with(0xc7, &[3], 4),
            with(0xc8, &[0, 3], 4),
            with(0xc9, &[0, 0, 0, 3], 4),
            with(0xca, &[], 4),
            with(0xcb, &[], 8),
            with(0xcc, &[], 1),
            with(0xcd, &[], 2),
            with(0xce, &[], 4),
            with(0xcf, &[], 8),
            with(0xd0, &[], 1),
            with(0xd1, &[], 2),
            with(0xd2, &[], 4),
            with(0xd3, &[], 8),
            with(0xd4, &[], 2),
            with(0xd5, &[], 3),
            with(0xd6, &[], 5),
            with(0xd7, &[], 9),
            with(0xd8, &[], 17),
            with(0xd9, &[200], 200),
            with(0xda, &[1, 0], 256),
            with(0xdb, &[0, 0, 0, 2], 2),
            with(0xdc, &[0, 20], 20),
            with(0xdd, &[0, 0, 0, 20], 20),
            with(0xde, &[0, 20], 40),
            with(0xdf, &[0, 0, 0, 20], 40),
        ];
        for value in values {
            assert_eq!(check_value(&value), Ok(()), "{:#x}", value[0]);
            assert_eq!(check_value(&value[..value.len() - 1]), Err(TOO_SHORT), "{:#x}", value[0]);
            assert_eq!(check_value(&[&value[..], &[0]].concat()), Err(TOO_LONG), "{:#x}", value[0]);
        }
    }

    #[test]
    fn promises_beyond_the_bytes_are_refused() {
        for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
            for promised in [[0xff; 4], [0x80, 0, 0, 0], [0, 0, 0, 6]] {
                let value = [&[marker][..], &promised, &[0; 5]].concat();
                assert_eq!(check_value(&value), Err(TOO_SHORT), "{value:02x?}");
            }
        }
        assert_eq!(check_value(&[0xc1]), Err(RESERVED));
        assert_eq!(check_value(&[]), Err(TOO_SHORT));
    }

    #[test]
    fn nesting_ends_at_its_limit() {
        let nested = |depth: usize, marker: u8| [vec![marker; depth], vec![0xc0]].concat();
        assert_eq!(check_value(&nested(DEPTH_MAX, 0x91)), Ok(()));
        assert_eq!(check_value(&nested(DEPTH_MAX + 1, 0x91)), Err(TOO_DEEP));
        assert_eq!(check_value(&nested(60_000, 0x91)), Err(TOO_DEEP));
        let maps = [[0x81, 0xc0].repeat(DEPTH_MAX + 1), vec![0xc0]].concat();
        assert_eq!(check_value(&maps), Err(TOO_DEEP));
        let side_by_side = [&[0x9f][..], &[0x91, 0xc0].repeat(15)].concat();
        assert_eq!(check_value(&side_by_side), Ok(()), "side by side is not deep");
        assert_eq!(check_value(&[0x92, 0x90, 0x80]), Ok(()), "empty ones hold nothing");
    }
}
