//! A visit to a login server: credentials in, session and ticket out.
//!
//! Why: the one place where somebody unknown becomes somebody known.
//! Limits: names and passwords are bounded in [`crate::limits`]; the login machine checks them.
//! Read next: [`super::hall`].

use crate::ids::{Address, Identity, WorldId};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Who somebody claims to be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Nobody in particular: a fresh account for this session.
    Guest,
    /// A named account.
    Named {
        /// Its name.
        name: String,
        /// Its password.
        password: String,
    },
}

impl core::fmt::Debug for Credentials {
    /// Names the account, never the password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Guest => f.write_str("Guest"),
            Self::Named { name, .. } => write!(f, "Named({name})"),
        }
    }
}

/// Let me in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// The world chosen; it is never balanced across worlds.
    pub world: WorldId,
    /// Who I am.
    pub credentials: Credentials,
}

/// You are in: go to a hall.
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
    pub halls: Vec<Address>,
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
    /// A name or password that is empty or too long.
    Malformed,
}
