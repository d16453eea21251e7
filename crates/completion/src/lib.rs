//! Layer 1: a raw completion server, what an I/O completion port gives, on Linux.
//!
//! You post an operation, a worker tells you when it is *complete*. An accept thread and N workers;
//! a connection lives on one worker for life. Five hooks ([`Hooks`]) say what happened, verbs
//! ([`Io`] on the worker, [`Handle`] from any thread) say what should.
//!
//! Owns: sockets, connection contexts, receive buffers, the send queue of each connection, the end
//! of a connection. Does not own: framing, protocol, packets, policy; those are layer 2's.
//!
//! Invariants: a worker waits nowhere but in its poll; `disconnected` follows each `connected` exactly
//! once; a stale [`ConnId`] reaches nobody; contexts and buffers taken from a pool come back.
//!
//! Limits: every one is a field of [`Config`], with what happens there.
//!
//! Read next: [`hooks`](Hooks), then `worker.rs` (the turn), then `sys/mod.rs` (what a backend does).
#![deny(unsafe_code)]

mod accept;
mod coalesce;
mod command;
mod config;
mod context;
mod core;
mod deadline;
mod handle;
mod hooks;
mod id;
mod io;
mod load;
mod payload;
mod pool;
mod send_queue;
mod server;
mod signal;
mod stats;
mod sys;
mod vital;
#[cfg(feature = "buffer-ways")]
mod ways;
mod worker;

// `signal.rs` takes its atomics from the crate it is built in: `tests/signal.rs` has loom's.
use std::sync::atomic;

pub use crate::accept::{bind, bind_once};
#[cfg(feature = "buffer-ways")]
pub use crate::config::Ways;
pub use crate::config::{Config, Engine};
pub use crate::handle::{Handle, Refused};
pub use crate::hooks::{Fault, Hooks, Opened, Origin, Reason, Sent, Verb};
pub use crate::id::{ConnId, ListenerId};
pub use crate::io::Io;
pub use crate::payload::Payload;
pub use crate::pool::Chunk;
pub use crate::server::Server;
pub use crate::stats::{PoolCount, Stats};
pub use crate::vital::Vital;
