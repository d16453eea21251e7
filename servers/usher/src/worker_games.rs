//! `usher demo --workers`: games whose rules are in other processes, beside the built-in one.
//!
//! Why: the demo needs nothing but its own executable, and two interpreters for these; so the workers' sources are in it,
//! and are written into the demo's folder.
//! Owns: those sources and who plays what. Invariants: each game has seats for everybody who may come to it and more.
//! Read next: `cluster`; docs/workers.md.

use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Where they lie in the demo's folder, as they lie in the repository: each finds its SDK from where it is.
const FILES: [(&str, &str); 4] = [
    ("sdk/usher_worker.py", include_str!("../../../crates/workers/sdk/usher_worker.py")),
    ("sdk/usher_worker.mjs", include_str!("../../../crates/workers/sdk/usher_worker.mjs")),
    ("examples/rps.py", include_str!("../../../crates/workers/examples/rps.py")),
    ("examples/reversi.mjs", include_str!("../../../crates/workers/examples/reversi.mjs")),
];
/// Workers of each game at each room server.
const INSTANCES: u32 = 2;
/// Games of workers.
pub(crate) const GAMES: u32 = 2;
/// What players play, by share.
const PLAYED: [(u32, &str); 3] = [(60, "gomoku"), (20, "worker:reversi"), (20, "worker:rps")];
const MIX: &str = "mix.toml";

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
    let kinds = PLAYED.map(|(share, play)| format!("[[kinds]]\nshare = {share}\nplay = \"{play}\"\n"));
    write(MIX, &kinds.concat())
}

/// What the players are told to play.
pub(crate) fn mix(folder: &Path) -> PathBuf {
    folder.join(MIX)
}

/// The rooms of these games at one room server, so many for each, and who plays there.
pub(crate) fn sections(rooms: u32, capacity: u32) -> String {
    format!(
        "[[room.rooms]]\nname = \"Reversi\"\ngame = \"worker:reversi\"\nseats = 2\ncount = {rooms}\ncapacity = {capacity}\n\
         [[room.rooms]]\nname = \"Tournament\"\ngame = \"worker:rps\"\nseats = 4\ncount = {rooms}\ncapacity = {capacity}\n\
         [[workers.groups]]\nname = \"reversi\"\ncommand = [\"node\", \"examples/reversi.mjs\"]\n\
         instances = {INSTANCES}\ngames = [\"reversi\"]\n\
         [[workers.groups]]\nname = \"rps\"\ncommand = [\"python3\", \"examples/rps.py\"]\n\
         instances = {INSTANCES}\ngames = [\"rps\"]\n"
    )
}

/// Seats for each of these games: twice and a half its share, for shares are drawn and a server may be away.
pub(crate) fn seats(players: u32) -> u32 {
    players.div_ceil(2)
}
