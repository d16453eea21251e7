//! What a server is started with: threads and queues, and for each listener its protocol and limits.
//!
//! It exists so that every limit has a name, a unit and a default in one place. Plain values; `Server::start`
//! checks them.
//!
//! Invariants: nothing here changes after the start.
//! Read next: `server`, which takes it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{AddressLimits, Channel, Codec, ListenerId, NoChannel, Rates, Service, ShardId};

/// The process's own side: layer 1, threads, shards, queues.
#[derive(Debug, Clone)]
pub struct Config {
    /// Layer 1.
    pub completion: usher_completion::Config,
    /// Threads that deframe and decode; 0: on layer 1's workers.
    pub receive_threads: usize,
    /// Threads that run services; 0: inline, on whichever thread decoded.
    pub logic_threads: usize,
    /// Threads that encode and send; 0: inline, on whichever thread ran the service.
    pub send_threads: usize,
    /// How many services; at least 1. Shard `n` runs on logic thread `n % logic_threads`.
    pub shards: usize,
    /// Items that may wait in each queue; links have as many again of their own. At least 1.
    pub queue_items_max: usize,
    /// Items a stage takes before it hands on what they caused. At least 1.
    pub batch_items_max: usize,
    /// Key exchanges of newcomers in one run of a receive lane, so that many who come at once do not hold up those who
    /// are there. At least 1.
    pub handshakes_per_turn_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            completion: usher_completion::Config::default(),
            receive_threads: 0,
            logic_threads: 1,
            send_threads: 0,
            shards: 1,
            queue_items_max: 4096,
            batch_items_max: 256,
            handshakes_per_turn_max: 16,
        }
    }
}

/// One listener: an address, and the protocol and limits of its connections.
pub struct ListenerConfig<S: Service> {
    /// For metrics and logs.
    pub name: String,
    /// Where it listens; none: it is only dialled from, or what it has is carried by trunks.
    pub address: Option<SocketAddr>,
    /// How packets lie in the stream. Listeners may share one.
    pub codec: Arc<dyn Codec<S::Packet>>,
    /// How connections begin.
    pub channel: Arc<dyn Channel<S::Packet, S::Greeting>>,
    /// What its connections may do.
    pub limits: Limits,
    /// Whether its connections are links between servers: theirs is the first lane at every stage.
    pub link: bool,
    /// What is accepted here are trunks (see `trunk`), and what they carry are connections of that listener, which may
    /// have no address of its own.
    pub carries: Option<ListenerId>,
    /// Whether the service hears of it when a connection's socket takes no more bytes for now (`Event::Blocked`).
    pub tells_blocked: bool,
    /// The shard new connections go to.
    pub door: ShardId,
}

impl<S: Service> Clone for ListenerConfig<S> {
    /// Another listener with the same codec and channel.
    fn clone(&self) -> Self {
        let Self { name, address, codec, channel, limits, link, carries, tells_blocked, door } = self;
        Self {
            name: name.clone(),
            address: *address,
            codec: Arc::clone(codec),
            channel: Arc::clone(channel),
            limits: limits.clone(),
            link: *link,
            carries: *carries,
            tells_blocked: *tells_blocked,
            door: *door,
        }
    }
}

impl<S: Service> ListenerConfig<S> {
    /// Connections begin with their first packet, may do what [`Limits::default`] says, and go to shard 0.
    pub fn new(name: &str, address: SocketAddr, codec: impl Codec<S::Packet>) -> Self {
        Self {
            name: name.into(),
            address: Some(address),
            codec: Arc::new(codec),
            channel: Arc::new(NoChannel),
            limits: Limits::default(),
            link: false,
            carries: None,
            tells_blocked: false,
            door: 0,
        }
    }
}

/// What the connections of one listener may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open at once; one more is sent the codec's farewell and closed. Dialled ones count, and are never refused.
    pub connections_max: usize,
    /// How long a new connection may take for its first message, its first frame included, and a dialled one
    /// for its answer; `Duration::MAX`: any time. Pings do not count. Whoever waits for us when it is over gets
    /// as much again.
    pub first_message_deadline: Duration,
    /// Bytes of each frame before the connection is open, header included: a first frame, the answer to a dial, the
    /// first sealed frame. A longer one is a bad frame (`too_long`), as soon as so much of it has come: a stranger
    /// makes this side hold no more.
    pub first_frame_bytes_max: usize,
    /// How long a connection may be silent before it is pinged; `Duration::MAX`: for ever.
    pub ping_interval: Duration,
    /// Pings without a sign of life, after which it is closed.
    pub pings_missed_max: u32,
    /// Bytes that may wait for a connection whose socket refused bytes; over it, it is a slow consumer.
    pub high_water_bytes: usize,
    /// Bytes of an incomplete frame that are kept; not less than the codec's longest frame.
    pub receive_tail_bytes_max: usize,
    /// What one connection may say; over it, it is closed (`rate_limited`). A link may say anything.
    pub rates: Rates,
    /// What one address may have; over it, its next connection is reset (`address_full`, `address_rate`).
    pub addresses: AddressLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            first_message_deadline: Duration::from_secs(5),
            first_frame_bytes_max: 4096,
            ping_interval: Duration::from_secs(20),
            pings_missed_max: 3,
            high_water_bytes: 256 * 1024,
            receive_tail_bytes_max: 128 * 1024,
            rates: Rates::default(),
            addresses: AddressLimits::default(),
        }
    }
}
