//! A visit to a login server: credentials in, session and ticket out.
//!
//! Why: the one place where somebody unknown becomes somebody known. A password is proven (SCRAM-SHA-256,
//! RFC 7677) and never said.
//! The visit: [`LogIn`] -> ([`LogInChallenge`] -> [`LogInProof`] ->) [`LoggedIn`] or [`LogInDenied`]; a guest
//! is spared the part in brackets. The four texts are the RFC's, to the letter. Or the visit is a question:
//! [`ListWorlds`] -> [`Worlds`].
//! Limits: [`crate::limits::WORLDS_MAX`] worlds; a text has `SCRAM_BYTES_MAX` bytes; the login machine checks them.
//! Read next: [`super::hall`].

use crate::ids::{Address, Identity, WorldId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Who somebody claims to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Nobody in particular: a fresh account for this session.
    Guest,
    /// A named account, to be proven.
    Scram {
        /// The client's first text: its name, and its share of the nonce.
        client_first: String,
    },
}

/// Which worlds are there? A visit of its own: the answer ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListWorlds {}

/// These, by number: choose one. The player chooses; nobody is ever sent from one world to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worlds {
    /// At most [`crate::limits::WORLDS_MAX`].
    pub worlds: Vec<WorldEntry>,
}

/// One world that lets players in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldEntry {
    /// Its number.
    pub world: WorldId,
    /// People in its rooms, as its room servers said last.
    pub players: u32,
    /// People its room servers take.
    pub capacity: u32,
    /// Its login servers that take clients, at most [`crate::limits::HALLS_MAX`]; none: the one that was asked.
    pub logins: Vec<Address>,
}

/// Let me in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// The world chosen; it is never balanced across worlds.
    pub world: WorldId,
    /// Who I am.
    pub credentials: Credentials,
}

/// Prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInChallenge {
    /// The server's first text: nonce, salt, iterations.
    pub server_first: String,
}

/// Here is the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInProof {
    /// The client's last text.
    pub client_final: String,
}

/// You are in: go to a hall. Its list and text are boxed slices, so that no message grows by the rarest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// Who you are from now on.
    pub identity: Identity,
    /// 32 bytes, yours alone: they prove this session at hall and room.
    pub session_key: ByteBuf,
    /// Show this at hall and room.
    pub ticket: ByteBuf,
    /// How long the ticket is good for, in seconds.
    pub ticket_ttl_s: u32,
    /// Where to go, in this order.
    pub halls: Box<[Address]>,
    /// The server's last text: that it knows the password too. A guest gets none.
    #[serde(default)]
    pub server_final: Option<Box<str>>,
}

impl core::fmt::Debug for LoggedIn {
    /// Without the session key and the ticket.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoggedIn")
            .field("identity", &self.identity)
            .field("halls", &self.halls)
            .finish_non_exhaustive()
    }
}

/// You are not in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInDenied {
    /// Why.
    pub reason: LogInDenial,
}

/// Why a login was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogInDenial {
    /// No such account, or the wrong password: which one is not said.
    WrongCredentials,
    /// Guests are not let in here.
    NoGuests,
    /// There is no such world.
    NoSuchWorld,
    /// A text that is not as it must be.
    Malformed,
    /// The account is closed: said only to who has proven its password.
    Disabled,
    /// Too many wrong passwords, for this account or from this address.
    TryLater {
        /// When to come back, with jitter of one's own.
        retry_after_ms: u32,
    },
}
