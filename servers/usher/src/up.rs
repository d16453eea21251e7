//! `usher up`: every server of a folder of configs, kept running.
//!
//! Why: a cluster on one machine with one command, for whoever develops against it.
//! Owns: the order of starting (the manager first), starting again what ended unasked, stopping.
//! Invariants: Ctrl-C drains every server, a second one ends them at once; a server that ends unasked is started
//! again after a pause that doubles up to [`PAUSE_MAX`].
//! Read next: `process`.

use crate::checked;
use crate::process::ServerProcess;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use usher_runtime::config::{ConfigFile, Kind, LogSection};
use usher_runtime::signals::{self, StopRequested};
use usher_runtime::{clock, logs, process, say};

/// The pause before a server that ended is started again, at first.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// And at most.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A server that ran for so long is steady: its next end is its first.
const STEADY_AFTER: Duration = Duration::from_secs(60);
/// How often the servers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What `up` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher up                       # the configs of deploy/local\n  \
    usher up -c deploy/worlds      # two worlds under one manager\n\n\
    Exit codes: 0 every server was drained and ended well, 1 one did not, 2 bad usage or config.")]
pub(crate) struct UpArgs {
    /// The folder of configs, one server each
    #[arg(short = 'c', long = "config", value_name = "DIR", default_value = "deploy/local")]
    config: PathBuf,
}

struct Kept {
    kind: Kind,
    config: PathBuf,
    process: Option<ServerProcess>,
    start_at: Instant,
    pause: Duration,
}

/// Starts the servers and keeps them until somebody wants an end.
pub(crate) fn run(args: &UpArgs) -> ExitCode {
    logs::init(&LogSection::default());
    process::raise_file_limit();
    let mut servers = match find(&args.config) {
        Ok(servers) => servers,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let stops = match signals::listen() {
        Ok(stops) => stops,
        Err(error) => {
            eprintln!("error: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    match keep(&mut servers, &stops) {
        Ok(()) => stop(&mut servers, &stops),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Checks every config before any server is started. The manager comes first.
fn find(folder: &Path) -> Result<Vec<Kept>, String> {
    let entries = fs::read_dir(folder).map_err(|error| {
        format!("{}: {error}; name a folder of configs with -c, such as deploy/local", folder.display())
    })?;
    let mut configs: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    configs.sort();
    let mut servers = Vec::new();
    for config in configs {
        let kind = match ConfigFile::read(&config).and_then(|file| file.kind()) {
            Ok(_) => checked(&config).map_err(|error| error.to_string())?,
            Err(error) => return Err(error.to_string()),
        };
        servers.push(Kept { kind, config, process: None, start_at: clock::instant(), pause: PAUSE_MIN });
    }
    if servers.is_empty() {
        return Err(format!("{}: there is no config (*.toml) in it", folder.display()));
    }
    servers.sort_by_key(|server| server.kind != Kind::Manager);
    Ok(servers)
}

fn keep(servers: &mut [Kept], stops: &Receiver<StopRequested>) -> anyhow::Result<()> {
    for server in servers.iter_mut() {
        server.process = Some(ServerProcess::start(server.kind, &server.config)?);
    }
    show(servers);
    loop {
        match stops.recv_timeout(LOOK_EVERY) {
            Ok(StopRequested) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        servers.iter_mut().try_for_each(look_after)?;
    }
}

fn look_after(server: &mut Kept) -> anyhow::Result<()> {
    let now = clock::instant();
    if let Some(process) = &mut server.process {
        if now >= server.start_at + STEADY_AFTER {
            server.pause = PAUSE_MIN;
        }
        if let Some(status) = process.ended()? {
            tracing::warn!(name = process.ready.name, %status, again_in = ?server.pause, "a server ended unasked");
            server.process = None;
            server.start_at = now + server.pause;
            server.pause = (server.pause * 2).min(PAUSE_MAX);
        }
    } else if server.start_at <= now {
        match ServerProcess::start(server.kind, &server.config) {
            Ok(process) => {
                server.process = Some(process);
                server.start_at = now;
            }
            Err(error) => {
                tracing::error!("{error:#}");
                server.start_at = now + server.pause;
            }
        }
    }
    Ok(())
}

fn show(servers: &[Kept]) {
    say!();
    for server in servers {
        if let Some(process) = &server.process {
            say!("  {process}");
        }
    }
    let address = |kind| {
        servers.iter().filter(move |it| it.kind == kind).find_map(|it| Some(&it.process.as_ref()?.ready))
    };
    if let (Some(login), Some(manager)) = (address(Kind::Login), address(Kind::Manager)) {
        say!("\n  Send players:    usher client-sim --login {} --admin {}", login.address, manager.admin);
        say!("  Dashboard:       http://{}/", manager.admin);
        say!("  Or as text:      usher status {} --watch", manager.admin);
    }
    let administrators = address(Kind::Push).and_then(|push| push.listeners.get("administrators"));
    if let Some(administrators) = administrators {
        say!("  Look after push: nc {} {}", administrators.ip(), administrators.port());
    }
    say!("  Stop:            Ctrl-C\n");
}

/// Drains every server, the manager last; a second request ends them at once.
fn stop(servers: &mut [Kept], stops: &Receiver<StopRequested>) -> ExitCode {
    say!("  draining; Ctrl-C again stops at once");
    let mut all_well = true;
    for is_manager in [false, true] {
        let mut running: Vec<_> = servers
            .iter_mut()
            .filter(|server| (server.kind == Kind::Manager) == is_manager)
            .filter_map(|server| server.process.as_mut())
            .collect();
        for process in &running {
            process.terminate();
        }
        while running.iter_mut().any(|process| matches!(process.ended(), Ok(None))) {
            if let Ok(StopRequested) = stops.recv_timeout(LOOK_EVERY) {
                for process in &mut running {
                    process.kill();
                }
            }
        }
        for process in running {
            all_well &= matches!(process.ended(), Ok(Some(status)) if status.success());
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
