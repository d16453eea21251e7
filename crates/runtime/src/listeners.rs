//! The listeners of a server of a cluster: players', the manager's link, and where gateways are let in theirs.
//!
//! Why: which codec, channel and limits a connection has is decided in one place.
//! Owns: the numbers of the listeners, layer 2's threads and places. Does not own sockets' addresses but the inner one.
//! Invariants: who comes through a gateway has the codec and the limits of one who comes by himself; his channel ends at
//! the gateway.
//! Limits: [`TRUNK_HIGH_WATER_BYTES`] for one gateway; the config's for everybody else.
//! Read next: [`crate::door`], `usher_hpserver::trunk`.

use crate::answers::Seals;
use crate::codec::{Native, Side, Trunks};
use crate::config::{Common, InnerSection, Sections, millis};
use crate::door::{Door, Lock};
use crate::host::Host;
use crate::life::{self, Needs};
use anyhow::Context;
use std::net::TcpListener;
use std::sync::Arc;
use usher_hpserver::trunk::RECORD_BYTES_MAX;
use usher_hpserver::{
    AddressLimits, Config, Limits, ListenerConfig, ListenerId, NoChannel, Rates, completion,
};
use usher_proto::first_frame::Role;
use usher_proto::{Address, Machine};

/// The listener of players (a manager's: of servers), the one that dials, and where gateways are let in that of those
/// who come through them and that of the gateways.
pub(crate) const DOOR: ListenerId = ListenerId(0);
pub(crate) const DIALS: ListenerId = ListenerId(1);
const CARRIED: ListenerId = ListenerId(2);
pub(crate) const TRUNKS: ListenerId = ListenerId(3);
/// What may wait for a gateway that does not read: all of its players' windows that are used at a time.
pub const TRUNK_HIGH_WATER_BYTES: usize = 64 << 20;

/// Links to the manager: the one, and the one before it that is still closing.
pub const LINKS_MAX: usize = 4;
/// A player's way in may take tens of milliseconds; with a third less processor at 1,000 a second it takes them.
const TURNS_PER_SECOND_MAX: u32 = 500;

/// Layer 2 for a server of this config.
pub(crate) fn layer_2(common: &Common, shards: usize) -> Config {
    let Sections { limits, inner, .. } = &common.sections;
    let needs = Needs {
        shards,
        connections_max: limits.connections_max() as usize + inner.as_ref().map_or(0, |it| it.trunks_max),
        links_max: LINKS_MAX,
        linger_timeout: millis(limits.linger_timeout_ms),
        connect_timeout: millis(limits.connect_timeout_ms),
        turns_per_second_max: TURNS_PER_SECOND_MAX,
    };
    let mut config = life::layer_2(&common.sections.stages, needs);
    if inner.is_some() {
        config.completion.send_queue_bytes_max = TRUNK_HIGH_WATER_BYTES;
    }
    config
}

/// The inner listener, bound before the machines know of it.
pub(crate) struct InnerDoor {
    pub(crate) socket: TcpListener,
    /// Where gateways are told to connect.
    pub(crate) address: Address,
}

impl InnerDoor {
    pub(crate) fn bind(section: &InnerSection) -> anyhow::Result<Self> {
        let socket = completion::bind(section.listen)
            .with_context(|| format!("cannot listen on {} (inner.listen)", section.listen))?;
        let bound = socket.local_addr()?;
        let address = section.advertise.clone().unwrap_or_else(|| bound.to_string());
        Ok(Self { socket, address: Address::from(address) })
    }
}

/// Each of them, in the order of their numbers. `trunks`: what gateways prove themselves by, where they are let in.
pub(crate) fn listeners<M: Machine + Send + 'static>(
    common: &Common,
    role: Role,
    seals: &Arc<Seals>,
    (lock, trunks): (Lock, Option<Lock>),
) -> Vec<ListenerConfig<Host<M>>> {
    let is_manager = role == Role::Link;
    let limits = hp_limits(common);
    let side = if is_manager { Side::Manager } else { Side::Server };
    let door = |role, lock| Door {
        roles: vec![role],
        name: Some(common.name.clone()),
        seals: Arc::clone(seals),
        lock,
    };
    let accepting = ListenerConfig {
        name: if is_manager { "links" } else { "players" }.into(),
        address: None, // its socket was bound before, so that the machines know the port
        codec: Arc::new(Native::new(side)),
        channel: Arc::new(door(role, lock)),
        limits: limits.clone(),
        link: is_manager,
        carries: None,
        tells_blocked: false,
        door: 0,
    };
    let dialling = ListenerConfig {
        name: "manager".into(),
        codec: Arc::new(Native::new(Side::Node)),
        channel: Arc::new(NoChannel), // who dials makes its own offer
        limits: limits.clone(),
        link: true,
        ..accepting.clone()
    };
    let Some(lock) = trunks else { return vec![accepting, dialling] }; // DOOR, DIALS
    let carried = ListenerConfig {
        name: "carried".into(),
        // The channel of whoever is behind a gateway ends there.
        channel: Arc::new(door(role, Lock::Plain)),
        ..accepting.clone()
    };
    let trunks_max = common.sections.inner.as_ref().map_or(0, |inner| inner.trunks_max);
    let inner = ListenerConfig {
        name: "trunks".into(),
        codec: Arc::new(Trunks(Native::new(side))),
        channel: Arc::new(door(Role::Trunk, lock)),
        limits: Limits { connections_max: trunks_max, ..trunk_limits(&limits) },
        link: true,
        carries: Some(CARRIED),
        ..accepting.clone()
    };
    vec![accepting, dialling, carried, inner] // DOOR, DIALS, CARRIED, TRUNKS
}

/// What one connection of a player may do, for layer 2.
pub fn hp_limits(common: &Common) -> Limits {
    let Sections { limits, addresses, .. } = &common.sections;
    Limits {
        connections_max: limits.connections_max() as usize,
        first_message_deadline: millis(limits.first_message_deadline_ms),
        ping_interval: millis(limits.ping_interval_ms),
        pings_missed_max: limits.pings_missed_max,
        high_water_bytes: limits.high_water_bytes,
        rates: limits.rates(),
        addresses: addresses.limits(&common.exempt),
        ..Limits::default()
    }
}

/// What one trunk may do, where one player may do that: it carries many.
pub fn trunk_limits(limits: &Limits) -> Limits {
    Limits {
        first_frame_bytes_max: RECORD_BYTES_MAX,
        high_water_bytes: TRUNK_HIGH_WATER_BYTES,
        rates: Rates::default(),
        addresses: AddressLimits::default(),
        ..limits.clone()
    }
}
