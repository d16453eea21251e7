//! A gateway's config: `[gateway]`, and `[[gateway.servers]]` it stands before whoever else there is.
//!
//! Owns: field names, defaults, checks. Does not own the sections that all servers have (`usher_runtime::config`).
//! Invariants: a checked config names each server once, and has a listener's number for each it may stand before.
//! Read next: `deploy/local/gateway.toml`.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use usher_proto::limits::FRONTS_MAX;
use usher_proto::message::InnerServer;
use usher_proto::{Address, ServerKind, ServerName};
use usher_runtime::config::{self, Common, ConfigError, ConfigFile, Kind};
use usher_runtime::keys::trunk_key_file;

use crate::service::TRUNKS_MAX;

/// `[gateway]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// Whether it stands before those halls and room servers that the manager names, too.
    pub follow: bool,
    /// Of those it follows; each has a listener, at `server.listen`'s port and those behind it.
    pub follow_max: usize,
    /// Trunks to each server; players are spread over them.
    pub trunks: usize,
    /// What proves this gateway to the servers; `inner-NAME.key` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_key_file: Option<PathBuf>,
    /// `[[gateway.servers]]`: those it stands before without being told.
    pub servers: Vec<ServerSection>,
}

impl Default for Section {
    fn default() -> Self {
        Self { follow: true, follow_max: 16, trunks: 1, inner_key_file: None, servers: Vec::new() }
    }
}

/// One server to stand before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Its name.
    pub name: ServerName,
    /// `hall` or `room`.
    pub kind: ServerKind,
    /// Its inner listener.
    pub inner: String,
    /// Where players of it connect. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where they are told to connect; the bound address if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
}

/// A gateway's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What all servers have.
    pub common: Common,
    /// Its own.
    pub section: Section,
    /// Where the key of its trunks is.
    pub inner_key_file: PathBuf,
}

impl Config {
    /// Reads and checks a config file.
    pub fn load(file: &ConfigFile) -> Result<Self, ConfigError> {
        let (common, section) = file.load::<Section>(Kind::Gateway)?;
        file.check_ranges(&[
            ("gateway.trunks", section.trunks as u64, 1..=TRUNKS_MAX as u64),
            ("gateway.follow_max", section.follow_max as u64, 0..=FRONTS_MAX as u64),
        ])?;
        if section.follow_max + section.servers.len() > FRONTS_MAX {
            let message = format!("with the servers below more than {FRONTS_MAX}");
            return Err(file.wrong("gateway.follow_max", message));
        }
        if common.manager.is_none() && section.servers.is_empty() {
            let message = "is missing: without it, [[gateway.servers]] must say whom to stand before";
            return Err(file.wrong("cluster.manager", message));
        }
        for (at, server) in section.servers.iter().enumerate() {
            check_server(file, server, &section.servers[..at])?;
        }
        let name = section.inner_key_file.clone();
        let name = name.unwrap_or_else(|| trunk_key_file(&common.sections.server.name).into());
        Ok(Self { inner_key_file: file.relative(&name), common, section })
    }

    /// The config with every default filled in.
    pub fn effective(&self) -> anyhow::Result<String> {
        Ok(config::effective(&self.common, &self.section)?)
    }

    /// Those it stands before without being told, for the control side.
    pub fn servers(&self) -> Vec<InnerServer> {
        let inner = |server: &ServerSection| InnerServer {
            server: server.name.clone(),
            kind: server.kind,
            address: Address::from(server.inner.clone()),
        };
        self.section.servers.iter().map(inner).collect()
    }

    /// Listeners of players: for those of the config, then for those that are followed.
    pub fn fronts_max(&self) -> usize {
        let followed = if self.section.follow { self.section.follow_max } else { 0 };
        self.section.servers.len() + followed
    }
}

fn check_server(
    file: &ConfigFile,
    server: &ServerSection,
    before: &[ServerSection],
) -> Result<(), ConfigError> {
    let name = &server.name.0;
    let wrong = |what: String| Err(file.wrong("gateway.servers", format!("`{name}`: {what}")));
    if before.iter().any(|other| other.name == server.name) {
        return wrong("is named twice".into());
    }
    if !matches!(server.kind, ServerKind::Hall | ServerKind::Room) {
        return wrong(format!("is a {}: a gateway stands before halls and rooms", server.kind.as_str()));
    }
    if server.listen.ip().is_unspecified() && server.advertise.is_none() {
        return wrong("advertise is missing: players cannot connect to a wildcard such as its listen".into());
    }
    file.address("gateway.servers", &server.inner).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const GOOD: &str = "kind = \"gateway\"\n[server]\nname = \"gateway-1\"\nlisten = \"127.0.0.1:0\"\n[cluster]\n\
        name = \"local\"\nkey_file = \"cluster.key\"\nmanager = \"127.0.0.1:7000\"\n[gateway]\nfollow_max = 2\n\
        [[gateway.servers]]\nname = \"room-1\"\nkind = \"room\"\ninner = \"127.0.0.1:7350\"\nlisten = \"127.0.0.1:7400\"\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::load(&ConfigFile::from_text(Path::new("deploy/gateway.toml"), text))
    }

    #[test]
    fn a_good_file_is_taken_and_written_again() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.fronts_max(), 3);
        assert_eq!(config.inner_key_file, Path::new("deploy/inner-gateway-1.key"));
        assert_eq!(&*config.servers()[0].address.0, "127.0.0.1:7350");
        load(&config.effective().unwrap()).unwrap();
        load(&GOOD.replace("manager = \"127.0.0.1:7000\"\n", "")).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("follow_max = 2", "follow_max = 65", "gateway.follow_max"),
            ("follow_max = 2", "follow_max = 64", "gateway.follow_max"),
            ("follow_max = 2", "trunks = 0", "gateway.trunks"),
            ("follow_max = 2", "flow = 2", "gateway.flow"),
            ("kind = \"room\"", "kind = \"login\"", "gateway.servers"),
            ("inner = \"127.0.0.1:7350\"", "inner = \"nowhere\"", "gateway.servers"),
            ("127.0.0.1:7400", "0.0.0.0:7400", "gateway.servers"),
        ];
        for (from, to, field) in cases {
            let error = load(&GOOD.replace(from, to)).unwrap_err();
            assert_eq!(error.field, field, "{error}");
            assert!(error.line.is_some(), "{error}");
        }
        let alone = &GOOD[..GOOD.find("[[").unwrap()].replace("manager = \"127.0.0.1:7000\"\n", "");
        assert_eq!(load(alone).unwrap_err().field, "cluster.manager");
        let twice = [GOOD, &GOOD[GOOD.find("[[").unwrap()..]].concat();
        assert!(load(&twice).unwrap_err().to_string().contains("twice"));
    }
}
