//! Config files: what every server has in common, and errors that name file, line and field.
//!
//! Why: a wrong config must be found by its reader in seconds, before anything is started.
//! Owns: loading, and the checks of what all servers have in common. Does not own: what a kind of server adds, which is
//! its own section in its own crate; nor finding the line of a field (`file`).
//! Invariants: unknown fields are refused; raw sections are as parsed, a server's `Config` is checked once.
//! Read next: `deploy/local/*.toml`, where every default is written out.

mod error;
mod file;
mod kind;
mod nearest;
mod sections;

pub use error::ConfigError;
pub use file::ConfigFile;
pub use kind::Kind;
pub use sections::{
    AddressesSection, ChannelKind, ClusterSection, Engine, InnerSection, LimitsSection, LogSection, Sections,
    ServerSection, StagesSection,
};

use crate::keys::{LINK_SECRET_FILE, link_key_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use usher_hpserver::{Network, Rate, Rates};
use usher_proto::limits::NAME_BYTES_MAX;
use usher_proto::{ServerKind, ServerName, WorldId};

/// A kind's own section, named after the kind.
#[derive(Deserialize)]
struct Own<S> {
    #[serde(default, alias = "manager", alias = "login", alias = "hall", alias = "room", alias = "gateway")]
    own: S,
}

/// Connections of one process that its config may ask for.
pub const CONNECTIONS_MAX: u64 = 1_000_000;
/// Any deadline, timeout or drain: a year is as good as for ever, and no clock overflows.
pub const SPAN_S_MAX: u64 = 365 * 24 * 60 * 60;
/// The same in milliseconds.
pub const SPAN_MS_MAX: u64 = SPAN_S_MAX * 1000;
/// Threads of one stage.
const THREADS_MAX: u64 = 64;
/// Fewer turns would be felt: 20 ms each.
const TURNS_PER_SECOND_MIN: u32 = 50;
/// One receive buffer.
const RECEIVE_BUFFER_BYTES: RangeInclusive<u64> = 64..=1 << 20;
/// Four renewals in less are more than a busy machine can promise.
const LEASE_MS_MIN: u64 = 200;
/// What `[inner]` may ask for.
const TRUNKS_MAX: u64 = 4_096;
/// The keys a file may have beside its kind's own section.
const COMMON_KEYS: [&str; 8] = ["kind", "server", "cluster", "inner", "limits", "addresses", "stages", "log"];

/// What is common to all servers, checked.
#[derive(Clone, Debug)]
pub struct Common {
    /// The sections as parsed, for everything that needs no check.
    pub sections: Sections,
    /// This server's name.
    pub name: ServerName,
    /// Its world.
    pub world: WorldId,
    /// Where the ticket keys are.
    pub key_file: PathBuf,
    /// Where the key of its link is; a manager's: the secret of all links.
    pub link_file: PathBuf,
    /// Where what gateways prove themselves by is, of a server that lets them in.
    pub inner_secret_file: Option<PathBuf>,
    /// The manager's link listener, looked up.
    pub manager: Option<SocketAddr>,
    /// Where the token of the admin port is.
    pub admin_token_file: Option<PathBuf>,
    /// Networks whose addresses are not limited.
    pub exempt: Vec<Network>,
}

impl ConfigFile {
    /// What kind of server the file is for.
    pub fn kind(&self) -> Result<Kind, ConfigError> {
        let table: toml::Table = self.parse()?;
        match table.get("kind").cloned().map(toml::Value::try_into::<Kind>) {
            Some(Ok(kind)) => Ok(kind),
            Some(Err(error)) => Err(self.wrong("kind", nearest::with_suggestion(error.message()))),
            None => {
                let kinds = Kind::ALL.map(|kind| format!("\"{}\"", kind.as_str())).join(" or ");
                Err(self.wrong("kind", format!("is missing: write kind = {kinds}")))
            }
        }
    }

    /// Refuses a file that is for another kind of server.
    pub fn check_kind(&self, kind: Kind) -> Result<(), ConfigError> {
        let found = self.kind()?;
        if found != kind {
            let message = format!("is `{}`, but this is the {} server", found.as_str(), kind.as_str());
            return Err(self.wrong("kind", message));
        }
        Ok(())
    }

    /// Parses and checks what all servers have in common, and parses the section of this kind.
    pub fn load<S: DeserializeOwned + Default>(&self, kind: Kind) -> Result<(Common, S), ConfigError> {
        self.check_kind(kind)?;
        let table: toml::Table = self.parse()?;
        let own = own_keys(kind);
        let is_known = |key: &str| COMMON_KEYS.contains(&key) || own.clone().any(|known| known == key);
        if let Some(key) = table.keys().find(|key| !is_known(key)) {
            let known = COMMON_KEYS.into_iter().chain(own);
            let meant = nearest::nearest(key, known).map(|meant| format!("; did you mean [{meant}]?"));
            let unknown = format!("unknown; a {} config has {COMMON_KEYS:?} and [{0}]", kind.as_str());
            return Err(self.wrong(key, unknown + &meant.unwrap_or_default()));
        }
        let sections: Sections = self.parse()?;
        let own: Own<S> = self.parse()?;
        Ok((self.common(sections)?, own.own))
    }

    fn common(&self, sections: Sections) -> Result<Common, ConfigError> {
        self.check_numbers(&sections)?;
        let name = self.name(&sections.server.name)?;
        let manager = self.manager(&sections)?;
        let exempt = self.check_addresses(&sections.addresses)?;
        self.check_inner(&sections)?;
        Ok(Common {
            name,
            world: WorldId(sections.cluster.world),
            key_file: self.relative(&sections.cluster.key_file),
            link_file: self.relative(&link_file(&sections)),
            inner_secret_file: sections.inner.as_ref().map(|inner| self.relative(&inner.secret_file)),
            admin_token_file: sections.server.admin_token_file.as_ref().map(|path| self.relative(path)),
            manager,
            exempt,
            sections,
        })
    }

    /// `server.name`, checked.
    pub fn name(&self, name: &str) -> Result<ServerName, ConfigError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(self.wrong("server.name", format!("must have 1 to {NAME_BYTES_MAX} bytes")));
        }
        Ok(ServerName::from(name))
    }

    fn manager(&self, sections: &Sections) -> Result<Option<SocketAddr>, ConfigError> {
        match (&sections.cluster.manager, sections.kind) {
            // A gateway may stand before those of its config alone.
            (None, ServerKind::Manager | ServerKind::Gateway) => Ok(None),
            (Some(_), ServerKind::Manager) => {
                Err(self.wrong("cluster.manager", "a manager has no manager: remove it"))
            }
            (None, _) => Err(self.wrong("cluster.manager", "is missing: where does the manager listen?")),
            (Some(address), _) => self.address("cluster.manager", address).map(Some),
        }
    }

    /// Looks up an address of the config.
    pub fn address(&self, field: &str, address: &str) -> Result<SocketAddr, ConfigError> {
        let found =
            address.to_socket_addrs().map_err(|error| self.wrong(field, format!("`{address}`: {error}")))?;
        found.into_iter().next().ok_or_else(|| self.wrong(field, format!("`{address}` leads nowhere")))
    }

    /// Checks `[stages]`.
    pub fn check_stages(&self, stages: &StagesSection) -> Result<(), ConfigError> {
        self.check_ranges(&[
            ("stages.workers", stages.workers as u64, 1..=THREADS_MAX),
            ("stages.receive_threads", stages.receive_threads as u64, 0..=THREADS_MAX),
            ("stages.logic_threads", stages.logic_threads as u64, 0..=THREADS_MAX),
            ("stages.send_threads", stages.send_threads as u64, 0..=THREADS_MAX),
            ("stages.queue_items_max", stages.queue_items_max as u64, 1..=u64::MAX),
            ("stages.receive_buffers_max", stages.receive_buffers_max as u64, 1..=u64::MAX),
            ("stages.receive_buffer_bytes", stages.receive_buffer_bytes as u64, RECEIVE_BUFFER_BYTES),
            ("stages.direct_descriptors", stages.direct_descriptors as u64, 0..=CONNECTIONS_MAX),
        ])?;
        if stages.receive_buffers_max < stages.workers {
            return Err(self.wrong("stages.receive_buffers_max", "must be at least one for each worker"));
        }
        if stages.turns_per_second_max.is_some_and(|turns| (1..TURNS_PER_SECOND_MIN).contains(&turns)) {
            let least = format!("must be 0, no limit, or at least {TURNS_PER_SECOND_MIN}");
            return Err(self.wrong("stages.turns_per_second_max", least));
        }
        if stages.direct_descriptors > 0 && stages.engine == Engine::Mio {
            return Err(self.wrong("stages.direct_descriptors", "is for the uring engine: set it to 0"));
        }
        Ok(())
    }

    /// Checks `[addresses]`; the networks that are exempt.
    pub fn check_addresses(&self, addresses: &AddressesSection) -> Result<Vec<Network>, ConfigError> {
        self.check_ranges(&[
            ("addresses.addresses_max", addresses.addresses_max as u64, 1..=CONNECTIONS_MAX),
            (
                "addresses.connections_per_address_burst",
                u64::from(addresses.connections_per_address_burst),
                1..=u64::MAX,
            ),
        ])?;
        let network = |text: &String| {
            text.parse::<Network>().map_err(|error| self.wrong("addresses.exempt", error.to_string()))
        };
        addresses.exempt.iter().map(network).collect()
    }

    /// Checks what one connection of `section` may say.
    pub fn check_rates(
        &self,
        section: &str,
        rates: &Rates,
        stages: &StagesSection,
    ) -> Result<(), ConfigError> {
        let buffer_bytes = stages.receive_buffer_bytes as u64;
        for (field, rate, burst_min) in
            [("messages_burst", rates.messages, 1), ("bytes_burst", rates.bytes, buffer_bytes)]
        {
            let Rate { per_second, burst } = rate;
            if per_second > 0 && u64::from(burst) < burst_min {
                let message = match burst_min {
                    1 => "must be at least 1".into(),
                    bytes => {
                        format!("must be at least {bytes}, stages.receive_buffer_bytes: so many come at once")
                    }
                };
                return Err(self.wrong(&format!("{section}.{field}"), message));
            }
        }
        Ok(())
    }

    fn check_numbers(&self, sections: &Sections) -> Result<(), ConfigError> {
        let (limits, cluster) = (&sections.limits, &sections.cluster);
        let positive = 1..=u64::MAX;
        self.check_ranges(&[
            ("limits.serve_max", u64::from(limits.serve_max), positive.clone()),
            ("limits.serve_per_second_max", u64::from(limits.serve_per_second_max), positive.clone()),
            ("limits.connections_max", u64::from(limits.connections_max()), 0..=CONNECTIONS_MAX),
            ("limits.first_message_deadline_ms", limits.first_message_deadline_ms, 1..=SPAN_MS_MAX),
            ("limits.ping_interval_ms", limits.ping_interval_ms, 1..=SPAN_MS_MAX),
            ("limits.pings_missed_max", u64::from(limits.pings_missed_max), positive.clone()),
            ("limits.high_water_bytes", limits.high_water_bytes as u64, positive.clone()),
            ("limits.linger_timeout_ms", limits.linger_timeout_ms, 0..=SPAN_MS_MAX),
            ("limits.connect_timeout_ms", limits.connect_timeout_ms, 0..=SPAN_MS_MAX),
            ("limits.drain_timeout_s", limits.drain_timeout_s, 0..=SPAN_S_MAX),
            ("cluster.lease_ms", cluster.lease_ms, LEASE_MS_MIN..=SPAN_MS_MAX),
            ("cluster.ticket_ttl_s", cluster.ticket_ttl_s, positive),
            ("cluster.reservation_ttl_ms", cluster.reservation_ttl_ms, 1..=SPAN_MS_MAX),
        ])?;
        self.check_stages(&sections.stages)?;
        self.check_rates("limits", &limits.rates(), &sections.stages)?;
        if sections.server.listen.ip().is_unspecified() && sections.server.advertise.is_none() {
            let message = "is missing: clients cannot connect to a wildcard such as server.listen";
            return Err(self.wrong("server.advertise", message));
        }
        if limits.connections_max() < limits.serve_max {
            return Err(self.wrong("limits.connections_max", "must not be less than limits.serve_max"));
        }
        Ok(())
    }

    /// Checks `[inner]`.
    fn check_inner(&self, sections: &Sections) -> Result<(), ConfigError> {
        let Some(inner) = &sections.inner else { return Ok(()) };
        if !matches!(sections.kind, ServerKind::Hall | ServerKind::Room) {
            return Err(
                self.wrong("inner", "is for halls and room servers: gateways stand before those alone")
            );
        }
        self.check_ranges(&[("inner.trunks_max", inner.trunks_max as u64, 1..=TRUNKS_MAX)])?;
        if inner.listen.ip().is_unspecified() && inner.advertise.is_none() {
            let message = "is missing: gateways cannot connect to a wildcard such as inner.listen";
            return Err(self.wrong("inner.advertise", message));
        }
        Ok(())
    }
}

