//! The report: one JSON object for programs, one table for people.
//!
//! Why: scripts read these fields; they may grow, but none is ever renamed.
//! Invariants: times are microseconds; percentiles are over first attempts that succeeded (`action`, `stand` and `leave`:
//! over all).
//! Limits: values are kept to three digits, up to [`VALUE_US_MAX`].
//! Read next: `outcome`, from which it is made.

use crate::outcome::{Counted, EveningCounts, Outcome, Second};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// The longest time that is told apart: an hour.
pub const VALUE_US_MAX: u64 = 3_600_000_000;
/// The steps of the report, in the order of the way.
pub(crate) const STEPS: [&str; 8] = ["login", "hall", "enter", "sit", "action", "stand", "leave", "journey"];

/// What the players met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Players scheduled.
    pub players: u64,
    /// Players who got a seat at least once.
    pub seated: u64,
    /// Players who gave up.
    pub failed: u64,
    /// From the first scheduled arrival to the last first seat, seconds.
    pub elapsed_s: f64,
    /// Seated over elapsed.
    pub journeys_per_s: f64,
    /// How often somebody was sent elsewhere.
    pub redirects: Redirects,
    /// How long each step took.
    pub steps: BTreeMap<String, Percentiles>,
    /// Whether every room chat came once and in order.
    pub delivered: Delivered,
    /// Why players gave up, and what else was not as it should be.
    pub errors: BTreeMap<String, u64>,
    /// Connections in a room that were lost, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Players back in a seat after their connection was gone.
    pub reconnects: u64,
    /// What the operator announced, counted at each player who heard it.
    #[serde(default)]
    pub announcements: u64,
    /// What players did of their own accord.
    #[serde(default)]
    pub evening: EveningCounts,
    /// What happened in each second, from that of the first scheduled arrival to the last in which anything did.
    #[serde(default)]
    pub seconds: Vec<Second>,
    /// The latest that an arrival came after its schedule, microseconds.
    pub arrival_late_max_us: u64,
    /// Who the players were: `guests`, or accounts with `cached keys`, which spare a client what a password costs.
    #[serde(default)]
    pub accounts: String,
    /// What all chance came from.
    pub seed: u64,
    /// The servers, where they could be asked.
    pub servers: Vec<ServerUsage>,
}

/// How often somebody was sent elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirects {
    /// By a login server.
    pub login: u64,
    /// By a hall.
    pub hall: u64,
    /// By a room server that was being emptied.
    #[serde(default)]
    pub room: u64,
    /// Told to come back later.
    pub refused_busy: u64,
}

/// The distribution of one step, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many.
    pub count: u64,
    /// Half were faster.
    pub p50: u64,
    /// Nine of ten were faster.
    pub p90: u64,
    /// 99 of a hundred were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// Room chat, summed over everybody's stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Due to those who were there.
    pub expected: u64,
    /// Came, once each.
    pub received: u64,
    /// Came again.
    pub duplicated: u64,
    /// Came before an earlier one.
    pub out_of_order: u64,
}

/// What one server used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUsage {
    /// Its name.
    pub name: String,
    /// User and system CPU, seconds.
    pub cpu_s: f64,
    /// Resident memory at the end, KiB.
    pub rss_kib: u64,
    /// Most resident memory, KiB.
    pub rss_kib_peak: u64,
    /// Most connections at once.
    pub connections_peak: u64,
}

/// A line of what a run came to: most begin with a number.
pub(crate) struct Sum {
    pub(crate) name: &'static str,
    pub(crate) number: Option<String>,
    pub(crate) rest: String,
}

impl Sum {
    fn of(name: &'static str, number: &impl ToString, rest: impl Into<String>) -> Self {
        Self { name, number: Some(number.to_string()), rest: rest.into() }
    }
}

