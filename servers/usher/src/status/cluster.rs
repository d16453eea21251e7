//! `/api/cluster` as `usher status` reads it.
//!
//! Why: an older manager may say less, a newer one more: what is missing is nothing, what is unknown is passed over.
//! Read next: `usher_proto::machine::ClusterView`, which is said.

use serde::Deserialize;

/// All of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) servers: Vec<Server>,
    pub(super) players_online: u64,
    pub(super) players_in_rooms: u64,
    pub(super) reservations_outstanding: u64,
    pub(super) redirects_login: u64,
    pub(super) redirects_hall: u64,
    pub(super) evictions: u64,
    pub(super) claims_denied: u64,
    pub(super) rooms: Vec<Room>,
}

/// One server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) serving: u32,
    pub(super) serve_max: u32,
    pub(super) connections: u32,
    pub(super) connections_max: u32,
    pub(super) cpu_ms: u64,
    pub(super) rss_kib: u64,
}

/// One room.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Room {
    pub(super) population: u64,
    pub(super) capacity: u64,
}

impl Cluster {
    pub(super) fn has_suspects(&self) -> bool {
        self.servers.iter().any(|server| server.state == "suspect")
    }
}
