//! The first frame of a connection: who may come in at all, before any machine hears of it.
//!
//! Why: whoever has no ticket, an old one or one of another cluster is shown out with the reason, and costs
//! nothing else; the handshake's Diffie-Hellman is for those who are admitted.
//! Owns: the check of role, version, ticket and reservation, and the handshake from this side. Does not own: whether
//! there is room; that is the machine's answer to the knock.
//! Invariants: nothing past the first frame is read before the machine has admitted the connection. A
//! reservation that does not open counts as none: its holder is treated like everybody else.
//! Read next: [`crate::host`], `usher_proto::first_frame`.

use crate::answers::Seals;
use crate::clock;
use crate::codec::{Native, Side};
use crate::sealed::{framed, keys};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use usher_hpserver::{Channel, Greeted, Handshake, Keys, Refusal};
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame, Malformed, PROTOCOL_VERSION, Role};
use usher_proto::limits::NAME_BYTES_MAX;
use usher_proto::machine::Peer;
use usher_proto::message::{CloseReason, Closing, Refused};
use usher_proto::{Message, Reservation, ServerName, SessionId};
use usher_secure::cipher::KEY_BYTES;
use usher_secure::noise::{MESSAGE_BYTES, Proof, respond};
use usher_secure::{LinkKey, LinkSecret, LoginKey, SealedFor, Ticket, TicketError, reservation};
use zeroize::Zeroizing;

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

/// What the two ends of a listener's connections prove themselves by.
pub enum Lock {
    /// Nothing: all is said in clear.
    Plain,
    /// The server by the cluster's login key.
    Login(Arc<LoginKey>),
    /// Both by the session's key, which is in the ticket.
    Session,
    /// Both by the link's key, made from this.
    Links(LinkSecret),
}

/// The accepting side's door.
pub struct Door {
    /// What this listener is; a first frame for anything else is refused. Before a gateway's servers it is several.
    pub roles: Vec<Role>,
    /// This server's name: a reservation must be for it. None: reservations are for somebody behind this door.
    pub name: Option<ServerName>,
    /// What opens tickets and reservations.
    pub seals: Arc<Seals>,
    /// What proves who is who.
    pub lock: Lock,
}

impl Door {
    fn open(&self, first_frame: &[u8]) -> Result<Greeted<Greeting>, Message> {
        let closing = |reason| Message::from(Closing { reason });
        let frame = FirstFrame::parse(first_frame).map_err(|malformed| match malformed {
            Malformed::Version(_) => Refused { versions: vec![PROTOCOL_VERSION] }.into(),
            Malformed::Role(_) => closing(CloseReason::WrongRole),
            Malformed::Length => closing(CloseReason::BadFrame),
        })?;
        if !self.roles.contains(&frame.role) {
            return Err(closing(CloseReason::WrongRole));
        }
        let greeting = match frame.role {
            Role::Login => self.greeting(&frame, Peer::Stranger, None),
            Role::Link | Role::Trunk | Role::Workers => {
                self.greeting(&frame, Peer::Server(link_name(frame.ticket).map_err(closing)?), None)
            }
            Role::Hall | Role::Room => {
                let ticket = self.ticket(frame.ticket).map_err(closing)?;
                self.greeting(&frame, Peer::Player(ticket.identity), Some(Box::new(ticket)))
            }
        };
        let message_at = first_frame.len() - frame.noise.len();
        let key = self.exchange_key(&greeting);
        let message_bytes = if key.is_some() { MESSAGE_BYTES } else { 0 };
        if frame.noise.len() != message_bytes {
            return Err(closing(CloseReason::WrongChannel));
        }
        let handshake = key.map(|key| -> Box<dyn Handshake> {
            Box::new(Exchange { first_frame: first_frame.to_vec(), message_at, key })
        });
        Ok(Greeted { greeting, handshake })
    }

    /// What proves whoever greets so, and this server to it; nothing on a plain channel.
    fn exchange_key(&self, greeting: &Greeting) -> Option<ExchangeKey> {
        match (&self.lock, &greeting.peer, &greeting.ticket) {
            (Lock::Login(key), ..) => Some(ExchangeKey::Login(Arc::clone(key))),
            (Lock::Session, _, Some(ticket)) => Some(ExchangeKey::Session(ticket.session_key.into())),
            (Lock::Links(secret), Peer::Server(name), _) => Some(ExchangeKey::Link(secret.key_of(&name.0))),
            _ => None,
        }
    }

    fn ticket(&self, sealed: &[u8]) -> Result<Ticket, CloseReason> {
        if sealed.is_empty() {
            return Err(CloseReason::NoTicket);
        }
        let opened = Ticket::open(sealed, &self.seals.keys.load(), &self.seals.policy, clock::unix_ms());
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
        let server = self.name.as_ref().filter(|_| !sealed.is_empty())?;
        let here = SealedFor { server, session };
        match reservation::open(sealed, &self.seals.keys.load(), here, clock::unix_ms()) {
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

    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<Greeted<Greeting>, Refusal> {
        self.open(first_frame).map_err(|message| {
            let reason = match &message {
                Message::Closing(closing) => closing.reason.as_str(),
                _ => "version",
            };
            tracing::info!(%peer, reason, "shown out at the door");
            Refusal { last_words: self.refusal(&message), reason }
        })
    }

    fn welcome(&self) -> Bytes {
        framed(&[ANSWER_WELCOME]).freeze()
    }

    fn refusal(&self, message: &Message) -> Bytes {
        Native::new(Side::Server).frames(message)
    }
}

/// A first frame whose handshake waits until its sender is admitted.
struct Exchange {
    first_frame: Vec<u8>,
    /// Where the handshake's message begins in it.
    message_at: usize,
    key: ExchangeKey,
}

enum ExchangeKey {
    Login(Arc<LoginKey>),
    Session(Zeroizing<[u8; KEY_BYTES]>),
    Link(LinkKey),
}

impl Handshake for Exchange {
    fn accept(self: Box<Self>) -> Result<(Bytes, Keys), &'static str> {
        let (head, message) = self.first_frame.split_at(self.message_at);
        let proof = match &self.key {
            ExchangeKey::Login(key) => Proof::Login(key),
            ExchangeKey::Session(key) => Proof::Shared(key),
            ExchangeKey::Link(key) => Proof::Shared(key.as_bytes()),
        };
        let (answer, split) =
            respond(proof, head, message).map_err(|_| CloseReason::HandshakeFailed.as_str())?;
        let welcome = [&[ANSWER_WELCOME][..], &answer].concat();
        Ok((framed(&welcome).freeze(), keys(split)))
    }
}
