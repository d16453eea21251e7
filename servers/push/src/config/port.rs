//! One port's section: address, codec, and what its connections may do.
//!
//! Why: the three ports have the same keys and each its own defaults: a terminal says little and is one of many, a
//! controller says much, an administrator is a person who types.
//! Invariants: after [`PortSection::fill`] every key has a value.
//! Read next: [`super`], which checks what one section needs of another.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use usher_hpserver::{AddressLimits, Codec, Limits, Rate, Rates};
use usher_proto::Message;
use usher_proto::limits::FRAME_BYTES_MAX;
use usher_proto::message::Port;
use usher_runtime::codec::{JsonLines, Native, Side};
use usher_runtime::config::{CONNECTIONS_MAX, ConfigError, ConfigFile, SPAN_MS_MAX, millis};

/// A line of JSON.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// The shortest longest message: the largest a terminal or administrator may have to say.
const MESSAGE_BYTES_MIN: u64 = 256;

/// How messages lie in a port's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortCodec {
    /// Frames of MessagePack.
    Native,
    /// Lines of JSON.
    Json,
}

/// `[terminals]`, `[controllers]` or `[administrators]`, as parsed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSection {
    /// Where they connect. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// How their messages are written.
    pub codec: Option<PortCodec>,
    /// Connected at once.
    pub connections_max: Option<usize>,
    /// The longest frame, or line, that one of them may say.
    pub message_bytes_max: Option<usize>,
    /// For a new connection's first message.
    pub first_message_deadline_ms: Option<u64>,
    /// Silence after which a connection is pinged.
    pub ping_interval_ms: Option<u64>,
    /// Pings without a sign of life before it is closed.
    pub pings_missed_max: Option<u32>,
    /// Bytes that may wait for a client that does not read.
    pub high_water_bytes: Option<usize>,
    /// Messages a second that one connection may say in the long run; 0: any number.
    pub messages_per_second_max: Option<u32>,
    /// And so many at once.
    pub messages_burst: Option<u32>,
    /// Bytes a second that one connection may send in the long run; 0: any number.
    pub bytes_per_second_max: Option<u32>,
    /// And so many at once.
    pub bytes_burst: Option<u32>,
}

/// A port's own defaults.
struct Defaults {
    codec: PortCodec,
    connections_max: usize,
    message_bytes_max: usize,
    first_message_deadline_ms: u64,
    ping_interval_ms: u64,
    high_water_bytes: usize,
    messages: Rate,
    bytes: Rate,
}

impl Defaults {
    fn of(port: Port) -> Self {
        let terminals = Self {
            codec: PortCodec::Native,
            connections_max: 1_000,
            message_bytes_max: 1_024,
            first_message_deadline_ms: 5_000,
            ping_interval_ms: 20_000,
            high_water_bytes: 256 * 1024,
            messages: Rate { per_second: 100, burst: 1_000 },
            bytes: Rate { per_second: 64 * 1024, burst: 256 * 1024 },
        };
        match port {
            Port::Terminals => terminals,
            Port::Controllers => Self {
                connections_max: 100,
                message_bytes_max: FRAME_BYTES_MAX,
                messages: Rate { per_second: 0, ..terminals.messages },
                bytes: Rate { per_second: 0, ..terminals.bytes },
                ..terminals
            },
            Port::Administrators => Self {
                codec: PortCodec::Json,
                connections_max: 16,
                message_bytes_max: 4_096,
                first_message_deadline_ms: 300_000,
                ping_interval_ms: 600_000,
                high_water_bytes: 1024 * 1024,
                ..terminals
            },
        }
    }
}

impl PortSection {
    /// Gives every key that is absent its port's default.
    pub fn fill(&mut self, port: Port) {
        let defaults = Defaults::of(port);
        self.codec.get_or_insert(defaults.codec);
        self.connections_max.get_or_insert(defaults.connections_max);
        self.message_bytes_max.get_or_insert(defaults.message_bytes_max);
        self.first_message_deadline_ms.get_or_insert(defaults.first_message_deadline_ms);
        self.ping_interval_ms.get_or_insert(defaults.ping_interval_ms);
        self.pings_missed_max.get_or_insert(3);
        self.high_water_bytes.get_or_insert(defaults.high_water_bytes);
        self.messages_per_second_max.get_or_insert(defaults.messages.per_second);
        self.messages_burst.get_or_insert(defaults.messages.burst);
        self.bytes_per_second_max.get_or_insert(defaults.bytes.per_second);
        self.bytes_burst.get_or_insert(defaults.bytes.burst);
    }

