//! How long somebody waits after wrong passwords: by account a little, by address more.
//!
//! Why: guessing must be slow, and whoever guesses at an account must not keep its owner out.
//! The rules: the first few failures are free; each further one doubles a wait, up to a cap. An account's wait
//! is short and does not hold where its owner logged in last; an address's is longer, for one address can only
//! hurt itself and its neighbours. Nothing is counted while somebody waits, and a success takes nothing back:
//! only time does, so that an own account does not buy further guesses.
//! Owns: the two tables of failures, and where each account logged in last.
//! No address: one that is exempt from limits by address.
//! Invariants: a wait never exceeds its cap; an account that is not there is treated as one that is.
//! Limits: [`BackOffConfig`]; a full table forgets its stalest entry.
//! Read next: [`crate::login`].

use crate::recent::Recent;
use core::net::IpAddr;
use core::time::Duration;
use usher_proto::{AccountId, Figures, Time};

/// Failures without consequence, and the waits after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// So many failures cost nothing.
    pub free: u32,
    /// The wait after the next.
    pub wait_min: Duration,
    /// No wait is longer.
    pub wait_max: Duration,
}

impl Waits {
    fn after(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(self.free + 1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.wait_min.saturating_mul(factor).min(self.wait_max)
    }
}

/// How wrong passwords are slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOffConfig {
    /// For an account, from anywhere but where its owner logged in last.
    pub account: Waits,
    /// For an address (IPv6: a /64).
    pub address: Waits,
    /// Failures are forgotten when there was no further one for so long.
    pub forget_after: Duration,
    /// Entries in each table.
    pub entries_max: usize,
}

impl Default for BackOffConfig {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            account: Waits { free: 3, wait_min: second / 2, wait_max: second * 5 },
            address: Waits { free: 10, wait_min: second, wait_max: second * 60 },
            forget_after: second * 15 * 60,
            entries_max: 65_536,
        }
    }
}

/// What makes somebody wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Wrong passwords for the account.
    Account,
    /// Wrong passwords from the address.
    Address,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    held_until: Time,
}

/// Who failed lately.
#[derive(Debug)]
pub struct BackOff {
    config: BackOffConfig,
    accounts: Recent<AccountId, Failures>,
    addresses: Recent<IpAddr, Failures>,
    /// Where each account logged in last.
    homes: Recent<AccountId, IpAddr>,
}

impl BackOff {
    /// Nobody has failed yet.
    pub fn new(config: BackOffConfig, seed: u64) -> Self {
        let max = config.entries_max;
        Self {
            accounts: Recent::new(max, seed),
            addresses: Recent::new(max, seed),
            homes: Recent::new(max, seed),
            config,
        }
    }

    /// Whether this address has to wait, and how long yet.
    pub fn address_wait(&self, now: Time, address: Option<IpAddr>) -> Option<(Holder, Duration)> {
        let failures = self.addresses.get(&address?)?;
        remaining(now, failures).map(|wait| (Holder::Address, wait))
    }

    /// Whether who names this account from this address has to wait, and how long yet.
    pub fn wait(&self, now: Time, account: AccountId, address: Option<IpAddr>) -> Option<(Holder, Duration)> {
        let by_address = self.address_wait(now, address);
        let is_home = address.is_some_and(|address| self.homes.get(&account) == Some(&address));
        if by_address.is_some() || is_home {
            return by_address;
        }
        let failures = self.accounts.get(&account)?;
        remaining(now, failures).map(|wait| (Holder::Account, wait))
    }

    /// The password was wrong.
    pub fn failed(&mut self, now: Time, account: AccountId, address: Option<IpAddr>) {
        let forget_after = self.config.forget_after;
        let BackOffConfig { account: account_waits, address: address_waits, .. } = self.config;
        count(&mut self.accounts, now, account, account_waits, forget_after);
        if let Some(address) = address {
            count(&mut self.addresses, now, address, address_waits, forget_after);
        }
    }

    /// The password was right.
    pub fn succeeded(&mut self, now: Time, account: AccountId, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.homes.put(now, account, address);
        }
    }

    /// The figures kept here.
    pub fn figures(&self, figures: &mut Figures) {
        let remembered = [("account", self.accounts.len() as u64), ("address", self.addresses.len() as u64)];
        figures.gauges(
            "usher_login_failures_remembered",
            "Accounts and addresses whose wrong passwords are remembered.",
            "of",
            remembered,
        );
    }

    /// Panics if an invariant does not hold.
    pub fn check_invariants(&self) {
        self.accounts.check_invariants();
        self.addresses.check_invariants();
        self.homes.check_invariants();
    }
}

fn remaining(now: Time, failures: &Failures) -> Option<Duration> {
    (failures.held_until > now).then(|| failures.held_until - now)
}

