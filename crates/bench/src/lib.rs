//! Measures the stations side by side with their peers, on this machine, in one run.
//!
//! An absolute figure moves by a third from run to run, so none is compared with one of another run: both servers
//! are up at once, short slices alternate, and what is reported is the median of the pairs' ratios with its
//! interval. What is counted and not timed (instructions) comes from callgrind.
//!
//! - Owns: the loads, the reading of `/proc`, the pairing and its arithmetic, the tables. The peers are the binaries
//!   of this crate, and brokers as they are packaged.
//! - Does not own: the stations; they are examples of the layers, or servers as they are delivered, and know nothing
//!   of this. (`sealed_room` is a binary of this crate, because layer 2 knows no cipher.)
//! - Invariants: a process started here ends with its handle; no wait is without a deadline.
//! - Limit: Linux only (`/proc`, `io_uring`).
//!
//! Read next: `echo.rs`, `broadcast.rs` and `push.rs` (what is compared), `contest.rs` (how), `load.rs`, `audience.rs`
//! and `desk.rs` (who sends), `layer1.rs` and `layer2.rs` (goals).
#![forbid(unsafe_code)]

mod account;
pub mod audience;
mod bout;
pub mod broadcast;
mod broker;
pub mod buffers;
mod callgrind;
mod cases;
mod child;
mod clock;
mod contest;
pub mod desk;
mod dial;
pub mod echo;
mod files;
mod finding;
pub mod gateway;
mod idle;
pub mod instructions;
mod interval;
mod journal;
pub mod layer1;
pub mod layer2;
pub mod load;
pub mod manager;
mod metronome;
mod netstat;
mod orders;
mod page;
pub mod peer;
mod plan;
mod process;
pub mod push;
mod relay;
mod report;
mod slice;
mod station;
pub mod storm;
mod table;
mod traffic;
pub mod workers;

pub use crate::child::Child;
pub use crate::slice::Slice;
