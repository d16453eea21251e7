//! How many connections each address has at a listener, and how fast it makes them.
//!
//! It exists so that one stranger cannot take every place of a listener, nor a core by knocking. Only who comes
//! and who goes takes its lock; bytes never do. Who is refused is reset at once, without a word: a word costs a
//! send and a wait for the other end, which is what a flood is after.
//!
//! Invariants: an entry is there while its address has connections, and afterwards until its rate has recovered;
//! then it is forgotten, by the next who comes or goes or asks for the count. What came in through an entry goes
//! out through the same.
//! Limits: `known_max` entries. Beyond them the entry that is idle longest is forgotten; if none is idle, a
//! newcomer is counted with all others of its kind in one entry that they share.
//! Read next: `hook`, which asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    CloseReason,
    fabric::lock,
    networks::{Network, household},
    rate::Rate,
};

/// What one address may have at a listener.
#[derive(Debug, Clone)]
pub struct AddressLimits {
    /// Connections open at once; 0: any number. One more is reset.
    pub connections_max: u32,
    /// Connections made; one over the rate is reset.
    pub connects: Rate,
    /// Addresses known at once.
    pub known_max: usize,
    /// Networks whose addresses are not counted.
    pub exempt: Vec<Network>,
}

impl Default for AddressLimits {
    /// No limit.
    fn default() -> Self {
        Self { connections_max: 0, connects: Rate::ANY, known_max: 65_536, exempt: Vec::new() }
    }
}

/// Where a connection was counted, for when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Nowhere: its network is exempt, or there is no limit.
    Not,
    /// In its address's own entry.
    Own(IpAddr),
    /// In the entry of those who found the table full.
    Shared,
}

/// The addresses of one listener.
pub(crate) struct Addresses {
    limits: AddressLimits,
    start: Instant,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Ordered and not hashed: strangers choose their addresses.
    entries: BTreeMap<IpAddr, Knocks>,
    /// Entries without a connection, by the time since when.
    idle: BTreeSet<(u64, IpAddr)>,
    shared: Knocks,
}

/// What is known of one address.
#[derive(Default)]
struct Knocks {
    open: u32,
    arrival_ns: u64,
    idle_since_ns: u64,
}

impl Knocks {
    fn enter(&mut self, limits: &AddressLimits, now_ns: u64) -> Result<(), CloseReason> {
        if limits.connections_max > 0 && self.open >= limits.connections_max {
            return Err(CloseReason::AddressFull);
        }
        if !limits.connects.take(&mut self.arrival_ns, now_ns, 1) {
            return Err(CloseReason::AddressRate);
        }
        self.open += 1;
        Ok(())
    }
}

impl Addresses {
    pub(crate) fn new(limits: AddressLimits, now: Instant) -> Self {
        Self { limits, start: now, known: Mutex::default() }
    }

    /// Counts one more connection from `address`, unless that is one too many.
    pub(crate) fn enter(&self, address: IpAddr, now: Instant) -> Result<Counted, CloseReason> {
        if self.is_off() || self.limits.exempt.iter().any(|network| network.contains(address)) {
            return Ok(Counted::Not);
        }
        let address = household(address);
        let now_ns = self.nanos(now);
        let mut known = lock(&self.known);
        known.forget_recovered(now_ns, self.limits.connects.recovery());
        known.enter(address, &self.limits, now_ns)
    }

    pub(crate) fn exit(&self, counted: Counted, now: Instant) {
        let now_ns = self.nanos(now);
        match counted {
            Counted::Not => {}
            Counted::Shared => lock(&self.known).shared.open -= 1,
            Counted::Own(address) => {
                let mut known = lock(&self.known);
                known.exit(address, now_ns);
                known.forget_recovered(now_ns, self.limits.connects.recovery());
            }
        }
    }

    /// How many addresses are known now.
    pub(crate) fn count(&self, now: Instant) -> usize {
        let mut known = lock(&self.known);
        known.forget_recovered(self.nanos(now), self.limits.connects.recovery());
        known.entries.len()
    }

