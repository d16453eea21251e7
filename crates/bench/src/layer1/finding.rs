//! One figure of a case, its goal if it has one, and whether it is met.
//!
//! Read next: `idle.rs`.

use crate::table::figure;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Finding {
    pub(super) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, goal: None }
    }

    pub(super) fn with(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// As it is called in a line of JSON.
    pub(super) fn key(&self) -> String {
        self.name.replace([' ', ','], "_").replace("__", "_")
    }

    fn row(&self) -> Vec<String> {
        let mut cells = vec![format!("{}, {}", self.name, self.unit), figure(self.value)];
        if let Some(goal) = self.goal {
            let (bound, met) = match goal {
                Goal::AtMost(most) => (format!("<= {}", figure(most)), self.value <= most),
                Goal::AtLeast(least) => (format!(">= {}", figure(least)), self.value >= least),
            };
            cells.extend([bound, if met { "met" } else { "MISSED" }.into()]);
        }
        cells
    }
}

/// The table of a case.
pub(super) fn rows(findings: &[Finding]) -> Vec<Vec<String>> {
    let heading = ["", "figure", "goal", ""].map(ToOwned::to_owned).to_vec();
    [heading].into_iter().chain(findings.iter().map(Finding::row)).collect()
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
    fn keys_have_no_blanks() {
        assert_eq!(Finding::new("wait, p99", 1.0, "ms").key(), "wait_p99");
    }
}
