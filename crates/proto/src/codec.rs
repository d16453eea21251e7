//! Messages to bytes and back: `u16` opcode, `u8` flags, MessagePack or, where a listener speaks it, JSON; over several
//! frames where one is too small.
//!
//! Why: one place knows the packing; transports only move frames.
//! Owns: the packet header, continuation, and every check before something is allocated.
//! Invariants: a message larger than a frame is continued by [`FLAG_CONTINUED`] in consecutive frames of the
//! same opcode, never interleaved; nothing is allocated ahead of what arrived.
//! Limits: the opcode's `bytes_max` (in JSON [`JSON_FACTOR`] times that), [`DEPTH_MAX`] nested values, and of a list or text as much as there are bytes;
//! beyond them the peer's frame is refused.
//! Read next: [`crate::message`], `docs/wire.md`.

use crate::limits::FRAME_BYTES_MAX;
use crate::message::{Message, Packing, Speaker, Spec};
use crate::shape;
use serde::{Deserialize, Serialize};
use std::string::String;
use std::vec::Vec;

/// Opcode and flags, in bytes.
pub const HEADER_BYTES: usize = 3;
/// More of this message follows in the next frame.
pub const FLAG_CONTINUED: u8 = 1;
/// The body is JSON: the message's fields, as an object.
pub const FLAG_JSON: u8 = 2;
/// How much longer than its MessagePack a message may be in JSON.
pub const JSON_FACTOR: usize = 2;
/// Nesting of MessagePack values; our deepest message has 5.
pub const DEPTH_MAX: usize = 16;

/// Why bytes are not a message (the peer's fault), or a message does not go into bytes (ours).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// Shorter than a packet header.
    #[error("a packet of {0} bytes is shorter than its header")]
    Short(usize),
    /// No such opcode.
    #[error("opcode {0:#06x} is unknown")]
    UnknownOpcode(u16),
    /// No message is called so, in JSON.
    #[error("there is no message `{0}`")]
    UnknownName(String),
    /// The peer may not say this.
    #[error("{0} may not be said by this peer")]
    WrongSpeaker(&'static str),
    /// Flags that this version does not know.
    #[error("flags {0:#04x} are unknown")]
    UnknownFlags(u8),
    /// A continued message was interrupted by another.
    #[error("a continued message was interrupted by opcode {0:#06x}")]
    Interrupted(u16),
    /// Longer than its opcode allows.
    #[error("{name} is longer than {bytes_max} bytes")]
    TooLong {
        /// Which message.
        name: &'static str,
        /// Its limit.
        bytes_max: usize,
    },
    /// A body that does not hold what the opcode says.
    #[error("{0}")]
    Malformed(String),
}

/// How the bodies of a connection are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In MessagePack, as everywhere.
    MessagePack,
    /// In JSON, for languages that have nothing else at hand.
    Json,
}

impl Form {
    const fn flag(self) -> u8 {
        match self {
            Self::MessagePack => 0,
            Self::Json => FLAG_JSON,
        }
    }

    /// How long a message may be in it.
    pub const fn bytes_max(self, spec: &Spec) -> usize {
        match self {
            Self::MessagePack => spec.bytes_max,
            Self::Json => spec.bytes_max * JSON_FACTOR,
        }
    }

    fn pack(self, message: &Message) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::MessagePack => message.pack(),
            Self::Json => message.to_fields().map(String::into_bytes).map_err(|error| no_json(&error)),
        }
    }

    fn unpack(self, opcode: u16, body: &[u8]) -> Result<Message, CodecError> {
        match self {
            Self::MessagePack => Message::unpack(opcode, body),
            // A list of values would do for serde.
            Self::Json if !body.trim_ascii_start().starts_with(b"{") => {
                Err(CodecError::Malformed("no JSON object".into()))
            }
            Self::Json => Message::read_fields(opcode, body).map_err(|error| no_json(&error)),
        }
    }
}

fn no_json(error: &serde_json::Error) -> CodecError {
    CodecError::Malformed(std::format!("{error}"))
}

/// What a connection has received of a message that is not complete.
#[derive(Debug, Default)]
pub struct Unfinished {
    /// The message's opcode, once something of it is here.
    pub opcode: u16,
    /// The parts so far; empty, and without an allocation, between messages.
    pub body: Vec<u8>,
}

