//! Places that were asked for at other servers, by the address of the stranger they were for.
//!
//! Why: whoever has no session can knock as often as he likes; one address must not keep every place elsewhere.
//! Owns: the questions of the last `ttl`, as long as the reservations that came of them can be outstanding. What
//! became of a question is not known here, so one that nobody answered counts as well.
//! Limits: `per_address_max` for each address, beyond which the asker is told Busy; [`ASKED_MAX`] in all, beyond
//! which the oldest is forgotten early.
//! Read next: [`crate::front`].

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;
use usher_proto::Time;

/// Questions remembered: more than one server asks in the life of a reservation.
const ASKED_MAX: usize = 65_536;

/// Questions by address, each with its end.
#[derive(Debug)]
pub(crate) struct AskedFor {
    ttl: Duration,
    per_address_max: u32,
    by_address: BTreeMap<IpAddr, u32>,
    ends: VecDeque<(Time, IpAddr)>,
}

impl AskedFor {
    /// Nothing was asked for. 0: any number may be.
    pub(crate) fn new(ttl: Duration, per_address_max: u32) -> Self {
        Self { ttl, per_address_max, by_address: BTreeMap::new(), ends: VecDeque::new() }
    }

    /// Counts one more question for `address`, unless it has as many as it may.
    pub(crate) fn ask(&mut self, now: Time, address: IpAddr) -> bool {
        if self.per_address_max == 0 {
            return true;
        }
        while self.ends.front().is_some_and(|(end, _)| *end <= now) || self.ends.len() >= ASKED_MAX {
            self.forget_oldest();
        }
        let asked = self.by_address.entry(address).or_default();
        if *asked >= self.per_address_max {
            return false;
        }
        *asked += 1;
        self.ends.push_back((now + self.ttl, address));
        true
    }

    fn forget_oldest(&mut self) {
        let Some((_, address)) = self.ends.pop_front() else { return };
        let asked =
            self.by_address.get_mut(&address).expect("invariant: a question is counted until its end");
        *asked -= 1;
        if *asked == 0 {
            self.by_address.remove(&address);
        }
    }

    /// Panics if the two lists do not say the same.
    pub(crate) fn check_invariants(&self) {
        assert!(self.ends.len() <= ASKED_MAX);
        assert_eq!(self.by_address.values().map(|asked| *asked as usize).sum::<usize>(), self.ends.len());
        assert!(self.by_address.values().all(|asked| (1..=self.per_address_max).contains(asked)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32) -> IpAddr {
        number.to_be_bytes().into()
    }

    #[test]
    fn an_address_has_so_many_until_they_end() {
        let mut asked = AskedFor::new(Duration::from_millis(10), 2);
        for (at, number, granted) in [
            (0, 1, true),
            (3, 1, true),
            (3, 1, false),
            (3, 2, true),
            (9, 1, false),
            (10, 1, true),
            (10, 1, false),
        ] {
            assert_eq!(asked.ask(Time::from_millis(at), host(number)), granted, "{at} ms, host {number}");
            asked.check_invariants();
        }
        assert!(asked.ask(Time::from_millis(30), host(3)));
        assert_eq!((asked.ends.len(), asked.by_address.len()), (1, 1), "what has ended is forgotten");
    }

    #[test]
    fn a_crowd_of_addresses_pushes_out_the_oldest() {
        let mut asked = AskedFor::new(Duration::from_secs(5), 1);
        for number in 0..ASKED_MAX as u32 + 10 {
            assert!(asked.ask(Time::from_millis(0), host(number)));
        }
        asked.check_invariants();
        assert!(asked.ask(Time::from_millis(0), host(0)), "it was forgotten");
        assert!(!asked.ask(Time::from_millis(0), host(ASKED_MAX as u32 + 9)));
    }
}
