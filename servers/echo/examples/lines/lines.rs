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
