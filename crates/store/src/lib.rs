//! What outlives a process: accounts.
//!
//! Why: login servers check who somebody is; everything else about a player travels in the ticket.
//! Owns: the account file, account numbers, the check of a password. Does not own sessions and tickets
//! (`usher-secure`), nor decide who may log in (`usher-logic`).
//! Invariants: a named account has the same number on every server and after every restart.
//! Limits: [`accounts::ACCOUNTS_MAX`] accounts in a file.
//! Read next: [`accounts`].
#![forbid(unsafe_code)]

pub mod accounts;

pub use accounts::{Accounts, AccountsError, guest};
