//! What a member's words go through: nothing, or the encrypted channel.
//!
//! - Owns: the handshake from this side, the keys, and what has come of a frame that is not whole.
//! - Invariant: what comes out in clear was sealed by the other end, all of it and in order, or it is an error.
//! - Limit: anybody may read the key: this measures, and has nothing to hide.
//!
//! Read next: `member.rs`; `bin/sealed_room.rs`, the other end; `usher_runtime::sealed`.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use bytes::{BufMut, BytesMut};
use usher_hpserver::{Codec, Framed, Keys};
use usher_runtime::sealed::{framed, keys};
use usher_secure::cipher::KEY_BYTES;
use usher_secure::noise::{Initiator, Known, MESSAGE_BYTES};

/// What both ends of a sealed room know of each other.
pub const ROOM_KEY: [u8; KEY_BYTES] = *b"the bench has no secret to keep.";

const HEADER_BYTES: usize = 2;

pub(super) enum Channel {
    Clear,
    Sealed {
        keys: Keys,
        /// The beginning of a frame.
        partial: Vec<u8>,
    },
}

impl Channel {
    /// Says the first frame and hears its answer; both are a message of the handshake and nothing else.
    pub(super) fn sealed(stream: &mut TcpStream) -> Result<Self> {
        let (begun, message) = Initiator::begin(Known::Shared(&ROOM_KEY), b"");
        stream.write_all(&framed(&message))?;
        let mut answer = [0; HEADER_BYTES + MESSAGE_BYTES];
        stream.read_exact(&mut answer).context("waiting for the answer to a handshake")?;
        Ok(Self::with(keys(begun.finish(&answer[HEADER_BYTES..])?)))
    }

    fn with(keys: Keys) -> Self {
        Self::Sealed { keys, partial: Vec::new() }
    }

    /// Whole frames, or anything where nothing is sealed, as they are to be sent.
    pub(super) fn seal<'a>(&mut self, clear: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let Self::Sealed { keys, .. } = self else { return Ok(clear.into()) };
        let mut sealed = BytesMut::new();
        keys.seal.seal(clear, &mut sealed)?;
        Ok(Vec::from(sealed).into())
    }

    /// What bytes that came say in clear, as far as their frames are whole.
    pub(super) fn open<'a>(&mut self, came: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let Self::Sealed { keys, partial } = self else { return Ok(came.into()) };
        partial.extend_from_slice(came);
        let (mut clear, mut body, mut start) = (Vec::new(), Vec::new(), 0);
        while let Some(frame) = Framed::default().frame(&partial[start..])? {
            body.clear();
            keys.open.open(&partial[start..][frame.body], &mut body)?;
            clear.put_u16(body.len() as u16);
            clear.put_slice(&body);
            start += frame.end;
        }
        partial.drain(..start);
        Ok(clear.into())
    }
}

/// A channel that is open, and the other end's keys.
#[cfg(test)]
pub(super) fn pair() -> (Channel, Keys) {
    use usher_secure::noise::{Proof, respond};

    let (begun, message) = Initiator::begin(Known::Shared(&ROOM_KEY), b"");
    let (answer, there) = respond(Proof::Shared(&ROOM_KEY), b"", &message).unwrap();
    (Channel::with(keys(begun.finish(&answer).unwrap())), keys(there))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: &[u8] = b"\0\x02hi\0\0\0\x05there";

    fn sealed_by(there: &mut Keys) -> BytesMut {
        let mut sealed = BytesMut::new();
        there.seal.seal(FRAMES, &mut sealed).unwrap();
        sealed
    }

    #[test]
    fn frames_open_wherever_they_are_cut() {
        let whole = sealed_by(&mut pair().1).len();
        for cut in 0..=whole {
            let (mut here, mut there) = pair();
            let sealed = sealed_by(&mut there);
            let clear = [&sealed[..cut], &sealed[cut..]].map(|part| here.open(part).unwrap().into_owned());
            assert_eq!(clear.concat(), FRAMES, "cut at {cut}");
        }
    }

    #[test]
    fn what_was_altered_does_not_open() {
        let (mut here, mut there) = pair();
        let mut sealed = sealed_by(&mut there);
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(here.open(&sealed).unwrap_err().to_string(), "bad frame: forged");
    }

    #[test]
    fn the_other_end_opens_what_is_sealed() {
        let (mut here, mut there) = pair();
        let sealed = here.seal(b"\0\x02hi").unwrap();
        let mut clear = Vec::new();
        there.open.open(&sealed[HEADER_BYTES..], &mut clear).unwrap();
        assert_eq!(clear, b"hi");
    }

    #[test]
    fn in_clear_all_stays_as_it_is() {
        let mut channel = Channel::Clear;
        assert_eq!(*channel.seal(b"\0").unwrap(), *b"\0");
        assert_eq!(*channel.open(b"\0").unwrap(), *b"\0");
    }
}
