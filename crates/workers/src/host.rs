//! A host of workers: a process that has workers for room servers on other machines.
//!
//! Why: rules may need more processors than a room server's machine has. To a room server it is itself a worker.
//! Owns: the host's config, and the process from its start to its end. Does not own the workers ([`crate::workers`]).
//! Invariants: a drained host answers what it has; what it has not read yet is asked of another.
//! Limits: a drain takes at most `drain_timeout_s`; a second signal skips it and the last flush.
//! Read next: docs/workers.md.

use crate::config::{Config as WorkersConfig, Section};
use crate::supervisor::Launcher;
use crate::workers::{RoomsDoor, Workers};
use anyhow::Context;
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use usher_proto::first_frame::Role;
use usher_runtime::App;
use usher_runtime::admin::{self, AdminState};
use usher_runtime::answers::Seals;
use usher_runtime::clock;
use usher_runtime::config::{ConfigError, ConfigFile, Kind, LogSection, SPAN_S_MAX, StagesSection};
use usher_runtime::door::Door;
use usher_runtime::keys::{self, WORKERS_SECRET_FILE};
use usher_runtime::life::{self, DRAIN_LOOK_EVERY, FLUSH_MAX, Ready};
use usher_runtime::metrics::Shown;
use usher_runtime::notify::Notify;
use usher_runtime::server::admin_token;
use usher_runtime::signals::StopRequested;
use usher_secure::{TicketKeys, TicketPolicy};

/// How often figures are copied to the page.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Connections that a host is expected to have.
const CONNECTIONS: u64 = 256;

/// `[server]`: which process this is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// What it is called in logs and in its two lines, and by room servers.
    pub name: String,
    /// Where room servers connect. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The admin port.
    #[serde(default = "loopback")]
    pub admin: SocketAddr,
    /// What a POST there must show, in a file that only its owner may read; needed where the port is not loopback's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,
    /// What proves room servers to this host and this host to them, relative to the config file.
    #[serde(default = "secret_file")]
    pub secret_file: PathBuf,
    /// Make that file if it is not there.
    #[serde(default)]
    pub create_key: bool,
    /// How long a drain may take before the rest is cut.
    #[serde(default = "drain_timeout_s")]
    pub drain_timeout_s: u64,
}

fn loopback() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
}

fn secret_file() -> PathBuf {
    WORKERS_SECRET_FILE.into()
}

fn drain_timeout_s() -> u64 {
    30
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sections {
    /// `workers`.
    pub kind: Kind,
    /// `[server]`.
    pub server: ServerSection,
    /// `[workers]`.
    #[serde(default)]
    pub workers: Section,
    /// `[log]`.
    #[serde(default)]
    pub log: LogSection,
}

/// A host's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    sections: Sections,
    workers: WorkersConfig,
    secret_file: PathBuf,
    admin_token_file: Option<PathBuf>,
}

/// The host of workers.
pub struct Host;

impl App for Host {
    const KIND: Kind = Kind::Workers;
    type Config = Config;

    fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
        file.check_kind(Self::KIND)?;
        let sections: Sections = file.parse()?;
        let server = &sections.server;
        file.name(&server.name)?;
        file.check_ranges(&[("server.drain_timeout_s", server.drain_timeout_s, 0..=SPAN_S_MAX)])?;
        let workers = sections.workers.check(file, &server.name)?;
        let secret_file = file.relative(&server.secret_file);
        let admin_token_file = server.admin_token_file.as_ref().map(|path| file.relative(path));
        Ok(Config { sections, workers, secret_file, admin_token_file })
    }

    fn effective(config: &Config) -> anyhow::Result<String> {
        Ok(toml::to_string_pretty(&config.sections)?)
    }

    fn run(config: Config) -> anyhow::Result<()> {
        let stops = life::begin(&config.sections.log, &StagesSection::default(), CONNECTIONS)?;
        let running = Running::start(config)?;
        running.announce()?;
        let flush = if running.work(&stops) { FLUSH_MAX } else { Duration::ZERO };
        running.workers.finish(&running.sections.server.name, flush)
    }
}

/// A host at work.
struct Running {
    sections: Sections,
    workers: Workers,
    shown: Arc<Shown>,
    admin: Arc<AdminState>,
    admin_address: SocketAddr,
    notify: Notify,
}

