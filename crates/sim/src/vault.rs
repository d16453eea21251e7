//! What the real stack does with keys and accounts: sessions, tickets, reservations.
//!
//! Why: machines ask for these; here a sealed thing is its content and a mark that only the vault can make, which
//! forges as badly as the real one, costs little and, like the real one, is kept by nobody but its holder. The texts of a login have the shape of SCRAM's and prove nothing:
//! whoever names an account's number in them has its password.
//! Invariants: what was never sealed does not open, nor what has expired, nor one kind for the other.
//! Read next: `world.rs`.

use foldhash::fast::FixedState;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::time::Duration;
use usher_proto::machine::{Challenge, ClientProof, Exchange, Grant};
use usher_proto::message::{CloseReason, LogInDenial};
use usher_proto::{AccountId, Generation, Identity, Reservation, ReservationId, SessionId, Time, WorldId};

/// How long a ticket is good for.
const TICKET_TTL: Duration = Duration::from_secs(2 * 60 * 60);
/// A ticket from further in the future does not open.
const CLOCK_SKEW_MAX_MS: u64 = 2_000;
const GUEST_BIT: u64 = 1 << 63;

/// What is sealed; a kind is a byte, so that neither passes for the other.
const TICKET: u8 = 1;
const RESERVATION: u8 = 2;
const MARK_BYTES: usize = 8;
/// Numbers in a sealed thing.
const FIELDS: usize = 6;

#[derive(Debug)]
pub(crate) struct Vault {
    marks: FixedState,
    accounts: BTreeMap<String, AccountId>,
}

impl Vault {
    pub(crate) fn new(seed: u64) -> Self {
        Self { marks: FixedState::with_seed(seed), accounts: BTreeMap::new() }
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
        let ticket = self.seal_ticket(now, unix_ms, identity);
        Grant { identity, session_key: vec![0; 32], ticket, ticket_ttl: TICKET_TTL, server_final: None }
    }

    /// By a clock that shows `unix_ms`.
    pub(crate) fn seal_ticket(&self, now: Time, unix_ms: u64, identity: Identity) -> Vec<u8> {
        let Identity { world, account, session, generation } = identity;
        let until = (now + TICKET_TTL).0;
        self.seal(TICKET, &[until, account.0, session.0, generation.0, u64::from(world.0), unix_ms], "")
    }

    pub(crate) fn seal_reservation(&self, until: Time, reservation: &Reservation) -> Vec<u8> {
        let Reservation { id, target, session, hops_left } = reservation;
        let (has_session, session) = (u64::from(session.is_some()), session.map_or(0, |session| session.0));
        let fields = [until.0, id.0, has_session, session, u64::from(*hops_left), 0];
        self.seal(RESERVATION, &fields, &target.0)
    }

    fn seal(&self, kind: u8, fields: &[u64; FIELDS], text: &str) -> Vec<u8> {
        let fields = fields.iter().flat_map(|field| field.to_be_bytes());
        let mut sealed: Vec<u8> = [kind].into_iter().chain(fields).chain(text.bytes()).collect();
        sealed.extend(self.mark(&sealed));
        sealed
    }

    fn mark(&self, content: &[u8]) -> [u8; MARK_BYTES] {
        self.marks.hash_one(content).to_be_bytes()
    }

    /// The fields and the text, if this is of that kind and was sealed here.
    fn open<'a>(&self, kind: u8, bytes: &'a [u8]) -> Option<([u64; FIELDS], &'a str)> {
        let (content, mark) = bytes.split_last_chunk::<MARK_BYTES>()?;
        let (fields, text) = content.strip_prefix(&[kind])?.split_at_checked(FIELDS * 8)?;
        let mut read = fields.chunks(8).map(|field| field.try_into().map_or(0, u64::from_be_bytes));
        let fields = core::array::from_fn(|_| read.next().unwrap_or(0));
        let is_ours = self.mark(content) == *mark;
        is_ours.then_some((fields, str::from_utf8(text).ok()?))
    }

    /// By a clock that shows `unix_ms`.
    pub(crate) fn open_ticket(&self, now: Time, unix_ms: u64, bytes: &[u8]) -> Result<Identity, CloseReason> {
        match self.open(TICKET, bytes) {
            _ if bytes.is_empty() => Err(CloseReason::NoTicket),
            Some(([until, ..], _)) if until <= now.0 => Err(CloseReason::TicketExpired),
            Some(([_, account, session, generation, world, issued], _))
                if issued <= unix_ms + CLOCK_SKEW_MAX_MS =>
            {
                Ok(Identity {
                    world: WorldId(world as u16),
                    account: AccountId(account),
                    session: SessionId(session),
                    generation: Generation(generation),
                })
            }
            _ => Err(CloseReason::TicketInvalid),
        }
    }

    /// A reservation that is good now; one that is not is as if there were none.
    pub(crate) fn open_reservation(&self, now: Time, bytes: &[u8]) -> Option<Reservation> {
        let ([until, id, has_session, session, hops_left, _], target) = self.open(RESERVATION, bytes)?;
        (until > now.0).then(|| Reservation {
            id: ReservationId(id),
            target: target.into(),
            session: (has_session == 1).then_some(SessionId(session)),
            hops_left: hops_left as u8,
        })
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
        let kept = Reservation { id: ReservationId(3), target: "hall-1".into(), session: None, hops_left: 2 };
        let sealed = vault.seal_reservation(Time(10), &kept);
        assert_eq!(vault.open_reservation(Time(9), &sealed), Some(kept));
        assert_eq!(vault.open_reservation(Time(10), &sealed), None);
        assert_eq!(vault.open_ticket(Time(9), 5, &sealed), Err(CloseReason::TicketInvalid));
        for at in 0..granted.ticket.len() {
            let mut forged = granted.ticket.clone();
            forged[at] ^= 1;
            let opened = vault.open_ticket(Time(0), 5, &forged);
            assert_eq!(opened, Err(CloseReason::TicketInvalid), "byte {at}");
        }
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
