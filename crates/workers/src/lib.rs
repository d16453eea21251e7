//! Logic in other processes, in any language: started, balanced, and none the worse for their crashing.
//!
//! Why: rules may be written in whatever their author likes, and a fault in them costs nobody else anything.
//!
//! - Owns: the rules of who is asked and what becomes of a request whose worker ends ([`pool`], pure); the service that
//!   runs them; the supervisor that has the processes; the config; a host of its own for other machines.
//! - Does not own: the messages (`usher_proto::message`), the layout of a worker's game (`usher_games::worker`), rules.
//! - Invariants: each request is answered once, with a reply or a stated reason; one that must not be repeated is given to
//!   one worker at most; workers die with their host.
//! - Limits: those of the config, each with its answer in docs/workers.md.
//!
//! Read next: [`workers`], then [`pool`]; docs/workers.md.
#![forbid(unsafe_code)]

pub mod config;
mod counts;
mod dead_letters;
mod group;
mod hello;
mod high_water;
pub mod host;
mod inbox;
mod job;
pub mod pool;
mod service;
mod slot;
mod supervisor;
pub mod workers;

pub use config::{Config, Section};
pub use host::Host;
pub use job::{HearPlayed, HearWorked};
pub use supervisor::{LINE_BYTES_MAX, LINES_MAX, Launcher};
pub use workers::{Ask, RoomsDoor, Workers};
