//! What every server but the manager knows of itself: name, place, limits.
//!
//! Why: login, hall, room and gateway present themselves the same way and are limited by the same three numbers.
//! Owns: [`NodeConfig`] with the defaults of the design. Does not own what is special to one kind of server.
//! Limits: `serve_max` at once and `serve_per_second_max` are redirected above, `connections_max` is never
//! passed.
//! Read next: `usher-logic`, whose `admission` applies the limits and whose `uplink` presents the server.

use crate::ids::{Address, ServerKind, ServerName, WorldId};
use crate::machine::Time;
use crate::message::{Register, RoomReport};
use alloc::vec::Vec;
use core::time::Duration;

/// One server's own facts and limits. Plain numbers, checked by whoever reads the config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// What it is.
    pub kind: ServerKind,
    /// Its name, unique in the cluster.
    pub name: ServerName,
    /// The one world it serves.
    pub world: WorldId,
    /// Where clients find it: what it advertises, not what it listens on.
    pub address: Address,
    /// Where gateways find it; empty: it lets none in.
    pub inner: Address,
    /// Unix milliseconds at machine time zero; also this process's incarnation.
    pub started_unix_ms: u64,
    /// Clients served at once before it redirects.
    pub serve_max: u32,
    /// Clients it begins to serve in a second before it redirects.
    pub serve_per_second_max: u32,
    /// Clients served at once that nothing passes, not even a reservation.
    pub connections_max: u32,
    /// Redirects a client without a reservation may still be given.
    pub redirects_max: u8,
    /// When a client that is told Busy should come back; each one is told a jittered value.
    pub busy_retry: Duration,
    /// Reservations that may be asked for in one `reservation_ttl` for strangers of one address; 0: any number.
    pub reservations_per_address_max: u32,
    /// How long a reservation is good for.
    pub reservation_ttl: Duration,
    /// How long the manager believes in a server it does not hear from.
    pub lease: Duration,
}

impl NodeConfig {
    /// A server of that kind with the design's defaults; name and address are the kind's.
    pub fn new(kind: ServerKind) -> Self {
        Self {
            kind,
            name: kind.as_str().into(),
            world: WorldId(1),
            address: kind.as_str().into(),
            inner: Address::default(),
            started_unix_ms: 0,
            serve_max: 12_000,
            serve_per_second_max: 5_000,
            connections_max: 15_000,
            redirects_max: 3,
            busy_retry: Duration::from_millis(500),
            reservations_per_address_max: 32,
            reservation_ttl: Duration::from_secs(5),
            lease: Duration::from_secs(4),
        }
    }

    /// The wall clock at machine time `now`, unix milliseconds.
    pub fn unix_ms(&self, now: Time) -> u64 {
        self.started_unix_ms.saturating_add(now.as_millis())
    }

    /// How this server presents itself to the manager. `players`: how many `Present` will name.
    pub fn register(&self, now: Time, rooms: Vec<RoomReport>, players: u32) -> Register {
        Register {
            kind: self.kind,
            name: self.name.clone(),
            incarnation: self.started_unix_ms,
            world: self.world,
            address: self.address.clone(),
            clock_unix_ms: self.unix_ms(now),
            serve_max: self.serve_max,
            serve_per_second_max: self.serve_per_second_max,
            connections_max: self.connections_max,
            rooms,
            players,
            inner: self.inner.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_says_what_the_config_says() {
        let config = NodeConfig { started_unix_ms: 1_000_000, ..NodeConfig::new(ServerKind::Hall) };
        let register = config.register(Time::from_millis(250), Vec::new(), 7);
        assert_eq!(register.kind, ServerKind::Hall);
        assert_eq!(register.incarnation, 1_000_000);
        assert_eq!(register.clock_unix_ms, 1_000_250);
        assert_eq!(register.players, 7);
        assert_eq!(
            (register.serve_max, register.serve_per_second_max, register.connections_max),
            (config.serve_max, config.serve_per_second_max, config.connections_max)
        );
    }

    #[test]
    fn a_quarter_more_connections_than_served_at_once() {
        let config = NodeConfig::new(ServerKind::Room);
        assert_eq!(config.connections_max, config.serve_max / 4 * 5);
    }
}
