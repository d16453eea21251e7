//! The other side: simulated players as pure machines, from login to the table and back out.
//!
//! Why: the same players walk over real sockets in client-sim and through virtual time in the simulator, so
//! what one finds the other can repeat.
//! Owns: what a client does with redirects, refusals and lost connections ([`Crowd`]); the check of everything
//! received ([`Delivery`]); what is counted ([`Ledger`]).
//! Does not own: sockets, clocks, percentiles, server rules (it knows servers by their messages alone).
//! Invariants: arrivals are open-loop, nobody waits for anybody; a player fails at most once; every timer of
//! the crowd stands in one ordered queue.
//! Limits: a few hundred bytes a player; see [`Config`] and `rules.rs` for tries and waits.
//! [`person`] is the same way for somebody who decides for himself.
//! Read next: `crowd.rs`, then `player.rs`, `journey.rs`, `play.rs`, `evening.rs`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod addresses;
mod alarms;
mod config;
mod crowd;
mod delivery;
mod dice;
mod directory;
mod evening;
mod journey;
mod ledger;
mod mix;
pub mod person;
mod play;
mod player;
mod proof;
mod refresh;
mod rules;
mod turn;

#[cfg(test)]
mod tests;

pub use config::{Accounts, Config};
pub use crowd::{Crowd, Progress};
pub use delivery::Delivery;
pub use ledger::{Deed, Ledger, RoomSums, Step, Tally};
pub use mix::{After, Evening, Mix, Plan, Play};