/// Reads one frame's packet. `unfinished` carries what earlier frames brought. `Ok(None)`: more is to come.
pub fn decode(
    form: Form,
    allowed: fn(Speaker) -> bool,
    unfinished: &mut Unfinished,
    packet: &[u8],
) -> Result<Option<Message>, CodecError> {
    let (header, body) = packet.split_first_chunk::<HEADER_BYTES>().ok_or(CodecError::Short(packet.len()))?;
    let opcode = u16::from_be_bytes([header[0], header[1]]);
    let spec = Spec::of(opcode).ok_or(CodecError::UnknownOpcode(opcode))?;
    if !allowed(spec.speaker) {
        return Err(CodecError::WrongSpeaker(spec.name));
    }
    if header[2] & !FLAG_CONTINUED != form.flag() {
        return Err(CodecError::UnknownFlags(header[2]));
    }
    if !unfinished.body.is_empty() && unfinished.opcode != opcode {
        return Err(CodecError::Interrupted(opcode));
    }
    let bytes_max = form.bytes_max(spec);
    if unfinished.body.len() + body.len() > bytes_max {
        return Err(CodecError::TooLong { name: spec.name, bytes_max });
    }
    if header[2] & FLAG_CONTINUED != 0 {
        if body.is_empty() {
            return Err(CodecError::Malformed("a continued frame without a body".into()));
        }
        unfinished.opcode = opcode;
        unfinished.body.extend_from_slice(body);
        return Ok(None);
    }
    if unfinished.body.is_empty() {
        return form.unpack(opcode, body).map(Some);
    }
    let mut whole = std::mem::take(&mut unfinished.body);
    whole.extend_from_slice(body);
    form.unpack(opcode, &whole).map(Some)
}

/// Writes a message as packets, each of which fits a frame, and gives each to `frame` with its header.
pub fn encode(
    form: Form,
    message: &Message,
    mut frame: impl FnMut([u8; HEADER_BYTES], &[u8]),
) -> Result<(), CodecError> {
    let spec = message.spec();
    let (body, bytes_max) = (form.pack(message)?, form.bytes_max(spec));
    if body.len() > bytes_max {
        return Err(CodecError::TooLong { name: spec.name, bytes_max });
    }
    let [high, low] = spec.opcode.to_be_bytes();
    let part_bytes_max = FRAME_BYTES_MAX - HEADER_BYTES - SEAL_BYTES_MAX;
    let mut rest = body.as_slice();
    while rest.len() > part_bytes_max {
        let (part, after) = rest.split_at(part_bytes_max);
        frame([high, low, form.flag() | FLAG_CONTINUED], part);
        rest = after;
    }
    frame([high, low, form.flag()], rest);
    Ok(())
}

/// Room left in every frame for what a channel's seal adds.
pub const SEAL_BYTES_MAX: usize = 16;

pub(crate) fn pack<T: Serialize>(message: &T, packing: Packing) -> Result<Vec<u8>, CodecError> {
    match packing {
        Packing::Map => rmp_serde::to_vec_named(message),
        Packing::Array => rmp_serde::to_vec(message),
    }
    .map_err(|error| CodecError::Malformed(std::format!("{error}")))
}

