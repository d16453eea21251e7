//! `bench instructions`: what a message costs in user instructions, which repeat where times do not.
//!
//! The messages are frames: to the others they are 64 bytes like any, and layer 2's station needs them. What its
//! stages cost is its count less that of layer 1's station.
//!
//! - Owns: which servers and loads are counted, the ratios the goals are about: to the bare loop of the kind, to
//!   tokio, and of many connections to few; the difference of the layers.
//! - Limit: one worker, all stages inline; with more threads, who wakes whom decides the count.
//!
//! Read next: `callgrind.rs`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::callgrind;
use crate::finding::Goal;
use crate::interval::Interval;
use crate::journal::Journal;
use crate::station::{Engine, Framed, Programs, Stages, Station};
use crate::table::{columns, figure};
use crate::traffic::Echo;

/// What layer 2 may cost over layer 1.
const LAYER_2: Goal = Goal::AtMost(400.0);

/// How many connections and messages are counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) few: u32,
    many: u32,
    /// Of the two runs whose difference is divided.
    pub(crate) messages: [u64; 2],
}

impl Extent {
    pub(crate) const FULL: Self = Self { few: 100, many: 10_000, messages: [100_000, 300_000] };
    const QUICK: Self = Self { few: 100, many: 1_000, messages: [10_000, 30_000] };
}

/// User instructions a message of `raw_echo`, its peers and `framed_echo`, counted by callgrind (Debian package valgrind).
///
/// `framed_echo` runs all its stages inline. What it takes more than `raw_echo` on the same engine is layer 2.
#[derive(Debug, Args)]
pub struct Options {
    /// The engines to count, each beside its bare loop; may be given several times [default: both].
    #[arg(long = "engine", value_name = "ENGINE")]
    engines: Vec<Kind>,
    /// A smoke: fewer connections and messages. Its figures are near those of a whole run.
    #[arg(long)]
    quick: bool,
    /// Write the lines of JSON to this file, not to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Uring,
    Mio,
}

impl Options {
    fn engines(&self) -> Vec<Engine> {
        let of = |kind: &Kind| match kind {
            Kind::Uring => Engine::Uring,
            Kind::Mio => Engine::Mio,
        };
        if self.engines.is_empty() {
            vec![Engine::Uring, Engine::Mio]
        } else {
            self.engines.iter().map(of).collect()
        }
    }

    fn extent(&self) -> Extent {
        if self.quick { Extent::QUICK } else { Extent::FULL }
    }

    /// Each kind for all engines, then the next kind.
    fn stations(&self) -> Vec<Station> {
        let kinds: [fn(Engine) -> Station; 3] =
            [|engine| Station::Bare(engine, 1), |engine| Station::RawEcho(engine, 1), inline];
        let of_engines = kinds.iter().flat_map(|kind| self.engines().into_iter().map(kind));
        [Station::Tokio(1)].into_iter().chain(of_engines).collect()
    }
}

/// Layer 2 without a thread of its own.
fn inline(engine: Engine) -> Station {
    Station::FramedEcho(Framed::on(engine, Stages::INLINE))
}

/// One server's instructions a message.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    station: Station,
    few: f64,
    many: f64,
}

impl Cost {
    fn growth(&self) -> f64 {
        self.many / self.few
    }
}

/// Counts, then prints the tables and the lines.
pub fn run(options: &Options) -> Result<()> {
    let version = callgrind::version()?;
    let programs = Programs::locate()?;
    let mut journal = Journal::open("instructions", options.json.as_deref())?;
    let (stations, extent) = (options.stations(), options.extent());
    let Extent { few, many, messages: [fewer, more] } = extent;
    let minutes = if options.quick { stations.len() / 8 + 1 } else { stations.len() / 3 + 1 };
    eprintln!(
        "{version}: {} servers, {few} and {many} connections, {fewer} and {more} messages; about {minutes} minutes",
        stations.len(),
    );
    let costs =
        stations.iter().map(|station| cost(&programs, *station, extent)).collect::<Result<Vec<_>>>()?;
    println!("User instructions a message, 64 bytes, one worker:\n\n{}", columns(&rows(&costs, extent)));
    println!("Layer 2 over layer 1, all stages inline:\n\n{}", columns(&layer2_rows(&costs, extent)));
    costs.iter().try_for_each(|cost| record(&mut journal, cost, &costs, extent))
}

fn cost(programs: &Programs, station: Station, extent: Extent) -> Result<Cost> {
    let few = of_message(programs, station, extent.few, extent.messages)?;
    let many = of_message(programs, station, extent.many, extent.messages)?;
    Ok(Cost { station, few, many })
}

/// One server's, with so many connections; prints how it was computed.
pub(crate) fn of_message(
    programs: &Programs,
    station: Station,
    connections: u32,
    [fewer, more]: [u64; 2],
) -> Result<f64> {
    let echo = Echo::framed(connections, 1);
    let less = callgrind::count(programs, station, echo, fewer)?;
    let all = callgrind::count(programs, station, echo, more)?;
    let difference = all.checked_sub(less).context("more messages took fewer instructions")?;
    let cost = difference as f64 / (more - fewer) as f64;
    let sum = format!("({all} - {less}) / ({more} - {fewer}) = {}", figure(cost));
    eprintln!("{station} with {connections} connections: {sum}");
    Ok(cost)
}

fn find(costs: &[Cost], station: Station) -> Option<&Cost> {
    costs.iter().find(|cost| cost.station == station)
}

