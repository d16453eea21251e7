//! Lines of text as a codec, so that one can talk to a server with `nc`. Step 3 of `docs/tutorial.md`.
//!
//! Invariants: a line too long is refused from its first byte too many; what is kept of an unfinished line is
//! never more than `line_bytes_max`; no packet has a control character in it.

use usher_hpserver::{BadFrame, Bytes, BytesMut, CloseReason, Codec, Decoded, Frame, Partial, TooLarge};

/// A packet is a line, without the `\n` or `\r\n` that ends it.
pub(crate) struct Lines {
    /// Bytes before the `\n`.
    pub(crate) line_bytes_max: usize,
}

impl Codec<String> for Lines {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        let looked_at = &bytes[..bytes.len().min(self.line_bytes_max + 1)];
        match looked_at.iter().position(|byte| *byte == b'\n') {
            Some(at) => Ok(Some(Frame { body: 0..at, end: at + 1 })),
            None if looked_at.len() > self.line_bytes_max => Err(BadFrame("line_too_long")),
            None => Ok(None),
        }
    }

    fn decode(&self, _partial: &mut Partial, body: &[u8]) -> Result<Decoded<String>, BadFrame> {
        text(body.strip_suffix(b"\r").unwrap_or(body)).map(Decoded::Packet)
    }

    fn encode(&self, packet: &String, out: &mut BytesMut) -> Result<(), TooLarge> {
        out.extend_from_slice(packet.as_bytes());
        out.extend_from_slice(b"\n");
        Ok(())
    }

    fn farewell(&self, reason: CloseReason) -> Option<Bytes> {
        let why = match reason {
            CloseReason::BadFrame(word) => word,
            reason => reason.name(),
        };
        Some(format!("bye: {why}\n").into())
    }
}

/// Text that may be shown to others: a control character could end a line early, or command a terminal.
pub(crate) fn text(body: &[u8]) -> Result<String, BadFrame> {
    let text = std::str::from_utf8(body).map_err(|_| BadFrame("not_utf8"))?;
    if text.chars().any(char::is_control) {
        return Err(BadFrame("control_character"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the receive stage does with a codec: whole frames are taken, the rest is kept.
    fn read(codec: &Lines, pieces: &[&[u8]]) -> Result<Vec<String>, BadFrame> {
        let (mut kept, mut packets) = (Vec::new(), Vec::new());
        for piece in pieces {
            kept.extend_from_slice(piece);
            while let Some(frame) = codec.frame(&kept)? {
                if let Decoded::Packet(packet) = codec.decode(&mut Partial::default(), &kept[frame.body])? {
                    packets.push(packet);
                }
                kept.drain(..frame.end);
            }
            assert!(kept.len() <= codec.line_bytes_max);
        }
        Ok(packets)
    }

    #[test]
    fn lines_are_the_same_at_every_split() {
        let codec = Lines { line_bytes_max: 16 };
        let stream = "one\ntwo\r\n\ntr\u{e8}s\n".as_bytes();
        let lines: Vec<_> = ["one", "two", "", "tr\u{e8}s"].map(String::from).into();
        for cut in 0..=stream.len() {
            let (head, rest) = stream.split_at(cut);
            assert_eq!(read(&codec, &[head, rest]), Ok(lines.clone()), "cut at {cut}");
        }
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(read(&codec, &bytes), Ok(lines));
    }

    #[test]
    fn a_line_too_long_is_refused_from_its_first_byte_too_many() {
        let codec = Lines { line_bytes_max: 4 };
        assert_eq!(codec.frame(b"four"), Ok(None));
        assert_eq!(codec.frame(b"four\n"), Ok(Some(Frame { body: 0..4, end: 5 })));
        assert_eq!(codec.frame(b"five!"), Err(BadFrame("line_too_long")));
        assert_eq!(codec.frame(b"five!\n"), Err(BadFrame("line_too_long")));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let codec = Lines { line_bytes_max: 16 };
        assert_eq!(read(&codec, &[b"a\x1b[2J\n"]), Err(BadFrame("control_character")));
        assert_eq!(read(&codec, &[b"a\rb\n"]), Err(BadFrame("control_character")));
        assert_eq!(read(&codec, &[b"\xff\n"]), Err(BadFrame("not_utf8")));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let codec = Lines { line_bytes_max: 16 };
        let mut wire = BytesMut::new();
        for line in ["one", "", "three"] {
            codec.encode(&line.into(), &mut wire).unwrap();
        }
        assert_eq!(read(&codec, &[&wire]).unwrap(), ["one", "", "three"]);
    }
}
