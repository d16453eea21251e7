//! The protocols of the suite: a codec with everything a codec can have, one by lines, and a channel.

use std::net::SocketAddr;

use usher_hpserver::{
    Answer, BadFrame, Bytes, BytesMut, Channel, CloseReason, Codec, Decoded, Frame, Framed, Partial, Refusal,
    TooLarge,
};

/// `Framed` whose body begins with a kind: `.` the end of a message, `+` more follows, `?` ping, `!` pong,
/// `~` farewell. Longer messages are cut into parts.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) pings: bool,
    pub(crate) part_bytes: usize,
}

impl Default for Talk {
    fn default() -> Self {
        Self { pings: false, part_bytes: 1000 }
    }
}

pub(crate) const MESSAGE_MAX: usize = 3 << 20;

/// A frame of that kind.
pub(crate) fn frame(kind: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    let body: Vec<u8> = [&[kind], body].concat();
    Framed::default().encode(&body.into(), &mut out).unwrap();
    out.freeze()
}

/// A first frame for `Names`.
pub(crate) fn hello(name: &[u8]) -> Vec<u8> {
    [&(name.len() as u16).to_be_bytes()[..], name].concat()
}

impl Codec<Bytes> for Talk {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        Framed { frame_bytes_max: 2000 }.frame(bytes)
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Bytes>, BadFrame> {
        let (kind, body) = body.split_first().ok_or(BadFrame("no_kind"))?;
        match kind {
            b'.' if partial.is_empty() => Ok(Decoded::Packet(Bytes::copy_from_slice(body))),
            b'.' | b'+' => {
                partial.push(body, MESSAGE_MAX)?;
                Ok(if *kind == b'+' { Decoded::More } else { Decoded::Packet(partial.take().into()) })
            }
            b'?' => Ok(Decoded::Ping),
            b'!' => Ok(Decoded::Pong),
            _ => Err(BadFrame("kind")),
        }
    }

    fn encode(&self, packet: &Bytes, out: &mut BytesMut) -> Result<(), TooLarge> {
        if packet.len() > MESSAGE_MAX {
            return Err(TooLarge { bytes: packet.len() });
        }
        let mut rest = &packet[..];
        while rest.len() > self.part_bytes {
            out.extend(frame(b'+', &rest[..self.part_bytes]));
            rest = &rest[self.part_bytes..];
        }
        out.extend(frame(b'.', rest));
        Ok(())
    }

    fn ping(&self) -> Option<Bytes> {
        self.pings.then(|| frame(b'?', b""))
    }

    fn pong(&self) -> Option<Bytes> {
        Some(frame(b'!', b""))
    }

    fn farewell(&self, reason: CloseReason) -> Option<Bytes> {
        Some(frame(b'~', reason.name().as_bytes()))
    }
}

/// A packet a line.
pub(crate) struct Lines;

impl Codec<Bytes> for Lines {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        Ok(end.map(|end| Frame { body: 0..end, end: end + 1 }))
    }

    fn decode(&self, _: &mut Partial, body: &[u8]) -> Result<Decoded<Bytes>, BadFrame> {
        Ok(Decoded::Packet(Bytes::copy_from_slice(body)))
    }

    fn encode(&self, packet: &Bytes, out: &mut BytesMut) -> Result<(), TooLarge> {
        out.extend_from_slice(packet);
        out.extend_from_slice(b"\n");
        Ok(())
    }
}

/// The first frame is a name; `stranger` is not let near the service.
pub(crate) struct Names;

impl Channel<Bytes, String> for Names {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, first_frame: &[u8], _: SocketAddr) -> Result<String, Refusal> {
        let name = String::from_utf8_lossy(first_frame).into_owned();
        if name == "stranger" {
            return Err(Refusal { last_words: frame(b'~', b"who?"), reason: "stranger" });
        }
        Ok(name)
    }

    fn welcome(&self) -> Bytes {
        frame(b'w', b"elcome")
    }

    fn refusal(&self, packet: &Bytes) -> Bytes {
        frame(b'r', packet)
    }

    fn hello(&self, body: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        Framed::default().encode(&Bytes::copy_from_slice(body), &mut out).unwrap();
        out.freeze()
    }

    fn answered(&self, frame: &[u8]) -> Result<Answer<Bytes>, BadFrame> {
        match frame.split_first() {
            Some((b'w', _)) => Ok(Answer::Welcome),
            Some((b'r', words)) => Ok(Answer::Refused(Bytes::copy_from_slice(words))),
            _ => Err(BadFrame("answer")),
        }
    }
}
