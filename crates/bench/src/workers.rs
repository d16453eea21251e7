//! `bench workers`: what a request to a worker costs, and what becomes of requests when workers do not live long.
//!
//! A round trip is measured by the least there is: a bare ping-pong over a Unix socket with messages of the same sizes,
//! pair by pair. What counts is the host's CPU, for a room server pays it beside its play.
//! Hardship is counted: four workers in Python at 500 requests a second, one of which is killed every second, or stopped, or
//! all of which are renewed again and again.
//!
//! - Owns: the list of cases, and the far ends.
//! - Invariant: a request that was not told what became of it fails its case.
//! - Limit: hardship takes a minute a case; python3 is needed for it.
//!
//! Read next: `workers/round_trip.rs`, `workers/hardship.rs`.

mod echo;
mod hardship;
mod host;
mod ping;
mod round_trip;
mod setting;

use anyhow::Result;
use clap::Args;

use crate::cases::{self, Choice};
use crate::finding;
use crate::station::Programs;

pub use echo::Echo;
pub use host::Host;
pub use ping::Ping;

use hardship::Hardship;

/// Round trips to workers beside a bare ping-pong; requests while workers are killed, stopped, renewed.
///
/// `round-trip/FORM/N`: N requests of 64 bytes in flight to one worker, in MessagePack or JSON, beside a bare ping-pong over
/// a Unix socket with as many bytes both ways. `hardship/WHAT`: four workers in Python, 400 requests a second that may
/// be repeated and 100 that may not, for a minute.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
    /// Pairs of slices for each round trip [default: 15].
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// A smoke: 3 pairs of half a second, 5 seconds of hardship. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    RoundTrip { json: bool, in_flight: usize },
    Hardship(Hardship),
}

impl cases::Case for Case {
    fn name(&self) -> String {
        match self {
            Self::RoundTrip { json, in_flight } => {
                format!("round-trip/{}/{in_flight}", if *json { "json" } else { "msgpack" })
            }
            Self::Hardship(what) => format!("hardship/{}", what.name()),
        }
    }
}

const CASES: [Case; 6] = [
    Case::RoundTrip { json: false, in_flight: 1 },
    Case::RoundTrip { json: false, in_flight: 16 },
    Case::RoundTrip { json: true, in_flight: 1 },
    Case::Hardship(Hardship::Killed),
    Case::Hardship(Hardship::Stopped),
    Case::Hardship(Hardship::Renewed),
];

/// Runs the chosen cases.
pub fn run(options: &Options) -> Result<()> {
    let chosen: Vec<_> = CASES.into_iter().filter(|case| options.choice.holds(case)).collect();
    let programs = Programs::locate()?;
    options.choice.run("workers", &chosen, "up to a minute and a half a case", |case, journal| {
        let findings = match *case {
            Case::RoundTrip { json, in_flight } => {
                round_trip::run(&programs, (json, in_flight), options.pairs, options.quick)?
            }
            Case::Hardship(what) => hardship::run(what, options.quick)?,
        };
        finding::report(&cases::Case::name(case), &findings, journal)
    })
}
