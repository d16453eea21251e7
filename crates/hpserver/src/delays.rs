//! How long items wait in a lane's queue: a histogram, and the stopwatch that fills it.
//!
//! It exists so that a stage that falls behind is seen before its queue is full. One item is timed after each
//! `SAMPLE_EVERY` batches, from entering the queue to being taken, so the clock is read twice in so many batches and
//! never for the others.
//!
//! Invariants: one item at a time is on the watch; it keeps its place in its class, however much comes behind it.
//! Read next: `lane`, which asks at every bundle and every batch.

use std::time::{Duration, Instant};

use crate::{lane::Class, timer::now};

/// One item in so many batches is timed.
const SAMPLE_EVERY: u64 = 16;

const BUCKETS: usize = 14;
const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Delays that were measured, by length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// How many were within each bound and not within the one before; the last: longer than all bounds.
    pub counts: [u64; BUCKETS + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Delays {
    /// The bounds, upwards.
    pub const BOUNDS: [Duration; BUCKETS] = [
        micros(50),
        micros(100),
        micros(250),
        micros(500),
        micros(1_000),
        micros(2_500),
        micros(5_000),
        micros(10_000),
        micros(25_000),
        micros(50_000),
        micros(100_000),
        micros(250_000),
        micros(1_000_000),
        micros(5_000_000),
    ];

    /// One more.
    pub fn note(&mut self, delay: Duration) {
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < delay)] += 1;
        self.sum = self.sum.saturating_add(delay);
    }

    /// These and those.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
        self
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Times one item now and then.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    timed: Option<Timed>,
    /// At how many batches the next is timed.
    next: u64,
    pub(crate) delays: Delays,
}

#[derive(Debug)]
struct Timed {
    since: Instant,
    class: Class,
    /// Items of its class before it.
    ahead: usize,
}

impl Stopwatch {
    /// A bundle comes, of which the first item of `class` finds so many of its class `ahead`.
    pub(crate) fn coming(&mut self, batches: u64, class: Class, ahead: usize) {
        if self.timed.is_none() && batches >= self.next {
            self.timed = Some(Timed { since: now(), class, ahead });
            self.next = batches + SAMPLE_EVERY;
        }
    }

    /// A batch of so many of each class goes.
    pub(crate) fn taken(&mut self, counts: [usize; 2]) {
        let Some(timed) = &mut self.timed else { return };
        if let Some(ahead) = timed.ahead.checked_sub(counts[timed.class as usize]) {
            timed.ahead = ahead;
        } else {
            self.delays.note(now() - timed.since);
            self.timed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_counted_at_the_first_bound_that_holds_it() {
        let mut delays = Delays::default();
        for delay in [Duration::ZERO, micros(50), micros(51), micros(5_000_000), Duration::from_secs(60)] {
            delays.note(delay);
        }
        let mut counts = [0; BUCKETS + 1];
        (counts[0], counts[1], counts[BUCKETS - 1], counts[BUCKETS]) = (2, 1, 1, 1);
        assert_eq!((delays.counts, delays.count()), (counts, 5));
        assert_eq!(delays.plus(&delays).count(), 10);
        assert!(Delays::BOUNDS.is_sorted());
    }

    #[test]
    fn the_item_on_the_watch_is_noted_when_it_is_taken_itself() {
        let mut watch = Stopwatch::default();
        watch.coming(0, Class::Rest, 3);
        watch.coming(0, Class::Link, 0);
        watch.taken([9, 3]);
        assert_eq!(watch.delays.count(), 0, "three of its class and nine of the other were before it");
        watch.taken([0, 1]);
        assert_eq!(watch.delays.count(), 1);
        watch.coming(SAMPLE_EVERY - 1, Class::Rest, 0);
        watch.taken([0, 1]);
        assert_eq!(watch.delays.count(), 1, "it is too early for the next");
        watch.coming(SAMPLE_EVERY, Class::Link, 0);
        watch.taken([1, 0]);
        assert_eq!(watch.delays.count(), 2);
    }
}
