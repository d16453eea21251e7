//! `usher plan`: how many servers so many players need, and whether that holds when they come.
//!
//! Why: an answer from measured constants can be checked by anybody, and is then tried in the simulator, scaled
//! down, before a machine is bought.
//! Owns: the command line, the table, the report. Invariants: exit code 1 when the plan does not hold.
//! Limits: the trials divide everything by a factor that is said; a plan of few servers is tried with few players.
//! Read next: `plan/sizing.rs`, `plan/trial.rs`.

mod chart;
mod constants;
mod sizing;
mod trial;

use self::sizing::{Sizing, Wished};
use self::trial::{Evening, Outcome};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use usher_runtime::say;

/// What `plan` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher plan --players 1500000                       # the answer, tried by a ramp, a storm and a spike\n  \
    usher plan --players 1500000 --svg charts          # and load per server over time, as pictures\n  \
    usher plan --players 60000 --room-capacity 10000 --storm-minutes 2\n  \
    usher plan --players 1500000 --logins 2            # does it hold with two login servers?\n  \
    usher plan --players 1500000 --no-trial --json -   # the answer alone, for a program\n\n\
    Exit codes: 0 the plan holds (or was not tried), 1 it does not or something failed, 2 bad usage.")]
pub(crate) struct PlanArgs {
    /// Players online at the evening's peak
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    players: u32,
    /// Players that one room server takes
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    room_capacity: u32,
    /// They come within so many minutes, three fifths of them in the middle third
    #[arg(long, value_name = "M", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    ramp_minutes: u32,
    /// After an outage all of them come back within so many minutes
    #[arg(long, value_name = "M", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    storm_minutes: u32,
    /// For a minute so many times the ramp's mean rate comes
    #[arg(long, value_name = "TIMES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    spike: u32,
    /// A player at a table fetches a fresh list of rooms every so many minutes
    #[arg(long, value_name = "M", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    refresh_minutes: u32,
    /// Try so many login servers instead of the answer's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    logins: Option<u32>,
    /// Try so many hall servers instead of the answer's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    halls: Option<u32>,
    /// Try so many room servers instead of the answer's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rooms: Option<u32>,
    /// Do not try the answer in the simulator
    #[arg(long, conflicts_with = "svg")]
    no_trial: bool,
    /// Players that a trial has, about: everything is divided by the same factor
    #[arg(long, value_name = "N", default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    trial_players: u32,
    /// All chance of the trials comes from here
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write load per server over time into this folder, a picture a trial
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write everything to this file as JSON; `-`: print it instead of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Whether the plan holds.
pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<bool> {
    let mut sizing = Sizing::of(Wished {
        players: args.players,
        room_capacity: args.room_capacity,
        ramp_minutes: args.ramp_minutes,
        storm_minutes: args.storm_minutes,
        spike: args.spike,
        refresh_minutes: args.refresh_minutes,
    });
    let [_, fronts @ ..] = &mut sizing.servers;
    for (servers, given) in fronts.iter_mut().zip([args.logins, args.halls, args.rooms]) {
        servers.count = given.unwrap_or(servers.count);
    }
    let is_printed = args.json.as_deref() != Some(Path::new("-"));
    if is_printed {
        show(&sizing);
    }
    let factor = args.players.div_ceil(args.trial_players).max(1);
    let mut outcomes = Vec::new();
    for evening in Evening::ALL.into_iter().filter(|_| !args.no_trial) {
        let (outcome, groups) = trial::run(&sizing, evening, factor, args.seed);
        if is_printed {
            if outcomes.is_empty() {
                show_head(factor);
            }
            show_outcome(&outcome);
        }
        if let Some(folder) = &args.svg {
            let title = format!("{}: {} players, all divided by {factor}", outcome.evening, args.players);
            write(&folder.join(format!("{}.svg", outcome.evening)), &chart::svg(&title, &groups))?;
        }
        outcomes.push(outcome);
    }
    let holds = outcomes.iter().all(|outcome| outcome.holds);
    if is_printed && !outcomes.is_empty() {
        say!("\n{}", if holds { "The plan holds." } else { "The plan does NOT hold." });
    }
    let report = report(&sizing, factor, &outcomes, holds);
    match &args.json {
        Some(file) if is_printed => write(file, &format!("{report:#}\n"))?,
        Some(_) => say!("{report:#}"),
        None => {}
    }
    Ok(holds)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn show(sizing: &Sizing) {
    let (wished, rates) = (sizing.wished, sizing.rates);
    say!("For {} players, {} a room server:\n", wished.players, wished.room_capacity);
    say!("  kind     servers  serve_max   a second   cores, all   memory each   out, all     in, all");
    let mut cores = 0.0;
    let mut memory_gib = 0.0;
    for servers in &sizing.servers {
        say!(
            "  {:<8} {:>7} {:>10} {:>10} {:>12.2} {:>9.0} MiB {:>6.0} Mbit/s {:>5.0} Mbit/s",
            servers.kind,
            servers.count,
            servers.serve_max,
            servers.serve_per_second_max,
            servers.cores,
            servers.memory_mib,
            servers.out_mbit,
            servers.in_mbit
        );
        cores += servers.cores;
        memory_gib += servers.memory_mib * f64::from(servers.count) / 1024.0;
    }
    say!(
        "\n  In all {cores:.1} cores busy at the peak and {memory_gib:.1} GiB, the kernel's for connections included."
    );
    say!(
        "  Ways in a second: ramp {:.0} (busiest third {:.0}), storm {:.0}, spike {:.0}; fresh lists {:.0}.",
        rates.ramp_mean,
        rates.ramp_peak,
        rates.storm,
        rates.spike,
        rates.refreshes
    );
    say!(
        "  One server of each kind is to spare. From what was measured ({} constants):",
        constants::ALL.len()
    );
    for it in constants::ALL {
        say!("    {} {}  {} ({}; {})", it.value, it.unit, it.what, it.date, it.source);
    }
}

fn show_head(factor: u32) {
    say!("\nTried in the simulator, players and limits divided by {factor}:\n");
    say!(
        "  evening  players   seated   failed  longest way in  redirects     busy  fullest login, hall, room"
    );
}

fn show_outcome(outcome: &Outcome) {
    let [login, hall, room] = outcome.peak_percent;
    say!(
        "  {:<7} {:>8} {:>8} {:>8} {:>13.2} s {:>10} {:>8}  {login} %, {hall} %, {room} %",
        outcome.evening,
        outcome.players,
        outcome.seated,
        outcome.failed,
        outcome.journey_max_s,
        outcome.redirects,
        outcome.busy,
    );
}

fn report(sizing: &Sizing, factor: u32, outcomes: &[Outcome], holds: bool) -> Value {
    let constants = constants::ALL.map(|it| {
        json!({ "what": it.what, "value": it.value, "unit": it.unit, "date": it.date, "source": it.source })
    });
    json!({
        "wished": sizing.wished,
        "rates_per_s": sizing.rates,
        "servers": sizing.servers,
        "trials": { "divided_by": factor, "evenings": outcomes },
        "holds": (!outcomes.is_empty()).then_some(holds),
        "constants": constants,
    })
}