/// Those it is compared with: the bare loop of its kind, and tokio.
fn opponents(station: Station) -> Vec<(&'static str, Station)> {
    match station {
        Station::RawEcho(engine, threads) => {
            vec![("bare", Station::Bare(engine, threads)), ("tokio", Station::Tokio(threads))]
        }
        _ => Vec::new(),
    }
}

fn ratios(cost: &Cost, costs: &[Cost]) -> Vec<(&'static str, [f64; 2])> {
    let others = opponents(cost.station).into_iter();
    let found = others.filter_map(|(name, station)| Some((name, find(costs, station)?)));
    found.map(|(name, other)| (name, [cost.few / other.few, cost.many / other.many])).collect()
}

/// What layer 2's station takes more than layer 1's, with few connections and with many.
fn over_layer1(cost: &Cost, costs: &[Cost]) -> Option<[f64; 2]> {
    let Station::FramedEcho(Framed { engine, workers, .. }) = cost.station else { return None };
    let below = find(costs, Station::RawEcho(engine, workers))?;
    Some([cost.few - below.few, cost.many - below.many])
}

fn heading(extent: Extent, before: &str, after: &[&str]) -> Vec<String> {
    let counts = [extent.few, extent.many].map(|count| format!("{count} conns"));
    let after = after.iter().map(ToString::to_string);
    [before.to_owned()].into_iter().chain(counts).chain(after).collect()
}

fn rows(costs: &[Cost], extent: Extent) -> Vec<Vec<String>> {
    let mut rows = vec![heading(extent, "", &["growth", "by bare", "by tokio"])];
    for cost in costs {
        let own = [figure(cost.few), figure(cost.many), format!("{:.3}", cost.growth())];
        let ratios = ratios(cost, costs).into_iter().map(|(_, [few, many])| format!("{few:.2}, {many:.2}"));
        rows.push([cost.station.to_string()].into_iter().chain(own).chain(ratios).collect());
    }
    rows
}

fn layer2_rows(costs: &[Cost], extent: Extent) -> Vec<Vec<String>> {
    let mut rows = vec![heading(extent, "", &["goal", ""])];
    for cost in costs {
        let Some(over) = over_layer1(cost, costs) else { continue };
        let verdict = LAYER_2.cells(Interval::exact(over[0].max(over[1])));
        let own = [cost.station.to_string()].into_iter().chain(over.map(figure));
        rows.push(own.chain(verdict).collect());
    }
    rows
}

fn record(journal: &mut Journal, cost: &Cost, costs: &[Cost], extent: Extent) -> Result<()> {
    let Extent { few, many, .. } = extent;
    let name = cost.station.to_string();
    let mut write = |case: String, value, unit| journal.write(&case, Interval::exact(value), unit);
    write(format!("{name}/{few}"), cost.few, "instructions/message")?;
    write(format!("{name}/{many}"), cost.many, "instructions/message")?;
    write(format!("{name}/growth"), cost.growth(), "ratio")?;
    for (opponent, [of_few, of_many]) in ratios(cost, costs) {
        write(format!("{name}/{few}/{opponent}"), of_few, "ratio")?;
        write(format!("{name}/{many}/{opponent}"), of_many, "ratio")?;
    }
    if let Some([of_few, of_many]) = over_layer1(cost, costs) {
        write(format!("{name}/{few}/over_layer1"), of_few, "instructions/message")?;
        write(format!("{name}/{many}/over_layer1"), of_many, "instructions/message")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> [Cost; 5] {
        let cost = |station, few, many| Cost { station, few, many };
        [
            cost(Station::Tokio(1), 1200.0, 1320.0),
            cost(Station::Bare(Engine::Uring, 1), 100.0, 100.0),
            cost(Station::Bare(Engine::Mio, 1), 200.0, 220.0),
            cost(Station::RawEcho(Engine::Mio, 1), 300.0, 330.0),
            cost(inline(Engine::Mio), 650.0, 740.0),
        ]
    }

    #[test]
    fn ours_is_divided_by_its_own_kind() {
        let costs = costs();
        assert_eq!(ratios(&costs[3], &costs), [("bare", [1.5, 1.5]), ("tokio", [0.25, 0.25])]);
        assert_eq!(ratios(&costs[0], &costs), []);
        let table = columns(&rows(&costs, Extent::FULL));
        assert!(
            table.contains("raw_echo-mio-1                 300          330   1.100  1.50, 1.50  0.25, 0.25"),
            "{table}"
        );
    }

    #[test]
    fn layer_2_is_the_difference_on_its_own_engine() {
        let costs = costs();
        assert_eq!(over_layer1(&costs[4], &costs), Some([350.0, 410.0]));
        assert_eq!(over_layer1(&costs[3], &costs), None);
        let table = columns(&layer2_rows(&costs, Extent::FULL));
        assert!(table.contains("framed_echo-mio-1/0-0-0        350          410  <= 400  MISSED"), "{table}");
    }

    #[test]
    fn both_engines_unless_told() {
        let of = |engines| Options { engines, quick: false, json: None };
        assert_eq!(of(vec![]).engines(), [Engine::Uring, Engine::Mio]);
        assert_eq!(of(vec![Kind::Mio]).engines(), [Engine::Mio]);
        let names: Vec<String> = of(vec![Kind::Mio]).stations().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["tokio_echo-1", "bare_mio-1", "raw_echo-mio-1", "framed_echo-mio-1/0-0-0"]);
    }
}
