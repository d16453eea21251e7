//! Fits the vocabulary to layer 2: native frames ([`Native`]), or lines of JSON ([`JsonLines`]).
//!
//! Why: layer 2 knows bytes and not messages; these are the adapters between its `Codec` and `usher_proto`. Any
//! listener may have either.
//! Owns: which end may hear what ([`Side`]), and the last words of each end.
//! Invariants: a listener decodes only what its peers may say; everything else is a bad frame, or a line that is
//! answered.
//! Limits: `frame_bytes_max` of a frame, from its header alone; each opcode's own limit.
//! Read next: [`crate::door`] for the frame that comes before these; `codec/json_lines.rs`.

mod json_lines;

pub use json_lines::JsonLines;

use bytes::{BufMut, Bytes, BytesMut};
use usher_hpserver::trunk::TrunkCodec;
use usher_hpserver::{BadFrame, CloseReason as Closed, Codec, Decoded, Frame, Partial, TooLarge};
use usher_proto::Message;
use usher_proto::codec::{self, CodecError, Form, Unfinished};
use usher_proto::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
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
    /// A push server, facing terminals.
    ToTerminals,
    /// A push server, facing controllers.
    ToControllers,
    /// A push server, facing administrators.
    ToAdministrators,
    /// A terminal, controller or administrator, facing its push server.
    PushClient,
    /// A host, facing its workers.
    ToWorkers,
    /// A worker, facing its host.
    Worker,
}

impl Side {
    /// Whom this end hears.
    pub fn hears(self) -> fn(Speaker) -> bool {
        match self {
            Self::Server => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Client),
            Self::Client => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Server),
            Self::Manager => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Node | Speaker::Linked),
            Self::Node => |speaker| {
                matches!(speaker, Speaker::Anyone | Speaker::Manager | Speaker::Linked | Speaker::Server)
            },
            Self::ToTerminals => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Terminal),
            Self::ToControllers => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Controller),
            Self::ToAdministrators => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Administrator),
            Self::ToWorkers => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Worker),
            Self::Worker => |speaker| matches!(speaker, Speaker::Anyone | Speaker::Host | Speaker::Server),
            Self::PushClient => {
                |speaker| matches!(speaker, Speaker::Anyone | Speaker::Push | Speaker::Server)
            }
        }
    }

    /// What this end says last when layer 2 closes for `reason`. Who dialled just leaves.
    fn last_words(self, reason: Closed) -> Option<Message> {
        if matches!(self, Self::Client | Self::Node | Self::PushClient | Self::ToWorkers | Self::Worker) {
            return None;
        }
        let reason = match reason {
            Closed::BadFrame(_) => CloseReason::BadFrame,
            Closed::FirstMessageDeadline => CloseReason::FirstMessageDeadline,
            Closed::PingTimeout => CloseReason::PingTimeout,
            Closed::SlowConsumer => CloseReason::SlowConsumer,
            Closed::RateLimited => CloseReason::RateLimited,
            Closed::ConnectionsFull => CloseReason::ConnectionsFull,
            // A first frame that is refused has its last words from the door.
            Closed::GreetingRefused(_) => CloseReason::HandshakeFailed,
            Closed::Shutdown => CloseReason::ServerStopping,
            _ => return None,
        };
        Some(Closing { reason }.into())
    }
}

/// What was decoded, with signs of life told apart: those are layer 2's.
fn decoded(message: Message) -> Decoded<Message> {
    match message {
        Message::Ping(_) => Decoded::Ping,
        Message::Pong(_) => Decoded::Pong,
        message => Decoded::Packet(message),
    }
}

fn too_large(error: &CodecError, message: &Message) -> TooLarge {
    tracing::error!(%error, message = message.spec().name, "a message of ours does not fit its opcode");
    TooLarge { bytes: MESSAGE_BYTES_MAX }
}

/// The native codec: `u16` big-endian length and one packet each.
#[derive(Clone, Copy, Debug)]
pub struct Native {
    /// Which end this is.
    pub side: Side,
    /// How packets are written.
    pub form: Form,
    /// The longest frame taken from a peer.
    pub frame_bytes_max: usize,
}

impl Codec<Message> for Native {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > self.frame_bytes_max {
            return Err(BadFrame("too_long"));
        }
        Ok((rest.len() >= length).then_some(Frame { body: 2..2 + length, end: 2 + length }))
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Message>, BadFrame> {
        let mut unfinished = Unfinished { opcode: partial.opcode, body: std::mem::take(&mut partial.bytes) };
        let decoded = codec::decode(self.form, self.side.hears(), &mut unfinished, body);
        partial.opcode = unfinished.opcode;
        partial.bytes = unfinished.body;
        match decoded {
            Ok(Some(message)) => Ok(self::decoded(message)),
            Ok(None) => Ok(Decoded::More),
            Err(error) => {
                tracing::debug!(%error, "frame refused");
                Err(BadFrame(word(&error)))
            }
        }
    }

    fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), TooLarge> {
        codec::encode(self.form, message, |header, body| {
            out.put_u16((header.len() + body.len()) as u16);
            out.put_slice(&header);
            out.put_slice(body);
        })
        .map_err(|error| too_large(&error, message))
    }

    fn ping(&self) -> Option<Bytes> {
        Some(self.frames(&Ping {}.into()))
    }

    fn pong(&self) -> Option<Bytes> {
        Some(self.frames(&Pong {}.into()))
    }

    fn farewell(&self, reason: Closed) -> Option<Bytes> {
        self.side.last_words(reason).map(|message| self.frames(&message))
    }
}

impl Native {
    /// With frames as long as their length can say.
    pub const fn new(side: Side) -> Self {
        Self { side, form: Form::MessagePack, frame_bytes_max: FRAME_BYTES_MAX }
    }

    /// A message as whole frames.
    pub fn frames(&self, message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        match self.encode(message, &mut out) {
            Ok(()) => out.freeze(),
            Err(_) => Bytes::new(),
        }
    }
}

/// Trunks at the end that accepts them: records, and a word in clear to who gets no trunk.
#[derive(Clone, Copy, Debug)]
pub struct Trunks(pub Native);

impl Codec<Message> for Trunks {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        Codec::<Message>::frame(&TrunkCodec, bytes)
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Message>, BadFrame> {
        TrunkCodec.decode(partial, body)
    }

    fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), TooLarge> {
        TrunkCodec.encode(message, out)
    }

    fn ping(&self) -> Option<Bytes> {
        Codec::<Message>::ping(&TrunkCodec)
    }

    fn farewell(&self, reason: Closed) -> Option<Bytes> {
        let is_before_it_is_open = matches!(reason, Closed::GreetingRefused(_) | Closed::ConnectionsFull);
        is_before_it_is_open.then(|| self.0.farewell(reason)).flatten()
    }
}

/// The word by which a refused frame is counted.
fn word(error: &CodecError) -> &'static str {
    match error {
        CodecError::Short(_) => "short",
        CodecError::UnknownOpcode(_) | CodecError::UnknownName(_) => "unknown_opcode",
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

    const SERVER: Native = Native::new(Side::Server);
    const CLIENT: Native = Native::new(Side::Client);

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
    fn a_frame_over_the_limit_is_refused_from_its_header_alone() {
        let codec = Native { frame_bytes_max: 300, ..SERVER };
        assert_eq!(codec.frame(&[1]), Ok(None));
        assert_eq!(codec.frame(&[1, 44]), Ok(None));
        assert_eq!(codec.frame(&[1, 45]), Err(BadFrame("too_long")));
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
