//! What layer 2 knows of one listener while it runs: its protocol, its limits and its counters.
//!
//! It exists so that every stage reaches a connection's codec, channel and limits by one index.
//! Immutable but for atomic counters.
//!
//! Invariants: `connections` counts exactly the connections that a lane or a shard still has something of, never more
//! accepted ones than `connections_max`: so churn leaves no more behind than that, however slow a shard is. `online`
//! lists those whose socket is there. Who is shown out at once counts in `connections_total` and by the reason. A
//! listener of links has no rates.
//! Read next: `hook`, which counts connections in; `receive` and `logic`, whichever is last to hear of an end.

use std::{
    array,
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use usher_completion::ConnId;

use crate::{
    Channel, CloseReason, Codec, Limits, ListenerConfig, ListenerMetrics, Rates, Service, ShardId,
    addresses::{Addresses, Counted},
    fabric::lock,
    stream::Phase,
    timer::now,
};

/// A listener: its place in the list that `Server::start` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

impl ListenerId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Somebody on a listener's online list: a connection that is open, its first frame taken or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Online {
    /// The connection.
    pub conn: ConnId,
    /// Its far end.
    pub peer: SocketAddr,
    /// When it came, or was made.
    pub since: Instant,
}

/// The online list of one listener; whoever comes or goes takes its lock once.
/// Ordered, for a hash table under such coming and going is doubled late and for nothing.
#[derive(Default)]
pub(crate) struct OnlineList {
    online: Mutex<BTreeMap<ConnId, Online>>,
}

impl OnlineList {
    pub(crate) fn enter(&self, online: Online) {
        lock(&self.online).insert(online.conn, online);
    }

    pub(crate) fn exit(&self, conn: ConnId) {
        lock(&self.online).remove(&conn);
    }

    pub(crate) fn list(&self) -> Vec<Online> {
        lock(&self.online).values().copied().collect()
    }
}

pub(crate) struct Listener<S: Service> {
    pub(crate) name: String,
    pub(crate) codec: Arc<dyn Codec<S::Packet>>,
    /// The codec's number; listeners that share a codec share the number, and encoded bytes.
    pub(crate) codec_index: usize,
    pub(crate) channel: Arc<dyn Channel<S::Packet, S::Greeting>>,
    pub(crate) limits: Limits,
    /// What one connection may say; a link anything.
    pub(crate) rates: Rates,
    pub(crate) addresses: Addresses,
    pub(crate) link: bool,
    pub(crate) carries: Option<ListenerId>,
    pub(crate) tells_blocked: bool,
    pub(crate) door: ShardId,
    pub(crate) counters: Counters,
    pub(crate) online: OnlineList,
}

/// Connections of all listeners that are not of links, counted together: the sum of their peaks is none.
#[derive(Default)]
struct Together {
    connections: AtomicU64,
    connections_peak: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Counters {
    /// A listener of links has one of its own.
    together: Arc<Together>,
    connections: AtomicU64,
    connections_peak: AtomicU64,
    connections_total: AtomicU64,
    phases: [AtomicU64; Phase::COUNT],
    closed: [AtomicU64; CloseReason::NAMES.len()],
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Counters {
    /// A connection came, whether it is let in or not.
    pub(crate) fn visited(&self) {
        self.connections_total.fetch_add(1, Relaxed);
    }

    /// Lets one more connection in, unless there are `connections_max`.
    pub(crate) fn enter(&self, connections_max: u64) -> bool {
        let more = |now| (now < connections_max).then_some(now + 1);
        let entered = self.connections.fetch_update(Relaxed, Relaxed, more);
        if let Ok(before) = entered {
            self.connections_peak.fetch_max(before + 1, Relaxed);
            let together = self.together.connections.fetch_add(1, Relaxed) + 1;
            self.together.connections_peak.fetch_max(together, Relaxed);
        }
        entered.is_ok()
    }

    pub(crate) fn exit(&self) {
        self.connections.fetch_sub(1, Relaxed);
        self.together.connections.fetch_sub(1, Relaxed);
    }

    /// A receive lane knows of one more.
    pub(crate) fn came(&self, phase: Phase) {
        self.phases[phase as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn moved(&self, from: Phase, to: Phase) {
        self.came(to);
        self.went(from);
    }

    pub(crate) fn went(&self, phase: Phase) {
        self.phases[phase as usize].fetch_sub(1, Relaxed);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        self.closed[reason.index()].fetch_add(1, Relaxed);
    }
}

impl<S: Service> Listener<S> {
    /// Numbers the codecs: two listeners have one codec if they hold the same `Arc`.
    pub(crate) fn list(configs: Vec<ListenerConfig<S>>) -> Vec<Self> {
        let mut listeners: Vec<Self> = Vec::with_capacity(configs.len());
        let together = Arc::<Together>::default();
        for config in configs {
            let same = listeners.iter().find(|other| Arc::ptr_eq(&other.codec, &config.codec));
            let next = listeners.iter().map(|other| other.codec_index + 1).max().unwrap_or(0);
            let codec_index = same.map_or(next, |other| other.codec_index);
            let together = if config.link { Arc::default() } else { Arc::clone(&together) };
            listeners.push(Self {
                name: config.name,
                codec: config.codec,
                codec_index,
                channel: config.channel,
                rates: if config.link { Rates::default() } else { config.limits.rates },
                addresses: Addresses::new(config.limits.addresses.clone(), now()),
                limits: config.limits,
                link: config.link,
                carries: config.carries,
                tells_blocked: config.tells_blocked,
                door: config.door,
                counters: Counters { together, ..Counters::default() },
                online: OnlineList::default(),
            });
        }
        listeners
    }

    /// Lets one more in from there, if this listener has a place for it, and its address one left.
    pub(crate) fn let_in(&self, address: IpAddr, since: Instant) -> Result<Counted, CloseReason> {
        let counted = self.addresses.enter(address, since)?;
        if !self.counters.enter(self.limits.connections_max as u64) {
            self.addresses.exit(counted, since);
            return Err(CloseReason::ConnectionsFull);
        }
        Ok(counted)
    }

    /// The most that ever were on all listeners at once, links left out.
    pub(crate) fn connections_peak(listeners: &[Self]) -> u64 {
        let one = listeners.iter().find(|listener| !listener.link);
        one.map_or(0, |one| one.counters.together.connections_peak.load(Relaxed))
    }

    /// What is said before this layer closes a connection; nothing to a peer that has finished itself.
    pub(crate) fn farewell(&self, reason: CloseReason) -> Bytes {
        match reason {
            CloseReason::PeerClosed => Bytes::new(),
            _ => self.codec.farewell(reason).unwrap_or_default(),
        }
    }

    pub(crate) fn metrics(&self) -> ListenerMetrics {
        let counters = &self.counters;
        let closed: BTreeMap<_, _> = CloseReason::NAMES
            .into_iter()
            .zip(counters.closed.iter().map(|count| count.load(Relaxed)))
            .collect();
        ListenerMetrics {
            name: self.name.clone(),
            link: self.link,
            connections: counters.connections.load(Relaxed),
            connections_peak: counters.connections_peak.load(Relaxed),
            connections_total: counters.connections_total.load(Relaxed),
            states: array::from_fn(|at| (Phase::NAMES[at], counters.phases[at].load(Relaxed))),
            addresses: self.addresses.count(now()) as u64,
            closed,
            packets_in: counters.packets_in.load(Relaxed),
            packets_out: counters.packets_out.load(Relaxed),
            bytes_in: counters.bytes_in.load(Relaxed),
            bytes_out: counters.bytes_out.load(Relaxed),
        }
    }
}
