//! The manager server: load, arbitration, presence and the room directory, for servers only.
//!
//! Why: what login, hall and room servers cannot know of each other is kept in one place that can be lost
//! without losing anything.
//! Owns: its config section `[manager]`. Does not own: the rules (`usher_logic::manager`), the process
//! (`usher_runtime`).
//! Invariants: players never reach its listener; nothing here survives a restart, everything is presented anew.
//! Read next: `usher_logic::manager`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use usher_logic::manager::{Config as MachineConfig, HallsOrder, Manager as Machine};
use usher_proto::first_frame::Role;
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind, millis};
use usher_runtime::{App, ServerPlan, serve};

/// `[manager]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// Which halls a login names first: `load`, the emptiest; `name`, always the same.
    pub halls_order: Order,
    /// Servers known at once.
    pub servers_max: u32,
    /// Accounts known at once.
    pub presence_max: u32,
    /// A server whose logic queue takes so long is sent nobody until it is down to half of that.
    pub logic_delay_max_ms: u32,
}

/// The order of halls in a login's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Least loaded first.
    Load,
    /// By name.
    Name,
}

impl Default for Section {
    fn default() -> Self {
        let machine = MachineConfig::default();
        Self {
            halls_order: Order::Load,
            servers_max: machine.servers_max,
            presence_max: machine.presence_max,
            logic_delay_max_ms: machine.logic_delay_max.as_millis() as u32,
        }
    }
}

/// A manager's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    common: Common,
    section: Section,
}

/// The manager server.
pub struct Manager;

impl App for Manager {
    const KIND: Kind = Kind::Manager;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        let (common, section) = file.load::<Section>(Self::KIND)?;
        if section.servers_max == 0 {
            return Err(file.wrong("manager.servers_max", "must be at least 1"));
        }
        if section.logic_delay_max_ms == 0 {
            return Err(file.wrong("manager.logic_delay_max_ms", "must be at least 1"));
        }
        Ok(Config { common, section })
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        Ok(config::effective(&config.common, &config.section)?)
    }

    fn run(config: Config) -> anyhow::Result<()> {
        let cluster = config.common.sections.cluster.clone();
        let section = config.section;
        serve(ServerPlan {
            common: config.common,
            role: Role::Link,
            shards: 1,
            accounts: None,
            records: None,
            workers: None,
            login_key_file: None,
            machine: Box::new(move |_, node, seed| {
                let machine = MachineConfig {
                    started_unix_ms: node.started_unix_ms,
                    lease: node.lease,
                    clock_skew_max: millis(cluster.clock_skew_max_ms),
                    reservation_ttl: node.reservation_ttl,
                    fence_ttl: Duration::from_secs(cluster.session_max_s),
                    servers_max: section.servers_max,
                    presence_max: section.presence_max,
                    logic_delay_max: Duration::from_millis(section.logic_delay_max_ms.into()),
                    halls_order: match section.halls_order {
                        Order::Load => HallsOrder::Load,
                        Order::Name => HallsOrder::Name,
                    },
                    ..MachineConfig::default()
                };
                Machine::new(machine, seed)
            }),
        })
    }
}
