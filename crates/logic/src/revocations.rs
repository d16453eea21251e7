//! Accounts whose logins so far are over, by an operator's word.
//!
//! Why: a ticket is good until it expires, whatever becomes of its account. The manager tells every server, and each
//! keeps the list and hands it to a manager that comes back knowing nothing.
//! Invariant: for an account the latest word holds; one that is not later changes nothing.
//! Limit: `ACCOUNTS_MAX`; beyond it the oldest word is forgotten. A word need not be forgotten earlier: the logins
//! that it names are past, and so are one day their tickets.
//! Read next: [`crate::uplink`], which keeps it for a server; [`crate::manager`], which gives it.

use crate::recent::Recent;
use alloc::vec::Vec;
use usher_proto::limits::REVOKED_MAX;
use usher_proto::message::Revoked;
use usher_proto::{AccountId, Generation, Identity, Time};

/// Accounts remembered.
const ACCOUNTS_MAX: usize = 16_384;

/// What was taken back.
#[derive(Debug)]
pub struct Revocations(Recent<AccountId, Generation>);

impl Revocations {
    /// Nothing was taken back yet.
    pub fn new(seed: u64) -> Self {
        Self(Recent::new(ACCOUNTS_MAX, seed))
    }

    /// Every login of this account below that generation is over. `false`: that was known.
    pub fn add(&mut self, now: Time, account: AccountId, below: Generation) -> bool {
        let is_news = self.0.get(&account).is_none_or(|known| *known < below);
        if is_news {
            self.0.put(now, account, below);
        }
        is_news
    }

    /// Whether this login is over.
    pub fn is_over(&self, login: &Identity) -> bool {
        self.ended_below(login).is_some()
    }

    /// If this login is over, the first generation of its account that is not.
    pub fn ended_below(&self, login: &Identity) -> Option<Generation> {
        self.0.get(&login.account).copied().filter(|below| login.generation < *below)
    }

    /// All of it, in as many messages as it takes.
    pub fn messages(&self) -> impl Iterator<Item = Revoked> {
        let logins: Vec<_> = self.0.iter().map(|(account, below)| (*account, *below)).collect();
        let messages: Vec<_> =
            logins.chunks(REVOKED_MAX).map(|logins| Revoked { logins: logins.to_vec() }).collect();
        messages.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::{SessionId, WorldId};

    fn login(account: u64, generation: u64) -> Identity {
        let (account, generation) = (AccountId(account), Generation(generation));
        Identity { world: WorldId(1), account, session: SessionId(0), generation }
    }

    #[test]
    fn the_latest_word_holds() {
        let mut revocations = Revocations::new(1);
        assert!(!revocations.is_over(&login(1, 0)));
        assert!(revocations.add(Time(0), AccountId(1), Generation(10)));
        assert!(!revocations.add(Time(1), AccountId(1), Generation(10)), "known");
        assert!(!revocations.add(Time(1), AccountId(1), Generation(9)), "older");
        assert!(revocations.is_over(&login(1, 9)) && !revocations.is_over(&login(1, 10)));
        assert!(!revocations.is_over(&login(2, 9)));
        assert!(revocations.add(Time(2), AccountId(1), Generation(11)));
        assert!(revocations.is_over(&login(1, 10)));
    }

    #[test]
    fn the_list_is_bounded_and_said_whole() {
        let mut revocations = Revocations::new(1);
        for account in 0..=ACCOUNTS_MAX as u64 {
            assert!(revocations.add(Time(account), AccountId(account), Generation(7)));
        }
        assert!(!revocations.is_over(&login(0, 1)), "the oldest was forgotten");
        let messages: Vec<_> = revocations.messages().collect();
        assert!(messages.iter().all(|said| said.logins.len() <= REVOKED_MAX));
        assert_eq!(messages.iter().map(|said| said.logins.len()).sum::<usize>(), ACCOUNTS_MAX);
    }
}