/// What is promised in `body` is held against its length first: whatever is allocated below is there.
pub(crate) fn unpack<'a, T: Deserialize<'a>>(body: &'a [u8], packing: Packing) -> Result<T, CodecError> {
    shape::check(body, packing).map_err(|flaw| CodecError::Malformed(flaw.into()))?;
    rmp_serde::from_slice(body).map_err(|error| CodecError::Malformed(std::format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Address, GameId, RoomNo};
    use crate::message::{Chat, Directory, Ping, RoomEntry, SPECS};
    use std::vec;

    fn anyone(_: Speaker) -> bool {
        true
    }

    fn frames(message: &Message) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        encode(Form::MessagePack, message, |header, body| frames.push([&header[..], body].concat())).unwrap();
        frames
    }

    fn big_directory() -> Message {
        let room = |room| RoomEntry {
            address: Address::from("x".repeat(200)),
            room: RoomNo(room),
            name: "a room".into(),
            game: GameId(1),
            population: 1,
            capacity: 400,
        };
        Directory { rooms: (0..400).map(room).collect(), totals: vec![] }.into()
    }

    #[test]
    fn a_message_larger_than_a_frame_comes_back_whole() {
        let message = big_directory();
        let frames = frames(&message);
        assert!(frames.len() > 1);
        let mut unfinished = Unfinished::default();
        let (last, first) = frames.split_last().unwrap();
        for frame in first {
            assert!(frame.len() + SEAL_BYTES_MAX <= FRAME_BYTES_MAX);
            assert_eq!(decode(Form::MessagePack, anyone, &mut unfinished, frame), Ok(None));
        }
        assert_eq!(decode(Form::MessagePack, anyone, &mut unfinished, last), Ok(Some(message)));
        assert_eq!(unfinished.body.capacity(), 0);
    }

    #[test]
    fn another_message_in_the_middle_is_refused() {
        let frames_of_big = frames(&big_directory());
        let chat = frames(&Chat { request: 1, text: "hi".into() }.into());
        let mut unfinished = Unfinished::default();
        decode(Form::MessagePack, anyone, &mut unfinished, &frames_of_big[0]).unwrap();
        assert_eq!(
            decode(Form::MessagePack, anyone, &mut unfinished, &chat[0]),
            Err(CodecError::Interrupted(0x0306))
        );
    }

    #[test]
    fn what_is_too_long_unknown_or_not_for_this_peer_is_refused() {
        let mut unfinished = Unfinished::default();
        let chat = |text: usize| frames(&Chat { request: 1, text: "x".repeat(text) }.into()).remove(0);
        assert!(decode(Form::MessagePack, anyone, &mut unfinished, &chat(512)).is_ok());
        let long = [&[0x03, 0x06, 0][..], &[0; 601]].concat();
        assert!(matches!(
            decode(Form::MessagePack, anyone, &mut unfinished, &long),
            Err(CodecError::TooLong { .. })
        ));
        assert_eq!(
            decode(Form::MessagePack, |_| false, &mut unfinished, &chat(1)),
            Err(CodecError::WrongSpeaker("Chat"))
        );
        assert_eq!(
            decode(Form::MessagePack, anyone, &mut unfinished, &[0xff, 0xff, 0]),
            Err(CodecError::UnknownOpcode(0xffff))
        );
        assert_eq!(
            decode(Form::MessagePack, anyone, &mut unfinished, &[0, 1, 8]),
            Err(CodecError::UnknownFlags(8))
        );
        assert_eq!(decode(Form::MessagePack, anyone, &mut unfinished, &[0, 1]), Err(CodecError::Short(2)));
    }

    #[test]
    fn json_is_taken_where_it_is_spoken_and_there_alone() {
        let message = big_directory();
        let mut frames = Vec::new();
        encode(Form::Json, &message, |header, body| frames.push([&header[..], body].concat())).unwrap();
        let mut unfinished = Unfinished::default();
        let (last, first) = frames.split_last().unwrap();
        for frame in first {
            assert_eq!(frame[2], FLAG_JSON | FLAG_CONTINUED);
            assert_eq!(decode(Form::Json, anyone, &mut unfinished, frame), Ok(None));
        }
        assert_eq!(decode(Form::Json, anyone, &mut unfinished, last), Ok(Some(message)));
        let ping = [0, 1, 0, 0x90];
        let ping_in_json = [&[0, 1, 2][..], b"{}"].concat();
        let read = |form, packet: &[u8]| decode(form, anyone, &mut Unfinished::default(), packet);
        assert_eq!(read(Form::Json, &ping_in_json), Ok(Some(Ping {}.into())));
        assert_eq!(read(Form::Json, &ping), Err(CodecError::UnknownFlags(0)));
        assert_eq!(read(Form::MessagePack, &ping_in_json), Err(CodecError::UnknownFlags(2)));
        let long = [&[0x04, 0x01, 2][..], &[b' '; 129]].concat();
        assert!(matches!(read(Form::Json, &long), Err(CodecError::TooLong { bytes_max: 128, .. })));
        for wrong in ["", "{", "[]", "{} ", "{}}", "null", "\"\"", "{\"table\":-1}"] {
            let sit = [&[0x04, 0x01, 2][..], wrong.as_bytes()].concat();
            assert_eq!(read(Form::Json, &sit).is_ok(), wrong == "{} ", "{wrong}");
        }
    }

    #[test]
    fn bytes_after_a_message_are_refused() {
        let mut packet = frames(&Chat { request: 1, text: "hi".into() }.into()).remove(0);
        for extra in [0x00, 0xc1, 0xd9] {
            packet.push(extra);
            let read = decode(Form::MessagePack, anyone, &mut Unfinished::default(), &packet);
            assert_eq!(read, Err(CodecError::Malformed("bytes after the message".into())), "{extra:#x}");
            packet.pop();
        }
        assert!(decode(Form::MessagePack, anyone, &mut Unfinished::default(), &packet).is_ok());
    }

    #[test]
    fn random_bodies_never_panic() {
        let mut state = 7u64;
        for spec in SPECS {
            for length in 0..200usize.min(spec.bytes_max) {
                let mut packet = [&spec.opcode.to_be_bytes()[..], &[0]].concat();
                packet.extend((0..length).map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as u8
                }));
                let _ = decode(Form::MessagePack, anyone, &mut Unfinished::default(), &packet);
            }
        }
    }
}