/// Of these values.
pub(crate) fn percentiles(values: &Counted) -> Percentiles {
    let mut histogram =
        Histogram::<u64>::new_with_bounds(1, VALUE_US_MAX, 3).expect("invariant: the bounds are constants");
    for (value, count) in values {
        histogram.saturating_record_n(*value, *count);
    }
    Percentiles {
        count: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}

/// One after the other, those without anything in between too.
fn seconds(outcome: &Outcome) -> Vec<Second> {
    let first = outcome.began_unix_us / 1_000_000;
    let Some((last, _)) = outcome.seconds.last_key_value() else { return Vec::new() };
    (first..=*last).map(|at| outcome.seconds.get(&at).copied().unwrap_or_default()).collect()
}

impl Report {
    /// The report of an outcome.
    pub fn new(outcome: &Outcome, seed: u64, servers: Vec<ServerUsage>) -> Self {
        let elapsed =
            Duration::from_micros(outcome.seated_last_unix_us.saturating_sub(outcome.began_unix_us));
        let elapsed_s = elapsed.as_secs_f64();
        let mut errors = outcome.failures.clone();
        for (name, count) in
            [("wrong_text", outcome.wrong), ("acknowledged_twice", outcome.acknowledged_twice())]
        {
            if count > 0 {
                errors.insert(name.into(), count);
            }
        }
        let none = Counted::new();
        let step =
            |name: &&str| ((*name).to_string(), percentiles(outcome.steps.get(*name).unwrap_or(&none)));
        Self {
            players: outcome.players,
            seated: outcome.seated,
            failed: outcome.failed(),
            elapsed_s,
            journeys_per_s: if elapsed.is_zero() { 0.0 } else { outcome.seated as f64 / elapsed_s },
            redirects: Redirects {
                login: outcome.redirects_login,
                hall: outcome.redirects_hall,
                room: outcome.redirects_room,
                refused_busy: outcome.refused_busy,
            },
            steps: STEPS.iter().map(step).collect(),
            delivered: Delivered {
                expected: outcome.expected,
                received: outcome.received,
                duplicated: outcome.duplicated,
                out_of_order: outcome.out_of_order,
            },
            errors,
            drops: outcome.drops.clone(),
            reconnects: outcome.reconnects,
            announcements: outcome.announcements,
            evening: outcome.evening,
            seconds: seconds(outcome),
            arrival_late_max_us: outcome.arrival_late_max_us,
            accounts: String::new(),
            seed,
            servers,
        }
    }

    /// Whether every room chat came once and in order.
    pub fn is_delivered_whole(&self) -> bool {
        let Delivered { expected, received, duplicated, out_of_order } = self.delivered;
        expected == received && duplicated == 0 && out_of_order == 0
    }

    /// Whether nobody failed, everyone sat and nothing was lost.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.seated == self.players && self.errors.is_empty() && self.is_delivered_whole()
    }

    /// What to do about a run that met servers it could not talk to; `has_login_key`: one was given.
    pub fn advice(&self, has_login_key: bool) -> Option<&'static str> {
        let met = |reason: &str| self.errors.contains_key(reason);
        match has_login_key {
            false if met("wrong_channel") => Some(
                "the servers want an encrypted channel: give --login-key FILE, such as deploy/local/login.pub",
            ),
            true if met("wrong_channel") => Some("the servers speak in clear: leave out --login-key"),
            true if met("handshake_failed") => Some(
                "the login servers have another key: give --login-key the file made beside theirs, login.pub",
            ),
            _ => None,
        }
    }

    /// What the run came to, line by line.
    pub(crate) fn sums(&self) -> Vec<Sum> {
        let Redirects { login, hall, room, refused_busy } = self.redirects;
        let Delivered { expected, received, duplicated, out_of_order } = self.delivered;
        let EveningCounts { hands, tables, rooms, drops, leaves, returns } = self.evening;
        let (seated, failed) = (self.seated, self.failed);
        let mut sums =
            vec![Sum::of("players", &self.players, format!("scheduled, {seated} seated, {failed} failed"))];
        if !self.accounts.is_empty() {
            sums.push(Sum { name: "accounts", number: None, rest: self.accounts.clone() });
        }
        let journeys = format!("{:.0}", self.journeys_per_s);
        sums.extend([
            Sum::of("journeys", &journeys, format!("a second, over {:.1} s", self.elapsed_s)),
            Sum::of(
                "redirects",
                &login,
                format!("by login, {hall} by hall, {room} by rooms, {refused_busy} told to come back"),
            ),
            Sum::of(
                "chat",
                &received,
                format!("of {expected} delivered, {duplicated} twice, {out_of_order} out of order"),
            ),
            Sum::of("returned", &self.reconnects, "came back to their seats after a lost connection"),
        ]);
        if self.evening != EveningCounts::default() {
            let rest = format!(
                "hands at seats, {tables} changes of table and {rooms} of room, {drops} drops, {leaves} left, \
                 {returns} came again"
            );
            sums.push(Sum::of("evening", &hands, rest));
        }
        sums
    }

    /// The report for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        for Sum { name, number, rest } in self.sums() {
            match number {
                Some(number) => writeln!(out, "  {name:<10}{number:>8} {rest}")?,
                None => writeln!(out, "  {name:<10}{rest}")?,
            }
        }
        writeln!(
            out,
            "\n  {:<10}{:>9}{:>12}{:>12}{:>12}{:>12}",
            "step", "count", "p50", "p90", "p99", "max"
        )?;
        for name in STEPS {
            let step = self.steps.get(name).copied().unwrap_or_default();
            let [p50, p90, p99, max] = [step.p50, step.p90, step.p99, step.max].map(time);
            writeln!(out, "  {name:<10}{:>9}{p50:>12}{p90:>12}{p99:>12}{max:>12}", step.count)?;
        }
        if !self.servers.is_empty() {
            writeln!(
                out,
                "\n  {:<12}{:>9}{:>13}{:>13}{:>13}",
                "server", "cpu", "memory", "peak", "connections"
            )?;
        }
        for server in &self.servers {
            let (memory, peak) = (server.rss_kib as f64 / 1024.0, server.rss_kib_peak as f64 / 1024.0);
            let (name, connections) = (&server.name, server.connections_peak);
            writeln!(
                out,
                "  {name:<12}{:>7.2} s{memory:>9.1} MiB{peak:>9.1} MiB{connections:>13}",
                server.cpu_s
            )?;
        }
        for (title, counts) in [("errors", &self.errors), ("drops", &self.drops)] {
            if !counts.is_empty() {
                writeln!(out, "\n  {title}")?;
            }
            for (reason, count) in counts {
                writeln!(out, "  {count:>9}  {reason}")?;
            }
        }
        Ok(())
    }
}

