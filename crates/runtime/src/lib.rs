//! Joins a machine to layer 2: clock, seed, config, logs, metrics, signals, admin.
//!
//! Why: a machine is pure and a transport knows no messages; this crate is the world between them, the same
//! for every server and for simulated players.
//! Owns: the process (signals, limits, memory figures), the wall clock, the ticket keys, the link to the
//! manager, the admin port.
//! Does not own: any rule. It is generic over [`usher_proto::Machine`] and knows no game and no account.
//! Invariants: what a machine asks is answered by [`answers`]; what it puts out is carried out in order by
//! [`host`]; lease renewals come from the process's own timer, so that an overloaded machine keeps its lease.
//! Limits: those of the config, each named there; what is wrong names file, line and field.
//! Read next: [`server`] (a server from its config to its end), then [`life`], [`host`], [`door`], [`config`].
#![forbid(unsafe_code)]

pub mod admin;
mod announcement;
pub mod answers;
pub mod app;
pub mod call;
pub mod clock;
pub mod codec;
pub mod config;
pub mod crowd;
pub mod door;
pub mod host;
pub mod keys;
mod late;
pub mod lease;
pub mod leash;
pub mod life;
pub mod link;
pub mod listeners;
pub mod logs;
pub mod metrics;
pub mod notify;
mod pace;
pub mod process;
pub mod pulse;
pub mod say;
pub mod sealed;
pub mod server;
pub mod signals;
pub mod steps;
pub mod tend;

pub use app::App;
pub use config::ConfigError;
pub use server::{ServerPlan, serve};
