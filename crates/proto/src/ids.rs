//! Who and where: the small types that name players, servers, rooms and connections.
//!
//! Why: an account number and a room number are both integers, and mixing them up must not compile.
//! Owns: the types, their order and their text form. Does not own how they are made: numbers that must be
//! unguessable come from the world a machine runs in.
//! Read next: [`crate::machine`].

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// An account. Guests have the top bit set; named accounts are numbered by the store.
    AccountId(u64)
}
number! {
    /// One login of an account: 64 random bits.
    SessionId(u64)
}
number! {
    /// The fencing number of a login: unix milliseconds at the login server << 16 | 16 random bits. Two
    /// logins of an account are always ordered by it (equal ones by session id).
    Generation(u64)
}
number! {
    /// A world group: servers and players of different worlds never mix.
    WorldId(u16)
}
number! {
    /// A game by its number, as `usher-games` assigns them.
    GameId(u16)
}
number! {
    /// A room of one room server, from 0.
    RoomNo(u16)
}
number! {
    /// A table of one room, from 0.
    TableNo(u16)
}
number! {
    /// A reservation, unique at its manager.
    ReservationId(u64)
}
number! {
    /// A connection of this process, opaque here: the world below made it and finds it again without a map.
    ConnId(u64)
}
number! {
    /// A set of connections that receive what is published to it; numbered by the machine.
    GroupId(u64)
}
number! {
    /// A shard of this server's logic; 0 is the door, where every connection begins.
    ShardId(u16)
}
text! {
    /// A server's name, unique in the cluster: at most [`crate::limits::NAME_BYTES_MAX`] bytes.
    ServerName
}
text! {
    /// Where a client connects: `host:port`, an IPv6 host in brackets. A name may stand for the host.
    Address
}

impl Address {
    /// Whether it is nowhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a server does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Internal: load, arbitration, presence, directory.
    Manager,
    /// Checks accounts, hands out tickets.
    Login,
    /// Hands out the room directory.
    Hall,
    /// Rooms, tables, games.
    Room,
    /// Stands before halls and rooms: many players over few connections.
    Gateway,
}

impl ServerKind {
    /// The kind as configs and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Login => "login",
            Self::Hall => "hall",
            Self::Room => "room",
            Self::Gateway => "gateway",
        }
    }
}

/// Who a ticket says a player is. A hall or room machine meets players as this, already proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The world the player chose.
    pub world: WorldId,
    /// The account.
    pub account: AccountId,
    /// This login of it.
    pub session: SessionId,
    /// The login's place in the order of this account's logins.
    pub generation: Generation,
}

impl Generation {
    /// Its lowest bits are random: two logins in one millisecond differ.
    pub const RANDOM_BITS: u32 = 16;

    /// The first that a login at `unix_ms` may have.
    pub fn first_at(unix_ms: u64) -> Self {
        Self(unix_ms << Self::RANDOM_BITS)
    }
}

impl Identity {
    /// Whether this login came after `other` of the same account.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.generation, self.session) > (other.generation, other.session)
    }
}

/// A place kept at a server for a redirected client: good once, at its target, until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Which one; its target reports it redeemed.
    pub id: ReservationId,
    /// The server that honours it.
    pub target: ServerName,
    /// Whom it is for; a login's redirect knows nobody yet.
    pub session: Option<SessionId>,
    /// Further redirects this client may be given.
    pub hops_left: u8,
}
