//! What an application is to this layer: a `Service`, one value a shard.
//!
//! It exists so that application code is single-threaded, sees whole packets in order, and can be tested
//! by calling `handle`. A service owns its state and nothing of a connection but its id.
//!
//! Invariants: `handle` never blocks; a connection belongs to one shard at a time; no event about a
//! connection comes after its `Closed`.
//! Read next: `actions`, what a service can ask for.

use std::{io, net::SocketAddr, time::Instant};

use usher_completion::ConnId;

use crate::{Actions, ListenerId};

/// Which shard; 0 is the first. A listener's new connections go to its door.
pub type ShardId = usize;

/// A group of connections that hears what is published to it. The numbers are the service's own.
pub type GroupId = u64;

/// The application: one value a shard, all of one type.
pub trait Service: Sized + Send + 'static {
    /// One decoded message.
    type Packet: Send + Sync + 'static;
    /// What the first frame of an accepted connection said.
    type Greeting: Send + 'static;
    /// What shards tell each other, hand over with a connection, and what the outside injects.
    type Note: Send + 'static;

    /// Takes one event; whatever it causes goes to `out`. Never blocks.
    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>);

    /// When `Event::Deadline` is due; asked after each batch.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The events that were waiting were handled.
    fn batch_ended(&mut self, out: &mut Actions<Self>) {
        let _ = out;
    }
}

/// What happens to a service.
///
/// An accepted connection is `Knock` (where its channel greets), `Opened`, `Packet`..., `Closed`. A dialled
/// one is `Dialed`, `Packet`..., `Closed`, or `DialFailed` alone. There is exactly one `Closed` for each
/// connection of which any event was seen.
pub enum Event<S: Service> {
    /// Accepted, and its first frame was read. Answer with `admit` or `refuse`, now or later; no packet
    /// comes before.
    Knock {
        /// The connection.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// Its far end.
        peer: SocketAddr,
        /// What the channel read from its first frame.
        greeting: S::Greeting,
    },
    /// Admitted, or its channel does not greet: packets follow.
    Opened {
        /// The connection.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// Its far end.
        peer: SocketAddr,
    },
    /// An outgoing connection is open and was admitted at the other end: packets follow.
    Dialed {
        /// What `dial` was given.
        token: u64,
        /// The connection.
        conn: ConnId,
    },
    /// An outgoing connection did not come to be.
    DialFailed {
        /// What `dial` was given.
        token: u64,
        /// Why not.
        why: DialError<S::Packet>,
    },
    /// One message.
    Packet {
        /// Its connection.
        conn: ConnId,
        /// The message.
        packet: S::Packet,
    },
    /// The connection's socket takes no more bytes for now: what is sent waits. Of a listener that
    /// `tells_blocked`.
    Blocked {
        /// The connection.
        conn: ConnId,
    },
    /// Its socket has taken all that waited.
    Drained {
        /// The connection.
        conn: ConnId,
    },
    /// The last word about a connection.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// This shard owns the connection from now on; its packets follow in order.
    HandedOver {
        /// The connection.
        conn: ConnId,
        /// What the shard before sent along.
        note: S::Note,
    },
    /// A note from another shard, or from outside.
    Told {
        /// The shard that told; none: from outside.
        from: Option<ShardId>,
        /// The note.
        note: S::Note,
    },
    /// `next_deadline` has come.
    Deadline,
}

/// Why a dial failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialError<P> {
    /// No connection: refused, unreachable, timed out.
    Connect(io::ErrorKind),
    /// The other end refused, saying this in clear.
    Refused(P),
    /// It ended, or stayed silent, before it answered.
    Closed,
}

/// Why a connection ended. Counted by `name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer finished.
    PeerClosed,
    /// The peer reset it.
    PeerReset,
    /// The service closed, refused or aborted it.
    Local,
    /// Its bytes were no frames, or a frame no packet; the codec's word for it.
    BadFrame(&'static str),
    /// No first message, its first frame included, within `Limits::first_message_deadline`; dialled: no answer.
    FirstMessageDeadline,
    /// Silent through `Limits::pings_missed_max` pings.
    PingTimeout,
    /// More than `Limits::high_water_bytes` waited after its socket refused bytes.
    SlowConsumer,
    /// The listener had `Limits::connections_max` already.
    ConnectionsFull,
    /// Its address had `AddressLimits::connections_max` already.
    AddressFull,
    /// Its address makes connections faster than `AddressLimits::connects`.
    AddressRate,
    /// It said more, or more often, than `Limits::rates` allows.
    RateLimited,
    /// The channel refused its first frame, or its key exchange; the channel's word for it.
    GreetingRefused(&'static str),
    /// A dialled connection whose other end refused it.
    DialRefused,
    /// Its key has sealed all it may.
    KeySpent,
    /// The operating system failed it.
    Failed(io::ErrorKind),
    /// The server is shutting down.
    Shutdown,
    /// The trunk that carried it ended.
    TrunkDown,
}

impl CloseReason {
    /// Every name, in the order of `index`.
    pub(crate) const NAMES: [&'static str; 17] = [
        "peer_closed",
        "peer_reset",
        "local",
        "bad_frame",
        "first_message_deadline",
        "ping_timeout",
        "slow_consumer",
        "connections_full",
        "greeting_refused",
        "dial_refused",
        "key_spent",
        "failed",
        "shutdown",
        "address_full",
        "address_rate",
        "rate_limited",
        "trunk_down",
    ];

    /// The reason's name in metrics.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::PeerClosed => 0,
            Self::PeerReset => 1,
            Self::Local => 2,
            Self::BadFrame(_) => 3,
            Self::FirstMessageDeadline => 4,
            Self::PingTimeout => 5,
            Self::SlowConsumer => 6,
            Self::ConnectionsFull => 7,
            Self::GreetingRefused(_) => 8,
            Self::DialRefused => 9,
            Self::KeySpent => 10,
            Self::Failed(_) => 11,
            Self::Shutdown => 12,
            Self::AddressFull => 13,
            Self::AddressRate => 14,
            Self::RateLimited => 15,
            Self::TrunkDown => 16,
        }
    }
}
