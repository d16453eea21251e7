//! The gateway: many players over few links. It stands before hall and room servers.
//!
//! Why: a server behind a gateway has one connection for thousands of players: fewer sockets, fewer handshakes, fewer
//! system calls; what it publishes it sends once; and it needs no address that players can reach.
//! Owns: two sides in one process. Outward a listener of players for each server it stands before, with limits,
//! deadlines and the channel, which ends here; inward the trunks that it dials. And the control side, a node of the
//! cluster.
//! Does not own: who may come in (the server answers each first frame), what is said (it passes unread), the rules of
//! placement (`usher_logic`).
//! Invariants: one player never makes another wait. Nothing is delivered twice: what was on its way when a trunk broke
//! is gone, and its players are told so.
//! Limits: those of the config; `usher_hpserver::trunk`'s windows.
//! Read next: [`service`], [`trunk`], `docs/gateway.md`.
#![forbid(unsafe_code)]

pub mod codec;
pub mod config;
pub mod control;
pub mod door;
pub mod names;
pub mod server;
pub mod service;
pub mod trunk;

pub use config::Config;
pub use server::run;

use usher_runtime::config::{ConfigError, ConfigFile, Kind};

/// The gateway as a command.
pub struct App;

impl usher_runtime::App for App {
    const KIND: Kind = Kind::Gateway;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        Config::load(file)
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        config.effective()
    }

    fn run(config: Config) -> anyhow::Result<()> {
        run(config)
    }
}
