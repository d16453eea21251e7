//! Measures the stations side by side with their peers, on this machine, in one run.
//!
//! An absolute figure moves by a third from run to run, so none is compared with one of another run: both servers
//! are up at once, short slices alternate, and what is reported is the median of the pairs' ratios with its
//! interval. What is counted and not timed (instructions) comes from callgrind.
//!
//! - Owns: the load generator, the reading of `/proc`, the pairing and its arithmetic, the tables. The peers are
//!   the binaries of this crate.
//! - Does not own: the stations; they are examples of the layers and know nothing of this.
//! - Invariants: a process started here ends with its handle; no wait is without a deadline.
//! - Limit: Linux only (`/proc`, `io_uring`).
//!
//! Read next: `echo.rs` (what is compared), `contest.rs` (how), `load/crowd.rs` (who sends), `layer1.rs` (goals).
#![forbid(unsafe_code)]

pub mod buffers;
mod callgrind;
mod child;
mod clock;
mod contest;
pub mod echo;
mod files;
pub mod instructions;
mod interval;
mod journal;
pub mod layer1;
pub mod load;
mod netstat;
pub mod peer;
mod plan;
mod process;
mod slice;
mod station;
pub mod storm;
mod table;

pub use crate::child::Child;
pub use crate::slice::Slice;
