//! The login server: checks the account, hands out a session and a ticket, and closes.
//!
//! Why: the one door where somebody unknown becomes somebody known; a short connection, so that a few of these
//! serve a crowd.
//! Owns: its config section `[login]`, and which accounts there are (`usher_store`).
//! Does not own: the rules (`usher_logic::login`), the process and the tickets (`usher_runtime`).
//! Invariants: guests get in only where the config says so.
//! Read next: `usher_logic::login`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use usher_logic::login::{Login as Machine, LoginConfig};
use usher_proto::Address;
use usher_proto::first_frame::Role;
use usher_proto::message::{Credentials, LogInDenial};
use usher_runtime::answers::CheckCredentials;
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind};
use usher_runtime::{App, ServerPlan, serve};
use usher_store::{Accounts, guest};

/// `[login]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// This server's own key, relative to the config file; its public half, what clients are told, stands beside it.
    pub key_file: PathBuf,
    /// Whether somebody without an account is let in, under a fresh one.
    pub guests: bool,
    /// The named accounts, relative to the config file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts_file: Option<PathBuf>,
    /// Halls to name while the manager has not said which are up.
    pub halls: Vec<String>,
}

impl Default for Section {
    fn default() -> Self {
        Self { key_file: "login.key".into(), guests: false, accounts_file: None, halls: Vec::new() }
    }
}

/// A login server's config, checked.
pub struct Config {
    common: Common,
    section: Section,
    accounts: Option<Accounts>,
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
        let accounts = match &section.accounts_file {
            Some(path) => {
                let loaded = Accounts::load(&file.relative(path));
                Some(loaded.map_err(|error| file.wrong("login.accounts_file", error.to_string()))?)
            }
            None => None,
        };
        if accounts.is_none() && !section.guests {
            let message = "nobody could log in: write guests = true or name an accounts_file";
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
        let halls: Vec<_> = section.halls.into_iter().map(Address).collect();
        serve(ServerPlan {
            common,
            role: Role::Login,
            shards: 1,
            check: Some(check(section.guests, accounts)),
            login_key_file: Some(key_file),
            machine: Box::new(move |_, node, seed| {
                let machine =
                    LoginConfig { node: node.clone(), halls: halls.clone(), ..LoginConfig::default() };
                Machine::new(machine, seed)
            }),
        })
    }
}

fn check(guests: bool, accounts: Option<Accounts>) -> CheckCredentials {
    Box::new(move |credentials| match credentials {
        Credentials::Guest if guests => Ok(guest(&mut usher_secure::os_rng())),
        Credentials::Guest => Err(LogInDenial::NoGuests),
        Credentials::Named { name, password } => {
            let account = accounts.as_ref().and_then(|accounts| accounts.check(name, password));
            account.ok_or(LogInDenial::WrongCredentials)
        }
    })
}
