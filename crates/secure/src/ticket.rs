//! Tickets: what a login server says of a player, sealed, so that hall and room believe it.
//!
//! Why: a hall or room server learns who somebody is from the first frame, without a look-up.
//! Owns: [`Ticket`], its seal, and the checks on opening it. Does not own the world check: which worlds a
//! server takes is its machine's to say.
//! Invariants: an opened ticket was sealed by this cluster, is not expired and not from the future.
//! Limits: [`TICKET_BYTES_MAX`] sealed.
//! Read next: [`crate::reservation`].

use crate::hex;
use crate::keys::TicketKeys;
use crate::seal::{self, OpenError, SealError};
use crate::session::{self, SESSION_KEY_BYTES};
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use usher_proto::limits::TICKET_BYTES_MAX;
use usher_proto::{AccountId, Generation, Identity, SessionId, WorldId};

const PURPOSE: &str = "usher/1 ticket";

/// What a ticket says.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The cluster that made it.
    pub cluster: String,
    /// Who its holder is.
    pub identity: Identity,
    /// What its holder can prove to know.
    pub session_key: [u8; SESSION_KEY_BYTES],
    /// When it was sealed, unix milliseconds.
    pub issued_unix_ms: u64,
    /// When it stops being good, unix milliseconds.
    pub expires_unix_ms: u64,
}

/// Why a ticket was refused: its holder's fault, each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TicketError {
    /// Not a ticket at all.
    #[error("not a ticket")]
    Malformed,
    /// Its key is not among ours: another cluster's, or rotated away.
    #[error("sealed with a key that is not known here")]
    UnknownKey,
    /// Altered, or sealed by somebody who does not have the key, or for another purpose.
    #[error("the seal does not hold")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Issued further in the future than clocks may differ.
    #[error("issued in the future")]
    FromFuture,
    /// Another cluster's.
    #[error("made by another cluster")]
    WrongCluster,
}

/// Against what a ticket is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketPolicy {
    /// This cluster's name.
    pub cluster: String,
    /// How far the clocks of this cluster's servers may differ.
    pub clock_skew_max: Duration,
}

/// The payload: an array in this order.
#[derive(Serialize, Deserialize)]
struct Payload(String, WorldId, AccountId, SessionId, Generation, String, u64, u64);

impl Ticket {
    /// Seals it with the current key.
    pub fn seal(&self, keys: &TicketKeys) -> Result<Vec<u8>, SealError> {
        let Identity { world, account, session, generation } = self.identity;
        let payload = Payload(
            self.cluster.clone(),
            world,
            account,
            session,
            generation,
            hex::encode(&self.session_key),
            self.issued_unix_ms,
            self.expires_unix_ms,
        );
        seal::seal(keys, PURPOSE, TICKET_BYTES_MAX, &payload)
    }

    /// Opens a sealed ticket and checks all that can be checked without asking anybody.
    pub fn open(
        sealed: &[u8],
        keys: &TicketKeys,
        policy: &TicketPolicy,
        now_unix_ms: u64,
    ) -> Result<Self, TicketError> {
        let Payload(cluster, world, account, session, generation, key, issued_unix_ms, expires_unix_ms) =
            seal::open(keys, PURPOSE, TICKET_BYTES_MAX, sealed)?;
        let session_key = hex::decode(&key).ok_or(TicketError::Malformed)?;
        let identity = Identity { world, account, session, generation };
        let ticket = Self { cluster, identity, session_key, issued_unix_ms, expires_unix_ms };
        ticket.check(policy, now_unix_ms)?;
        Ok(ticket)
    }

    /// The same session with a fresh expiry, never beyond `session_max` after its login; nothing if the session
    /// is over.
    pub fn renewed(&self, now_unix_ms: u64, ticket_ttl: Duration, session_max: Duration) -> Option<Self> {
        let after = |unix_ms: u64, span: Duration| {
            unix_ms.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
        };
        let session_end = after(session::started_unix_ms(self.identity.generation), session_max);
        let expires_unix_ms = after(now_unix_ms, ticket_ttl).min(session_end);
        let renewed = Self { issued_unix_ms: now_unix_ms, expires_unix_ms, ..self.clone() };
        (expires_unix_ms > now_unix_ms).then_some(renewed)
    }

    fn check(&self, policy: &TicketPolicy, now_unix_ms: u64) -> Result<(), TicketError> {
        let skew_ms = u64::try_from(policy.clock_skew_max.as_millis()).unwrap_or(u64::MAX);
        if self.cluster != policy.cluster {
            Err(TicketError::WrongCluster)
        } else if self.issued_unix_ms > now_unix_ms.saturating_add(skew_ms) {
            Err(TicketError::FromFuture)
        } else if self.expires_unix_ms <= now_unix_ms {
            Err(TicketError::Expired)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Ticket {
    /// Without the session key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("cluster", &self.cluster)
            .field("identity", &self.identity)
            .field("issued_unix_ms", &self.issued_unix_ms)
            .field("expires_unix_ms", &self.expires_unix_ms)
            .finish_non_exhaustive()
    }
}

impl From<OpenError> for TicketError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed => Self::Malformed,
            OpenError::UnknownKey => Self::UnknownKey,
            OpenError::Forged => Self::Forged,
        }
    }
}

#[cfg(test)]
mod tests;
