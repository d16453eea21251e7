//! `[[room.rooms]]`: which rooms there are, and what is played in them.
//!
//! Owns: the entries as parsed, and their checks.
//! Invariants: a game has one number here, and a number one game. A worker's game says how many sit at its tables, and a
//! group of `[workers]` plays it.
//! Limits: [`ROOMS_MAX`] rooms in all, [`CAPACITY_MAX`] people in one.
//! Read next: `usher_logic::room`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use usher_games::{GameKind, SEATS_MAX};
use usher_logic::room::RoomSpec;
use usher_proto::limits::{NAME_BYTES_MAX, ROOMS_MAX};
use usher_runtime::config::{ConfigError, ConfigFile, millis};
use usher_workers::Config as WorkersConfig;

/// People in one room: tables are numbered by 16 bits, and a table has at least two seats.
const CAPACITY_MAX: u32 = 100_000;

/// Several rooms alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// Their name; each gets its number behind it.
    pub name: String,
    /// What is played in them.
    pub game: String,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// People each lets in.
    #[serde(default = "capacity")]
    pub capacity: u32,
    /// Time to act; the game's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_time_ms: Option<u64>,
    /// Seats at a table, of a worker's game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u8>,
    /// The version of the rules, of a worker's game; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<u16>,
}

fn one() -> u32 {
    1
}

fn capacity() -> u32 {
    400
}

/// All the rooms of a server, by number.
pub(crate) fn specs(
    file: &ConfigFile,
    groups: &[Rooms],
    workers: Option<&WorkersConfig>,
) -> Result<Vec<RoomSpec>, ConfigError> {
    let mut rooms = Vec::new();
    let mut names: BTreeMap<u16, &str> = BTreeMap::new();
    for group in groups {
        let game = game(file, group, workers)?;
        let first = *names.entry(game.id()).or_insert(&group.game);
        if first != group.game {
            let message = format!("`{}` and `{first}` have one number: rename one", group.game);
            return Err(file.wrong("room.rooms.game", message));
        }
        rooms.extend(group.specs(file, game)?);
    }
    if rooms.is_empty() || rooms.len() > ROOMS_MAX {
        let message = format!("must be 1 to {ROOMS_MAX} rooms in all, but are {}", rooms.len());
        return Err(file.wrong("room.rooms", message));
    }
    Ok(rooms)
}

fn game(file: &ConfigFile, group: &Rooms, workers: Option<&WorkersConfig>) -> Result<GameKind, ConfigError> {
    let wrong = |field: &str, message: String| Err(file.wrong(&format!("room.rooms.{field}"), message));
    match GameKind::from_name(&group.game) {
        Some(GameKind::Worker(mut game)) => {
            if workers.and_then(|workers| workers.group_of(game.name())).is_none() {
                let message =
                    format!("no group of [workers] plays `{}`: name it in one's `games`", game.name());
                return wrong("game", message);
            }
            let Some(seats) = group.seats else {
                return wrong("seats", format!("is missing: how many play `{}` at a table?", group.game));
            };
            if !(2..=SEATS_MAX as u8).contains(&seats) {
                return wrong("seats", format!("must be from 2 to {SEATS_MAX}"));
            }
            game.seats = seats;
            game.rules = group.rules.unwrap_or(game.rules);
            Ok(GameKind::Worker(game))
        }
        Some(_) if group.seats.is_some() || group.rules.is_some() => {
            let field = if group.seats.is_some() { "seats" } else { "rules" };
            wrong(field, format!("is for games of workers: `{}` has its own", group.game))
        }
        Some(game) => Ok(game),
        None => {
            let known: Vec<_> = GameKind::ALL.iter().map(GameKind::name).collect();
            let known = known.join(", ");
            wrong("game", format!("`{}` is no game; there are: {known}, and worker:NAME", group.game))
        }
    }
}

impl Rooms {
    fn specs(&self, file: &ConfigFile, game: GameKind) -> Result<Vec<RoomSpec>, ConfigError> {
        if self.count == 0 {
            return Err(file.wrong("room.rooms.count", "must be at least 1"));
        }
        if !(1..=CAPACITY_MAX).contains(&self.capacity) {
            return Err(file.wrong("room.rooms.capacity", format!("must be from 1 to {CAPACITY_MAX}")));
        }
        if self.turn_time_ms == Some(0) {
            return Err(file.wrong("room.rooms.turn_time_ms", "must be at least 1"));
        }
        let spec = |number: u32| {
            let name = format!("{} {number}", self.name);
            if name.len() > NAME_BYTES_MAX {
                let message = format!("`{name}` has more than {NAME_BYTES_MAX} bytes");
                return Err(file.wrong("room.rooms.name", message));
            }
            let turn_time = self.turn_time_ms.map(millis);
            Ok(RoomSpec { turn_time, ..RoomSpec::new(&name, game, self.capacity) })
        };
        (1..=self.count.min(ROOMS_MAX as u32 + 1)).map(spec).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::Room;
    use std::path::Path;
    use usher_runtime::App;
    use usher_runtime::config::ConfigFile;

    const GOOD: &str = "kind = \"room\"\n[server]\nname = \"room-1\"\nlisten = \"127.0.0.1:0\"\n[cluster]\n\
        name = \"local\"\nkey_file = \"cluster.key\"\nmanager = \"127.0.0.1:7000\"\n[[room.rooms]]\nname = \"Stones\"\n\
        game = \"worker:reversi\"\nseats = 2\nrules = 3\n[workers]\n[[workers.groups]]\nname = \"games\"\n\
        command = [\"node\", \"reversi.js\"]\ngames = [\"reversi\", \"rps\"]\n";

    fn load(text: &str) -> Result<crate::Config, usher_runtime::ConfigError> {
        Room::load(&ConfigFile::from_text(Path::new("room.toml"), text))
    }

    #[test]
    fn a_workers_game_has_its_seats_and_rules_from_the_config() {
        let config = load(GOOD).unwrap();
        let game = config.rooms[0].game;
        assert_eq!((game.name(), game.seats(), game.rules()), ("reversi", 2, 3));
        let printed = Room::effective(&config).unwrap();
        assert!(
            printed.contains("[[workers.groups]]") && printed.contains("heartbeat_ms = 1000"),
            "{printed}"
        );
        assert_eq!(Room::effective(&load(&printed).unwrap()).unwrap(), printed);
    }

    #[test]
    fn what_is_wrong_with_a_workers_game_is_said() {
        let cases = [
            ("seats = 2\n", "", "room.rooms.seats", "is missing"),
            ("seats = 2", "seats = 9", "room.rooms.seats", "from 2 to 8"),
            ("worker:reversi", "worker:chess", "room.rooms.game", "no group of [workers] plays `chess`"),
            ("worker:reversi", "worker:No", "room.rooms.game", "worker:NAME"),
            ("worker:reversi", "gomoku", "room.rooms.seats", "is for games of workers"),
            ("seats = 2\n", "seats = 2\nseat = 1\n", "room.rooms.seat", "unknown field"),
        ];
        for (from, to, field, words) in cases {
            assert!(GOOD.contains(from), "{from}");
            let error = load(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.field == field && error.message.contains(words), "{error}");
        }
        let without = GOOD.split("[workers]").next().unwrap();
        assert_eq!(load(without).unwrap_err().field, "room.rooms.game");
    }
}
