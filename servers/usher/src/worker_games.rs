//! `usher demo --workers`: games whose rules are in other processes, beside the built-in one.
//!
//! Why: the demo needs nothing but its own executable, and two interpreters for these; so the workers' sources are in it,
//! and are written into the demo's folder.
//! Owns: those sources, which games there are ([`GAMES`]) and who plays what. Invariants: each game has seats for everybody
//! who may come to it and more.
//! Read next: `cluster`; docs/workers.md.

use anyhow::{Context, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use usher_games::WorkerGame;
use usher_proto::GameId;

/// Where they lie in the demo's folder, as they lie in the repository: each finds its SDK from where it is.
const FILES: [(&str, &str); 4] = [
    ("sdk/usher_worker.py", include_str!("../../../crates/workers/sdk/usher_worker.py")),
    ("sdk/usher_worker.mjs", include_str!("../../../crates/workers/sdk/usher_worker.mjs")),
    ("examples/rps.py", include_str!("../../../crates/workers/examples/rps.py")),
    ("examples/reversi.mjs", include_str!("../../../crates/workers/examples/reversi.mjs")),
];
/// Workers of each game at each room server.
const INSTANCES: usize = 2;
/// What players play that is no worker's, and its share.
const BUILT_IN: (&str, u32) = ("gomoku", 60);
const MIX: &str = "mix.toml";

/// A game of workers.
#[derive(Debug)]
pub(crate) struct Game {
    /// Its name, and that of the group that plays it.
    pub(crate) name: &'static str,
    /// What its rooms are called.
    title: &'static str,
    seats: u32,
    /// What runs its workers.
    program: &'static str,
    script: &'static str,
    /// Of the players, in hundredths.
    share: u32,
}

/// All of them.
pub(crate) const GAMES: &[Game] = &[
    Game {
        name: "reversi",
        title: "Reversi",
        seats: 2,
        program: "node",
        script: "examples/reversi.mjs",
        share: 20,
    },
    Game {
        name: "rps",
        title: "Tournament",
        seats: 4,
        program: "python3",
        script: "examples/rps.py",
        share: 20,
    },
];

impl Game {
    /// Its number, in journals.
    pub(crate) fn id(&self) -> GameId {
        let game = WorkerGame::named(self.name).expect("invariant: its name is one of a worker's game");
        GameId(game.id())
    }

    fn sections(&self, rooms: u32, capacity: u32) -> String {
        let Self { name, title, seats, program, script, .. } = self;
        format!(
            "[[room.rooms]]\nname = \"{title}\"\ngame = \"worker:{name}\"\nseats = {seats}\ncount = {rooms}\n\
             capacity = {capacity}\n[[workers.groups]]\nname = \"{name}\"\ncommand = [\"{program}\", \"{script}\"]\n\
             instances = {INSTANCES}\ngames = [\"{name}\"]\n"
        )
    }
}

/// How many workers of these games a room server has.
pub(crate) fn workers(games: &[Game]) -> usize {
    games.len() * INSTANCES
}

/// Finds what runs the workers, or names what is not here.
pub(crate) fn check_programs() -> anyhow::Result<()> {
    let runs = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|ended| ended.status.success())
    };
    let programs = GAMES.iter().map(|game| game.program);
    let missing: Vec<_> = programs.filter(|program| !runs(program)).collect();
    ensure!(missing.is_empty(), "--workers needs {}, which cannot be run here", missing.join(" and "));
    Ok(())
}

/// Writes the workers' sources and the players' mix.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (name, text) in FILES {
        write(name, text)?;
    }
    let kind = |share: u32, play: &str| format!("[[kinds]]\nshare = {share}\nplay = \"{play}\"\n");
    let of_workers = GAMES.iter().map(|game| kind(game.share, &format!("worker:{}", game.name)));
    write(MIX, &(kind(BUILT_IN.1, BUILT_IN.0) + &of_workers.collect::<String>()))
}

/// What the players are told to play.
pub(crate) fn mix(folder: &Path) -> PathBuf {
    folder.join(MIX)
}

/// The rooms of these games at one room server, so many for each, and who plays there.
pub(crate) fn sections(rooms: u32, capacity: u32) -> String {
    GAMES.iter().map(|game| game.sections(rooms, capacity)).collect()
}

/// Seats for each of these games: twice and a half its share, for shares are drawn and a server may be away.
pub(crate) fn seats(players: u32) -> u32 {
    players.div_ceil(2)
}
