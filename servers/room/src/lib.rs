//! The room server: rooms, tables and games for thousands of players, on their long connections.
//!
//! Why: one process and one port serve many rooms; whoever wants a game of their own begins here.
//! Owns: its config section `[room]`, and the guard that keeps a table's fault at its table; its workers, if `[workers]`
//! names any, for the games whose rules are not here.
//! Does not own: the rules (`usher_logic::room`), the games (`usher_games`, or a worker), the process (`usher_runtime`).
//! Invariants: there is a seat for everybody who may enter; a worker's game has a group that plays it.
//! Limits: [`ROOMS_MAX`] rooms a process.
//! Read next: `usher_logic::room`.
#![forbid(unsafe_code)]

mod reader;
mod results;
mod rooms;

use anyhow::Context;
use results::Results;
use rooms::Rooms;
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use usher_logic::hand::words;
use usher_logic::room::{RoomConfig, RoomServer, RoomSpec, Tools};
use usher_proto::first_frame::Role;
#[cfg(doc)]
use usher_proto::limits::ROOMS_MAX;
use usher_runtime::answers::Records;
use usher_runtime::clock;
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind, millis};
use usher_runtime::server::PlanWorkers;
use usher_runtime::{App, ServerPlan, keys, logs, serve};
use usher_workers::config::Members;
use usher_workers::{Config as WorkersConfig, Launcher, Section as WorkersSection, Workers};

/// `[room]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// Shards that the rooms are spread over; the door is one more.
    pub floors: u16,
    /// How long a seat is kept for a player whose connection is gone.
    pub seat_grace_s: u64,
    /// How long somebody may stay at the door without entering a room.
    pub door_timeout_s: u64,
    /// Chats kept in each room for those who come back.
    pub replay_max: u32,
    /// How long it is gathered up who came and went before those are told who asked; 0: nobody is told.
    pub presence_interval_ms: u64,
    /// What one person may say in the long run; 0: as much as the connection may.
    pub chats_per_second_max: u32,
    /// Rest between two hands at a table.
    pub next_hand_delay_ms: u64,
    /// The journal of hands, relative to the config file; `hands-NAME.jsonl` if absent, and none if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hands: Option<PathBuf>,
    /// `[[room.rooms]]`: the rooms.
    pub rooms: Vec<Rooms>,
}

impl Default for Section {
    fn default() -> Self {
        let machine = RoomConfig::default();
        Self {
            floors: machine.floors,
            seat_grace_s: machine.seat_grace.as_secs(),
            door_timeout_s: machine.door_timeout.as_secs(),
            replay_max: machine.replay_max,
            presence_interval_ms: machine.presence_interval.as_millis() as u64,
            chats_per_second_max: machine.chats_per_second_max,
            next_hand_delay_ms: machine.next_hand_delay.as_millis() as u64,
            hands: None,
            rooms: Vec::new(),
        }
    }
}

/// The part of the file that only this kind has beside its own section.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<WorkersSection>,
}

/// Beyond it, a limit is none.
const CHATS_PER_SECOND_MAX: u32 = 1_000;

/// A room server's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    common: Common,
    section: Section,
    rooms: Vec<RoomSpec>,
    /// None: hands are not written down.
    journal: Option<PathBuf>,
    extra: Extra,
    workers: Option<WorkersConfig>,
}

/// The room server.
pub struct Room;

impl App for Room {
    const KIND: Kind = Kind::Room;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        let (common, section) = file.load::<Section>(Self::KIND)?;
        if section.floors == 0 {
            return Err(file.wrong("room.floors", "must be at least 1"));
        }
        if section.chats_per_second_max > CHATS_PER_SECOND_MAX {
            return Err(
                file.wrong("room.chats_per_second_max", format!("must be at most {CHATS_PER_SECOND_MAX}"))
            );
        }
        if section.door_timeout_s == 0 {
            return Err(file.wrong("room.door_timeout_s", "must be at least 1"));
        }
        let extra: Extra = file.parse()?;
        let workers = extra.workers.as_ref().map(|it| it.check(file, &common.name.0)).transpose()?;
        let rooms = rooms::specs(file, &section.rooms, workers.as_ref())?;
        let default = || format!("hands-{}.jsonl", common.name).into();
        let journal = section.hands.clone().unwrap_or_else(default);
        let journal = (!journal.as_os_str().is_empty()).then(|| file.relative(&journal));
        Ok(Config { common, section, rooms, journal, extra, workers })
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        let own = config::effective(&config.common, &config.section)?;
        Ok(own + &toml::to_string_pretty(&config.extra)?)
    }

    fn run(config: Config) -> anyhow::Result<()> {
        let Config { common, section, rooms, journal, workers, .. } = config;
        let tables = rooms.iter().map(|room| room.tables() as usize).sum();
        let seats = rooms.iter().map(|room| room.tables() as usize * usize::from(room.game.seats())).sum();
        let open = |path| Results::open(path, tables, seats);
        let results = journal.as_deref().map(open).transpose().context("room.hands")?;
        let workers = workers.map(|config| start_workers(&common, &config)).transpose()?;
        let mut machine: Option<Arc<RoomConfig>> = None;
        serve(ServerPlan {
            common,
            role: Role::Room,
            shards: usize::from(section.floors) + 1,
            accounts: None,
            records: results.map(|results| Arc::new(results) as Arc<dyn Records>),
            workers: workers.map(|workers| PlanWorkers {
                ask: workers.ask_worker(),
                figures: workers.counter(),
                reload: workers.reloader(),
                end: Box::new(|has_time| if has_time { workers.stop() } else { workers.kill() }),
            }),
            login_key_file: None,
            machine: Box::new(move |shard, node, seed| {
                let machine = machine.get_or_insert_with(|| {
                    Arc::new(RoomConfig {
                        node: node.clone(),
                        rooms: rooms.clone(),
                        floors: section.floors,
                        seat_grace: Duration::from_secs(section.seat_grace_s),
                        door_timeout: Duration::from_secs(section.door_timeout_s),
                        replay_max: section.replay_max,
                        presence_interval: millis(section.presence_interval_ms),
                        chats_per_second_max: section.chats_per_second_max,
                        next_hand_delay: millis(section.next_hand_delay_ms),
                        ..RoomConfig::default()
                    })
                });
                RoomServer::new(machine, shard, seed, Tools { guard, stopwatch: clock::stopwatch })
            }),
        })
    }
}

/// Before the server: the first hand may want one.
fn start_workers(common: &Common, config: &WorkersConfig) -> anyhow::Result<Workers> {
    for group in &config.groups {
        if let Members::Hosts { key_file, .. } = &group.members {
            keys::make_workers_key(common, key_file)?;
        }
    }
    logs::init_limited(&common.sections.log); // they speak before the server does
    Workers::start(config, Launcher::own())
}

/// Keeps a fault in one table's game at its table.
pub fn guard(call: &mut dyn FnMut()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(words)
}
