//! The sections that every server's file has, as parsed, with their defaults.
//!
//! Why: a server's own section stands beside these, in its own crate; what all of them share is written once.
//! Owns: field names, units and defaults. Does not own checks: those are [`super::ConfigFile::load`]'s.
//! Read next: `deploy/local/*.toml`, where every default is written out.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use usher_hpserver::{AddressLimits, Network, Rate, Rates};
use usher_proto::ServerKind;

/// `[server]`: which process this is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Unique in the cluster.
    pub name: String,
    /// Where players (a manager: servers) connect. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where they are told to connect; the bound address if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// The admin port.
    #[serde(default = "defaults::admin")]
    pub admin: SocketAddr,
    /// What a POST there must show, in a file that only its owner may read; needed where the port is not loopback's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,
}

/// `[cluster]`: facts that must agree everywhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSection {
    /// The cluster's name; a ticket of another is refused.
    pub name: String,
    /// The world of this server.
    #[serde(default = "defaults::world")]
    pub world: u16,
    /// How everything is said: `noise`, encrypted and proven, or `plain`, for measuring.
    #[serde(default)]
    pub channel: ChannelKind,
    /// The ticket keys, relative to the config file.
    pub key_file: PathBuf,
    /// The key of this server's link, a manager's: the secret of all links; `link-NAME.key` and `link.secret` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_file: Option<PathBuf>,
    /// Make the key files that are not there.
    #[serde(default)]
    pub create_key: bool,
    /// The manager's address; a manager itself has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Without a sign of life for so long, a server is gone.
    #[serde(default = "defaults::lease_ms")]
    pub lease_ms: u64,
    /// A ticket's life.
    #[serde(default = "defaults::ticket_ttl_s")]
    pub ticket_ttl_s: u64,
    /// A session's life, over all its tickets.
    #[serde(default = "defaults::session_max_s")]
    pub session_max_s: u64,
    /// A reservation's life.
    #[serde(default = "defaults::reservation_ttl_ms")]
    pub reservation_ttl_ms: u64,
    /// How far the clocks of servers may differ.
    #[serde(default = "defaults::clock_skew_max_ms")]
    pub clock_skew_max_ms: u64,
    /// Redirects a client may be given in a row.
    #[serde(default = "defaults::redirects_max")]
    pub redirects_max: u8,
}

/// How the two ends of a connection speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Encrypted, each end proven to the other.
    #[default]
    Noise,
    /// In clear.
    Plain,
}

/// `[inner]`: where gateways reach this server, if any stand before it. A hall's or a room server's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerSection {
    /// Where gateways connect. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where they are told to connect; the bound address if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// What proves gateways to this server and this server to them, relative to the config file.
    #[serde(default = "defaults::inner_file")]
    pub secret_file: PathBuf,
    /// Trunks at once.
    #[serde(default = "defaults::trunks_max")]
    pub trunks_max: usize,
}

/// `[limits]`: what this server takes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Served at once before clients are redirected.
    pub serve_max: u32,
    /// Begun to serve in a second before clients are redirected.
    pub serve_per_second_max: u32,
    /// Connections that nothing passes; 1.25 x `serve_max` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// For a new connection's first message, its first frame included.
    pub first_message_deadline_ms: u64,
    /// Silence after which a connection is pinged.
    pub ping_interval_ms: u64,
    /// Pings without a sign of life, after which it is closed.
    pub pings_missed_max: u32,
    /// Bytes that may wait for a connection whose socket refused bytes.
    pub high_water_bytes: usize,
    /// Messages a second that one connection may say in the long run; 0: any number. Links may always.
    pub messages_per_second_max: u32,
    /// And so many at once.
    pub messages_burst: u32,
    /// Bytes a second that one connection may send in the long run; 0: any number. Links may always.
    pub bytes_per_second_max: u32,
    /// And so many at once.
    pub bytes_burst: u32,
    /// Reservations asked for within the life of one, for strangers of one address; 0: any number.
    pub reservations_per_address_max: u32,
    /// How long a close waits for the other end.
    pub linger_timeout_ms: u64,
    /// How long an outgoing connection may take.
    pub connect_timeout_ms: u64,
    /// How long a drain may take before the rest is cut.
    pub drain_timeout_s: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            serve_max: 10_000,
            serve_per_second_max: 2_000,
            connections_max: None,
            first_message_deadline_ms: 5_000,
            ping_interval_ms: 20_000,
            pings_missed_max: 3,
            high_water_bytes: 256 * 1024,
            messages_per_second_max: 200,
            messages_burst: 1_000,
            bytes_per_second_max: 128 * 1024,
            bytes_burst: 512 * 1024,
            reservations_per_address_max: 32,
            linger_timeout_ms: 1_000,
            connect_timeout_ms: 3_000,
            drain_timeout_s: 120,
        }
    }
}

