//! What the real stack does with keys and accounts: sessions, tickets, reservations.
//!
//! Why: machines ask for these; here a sealed thing is an unguessable number and a table entry, which forges
//! as badly as the real one and costs nothing.
//! Invariants: what was never sealed does not open, nor what has expired, nor one kind for the other.
//! Read next: `world.rs`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use usher_proto::machine::Grant;
use usher_proto::message::{CloseReason, Credentials};
use usher_proto::{AccountId, Generation, Identity, Reservation, SessionId, Time, WorldId};

/// How long a ticket is good for.
const TICKET_TTL: Duration = Duration::from_secs(2 * 60 * 60);
const GUEST_BIT: u64 = 1 << 63;

#[derive(Debug)]
enum Sealed {
    Ticket(Identity),
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

    /// A session for whoever asks: guests get an account each, a name always the same one.
    pub(crate) fn log_in(
        &mut self,
        now: Time,
        unix_ms: u64,
        world: WorldId,
        credentials: &Credentials,
        dice: &mut ChaCha8Rng,
    ) -> Grant {
        let account = match credentials {
            Credentials::Guest => AccountId(dice.next_u64() | GUEST_BIT),
            Credentials::Named { name, .. } => {
                let next = AccountId(self.accounts.len() as u64 + 1);
                *self.accounts.entry(name.clone()).or_insert(next)
            }
        };
        let session = SessionId(dice.next_u64());
        let generation = Generation(unix_ms << 16 | u64::from(dice.next_u32() & 0xffff));
        let identity = Identity { world, account, session, generation };
        let ticket = self.seal_ticket(now, identity, dice);
        Grant { identity, session_key: vec![0; 32], ticket, ticket_ttl: TICKET_TTL }
    }

    pub(crate) fn seal_ticket(&mut self, now: Time, identity: Identity, dice: &mut ChaCha8Rng) -> Vec<u8> {
        self.seal(Sealed::Ticket(identity), now + TICKET_TTL, dice)
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

    pub(crate) fn open_ticket(&self, now: Time, bytes: &[u8]) -> Result<Identity, CloseReason> {
        match self.open(bytes) {
            _ if bytes.is_empty() => Err(CloseReason::NoTicket),
            Some((Sealed::Ticket(_), until)) if *until <= now => Err(CloseReason::TicketExpired),
            Some((Sealed::Ticket(identity), _)) => Ok(*identity),
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn only_what_was_sealed_opens_and_only_in_time_and_as_its_kind() {
        let (mut vault, mut dice) = (Vault::new(1), ChaCha8Rng::seed_from_u64(1));
        let granted = vault.log_in(Time(0), 5, WorldId(1), &Credentials::Guest, &mut dice);
        let late = Time(0) + TICKET_TTL;
        assert_eq!(vault.open_ticket(Time(0), &granted.ticket), Ok(granted.identity));
        assert_eq!(vault.open_ticket(late, &granted.ticket), Err(CloseReason::TicketExpired));
        assert_eq!(vault.open_ticket(Time(0), b""), Err(CloseReason::NoTicket));
        assert_eq!(vault.open_ticket(Time(0), &[7; 16]), Err(CloseReason::TicketInvalid));
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
        assert_eq!(vault.open_ticket(Time(9), &sealed), Err(CloseReason::TicketInvalid));
    }

    #[test]
    fn a_name_is_one_account_and_a_later_login_is_newer() {
        let (mut vault, mut dice) = (Vault::new(1), ChaCha8Rng::seed_from_u64(1));
        let mut log_in = |unix_ms| {
            let credentials = Credentials::Named { name: "ann".into(), password: "x".into() };
            vault.log_in(Time(0), unix_ms, WorldId(1), &credentials, &mut dice).identity
        };
        let (first, second) = (log_in(1), log_in(2));
        assert_eq!(first.account, second.account);
        assert!(second.is_newer_than(&first));
    }
}