    fn is_off(&self) -> bool {
        self.limits.connections_max == 0 && self.limits.connects.per_second == 0
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Known {
    fn enter(
        &mut self,
        address: IpAddr,
        limits: &AddressLimits,
        now_ns: u64,
    ) -> Result<Counted, CloseReason> {
        if !self.entries.contains_key(&address) && !self.make_room(limits.known_max) {
            return self.shared.enter(limits, now_ns).map(|()| Counted::Shared);
        }
        let knocks = self.entries.entry(address).or_default();
        let was_idle = knocks.open == 0;
        knocks.enter(limits, now_ns)?;
        if was_idle {
            self.idle.remove(&(knocks.idle_since_ns, address));
        }
        Ok(Counted::Own(address))
    }

    fn exit(&mut self, address: IpAddr, now_ns: u64) {
        let knocks =
            self.entries.get_mut(&address).expect("invariant: an entry stays while it has connections");
        knocks.open -= 1;
        if knocks.open == 0 {
            knocks.idle_since_ns = now_ns;
            self.idle.insert((now_ns, address));
        }
    }

    /// Whether there is room for one more entry, once the one that is idle longest is gone.
    fn make_room(&mut self, known_max: usize) -> bool {
        if self.entries.len() < known_max {
            return true;
        }
        let Some((_, idle)) = self.idle.pop_first() else { return false };
        self.entries.remove(&idle);
        true
    }

    /// Forgets who has no connection and a whole burst again: nothing is known of them that a stranger has not.
    fn forget_recovered(&mut self, now_ns: u64, recovery: Duration) {
        let recovery_ns = u64::try_from(recovery.as_nanos()).unwrap_or(u64::MAX);
        while let Some((since_ns, address)) = self.idle.first().copied()
            && since_ns.saturating_add(recovery_ns) <= now_ns
        {
            self.idle.pop_first();
            self.entries.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::now;

    fn limits(connections_max: u32, connects: Rate, known_max: usize) -> AddressLimits {
        AddressLimits { connections_max, connects, known_max, exempt: vec!["10.0.0.0/8".parse().unwrap()] }
    }

    /// A table, and the time it was made at.
    fn table(limits: AddressLimits) -> (Addresses, Instant) {
        let start = now();
        (Addresses::new(limits, start), start)
    }

    fn host(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[test]
    fn an_address_has_so_many_at_once_and_is_forgotten_with_the_last() {
        let (table, at) = table(limits(2, Rate::ANY, 10));
        let first = table.enter(host(1), at).unwrap();
        table.enter(host(1), at).unwrap();
        assert_eq!(table.enter(host(1), at), Err(CloseReason::AddressFull));
        assert!(table.enter(host(2), at).is_ok(), "others are not meant");
        table.exit(first, at);
        table.enter(host(1), at).unwrap();
        assert_eq!(table.count(at), 2);
        for counted in [first, first, Counted::Own(household(host(2)))] {
            table.exit(counted, at);
        }
        assert_eq!(table.count(at), 0);
    }

    #[test]
    fn an_address_that_knocks_too_fast_is_known_until_its_rate_has_recovered() {
        let (table, at) = table(limits(0, Rate { per_second: 10, burst: 3 }, 10));
        for _ in 0..3 {
            let counted = table.enter(host(1), at).unwrap();
            table.exit(counted, at);
        }
        assert_eq!(table.enter(host(1), at), Err(CloseReason::AddressRate));
        assert!(table.enter(host(1), at + Duration::from_millis(100)).is_ok());
        table.exit(Counted::Own(household(host(1))), at + Duration::from_millis(100));
        assert_eq!(table.count(at + Duration::from_millis(399)), 1);
        assert_eq!(table.count(at + Duration::from_millis(400)), 0);
    }

    #[test]
    fn the_exempt_are_not_counted() {
        let (table, at) = table(limits(1, Rate { per_second: 1, burst: 1 }, 10));
        for _ in 0..100 {
            assert_eq!(table.enter([10, 1, 2, 3].into(), at), Ok(Counted::Not));
        }
        assert_eq!(table.count(at), 0);
    }

    #[test]
    fn a_full_table_forgets_the_longest_idle_and_else_shares() {
        let (table, at) = table(limits(2, Rate { per_second: 1, burst: 100 }, 3));
        let later = |ms| at + Duration::from_millis(ms);
        let counted: Vec<_> = (1..=3).map(|number| table.enter(host(number), at).unwrap()).collect();
        assert_eq!(table.enter(host(4), at), Ok(Counted::Shared));
        assert_eq!(table.enter(host(5), at), Ok(Counted::Shared));
        assert_eq!(table.enter(host(6), at), Err(CloseReason::AddressFull), "they share what one may have");
        table.exit(counted[1], later(1));
        table.exit(counted[0], later(2));
        assert_eq!(table.enter(host(6), later(3)), Ok(Counted::Own(household(host(6)))));
        assert_eq!(table.count(later(3)), 3, "host 2 made room, host 1 is idle");
        assert!(!lock(&table.known).entries.contains_key(&household(host(2))));
        table.exit(Counted::Shared, later(4));
        table.exit(Counted::Shared, later(4));
        table.exit(counted[2], later(4));
        table.exit(Counted::Own(household(host(6))), later(4));
        assert_eq!(table.count(later(200_000)), 0);
        assert_eq!(lock(&table.known).shared.open, 0);
    }

    #[test]
    fn who_was_counted_with_others_goes_out_there_also_when_its_address_has_an_entry_by_then() {
        let (table, at) = table(limits(2, Rate::ANY, 1));
        let other = table.enter(host(1), at).unwrap();
        let shared = table.enter(host(2), at).unwrap();
        table.exit(other, at);
        let own = table.enter(host(2), at).unwrap();
        assert_eq!((shared, own), (Counted::Shared, Counted::Own(household(host(2)))));
        table.exit(shared, at);
        assert_eq!(table.count(at), 1);
        table.exit(own, at);
        assert_eq!(table.count(at), 0);
    }

    #[test]
    fn a_crowd_leaves_nothing_behind() {
        let (table, at) = table(limits(4, Rate { per_second: 10, burst: 10 }, 100_000));
        let all: Vec<_> = (0..50_000u32)
            .map(|number| table.enter(IpAddr::from((0xcb00_0000 + number).to_be_bytes()), at).unwrap())
            .collect();
        assert_eq!(table.count(at), 50_000);
        for counted in all {
            table.exit(counted, at);
        }
        assert_eq!(table.count(at + Duration::from_secs(1)), 0);
        assert!(lock(&table.known).idle.is_empty());
    }
}