/// The keys of a kind beside those that all may have.
fn own_keys(kind: Kind) -> impl Iterator<Item = &'static str> + Clone {
    [kind.as_str()].into_iter().chain((kind == Kind::Room).then_some(Kind::Workers.as_str()))
}

fn link_file(sections: &Sections) -> PathBuf {
    let default = || match sections.kind {
        ServerKind::Manager => LINK_SECRET_FILE.into(),
        _ => link_key_file(&sections.server.name).into(),
    };
    sections.cluster.link_file.clone().unwrap_or_else(default)
}

/// A config with every default filled in, as its file would be written.
pub fn effective<S: Serialize>(common: &Common, own: &S) -> Result<String, toml::ser::Error> {
    let mut table = toml::Table::try_from(&common.sections)?;
    table.insert(common.sections.kind.as_str().into(), toml::Value::try_from(own)?);
    toml::to_string_pretty(&table)
}

/// A span of the config.
pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Room {
        floors: usize,
    }

    const GOOD: &str = "kind = \"room\"\n\n[server]\nname = \"room-1\"\nlisten = \"127.0.0.1:0\"\n\n[cluster]\n\
        name = \"local\"\nkey_file = \"cluster.key\"\nmanager = \"127.0.0.1:7000\"\n\n[limits]\nserve_max = 10\n";

    fn file(text: &str) -> ConfigFile {
        ConfigFile::from_text(Path::new("deploy/room.toml"), text)
    }

    fn check(text: &str) -> Result<(Common, Room), ConfigError> {
        file(text).load(Kind::Room)
    }

    #[test]
    fn a_good_file_is_taken_and_its_paths_are_its_own_folders() {
        let (common, room) = check(&format!("{GOOD}[room]\nfloors = 3\n")).unwrap();
        assert_eq!(room.floors, 3);
        assert_eq!(common.key_file, Path::new("deploy/cluster.key"));
        assert_eq!(common.sections.limits.connections_max(), 12);
        assert_eq!(file(GOOD).kind().unwrap(), Kind::Room);
    }

    #[test]
    fn what_is_wrong_names_file_line_and_field() {
        let cases = [
            ("serve_max = 10", "serve_maxx = 10", Some(13), "limits.serve_maxx"),
            ("serve_max = 10", "serve_max = \"ten\"", Some(13), "limits.serve_max"),
            ("serve_max = 10", "serve_max = 0", Some(13), "limits.serve_max"),
            ("name = \"room-1\"", "name = \"\"", Some(4), "server.name"),
            ("listen = \"127.0.0.1:0\"", "listen = \"here\"", Some(5), "server.listen"),
            ("manager = \"127.0.0.1:7000\"", "manager = \"nowhere\"", Some(10), "cluster.manager"),
            ("kind = \"room\"", "kind = \"hall\"", Some(1), "kind"),
            ("manager = \"127.0.0.1:7000\"\n", "", None, "cluster.manager"),
            ("[limits]", "[limitz]", Some(12), "limitz"),
            ("[limits]", "[stages]\nworkers = 65\n[limits]", Some(13), "stages.workers"),
            (
                "[limits]",
                "[stages]\nturns_per_second_max = 49\n[limits]",
                Some(13),
                "stages.turns_per_second_max",
            ),
            (
                "[limits]",
                "[stages]\nengine = \"mio\"\ndirect_descriptors = 9\n[limits]",
                Some(14),
                "stages.direct_descriptors",
            ),
            ("127.0.0.1:0", "0.0.0.0:0", None, "server.advertise"),
            ("serve_max = 10", "drain_timeout_s = 31536001", Some(13), "limits.drain_timeout_s"),
            (
                "serve_max = 10",
                "linger_timeout_ms = 9223372036854775807",
                Some(13),
                "limits.linger_timeout_ms",
            ),
            ("[limits]\n", "lease_ms = 100\n[limits]\n", Some(12), "cluster.lease_ms"),
            ("serve_max = 10", "messages_burst = 0", Some(13), "limits.messages_burst"),
            ("serve_max = 10", "bytes_burst = 16383", Some(13), "limits.bytes_burst"),
            ("[limits]\n", "[addresses]\naddresses_max = 0\n[limits]\n", Some(13), "addresses.addresses_max"),
            (
                "[limits]\n",
                "[addresses]\nconnections_per_address_burst = 0\n[limits]\n",
                Some(13),
                "addresses.connections_per_address_burst",
            ),
            (
                "[limits]\n",
                "[addresses]\nexempt = [\"10.0.0.1/8\"]\n[limits]\n",
                Some(13),
                "addresses.exempt",
            ),
            ("[limits]\n", "[addresses]\nexmpt = []\n[limits]\n", Some(13), "addresses.exmpt"),
            ("[limits]\nserve_max", "[room]\nfloor", Some(13), "room.floor"),
            ("[limits]\n", "[inner]\nlisten = \"here\"\n[limits]\n", Some(13), "inner.listen"),
            ("[limits]\n", "[inner]\nlisten = \"[::]:7\"\n[limits]\n", None, "inner.advertise"),
            (
                "[limits]\n",
                "[inner]\nlisten = \"[::1]:7\"\ntrunks_max = 0\n[limits]\n",
                Some(14),
                "inner.trunks_max",
            ),
        ];
        for (from, to, line, field) in cases {
            let error = check(&GOOD.replace(from, to)).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
            assert!(error.to_string().starts_with("deploy/room.toml:"), "{error}");
        }
    }

    #[test]
    fn the_effective_config_is_a_config_again() {
        let (common, room) = check(GOOD).unwrap();
        let written = effective(&common, &room).unwrap();
        assert!(written.contains("lease_ms = 4000") && written.contains("floors = 0"), "{written}");
        check(&written).unwrap();
    }

    #[test]
    fn nobody_is_exempt_unless_the_file_says_so() {
        assert_eq!(check(GOOD).unwrap().0.exempt, []);
        let local = format!("{GOOD}[addresses]\nexempt = [\"127.0.0.0/8\", \"::1\"]\n");
        let exempt = check(&local).unwrap().0.exempt;
        assert!(exempt.iter().any(|network| network.contains([127, 0, 0, 1].into())));
        assert!(!exempt.iter().any(|network| network.contains([10, 0, 0, 1].into())));
    }

    #[test]
    fn a_file_that_is_not_there_or_no_toml_is_said_so() {
        let error = ConfigFile::read(Path::new("/nowhere/at/all.toml")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all.toml: cannot be read"), "{error}");
        let error = check("kind = \"room\"\nname = = 1\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
    }
}
