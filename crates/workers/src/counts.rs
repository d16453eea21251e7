//! What a pool counts, and how it is shown.
//!
//! Invariants: each request is counted by its result once. Label sets are bounded: results have fixed names, groups are
//! those of the config.
//! Read next: [`crate::pool`], which counts; docs/metrics.md.

use crate::pool::Pool;
use std::collections::BTreeMap;
use usher_proto::Figures;
use usher_proto::message::NotDone;

/// What came of requests, by name: first what a worker said, then [`NotDone::name`].
const RESULTS: [&str; 7] = ["answered", "failed", "worker_died", "late", "set_aside", "full", "no_worker"];

/// What one pool has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    results: [u64; RESULTS.len()],
    /// Requests given to another worker because theirs had ended.
    pub retried: u64,
    /// Answers that came after their time.
    pub late: u64,
    /// Answers to what was not asked of that worker, or was answered already.
    pub stray: u64,
    /// Lives of workers that ended by themselves.
    pub deaths: u64,
    /// Requests that were set aside.
    pub set_aside: u64,
    /// Workers that were renewed.
    pub reloads: u64,
}

impl Counts {
    /// One request more is settled: answered, or not for this reason.
    pub(crate) fn settled(&mut self, undone: Option<&NotDone>) {
        let name = undone.map_or(RESULTS[0], NotDone::name);
        let at = RESULTS.iter().position(|known| *known == name);
        self.results[at.expect("invariant: every reason is listed")] += 1;
    }

    /// How many requests had this result.
    pub fn result(&self, name: &str) -> u64 {
        RESULTS.iter().position(|known| *known == name).map_or(0, |at| self.results[at])
    }
}

/// What is counted for each group: name, help, and which count it is.
type Counter = (&'static str, &'static str, fn(&Counts) -> u64);
const COUNTERS: [Counter; 6] = [
    ("usher_workers_retried_total", "Requests given to another worker because theirs had ended.", |counts| {
        counts.retried
    }),
    ("usher_workers_late_total", "Answers that came after their time and were dropped.", |counts| {
        counts.late
    }),
    ("usher_workers_stray_total", "Answers to what was not asked of that worker, dropped.", |counts| {
        counts.stray
    }),
    ("usher_workers_deaths_total", "Lives of workers that ended by themselves.", |counts| counts.deaths),
    (
        "usher_workers_set_aside_total",
        "Requests set aside because too many workers ended with them.",
        |counts| counts.set_aside,
    ),
    ("usher_workers_reloads_total", "Workers that were renewed.", |counts| counts.reloads),
];

/// The figures of all groups of a process.
pub(crate) fn figures<'a>(pools: &(impl Iterator<Item = (&'static str, &'a Pool)> + Clone)) -> Figures {
    let mut figures = Figures::default();
    let group = "group";
    let gauge = |value: fn(&Pool) -> usize| pools.clone().map(move |(name, pool)| (name, value(pool) as u64));
    figures.gauges("usher_workers_up", "Workers that are up.", group, gauge(Pool::up));
    figures.gauges("usher_workers_in_flight", "Requests that workers have.", group, gauge(Pool::in_flight));
    figures.gauges("usher_workers_waiting", "Requests that wait for a worker.", group, gauge(Pool::waiting));
    figures.gauges(
        "usher_workers_crash_looping",
        "Workers whose lives are all short; hosts that are not reached.",
        group,
        gauge(Pool::looping),
    );
    let mut results = BTreeMap::new();
    for (_, pool) in pools.clone() {
        for (name, count) in RESULTS.into_iter().zip(pool.counts().results) {
            *results.entry(name).or_default() += count;
        }
    }
    figures.counters("usher_workers_requests_total", "Requests settled, by result.", "result", results);
    for (name, help, value) in COUNTERS {
        let counted = pools.clone().map(|(group, pool)| (group, value(pool.counts())));
        figures.counters(name, help, group, counted);
    }
    figures
}
