//! Layer 2: a server made of three stages, three queues and three pools of threads, over layer 1.
//!
//! ```text
//!          layer 1 worker      receive lanes         logic lanes        send lanes
//! socket -> received(chunk) -[Q1]-> deframe, decode -[Q2]-> a Service a shard -[Q3]-> encode -> send
//! ```
//!
//! It exists so that an application is one `Service` that handles events and never meets a socket, a lock
//! or half a frame. It knows bytes, not messages: a `Codec` says how packets lie in a stream, a `Channel`
//! how a connection begins.
//!
//! Architecture Invariant: stages wait only for the stage after them, and layer 1 always takes commands, so
//! every arrangement of threads (0 = inline in the stage before) works with queues of length 1.
//! Architecture Invariant: order is kept for each connection, also across a hand-over between shards.
//! Architecture Invariant: this crate and `logic` never see each other.
//!
//! Every queue has a limit; a full one slows the stage before it, down to the client's own TCP.
//! Read next: `service` (what you write), `lane` (what runs it), then `receive`, `logic`, `send`.
#![forbid(unsafe_code)]

mod actions;
mod addresses;
mod alarm;
mod backlog;
mod carriage;
mod carry;
mod channel;
mod codec;
mod config;
mod delays;
mod desk;
mod fabric;
mod groups;
mod handshake;
mod hook;
mod lane;
mod listener;
mod logic;
mod metrics;
mod networks;
mod open;
mod outbox;
mod outputs;
mod pace;
mod parse;
mod places;
mod pool;
mod rate;
mod ready;
mod receive;
mod seats;
mod send;
mod server;
mod service;
mod slots;
mod stream;
mod table;
mod timer;
pub mod trunk;

// `alarm`, `lane` and `places` take their locks and atomics from the crate they are built in: `tests/orders` has
// shuttle's.
use std::sync;

pub use actions::{Action, Actions, DialAction, Shared};
pub use addresses::AddressLimits;
pub use bytes::{Bytes, BytesMut};
pub use channel::{
    Answer, Channel, Greeted, Handshake, KeySpent, Keys, NoChannel, Offer, Open, Refusal, Seal,
};
pub use codec::{BadFrame, Codec, Decoded, Frame, Framed, Partial, TooLarge};
pub use config::{Config, Limits, ListenerConfig};
pub use delays::Delays;
pub use listener::{ListenerId, Online};
pub use metrics::{ListenerMetrics, Metrics, StageMetrics};
pub use networks::{Network, NotANetwork, household};
pub use rate::{Rate, Rates};
pub use server::{Remote, Server, ShutdownReport};
pub use service::{CloseReason, DialError, Event, GroupId, Service, ShardId};
pub use usher_completion::{self as completion, ConnId};
