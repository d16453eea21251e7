//! `bench instructions`: what a message costs in user instructions, which repeat where times do not.
//!
//! - Owns: which servers and loads are counted, the ratios the goals are about: to the bare loop of the kind, to
//!   tokio, and of many connections to few.
//! - Limit: one worker; with more, who wakes whom decides the count.
//!
//! Read next: `callgrind.rs`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::callgrind;
use crate::contest::Traffic;
use crate::interval::Interval;
use crate::journal::Journal;
use crate::station::{Engine, Programs, Station};
use crate::table::{columns, figure};

pub(crate) const FEW: u32 = 100;
const MANY: u32 = 10_000;
/// Messages of the two runs whose difference is divided.
const MESSAGES: [u64; 2] = [100_000, 300_000];

/// User instructions a message of `raw_echo` and its peers, counted by callgrind (Debian package valgrind).
#[derive(Debug, Args)]
pub struct Options {
    /// The engines of `raw_echo` to count, each beside its bare loop; may be given several times [default: both].
    #[arg(long = "engine", value_name = "ENGINE")]
    engines: Vec<Kind>,
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

/// Counts, then prints the table and the lines.
pub fn run(options: &Options) -> Result<()> {
    let version = callgrind::version()?;
    let programs = Programs::locate()?;
    let mut journal = Journal::open("instructions", options.json.as_deref())?;
    let engines = options.engines();
    let bare = engines.iter().map(|engine| Station::Bare(*engine, 1));
    let ours = engines.iter().map(|engine| Station::RawEcho(*engine, 1));
    let stations: Vec<Station> = [Station::Tokio(1)].into_iter().chain(bare).chain(ours).collect();
    let [fewer, more] = MESSAGES;
    eprintln!(
        "{version}: {} servers, {FEW} and {MANY} connections, {fewer} and {more} messages; about {} minutes",
        stations.len(),
        stations.len() / 2 + 1
    );
    let costs = stations.iter().map(|station| cost(&programs, *station)).collect::<Result<Vec<_>>>()?;
    println!("User instructions a message, 64 bytes, one worker:\n\n{}", columns(&rows(&costs)));
    costs.iter().try_for_each(|cost| record(&mut journal, cost, &costs))
}

fn cost(programs: &Programs, station: Station) -> Result<Cost> {
    let few = of_message(programs, station, FEW)?;
    let many = of_message(programs, station, MANY)?;
    Ok(Cost { station, few, many })
}

/// One server's, with so many connections; prints how it was computed.
pub(crate) fn of_message(programs: &Programs, station: Station, connections: u32) -> Result<f64> {
    let traffic = Traffic { connections, depth: 1 };
    let [fewer, more] = MESSAGES;
    let less = callgrind::count(programs, station, traffic, fewer)?;
    let all = callgrind::count(programs, station, traffic, more)?;
    let difference = all.checked_sub(less).context("more messages took fewer instructions")?;
    let cost = difference as f64 / (more - fewer) as f64;
    let sum = format!("({all} - {less}) / ({more} - {fewer}) = {}", figure(cost));
    eprintln!("{station} with {connections} connections: {sum}");
    Ok(cost)
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
    let of = |station| costs.iter().find(|other| other.station == station);
    let found = opponents(cost.station).into_iter().filter_map(|(name, station)| Some((name, of(station)?)));
    found.map(|(name, other)| (name, [cost.few / other.few, cost.many / other.many])).collect()
}

fn rows(costs: &[Cost]) -> Vec<Vec<String>> {
    let heading = ["", "100 conns", "10,000", "growth", "by bare", "by tokio"];
    let mut rows = vec![heading.map(ToOwned::to_owned).to_vec()];
    for cost in costs {
        let own = [figure(cost.few), figure(cost.many), format!("{:.3}", cost.growth())];
        let ratios = ratios(cost, costs).into_iter().map(|(_, [few, many])| format!("{few:.2}, {many:.2}"));
        rows.push([cost.station.to_string()].into_iter().chain(own).chain(ratios).collect());
    }
    rows
}

fn record(journal: &mut Journal, cost: &Cost, costs: &[Cost]) -> Result<()> {
    let name = cost.station.to_string();
    let mut write = |case: String, value, unit| journal.write(&case, Interval::exact(value), unit);
    write(format!("{name}/{FEW}"), cost.few, "instructions/message")?;
    write(format!("{name}/{MANY}"), cost.many, "instructions/message")?;
    write(format!("{name}/growth"), cost.growth(), "ratio")?;
    for (opponent, [few, many]) in ratios(cost, costs) {
        write(format!("{name}/{FEW}/{opponent}"), few, "ratio")?;
        write(format!("{name}/{MANY}/{opponent}"), many, "ratio")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_divided_by_its_own_kind() {
        let cost = |station, few, many| Cost { station, few, many };
        let ours = cost(Station::RawEcho(Engine::Mio, 1), 300.0, 330.0);
        let costs = [
            cost(Station::Tokio(1), 1200.0, 1320.0),
            cost(Station::Bare(Engine::Uring, 1), 100.0, 100.0),
            cost(Station::Bare(Engine::Mio, 1), 200.0, 220.0),
            ours,
        ];
        assert_eq!(ratios(&ours, &costs), [("bare", [1.5, 1.5]), ("tokio", [0.25, 0.25])]);
        assert_eq!(ratios(&costs[0], &costs), []);
        let table = columns(&rows(&costs));
        assert!(
            table.contains("raw_echo-mio-1        300     330   1.100  1.50, 1.50  0.25, 0.25"),
            "{table}"
        );
    }

    #[test]
    fn both_engines_unless_told() {
        let of = |engines| Options { engines, json: None }.engines();
        assert_eq!(of(vec![]), [Engine::Uring, Engine::Mio]);
        assert_eq!(of(vec![Kind::Mio]), [Engine::Mio]);
    }
}
