//! What a machine may only ask for: sessions, sealed tickets, sealed reservations.
//!
//! Why: machines hold no secrets and make no unguessable bits, so that they can run anywhere and be replayed.
//! Owns: the ticket keys of this process ([`Seals`]) and the way a server checks credentials.
//! Invariants: a renewed ticket keeps session and generation; a session older than `session_max` gets none.
//! Read next: `usher_secure`.

use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use usher_proto::machine::{Answer, Grant, Question};
use usher_proto::message::{Credentials, LogInDenial};
use usher_proto::{AccountId, Identity, WorldId};
use usher_secure::{SealError, Ticket, TicketKeys, TicketPolicy, fresh_session, os_rng, reservation};

/// Says whose credentials these are.
pub type CheckCredentials = Box<dyn FnMut(&Credentials) -> Result<AccountId, LogInDenial> + Send>;

/// The cluster's keys and how long what they seal is good for.
#[derive(Debug)]
pub struct Seals {
    /// The keys; the first one seals. They may be changed while the server runs.
    pub keys: ArcSwap<TicketKeys>,
    /// The cluster's name, written into every ticket, and how far clocks may differ.
    pub policy: TicketPolicy,
    /// A ticket's life.
    pub ticket_ttl: Duration,
    /// A session's life, over all its tickets.
    pub session_max: Duration,
}

impl Seals {
    fn seal_ticket(&self, identity: Identity, session_key: [u8; 32], now_unix_ms: u64) -> Vec<u8> {
        let ticket = Ticket {
            cluster: self.policy.cluster.clone(),
            identity,
            session_key,
            issued_unix_ms: now_unix_ms,
            expires_unix_ms: now_unix_ms + millis(self.ticket_ttl),
        };
        sealed(ticket.seal(&self.keys.load()))
    }

    fn renew(&self, ticket: &Ticket, now_unix_ms: u64) -> Option<Vec<u8>> {
        let renewed = ticket.renewed(now_unix_ms, self.ticket_ttl, self.session_max)?;
        Some(sealed(renewed.seal(&self.keys.load())))
    }
}

/// What is sealed here was made here, within its limits; should it fail all the same, the client is shown out
/// at the next door instead of here.
fn sealed(result: Result<Vec<u8>, SealError>) -> Vec<u8> {
    result.unwrap_or_else(|error| {
        tracing::error!(%error, "nothing could be sealed");
        Vec::new()
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Answers a machine's questions, on the thread of its shard.
pub struct Answers {
    seals: Arc<Seals>,
    check: Option<CheckCredentials>,
}

impl Answers {
    /// With `check` for a login server, without for any other.
    pub fn new(seals: Arc<Seals>, check: Option<CheckCredentials>) -> Self {
        Self { seals, check }
    }

    /// The answer to `question`; `presented` is the ticket of the connection it is about.
    pub fn answer(&mut self, question: Question, presented: Option<&Ticket>, now_unix_ms: u64) -> Answer {
        match question {
            Question::LogIn { world, credentials } => {
                Answer::LogIn(self.log_in(world, &credentials, now_unix_ms))
            }
            Question::RenewTicket { .. } => {
                Answer::Ticket(presented.and_then(|ticket| self.seals.renew(ticket, now_unix_ms)))
            }
            Question::SealReservation { reservation, ttl } => {
                let expires_unix_ms = now_unix_ms + millis(ttl);
                Answer::Reservation(sealed(reservation::seal(
                    &reservation,
                    expires_unix_ms,
                    &self.seals.keys.load(),
                )))
            }
        }
    }

    fn log_in(
        &mut self,
        world: WorldId,
        credentials: &Credentials,
        now_unix_ms: u64,
    ) -> Result<Grant, LogInDenial> {
        let check = self.check.as_mut().ok_or(LogInDenial::WrongCredentials)?;
        let account = check(credentials)?;
        let session = fresh_session(now_unix_ms, &mut os_rng());
        let identity = Identity { world, account, session: session.id, generation: session.generation };
        let ticket = self.seals.seal_ticket(identity, session.key, now_unix_ms);
        Ok(Grant { identity, session_key: session.key.to_vec(), ticket, ticket_ttl: self.seals.ticket_ttl })
    }
}
