//! `bench echo`: layer 1's station against the bare loops and tokio, and against itself.
//!
//! A cell is an engine, a number of workers and a load. In each, `raw_echo` meets the bare loop of its kind, tokio,
//! and a second `raw_echo`: what that last contest shows is the machine's own noise, and a difference smaller than
//! it says nothing.
//!
//! - Owns: the list of cases, what is printed of them.
//! - Limits: an interval wider than 10 % asks for more pairs, up to twice as many.
//!
//! Read next: `plan.rs`, `contest.rs`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use crate::contest::{Contest, Metric, Party, Traffic, Usage};
use crate::interval::{Interval, WIDTH_MAX};
use crate::journal::Journal;
use crate::plan::Plan;
use crate::station::{Engine, Programs, Station};
use crate::table::{columns, figure, ratio};

const PAIRS: usize = 15;
/// Fewer connections than this are smaller than the noise of the kernel's count of pages.
const CONNECTIONS_WEIGHED_MIN: u32 = 1_000;

const TRAFFIC: [Traffic; 4] = [
    Traffic { connections: 100, depth: 1 },
    Traffic { connections: 1_000, depth: 1 },
    Traffic { connections: 10_000, depth: 1 },
    Traffic { connections: 1_000, depth: 16 },
];

/// Throughput, CPU and latency of `raw_echo`, side by side with its peers.
///
/// A case is `ENGINE-WORKERS/LOAD/OPPONENT`: engine `uring` or `mio`, 1 or 2 workers, a load as connections x messages
/// in flight (100x1, 1000x1, 10000x1, 1000x16), opponent `bare` (the bare loop of that kind), `tokio`, or `self` (the
/// same program again: the noise). Opponents have as many threads as there are workers. Ratios are ours by theirs.
#[derive(Debug, Args)]
pub struct Options {
    /// Only cases whose name holds this; may be given several times. The contest with itself comes along.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Pairs of slices for each case; up to twice as many if the interval stays wide [default: 15].
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// A smoke: 3 pairs of half a second. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Leave out the contests with itself.
    #[arg(long)]
    without_self: bool,
    /// Write the lines of JSON to this file, not to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the names of the cases and stop.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opponent {
    Bare,
    Tokio,
    Itself,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    engine: Engine,
    workers: u16,
    traffic: Traffic,
    opponent: Opponent,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for engine in [Engine::Uring, Engine::Mio] {
            for workers in [1, 2] {
                for traffic in TRAFFIC {
                    let case = |opponent| Self { engine, workers, traffic, opponent };
                    cases.extend([Opponent::Bare, Opponent::Tokio, Opponent::Itself].map(case));
                }
            }
        }
        cases
    }

    fn name(&self) -> String {
        let opponent = match self.opponent {
            Opponent::Bare => "bare",
            Opponent::Tokio => "tokio",
            Opponent::Itself => "self",
        };
        format!("{}-{}/{}/{opponent}", self.engine, self.workers, self.traffic)
    }

    fn stations(&self) -> [Station; 2] {
        let ours = Station::RawEcho(self.engine, self.workers);
        let peer = match self.opponent {
            Opponent::Bare => Station::Bare(self.engine, self.workers),
            Opponent::Tokio => Station::Tokio(self.workers),
            Opponent::Itself => ours,
        };
        [ours, peer]
    }

    fn same_cell(&self, other: &Self) -> bool {
        (self.engine, self.workers, self.traffic) == (other.engine, other.workers, other.traffic)
    }
}

impl Options {
    fn chosen(&self) -> Vec<Case> {
        let all = Case::all();
        let named = |case: &Case| {
            self.cases.is_empty() || self.cases.iter().any(|part| case.name().contains(part.as_str()))
        };
        let noise = |case: &Case| {
            case.opponent == Opponent::Itself && all.iter().any(|other| named(other) && other.same_cell(case))
        };
        all.iter()
            .filter(|case| named(case) || noise(case))
            .filter(|case| !(self.without_self && case.opponent == Opponent::Itself))
            .copied()
            .collect()
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan::quick(self.pairs) } else { Plan::new(self.pairs.unwrap_or(PAIRS)) }
    }
}

/// Runs the chosen cases; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    let cases = options.chosen();
    ensure!(!cases.is_empty(), "no case has such a name; `--list` shows them");
    if options.list {
        for case in &cases {
            println!("{}", case.name());
        }
        return Ok(());
    }
    let plan = options.plan();
    eprintln!("{}", plan.estimate(&cases.iter().map(|case| case.traffic).collect::<Vec<_>>()));
    let programs = Programs::locate()?;
    let mut journal = Journal::open("echo", options.json.as_deref())?;
    let mut summary = vec![heading(["", "throughput", "cpu a message", "p99"])];
    for (index, case) in cases.iter().enumerate() {
        eprintln!("[{}/{}] {}", index + 1, cases.len(), case.name());
        let contest = plan.compete(&programs, case.stations(), case.traffic)?;
        println!("{}", describe(case, &contest)?);
        record(&mut journal, case, &contest)?;
        let ratios =
            [Metric::Throughput, Metric::Cpu, Metric::P99].map(|metric| ratio(contest.ratio(metric)));
        summary.push([vec![case.name()], ratios.to_vec()].concat());
    }
    println!("Ratios, ours by theirs, with 95 % intervals (* wider than {:.0} %):\n", WIDTH_MAX * 100.0);
    println!("{}", columns(&summary));
    Ok(())
}