impl LimitsSection {
    /// `connections_max`, or what it is when absent.
    pub fn connections_max(&self) -> u32 {
        self.connections_max.unwrap_or(self.serve_max.saturating_add(self.serve_max / 4))
    }

    /// What one connection may say, for layer 2.
    pub fn rates(&self) -> Rates {
        Rates {
            messages: Rate { per_second: self.messages_per_second_max, burst: self.messages_burst },
            bytes: Rate { per_second: self.bytes_per_second_max, burst: self.bytes_burst },
        }
    }
}

/// `[addresses]`: what one address may have at each listener. An IPv6 address counts with all that share its first
/// 64 bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressesSection {
    /// Connections open at once; 0: any number.
    pub connections_per_address_max: u32,
    /// Connections made in a second, in the long run; 0: any number.
    pub connections_per_address_per_second_max: u32,
    /// And so many at once.
    pub connections_per_address_burst: u32,
    /// Addresses known at once, of each listener.
    pub addresses_max: usize,
    /// Networks whose addresses are not limited.
    pub exempt: Vec<String>,
}

impl Default for AddressesSection {
    fn default() -> Self {
        Self {
            connections_per_address_max: 256,
            connections_per_address_per_second_max: 64,
            connections_per_address_burst: 256,
            addresses_max: 65_536,
            exempt: Vec::new(),
        }
    }
}

impl AddressesSection {
    /// For layer 2, with `exempt` as it was read.
    pub fn limits(&self, exempt: &[Network]) -> AddressLimits {
        AddressLimits {
            connections_max: self.connections_per_address_max,
            connects: Rate {
                per_second: self.connections_per_address_per_second_max,
                burst: self.connections_per_address_burst,
            },
            known_max: self.addresses_max,
            exempt: exempt.to_vec(),
        }
    }
}

/// `[stages]`: threads and queues.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StagesSection {
    /// `auto`, `uring` or `mio`.
    pub engine: Engine,
    /// Layer-1 workers.
    pub workers: usize,
    /// Threads that deframe and decode; 0: on the workers.
    pub receive_threads: usize,
    /// Threads that run the machines; 0: in the stage before.
    pub logic_threads: usize,
    /// Threads that encode and send; 0: in the stage before.
    pub send_threads: usize,
    /// Items that may wait in each queue.
    pub queue_items_max: usize,
    /// One receive buffer.
    pub receive_buffer_bytes: usize,
    /// Receive buffers, over all workers.
    pub receive_buffers_max: usize,
    /// Turns a second of each worker; under load, what comes meanwhile is done in the next. 0: as many as come; absent:
    /// what suits the kind of server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_per_second_max: Option<u32>,
    /// Sockets each io_uring worker may hold beside the process's own file limit.
    pub direct_descriptors: usize,
}

/// Which system interface layer 1 uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The best that works here; the log says which and why.
    Auto,
    /// True completions; not starting where they cannot be had.
    Uring,
    /// Readiness turned into completions.
    Mio,
}

impl Default for StagesSection {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            workers: 1,
            receive_threads: 0,
            logic_threads: 0,
            send_threads: 0,
            queue_items_max: 4096,
            receive_buffer_bytes: 16 * 1024,
            receive_buffers_max: 1024,
            turns_per_second_max: None,
            direct_descriptors: 0,
        }
    }
}

/// `[log]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter by module; `RUST_LOG` wins.
    pub level: String,
    /// One JSON object a line.
    pub json: bool,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".into(), json: false }
    }
}

mod defaults {
    use crate::keys::INNER_SECRET_FILE;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::path::PathBuf;

    pub(super) fn admin() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
    }
    pub(super) fn inner_file() -> PathBuf {
        INNER_SECRET_FILE.into()
    }
    pub(super) fn trunks_max() -> usize {
        64
    }
    pub(super) fn lease_ms() -> u64 {
        4_000
    }
    pub(super) fn ticket_ttl_s() -> u64 {
        2 * 60 * 60
    }
    pub(super) fn session_max_s() -> u64 {
        24 * 60 * 60
    }
    pub(super) fn reservation_ttl_ms() -> u64 {
        5_000
    }
    pub(super) fn clock_skew_max_ms() -> u64 {
        2_000
    }
    pub(super) fn world() -> u16 {
        1
    }
    pub(super) fn redirects_max() -> u8 {
        3
    }
}

/// The sections that every server's file has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sections {
    /// What the file is for.
    pub kind: ServerKind,
    /// `[server]`.
    pub server: ServerSection,
    /// `[cluster]`.
    pub cluster: ClusterSection,
    /// `[inner]`, where gateways are let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<InnerSection>,
    /// `[limits]`.
    #[serde(default)]
    pub limits: LimitsSection,
    /// `[addresses]`.
    #[serde(default)]
    pub addresses: AddressesSection,
    /// `[stages]`.
    #[serde(default)]
    pub stages: StagesSection,
    /// `[log]`.
    #[serde(default)]
    pub log: LogSection,
}
