//! The command line of client-sim; `usher client-sim` takes the same.
//!
//! Read next: `run`.

use clap::Args;
use serde::Deserialize;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use usher_games::GameKind;
use usher_player::Play;
use usher_secure::LoginPublicKey;

/// What client-sim is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher client-sim --login 127.0.0.1:7100 --login-key deploy/local/login.pub --players 5000\n  \
    usher client-sim --login 127.0.0.1:7100 --login-key deploy/local/login.pub --mix deploy/mixes/evening.toml --html run.html\n\n\
    The program client-sim takes the same.\n\
    Exit codes: 0 nobody failed and every delivery was whole, 1 otherwise, 2 bad usage.")]
pub struct SimArgs {
    /// Login servers, in the order each player tries them
    #[arg(long, value_name = "ADDR", required = true, num_args = 1..)]
    pub login: Vec<String>,
    /// The world they play in: that of the login servers named
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub world: u16,
    /// The cluster's login key, 64 hex digits or a file of them; several while it is changed. Without one everything is
    /// said in clear, which servers take only on `channel = "plain"`
    #[arg(long, value_name = "KEY", num_args = 1.., value_parser = login_key)]
    pub login_key: Vec<LoginPublicKey>,
    /// A file of ready client keys, an account a player; without it they are guests
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,
    /// How many players
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub players: u32,
    /// Arrivals a second
    #[arg(long, value_name = "R", default_value_t = 1000.0, value_parser = rate)]
    pub rate: f64,
    /// What they do once seated: play a game, by its name (a worker's as `worker:NAME`), in its rooms; chat; or idle
    #[arg(long, value_name = "WHAT", default_value = "gomoku")]
    pub play: PlayArg,
    /// A file of kinds of players, their shares, and what fills their evenings, instead of one kind for all
    #[arg(long, value_name = "FILE", conflicts_with = "play")]
    pub mix: Option<PathBuf>,
    /// How long they play after the last one is seated
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub seconds: u64,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report to this file, as a page with pictures
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// All chance comes from here
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Spread the players over so many processes [default: as many as their sockets need]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: Option<u32>,
    /// The manager's admin address: its servers' memory and CPU go into the report
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Of a thousand players, how many drop their connection once and come back on their ticket
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub reconnect_per_mille: u32,
    /// Print no table
    #[arg(long)]
    pub quiet: bool,
    /// This is one of several processes: the number of its first player
    #[arg(long, hide = true)]
    pub part_from: Option<u32>,
    /// End with the process that started this one
    #[arg(long, hide = true)]
    pub die_with_parent: bool,
}

/// What players do, as the command line and the file of a mix say it: a game by its name, or no game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PlayArg {
    /// Sit, and talk to the room now and then
    Chat,
    /// Sit, and keep the connection
    Idle,
    /// Sit in the game's rooms, and play hand after hand, talking now and then
    Game(GameKind),
}

impl PlayArg {
    /// Those that are in a list; worker's games are in none.
    fn listed() -> impl Iterator<Item = Self> {
        GameKind::ALL.iter().copied().map(Self::Game).chain([Self::Chat, Self::Idle])
    }

    /// The game whose rooms they go to.
    pub(crate) const fn game(self) -> GameKind {
        match self {
            Self::Game(kind) => kind,
            Self::Chat | Self::Idle => GameKind::Gomoku,
        }
    }
}

impl fmt::Display for PlayArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat => f.write_str("chat"),
            Self::Idle => f.write_str("idle"),
            Self::Game(kind) => kind.fmt(f),
        }
    }
}

impl FromStr for PlayArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let play = match text {
            "chat" => Some(Self::Chat),
            "idle" => Some(Self::Idle),
            name => GameKind::from_name(name).map(Self::Game),
        };
        play.ok_or_else(|| {
            let names: Vec<_> = Self::listed().map(|play| play.to_string()).collect();
            format!("`{text}` is none of {}, worker:NAME", names.join(", "))
        })
    }
}

impl TryFrom<String> for PlayArg {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PlayArg> for Play {
    fn from(arg: PlayArg) -> Self {
        match arg {
            PlayArg::Chat => Self::Chat,
            PlayArg::Idle => Self::Idle,
            PlayArg::Game(_) => Self::Game,
        }
    }
}

/// A login key: 64 hex digits, or a file of them.
pub fn login_key(text: &str) -> Result<LoginPublicKey, String> {
    text.parse().or_else(|why| {
        let file = fs::read_to_string(text).map_err(|error| format!("{why}, or a file: {error}"))?;
        file.parse().map_err(|why| format!("in the file: {why}"))
    })
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("must be arrivals a second, from 0.001 to 1000000".into()),
    }
}
