//! Fits the channel's keys to layer 2: native frames sealed and opened one by one.
//!
//! Why: layer 2 knows no cipher and `usher_secure` no frame.
//! Invariants: a sealed frame is a native frame whose body is what was sealed and its tag.
//! Limits: the body of a frame in clear leaves room for the tag (`usher_proto::codec`).
//! Read next: `usher_secure::cipher`, [`crate::door`], [`crate::call`].

use bytes::{BufMut, BytesMut};
use usher_hpserver::{BadFrame, KeySpent, Keys, Open, Seal};
use usher_secure::cipher::{Opening, Sealing, TAG_BYTES};
use usher_secure::noise::Split;

struct Sealer(Sealing);

struct Opener(Opening);

/// The two halves of an open channel, for the stages that use them.
pub fn keys(split: Split) -> Keys {
    Keys { seal: Box::new(Sealer(split.sealing)), open: Box::new(Opener(split.opening)) }
}

/// A body of at most 65,535 bytes as a native frame, in clear.
pub fn framed(body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(2 + body.len());
    frame.put_u16(body.len() as u16);
    frame.put_slice(body);
    frame
}

impl Seal for Sealer {
    fn seal(&mut self, mut frames: &[u8], out: &mut BytesMut) -> Result<(), KeySpent> {
        while let Some((length, rest)) = frames.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            // Half a frame, or one without room for its tag: nothing of this connection could be opened any more.
            let (body, others) = rest.split_at_checked(length).ok_or(KeySpent)?;
            let sealed_bytes = u16::try_from(length + TAG_BYTES).map_err(|_| KeySpent)?;
            out.reserve(2 + usize::from(sealed_bytes));
            out.put_u16(sealed_bytes);
            let start = out.len();
            out.put_slice(body);
            let tag = self.0.seal(&mut out[start..]).map_err(|_| KeySpent)?;
            out.put_slice(&tag);
            frames = others;
        }
        Ok(())
    }
}

impl Open for Opener {
    fn open(&mut self, body: &[u8], clear: &mut Vec<u8>) -> Result<(), BadFrame> {
        self.0.open(body, clear).map_err(|_| BadFrame("forged"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_secure::noise::{Initiator, Known, Proof, respond};

    #[test]
    fn frames_are_sealed_one_by_one_and_open_in_order() {
        let key = [7; 32];
        let (initiator, first) = Initiator::begin(Known::Shared(&key), b"");
        let (answer, there) = respond(Proof::Shared(&key), b"", &first).unwrap();
        let (mut here, mut there) = (keys(initiator.finish(&answer).unwrap()), keys(there));
        let texts = [&b"one"[..], b"", &[3; 9_000]];
        let frames: Vec<u8> = texts.iter().flat_map(|text| framed(text)).collect();
        let mut wire = BytesMut::new();
        here.seal.seal(&frames, &mut wire).unwrap();
        let mut rest = &wire[..];
        for text in texts {
            let (length, after) = rest.split_first_chunk::<2>().unwrap();
            let (body, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            let mut clear = Vec::new();
            there.open.open(body, &mut clear).unwrap();
            assert_eq!(clear, text);
            rest = after;
        }
        assert_eq!(rest, b"");
        for wrong in [&framed(b"half")[..5], &framed(&vec![0; 65_520])] {
            assert_eq!(here.seal.seal(wrong, &mut BytesMut::new()), Err(KeySpent), "{} bytes", wrong.len());
        }
        assert_eq!(there.open.open(&wire[2..5], &mut Vec::new()), Err(BadFrame("forged")));
    }
}
