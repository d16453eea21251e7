//! `usher demo`: a whole cluster, thousands of players, and a verdict.
//!
//! Why: the main job of this stack, to be seen in a minute, on real sockets and real processes.
//! Owns: the order of events and what is shown. Does not own: what counts as well done; that is `checks`.
//! Invariants: everything started here ends here; the exit code is the verdict.
//! Limits: a server has [`STOP_MAX`] to stop, the cluster [`LINKED_MAX`] to find its manager.
//! Read next: `cluster`, `checks`.

use crate::chaos::{CALM, Chaos, Kill};
use crate::checks::{Checks, Watch};
use crate::cluster::{Cluster, Wanted};
use crate::journals;
use crate::process::{own_command, signal};
use crate::worker_games;
use anyhow::{Context, bail};
use clap::Args;
use rustix::process::Signal;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use usher_client_sim::Report;
use usher_runtime::config::{Kind, LogSection};
use usher_runtime::signals::{self, StopRequested};
use usher_runtime::{clock, logs, process, say};

/// How long a server may take to drain and stop.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How long the servers may take to find their manager.
const LINKED_MAX: Duration = Duration::from_secs(10);
/// How long halls and logins may take to name gateways where servers are: they are told, and tell, once a second.
const NAMED_MAX: Duration = Duration::from_secs(2);
/// How often the cluster is looked at while players play.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the demo is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher demo                                       # 5,000 players, 1,000 arriving a second\n  \
    usher demo --players 500 --rate 100 --seconds 3  # on a small machine\n  \
    usher demo --gateway                             # everybody through two gateways\n  \
    usher demo --workers                             # also games in Python and JavaScript\n  \
    usher demo --players 500 --chaos 7 --seconds 60  # a minute in which servers are killed\n  \
    usher demo --json demo.json --html demo.html     # and keep the report\n\n\
    Exit codes: 0 everything was as it should be, 1 something was not, 2 bad usage.")]
pub(crate) struct DemoArgs {
    /// How many players
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    players: u32,
    /// Arrivals a second
    #[arg(long, value_name = "R", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long they play after the last one is seated; the checks need to see it
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(3..=86_400))]
    seconds: u64,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file, as a page with pictures
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Put two gateways before the halls and the room servers
    #[arg(long)]
    gateway: bool,
    /// Have two of five play games whose rules are workers', in Python and JavaScript; needs python3 and node, and players
    /// enough for a table of each
    #[arg(long)]
    workers: bool,
    /// Kill one server after the other by its pid while they play, in an order drawn from this number, and start it
    /// again; afterwards they play 20 seconds more
    #[arg(long, value_name = "SEED")]
    chaos: Option<u64>,
    /// All chance of the players comes from here
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the demo; whether all was well.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<bool> {
    logs::init(&LogSection { level: "warn".into(), json: false });
    process::raise_file_limit();
    if args.workers {
        worker_games::check_programs()?;
    }
    let stops = signals::listen().context("cannot listen for signals")?;
    let mut cluster = Cluster::start(args.wanted())?;
    introduce(args, &cluster);
    wait_until_linked(&cluster, &stops)?;
    let mut watch = Watch::default();
    let (report, chaos) = play(args, &mut cluster, &mut watch, &stops)?;
    let mut checks = Checks::of(&report, &watch);
    if args.chaos.is_some() {
        checks.chaos(chaos.as_ref());
    }
    checks.after_the_last_left(&cluster);
    if args.gateway {
        checks.through_gateways(&cluster, args.chaos.is_some());
    }
    stop(&mut cluster, &mut checks)?;
    checks.journals(journals::read(cluster.folder()), report.evening.hands, cluster.worker_games);
    if let Some(path) = &args.json {
        let kills = chaos.as_ref().map(Chaos::kills);
        let json = serde_json::to_string_pretty(&Told { report: &report, checks: &checks, kills })? + "\n";
        fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    say!("{}\n{checks}", report.table());
    say!("{}", if checks.all_hold() { CLOSING_WORDS } else { "\n  Not everything was as it should be.\n" });
    Ok(checks.all_hold())
}

/// What is written down: the report of the players, and what only the demo knows.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    checks: &'a Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    kills: Option<&'a [Kill]>,
}

impl DemoArgs {
    /// Where everything listens. A port of a server that is away may be taken for the near end of somebody's connection,
    /// so under chaos servers have an address that no connection begins at: those to it begin at 127.0.0.1.
    fn host(&self) -> Ipv4Addr {
        if self.chaos.is_some() { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            host: self.host(),
            players: self.players,
            rate: f64::from(self.rate),
            gateways: self.gateway,
            workers: self.workers,
        }
    }

    /// How long players play: under chaos, and then in peace.
    fn play_s(&self) -> u64 {
        self.seconds + self.chaos.map_or(0, |_| CALM.as_secs())
    }
}

