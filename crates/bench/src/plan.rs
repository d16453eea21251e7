//! How long a contest is: slices, pairs, and when more of them are wanted.
//!
//! - Owns: what a bench of contests announces before it begins, and shows while it runs.
//! - Limit: an interval that stays wide asks for more pairs, up to `pairs_max`.
//!
//! Read next: `contest.rs`.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use crate::contest::{Contest, Metric};
use crate::station::{Programs, Station};
use crate::traffic::Traffic;

const SLICE: Duration = Duration::from_secs(2);
const SLICE_QUICK: Duration = Duration::from_millis(500);
const PAIRS_QUICK: usize = 3;
/// What may ask for more pairs. Tails are wide whatever is done; theirs is printed and marked.
const JUDGED: [Metric; 2] = [Metric::Throughput, Metric::Cpu];
/// To start two servers and two loads, without their connections.
const START: Duration = Duration::from_millis(200);
const CONNECT: Duration = Duration::from_micros(80);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    slice: Duration,
    pairs: usize,
    pairs_max: usize,
}

impl Plan {
    /// So many pairs, and twice as many if that does not do.
    pub(crate) fn new(pairs: usize) -> Self {
        let pairs = pairs.max(1);
        Self { slice: SLICE, pairs, pairs_max: pairs * 2 }
    }

    /// A smoke; [`PAIRS_QUICK`] unless told.
    pub(crate) fn quick(pairs: Option<usize>) -> Self {
        let pairs = pairs.unwrap_or(PAIRS_QUICK).max(1);
        Self { slice: SLICE_QUICK, pairs, pairs_max: pairs }
    }

    /// How many, and how many minutes they take at least and at most.
    pub(crate) fn estimate(&self, contests: &[Traffic]) -> String {
        let minutes = |pairs| {
            let time: Duration = contests.iter().map(|traffic| self.time(*traffic, pairs)).sum();
            time.as_secs_f64() / 60.0
        };
        let (least, most) = (minutes(self.pairs), minutes(self.pairs_max));
        let (count, pairs, slice) = (contests.len(), self.pairs, self.slice.as_secs_f64());
        let most = if self.pairs_max > self.pairs { format!(", up to {most:.1}") } else { String::new() };
        format!("{count} cases, {pairs} pairs of {slice} s each: {least:.1} minutes{most}")
    }

    /// Two warm-ups, then pairs.
    fn time(&self, traffic: Traffic, pairs: usize) -> Duration {
        START + CONNECT * 2 * traffic.connections() + self.slice * 2 * (pairs as u32 + 1)
    }

    /// Holds the contest; both servers are still up afterwards.
    pub(crate) fn compete(
        &self,
        programs: &Programs,
        stations: [Station; 2],
        traffic: Traffic,
    ) -> Result<Contest> {
        let at_most = self.time(traffic, self.pairs_max) * 4 + Duration::from_secs(300);
        let mut contest = Contest::start(programs, stations, traffic, self.slice, at_most)?;
        let mut wanted = self.pairs;
        while contest.pairs() < wanted {
            contest.pair(self.slice)?;
            progress(contest.pairs(), wanted);
            if contest.pairs() == wanted && is_wide(&contest) {
                wanted = (wanted + self.pairs.div_ceil(3)).min(self.pairs_max);
            }
        }
        eprintln!();
        Ok(contest)
    }
}

fn progress(done: usize, of: usize) {
    eprint!("\r  pair {done} of {of} ");
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

fn is_wide(contest: &Contest) -> bool {
    JUDGED.iter().any(|metric| contest.ratio(*metric).is_wide())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Echo;

    const TRAFFIC: Traffic = Traffic::Echo(Echo::plain(100, 1));

    #[test]
    fn the_estimate_counts_both_sides() {
        let time = Plan::new(15).time(TRAFFIC, 15).as_secs_f64();
        assert!((60.0..70.0).contains(&time), "{time}");
    }

    #[test]
    fn the_estimate_says_what_may_be_added() {
        let of = |plan: Plan| plan.estimate(&[TRAFFIC; 2]);
        assert_eq!(of(Plan::new(15)), "2 cases, 15 pairs of 2 s each: 2.1 minutes, up to 4.1");
        assert_eq!(of(Plan::quick(None)), "2 cases, 3 pairs of 0.5 s each: 0.1 minutes");
    }
}
