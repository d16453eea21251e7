//! Fits the vocabulary to layer 2: native frames, `u16` big-endian length and one packet each.
//!
//! Why: layer 2 knows bytes and not messages; this is the adapter between its `Codec` and `usher_proto`.
//! Invariants: a listener decodes only what its peers may say ([`Side`]); everything else is a bad frame.
//! Limits: 65,535 bytes a frame, and each opcode's own limit.
//! Read next: [`crate::door`] for the frame that comes before these.

use bytes::{BufMut, Bytes, BytesMut};
use usher_hpserver::{BadFrame, CloseReason as Closed, Codec, Decoded, Frame, Partial, TooLarge};
use usher_proto::Message;
use usher_proto::codec::{self, CodecError, Unfinished};
use usher_proto::limits::MESSAGE_BYTES_MAX;
use usher_proto::message::{CloseReason, Closing, Ping, Pong, Speaker};

/// Who this end of a connection is, and so what the other end may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A login, hall or room server, facing players.
    Server,
    /// A player.
    Client,
    /// The manager, facing servers.
    Manager,
    /// A server, facing its manager.
    Node,
}

impl Side {
    fn hears(self) -> fn(Speaker) -> bool {
        match self {
            Self::Server => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Client),
            Self::Client => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Server),
            Self::Manager => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Node),
            Self::Node => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Manager | Speaker::Server),
        }
    }
}

/// The native codec.
#[derive(Clone, Copy, Debug)]
pub struct Native {
    /// Which end this is.
    pub side: Side,
}

impl Codec<Message> for Native {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        Ok((rest.len() >= length).then_some(Frame { body: 2..2 + length, end: 2 + length }))
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Message>, BadFrame> {
        let mut unfinished = Unfinished { opcode: partial.opcode, body: std::mem::take(&mut partial.bytes) };
        let decoded = codec::decode(self.side.hears(), &mut unfinished, body);
        partial.opcode = unfinished.opcode;
        partial.bytes = unfinished.body;
        match decoded {
            Ok(Some(Message::Ping(_))) => Ok(Decoded::Ping),
            Ok(Some(Message::Pong(_))) => Ok(Decoded::Pong),
            Ok(Some(message)) => Ok(Decoded::Packet(message)),
            Ok(None) => Ok(Decoded::More),
            Err(error) => {
                tracing::debug!(%error, "frame refused");
                Err(BadFrame(word(&error)))
            }
        }
    }

    fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), TooLarge> {
        codec::encode(message, |header, body| {
            out.put_u16((header.len() + body.len()) as u16);
            out.put_slice(&header);
            out.put_slice(body);
        })
        .map_err(|error| {
            tracing::error!(%error, message = message.spec().name, "a message of ours does not fit its opcode");
            TooLarge { bytes: MESSAGE_BYTES_MAX }
        })
    }

    fn ping(&self) -> Option<Bytes> {
        Some(self.frames(&Ping {}.into()))
    }

    fn pong(&self) -> Option<Bytes> {
        Some(self.frames(&Pong {}.into()))
    }

    fn farewell(&self, reason: Closed) -> Option<Bytes> {
        if matches!(self.side, Side::Client | Side::Node) {
            return None; // who dialled just leaves
        }
        let reason = match reason {
            Closed::BadFrame(_) => CloseReason::BadFrame,
            Closed::FirstMessageDeadline => CloseReason::FirstMessageDeadline,
            Closed::PingTimeout => CloseReason::PingTimeout,
            Closed::SlowConsumer => CloseReason::SlowConsumer,
            Closed::ConnectionsFull => CloseReason::ConnectionsFull,
            Closed::Shutdown => CloseReason::ServerStopping,
            _ => return None,
        };
        Some(self.frames(&Closing { reason }.into()))
    }
}

impl Native {
    /// A message as whole frames.
    pub fn frames(&self, message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        match self.encode(message, &mut out) {
            Ok(()) => out.freeze(),
            Err(_) => Bytes::new(),
        }
    }
}

/// The word by which a refused frame is counted.
fn word(error: &CodecError) -> &'static str {
    match error {
        CodecError::Short(_) => "short",
        CodecError::UnknownOpcode(_) => "unknown_opcode",
        CodecError::WrongSpeaker(_) => "wrong_speaker",
        CodecError::UnknownFlags(_) => "unknown_flags",
        CodecError::Interrupted(_) => "interrupted",
        CodecError::TooLong { .. } => "too_long",
        CodecError::Malformed(_) => "malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::message::{Chat, ChatAccepted};

    const SERVER: Native = Native { side: Side::Server };
    const CLIENT: Native = Native { side: Side::Client };

    #[test]
    fn a_message_passes_from_end_to_end_at_every_split() {
        let chat: Message = Chat { request: 7, text: "hello".into() }.into();
        let bytes = CLIENT.frames(&chat);
        for cut in 0..bytes.len() {
            assert_eq!(SERVER.frame(&bytes[..cut]).unwrap(), None, "cut at {cut}");
        }
        let frame = SERVER.frame(&bytes).unwrap().unwrap();
        assert_eq!(frame.end, bytes.len());
        let decoded = SERVER.decode(&mut Partial::default(), &bytes[frame.body]).unwrap();
        assert_eq!(decoded, Decoded::Packet(chat));
    }

    #[test]
    fn nobody_speaks_for_the_other_side() {
        let accepted = SERVER.frames(&ChatAccepted { request: 1, seq: 1 }.into());
        let said = SERVER.decode(&mut Partial::default(), &accepted[2..]);
        assert_eq!(said, Err(BadFrame("wrong_speaker")));
        assert!(CLIENT.decode(&mut Partial::default(), &accepted[2..]).is_ok());
    }

    #[test]
    fn servers_say_why_they_close_and_players_just_leave() {
        let last = SERVER.farewell(Closed::PingTimeout).unwrap();
        let said = CLIENT.decode(&mut Partial::default(), &last[2..]).unwrap();
        assert_eq!(said, Decoded::Packet(Closing { reason: CloseReason::PingTimeout }.into()));
        assert_eq!(CLIENT.farewell(Closed::PingTimeout), None);
        assert_eq!(SERVER.farewell(Closed::PeerClosed), None);
    }
}