/// Microseconds as a person reads them.
pub(crate) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(arrivals: u64, seats: u64) -> Second {
        Second { arrivals, seats, redirects: 0 }
    }

    fn outcome() -> Outcome {
        Outcome {
            players: 2,
            seated: 2,
            began_unix_us: 1_000_000,
            seated_last_unix_us: 3_000_000,
            steps: BTreeMap::from([("journey".into(), vec![(1_000, 1), (3_000_000, 1)])]),
            seconds: BTreeMap::from([(1, second(2, 1)), (3, second(0, 1))]),
            expected: 4,
            received: 4,
            ..Outcome::default()
        }
    }

    #[test]
    fn a_report_says_what_the_outcome_says() {
        let report = Report::new(&outcome(), 7, Vec::new());
        assert!(report.is_good());
        assert!((report.journeys_per_s - 1.0).abs() < 1e-9 && (report.elapsed_s - 2.0).abs() < 1e-9);
        assert_eq!(report.steps["journey"].count, 2);
        assert_eq!(report.seconds, [second(2, 1), Second::default(), second(0, 1)]);
        assert!((999..=1001).contains(&report.steps["journey"].p50), "{:?}", report.steps["journey"]);
        assert!(report.steps.contains_key("login") && report.steps["login"].count == 0);
        assert!(
            report.table().contains("3.00 s") && !report.table().contains("evening"),
            "{}",
            report.table()
        );
        let evening = EveningCounts { hands: 7, ..EveningCounts::default() };
        let report = Report::new(&Outcome { evening, ..outcome() }, 7, Vec::new());
        assert_eq!(serde_json::to_value(&report).unwrap()["evening"]["hands"], 7);
        assert!(report.table().contains("7 hands"), "{}", report.table());
    }

    #[test]
    fn who_cannot_talk_to_the_servers_is_told_what_to_do() {
        let advice = |reason: &str, has_login_key| {
            let failures = BTreeMap::from([(reason.into(), 2)]);
            Report::new(&Outcome { failures, ..outcome() }, 1, Vec::new()).advice(has_login_key)
        };
        assert!(advice("wrong_channel", false).unwrap().contains("give --login-key FILE"));
        assert!(advice("wrong_channel", true).unwrap().contains("leave out --login-key"));
        assert!(advice("handshake_failed", true).unwrap().contains("another key"));
        assert_eq!((advice("busy", false), advice("busy", true)), (None, None));
    }

    #[test]
    fn what_is_lost_doubled_wrong_or_failed_is_not_good() {
        let spoil: [fn(&mut Outcome); 6] = [
            |it| it.received = 3,
            |it| it.duplicated = 1,
            |it| it.out_of_order = 1,
            |it| it.wrong = 1,
            |it| it.seated = 1,
            |it| it.failures = BTreeMap::from([("busy".into(), 1)]),
        ];
        for (at, spoil) in spoil.iter().enumerate() {
            let mut outcome = outcome();
            spoil(&mut outcome);
            assert!(!Report::new(&outcome, 1, Vec::new()).is_good(), "case {at}");
        }
    }
}
