//! What a gateway's connections carry, and how it lies in their streams.
//!
//! Why: a gateway reads none of what its players say. Their frames pass as they are: cut from one stream, put into
//! another.
//! Owns: the three kinds of packet, a codec each.
//! Invariants: what is sent to a player are whole frames in clear, as the server made them ([`whole_frames`] sees to
//! that); the channel seals them one by one.
//! Read next: [`crate::trunk`], which moves them.

use bytes::{BufMut, Bytes, BytesMut};
use usher_hpserver::trunk::{NOBODY, TrunkFrame, record};
use usher_hpserver::{BadFrame, CloseReason, Codec, Decoded, DialError, Frame, Framed, Partial, TooLarge};
use usher_proto::Message;
use usher_proto::codec::SEAL_BYTES_MAX;
use usher_proto::limits::FRAME_BYTES_MAX;
use usher_proto::message::Closing;
use usher_runtime::codec::{Native, Side};

/// One packet of any of a gateway's connections.
#[derive(Clone, Debug)]
pub enum Packet {
    /// Of a player: whole frames.
    Frames(Bytes),
    /// Of a trunk: whole records to it, the body of one from it.
    Records(Bytes),
    /// Of the manager.
    Message(Message),
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

const HEADER_BYTES: usize = 2;
/// What a body in clear may have, so that it can be sealed.
const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX - SEAL_BYTES_MAX;
/// Frames of so much are sent as the part of a record that they are; smaller ones are copied, for what waits for a
/// slow player is not to hold the whole record.
const SHARED_BYTES_MIN: usize = 4096;

/// How many bytes of what a server says to a player are whole frames.
pub fn whole_frames(bytes: &[u8]) -> Result<usize, BadFrame> {
    let framed = Framed { frame_bytes_max: BODY_BYTES_MAX };
    let mut whole = 0;
    while let Some(frame) = framed.frame(&bytes[whole..])? {
        whole += frame.end;
    }
    Ok(whole)
}

/// The players' side. Their pings are the server's to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Players {
    /// What a player is told before this gateway closes for a reason of its own; nothing where what passes is not the
    /// native protocol.
    pub words: Option<Native>,
}

impl Codec<Packet> for Players {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        Framed::default().frame(bytes)
    }

    fn decode(&self, _partial: &mut Partial, body: &[u8]) -> Result<Decoded<Packet>, BadFrame> {
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + body.len());
        frame.put_u16(body.len() as u16);
        frame.put_slice(body);
        Ok(Decoded::Packet(Packet::Frames(frame.freeze())))
    }

    fn encode(&self, packet: &Packet, out: &mut BytesMut) -> Result<(), TooLarge> {
        match packet {
            Packet::Frames(bytes) => out.put_slice(bytes),
            // What becomes of another connection's message here is what the server says of this gateway's own.
            Packet::Message(message) => out.put_slice(&self.say(message)),
            Packet::Records(records) => return Err(TooLarge { bytes: records.len() }),
        }
        Ok(())
    }

    fn frames(&self, packet: &Packet) -> Option<Bytes> {
        match packet {
            Packet::Frames(bytes) if bytes.len() >= SHARED_BYTES_MIN => Some(bytes.clone()),
            _ => None,
        }
    }

    fn farewell(&self, reason: CloseReason) -> Option<Bytes> {
        self.words.and_then(|native| native.farewell(reason))
    }
}

impl Players {
    /// A message of this gateway's own, as whole frames; empty where players would not understand it.
    pub fn say(&self, message: &Message) -> Bytes {
        self.words.map_or(Bytes::new(), |native| native.frames(message))
    }
}

/// The servers' side: see `usher_hpserver::trunk`.
#[derive(Clone, Copy, Debug)]
pub struct Trunks;

impl Codec<Packet> for Trunks {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        Framed::default().frame(bytes)
    }

    fn decode(&self, _partial: &mut Partial, body: &[u8]) -> Result<Decoded<Packet>, BadFrame> {
        Ok(Decoded::Packet(Packet::Records(Bytes::copy_from_slice(body))))
    }

    fn encode(&self, packet: &Packet, out: &mut BytesMut) -> Result<(), TooLarge> {
        match packet {
            Packet::Records(records) => out.put_slice(records),
            Packet::Frames(bytes) => return Err(TooLarge { bytes: bytes.len() }),
            Packet::Message(_) => return Err(TooLarge { bytes: 0 }),
        }
        Ok(())
    }

    fn frames(&self, packet: &Packet) -> Option<Bytes> {
        match packet {
            Packet::Records(records) => Some(records.clone()),
            _ => None,
        }
    }

    fn ping(&self) -> Option<Bytes> {
        Some(record(NOBODY, &TrunkFrame::Ping))
    }
}

/// Why a dial failed, with the server's own word where it said one.
pub fn words_of(why: &DialError<Packet>) -> String {
    match why {
        DialError::Refused(Packet::Records(said)) => {
            match Native::new(Side::Node).decode(&mut Partial::default(), said) {
                Ok(Decoded::Packet(Message::Closing(Closing { reason }))) => {
                    format!("refused: {}", reason.as_str())
                }
                said => format!("refused: {said:?}"),
            }
        }
        DialError::Refused(said) => format!("refused: {said:?}"),
        DialError::Connect(kind) => kind.to_string(),
        DialError::Closed => "no answer".into(),
    }
}

/// The manager's side.
#[derive(Clone, Copy, Debug)]
pub struct ToManager(pub Native);

impl Default for ToManager {
    fn default() -> Self {
        Self(Native::new(Side::Node))
    }
}

impl Codec<Packet> for ToManager {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        self.0.frame(bytes)
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Packet>, BadFrame> {
        Ok(match self.0.decode(partial, body)? {
            Decoded::Packet(message) => Decoded::Packet(Packet::Message(message)),
            Decoded::More => Decoded::More,
            Decoded::Ping => Decoded::Ping,
            Decoded::Pong => Decoded::Pong,
        })
    }

    fn encode(&self, packet: &Packet, out: &mut BytesMut) -> Result<(), TooLarge> {
        match packet {
            Packet::Message(message) => self.0.encode(message, out),
            Packet::Frames(bytes) | Packet::Records(bytes) => Err(TooLarge { bytes: bytes.len() }),
        }
    }

    fn ping(&self) -> Option<Bytes> {
        self.0.ping()
    }

    fn pong(&self) -> Option<Bytes> {
        self.0.pong()
    }
}
