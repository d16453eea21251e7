//! What outlives a process: accounts, and hands that are over.
//!
//! Why: login servers check who somebody is; everything else about a player travels in the ticket. What was won is
//! written down before anybody is told.
//! Owns: the account database ([`Database`]), its one writer a process ([`Writer`]), account numbers; the journal of
//! hands ([`Journal`]) and the scores summed from it ([`Scores`]). Does not own how a password is proven (`usher_secure::scram`), sessions and tickets (`usher-secure`), nor decide who
//! may log in (`usher-logic`), nor how a hand is played (`usher-games`).
//! Invariants: a named account has the same number on every server and after every restart; no password is ever
//! stored, nor anything that logs in; a hand counts once.
//! Limits: those of each module.
//! Read next: [`database`], then [`writer`]; [`hands`].
#![forbid(unsafe_code)]

pub mod accounts;
pub mod database;
mod error;
pub mod hands;
pub mod writer;

pub use accounts::{guest, number};
pub use database::{Change, Database, Import, Listed};
pub use error::StoreError;
pub use hands::{Journal, Recorded, Scores};
pub use writer::{Receipt, Writer};

#[cfg(all(test, unix))]
pub(crate) mod tests;
