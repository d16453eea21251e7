//! What a machine may only ask for: proof of an account, sessions, sealed tickets and reservations, chance, records.
//!
//! Why: machines hold no secrets and make no unguessable bits, so that they can run anywhere and be replayed.
//! Owns: the ticket keys of this process ([`Seals`]), the server's half of a proof.
//! Invariants: a renewed ticket keeps session and generation; a session older than `session_max` gets none. A
//! name that nobody has is answered like a wrong password; that an account is disabled is said only after the
//! right one.
//! Read next: `usher_secure::scram`.

use arc_swap::ArcSwap;
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use usher_proto::hand::HandRecord;
use usher_proto::machine::{Answer, Challenge, Exchange, Grant, Played, Question};
use usher_proto::message::{LogInDenial, NotDone, Play};
use usher_proto::{AccountId, GameId, Identity, WorldId};
use usher_secure::scram::{self, Account, ClientFirst, ScramError, Standing};
use usher_secure::{SealError, Ticket, TicketKeys, TicketPolicy, fresh_session, os_rng, reservation};

/// Answers what a machine asks: a server's world, or that of simulated players.
pub trait World: Send {
    /// The answer to question `id`, unless it comes later; `presented` is the ticket of the connection it is about.
    fn answer(
        &mut self,
        id: u64,
        question: Question,
        presented: Option<&Ticket>,
        now_unix_ms: u64,
    ) -> Option<Answer>;
}

/// Gives the shard that asked an answer that took its time.
pub type Later = Arc<dyn Fn(u64, Answer) + Send + Sync>;

/// Hears that a hand is written down: the score of each seat from then on, or nothing if it could not be.
pub type Recorded = Box<dyn FnOnce(Option<Vec<i64>>) + Send>;

/// Hears what an account has won and lost at a game so far, if that can be said.
pub type Scored = Box<dyn FnOnce(Option<i64>) + Send>;

/// Where hands are written down and scores are kept; a room server's alone. Only `close` waits for a disk.
pub trait Records: Send + Sync {
    /// Takes a hand to be written down, and says when it cannot be lost any more; false: not taken, and nothing is said.
    fn record(&self, record: HandRecord, done: Recorded) -> bool;

    /// Takes a question for a score, and answers it when it is read; false: not taken, and nothing is said.
    fn score(&self, account: AccountId, game: GameId, done: Scored) -> bool;

    /// The server has stopped: waits until all hands that were taken are written down, and takes nothing more. Of scores
    /// nothing more need be said.
    fn close(&self);
}

/// Has a worker say what comes of a hand, and tells whoever is given along; once, and in bounded time.
pub type AskWorker = Arc<dyn Fn(Play, Box<dyn FnOnce(Played) + Send>) + Send + Sync>;

/// What there is to know of a name, whether or not anybody has it.
pub type FindAccount = Box<dyn FnMut(&str) -> Result<Account, LogInDenial> + Send>;
/// A fresh account for one guest's session.
pub type NewGuest = Box<dyn FnMut() -> AccountId + Send>;

/// Who may log in at a login server.
#[derive(Default)]
pub struct Accounts {
    /// Where named accounts are found, if there are any.
    pub find: Option<FindAccount>,
    /// Who guests are, if they are let in.
    pub guest: Option<NewGuest>,
}

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
    accounts: Accounts,
    records: Option<(Arc<dyn Records>, Later)>,
    workers: Option<(AskWorker, Later)>,
}

impl Answers {
    /// `accounts` are a login server's; any other has none.
    pub fn new(seals: Arc<Seals>, accounts: Accounts) -> Self {
        Self { seals, accounts, records: None, workers: None }
    }

    /// With hands that are written down, and who is told of it.
    pub fn recording(self, records: Arc<dyn Records>, later: Later) -> Self {
        Self { records: Some((records, later)), ..self }
    }

    /// With workers that have the rules of some games, and who is told what they say.
    pub fn working(self, workers: AskWorker, later: Later) -> Self {
        Self { workers: Some((workers, later)), ..self }
    }

    fn play(&self, id: u64, play: Play) -> Option<Answer> {
        let Some((workers, later)) = &self.workers else {
            return Some(Answer::Played(Played::Undone(NotDone::NoWorker)));
        };
        let later = Arc::clone(later);
        workers(play, Box::new(move |played| later(id, Answer::Played(played))));
        None
    }

