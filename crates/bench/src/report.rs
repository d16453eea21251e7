//! What is told of contests: a table and lines of JSON for each, and all ratios together at the end.
//!
//! Read next: `bout.rs`.

use std::fmt;

use anyhow::Result;

use crate::bout::Bout;
use crate::cases::Case;
use crate::contest::{Contest, Metric, Party, Usage};
use crate::interval::{Interval, WIDTH_MAX};
use crate::journal::Journal;
use crate::table::{columns, figure, ratio};

/// Fewer connections than this are smaller than the noise of the kernel's count of pages.
const CONNECTIONS_WEIGHED_MIN: u32 = 1_000;

/// The table of one case.
pub(crate) fn describe(bout: &Bout, contest: &Contest) -> Result<String> {
    let title = format!("{}: {} by {}, {} pairs", bout.name(), bout.ours, bout.theirs, contest.pairs());
    let columns_of_goals: &[&str] = if bout.goals.is_empty() { &[] } else { &["goal", ""] };
    let mut rows = vec![heading(&[&["", "ours", "theirs", "ratio"], columns_of_goals].concat())];
    for metric in Metric::ALL {
        let value = |party: &Party| figure(party.median(metric).value);
        let label = format!("{}, {}", metric.name(), metric.unit(bout.traffic));
        let mut row = vec![label, value(&contest.ours), value(&contest.peer), ratio(contest.ratio(metric))];
        row.extend(verdict(bout, contest, metric));
        rows.push(row);
    }
    let usages = usages(bout, contest)?;
    for measure in measures(bout) {
        let values = usages.map(|usage| figure((measure.value)(&usage)));
        rows.push([vec![format!("{}, {}", measure.name, measure.unit)], values.to_vec()].concat());
    }
    Ok(format!("{title}\n\n{}", columns(&rows)))
}

/// Its goals, and whether they are met.
fn verdict(bout: &Bout, contest: &Contest, metric: Metric) -> Vec<String> {
    let goals = bout.goals.iter().filter(|(of, _)| *of == metric);
    goals.flat_map(|(_, goal)| goal.cells(contest.ratio(metric))).collect()
}

fn heading(cells: &[&str]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

fn usages(bout: &Bout, contest: &Contest) -> Result<[Usage; 2]> {
    let connections = bout.traffic.connections();
    Ok([contest.ours.usage(connections)?, contest.peer.usage(connections)?])
}

/// What is known of a party but not of a slice.
struct Measure {
    name: &'static str,
    unit: &'static str,
    value: fn(&Usage) -> f64,
}

fn measures(bout: &Bout) -> Vec<Measure> {
    let cpu = Metric::Cpu.unit(bout.traffic);
    let mut measures = vec![
        Measure { name: "user", unit: cpu, value: |usage| usage.user_us },
        Measure { name: "system", unit: cpu, value: |usage| usage.system_us },
        Measure {
            name: "resident at the peak",
            unit: "KiB",
            value: |usage| usage.resident_peak as f64 / 1024.0,
        },
    ];
    if bout.traffic.connections() >= CONNECTIONS_WEIGHED_MIN {
        measures.push(Measure {
            name: "memory",
            unit: "bytes/connection",
            value: |usage| usage.connection_bytes,
        });
    }
    measures
}

/// The lines of one case.
pub(crate) fn record(journal: &mut Journal, bout: &Bout, contest: &Contest) -> Result<()> {
    let name = bout.name();
    for metric in Metric::ALL {
        journal.write(&format!("{name}/{}", metric.name()), contest.ratio(metric), "ratio")?;
    }
    let parties = [("ours", &contest.ours), ("theirs", &contest.peer)];
    for ((who, party), usage) in parties.into_iter().zip(usages(bout, contest)?) {
        for metric in Metric::ALL {
            let label = format!("{name}/{who}/{}", metric.name());
            journal.write(&label, party.median(metric), metric.unit(bout.traffic))?;
        }
        for measure in measures(bout) {
            let label = format!("{name}/{who}/{}", measure.name.replace(' ', "_"));
            journal.write(&label, Interval::exact((measure.value)(&usage)), measure.unit)?;
        }
    }
    Ok(())
}

/// The ratios of all cases so far, and those that have goals.
#[derive(Default)]
pub(crate) struct Summary {
    ratios: Vec<Vec<String>>,
    goals: Vec<Vec<String>>,
}

impl Summary {
    pub(crate) fn add(&mut self, bout: &Bout, contest: &Contest) {
        let ratios = Metric::ALL.map(|metric| ratio(contest.ratio(metric)));
        self.ratios.push([vec![bout.name()], ratios.to_vec()].concat());
        for (metric, goal) in bout.goals {
            let value = contest.ratio(*metric);
            let label = format!("{}, {}", bout.name(), metric.name());
            self.goals.push([vec![label, ratio(value)], goal.cells(value).to_vec()].concat());
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = |names: Vec<String>, rows: &[Vec<String>]| columns(&[&[names], rows].concat());
        if !self.ratios.is_empty() {
            let percent = WIDTH_MAX * 100.0;
            writeln!(f, "Ratios, ours by theirs, with 95 % intervals (* wider than {percent:.0} %):\n")?;
            let names = [&[""], &Metric::ALL.map(Metric::name)[..]].concat();
            writeln!(f, "{}", table(heading(&names), &self.ratios))?;
        }
        if !self.goals.is_empty() {
            writeln!(f, "Goals, met when the interval reaches them:\n")?;
            writeln!(f, "{}", table(heading(&["", "ratio", "goal", ""]), &self.goals))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(Summary::default().to_string(), "");
    }

    #[test]
    fn goals_have_a_table_of_their_own() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let summary = Summary {
            ratios: vec![row(&["a/b", "1.0", "2.0", "3.0", "4.0"])],
            goals: vec![row(&["a/b, cpu", "2.0", "<= 2.00", "met"])],
        };
        let text = summary.to_string();
        assert!(text.contains("     throughput  cpu  p50  p99\na/b         1.0  2.0  3.0  4.0\n"), "{text}");
        assert!(text.contains("          ratio     goal\na/b, cpu    2.0  <= 2.00  met\n"), "{text}");
    }
}
