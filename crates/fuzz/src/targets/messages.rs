//! Packets of any opcode, by any speaker: what is read is written and read again as it was, in every form.
//!
//! The bytes are packets, each behind its length of two bytes, and in the form that its flags say. Reading one allocates no
//! more than a multiple of it.
//! Read next: `usher_proto::codec`; `crates/proto/tests/bombs.rs`, where the multiple comes from.

use crate::ALLOCATOR;
use stats_alloc::Region;
use usher_proto::codec::{CodecError, FLAG_JSON, Form, HEADER_BYTES, Unfinished, decode, encode};
use usher_proto::{Message, lines};

/// Bytes allocated for each byte of a message, at most.
const MULTIPLE: usize = 160;
/// And for what is said about one that cannot be read.
const WORDS_BYTES_MAX: usize = 1024;

pub(super) fn run(bytes: &[u8]) {
    let (mut rest, mut unfinished) = (bytes, Unfinished::default());
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (packet, behind) = behind.split_at(length);
        match read(&mut unfinished, packet) {
            Ok(Some(message)) => {
                check_native(Form::MessagePack, &message);
                check_native(Form::Json, &message);
                check_line(&message);
            }
            Ok(None) => {}
            Err(_) => unfinished = Unfinished::default(), // the connection's end, and another's beginning
        }
        rest = behind;
    }
}

fn read(unfinished: &mut Unfinished, packet: &[u8]) -> Result<Option<Message>, CodecError> {
    let bytes = unfinished.body.len() + packet.len();
    let region = Region::new(ALLOCATOR);
    let read = decode(form_of(packet), |_| true, unfinished, packet);
    let allocated = region.change().bytes_allocated;
    assert!(allocated <= WORDS_BYTES_MAX + MULTIPLE * bytes, "{allocated} bytes for {bytes} ({read:?})");
    read
}

fn form_of(packet: &[u8]) -> Form {
    let flags = packet.get(HEADER_BYTES - 1).copied().unwrap_or_default();
    if flags & FLAG_JSON == 0 { Form::MessagePack } else { Form::Json }
}

/// What was left to defaults may be too long when it is written out; anything else is written.
fn check_native(form: Form, message: &Message) {
    let (mut again, mut unfinished) = (None, Unfinished::default());
    let written = encode(form, message, |header, body| {
        again =
            decode(form, |_| true, &mut unfinished, &[&header[..], body].concat()).expect("our own packet");
    });
    match written {
        Ok(()) => assert_eq!(again.as_ref(), Some(message)),
        Err(error) => assert!(matches!(error, CodecError::TooLong { .. }), "{error}: {message:?}"),
    }
}

fn check_line(message: &Message) {
    match lines::write(message) {
        Ok(line) => assert_eq!(lines::read(|_| true, line.as_bytes()).as_ref(), Ok(message), "{line}"),
        Err(error) => assert!(matches!(error, CodecError::TooLong { .. }), "{error}: {message:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use usher_proto::message::SPECS;

    #[test]
    fn there_is_a_message_of_every_opcode() {
        let lines = include_str!("../../seeds/messages.jsonl").lines();
        let said: BTreeSet<u16> =
            lines.map(|line| lines::read(|_| true, line.as_bytes()).unwrap().spec().opcode).collect();
        let missing: Vec<_> = SPECS.iter().filter(|spec| !said.contains(&spec.opcode)).collect();
        assert!(missing.is_empty(), "add to seeds/messages.jsonl: {missing:?}");
    }
}
