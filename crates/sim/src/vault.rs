//! What the real stack does with keys and accounts: sessions, tickets, reservations.
//!
//! Why: machines ask for these; here a sealed thing is an unguessable number and a table entry, which forges
//! as badly as the real one and costs nothing. The texts of a login have the shape of SCRAM's and prove nothing:
//! whoever names an account's number in them has its password.
//! Invariants: what was never sealed does not open, nor what has expired, nor one kind for the other.
//! Read next: `world.rs`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use usher_proto::machine::{Challenge, ClientProof, Exchange, Grant};
use usher_proto::message::{CloseReason, LogInDenial};
use usher_proto::{AccountId, Generation, Identity, Reservation, SessionId, Time, WorldId};

/// How long a ticket is good for.
const TICKET_TTL: Duration = Duration::from_secs(2 * 60 * 60);
/// A ticket from further in the future does not open.
const CLOCK_SKEW_MAX_MS: u64 = 2_000;
const GUEST_BIT: u64 = 1 << 63;

#[derive(Debug)]
enum Sealed {
    /// Issued at that time by the clock of whoever sealed it.
    Ticket(Identity, u64),
    Reservation(Reservation),
}

#[derive(Debug)]
pub(crate) struct Vault {
    sealed: HashMap<u128, (Sealed, Time), FixedState>,
    accounts: BTreeMap<String, AccountId>,
}

impl Vault {
    pub(crate) fn new(seed: u64) -> Self {
        Self { sealed: HashMap::with_hasher(FixedState::with_seed(seed)), accounts: BTreeMap::new() }
    }

    /// A session under a fresh account.
    pub(crate) fn log_in_guest(
        &mut self,
        now: Time,
        unix_ms: u64,
        world: WorldId,
        dice: &mut ChaCha8Rng,
    ) -> Grant {
        let account = AccountId(dice.next_u64() | GUEST_BIT);
        self.grant(now, unix_ms, (world, account), dice)
    }

    /// What the client of that first text is to prove.
    pub(crate) fn challenge(
        &mut self,
        client_first: &str,
        dice: &mut ChaCha8Rng,
    ) -> Result<Challenge, LogInDenial> {
        let (name, nonce) = introduced(client_first).ok_or(LogInDenial::Malformed)?;
        let server_first = format!("r={nonce}{},s=,i=1", dice.next_u64());
        Ok(Challenge { account: self.account(name), server_first })
    }

    /// A session for whoever has proven its account: a name is always the same one.
    pub(crate) fn log_in(
        &mut self,
        now: Time,
        unix_ms: u64,
        world: WorldId,
        (exchange, client_final): (&Exchange, &str),
        dice: &mut ChaCha8Rng,
    ) -> Result<Grant, LogInDenial> {
        let (name, _) = introduced(&exchange.client_first).ok_or(LogInDenial::Malformed)?;
        if client_final != proof(name, exchange).client_final {
            return Err(LogInDenial::WrongCredentials);
        }
        let server_final = Some(proof(name, exchange).server_final);
        let account = self.account(name);
        Ok(Grant { server_final, ..self.grant(now, unix_ms, (world, account), dice) })
    }

    fn account(&mut self, name: &str) -> AccountId {
        let next = AccountId(self.accounts.len() as u64 + 1);
        *self.accounts.entry(name.into()).or_insert(next)
    }

    fn grant(
        &mut self,
        now: Time,
        unix_ms: u64,
        (world, account): (WorldId, AccountId),
        dice: &mut ChaCha8Rng,
    ) -> Grant {
        let session = SessionId(dice.next_u64());
        let generation = Generation(unix_ms << 16 | u64::from(dice.next_u32() & 0xffff));
        let identity = Identity { world, account, session, generation };
        let ticket = self.seal_ticket(now, unix_ms, identity, dice);
        Grant { identity, session_key: vec![0; 32], ticket, ticket_ttl: TICKET_TTL, server_final: None }
    }

    pub(crate) fn seal_ticket(
        &mut self,
        now: Time,
        unix_ms: u64,
        identity: Identity,
        dice: &mut ChaCha8Rng,
    ) -> Vec<u8> {
        self.seal(Sealed::Ticket(identity, unix_ms), now + TICKET_TTL, dice)
    }

    pub(crate) fn seal_reservation(
        &mut self,
        until: Time,
        reservation: Reservation,
        dice: &mut ChaCha8Rng,
    ) -> Vec<u8> {
        self.seal(Sealed::Reservation(reservation), until, dice)
    }

