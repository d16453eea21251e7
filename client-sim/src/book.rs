//! What the crowd's players report, written down while they play.
//!
//! Why: the crowd runs on its own thread; whoever watches it reads here.
//! Invariants: one lock, held for one entry.
//! Limits: `SECONDS_MAX` seconds are told apart.
//! Read next: `outcome`, what the book sums up to.

use crate::outcome::{Counted, Outcome, Second};
use crate::report::VALUE_US_MAX;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use usher_player::{Deed, Delivery, Ledger, Step};
use usher_proto::{Address, RoomNo, ServerKind, Time};

/// The name under which journeys stand among the steps.
const JOURNEY: &str = "journey";
/// Seconds that are told apart: a day.
const SECONDS_MAX: u64 = 24 * 60 * 60;

/// A book that many may hold.
#[derive(Clone, Debug, Default)]
pub struct Book(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    outcome: Outcome,
    steps: BTreeMap<&'static str, Histogram<u64>>,
    seated_last: Time,
    seconds: BTreeMap<u64, Second>,
}

impl Pages {
    /// What happens in the second of that moment; all that comes after [`SECONDS_MAX`] in the last one.
    fn second(&mut self, now: Time) -> &mut Second {
        self.seconds.entry((now.as_millis() / 1000).min(SECONDS_MAX)).or_default()
    }
}

impl Book {
    fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redirects so far, of all servers.
    pub fn redirects(&self) -> u64 {
        let pages = self.open();
        pages.outcome.redirects_login + pages.outcome.redirects_hall + pages.outcome.redirects_room
    }

    /// Failures so far.
    pub fn failed(&self) -> u64 {
        self.open().outcome.failed()
    }

    /// The sums, for a crowd of so many players that began and ended then.
    pub fn outcome(&self, players: u64, began_unix_us: u64, ended_unix_us: u64) -> Outcome {
        let pages = self.open();
        let values = |histogram: &Histogram<u64>| -> Counted {
            histogram.iter_recorded().map(|it| (it.value_iterated_to(), it.count_at_value())).collect()
        };
        Outcome {
            players,
            began_unix_us,
            seated_last_unix_us: began_unix_us + pages.seated_last.0 / 1000,
            ended_unix_us,
            seconds: pages.seconds.iter().map(|(at, it)| (began_unix_us / 1_000_000 + at, *it)).collect(),
            steps: pages.steps.iter().map(|(name, it)| ((*name).to_string(), values(it))).collect(),
            ..pages.outcome.clone()
        }
    }

    fn record(&self, name: &'static str, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(VALUE_US_MAX);
        let new =
            || Histogram::new_with_bounds(1, VALUE_US_MAX, 3).expect("invariant: the bounds are constants");
        self.open().steps.entry(name).or_insert_with(new).saturating_record(us);
    }
}

impl Ledger for Book {
    fn step(&mut self, step: Step, took: Duration) {
        self.record(step.as_str(), took);
    }

    fn journey(&mut self, took: Duration) {
        self.record(JOURNEY, took);
    }

    fn seated(&mut self, _index: u32, now: Time) {
        let mut pages = self.open();
        pages.outcome.seated += 1;
        pages.seated_last = now;
        pages.second(now).seats += 1;
    }

    fn redirected(&mut self, by: ServerKind, now: Time) {
        let mut pages = self.open();
        pages.second(now).redirects += 1;
        let outcome = &mut pages.outcome;
        match by {
            ServerKind::Login => outcome.redirects_login += 1,
            ServerKind::Room => outcome.redirects_room += 1,
            _ => outcome.redirects_hall += 1,
        }
    }

    fn busy(&mut self, _by: ServerKind) {
        self.open().outcome.refused_busy += 1;
    }

    fn failed(&mut self, reason: &'static str) {
        *self.open().outcome.failures.entry(reason.into()).or_default() += 1;
    }

    fn arrived(&mut self, late: Duration, now: Time) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let mut pages = self.open();
        pages.second(now).arrivals += 1;
        let outcome = &mut pages.outcome;
        outcome.arrival_late_max_us = outcome.arrival_late_max_us.max(us);
    }

    fn delivery(&mut self, delivery: &Delivery) {
        let outcome = &mut self.open().outcome;
        outcome.expected += delivery.expected;
        outcome.received += delivery.received;
        outcome.duplicated += delivery.duplicated;
        outcome.out_of_order += delivery.out_of_order;
        outcome.wrong += delivery.corrupted;
    }

    fn acknowledged(&mut self, address: &Address, room: RoomNo, seq: u64) {
        let mut pages = self.open();
        let sums = pages.outcome.rooms.entry(format!("{address}/{room}")).or_default();
        *sums = (sums.0 + 1, sums.1.max(seq));
    }

    fn dropped(&mut self, reason: &'static str) {
        *self.open().outcome.drops.entry(reason.into()).or_default() += 1;
    }

    fn reconnected(&mut self) {
        self.open().outcome.reconnects += 1;
    }

    fn refreshed(&mut self) {}

    fn announced(&mut self) {
        self.open().outcome.announcements += 1;
    }

    fn did(&mut self, deed: Deed) {
        let evening = &mut self.open().outcome.evening;
        *match deed {
            Deed::Hand => &mut evening.hands,
            Deed::Table => &mut evening.tables,
            Deed::Room => &mut evening.rooms,
            Deed::Drop => &mut evening.drops,
            Deed::Leave => &mut evening.leaves,
            Deed::Return => &mut evening.returns,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_written_down_by_the_second() {
        let mut book = Book::default();
        let at = Time::from_millis;
        book.arrived(Duration::ZERO, at(100));
        book.arrived(Duration::from_millis(7), at(999));
        book.redirected(ServerKind::Login, at(1000));
        book.seated(0, at(1_500));
        book.seated(1, at(1_000 * (SECONDS_MAX + 9)));
        let outcome = book.outcome(2, 50_900_000, 60_000_000);
        let second = |arrivals, seats, redirects| Second { arrivals, seats, redirects };
        let wanted = [(50, second(2, 0, 0)), (51, second(0, 1, 1)), (50 + SECONDS_MAX, second(0, 1, 0))];
        assert_eq!(outcome.seconds, BTreeMap::from(wanted));
        assert_eq!((outcome.arrival_late_max_us, outcome.redirects_login), (7_000, 1));
    }
}
