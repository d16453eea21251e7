//! `bench buffers`: the ways to manage receive buffers that we did not take, against the one we took.
//!
//! Ours is a free list that any operation draws on. The others: a buffer made for each operation, and one that each
//! connection keeps. All are in one program behind one seam, so that nothing else differs.
//!
//! - Owns: the list of cases, what is printed of them.
//! - Limits: the engine mio, one worker. Without valgrind, instructions are left out and the rest is measured. An
//!   interval wider than 10 % asks for more pairs, up to twice as many.
//!
//! Read next: `plan.rs`, `contest.rs`; `crates/completion/src/ways.rs` for the other ways.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::callgrind;
use crate::contest::{Contest, Metric, Party};
use crate::instructions::{Extent, of_message};
use crate::interval::{Interval, WIDTH_MAX};
use crate::journal::Journal;
use crate::plan::Plan;
use crate::station::{Programs, Station, Way};
use crate::table::{columns, figure, ratio};
use crate::traffic::{Echo, Traffic};

const PAIRS: usize = 7;
const TRAFFIC: [Traffic; 3] = [
    Traffic::Echo(Echo::plain(1_000, 1)),
    Traffic::Echo(Echo::plain(1_000, 16)),
    Traffic::Echo(Echo::plain(10_000, 1)),
];
const METRICS: [Metric; 2] = [Metric::Throughput, Metric::Cpu];
/// A new buffer is cleared, by a single instruction where the processor has it.
const STRINGS: &str = "valgrind counts an instruction that fills memory once for each byte";
/// Memory is told of a load with so many connections: there a page each shows.
const CONNECTIONS_WEIGHED_MIN: u32 = 10_000;

/// Receive buffers made for each operation, or kept by each connection, against the free list.
///
/// A case is `WAY/LOAD`: way `operation` or `connection`, a load as connections x messages in flight (1000x1, 1000x16,
/// 10000x1). Ratios are the way's by the list's. Memory is told at 10,000 connections, user instructions (if valgrind
/// is there) at 100.
#[derive(Debug, Args)]
pub struct Options {
    /// Pairs of slices for each case; up to twice as many if the interval stays wide [default: 7].
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// A smoke: 3 pairs of half a second. Its times mean nothing.
    #[arg(long)]
    quick: bool,
    /// Write the lines of JSON to this file, not to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    fn plan(&self) -> Plan {
        if self.quick { Plan::quick(self.pairs) } else { Plan::new(self.pairs.unwrap_or(PAIRS)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    way: Way,
    traffic: Traffic,
}

impl Case {
    fn all() -> Vec<Self> {
        let of = |traffic| [Way::Operation, Way::Connection].map(|way| Self { way, traffic });
        TRAFFIC.into_iter().flat_map(of).collect()
    }

    fn name(self) -> String {
        format!("{}/{}", self.way, self.traffic)
    }

    /// The way's and the list's.
    fn stations(self) -> [Station; 2] {
        [self.way, Way::List].map(Station::Buffers)
    }

    fn is_weighed(self) -> bool {
        self.traffic.connections() >= CONNECTIONS_WEIGHED_MIN
    }
}

/// Runs all cases, then counts; says first how long the contests take.
pub fn run(options: &Options) -> Result<()> {
    let (cases, plan) = (Case::all(), options.plan());
    let valgrind = callgrind::version();
    let counting = if valgrind.is_ok() { "; instructions, about 3" } else { "" };
    eprintln!("{}{counting}", plan.estimate(&cases.iter().map(|case| case.traffic).collect::<Vec<_>>()));
    let programs = Programs::locate()?;
    let mut journal = Journal::open("buffers", options.json.as_deref())?;
    let mut summary = vec![cells(["", "throughput", "cpu a message"])];
    for (index, case) in cases.iter().enumerate() {
        eprintln!("[{}/{}] {}", index + 1, cases.len(), case.name());
        let contest = plan.compete(&programs, case.stations(), case.traffic)?;
        let figures = figures(*case, &contest)?;
        println!("{}, {} pairs:\n\n{}", case.name(), contest.pairs(), table(*case, &figures));
        figures.iter().try_for_each(|figure| figure.record(*case, &mut journal))?;
        let ratios = METRICS.map(|metric| ratio(contest.ratio(metric)));
        summary.push([vec![case.name()], ratios.to_vec()].concat());
    }
    println!("Ratios to the list, with 95 % intervals (* wider than {:.0} %):\n", WIDTH_MAX * 100.0);
    println!("{}", columns(&summary));
    match valgrind {
        Ok(_) => count(&programs, &mut journal),
        Err(error) => {
            eprintln!("no instructions: {error:#}");
            Ok(())
        }
    }
}

/// One line of a case's table.
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// The way's and the list's.
    values: [Interval; 2],
    /// Pair by pair, if it was measured in pairs.
    ratio: Option<Interval>,
}

impl Figure {
    fn row(&self) -> Vec<String> {
        let label = [format!("{}, {}", self.name, self.unit)];
        let values = self.values.map(|interval| figure(interval.value));
        label.into_iter().chain(values).chain(self.ratio.map(ratio)).collect()
    }

