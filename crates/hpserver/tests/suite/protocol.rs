//! The protocols of the suite: a codec with everything a codec can have, one by lines, and a channel.

use std::net::SocketAddr;

use usher_hpserver::{
    Answer, BadFrame, Bytes, BytesMut, Channel, CloseReason, Codec, Decoded, Frame, Framed, Greeted,
    Handshake, KeySpent, Keys, Offer, Open, Partial, Refusal, Seal, TooLarge,
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

    fn greet(&self, first_frame: &[u8], _: SocketAddr) -> Result<Greeted<String>, Refusal> {
        let name = String::from_utf8_lossy(first_frame).into_owned();
        if name == "stranger" {
            return Err(Refusal { last_words: frame(b'~', b"who?"), reason: "stranger" });
        }
        Ok(Greeted { greeting: name, handshake: None })
    }

    fn welcome(&self) -> Bytes {
        frame(b'w', b"elcome")
    }

    fn refusal(&self, packet: &Bytes) -> Bytes {
        frame(b'.', packet)
    }
}

/// Gives that name; a welcome with a body brings keys.
pub(crate) struct Named(pub(crate) &'static str);

impl Offer for Named {
    fn hello(&mut self) -> Bytes {
        if self.0.is_empty() { Bytes::new() } else { hello(self.0.as_bytes()).into() }
    }

    fn answered(self: Box<Self>, frame: &[u8]) -> Result<Answer, BadFrame> {
        match frame {
            b"wsealed" => Ok(Answer::Welcome(Some(Turns::keys()))),
            [b'w', ..] => Ok(Answer::Welcome(None)),
            [b'.', ..] => Ok(Answer::Refused),
            _ => Err(BadFrame("answer")),
        }
    }
}

/// `Names`, and every frame after it is sealed. `liar` is admitted and cannot do the exchange.
pub(crate) struct SealedNames;

struct Exchange {
    lies: bool,
}

impl Channel<Bytes, String> for SealedNames {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<Greeted<String>, Refusal> {
        let Greeted { greeting, .. } = Names.greet(first_frame, peer)?;
        let exchange = Exchange { lies: greeting == "liar" };
        Ok(Greeted { greeting, handshake: Some(Box::new(exchange)) })
    }

    fn welcome(&self) -> Bytes {
        panic!("the handshake says it")
    }

    fn refusal(&self, packet: &Bytes) -> Bytes {
        frame(b'.', packet)
    }
}

impl Handshake for Exchange {
    fn accept(self: Box<Self>) -> Result<(Bytes, Keys), &'static str> {
        if self.lies {
            return Err("lies");
        }
        Ok((frame(b'w', b"sealed"), Turns::keys()))
    }
}

/// A cipher for tests: a frame is its turn, then its body with every byte turned by that. A frame that is left out,
/// comes twice or in another place does not open. After [`Turns::MAX`] frames the key is spent.
pub(crate) struct Turns {
    next: u16,
}

impl Turns {
    pub(crate) const MAX: u16 = 5_000;

    pub(crate) fn new() -> Self {
        Self { next: 1 }
    }

    fn keys() -> Keys {
        Keys { seal: Box::new(Self::new()), open: Box::new(Self::new()) }
    }

    fn turn(&mut self, body: &[u8]) -> Vec<u8> {
        let turn = self.next;
        self.next += 1;
        body.iter().map(|byte| byte ^ turn as u8).collect()
    }
}

impl Seal for Turns {
    fn seal(&mut self, mut frames: &[u8], out: &mut BytesMut) -> Result<(), KeySpent> {
        while let Some(Frame { body, end }) = Framed::default().frame(frames).unwrap() {
            if self.next > Self::MAX {
                return Err(KeySpent);
            }
            let turn = self.next.to_be_bytes();
            let sealed = [&turn[..], &self.turn(&frames[body])].concat();
            Framed::default().encode(&sealed.into(), out).unwrap();
            frames = &frames[end..];
        }
        assert!(frames.is_empty(), "whole frames");
        Ok(())
    }
}

impl Open for Turns {
    fn open(&mut self, body: &[u8], clear: &mut Vec<u8>) -> Result<(), BadFrame> {
        assert!(clear.is_empty());
        let (turn, sealed) = body.split_first_chunk().ok_or(BadFrame("unsealed"))?;
        if u16::from_be_bytes(*turn) != self.next {
            return Err(BadFrame("forged"));
        }
        clear.extend(self.turn(sealed));
        Ok(())
    }
}
