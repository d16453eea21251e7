//! How many lines come from one place in the code, and how many more would have.
//!
//! Why: what a stranger does ten thousand times a second is worth ten lines and a number.
//! Owns: the counts of each place. Invariants: every line is taken or counted; a count is given once.
//! Limits: a place keeps a few words; there are as many as the program has lines that log.
//! Read next: [`super`].

use std::fmt;
use std::time::{Duration, Instant};
use tracing::Event;
use tracing::field::{Field, Visit};

/// Takes so many lines of each place in each span.
#[derive(Debug)]
pub(super) struct Limiter<K> {
    lines_max: u32,
    span: Duration,
    places: Vec<Place<K>>,
}

#[derive(Debug)]
struct Place<K> {
    key: K,
    /// When its span began.
    since: Instant,
    taken: u32,
    left_out: u64,
    /// What its lines say.
    of: String,
}

impl<K: PartialEq> Limiter<K> {
    pub(super) const fn new(lines_max: u32, span: Duration) -> Self {
        Self { lines_max, span, places: Vec::new() }
    }

    /// Whether a line of this place is taken now; `of`: what it says, asked for when the first is left out.
    pub(super) fn takes(&mut self, now: Instant, key: K, of: impl FnOnce() -> String) -> bool {
        let at = self.places.iter().position(|place| place.key == key).unwrap_or_else(|| {
            self.places.push(Place { key, since: now, taken: 0, left_out: 0, of: String::new() });
            self.places.len() - 1
        });
        let place = &mut self.places[at];
        if now.saturating_duration_since(place.since) >= self.span {
            (place.since, place.taken) = (now, 0);
        }
        if place.taken < self.lines_max {
            place.taken += 1;
            return true;
        }
        place.left_out += 1;
        if place.of.is_empty() {
            place.of = of();
        }
        false
    }

    /// What was left out in spans that are over, or in `all`, and what it was.
    pub(super) fn take_left_out(&mut self, now: Instant, all: bool) -> Vec<(String, u64)> {
        let span = self.span;
        let is_over = |since: Instant| all || now.saturating_duration_since(since) >= span;
        let full = self.places.iter_mut().filter(|place| place.left_out > 0 && is_over(place.since));
        full.map(|place| (place.of.clone(), std::mem::take(&mut place.left_out))).collect()
    }
}

/// What a line says besides its fields.
pub(super) fn lines_left_out(event: &Event<'_>) -> String {
    let mut words = Words::default();
    event.record(&mut words);
    words.0
}

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_place_has_its_lines_and_every_other_is_counted() {
        let (start, mut limiter) = (clock::instant(), Limiter::new(2, 10 * SECOND));
        let mut taken = |second: u32, place, lines: usize| {
            let now = start + second * SECOND;
            (0..lines).filter(|_| limiter.takes(now, place, || format!("place {place}"))).count()
        };
        assert_eq!([taken(0, 1, 5), taken(0, 2, 1), taken(9, 1, 5), taken(9, 2, 5)], [2, 1, 0, 1]);
        assert_eq!(taken(10, 1, 1), 1, "another span");
        let left_out = |limiter: &mut Limiter<i32>, second: u32, all| {
            let told = limiter.take_left_out(start + second * SECOND, all);
            told.into_iter().map(|(of, count)| format!("{of}: {count}")).collect::<Vec<_>>()
        };
        assert_eq!(left_out(&mut limiter, 10, false), ["place 2: 4"], "the span of the other has just begun");
        assert_eq!(left_out(&mut limiter, 10, true), ["place 1: 8"], "at the end all is said");
        assert!(left_out(&mut limiter, 99, true).is_empty(), "and said once");
    }
}
