//! How long a lane's items take, going by the runs before.
//!
//! It exists so that a hop to another thread is taken where it pays: a short run costs less where it is than the
//! wake of a thread, a long one would hold up whoever brought it.
//!
//! Invariants: it rises with one slow run and falls over many quick ones, so that a lane whose handler is slow now
//! and then does not stop a worker each time.
//! Limit: a run that was interrupted by the kernel counts as slow; it is forgotten in some sixty runs.
//! Read next: `fabric`, which asks.

use std::time::Duration;

/// A quick run takes this part off what was expected: one in `FALL`.
const FALL: u64 = 16;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    item_ns: u64,
}

impl Pace {
    pub(crate) fn note(&mut self, items: usize, spent: Duration) {
        let Some(sample) = nanos(spent).checked_div(items as u64) else { return };
        if sample > self.item_ns {
            self.item_ns = self.item_ns.midpoint(sample);
        } else {
            self.item_ns -= (self.item_ns - sample).div_ceil(FALL);
        }
    }

    /// What so many items will take.
    pub(crate) fn expected(self, items: usize) -> Duration {
        Duration::from_nanos(self.item_ns.saturating_mul(items as u64))
    }
}

fn nanos(spent: Duration) -> u64 {
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut pace = Pace::default();
        pace.note(0, Duration::from_secs(9));
        assert_eq!(pace.expected(1000), Duration::ZERO);
        pace.note(10, Duration::from_millis(50));
        assert_eq!(pace.expected(2), Duration::from_millis(5));
        let mut runs = 0;
        while pace.expected(1) > Duration::from_micros(1) {
            pace.note(100, Duration::from_micros(50));
            runs += 1;
        }
        assert!((50..200).contains(&runs), "{runs}");
        assert!(pace.expected(1) >= Duration::from_nanos(500));
    }
}
