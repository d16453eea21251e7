//! One figure of a case, its goal if it has one, and whether it is met.
//!
//! - Invariant: a figure with an interval meets a goal that the interval reaches.
//!
//! Read next: `idle.rs`.

use anyhow::Result;

use crate::interval::Interval;
use crate::journal::Journal;
use crate::table::{columns, figure, ratio};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    name: &'static str,
    value: Interval,
    unit: &'static str,
    goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    /// The bound, and whether it is met.
    pub(crate) fn cells(self, value: Interval) -> [String; 2] {
        let (bound, met) = match self {
            Self::AtMost(most) => (format!("<= {}", figure(most)), value.low <= most),
            Self::AtLeast(least) => (format!(">= {}", figure(least)), value.high >= least),
        };
        [bound, if met { "met" } else { "MISSED" }.into()]
    }
}

impl Finding {
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self::within(name, Interval::exact(value), unit)
    }

    /// A figure that has an interval.
    pub(crate) fn within(name: &'static str, value: Interval, unit: &'static str) -> Self {
        Self { name, value, unit, goal: None }
    }

    pub(crate) fn with(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// As it is called in a line of JSON.
    fn key(&self) -> String {
        self.name.replace([' ', ','], "_").replace("__", "_")
    }

    fn row(&self) -> Vec<String> {
        let shown = if self.unit == "ratio" { ratio(self.value) } else { figure(self.value.value) };
        let mut cells = vec![format!("{}, {}", self.name, self.unit), shown.trim_end().to_owned()];
        cells.extend(self.goal.into_iter().flat_map(|goal| goal.cells(self.value)));
        cells
    }
}

/// Prints the findings of a case and writes them down.
pub(crate) fn report(name: &str, findings: &[Finding], journal: &mut Journal) -> Result<()> {
    let heading = ["", "figure", "goal", ""].map(ToOwned::to_owned).to_vec();
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(findings.iter().map(Finding::row)).collect();
    println!("{name}:\n\n{}", columns(&rows));
    findings
        .iter()
        .try_for_each(|found| journal.write(&format!("{name}/{}", found.key()), found.value, found.unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_bound() {
        let row = |value, goal| Finding::new("wait, p99", value, "ms").with(goal).row().join("|");
        assert_eq!(row(100.0, Goal::AtMost(100.0)), "wait, p99, ms|100|<= 100|met");
        assert_eq!(row(101.0, Goal::AtMost(100.0)), "wait, p99, ms|101|<= 100|MISSED");
        assert_eq!(row(60_000.0, Goal::AtLeast(60_000.0)), "wait, p99, ms|60,000|>= 60,000|met");
        assert_eq!(row(59_999.0, Goal::AtLeast(60_000.0)), "wait, p99, ms|59,999|>= 60,000|MISSED");
    }

    #[test]
    fn a_goal_is_met_when_the_interval_reaches_it() {
        let value = Interval { value: 1.0, low: 0.9, high: 1.1 };
        for (goal, met) in [
            (Goal::AtMost(0.9), "met"),
            (Goal::AtMost(0.89), "MISSED"),
            (Goal::AtLeast(1.1), "met"),
            (Goal::AtLeast(1.11), "MISSED"),
        ] {
            assert_eq!(goal.cells(value)[1], met, "{goal:?}");
        }
        let row = Finding::within("p50", value, "ratio").with(Goal::AtMost(2.0)).row().join("|");
        assert_eq!(row, "p50, ratio|1.000 [0.900, 1.100]*|<= 2.00|met");
    }

    #[test]
    fn keys_have_no_blanks() {
        assert_eq!(Finding::new("wait, p99", 1.0, "ms").key(), "wait_p99");
    }
}
