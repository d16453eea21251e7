//! `usher`: every server, the simulated players and the demo in one binary.
//!
//! Why: one file to copy to a machine, one command to see everything work.
//! Owns: the commands. Does not own: what they do; each is a crate of its own or a module here.
//! Invariants: exit codes are 0 well, 1 failed, 2 bad usage or config.
//! Read next: [`demo`], [`up`], [`play`], [`status`], [`plan`], [`account`], [`replay`]; docs/commands.md.
#![forbid(unsafe_code)]

mod account;
mod chaos;
mod checks;
mod cluster;
mod demo;
mod journals;
mod keygen;
mod order;
mod plan;
mod play;
mod process;
mod replay;
mod status;
mod up;
mod worker_games;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use usher_client_sim::SimArgs;
use usher_gateway::App as Gateway;
use usher_hall::Hall;
use usher_login::Login;
use usher_manager::Manager;
use usher_push::Push;
use usher_room::Room;
use usher_runtime::app::{self, ServerArgs};
use usher_runtime::config::{ConfigError, ConfigFile, Kind};
use usher_runtime::{App, leash, logs, say};
use usher_workers::Host as WorkersHost;

#[derive(Parser)]
#[command(
    name = "usher",
    version,
    about = "A layered game-server stack: login, hall, room, and a manager that leads players to their seats"
)]
#[command(after_help = "Examples:\n  \
    usher demo                     # start here: a whole cluster and 5,000 players, for half a minute\n  \
    usher up                       # a cluster that stays\n  \
    usher status --watch           # how it is, every second\n  \
    usher help room                # what a command takes\n\n\
    Exit codes: 0 ended well, 1 failed, 2 bad usage or config.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a whole cluster, play thousands of players through it, show what they met
    Demo(demo::DemoArgs),
    /// Start every server of a folder of configs and keep them running
    Up(up::UpArgs),
    /// Log in, sit down and play, at this terminal
    Play(play::PlayArgs),
    /// Say how many servers so many players need, and try it in the simulator
    Plan(plan::PlanArgs),
    /// Show how the cluster is: servers, players, rooms
    Status(status::StatusArgs),
    /// Say something to every player who is in a room
    Announce(order::AnnounceArgs),
    /// Have a server emptied: its players are led elsewhere, then it ends
    Drain(order::DrainArgs),
    /// End every login that an account has
    Evict(order::EvictArgs),
    /// Have a room server, or a host, renew its workers: new code, and nobody's request lost
    ReloadWorkers(order::ReloadWorkersArgs),
    /// Say whether a config file can be used
    #[command(after_help = "Examples:\n  \
        usher check-config deploy/local/room-1.toml\n  \
        for file in deploy/local/*.toml; do usher check-config \"$file\" || break; done\n\n\
        Exit codes: 0 it can, 2 it cannot; file, line and field are named.")]
    CheckConfig {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make the key files of a cluster, or change its ticket keys
    Keygen(keygen::KeygenArgs),
    /// Make, change, close and list the accounts of a login server
    Account(account::AccountArgs),
    /// Play recorded hands back and say which come out otherwise
    Replay(replay::ReplayArgs),
    /// Run a manager
    #[command(after_help = app::after_help("usher manager", Kind::Manager))]
    Manager(ServerArgs),
    /// Run a login server
    #[command(after_help = app::after_help("usher login", Kind::Login))]
    Login(ServerArgs),
    /// Run a hall server
    #[command(after_help = app::after_help("usher hall", Kind::Hall))]
    Hall(ServerArgs),
    /// Run a room server
    #[command(after_help = app::after_help("usher room", Kind::Room))]
    Room(ServerArgs),
    /// Run a gateway: players of halls and room servers over few links
    #[command(after_help = app::after_help("usher gateway", Kind::Gateway))]
    Gateway(ServerArgs),
    /// Run a push server
    #[command(after_help = app::after_help("usher push", Kind::Push))]
    Push(ServerArgs),
    /// Run a host of workers, for room servers elsewhere
    #[command(after_help = app::after_help("usher workers", Kind::Workers))]
    Workers(ServerArgs),
    /// Play simulated players through a running cluster
    ClientSim(SimArgs),
    /// Print a script that completes these commands in a shell
    #[command(after_help = "Examples:\n  \
        usher completions bash > ~/.local/share/bash-completion/completions/usher\n  \
        usher completions zsh > ~/.zfunc/_usher          # with fpath+=~/.zfunc before compinit\n  \
        usher completions fish > ~/.config/fish/completions/usher.fish\n\n\
        Exit codes: 0 printed, 2 bad usage.")]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}

fn main() -> ExitCode {
    if let Some(ended) = leash::obey() {
        return ended;
    }
    match Cli::parse().command {
        Command::Demo(args) => failed_is_1(demo::run(&args)),
        Command::Up(args) => up::run(&args),
        Command::Play(args) => play::run(&args),
        Command::Plan(args) => failed_is_1(plan::run(&args)),
        Command::Status(args) => status::run(&args),
        Command::Announce(args) => order::announce(&args),
        Command::Drain(args) => order::drain(&args),
        Command::Evict(args) => order::evict(&args),
        Command::ReloadWorkers(args) => order::reload_workers(&args),
        Command::CheckConfig { file } => check_config(&file),
        Command::Keygen(args) => failed_is_1(keygen::run(&args)),
        Command::Account(args) => account::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Manager(args) => app::run::<Manager>(&args),
        Command::Login(args) => app::run::<Login>(&args),
        Command::Hall(args) => app::run::<Hall>(&args),
        Command::Room(args) => app::run::<Room>(&args),
        Command::Gateway(args) => app::run::<Gateway>(&args),
        Command::Push(args) => app::run::<Push>(&args),
        Command::Workers(args) => app::run::<WorkersHost>(&args),
        Command::ClientSim(args) => usher_client_sim::main(&args),
        Command::Completions { shell } => completions(shell),
    }
}

fn failed_is_1(ended: anyhow::Result<bool>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "usher", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

fn check_config(path: &Path) -> ExitCode {
    logs::init(&usher_runtime::config::LogSection::default());
    match checked(path) {
        Ok(kind) => {
            say!("{}: a good {} config", path.display(), kind.as_str());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Reads a config as its kind of server would.
fn checked(path: &Path) -> Result<Kind, ConfigError> {
    let file = ConfigFile::read(path)?;
    let kind = file.kind()?;
    match kind {
        Kind::Manager => drop(Manager::load(&file)?),
        Kind::Login => drop(Login::load(&file)?),
        Kind::Hall => drop(Hall::load(&file)?),
        Kind::Room => drop(Room::load(&file)?),
        Kind::Gateway => drop(Gateway::load(&file)?),
        Kind::Push => drop(Push::load(&file)?),
        Kind::Workers => drop(WorkersHost::load(&file)?),
    }
    Ok(kind)
}