fn heading(cells: [&str; 4]) -> Vec<String> {
    cells.map(ToOwned::to_owned).to_vec()
}

/// The table of one case.
fn describe(case: &Case, contest: &Contest) -> Result<String> {
    let [ours, peer] = case.stations();
    let title = format!("{}: {ours} by {peer}, {} pairs", case.name(), contest.pairs());
    let mut rows = vec![heading(["", "ours", "theirs", "ratio"])];
    for metric in Metric::ALL {
        let value = |party: &Party| figure(party.median(metric).value);
        let label = format!("{}, {}", metric.name(), metric.unit());
        rows.push(vec![label, value(&contest.ours), value(&contest.peer), ratio(contest.ratio(metric))]);
    }
    let usages = usages(case, contest)?;
    for (label, _, value) in measures(case) {
        rows.push([vec![label.to_owned()], usages.map(|usage| figure(value(&usage))).to_vec()].concat());
    }
    Ok(format!("{title}\n\n{}", columns(&rows)))
}

fn usages(case: &Case, contest: &Contest) -> Result<[Usage; 2]> {
    let connections = case.traffic.connections;
    Ok([contest.ours.usage(connections)?, contest.peer.usage(connections)?])
}

type Measure = (&'static str, &'static str, fn(&Usage) -> f64);

/// What is known of a party but not of a slice: label, unit, value.
fn measures(case: &Case) -> Vec<Measure> {
    let mut measures: Vec<Measure> = vec![
        ("user, us/message", "us/message", |usage| usage.user_us),
        ("system, us/message", "us/message", |usage| usage.system_us),
        ("resident at the peak, KiB", "KiB", |usage| usage.resident_peak as f64 / 1024.0),
    ];
    if case.traffic.connections >= CONNECTIONS_WEIGHED_MIN {
        measures.push(("memory, bytes/connection", "bytes", |usage| usage.connection_bytes));
    }
    measures
}

fn record(journal: &mut Journal, case: &Case, contest: &Contest) -> Result<()> {
    let name = case.name();
    for metric in Metric::ALL {
        journal.write(&format!("{name}/{}", metric.name()), contest.ratio(metric), "ratio")?;
    }
    let parties = [("ours", &contest.ours), ("theirs", &contest.peer)];
    for ((who, party), usage) in parties.into_iter().zip(usages(case, contest)?) {
        for metric in Metric::ALL {
            let label = format!("{name}/{who}/{}", metric.name());
            journal.write(&label, party.median(metric), metric.unit())?;
        }
        for (label, unit, value) in measures(case) {
            let (label, _) = label.split_once(',').unwrap_or((label, ""));
            let label = format!("{name}/{who}/{}", label.replace(' ', "_"));
            journal.write(&label, Interval::exact(value(&usage)), unit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(cases: &[&str]) -> Options {
        let cases = cases.iter().map(ToString::to_string).collect();
        Options { cases, pairs: None, quick: false, without_self: false, json: None, list: false }
    }

    fn names(options: &Options) -> Vec<String> {
        options.chosen().iter().map(Case::name).collect()
    }

    #[test]
    fn every_engine_meets_every_opponent_under_every_load() {
        let names = names(&options(&[]));
        assert_eq!(names.len(), 2 * 2 * 4 * 3);
        assert_eq!(names[0], "uring-1/100x1/bare");
        assert_eq!(names[47], "mio-2/1000x16/self");
    }

    #[test]
    fn the_noise_comes_along() {
        assert_eq!(names(&options(&["mio-1/100x1/bare"])), ["mio-1/100x1/bare", "mio-1/100x1/self"]);
        let alone = Options { without_self: true, ..options(&["mio-1/100x1/bare"]) };
        assert_eq!(names(&alone), ["mio-1/100x1/bare"]);
        assert_eq!(names(&options(&["nobody"])), [""; 0]);
    }

    #[test]
    fn threads_and_kind_are_the_same_on_both_sides() {
        for case in Case::all() {
            let [ours, peer] = case.stations().map(|station| station.to_string());
            let (kind, workers) = ours.trim_start_matches("raw_echo-").split_once('-').unwrap();
            let expected = match case.opponent {
                Opponent::Bare => format!("bare_{kind}-{workers}"),
                Opponent::Tokio => format!("tokio_echo-{workers}"),
                Opponent::Itself => ours.clone(),
            };
            assert_eq!(peer, expected);
        }
    }
}
