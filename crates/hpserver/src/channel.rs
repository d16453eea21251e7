//! How a connection begins, and what keeps it to its two ends: the first frame, its answer, sealing and opening.
//!
//! It exists so that whoever has no ticket is shown out before the service hears of him, that a refusal costs less
//! than serving (it is sent in clear, before any key exchange), and that this layer carries sealed frames without
//! knowing a cipher.
//!
//! A channel has no state a connection: what a connection needs of it until it is open is a `Handshake` or an
//! `Offer`, and afterwards `Keys`: a `Seal` in the send stage, an `Open` in the receive stage.
//!
//! Invariants: until a connection is admitted nothing but its first frame is read. Where there are keys, the service
//! hears `Opened` when a frame has opened, and not before: a first frame can be recorded and sent again.
//! Read next: `handshake`, which walks a connection through it.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use crate::BadFrame;

/// The accepting side: how connections of a listener begin. One for each listener.
pub trait Channel<P, G>: Send + Sync + 'static {
    /// Whether there is a first frame at all; if not, a connection is `Opened` at once.
    fn greets(&self) -> bool;

    /// Reads the body of the first frame, and exchanges no keys.
    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<Greeted<G>, Refusal>;

    /// What is sent to whoever is admitted, as a whole frame; where there is a handshake, it says that.
    fn welcome(&self) -> Bytes;

    /// A refusing packet in clear, as whole frames.
    fn refusal(&self, packet: &P) -> Bytes;
}

/// A first frame that was taken.
pub struct Greeted<G> {
    /// What it says, for the service.
    pub greeting: G,
    /// The key exchange it proposes, for when the service has admitted it; none: all is in clear.
    pub handshake: Option<Box<dyn Handshake>>,
}

/// The accepting side's part of a key exchange.
pub trait Handshake: Send {
    /// Does it: the costly part. The welcome, a whole frame in clear, and the keys for all that follows; or the word of
    /// `CloseReason::GreetingRefused`, for which the codec has a farewell.
    fn accept(self: Box<Self>) -> Result<(Bytes, Keys), &'static str>;
}

/// The dialling side of one connection.
pub trait Offer: Send {
    /// The first frame, whole; empty: the other end begins.
    fn hello(&mut self) -> Bytes;

    /// Reads the body of the first answer.
    fn answered(self: Box<Self>, frame: &[u8]) -> Result<Answer, BadFrame>;
}

/// The first answer to a dialled connection.
pub enum Answer {
    /// Admitted; without keys, all is in clear.
    Welcome(Option<Keys>),
    /// Refused: the frame is one of the codec, in clear.
    Refused,
}

/// Why a first frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Sent before the connection is closed, as whole frames; may be empty.
    pub last_words: Bytes,
    /// A short word for logs and `CloseReason::GreetingRefused`.
    pub reason: &'static str,
}

/// What an open connection keeps of its channel.
pub struct Keys {
    /// For what is sent.
    pub seal: Box<dyn Seal>,
    /// For what is received.
    pub open: Box<dyn Open>,
}

/// The sending half's key. Frames are sealed in the order they leave.
pub trait Seal: Send {
    /// Writes `frames`, whole frames of the codec in clear, as sealed frames.
    fn seal(&mut self, frames: &[u8], out: &mut BytesMut) -> Result<(), KeySpent>;
}

/// The receiving half's key. Frames are opened in the order they came.
pub trait Open: Send {
    /// Writes what the body of one sealed frame says to `clear`, which is empty.
    fn open(&mut self, body: &[u8], clear: &mut Vec<u8>) -> Result<(), BadFrame>;
}

/// A key has sealed all it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key has sealed all it may")]
pub struct KeySpent;

/// No first frame: a connection is open as soon as it is accepted.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChannel;

impl<P, G> Channel<P, G> for NoChannel {
    fn greets(&self) -> bool {
        false
    }

    fn greet(&self, _first_frame: &[u8], _peer: SocketAddr) -> Result<Greeted<G>, Refusal> {
        Err(Refusal { last_words: Bytes::new(), reason: "no_greeting_expected" })
    }

    fn welcome(&self) -> Bytes {
        Bytes::new()
    }

    fn refusal(&self, _packet: &P) -> Bytes {
        Bytes::new()
    }
}
