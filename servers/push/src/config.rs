//! A push server's config: one process, three ports, and what each may do.
//!
//! Why: every limit has a name, a unit and a default in one place, and is wrong before anything is started.
//! Owns: the sections as parsed ([`Sections`]), with their defaults, and their checks ([`Config::load`]).
//! Invariants: a missed part that is sent again never passes a terminal's high-water mark by itself; a log holds at
//! least one instruction of the largest size.
//! Read next: `deploy/local/push.toml`, where every default is written out.

pub mod port;

pub use port::{PortCodec, PortSection};

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use usher_hpserver::Network;
use usher_proto::limits::{INSTRUCTION_BYTES_MAX, QUOTE_BYTES_MAX, TERMINAL_TOPICS_MAX};
use usher_proto::message::Port;
use usher_runtime::config::{
    AddressesSection, ConfigError, ConfigFile, Kind, LogSection, SPAN_MS_MAX, SPAN_S_MAX, StagesSection,
};

/// What stands around a payload on the wire, in bytes: names, numbers, and the tags before them.
pub const WRAPPING_BYTES_MAX: usize = 160;
/// Bytes of JSON that one byte may become: `\u001f`.
const JSON_BYTES_PER_BYTE: usize = 6;
/// Entries of a table or a log.
const ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of one log.
const LOG_BYTES_MAX: u64 = 1 << 30;

/// `[server]`: which process this is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// What it is called in logs and in its two lines.
    pub name: String,
    /// The admin port.
    #[serde(default = "loopback")]
    pub admin: SocketAddr,
}

fn loopback() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
}

/// `[limits]`: what this server keeps and takes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Topics at once.
    pub topics_max: usize,
    /// Topics of one terminal.
    pub terminal_topics_max: usize,
    /// Keys with a value, of one topic.
    pub topic_keys_max: usize,
    /// The value of a quote.
    pub quote_bytes_max: usize,
    /// The payload of an instruction.
    pub instruction_bytes_max: usize,
    /// Instructions kept of one topic.
    pub log_entries_max: usize,
    /// Their payloads.
    pub log_bytes_max: usize,
    /// Instructions kept of one terminal alone.
    pub own_log_entries_max: usize,
    /// Their payloads.
    pub own_log_bytes_max: usize,
    /// Terminals known, connected or not.
    pub terminals_known_max: usize,
    /// Controllers known, connected or not.
    pub controllers_known_max: usize,
    /// Answers remembered for one controller, in case it asks again.
    pub answers_max: usize,
    /// Of what a terminal missed, sent before it says that it has taken it.
    pub portion_bytes_max: usize,
    /// How long a close waits for the other end.
    pub linger_timeout_ms: u64,
    /// How long a drain may take before the rest is cut.
    pub drain_timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            topics_max: 256,
            terminal_topics_max: TERMINAL_TOPICS_MAX,
            topic_keys_max: 256,
            quote_bytes_max: 256,
            instruction_bytes_max: 8 * 1024,
            log_entries_max: 4096,
            log_bytes_max: 512 * 1024,
            own_log_entries_max: 256,
            own_log_bytes_max: 32 * 1024,
            terminals_known_max: 4096,
            controllers_known_max: 256,
            answers_max: 1024,
            portion_bytes_max: 32 * 1024,
            linger_timeout_ms: 1_000,
            drain_timeout_s: 30,
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sections {
    /// `push`.
    pub kind: Kind,
    /// `[server]`.
    pub server: ServerSection,
    /// `[terminals]`: who is told.
    pub terminals: PortSection,
    /// `[controllers]`: who tells.
    pub controllers: PortSection,
    /// `[administrators]`: who looks after it.
    pub administrators: PortSection,
    /// `[limits]`.
    #[serde(default)]
    pub limits: Limits,
    /// `[addresses]`: what one address may have at each port.
    #[serde(default)]
    pub addresses: AddressesSection,
    /// `[stages]`.
    #[serde(default)]
    pub stages: StagesSection,
    /// `[log]`.
    #[serde(default)]
    pub log: LogSection,
}

