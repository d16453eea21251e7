//! The hall server: the room directory and a renewed ticket, on a short connection.
//!
//! Why: a player must see where there is room before taking a long connection anywhere.
//! Owns: its config section `[hall]`. Does not own: the rules (`usher_logic::hall`), the process
//! (`usher_runtime`).
//! Read next: `usher_logic::hall`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use usher_logic::hall::{Hall as Machine, HallConfig};
use usher_proto::first_frame::Role;
use usher_proto::limits::DIRECTORY_ROOMS_MAX;
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind};
use usher_runtime::{App, ServerPlan, serve};

/// `[hall]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// When players come back for a fresh directory, jittered by a tenth.
    pub directory_refresh_s: u64,
    /// Rooms in one answer.
    pub directory_rooms_max: u32,
}

impl Default for Section {
    fn default() -> Self {
        let machine = HallConfig::default();
        Self {
            directory_refresh_s: machine.directory_refresh.as_secs(),
            directory_rooms_max: machine.directory_rooms_max,
        }
    }
}

/// A day: whoever stays longer has a new session anyway.
const DIRECTORY_REFRESH_S_MAX: u64 = 24 * 60 * 60;

/// A hall's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    common: Common,
    section: Section,
}

/// The hall server.
pub struct Hall;

impl App for Hall {
    const KIND: Kind = Kind::Hall;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        let (common, section) = file.load::<Section>(Self::KIND)?;
        if !(1..=DIRECTORY_ROOMS_MAX as u32).contains(&section.directory_rooms_max) {
            let message = format!("must be from 1 to {DIRECTORY_ROOMS_MAX}");
            return Err(file.wrong("hall.directory_rooms_max", message));
        }
        if !(1..=DIRECTORY_REFRESH_S_MAX).contains(&section.directory_refresh_s) {
            let message = format!("must be from 1 to {DIRECTORY_REFRESH_S_MAX}");
            return Err(file.wrong("hall.directory_refresh_s", message));
        }
        Ok(Config { common, section })
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        Ok(config::effective(&config.common, &config.section)?)
    }

    fn run(config: Config) -> anyhow::Result<()> {
        let Config { common, section } = config;
        serve(ServerPlan {
            common,
            role: Role::Hall,
            shards: 1,
            accounts: None,
            records: None,
            workers: None,
            login_key_file: None,
            machine: Box::new(move |_, node, seed| {
                let machine = HallConfig {
                    node: node.clone(),
                    directory_refresh: Duration::from_secs(section.directory_refresh_s),
                    directory_rooms_max: section.directory_rooms_max,
                    ..HallConfig::default()
                };
                Machine::new(machine, seed)
            }),
        })
    }
}
