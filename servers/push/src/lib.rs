//! The push server: quotes and instructions between terminals, controllers and administrators.
//!
//! Why: a small number of connections, several kinds of client, each kind on its own port and codec. It shows what a
//! server on layer 2 looks like that is no part of a cluster and has no machine.
//! Owns: the rules ([`broker`], pure), the service around them ([`service`]), the config ([`config`]), the process
//! ([`server`]), and the clients' end for tests and benches ([`client`]).
//! Does not own: the messages (`usher_proto::message::push`), codecs and the admin port (`usher_runtime`).
//! Invariants: a quote is the latest of its key when it comes; an instruction that was acknowledged comes once, or
//! its number is in a gap that is told.
//! Limits: those of the config, each with its answer in `docs/push.md`.
//! Read next: [`broker`], then `docs/push.md`.
#![forbid(unsafe_code)]

pub mod broker;
pub mod client;
pub mod config;
pub mod server;
pub mod service;

pub use config::Config;
pub use server::{Running, run};

use usher_runtime::App;
use usher_runtime::config::{ConfigError, ConfigFile, Kind};

/// The push server.
pub struct Push;

impl App for Push {
    const KIND: Kind = Kind::Push;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        Config::load(file)
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        config.effective()
    }

    fn run(config: Config) -> anyhow::Result<()> {
        run(&config)
    }
}