/// A push server's config, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sections, every default filled in.
    pub sections: Sections,
    /// Networks whose addresses are not limited.
    pub exempt: Vec<Network>,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &ConfigFile) -> Result<Self, ConfigError> {
        file.check_kind(Kind::Push)?;
        let mut sections: Sections = file.parse()?;
        for port in [Port::Terminals, Port::Controllers, Port::Administrators] {
            sections.port_mut(port).fill(port);
            sections.port(port).check(file, port)?;
        }
        file.name(&sections.server.name)?;
        check_limits(file, &sections.limits)?;
        file.check_stages(&sections.stages)?;
        for it in [Port::Terminals, Port::Controllers, Port::Administrators] {
            file.check_rates(port::name(it), &sections.port(it).rates(), &sections.stages)?;
        }
        let exempt = file.check_addresses(&sections.addresses)?;
        check_sizes(file, &sections)?;
        Ok(Self { sections, exempt })
    }

    /// The config with every default filled in, as its file would be written.
    pub fn effective(&self) -> anyhow::Result<String> {
        Ok(toml::to_string_pretty(&self.sections)?)
    }
}

impl Sections {
    /// The section of a port.
    pub fn port(&self, port: Port) -> &PortSection {
        match port {
            Port::Terminals => &self.terminals,
            Port::Controllers => &self.controllers,
            Port::Administrators => &self.administrators,
        }
    }

    fn port_mut(&mut self, port: Port) -> &mut PortSection {
        match port {
            Port::Terminals => &mut self.terminals,
            Port::Controllers => &mut self.controllers,
            Port::Administrators => &mut self.administrators,
        }
    }
}

fn check_limits(file: &ConfigFile, limits: &Limits) -> Result<(), ConfigError> {
    let count = |name, value: usize| (name, value as u64, 1..=ENTRIES_MAX);
    let bytes = |name, value: usize, max: u64| (name, value as u64, 1..=max);
    file.check_ranges(&[
        count("limits.topics_max", limits.topics_max),
        ("limits.terminal_topics_max", limits.terminal_topics_max as u64, 1..=TERMINAL_TOPICS_MAX as u64),
        count("limits.topic_keys_max", limits.topic_keys_max),
        bytes("limits.quote_bytes_max", limits.quote_bytes_max, QUOTE_BYTES_MAX as u64),
        bytes("limits.instruction_bytes_max", limits.instruction_bytes_max, INSTRUCTION_BYTES_MAX as u64),
        count("limits.log_entries_max", limits.log_entries_max),
        bytes("limits.log_bytes_max", limits.log_bytes_max, LOG_BYTES_MAX),
        count("limits.own_log_entries_max", limits.own_log_entries_max),
        bytes("limits.own_log_bytes_max", limits.own_log_bytes_max, LOG_BYTES_MAX),
        count("limits.terminals_known_max", limits.terminals_known_max),
        count("limits.controllers_known_max", limits.controllers_known_max),
        count("limits.answers_max", limits.answers_max),
        bytes("limits.portion_bytes_max", limits.portion_bytes_max, LOG_BYTES_MAX),
        ("limits.linger_timeout_ms", limits.linger_timeout_ms, 0..=SPAN_MS_MAX),
        ("limits.drain_timeout_s", limits.drain_timeout_s, 0..=SPAN_S_MAX),
    ])
}

