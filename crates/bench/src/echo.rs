//! `bench echo`: layer 1's station against the bare loops and tokio, layer 2's against layer 1's and tokio, and each
//! against itself.
//!
//! What layer 2 adds is what its station costs over `raw_echo` under the same load, whose messages are frames. Each
//! arrangement of its stages is measured that way; the one without threads and the one with three also meet tokio:
//! with a codec in each connection's task, and in the classic shape of three channels.
//!
//! - Owns: the list of cases.
//! - Limit: layer 2 has one worker; tokio meets an arrangement with threads on two of its own.
//!
//! Read next: `bout.rs`.

use anyhow::Result;
use clap::Args;

use crate::bout::{Bout, Bouts, Goals};
use crate::contest::Metric;
use crate::finding::Goal;
use crate::station::{Engine, Framed, Stages, Station};
use crate::traffic::{Echo, Traffic};

/// Connections, messages in flight.
const LOADS: [(u32, u32); 4] = [(100, 1), (1_000, 1), (10_000, 1), (1_000, 16)];
const ARRANGEMENTS: [Framed; 8] = [
    Framed::on(Engine::Uring, Stages::INLINE),
    Framed::on(Engine::Uring, Stages::DEFAULT),
    Framed::on(Engine::Uring, Stages::ALL),
    Framed::on(Engine::Uring, Stages::new(1, 0, 0)),
    Framed::on(Engine::Uring, Stages::new(0, 0, 1)),
    Framed::on(Engine::Uring, Stages::new(2, 2, 2)),
    Framed::on(Engine::Mio, Stages::INLINE),
    Framed::on(Engine::Mio, Stages::ALL),
];
/// Those that meet tokio and themselves, and how many threads tokio has.
const MEET_TOKIO: [(Framed, u16); 2] = [(ARRANGEMENTS[0], 1), (ARRANGEMENTS[2], 2)];
const CPU_BY_LAYER_1: Goals = &[(Metric::Cpu, Goal::AtMost(1.3))];
const THROUGHPUT_BY_LAYER_1: Goals = &[(Metric::Throughput, Goal::AtLeast(0.85))];

/// Throughput, CPU and latency of an echo on layer 1 and on layer 2, side by side with others.
///
/// Layer 1, `raw_echo`: a case is `ENGINE-WORKERS/LOAD/OPPONENT`: engine `uring` or `mio`, 1 or 2 workers, a load as
/// connections x messages in flight (100x1, 1000x1, 10000x1, 1000x16), opponent `bare` (the bare loop of that kind),
/// `tokio`, or `self` (the same program again: the noise). Opponents have as many threads as there are workers.
///
/// Layer 2, `framed_echo`: a case is `ENGINE-1/STAGES/LOAD/OPPONENT`: stages as the threads of receive, logic and send
/// (0-1-0), opponent `raw` (layer 1 under the same load), `tokio-framed` (a codec in each connection's task),
/// `tokio-stages` (three channels between tasks), or `self`. Ratios are ours by theirs.
#[derive(Debug, Args)]
pub struct Options {
    /// Only the cases of this layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    layer: Option<u8>,
    #[command(flatten)]
    bouts: Bouts,
}

/// Runs the chosen cases; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    options.bouts.run("echo", &options.cases())
}

impl Options {
    fn cases(&self) -> Vec<Bout> {
        let of = |layer| self.layer.is_none_or(|only| only == layer);
        let cases = [(1, layer1()), (2, layer2())].into_iter().filter(|(layer, _)| of(*layer));
        cases.flat_map(|(_, bouts)| bouts).collect()
    }
}

fn layer1() -> Vec<Bout> {
    let mut bouts = Vec::new();
    for engine in [Engine::Uring, Engine::Mio] {
        for workers in [1, 2] {
            for (connections, depth) in LOADS {
                let ours = Station::RawEcho(engine, workers);
                let theirs = [Station::Bare(engine, workers), Station::Tokio(workers), ours];
                let traffic = Traffic::Echo(Echo::plain(connections, depth));
                bouts.extend(theirs.map(|theirs| Bout::new(ours, theirs, traffic)));
            }
        }
    }
    bouts
}

