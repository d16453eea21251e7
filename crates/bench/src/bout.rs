//! Cases that are contests: ours, whom it meets, under what traffic, and what is wanted of it.
//!
//! A station that meets itself shows the machine's own noise: a difference smaller than that says nothing.
//!
//! - Owns: how bouts are chosen and run.
//! - Limit: an interval wider than 10 % asks for more pairs, up to twice as many.
//!
//! Read next: `plan.rs`, `contest.rs`; `report.rs` for what is printed.

use anyhow::Result;
use clap::Args;

use crate::cases::{Case, Choice};
use crate::contest::Metric;
use crate::finding::Goal;
use crate::plan::Plan;
use crate::report;
use crate::station::{Programs, Station};
use crate::traffic::Traffic;

const PAIRS: usize = 15;

/// What is wanted of ratios, ours by theirs.
pub(crate) type Goals = &'static [(Metric, Goal)];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bout {
    pub(crate) ours: Station,
    pub(crate) theirs: Station,
    pub(crate) traffic: Traffic,
    pub(crate) goals: Goals,
}

impl Bout {
    pub(crate) fn new(ours: Station, theirs: Station, traffic: Traffic) -> Self {
        Self { ours, theirs, traffic, goals: &[] }
    }

    pub(crate) fn wanting(self, goals: Goals) -> Self {
        Self { goals, ..self }
    }

    fn is_noise(&self) -> bool {
        self.ours == self.theirs
    }

    fn same_cell(&self, other: &Self) -> bool {
        (self.ours, self.traffic) == (other.ours, other.traffic)
    }

    fn opponent(&self) -> &'static str {
        if self.is_noise() { "self" } else { self.theirs.kind() }
    }
}

impl Case for Bout {
    fn name(&self) -> String {
        format!("{}/{}/{}", self.ours.arrangement(), self.traffic, self.opponent())
    }
}

/// Which bouts, and for how long.
#[derive(Debug, Default, Args)]
pub(crate) struct Bouts {
    #[command(flatten)]
    choice: Choice,
    /// Pairs of slices for each case; up to twice as many if the interval stays wide [default: 15].
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// A smoke: 3 pairs of half a second. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Leave out the contests with itself; else that of a chosen case comes along.
    #[arg(long)]
    without_self: bool,
}

impl Bouts {
    /// Runs those of these that are chosen.
    pub(crate) fn run(&self, bench: &'static str, all: &[Bout]) -> Result<()> {
        let (bouts, plan) = (self.chosen(all), self.plan());
        let programs = Programs::locate()?;
        let estimate = plan.estimate(&bouts.iter().map(|bout| bout.traffic).collect::<Vec<_>>());
        let mut summary = report::Summary::default();
        let result = self.choice.run(bench, &bouts, &estimate, |bout, journal| {
            let contest = plan.compete(&programs, [bout.ours, bout.theirs], bout.traffic)?;
            println!("{}", report::describe(bout, &contest)?);
            report::record(journal, bout, &contest)?;
            summary.add(bout, &contest);
            Ok(())
        });
        print!("{summary}");
        result
    }

    fn chosen(&self, all: &[Bout]) -> Vec<Bout> {
        let noise = |bout: &Bout| {
            bout.is_noise() && all.iter().any(|other| self.choice.holds(other) && other.same_cell(bout))
        };
        all.iter()
            .filter(|bout| self.choice.holds(*bout) || noise(bout))
            .filter(|bout| !(self.without_self && bout.is_noise()))
            .copied()
            .collect()
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan::quick(self.pairs) } else { Plan::new(self.pairs.unwrap_or(PAIRS)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::Engine;
    use crate::traffic::Echo;

    fn all() -> Vec<Bout> {
        let ours = Station::RawEcho(Engine::Mio, 1);
        let theirs = [Station::Bare(Engine::Mio, 1), Station::Tokio(1), ours];
        let under = |echo| theirs.map(|theirs| Bout::new(ours, theirs, Traffic::Echo(echo)));
        [Echo::plain(100, 1), Echo::plain(1_000, 16)].into_iter().flat_map(under).collect()
    }

    fn names(bouts: &Bouts) -> Vec<String> {
        bouts.chosen(&all()).iter().map(Case::name).collect()
    }

    #[test]
    fn the_noise_comes_along() {
        let of = |parts| Bouts { choice: Choice::of(parts), ..Bouts::default() };
        assert_eq!(names(&of(&[])).len(), 6);
        assert_eq!(names(&of(&["mio-1/100x1/bare"])), ["mio-1/100x1/bare", "mio-1/100x1/self"]);
        let alone = Bouts { without_self: true, ..of(&["100x1/bare"]) };
        assert_eq!(names(&alone), ["mio-1/100x1/bare"]);
        assert_eq!(names(&of(&["nobody"])), [""; 0]);
    }
}
