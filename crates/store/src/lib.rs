//! What outlives a process: accounts.
//!
//! Why: login servers check who somebody is; everything else about a player travels in the ticket.
//! Owns: the account database ([`Database`]), its one writer a process ([`Writer`]), account numbers. Does not
//! own how a password is proven (`usher_secure::scram`), sessions and tickets (`usher-secure`), nor decide who
//! may log in (`usher-logic`).
//! Invariants: a named account has the same number on every server and after every restart; no password is ever
//! stored, nor anything that logs in.
//! Limits: those of each module.
//! Read next: [`database`], then [`writer`].
#![forbid(unsafe_code)]

pub mod accounts;
pub mod database;
mod error;
pub mod writer;

pub use accounts::{guest, number};
pub use database::{Change, Database, Import, Listed};
pub use error::StoreError;
pub use writer::{Receipt, Writer};

#[cfg(all(test, unix))]
mod tests;