fn layer2() -> Vec<Bout> {
    let mut bouts = Vec::new();
    for framed in ARRANGEMENTS {
        for (connections, depth) in LOADS {
            let echo = Echo::framed(connections, depth);
            let bout = |theirs| Bout::new(Station::FramedEcho(framed), theirs, Traffic::Echo(echo));
            let raw = Station::RawEcho(framed.engine, framed.workers);
            bouts.push(bout(raw).wanting(goals(framed.stages, echo)));
            bouts.extend(others(framed).into_iter().map(bout));
        }
    }
    bouts
}

fn others(framed: Framed) -> Vec<Station> {
    let threads = MEET_TOKIO.iter().find(|(one, _)| *one == framed).map(|(_, threads)| *threads);
    let stations =
        |threads| [Station::TokioFramed(threads), Station::TokioStages(threads), Station::FramedEcho(framed)];
    threads.map(stations).into_iter().flatten().collect()
}

/// What three stages with threads may cost over layer 1.
fn goals(stages: Stages, echo: Echo) -> Goals {
    match (stages, echo.connections, echo.depth) {
        (Stages::ALL, 1_000, 1) => CPU_BY_LAYER_1,
        (Stages::ALL, 1_000, 16) => THROUGHPUT_BY_LAYER_1,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cases::Case;

    fn names(layer: Option<u8>) -> Vec<String> {
        Options { layer, bouts: Bouts::default() }.cases().iter().map(Case::name).collect()
    }

    #[test]
    fn every_engine_meets_every_opponent_under_every_load() {
        let names = names(Some(1));
        assert_eq!(names.len(), 2 * 2 * 4 * 3);
        assert_eq!(names[0], "uring-1/100x1/bare");
        assert_eq!(names[47], "mio-2/1000x16/self");
    }

    #[test]
    fn every_arrangement_meets_layer_1_and_two_meet_tokio() {
        let names = names(Some(2));
        assert_eq!(names.len(), 8 * 4 + 2 * 4 * 3);
        assert_eq!(names[0], "uring-1/0-0-0/100x1/raw");
        assert_eq!(names[3], "uring-1/0-0-0/100x1/self");
        assert_eq!(names.last().unwrap(), "mio-1/1-1-1/1000x16/raw");
        assert_eq!(names.iter().filter(|name| name.ends_with("/tokio-stages")).count(), 8);
    }

    #[test]
    fn a_name_is_one_case() {
        let names = names(None);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn threads_and_kind_are_the_same_on_both_sides_of_layer_1() {
        for bout in layer1() {
            let [ours, theirs] = [bout.ours, bout.theirs].map(|station| station.to_string());
            let (kind, workers) = ours.trim_start_matches("raw_echo-").split_once('-').unwrap();
            let expected = match bout.theirs {
                Station::Bare(..) => format!("bare_{kind}-{workers}"),
                Station::Tokio(_) => format!("tokio_echo-{workers}"),
                _ => ours.clone(),
            };
            assert_eq!(theirs, expected);
        }
    }

    #[test]
    fn layer_2_is_measured_by_layer_1_on_the_same_engine_under_the_same_load() {
        for bout in layer2() {
            let Station::FramedEcho(framed) = bout.ours else { panic!("{bout:?}") };
            assert!(matches!(bout.traffic, Traffic::Echo(Echo { framed: true, .. })));
            if let Station::RawEcho(engine, workers) = bout.theirs {
                assert_eq!((engine, workers), (framed.engine, framed.workers));
            }
        }
        assert_eq!(layer2().iter().filter(|bout| !bout.goals.is_empty()).count(), 4);
    }
}
