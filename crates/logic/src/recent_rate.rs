//! How many a second, the longer ago the less: what was a second ago counts for a third.
//!
//! Why: clients are sent to who is least busy. Were that who began to serve fewest in the last second alone, a burst would
//! leave that second all at once and make room for the next burst, and so on each second.
//! Owns: one count. Invariant: at a steady rate it is that rate, or up to a slice less.
//! Read next: [`crate::admission`], which counts at a server; `manager/registry.rs`, which counts who is on the way there.

use usher_proto::Time;

const SECOND_NS: u64 = 1_000_000_000;
/// In a second; what is recent fades by as much in each.
const SLICES: u64 = 32;
/// After these, less than one is left of a million.
const FORGOTTEN_SLICES: u64 = 15 * SLICES;
const ONE: u64 = 1 << 16;

/// A count that fades.
#[derive(Debug, Default)]
pub(crate) struct RecentRate {
    /// In parts of [`ONE`].
    level: u64,
    newest_slice: u64,
}

impl RecentRate {
    pub(crate) fn count(&mut self, now: Time) {
        self.fade(now);
        self.level += ONE;
    }

    pub(crate) fn per_second(&mut self, now: Time) -> u32 {
        self.fade(now);
        u32::try_from((self.level + ONE / 2) / ONE).unwrap_or(u32::MAX)
    }

    fn fade(&mut self, now: Time) {
        let slice = now.0 / (SECOND_NS / SLICES);
        let passed = slice.saturating_sub(self.newest_slice);
        self.newest_slice = self.newest_slice.max(slice);
        if passed > FORGOTTEN_SLICES {
            self.level = 0;
        }
        for _ in 0..passed.min(FORGOTTEN_SLICES) {
            self.level -= self.level / SLICES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn ms(ms: u64) -> Time {
        Time(0) + Duration::from_millis(ms)
    }

    #[test]
    fn what_was_a_second_ago_counts_for_a_third_and_some_time_later_for_nothing() {
        let mut rate = RecentRate::default();
        (0..300).for_each(|_| rate.count(ms(500)));
        for (at, left) in [(500, 300), (530, 300), (1_000, 181), (1_500, 109), (2_500, 39), (15_600, 0)] {
            assert_eq!(rate.per_second(ms(at)), left, "at {at} ms");
        }
        rate.count(ms(u64::from(u32::MAX)));
        assert_eq!(rate.per_second(ms(u64::from(u32::MAX))), 1);
    }

    #[test]
    fn a_steady_rate_is_what_it_is() {
        let mut rate = RecentRate::default();
        for at in 0..10_000 {
            rate.count(ms(at));
        }
        let found = rate.per_second(ms(10_000));
        assert!((960..=1_000).contains(&found), "{found}");
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_takes_nothing_away() {
        let mut rate = RecentRate::default();
        rate.count(ms(2_000));
        rate.count(ms(1_000));
        assert_eq!(rate.per_second(ms(0)), 2);
    }
}
