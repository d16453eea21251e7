//! How packets lie in a byte stream: the trait a protocol is fitted through, and the plainest one.
//!
//! It exists so that this layer cuts a stream into frames without knowing what they mean. A codec has no
//! state of its own: what a connection must remember between frames is its `Partial`.
//!
//! Invariants: a length field never drives an allocation; a frame that is too long is refused from its
//! header alone; an unfinished message never grows beyond the limit the codec gives.
//! Read next: `receive`, which calls it.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::CloseReason;

/// How packets `P` lie in a byte stream. One for each listener, shared by its connections.
pub trait Codec<P>: Send + Sync + 'static {
    /// The first whole frame in `bytes`, if it is all there.
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame>;

    /// What the body of one frame means. `partial` holds what earlier frames of an unfinished message
    /// brought.
    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<P>, BadFrame>;

    /// Writes `packet` as whole frames, continued over several where needed.
    fn encode(&self, packet: &P, out: &mut BytesMut) -> Result<(), TooLarge>;

    /// The packet's frames, if it is made of them already and sharing them is worth more than writing them beside others.
    fn frames(&self, packet: &P) -> Option<Bytes> {
        let _ = packet;
        None
    }

    /// A ping, as a whole frame; none: connections are not pinged and do not time out.
    fn ping(&self) -> Option<Bytes> {
        None
    }

    /// The answer to a ping, as a whole frame.
    fn pong(&self) -> Option<Bytes> {
        None
    }

    /// The last word, as whole frames, before this layer closes a connection by itself.
    fn farewell(&self, reason: CloseReason) -> Option<Bytes> {
        let _ = reason;
        None
    }
}

/// Where a frame lies in the bytes it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its body, without header.
    pub body: Range<usize>,
    /// Where the next frame begins; more than 0.
    pub end: usize,
}

/// What a frame turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded<P> {
    /// A message is complete.
    Packet(P),
    /// Its message is continued by the next frame.
    More,
    /// To be answered with the codec's pong.
    Ping,
    /// The answer to a ping; any bytes are a sign of life.
    Pong,
}

/// The frames so far of a message that is continued. Empty (and without an allocation) between messages.
#[derive(Debug, Default)]
pub struct Partial {
    /// The opcode of the message, or whatever else its first frame said about all of it.
    pub opcode: u16,
    /// The bodies so far.
    pub bytes: Vec<u8>,
}

impl Partial {
    /// Adds the next part, unless that makes more than `bytes_max`.
    pub fn push(&mut self, part: &[u8], bytes_max: usize) -> Result<(), BadFrame> {
        if self.bytes.len() + part.len() > bytes_max {
            return Err(BadFrame("message_too_long"));
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// Whether no message is under way.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The whole message; nothing is left behind.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The peer's bytes are not in order; a short word says how (`too_long`, ...). It becomes
/// `CloseReason::BadFrame`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad frame: {0}")]
pub struct BadFrame(pub &'static str);

/// A packet of ours that this codec cannot carry. It is not sent; counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("packet of {bytes} bytes is too large for its codec")]
pub struct TooLarge {
    /// Its size.
    pub bytes: usize,
}

/// The plainest codec: `u16` big-endian length, then that many bytes, which are the packet.
#[derive(Debug, Clone)]
pub struct Framed {
    /// The longest body taken from a peer; at most 65,535.
    pub frame_bytes_max: usize,
}

impl Default for Framed {
    fn default() -> Self {
        Self { frame_bytes_max: usize::from(u16::MAX) }
    }
}

const HEADER_BYTES: usize = 2;

impl Codec<Bytes> for Framed {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*header));
        if length > self.frame_bytes_max {
            return Err(BadFrame("too_long"));
        }
        let end = HEADER_BYTES + length;
        Ok((bytes.len() >= end).then_some(Frame { body: HEADER_BYTES..end, end }))
    }

    fn decode(&self, _partial: &mut Partial, body: &[u8]) -> Result<Decoded<Bytes>, BadFrame> {
        Ok(Decoded::Packet(Bytes::copy_from_slice(body)))
    }

    fn encode(&self, packet: &Bytes, out: &mut BytesMut) -> Result<(), TooLarge> {
        let length = u16::try_from(packet.len()).map_err(|_| TooLarge { bytes: packet.len() })?;
        out.reserve(HEADER_BYTES + packet.len());
        out.put_u16(length);
        out.put_slice(packet);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_whole_or_not_at_all() {
        let stream = [0, 3, b'a', b'b', b'c', 0, 0, 0, 1];
        for cut in 0..=stream.len() {
            let found = Framed::default().frame(&stream[..cut]).unwrap();
            assert_eq!(found, (cut >= 5).then_some(Frame { body: 2..5, end: 5 }), "cut at {cut}");
        }
        assert_eq!(Framed::default().frame(&stream[5..]).unwrap(), Some(Frame { body: 2..2, end: 2 }));
    }

    #[test]
    fn a_too_long_frame_is_refused_from_its_header_alone() {
        let codec = Framed { frame_bytes_max: 4 };
        assert_eq!(codec.frame(&[0]), Ok(None));
        assert_eq!(codec.frame(&[0, 4]), Ok(None));
        assert_eq!(codec.frame(&[0, 5]), Err(BadFrame("too_long")));
    }

    #[test]
    fn a_packet_too_large_for_the_length_field_is_not_written() {
        let mut out = BytesMut::new();
        let codec = Framed::default();
        let packet = Bytes::from(vec![7; 65_536]);
        assert_eq!(codec.encode(&packet, &mut out), Err(TooLarge { bytes: 65_536 }));
        assert!(out.is_empty());
        codec.encode(&packet.slice(1..), &mut out).unwrap();
        assert_eq!(codec.frame(&out).unwrap(), Some(Frame { body: 2..65_537, end: 65_537 }));
    }

    #[test]
    fn an_unfinished_message_is_bounded() {
        let mut partial = Partial::default();
        partial.push(&[1; 6], 10).unwrap();
        assert_eq!(partial.push(&[2; 5], 10), Err(BadFrame("message_too_long")));
        partial.push(&[2; 4], 10).unwrap();
        assert_eq!(partial.take().len(), 10);
        assert!(partial.is_empty());
    }
}
