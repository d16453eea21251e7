//! What may be said at any listener's door: signs of life, redirects, refusals, the last word.
//!
//! Why: a client that is turned away is told where to go instead, when to come back, or why never.
//! Owns: [`CloseReason`], the list of every reason a server closes for.
//! Read next: [`crate::first_frame`].

use crate::ids::{Address, RoomNo};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Are you there? Asked by the server's transport; logic never sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {}

/// I am.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {}

/// Not here, there: connect to `address` and show the reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// Where to.
    pub address: Address,
    /// A sealed place, good once, for 5 s.
    pub reservation: ByteBuf,
    /// From a room server that is being emptied: the room there, of the same game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomNo>,
}

/// Nobody has room now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// Come back after this, with jitter.
    pub retry_after_ms: u32,
}

/// This server does not speak that protocol version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The versions it speaks.
    pub versions: Vec<u8>,
}

/// The last word before a server closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Why.
    pub reason: CloseReason,
}

/// A line of JSON that was no message, or none that may be said here. Whoever said it may go on.
///
/// The codec of JSON lines hands such a line on as this, for the server to send back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnderstood {
    /// What is wrong, for a person to read; at most [`crate::limits::WHY_BYTES_MAX`] bytes.
    pub why: String,
}

/// Why a server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The visit is over; nothing is wrong.
    Finished,
    /// A hall or room was entered without a ticket: log in first.
    NoTicket,
    /// The ticket's time is over: log in again.
    TicketExpired,
    /// The ticket was not made by this cluster, or was altered.
    TicketInvalid,
    /// The ticket is for another world.
    WrongWorld,
    /// The first frame was meant for another kind of server.
    WrongRole,
    /// One end speaks in clear and the other does not.
    WrongChannel,
    /// The handshake does not prove the key.
    HandshakeFailed,
    /// A frame or message that cannot be read.
    BadFrame,
    /// A message that this server does not take, or not now.
    Unexpected,
    /// No first message within `first_message_deadline`.
    FirstMessageDeadline,
    /// Let in, and in no room for `door_timeout`.
    Idle,
    /// No sign of life over several pings.
    PingTimeout,
    /// The client did not read what it was sent.
    SlowConsumer,
    /// The client said more, or more often, than it may.
    RateLimited,
    /// This server has all the connections it may have.
    ConnectionsFull,
    /// The same account logged in again, elsewhere or here, or an operator ended this login.
    Evicted,
    /// The same session came back on another connection.
    Replaced,
    /// This server is being emptied.
    Draining,
    /// This server stops.
    ServerStopping,
    /// The manager does not know this server any more: present yourself again.
    NotRegistered,
    /// An administrator wanted it so.
    ClosedByAdministrator,
    /// A gateway says so: the server that it stands before cannot be reached now.
    Unreachable,
}

impl CloseReason {
    /// All of them, in their order.
    pub const ALL: [Self; 23] = [
        Self::Finished,
        Self::NoTicket,
        Self::TicketExpired,
        Self::TicketInvalid,
        Self::WrongWorld,
        Self::WrongRole,
        Self::WrongChannel,
        Self::HandshakeFailed,
        Self::BadFrame,
        Self::Unexpected,
        Self::FirstMessageDeadline,
        Self::Idle,
        Self::PingTimeout,
        Self::SlowConsumer,
        Self::RateLimited,
        Self::ConnectionsFull,
        Self::Evicted,
        Self::Replaced,
        Self::Draining,
        Self::ServerStopping,
        Self::NotRegistered,
        Self::ClosedByAdministrator,
        Self::Unreachable,
    ];

    /// The reason as metrics and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::NoTicket => "no_ticket",
            Self::TicketExpired => "ticket_expired",
            Self::TicketInvalid => "ticket_invalid",
            Self::WrongWorld => "wrong_world",
            Self::WrongRole => "wrong_role",
            Self::WrongChannel => "wrong_channel",
            Self::HandshakeFailed => "handshake_failed",
            Self::BadFrame => "bad_frame",
            Self::Unexpected => "unexpected",
            Self::FirstMessageDeadline => "first_message_deadline",
            Self::Idle => "idle",
            Self::PingTimeout => "ping_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::RateLimited => "rate_limited",
            Self::ConnectionsFull => "connections_full",
            Self::Evicted => "evicted",
            Self::Replaced => "replaced",
            Self::Draining => "draining",
            Self::ServerStopping => "server_stopping",
            Self::NotRegistered => "not_registered",
            Self::ClosedByAdministrator => "closed_by_administrator",
            Self::Unreachable => "unreachable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_reason_is_listed_once_in_its_order() {
        assert!(CloseReason::ALL.is_sorted());
        // The last of the enum: whoever adds one behind it lists it too.
        assert_eq!(CloseReason::ALL.len(), CloseReason::Unreachable as usize + 1);
        let mut names: Vec<_> = CloseReason::ALL.map(CloseReason::as_str).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CloseReason::ALL.len(), "two reasons have one name");
    }
}