    fn record(&self, id: u64, record: HandRecord) -> Option<Answer> {
        let Some((records, later)) = &self.records else { return Some(Answer::HandRecorded(None)) };
        let later = Arc::clone(later);
        let is_taken =
            records.record(record, Box::new(move |totals| later(id, Answer::HandRecorded(totals))));
        (!is_taken).then_some(Answer::HandRecorded(None))
    }

    fn score(&self, id: u64, account: AccountId, game: GameId) -> Option<Answer> {
        let Some((records, later)) = &self.records else { return Some(Answer::Score(None)) };
        let later = Arc::clone(later);
        let is_taken = records.score(account, game, Box::new(move |score| later(id, Answer::Score(score))));
        (!is_taken).then_some(Answer::Score(None))
    }

    fn find(&mut self, name: &str) -> Result<Account, LogInDenial> {
        let find = self.accounts.find.as_mut().ok_or(LogInDenial::WrongCredentials)?;
        find(name)
    }

    fn challenge(&mut self, client_first: &str) -> Result<Challenge, LogInDenial> {
        let first = ClientFirst::parse(client_first).map_err(denial)?;
        let account = self.find(&first.name)?;
        let nonce = scram::fresh_nonce(&mut os_rng());
        let server_first = scram::challenge(&first, &account.verifier, &nonce);
        Ok(Challenge { account: account.id, server_first })
    }

    /// Nothing was kept since the challenge: the account is found anew.
    fn prove(&mut self, exchange: &Exchange, client_final: &str) -> Result<(AccountId, String), LogInDenial> {
        let Exchange { client_first, server_first } = exchange;
        let account = self.find(&ClientFirst::parse(client_first).map_err(denial)?.name)?;
        let proven = scram::check(client_first, server_first, client_final, &account.verifier);
        let server_final = proven.map_err(denial)?;
        match account.standing {
            Standing::Good => Ok((account.id, server_final)),
            Standing::Disabled => Err(LogInDenial::Disabled),
            Standing::Unknown => Err(LogInDenial::WrongCredentials),
        }
    }

    fn guest(&mut self) -> Result<AccountId, LogInDenial> {
        self.accounts.guest.as_mut().map(|guest| guest()).ok_or(LogInDenial::NoGuests)
    }

    fn grant(&self, world: WorldId, account: AccountId, now_unix_ms: u64) -> Grant {
        let session = fresh_session(now_unix_ms, &mut os_rng());
        let identity = Identity { world, account, session: session.id, generation: session.generation };
        let ticket = self.seals.seal_ticket(identity, session.key, now_unix_ms);
        let ticket_ttl = self.seals.ticket_ttl;
        Grant { identity, session_key: session.key.to_vec(), ticket, ticket_ttl, server_final: None }
    }
}

impl World for Answers {
    fn answer(
        &mut self,
        id: u64,
        question: Question,
        presented: Option<&Ticket>,
        now_unix_ms: u64,
    ) -> Option<Answer> {
        Some(match question {
            Question::LogInGuest { world } => {
                Answer::LogIn(self.guest().map(|account| self.grant(world, account, now_unix_ms)))
            }
            Question::LogInFirst { client_first } => Answer::Challenge(self.challenge(&client_first)),
            Question::LogInFinal { world, exchange, client_final } => {
                let proven = self.prove(&exchange, &client_final);
                Answer::LogIn(proven.map(|(account, server_final)| Grant {
                    server_final: Some(server_final),
                    ..self.grant(world, account, now_unix_ms)
                }))
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
            Question::HandSeed => {
                let mut seed = [0; 32];
                os_rng().fill_bytes(&mut seed);
                Answer::HandSeed(seed)
            }
            Question::Play(play) => return self.play(id, *play),
            Question::RecordHand(record) => return self.record(id, *record),
            Question::Score { account, game } => return self.score(id, account, game),
            // A server logs in nowhere.
            Question::ClientFirst { .. } => Answer::ClientFirst(None),
            Question::ClientFinal { .. } => Answer::ClientFinal(None),
        })
    }
}

fn denial(error: ScramError) -> LogInDenial {
    match error {
        ScramError::WrongProof => LogInDenial::WrongCredentials,
        ScramError::Malformed(_)
        | ScramError::Extension
        | ScramError::Nonce
        | ScramError::Iterations(_)
        | ScramError::StaleKeys => LogInDenial::Malformed,
    }
}

#[cfg(test)]
mod tests;
