//! How far behind a server's logic is: what waits for it, at the pace it worked lately.
//!
//! Why: the manager sends nobody to a server whose queue is long, and a machine does not know what waits for it.
//! Limits: one look's pace is taken for the next; stages without a thread keep no queue.
//! Read next: [`crate::lease`], which says it with each lease.

use std::time::Instant;
use usher_hpserver::StageMetrics;

/// How fast the logic stage worked since it was last looked at.
#[derive(Debug)]
pub(crate) struct Pace {
    at: Instant,
    done: u64,
}

impl Pace {
    /// Nothing was done yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, done: 0 }
    }

    /// How long what waits for the logic takes at its pace since the last look: Little's law, read from the queue's
    /// length and what left it. A stage run inline keeps no queue and is never behind by this.
    pub(crate) fn logic_delay_us(&mut self, now: Instant, logic: &StageMetrics) -> u32 {
        let done_before = std::mem::replace(&mut self.done, logic.items.saturating_sub(logic.length));
        let span = now - std::mem::replace(&mut self.at, now);
        let done = self.done.saturating_sub(done_before).max(1);
        let delay_us = span.as_micros() * u128::from(logic.length) / u128::from(done);
        u32::try_from(delay_us).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn what_waits_takes_as_long_as_the_last_second_says() {
        let start = clock::instant();
        let mut pace = Pace::new(start);
        let mut delay_us = |second: u64, items, length| {
            let logic = StageMetrics { items, length, ..StageMetrics::default() };
            pace.logic_delay_us(start + Duration::from_secs(second), &logic)
        };
        assert_eq!(delay_us(1, 10_000, 0), 0, "nothing waits");
        assert_eq!(delay_us(2, 20_500, 500), 50_000, "500 wait where 10,000 were done in a second");
        assert_eq!(delay_us(3, 21_500, 500), 500_000, "the same 500 at a tenth of the pace");
        assert_eq!(delay_us(4, 21_500, 500), 500_000_000, "nothing was done");
        assert_eq!(delay_us(3_600, u64::MAX, u64::MAX), u32::MAX);
    }
}
