//! The five hooks, and what they are told.
//!
//! A program of this layer is an implementation of [`Hooks`], one value for each worker, called on that
//! worker's thread only: what belongs to the worker needs no lock. A hook must not wait; while it runs,
//! every other connection of its worker stands still.
//!
//! Invariants: nothing is said about a connection before `connected` or after `disconnected`, and both
//! are said exactly once; bytes arrive in order; verbs given inside a hook take effect at the end of the turn.
//! Read next: `io.rs` (verbs on the worker), `handle.rs` (verbs from any thread).

use std::io;
use std::net::SocketAddr;

use crate::handle::Refused;
use crate::id::{ConnId, ListenerId};
use crate::io::Io;
use crate::pool::Chunk;

/// What a worker reports. One value per worker, made by the factory given to
/// [`Server::start`](crate::Server::start).
pub trait Hooks: Send + 'static {
    /// A connection is established: accepted, connected or adopted.
    fn connected(&mut self, io: &mut Io<'_>, conn: ConnId, opened: Opened);

    /// Bytes arrived. An empty chunk: the peer has finished sending (a half-close), said once; answer what
    /// is left and `close`. Keeping the chunk keeps its buffer: bounded by `receive_buffers_max`.
    fn received(&mut self, io: &mut Io<'_>, conn: ConnId, chunk: Chunk);

    /// The socket took bytes, or refused some for the first time since everything was out.
    fn sent(&mut self, io: &mut Io<'_>, conn: ConnId, sent: Sent);

    /// The last word about `conn`; its id is already stale.
    fn disconnected(&mut self, io: &mut Io<'_>, conn: ConnId, reason: Reason);

    /// Something failed that is not the end of an established connection.
    fn error(&mut self, io: &mut Io<'_>, fault: Fault);

    /// Not a completion: the bracket around a batch. All completions so far were delivered; hand on what
    /// was gathered. Called at least once a turn, and again if writing completed something after it.
    fn turn_ended(&mut self, _io: &mut Io<'_>) {}
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A listener accepted it.
    Accepted {
        /// That listener.
        listener: ListenerId,
    },
    /// [`Handle::connect`](crate::Handle::connect) made it.
    Outgoing {
        /// As given to `connect`.
        token: u64,
    },
    /// [`Handle::adopt`](crate::Handle::adopt) brought it.
    Adopted {
        /// As given to `adopt`.
        token: u64,
    },
}

/// A connection as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where it comes from.
    pub origin: Origin,
    /// The other side's address; unspecified if it is none of IP.
    pub peer: SocketAddr,
    /// This side's address; unspecified if it is none of IP.
    pub local: SocketAddr,
}

/// What became of queued bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes the socket took in this operation; 0 when it refused at the first byte.
    pub bytes: usize,
    /// Bytes still queued because the socket refused them; 0 = everything is out.
    pub waiting: usize,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The peer finished first, then we closed.
    #[error("the peer closed")]
    PeerClosed,
    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    PeerReset,
    /// We closed first, everything was sent and the peer finished too.
    #[error("closed")]
    Closed,
    /// We aborted.
    #[error("aborted")]
    Aborted,
    /// We closed, and the peer did not take the rest or did not finish in time.
    #[error("closed; the peer did not finish in time")]
    LingerTimeout,
    /// More was queued than `send_queue_bytes_max`; reset.
    #[error("the send queue is full")]
    SendQueueFull,
    /// The socket failed in another way.
    #[error("the socket failed: {0}")]
    Failed(io::ErrorKind),
    /// The server stopped.
    #[error("the server stopped")]
    Shutdown,
}

impl Reason {
    /// The reason a socket's error stands for.
    pub(crate) fn of(error: &io::Error) -> Reason {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            ConnectionReset | BrokenPipe | ConnectionAborted => Reason::PeerReset,
            kind => Reason::Failed(kind),
        }
    }
}

/// A verb of the layer, as far as it names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Queue bytes.
    Send,
    /// Flush, finish, linger.
    Close,
    /// Reset at once.
    Abort,
    /// Read nothing for now.
    PauseReading,
    /// Read again.
    ResumeReading,
}

impl Verb {
    pub(crate) fn is_about_reading(self) -> bool {
        matches!(self, Verb::PauseReading | Verb::ResumeReading)
    }
}

/// What failed without ending an established connection.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An outgoing connection was not established.
    #[error("connect (token {token}): {error}")]
    Connect {
        /// As given to `connect`.
        token: u64,
        /// Why; `TimedOut` after `connect_timeout`, `QuotaExceeded` at `connections_max`.
        error: io::Error,
    },
    /// A descriptor could not be adopted; it is closed.
    #[error("adopt (token {token}): {error}")]
    Adopt {
        /// As given to `adopt`.
        token: u64,
        /// Why; `QuotaExceeded` at `connections_max`.
        error: io::Error,
    },
    /// Accepting failed; out of descriptors it rests for 10 ms and goes on.
    #[error("{listener}: accept: {error}")]
    Accept {
        /// The listener.
        listener: ListenerId,
        /// Why.
        error: io::Error,
    },
    /// Connections were accepted and closed at once, because all their places (`connections_max` less
    /// `outgoing_reserved`) were taken. Said once for a batch of them; `Stats::refused_full` counts each.
    #[error("{listener}: connections_max reached")]
    ConnectionsFull {
        /// The listener.
        listener: ListenerId,
    },
    /// A verb named a connection that is gone, or a send one that is closing. At most 64 a turn are told, together
    /// with `SendRefused`; `Stats::stale_verbs` counts each.
    #[error("{verb:?} for {conn}, which is gone or closing")]
    Stale {
        /// The stale id.
        conn: ConnId,
        /// What was asked.
        verb: Verb,
    },
    /// A send given to [`Io`] for another worker's connection was refused there. At most 64 a turn are told, together
    /// with `Stale`; `Stats::refused_busy` counts each. Who must hear of every one sends through the
    /// [`Handle`](crate::Handle).
    #[error("send to {conn}: {refused}")]
    SendRefused {
        /// The other worker's connection.
        conn: ConnId,
        /// Why.
        refused: Refused,
    },
}
