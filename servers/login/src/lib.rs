//! The login server: checks the account, hands out a session and a ticket, and closes.
//!
//! Why: the one door where somebody unknown becomes somebody known; a short connection, so that a few of these
//! serve a crowd.
//! Owns: its config section `[login]`, and which accounts there are (`usher_store`).
//! Does not own: the rules (`usher_logic::login`), the process and the tickets (`usher_runtime`).
//! Invariants: guests get in only where the config says so; a database that fails turns people away for a moment
//! and is logged, and nobody is let in for it.
//! Read next: `usher_logic::login`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use usher_logic::login::{Login as Machine, LoginConfig};
use usher_proto::Address;
use usher_proto::first_frame::Role;
use usher_proto::message::LogInDenial;
use usher_runtime::answers::{Accounts, FindAccount, NewGuest};
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind};
use usher_runtime::{App, ServerPlan, serve};
use usher_store::{Database, guest};

/// When to come back while the database fails.
const STORE_RETRY_MS: u32 = 1_000;

/// `[login]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// This server's own key, relative to the config file; its public half, what clients are told, stands beside it.
    pub key_file: PathBuf,
    /// Whether somebody without an account is let in, under a fresh one.
    pub guests: bool,
    /// The database of accounts, relative to the config file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<PathBuf>,
    /// Halls to name while the manager has not said which are up.
    pub halls: Vec<String>,
}

impl Default for Section {
    fn default() -> Self {
        Self { key_file: "login.key".into(), guests: false, accounts: None, halls: Vec::new() }
    }
}

/// A login server's config, checked.
pub struct Config {
    common: Common,
    section: Section,
    accounts: Option<Database>,
    key_file: PathBuf,
}

/// The login server.
pub struct Login;

impl App for Login {
    const KIND: Kind = Kind::Login;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        let (common, section) = file.load::<Section>(Self::KIND)?;
        for hall in &section.halls {
            file.address("login.halls", hall)?;
        }
        let accounts = match &section.accounts {
            Some(path) => {
                let opened = Database::open(&file.relative(path));
                Some(opened.map_err(|error| file.wrong("login.accounts", error.to_string()))?)
            }
            None => None,
        };
        if accounts.is_none() && !section.guests {
            let message = "nobody could log in: name a database of accounts, or write guests = true";
            return Err(file.wrong("login", message));
        }
        let key_file = file.relative(&section.key_file);
        Ok(Config { common, section, accounts, key_file })
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        Ok(config::effective(&config.common, &config.section)?)
    }

    fn run(config: Config) -> anyhow::Result<()> {
        let Config { common, section, accounts, key_file } = config;
        let halls: Vec<_> = section.halls.into_iter().map(Address::from).collect();
        let accounts = Accounts {
            find: accounts.map(find),
            guest: section.guests.then(|| -> NewGuest { Box::new(|| guest(&mut usher_secure::os_rng())) }),
        };
        serve(ServerPlan {
            common,
            role: Role::Login,
            shards: 1,
            accounts: Some(accounts),
            records: None,
            workers: None,
            login_key_file: Some(key_file),
            machine: Box::new(move |_, node, seed| {
                let machine =
                    LoginConfig { node: node.clone(), halls: halls.clone(), ..LoginConfig::default() };
                Machine::new(machine, seed)
            }),
        })
    }
}

/// Looks accounts up on the machine's own thread: a prepared statement on a file that is in memory.
fn find(database: Database) -> FindAccount {
    Box::new(move |name| {
        database.find(name).map_err(|error| {
            tracing::error!(%error, "an account could not be looked up");
            LogInDenial::TryLater { retry_after_ms: STORE_RETRY_MS }
        })
    })
}
