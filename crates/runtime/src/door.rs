//! The first frame of a connection: who may come in at all, before any machine hears of it.
//!
//! Why: whoever has no ticket, an old one or one of another cluster is shown out with the reason, and costs
//! nothing else. The encrypted channel takes its place here: its handshake follows the first frame.
//! Owns: the check of role, version, ticket and reservation. Does not own: whether there is room; that is the
//! machine's answer to the knock.
//! Invariants: nothing past the first frame is read before the machine has admitted the connection. A
//! reservation that does not open counts as none: its holder is treated like everybody else.
//! Read next: [`crate::host`], `usher_proto::first_frame`.

use crate::answers::Seals;
use crate::clock;
use crate::codec::{Native, Side};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use usher_hpserver::{Answer, BadFrame, Channel, Codec, Decoded, Partial, Refusal};
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame, Malformed, PROTOCOL_VERSION, Role};
use usher_proto::limits::NAME_BYTES_MAX;
use usher_proto::machine::Peer;
use usher_proto::message::{CloseReason, Closing, Refused};
use usher_proto::{Message, Reservation, ServerName, SessionId};
use usher_secure::{SealedFor, Ticket, TicketError, reservation};

/// What a first frame said, opened and checked.
#[derive(Debug)]
pub struct Greeting {
    /// Who it is.
    pub peer: Peer,
    /// The place kept for it here.
    pub reservation: Option<Reservation>,
    /// The ticket it showed.
    pub ticket: Option<Box<Ticket>>,
}

/// The accepting side's door.
pub struct Door {
    /// What this listener is; a first frame for anything else is refused.
    pub role: Role,
    /// This server's name: a reservation must be for it.
    pub name: ServerName,
    /// What opens tickets and reservations.
    pub seals: Arc<Seals>,
}

impl Door {
    fn open(&self, first_frame: &[u8]) -> Result<Greeting, Message> {
        let closing = |reason| Message::from(Closing { reason });
        let frame = FirstFrame::parse(first_frame).map_err(|malformed| match malformed {
            Malformed::Version(_) => Refused { versions: vec![PROTOCOL_VERSION] }.into(),
            Malformed::Role(_) => closing(CloseReason::WrongRole),
            Malformed::Length => closing(CloseReason::BadFrame),
        })?;
        if frame.role != self.role {
            return Err(closing(CloseReason::WrongRole));
        }
        match self.role {
            Role::Login => Ok(self.greeting(&frame, Peer::Stranger, None)),
            Role::Link => {
                Ok(self.greeting(&frame, Peer::Server(link_name(frame.ticket).map_err(closing)?), None))
            }
            Role::Hall | Role::Room => {
                let ticket = self.ticket(frame.ticket).map_err(closing)?;
                Ok(self.greeting(&frame, Peer::Player(ticket.identity), Some(Box::new(ticket))))
            }
        }
    }

    fn ticket(&self, sealed: &[u8]) -> Result<Ticket, CloseReason> {
        if sealed.is_empty() {
            return Err(CloseReason::NoTicket);
        }
        let opened = Ticket::open(sealed, &self.seals.keys, &self.seals.policy, clock::unix_ms());
        opened.map_err(|error| match error {
            TicketError::Expired => CloseReason::TicketExpired,
            _ => CloseReason::TicketInvalid,
        })
    }

    fn greeting(&self, frame: &FirstFrame<'_>, peer: Peer, ticket: Option<Box<Ticket>>) -> Greeting {
        let session = ticket.as_ref().map(|ticket| ticket.identity.session);
        let reservation = self.reservation(frame.reservation, session);
        Greeting { peer, reservation, ticket }
    }

    fn reservation(&self, sealed: &[u8], session: Option<SessionId>) -> Option<Reservation> {
        if sealed.is_empty() {
            return None;
        }
        let here = SealedFor { server: &self.name, session };
        match reservation::open(sealed, &self.seals.keys, here, clock::unix_ms()) {
            Ok(reservation) => Some(reservation),
            Err(error) => {
                tracing::debug!(%error, "reservation refused");
                None
            }
        }
    }
}

fn link_name(bytes: &[u8]) -> Result<ServerName, CloseReason> {
    let name = std::str::from_utf8(bytes).map_err(|_| CloseReason::BadFrame)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(CloseReason::BadFrame);
    }
    Ok(ServerName::from(name))
}

impl Channel<Message, Greeting> for Door {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<Greeting, Refusal> {
        self.open(first_frame).map_err(|message| {
            let reason = match &message {
                Message::Closing(closing) => closing.reason.as_str(),
                _ => "version",
            };
            tracing::debug!(%peer, reason, "shown out at the door");
            Refusal { last_words: self.refusal(&message), reason }
        })
    }

    fn welcome(&self) -> Bytes {
        Bytes::from_static(&[0, 1, ANSWER_WELCOME])
    }

    fn refusal(&self, message: &Message) -> Bytes {
        Native::new(Side::Server).frames(message)
    }

    fn hello(&self, body: &[u8]) -> Bytes {
        framed(body)
    }

    fn answered(&self, _frame: &[u8]) -> Result<Answer<Message>, BadFrame> {
        Err(BadFrame("not_dialled"))
    }
}

/// The dialling side: says its first frame and reads the answer.
pub struct Dialler {
    /// Who this end is.
    pub side: Side,
}

impl Channel<Message, Greeting> for Dialler {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, _first_frame: &[u8], _peer: SocketAddr) -> Result<Greeting, Refusal> {
        Err(Refusal { last_words: Bytes::new(), reason: "not_listening" })
    }

    fn welcome(&self) -> Bytes {
        Bytes::new()
    }

    fn refusal(&self, _message: &Message) -> Bytes {
        Bytes::new()
    }

    fn hello(&self, body: &[u8]) -> Bytes {
        framed(body)
    }

    fn answered(&self, frame: &[u8]) -> Result<Answer<Message>, BadFrame> {
        if frame.first() == Some(&ANSWER_WELCOME) {
            return Ok(Answer::Welcome);
        }
        match Native::new(self.side).decode(&mut Partial::default(), frame)? {
            Decoded::Packet(message) => Ok(Answer::Refused(message)),
            _ => Err(BadFrame("answer")),
        }
    }
}

fn framed(body: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(2 + body.len());
    frame.extend_from_slice(&(body.len() as u16).to_be_bytes());
    frame.extend_from_slice(body);
    frame.into()
}
