//! The same packets for programs: in frames, with pings. Step 5 of `docs/tutorial.md`.
//!
//! Invariant: what one codec lets in, the other can carry: both take `text` and nothing else.

use usher_hpserver::{BadFrame, Bytes, BytesMut, Codec, Decoded, Frame, Framed, Partial, TooLarge};

use crate::lines::text;

/// A packet is a frame of `Framed`. An empty frame is a ping from us and a pong from them.
pub(crate) struct Frames(pub(crate) Framed);

impl Codec<String> for Frames {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        self.0.frame(bytes)
    }

    fn decode(&self, _partial: &mut Partial, body: &[u8]) -> Result<Decoded<String>, BadFrame> {
        if body.is_empty() {
            return Ok(Decoded::Pong);
        }
        text(body).map(Decoded::Packet)
    }

    fn encode(&self, packet: &String, out: &mut BytesMut) -> Result<(), TooLarge> {
        let length = u16::try_from(packet.len()).map_err(|_| TooLarge { bytes: packet.len() })?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(packet.as_bytes());
        Ok(())
    }

    fn ping(&self) -> Option<Bytes> {
        Some(Bytes::from_static(&[0, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let codec = Frames(Framed::default());
        let mut wire = BytesMut::new();
        codec.encode(&"hello".into(), &mut wire).unwrap();
        let frame = codec.frame(&wire).unwrap().unwrap();
        assert_eq!(frame.end, wire.len());
        let packet = codec.decode(&mut Partial::default(), &wire[frame.body]);
        assert_eq!(packet, Ok(Decoded::Packet("hello".into())));
    }

    #[test]
    fn an_empty_frame_is_a_sign_of_life_and_no_packet() {
        let codec = Frames(Framed::default());
        assert_eq!(codec.decode(&mut Partial::default(), &[]), Ok(Decoded::Pong));
        assert_eq!(codec.decode(&mut Partial::default(), b"\n"), Err(BadFrame("control_character")));
    }
}