/// What one limit needs of another.
fn check_sizes(file: &ConfigFile, sections: &Sections) -> Result<(), ConfigError> {
    let Limits { instruction_bytes_max, quote_bytes_max, .. } = sections.limits;
    for (field, bytes) in [
        ("limits.log_bytes_max", sections.limits.log_bytes_max),
        ("limits.own_log_bytes_max", sections.limits.own_log_bytes_max),
    ] {
        if bytes < instruction_bytes_max {
            return Err(file.wrong(field, "must not be less than limits.instruction_bytes_max"));
        }
    }
    let said = instruction_bytes_max.max(quote_bytes_max) + WRAPPING_BYTES_MAX;
    if sections.controllers.message_bytes_max() < said {
        let message = format!("must be at least {said}, for what limits.instruction_bytes_max allows");
        return Err(file.wrong("controllers.message_bytes_max", message));
    }
    let portion = sections.limits.portion_bytes_max + said;
    let sent = match sections.terminals.codec() {
        PortCodec::Native => portion,
        PortCodec::Json => portion * JSON_BYTES_PER_BYTE,
    };
    if sections.terminals.high_water_bytes() < sent {
        let message = format!(
            "must be at least {sent}: limits.portion_bytes_max and one message more may wait for a terminal that \
             comes back"
        );
        return Err(file.wrong("terminals.high_water_bytes", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const GOOD: &str = "kind = \"push\"\n[server]\nname = \"push-1\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n\
        [controllers]\nlisten = \"127.0.0.1:0\"\n[administrators]\nlisten = \"127.0.0.1:0\"\n[limits]\ntopics_max = 7\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::load(&ConfigFile::from_text(Path::new("push.toml"), text))
    }

    #[test]
    fn a_short_file_gets_each_ports_own_defaults_and_prints_itself() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.sections.terminals.codec(), PortCodec::Native);
        assert_eq!(config.sections.administrators.codec(), PortCodec::Json);
        assert!(
            config.sections.controllers.message_bytes_max() > config.sections.terminals.message_bytes_max()
        );
        let printed = config.effective().unwrap();
        assert_eq!(load(&printed).unwrap().effective().unwrap(), printed);
        assert!(printed.contains("topics_max = 7") && printed.contains("drain_timeout_s = 30"), "{printed}");
    }

    #[test]
    fn the_file_that_is_delivered_writes_out_every_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/push.toml");
        let delivered = Config::load(&ConfigFile::read(&path).unwrap()).unwrap();
        let mut bare: toml::Table = delivered.effective().unwrap().parse().unwrap();
        bare.retain(|key, _| !["limits", "stages", "log"].contains(&key));
        for port in ["terminals", "controllers", "administrators"] {
            bare[port].as_table_mut().unwrap().retain(|key, _| key == "listen");
        }
        assert_eq!(load(&bare.to_string()).unwrap().effective().unwrap(), delivered.effective().unwrap());
        let text = std::fs::read_to_string(path).unwrap();
        for line in delivered.effective().unwrap().lines() {
            assert!(text.contains(line), "{line} is not written out");
        }
    }

    #[test]
    fn what_is_wrong_names_file_line_and_field() {
        let cases = [
            ("kind = \"push\"", "kind = \"room\"", Some(1), "kind"),
            ("kind = \"push\"", "kind = \"palace\"", Some(1), "kind"),
            ("name = \"push-1\"", "name = \"\"", Some(3), "server.name"),
            ("name = \"push-1\"", "nam = \"push-1\"", Some(3), "server.nam"),
            ("[limits]", "[limitz]", Some(10), "limitz"),
            ("topics_max = 7", "topics_max = 0", Some(11), "limits.topics_max"),
            ("topics_max = 7", "topics_max = \"many\"", Some(11), "limits.topics_max"),
            ("topics_max = 7", "topic_max = 7", Some(11), "limits.topic_max"),
            ("topics_max = 7", "terminal_topics_max = 65", Some(11), "limits.terminal_topics_max"),
            ("topics_max = 7", "instruction_bytes_max = 40000", Some(11), "limits.instruction_bytes_max"),
            ("topics_max = 7", "log_bytes_max = 8191", Some(11), "limits.log_bytes_max"),
            ("topics_max = 7", "own_log_bytes_max = 9", Some(11), "limits.own_log_bytes_max"),
            ("topics_max = 7", "drain_timeout_s = 9000000000000000000", Some(11), "limits.drain_timeout_s"),
            ("topics_max = 7", "portion_bytes_max = 262144", None, "terminals.high_water_bytes"),
            ("[controllers]\n", "codec = \"morse\"\n[controllers]\n", Some(6), "terminals.codec"),
            (
                "[controllers]\n",
                "[controllers]\nconnections_max = 0\n",
                Some(7),
                "controllers.connections_max",
            ),
            (
                "[controllers]\n",
                "[controllers]\nmessage_bytes_max = 70000\n",
                Some(7),
                "controllers.message_bytes_max",
            ),
            (
                "[controllers]\n",
                "[controllers]\nmessage_bytes_max = 5000\n",
                Some(7),
                "controllers.message_bytes_max",
            ),
            ("[limits]\n", "[stages]\nworkers = 65\n[limits]\n", Some(11), "stages.workers"),
            ("[limits]\n", "[addresses]\nexempt = [\"here\"]\n[limits]\n", Some(11), "addresses.exempt"),
            ("[controllers]\n", "bytes_burst = 9\n[controllers]\n", Some(6), "terminals.bytes_burst"),
        ];
        for (from, to, line, field) in cases {
            assert!(GOOD.contains(from), "{from}");
            let error = load(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
            assert!(error.to_string().starts_with("push.toml:"), "{error}");
        }
    }

    #[test]
    fn a_missed_part_never_passes_the_high_water_mark_by_itself() {
        let json =
            GOOD.replacen("[terminals]\n", "[terminals]\ncodec = \"json\"\nhigh_water_bytes = 200000\n", 1);
        let error = load(&json).unwrap_err();
        assert_eq!((error.line, error.field.as_str()), (Some(6), "terminals.high_water_bytes"), "{error}");
        load(&json.replacen("200000", "300000", 1)).unwrap();
    }
}