    pub(super) fn check(&self, file: &ConfigFile, port: Port) -> Result<(), ConfigError> {
        let longest = match self.codec() {
            PortCodec::Native => FRAME_BYTES_MAX as u64,
            PortCodec::Json => LINE_BYTES_MAX,
        };
        let positive = 1..=u64::MAX;
        let fields = [
            ("connections_max", self.connections_max() as u64, 1..=CONNECTIONS_MAX),
            ("message_bytes_max", self.message_bytes_max() as u64, MESSAGE_BYTES_MIN..=longest),
            ("first_message_deadline_ms", filled(self.first_message_deadline_ms), 1..=SPAN_MS_MAX),
            ("ping_interval_ms", filled(self.ping_interval_ms), 1..=SPAN_MS_MAX),
            ("pings_missed_max", u64::from(filled(self.pings_missed_max)), positive.clone()),
            ("high_water_bytes", self.high_water_bytes() as u64, positive),
        ];
        let section = name(port);
        for (field, value, range) in fields {
            file.check_ranges(&[(&format!("{section}.{field}"), value, range)])?;
        }
        Ok(())
    }

    /// How their messages are written.
    pub fn codec(&self) -> PortCodec {
        filled(self.codec)
    }

    /// Connected at once.
    pub fn connections_max(&self) -> usize {
        filled(self.connections_max)
    }

    /// The longest frame, or line, that one of them may say.
    pub fn message_bytes_max(&self) -> usize {
        filled(self.message_bytes_max)
    }

    /// Bytes that may wait for a client that does not read.
    pub fn high_water_bytes(&self) -> usize {
        filled(self.high_water_bytes)
    }

    /// Layer 2's codec for this port.
    pub fn codec_for(&self, port: Port) -> Arc<dyn Codec<Message>> {
        let side = match port {
            Port::Terminals => Side::ToTerminals,
            Port::Controllers => Side::ToControllers,
            Port::Administrators => Side::ToAdministrators,
        };
        let bytes_max = self.message_bytes_max();
        match self.codec() {
            PortCodec::Native => Arc::new(Native { frame_bytes_max: bytes_max, ..Native::new(side) }),
            PortCodec::Json => Arc::new(JsonLines { side, line_bytes_max: bytes_max }),
        }
    }

    /// What one connection may say.
    pub fn rates(&self) -> Rates {
        Rates {
            messages: Rate {
                per_second: filled(self.messages_per_second_max),
                burst: filled(self.messages_burst),
            },
            bytes: Rate { per_second: filled(self.bytes_per_second_max), burst: filled(self.bytes_burst) },
        }
    }

    /// Layer 2's limits for this port.
    pub fn limits(&self, addresses: AddressLimits) -> Limits {
        /// A frame's length, or a line's end, beside the message.
        const FRAMING_BYTES_MAX: usize = 2;
        Limits {
            connections_max: self.connections_max(),
            first_message_deadline: millis(filled(self.first_message_deadline_ms)),
            ping_interval: millis(filled(self.ping_interval_ms)),
            pings_missed_max: filled(self.pings_missed_max),
            high_water_bytes: self.high_water_bytes(),
            receive_tail_bytes_max: self.message_bytes_max() + FRAMING_BYTES_MAX,
            rates: self.rates(),
            addresses,
            ..Limits::default()
        }
    }
}

fn filled<T: Copy>(value: Option<T>) -> T {
    value.expect("invariant: a checked section has every default filled in")
}

/// A port as configs and metrics call it.
pub fn name(port: Port) -> &'static str {
    match port {
        Port::Terminals => "terminals",
        Port::Controllers => "controllers",
        Port::Administrators => "administrators",
    }
}
