//! How often something may happen: so many a second, and a burst at once.
//!
//! It exists so that a rate is one number in whatever it limits. It is the generic cell rate algorithm (ATM
//! Forum, Traffic Management 4.0, 1996): what is kept is the *theoretical arrival time*, at which a source that
//! kept exactly to its rate would send next. Who is early by more than its burst is over the rate.
//!
//! Invariants: what was refused does not count; an arrival time in the past is as good as none.
//! Limits: none of its own; a rate of 0 is no limit.
//! Read next: `addresses` for connections, `parse` for messages and bytes.

use std::time::Duration;

/// So many units a second, and so many at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Units a second in the long run; 0: any number.
    pub per_second: u32,
    /// Units that may come at once; at least 1 where there is a rate.
    pub burst: u32,
}

impl Rate {
    /// Any number.
    pub const ANY: Self = Self { per_second: 0, burst: 0 };

    /// Whether `units` more may come now; they count if so. `arrival_ns` and `now_ns` are of one clock.
    pub(crate) fn take(self, arrival_ns: &mut u64, now_ns: u64, units: u64) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let next_ns = now_ns.max(*arrival_ns).saturating_add(self.span_ns(units));
        let in_time = next_ns - now_ns <= self.span_ns(u64::from(self.burst));
        if in_time {
            *arrival_ns = next_ns;
        }
        in_time
    }

    /// After so long without any, the whole burst is there again.
    pub(crate) fn recovery(self) -> Duration {
        if self.per_second == 0 {
            Duration::ZERO
        } else {
            Duration::from_nanos(self.span_ns(self.burst.into()))
        }
    }

    /// How long so many units take at exactly this rate.
    fn span_ns(self, units: u64) -> u64 {
        units.saturating_mul(1_000_000_000) / u64::from(self.per_second)
    }
}

/// What the connections of a listener may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Frames of an open connection, pings and parts of messages too.
    pub messages: Rate,
    /// Bytes as received; the burst is at least one receive buffer, which comes at once.
    pub bytes: Rate,
}

/// What one connection has said: an arrival time for each of its rates.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    messages_ns: u64,
    bytes_ns: u64,
}

impl Meter {
    /// Whether one more frame is within the rate.
    pub(crate) fn message(&mut self, rates: &Rates, now_ns: u64) -> bool {
        rates.messages.take(&mut self.messages_ns, now_ns, 1)
    }

    /// Whether so many bytes more are within the rate.
    pub(crate) fn bytes(&mut self, rates: &Rates, now_ns: u64, count: usize) -> bool {
        rates.bytes.take(&mut self.bytes_ns, now_ns, count as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// How many of `tries`, one each `every_ns`, were taken.
    fn taken(rate: Rate, every_ns: u64, tries: u64) -> u64 {
        let mut arrival_ns = 0;
        (0..tries).filter(|number| rate.take(&mut arrival_ns, SECOND + number * every_ns, 1)).count() as u64
    }

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate() {
        let rate = Rate { per_second: 10, burst: 5 };
        assert_eq!(taken(rate, 0, 100), 5);
        assert_eq!(taken(rate, SECOND / 10, 1000), 1000, "exactly at the rate");
        assert_eq!(taken(rate, SECOND / 20, 1001), 505, "twice the rate: half of it, and the burst");
        assert_eq!(taken(Rate::ANY, 0, 100), 100);
    }

    #[test]
    fn what_was_refused_does_not_count_and_silence_gives_the_burst_back() {
        let rate = Rate { per_second: 100, burst: 1000 };
        let mut arrival_ns = 0;
        assert!(rate.take(&mut arrival_ns, 7, 1000));
        assert!(!rate.take(&mut arrival_ns, 7, 1));
        assert_eq!(rate.recovery(), Duration::from_secs(10));
        assert!(!rate.take(&mut arrival_ns, 6 + 10 * SECOND, 1000));
        assert!(rate.take(&mut arrival_ns, 7 + 10 * SECOND, 1000));
    }

    #[test]
    fn numbers_at_their_end_do_not_overflow() {
        for rate in [Rate { per_second: 1, burst: u32::MAX }, Rate { per_second: u32::MAX, burst: u32::MAX }]
        {
            let mut arrival_ns = u64::MAX - 1;
            rate.take(&mut arrival_ns, u64::MAX, u64::MAX);
            assert!(!rate.take(&mut 0, 0, u64::MAX));
        }
    }
}