impl Running {
    fn start(config: Config) -> anyhow::Result<Self> {
        let Config { sections, workers, secret_file, admin_token_file } = config;
        let lock = keys::workers(&secret_file, sections.server.create_key, "server.secret_file")?;
        let door = Door { roles: vec![Role::Workers], name: None, seals: Arc::new(no_seals()), lock };
        let rooms = RoomsDoor { listen: sections.server.listen, door };
        let workers = Workers::start_for(&workers, Launcher::own(), Some(rooms))?;
        let shown = Arc::new(Shown::default());
        let mut admin = workers.admin(&shown);
        admin.reload_workers = Some(workers.reloader());
        admin.token = admin_token_file.as_deref().map(admin_token).transpose()?;
        let admin = Arc::new(admin);
        let admin_address = admin::start(sections.server.admin, Arc::clone(&admin))?;
        Ok(Self { sections, workers, shown, admin, admin_address, notify: Notify::from_env() })
    }

    fn announce(&self) -> anyhow::Result<()> {
        let address = self.workers.address().context("invariant: a host listens")?;
        let ready = Ready {
            name: &self.sections.server.name,
            kind: self.sections.kind.as_str(),
            address: &address.to_string(),
            admin: self.admin_address,
            listeners: &[],
        };
        ready.announce();
        self.notify.ready();
        Ok(())
    }

    /// Waits until somebody wants an end; then drains until all is answered or it takes too long. Whether nobody asked a
    /// second time.
    fn work(&self, stops: &Receiver<StopRequested>) -> bool {
        let show = || self.shown.figures(0, self.workers.figures());
        life::wait(stops, LOOK_EVERY, None, || {
            show();
            false
        });
        tracing::info!("draining; a second signal stops at once");
        self.admin.draining.store(true, Ordering::Release);
        self.notify.stopping();
        self.workers.drain();
        let end = clock::instant() + Duration::from_secs(self.sections.server.drain_timeout_s);
        life::wait(stops, DRAIN_LOOK_EVERY, Some(end), || {
            show();
            self.workers.is_drained()
        })
    }
}

/// Who comes to a host shows no ticket and no reservation: there is nothing to open.
fn no_seals() -> Seals {
    Seals {
        keys: ArcSwap::from_pointee(TicketKeys::generate()),
        policy: TicketPolicy { cluster: String::new(), clock_skew_max: Duration::ZERO },
        ticket_ttl: Duration::ZERO,
        session_max: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn load(text: &str) -> Result<Config, ConfigError> {
        Host::load(&ConfigFile::from_text(Path::new("workers.toml"), text))
    }

    #[test]
    fn the_file_that_is_delivered_writes_out_every_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/workers/workers.toml");
        let delivered = Host::load(&ConfigFile::read(&path).unwrap()).unwrap();
        let printed = Host::effective(&delivered).unwrap();
        assert_eq!(Host::effective(&load(&printed).unwrap()).unwrap(), printed);
        let mut bare: toml::Table = printed.parse().unwrap();
        bare.retain(|key, _| key != "log");
        let server = bare["server"].as_table_mut().unwrap();
        server.retain(|key, _| ["name", "listen", "admin", "create_key"].contains(&key));
        bare["workers"].as_table_mut().unwrap().retain(|key, _| key == "groups");
        let group = bare["workers"]["groups"][0].as_table_mut().unwrap();
        group.retain(|key, _| ["name", "command", "instances", "games"].contains(&key));
        assert_eq!(Host::effective(&load(&bare.to_string()).unwrap()).unwrap(), printed);
        let text = std::fs::read_to_string(path).unwrap();
        let keys = printed.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
        for key in keys {
            assert!(text.contains(&format!("\n{key} = ")) || key == "kind", "{key} is not written out");
        }
    }

    #[test]
    fn what_is_wrong_names_file_line_and_field() {
        let good = "kind = \"workers\"\n[server]\nname = \"w\"\nlisten = \"127.0.0.1:0\"\n[workers]\n\
            [[workers.groups]]\nname = \"g\"\ncommand = [\"x\"]\n";
        load(good).unwrap();
        let cases = [
            ("kind = \"workers\"", "kind = \"room\"", Some(1), "kind"),
            ("name = \"w\"", "name = \"\"", Some(3), "server.name"),
            ("name = \"w\"", "name = \"w\"\nsecret = 1", Some(4), "server.secret"),
            (
                "name = \"w\"",
                "name = \"w\"\ndrain_timeout_s = 99999999999",
                Some(4),
                "server.drain_timeout_s",
            ),
            ("command = [\"x\"]", "command = []", Some(7), "workers.groups.name"),
        ];
        for (from, to, line, field) in cases {
            let error = load(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
        }
        let none =
            load("kind = \"workers\"\n[server]\nname = \"w\"\nlisten = \"127.0.0.1:0\"\n").unwrap_err();
        assert_eq!(none.field, "workers.groups");
    }
}