    fn record(&self, case: Case, journal: &mut Journal) -> Result<()> {
        let (case_name, name) = (case.name(), self.name.replace(' ', "_"));
        if let Some(ratio) = self.ratio {
            journal.write(&format!("{case_name}/{name}"), ratio, "ratio")?;
        }
        for (way, value) in [case.way, Way::List].into_iter().zip(self.values) {
            journal.write(&format!("{case_name}/{way}/{name}"), value, self.unit)?;
        }
        Ok(())
    }
}

fn figures(case: Case, contest: &Contest) -> Result<Vec<Figure>> {
    let parties = [&contest.ours, &contest.peer];
    let measured = |metric: Metric| Figure {
        name: metric.name(),
        unit: metric.unit(case.traffic),
        values: parties.map(|party| party.median(metric)),
        ratio: Some(contest.ratio(metric)),
    };
    let mut figures: Vec<Figure> = METRICS.into_iter().map(measured).collect();
    if case.is_weighed() {
        figures.extend(memory(case, parties)?);
    }
    Ok(figures)
}

fn memory(case: Case, [way, list]: [&Party; 2]) -> Result<[Figure; 2]> {
    let connections = case.traffic.connections();
    let usages = [way.usage(connections)?, list.usage(connections)?];
    let peaks = usages.map(|usage| Interval::exact(usage.resident_peak as f64 / 1024.0));
    let each = usages.map(|usage| Interval::exact(usage.connection_bytes));
    Ok([
        Figure { name: "resident at the peak", unit: "KiB", values: peaks, ratio: None },
        Figure { name: "memory of a connection", unit: "bytes", values: each, ratio: None },
    ])
}

fn table(case: Case, figures: &[Figure]) -> String {
    let heading = vec![String::new(), case.way.to_string(), Way::List.to_string(), "ratio".to_owned()];
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(figures.iter().map(Figure::row)).collect();
    columns(&rows)
}

/// What a message costs each way, in user instructions.
fn count(programs: &Programs, journal: &mut Journal) -> Result<()> {
    let mut rows = vec![cells(["", "instructions *", "by list *"])];
    let (mut list, Extent { few, messages, .. }) = (None, Extent::FULL);
    for way in [Way::List, Way::Operation, Way::Connection] {
        let cost = of_message(programs, Station::Buffers(way), few, messages)?;
        let by_list = cost / *list.get_or_insert(cost);
        rows.push(vec![way.to_string(), figure(cost), format!("{by_list:.3}")]);
        journal.write(&format!("{way}/{few}/instructions"), Interval::exact(cost), "instructions/message")?;
        if way != Way::List {
            journal.write(&format!("{way}/{few}/instructions/by_list"), Interval::exact(by_list), "ratio")?;
        }
    }
    println!("User instructions a message, {few} connections (* {STRINGS}):\n\n{}", columns(&rows));
    Ok(())
}

fn cells(cells: [&str; 3]) -> Vec<String> {
    cells.map(ToOwned::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_way_meets_the_list_under_every_load() {
        let names: Vec<String> = Case::all().into_iter().map(Case::name).collect();
        let expected = [
            "operation/1000x1",
            "connection/1000x1",
            "operation/1000x16",
            "connection/1000x16",
            "operation/10000x1",
            "connection/10000x1",
        ];
        assert_eq!(names, expected);
        assert!(Case::all().iter().all(|case| case.stations()[1] == Station::Buffers(Way::List)));
    }

    #[test]
    fn memory_is_told_of_many_connections() {
        let weighed: Vec<bool> = Case::all().into_iter().map(Case::is_weighed).collect();
        assert_eq!(weighed, [false, false, false, false, true, true]);
    }

    #[test]
    fn a_table_names_the_way_and_the_list() {
        let measured = Figure {
            name: "cpu",
            unit: "us/message",
            values: [Interval::exact(3.0), Interval::exact(2.0)],
            ratio: Some(Interval::exact(1.5)),
        };
        let table = table(Case::all()[0], &[measured]);
        let expected = "                 operation  list                  ratio\n\
                        cpu, us/message       3.00  2.00  1.500 [1.500, 1.500]\n";
        assert_eq!(table, expected);
    }
}
