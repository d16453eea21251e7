//! `usher`: every server, the simulated players and the demo in one binary.
//!
//! Why: one file to copy to a machine, one command to see everything work.
//! Owns: the commands. Does not own: what they do; each is a crate of its own or a module here.
//! Invariants: exit codes are 0 well, 1 failed, 2 bad usage or config.
//! Read next: [`demo`], [`up`], [`play`], [`status`], [`plan`], [`account`], [`replay`]; docs/commands.md.
#![forbid(unsafe_code)]

mod account;
mod checks;
mod cluster;
mod demo;
mod keygen;
mod order;
mod plan;
mod play;
mod process;
mod replay;
mod status;
mod up;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use usher_client_sim::SimArgs;
use usher_hall::Hall;
use usher_login::Login;
use usher_manager::Manager;
use usher_push::Push;
use usher_room::Room;
use usher_runtime::app::{self, ServerArgs};
use usher_runtime::config::{ConfigError, ConfigFile, Kind};
use usher_runtime::{App, logs, say};

#[derive(Parser)]
#[command(
    name = "usher",
    version,
    about = "A layered game-server stack: login, hall, room, and a manager that leads players to their seats"
)]
#[command(
    after_help = "Start here: usher demo\n\nExit codes: 0 ended well, 1 failed, 2 bad usage or config."
)]
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
    /// Say whether a config file can be used
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
    Manager(ServerArgs),
    /// Run a login server
    Login(ServerArgs),
    /// Run a hall server
    Hall(ServerArgs),
    /// Run a room server
    Room(ServerArgs),
    /// Run a push server
    Push(ServerArgs),
    /// Play simulated players through a running cluster
    ClientSim(SimArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(args) => failed_is_1(demo::run(&args)),
        Command::Up(args) => up::run(&args),
        Command::Play(args) => play::run(&args),
        Command::Plan(args) => failed_is_1(plan::run(&args)),
        Command::Status(args) => status::run(&args),
        Command::Announce(args) => order::announce(&args),
        Command::Drain(args) => order::drain(&args),
        Command::Evict(args) => order::evict(&args),
        Command::CheckConfig { file } => check_config(&file),
        Command::Keygen(args) => failed_is_1(keygen::run(&args)),
        Command::Account(args) => account::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Manager(args) => app::run::<Manager>(&args),
        Command::Login(args) => app::run::<Login>(&args),
        Command::Hall(args) => app::run::<Hall>(&args),
        Command::Room(args) => app::run::<Room>(&args),
        Command::Push(args) => app::run::<Push>(&args),
        Command::ClientSim(args) => usher_client_sim::main(&args),
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
        Kind::Push => drop(Push::load(&file)?),
    }
    Ok(kind)
}
