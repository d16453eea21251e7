//! From the command line to the exit code.
//!
//! Why: one process plays its players itself, several are led by one; the report is the same.
//! Invariants: Ctrl-C sends the players home and still gives the report; a second one ends at once.
//! Limits: the last connections have [`CLOSE_MAX`] to close.
//! Read next: `processes`, for more players than one process has files for.

use crate::accounts::{CACHED_KEYS, GUESTS, KeyRing};
use crate::admin;
use crate::args::SimArgs;
use crate::book::Book;
use crate::mix;
use crate::outcome::Outcome;
use crate::page;
use crate::processes;
use crate::progress::{LOOK_EVERY, Now, Progress};
use crate::report::{Report, ServerUsage};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use usher_player::{Accounts, Config, Crowd, Mix, Plan};
use usher_proto::{Address, WorldId};
use usher_runtime::answers::World;
use usher_runtime::call::LoginKeys;
use usher_runtime::config::{ConfigError, LogSection};
use usher_runtime::crowd::{CrowdLimits, RunningCrowd};
use usher_runtime::signals::{self, StopRequested};
use usher_runtime::{clock, logs, process, say};

/// How long the last connections may take to close.
pub const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Sockets a player may hold at once: its room's and a visit's.
const SOCKETS_PER_PLAYER: f64 = 1.05;

/// Plays, reports, and says by the exit code whether all was well.
pub fn main(args: &SimArgs) -> ExitCode {
    if args.die_with_parent {
        process::die_with_parent();
    }
    logs::init(&LogSection { level: "warn".into(), json: false });
    let (keys, mix) = match (key_ring(args), mix_of(args)) {
        (Ok(keys), Ok(mix)) => (keys, mix),
        (Err(error), _) => {
            eprintln!("error: --accounts: {error:#}");
            return ExitCode::from(2);
        }
        (_, Err(error)) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match play(args, keys, mix) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The keys of this process's players. Whoever leads others reads them too, so that an error is found at once.
fn key_ring(args: &SimArgs) -> anyhow::Result<Option<KeyRing>> {
    let load = |path: &PathBuf| KeyRing::load(path, args.part_from.unwrap_or_default(), args.players);
    args.accounts.as_ref().map(load).transpose()
}

/// What the players do; read by whoever leads others too.
fn mix_of(args: &SimArgs) -> Result<Mix, ConfigError> {
    match &args.mix {
        Some(path) => mix::load(path),
        None => Ok(Plan { play: args.play.into(), game: args.play.game(), ..Plan::default() }.into()),
    }
}

fn play(args: &SimArgs, keys: Option<KeyRing>, mix: Mix) -> anyhow::Result<bool> {
    let stops = signals::listen().context("cannot listen for signals")?;
    if let Some(first) = args.part_from {
        let players = config(args, first, mix);
        let outcome = crowd(args, players, keys, &stops, |now| say!("{}", processes::progress_line(now)))?;
        say!("{}", serde_json::to_string(&outcome)?);
        return Ok(true); // the leading process judges
    }
    let mut progress = Progress::new(u64::from(args.players));
    let outcome = match processes_for(args) {
        1 => crowd(args, config(args, 0, mix), keys, &stops, |now| progress.show(now, LOOK_EVERY))?,
        parts => processes::lead(args, parts, &stops, |now| progress.show(now, LOOK_EVERY))?,
    };
    progress.end();
    let accounts = if args.accounts.is_some() { CACHED_KEYS } else { GUESTS };
    let report = Report { accounts: accounts.into(), ..Report::new(&outcome, args.seed, servers(args)) };
    finish(args, &outcome, &report)
}

/// What the servers used, where they can be asked. A manager that is gone does not cost the report.
fn servers(args: &SimArgs) -> Vec<ServerUsage> {
    let Some(manager) = args.admin else { return Vec::new() };
    admin::server_usage(manager).unwrap_or_else(|error| {
        tracing::warn!(%manager, "the manager cannot be asked what its servers used: {error:#}");
        Vec::new()
    })
}

fn finish(args: &SimArgs, outcome: &Outcome, report: &Report) -> anyhow::Result<bool> {
    if let Some(path) = &args.json {
        write(path, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &page::html(outcome, report, &command()))?;
    }
    if !args.quiet {
        say!("{}", report.table());
    }
    if let Some(advice) = report.advice(!args.login_key.is_empty()) {
        eprintln!("  {advice}");
    }
    Ok(report.is_good())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The command that began this, as it could be typed again.
fn command() -> String {
    let quoted = |word: String| {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:,=@%+".contains(char);
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words = std::env::args_os().map(|word| quoted(word.to_string_lossy().into_owned()));
    words.collect::<Vec<_>>().join(" ")
}

/// How many processes: as told, else as many as the players' sockets need.
fn processes_for(args: &SimArgs) -> u32 {
    let possible = process::connections_possible() as f64;
    let needed = (f64::from(args.players) * SOCKETS_PER_PLAYER / possible).ceil() as u32;
    args.processes.unwrap_or(needed).clamp(1, args.players)
}

/// Plays this process's players to their end.
fn crowd(
    args: &SimArgs,
    config: Config,
    keys: Option<KeyRing>,
    stops: &Receiver<StopRequested>,
    mut show: impl FnMut(Now),
) -> anyhow::Result<Outcome> {
    let book = Book::default();
    let limits = CrowdLimits {
        connections_max: process::connections_possible() as usize,
        connect_timeout: Duration::from_secs(3),
    };
    let login_keys = Arc::new(LoginKeys::new(args.login_key.clone()));
    let players = Crowd::new(config, book.clone());
    let answers = keys.map(|keys| -> Box<dyn World> { Box::new(keys) });
    let crowd =
        RunningCrowd::start(players, answers, limits, &login_keys).context("cannot start the players")?;
    let (mut stopping, mut untold) = (false, false);
    while !crowd.is_done() {
        match stops.recv_timeout(LOOK_EVERY) {
            Ok(StopRequested) if stopping => anyhow::bail!("stopped"),
            Ok(StopRequested) => {
                (stopping, untold) = (true, true);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        untold = untold && !crowd.drain();
        show(Now {
            seated: crowd.figure("usher_players_seated"),
            done: crowd.figure("usher_players_done_total"),
            redirects: book.redirects(),
            failed: book.failed(),
        });
    }
    let began_unix_us = crowd.started_unix_ms * 1000;
    crowd.stop(CLOSE_MAX);
    Ok(book.outcome(u64::from(args.players), began_unix_us, clock::unix_ms() * 1000))
}

fn config(args: &SimArgs, first_index: u32, mix: Mix) -> Config {
    Config {
        players: args.players,
        first_index,
        rate_per_s: args.rate,
        play_for: Duration::from_secs(args.seconds),
        logins: args.login.iter().map(|login| Address::from(login.clone())).collect(),
        accounts: match args.accounts {
            Some(_) => Accounts::Numbered(|number| number),
            None => Accounts::Guests,
        },
        world: WorldId(args.world),
        mix,
        reconnect_per_mille: args.reconnect_per_mille,
        seed: args.seed.wrapping_add(u64::from(first_index)),
        ..Config::default()
    }
}