    fn seal(&mut self, what: Sealed, until: Time, dice: &mut ChaCha8Rng) -> Vec<u8> {
        let number = u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64());
        self.sealed.insert(number, (what, until));
        number.to_be_bytes().to_vec()
    }

    fn open(&self, bytes: &[u8]) -> Option<&(Sealed, Time)> {
        self.sealed.get(&u128::from_be_bytes(bytes.try_into().ok()?))
    }

    /// By a clock that shows `unix_ms`.
    pub(crate) fn open_ticket(&self, now: Time, unix_ms: u64, bytes: &[u8]) -> Result<Identity, CloseReason> {
        match self.open(bytes) {
            _ if bytes.is_empty() => Err(CloseReason::NoTicket),
            Some((Sealed::Ticket(..), until)) if *until <= now => Err(CloseReason::TicketExpired),
            Some((Sealed::Ticket(identity, issued), _)) if *issued <= unix_ms + CLOCK_SKEW_MAX_MS => {
                Ok(*identity)
            }
            _ => Err(CloseReason::TicketInvalid),
        }
    }

    /// A reservation that is good now; one that is not is as if there were none.
    pub(crate) fn open_reservation(&self, now: Time, bytes: &[u8]) -> Option<Reservation> {
        match self.open(bytes) {
            Some((Sealed::Reservation(reservation), until)) if *until > now => Some(reservation.clone()),
            _ => None,
        }
    }

    /// Forgets what has expired a while ago, so that a long run does not keep it.
    pub(crate) fn sweep(&mut self, now: Time) {
        self.sealed.retain(|_, (_, until)| *until + TICKET_TTL > now);
    }
}

/// The first text of the player that has the account of this number.
pub(crate) fn client_first(account: u32, dice: &mut ChaCha8Rng) -> String {
    format!("n,,n={account},r={}", dice.next_u64())
}

/// Its proof.
pub(crate) fn client_final(account: u32, exchange: &Exchange) -> ClientProof {
    proof(&account.to_string(), exchange)
}

fn proof(name: &str, exchange: &Exchange) -> ClientProof {
    let said = &exchange.server_first;
    ClientProof { client_final: format!("{said},p={name}"), server_final: format!("v={said}") }
}

/// Name and nonce of a first text.
fn introduced(client_first: &str) -> Option<(&str, &str)> {
    client_first.strip_prefix("n,,n=")?.split_once(",r=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn only_what_was_sealed_opens_and_only_in_time_and_as_its_kind() {
        let (mut vault, mut dice) = (Vault::new(1), ChaCha8Rng::seed_from_u64(1));
        let granted = vault.log_in_guest(Time(0), 2_005, WorldId(1), &mut dice);
        let late = Time(0) + TICKET_TTL;
        assert_eq!(vault.open_ticket(Time(0), 5, &granted.ticket), Ok(granted.identity));
        assert_eq!(vault.open_ticket(late, 5, &granted.ticket), Err(CloseReason::TicketExpired));
        let early = vault.open_ticket(Time(0), 4, &granted.ticket);
        assert_eq!(
            early,
            Err(CloseReason::TicketInvalid),
            "from further in the future than clocks may differ"
        );
        assert_eq!(vault.open_ticket(Time(0), 5, b""), Err(CloseReason::NoTicket));
        assert_eq!(vault.open_ticket(Time(0), 5, &[7; 16]), Err(CloseReason::TicketInvalid));
        assert_eq!(vault.open_reservation(Time(0), &granted.ticket), None);
        let kept = Reservation {
            id: usher_proto::ReservationId(3),
            target: "hall-1".into(),
            session: None,
            hops_left: 2,
        };
        let sealed = vault.seal_reservation(Time(10), kept.clone(), &mut dice);
        assert_eq!(vault.open_reservation(Time(9), &sealed), Some(kept));
        assert_eq!(vault.open_reservation(Time(10), &sealed), None);
        assert_eq!(vault.open_ticket(Time(9), 5, &sealed), Err(CloseReason::TicketInvalid));
    }

    #[test]
    fn a_name_is_one_account_and_a_later_login_is_newer() {
        let (mut vault, mut dice) = (Vault::new(1), ChaCha8Rng::seed_from_u64(1));
        let mut log_in = |unix_ms, account| -> Result<Identity, LogInDenial> {
            let client_first = client_first(7, &mut dice);
            let server_first = vault.challenge(&client_first, &mut dice).unwrap().server_first;
            let exchange = Exchange { client_first, server_first };
            let proof = client_final(account, &exchange);
            let said = (&exchange, proof.client_final.as_str());
            let granted = vault.log_in(Time(0), unix_ms, WorldId(1), said, &mut dice)?;
            assert_eq!(granted.server_final, Some(proof.server_final));
            Ok(granted.identity)
        };
        assert_eq!(log_in(1, 8), Err(LogInDenial::WrongCredentials), "another's proof");
        let (first, second) = (log_in(1, 7).unwrap(), log_in(2, 7).unwrap());
        assert_eq!(first.account, second.account);
        assert!(second.is_newer_than(&first));
    }
}