const CLOSING_WORDS: &str = "
  Every player came to login-1 and hall-1 first; what they could not take was led elsewhere.
  Keep a cluster running with `usher up`, and join it from another terminal with
  `usher play --login 127.0.0.1:7100 --login-key deploy/local/login.pub`; for company there, send players with
  `usher client-sim --login 127.0.0.1:7100 --login-key deploy/local/login.pub --players 50 --seconds 3600`.
";

fn introduce(args: &DemoArgs, cluster: &Cluster) {
    say!("\n  Usher demo: {} players, {} arriving a second, seed {}\n", args.players, args.rate, args.seed);
    for server in &cluster.servers {
        say!("  {server}");
    }
    say!("\n  Dashboard: http://{}/\n", cluster.servers[0].ready.admin);
}

fn wait_until_linked(cluster: &Cluster, stops: &Receiver<StopRequested>) -> anyhow::Result<()> {
    let deadline = clock::instant() + LINKED_MAX;
    while !cluster.is_whole() {
        if clock::instant() > deadline {
            bail!("not every server found its manager, its gateway and its workers within {LINKED_MAX:?}");
        }
        if stops.recv_timeout(Duration::from_millis(20)).is_ok() {
            bail!("stopped");
        }
    }
    if cluster.has_gateways && stops.recv_timeout(NAMED_MAX).is_ok() {
        bail!("stopped");
    }
    Ok(())
}

fn play(
    args: &DemoArgs,
    cluster: &mut Cluster,
    watch: &mut Watch,
    stops: &Receiver<StopRequested>,
) -> anyhow::Result<(Report, Option<Chaos>)> {
    let json = cluster.folder().join("report.json");
    let mut players = start_players(args, cluster, &json)?;
    let mut chaos = None;
    let ended = loop {
        match stops.recv_timeout(LOOK_EVERY) {
            Ok(StopRequested) => {
                watch.interrupted = true;
                signal(&players, Signal::TERM);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        watch.look(cluster, u64::from(args.players));
        if let (Some(seed), false) = (args.chaos, watch.interrupted) {
            disturb(&mut chaos, seed, args, (cluster, watch))?;
        }
        if let Some(status) = players.try_wait()? {
            break status;
        }
    };
    let text =
        fs::read_to_string(&json).with_context(|| format!("the players ended without a report: {ended}"))?;
    Ok((serde_json::from_str(&text)?, chaos))
}

/// Kills, from when everybody plays; once that is over, what is seen counts anew.
fn disturb(
    chaos: &mut Option<Chaos>,
    seed: u64,
    args: &DemoArgs,
    (cluster, watch): (&mut Cluster, &mut Watch),
) -> anyhow::Result<()> {
    match chaos {
        Some(chaos) if chaos.is_over() => {}
        Some(chaos) => {
            chaos.step(cluster)?;
            if chaos.is_over() {
                watch.begin_anew();
            }
        }
        None if watch.has_seen(u64::from(args.players)) => {
            *chaos = Some(Chaos::begin(seed, Duration::from_secs(args.seconds)));
        }
        None => {}
    }
    Ok(())
}

fn start_players(args: &DemoArgs, cluster: &Cluster, json: &Path) -> anyhow::Result<Child> {
    let logins: Vec<_> = cluster.of_kind(Kind::Login).map(|login| login.ready.address.clone()).collect();
    own_command()?
        .args(["client-sim", "--quiet", "--die-with-parent"])
        .args(what_they_play(args, cluster))
        .args(["--players", &args.players.to_string(), "--rate", &args.rate.to_string()])
        .args(["--seconds", &args.play_s().to_string(), "--seed", &args.seed.to_string()])
        .args(["--admin", &cluster.servers[0].ready.admin.to_string()])
        .arg("--accounts")
        .arg(cluster.keys())
        .arg("--json")
        .arg(json)
        .arg("--login")
        .args(logins)
        .args(args.html.iter().flat_map(|path| [OsStr::new("--html"), path.as_os_str()]))
        .arg("--login-key")
        .arg(cluster.folder().join("login.pub"))
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start the players")
}

fn what_they_play(args: &DemoArgs, cluster: &Cluster) -> [OsString; 2] {
    if args.workers {
        ["--mix".into(), worker_games::mix(cluster.folder()).into()]
    } else {
        ["--play".into(), "gomoku".into()]
    }
}

/// Stops everything, the manager last, and checks that every pool got everything back.
fn stop(cluster: &mut Cluster, checks: &mut Checks) -> anyhow::Result<()> {
    let (manager, others) = cluster.servers.split_at_mut(1);
    for servers in [others, manager] {
        for server in servers.iter() {
            server.terminate();
        }
        for server in servers {
            let (ended_well, pools) = server.stopped(STOP_MAX)?;
            checks.pools(&server.ready.name, ended_well, &pools);
        }
    }
    Ok(())
}
