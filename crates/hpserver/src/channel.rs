//! How a connection begins: its first frame, and how that is answered on either side.
//!
//! It exists so that whoever has no ticket is shown out before the service hears of him, and so that a
//! refusal costs less than serving: it is sent in clear, before any key exchange.
//!
//! A channel has no state a connection; `greet` is the place where one begins. More handshake frames, and
//! sealing and opening each frame, join here as further verbs of this trait, in the stages that call it.
//!
//! Invariants: until a connection is admitted nothing but its first frame is read.
//! Read next: `handshake`, which walks a connection through it.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::BadFrame;

/// The beginning of connections. One for each listener.
pub trait Channel<P, G>: Send + Sync + 'static {
    /// Whether there is a first frame at all; if not, a connection is `Opened` at once.
    fn greets(&self) -> bool;

    /// Accepting side: reads the body of the first frame.
    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<G, Refusal>;

    /// Accepting side: what is sent to whoever is admitted, as a whole frame.
    fn welcome(&self) -> Bytes;

    /// Accepting side: a refusing packet in clear, as whole frames.
    fn refusal(&self, packet: &P) -> Bytes;

    /// Dialling side: the first frame, whole, from its body.
    fn hello(&self, body: &[u8]) -> Bytes;

    /// Dialling side: reads the body of the first answer.
    fn answered(&self, frame: &[u8]) -> Result<Answer<P>, BadFrame>;
}

/// Why a first frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Sent before the connection is closed, as whole frames; may be empty.
    pub last_words: Bytes,
    /// A short word for logs and `CloseReason::GreetingRefused`.
    pub reason: &'static str,
}

/// The first answer to a dialled connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<P> {
    /// Admitted.
    Welcome,
    /// Refused, in clear.
    Refused(P),
}

/// No first frame: a connection is open as soon as it is accepted.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChannel;

impl<P, G> Channel<P, G> for NoChannel {
    fn greets(&self) -> bool {
        false
    }

    fn greet(&self, _first_frame: &[u8], _peer: SocketAddr) -> Result<G, Refusal> {
        Err(Refusal { last_words: Bytes::new(), reason: "no_greeting_expected" })
    }

    fn welcome(&self) -> Bytes {
        Bytes::new()
    }

    fn refusal(&self, _packet: &P) -> Bytes {
        Bytes::new()
    }

    fn hello(&self, _body: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn answered(&self, _frame: &[u8]) -> Result<Answer<P>, BadFrame> {
        Ok(Answer::Welcome)
    }
}