fn count<K: Copy + Ord + core::hash::Hash>(
    table: &mut Recent<K, Failures>,
    now: Time,
    key: K,
    waits: Waits,
    forget_after: Duration,
) {
    table.forget(now, forget_after);
    let count = table.get(&key).map_or(0, |failures| failures.count).saturating_add(1);
    table.put(now, key, Failures { count, held_until: now + waits.after(count) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ADA: AccountId = AccountId(1);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    fn back_off() -> BackOff {
        BackOff::new(BackOffConfig::default(), 7)
    }

    /// The waits in ms after each of `failures` failures, each made as soon as it may be.
    fn waits(failures: usize, account: impl Fn(usize) -> u64, from: impl Fn(usize) -> u8) -> Vec<u128> {
        let (mut back_off, mut now) = (back_off(), Time(0));
        let mut waits = Vec::new();
        for at in 0..failures {
            let (account, from) = (AccountId(account(at)), Some(address(from(at))));
            back_off.failed(now, account, from);
            back_off.check_invariants();
            let wait = back_off.wait(now, account, from).map_or(Duration::ZERO, |(_, wait)| wait);
            waits.push(wait.as_millis());
            now = now + wait;
        }
        waits
    }

    #[test]
    fn an_account_waits_a_little_and_an_address_more() {
        let one_account = waits(9, |_| 1, |at| at as u8);
        assert_eq!(one_account, [0, 0, 0, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        let one_address = waits(18, |at| at as u64, |_| 1);
        assert_eq!(one_address[..10], [0; 10]);
        assert_eq!(one_address[10..], [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn nobody_is_kept_out_longer_than_the_cap_however_often_somebody_guesses() {
        let (mut back_off, mut now) = (back_off(), Time(0));
        for at in 0..10_000_u32 {
            let from = Some(IpAddr::from(at.to_be_bytes()));
            if back_off.wait(now, ADA, from).is_none() {
                back_off.failed(now, ADA, from);
            }
            now = now + Duration::from_millis(10);
            let wait = back_off.wait(now, ADA, Some(address(1))).map_or(Duration::ZERO, |(_, wait)| wait);
            assert!(wait <= Duration::from_secs(5));
        }
    }

    #[test]
    fn where_its_owner_logged_in_last_an_account_is_not_held() {
        let mut back_off = back_off();
        back_off.succeeded(Time(0), ADA, Some(address(1)));
        for from in 10..20 {
            back_off.failed(Time(0), ADA, Some(address(from)));
        }
        assert_eq!(back_off.wait(Time(0), ADA, Some(address(1))), None);
        let held = back_off.wait(Time(0), ADA, Some(address(2)));
        assert_eq!(held, Some((Holder::Account, Duration::from_secs(5))));
        back_off.succeeded(Time(0), ADA, Some(address(2)));
        assert_eq!(back_off.wait(Time(0), ADA, Some(address(2))), None);
        assert!(back_off.wait(Time(0), ADA, Some(address(1))).is_some(), "the last address, not every one");
    }

    #[test]
    fn an_own_account_buys_an_address_no_further_guesses() {
        let mut back_off = back_off();
        for guess in 0..11 {
            back_off.succeeded(Time(0), ADA, Some(address(1)));
            back_off.failed(Time(0), AccountId(100 + guess), Some(address(1)));
        }
        let held = back_off.wait(Time(0), ADA, Some(address(1)));
        assert_eq!(held, Some((Holder::Address, Duration::from_secs(1))));
        assert_eq!(back_off.address_wait(Time(0), Some(address(1))), held);
        assert_eq!(back_off.address_wait(Time(0), Some(address(2))), None);
    }

    #[test]
    fn time_alone_forgets() {
        let mut back_off = back_off();
        (0..20).for_each(|_| back_off.failed(Time(0), ADA, Some(address(1))));
        let later = Time(0) + Duration::from_secs(15 * 60 + 1);
        assert_eq!(back_off.wait(later, ADA, Some(address(2))), None);
        back_off.failed(later, ADA, Some(address(1)));
        assert_eq!(back_off.wait(later, ADA, Some(address(1))), None, "the first again");
    }

    #[test]
    fn an_exempt_address_fails_as_it_likes_but_its_accounts_wait() {
        let mut back_off = back_off();
        (0..100).for_each(|_| back_off.failed(Time(0), ADA, None));
        assert_eq!(back_off.address_wait(Time(0), None), None);
        assert_eq!(back_off.wait(Time(0), ADA, None).unwrap().0, Holder::Account);
    }

    #[test]
    fn the_tables_hold_no_more_than_they_may() {
        let mut back_off = BackOff::new(BackOffConfig { entries_max: 10, ..BackOffConfig::default() }, 7);
        for at in 0..1_000_u32 {
            let (account, from) = (AccountId(at.into()), Some(IpAddr::from(at.to_be_bytes())));
            back_off.failed(Time(at.into()), account, from);
            back_off.succeeded(Time(at.into()), account, from);
            back_off.check_invariants();
        }
        let mut figures = Figures::default();
        back_off.figures(&mut figures);
        let remembered: Vec<_> = figures.iter().map(|figure| figure.value).collect();
        assert_eq!(remembered, [10, 10]);
    }
}
