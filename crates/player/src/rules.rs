//! What every well-behaved client does, in numbers: how often it tries and how long it waits.
//!
//! Why: a server's overload behaviour is only as good as its clients' patience, so the rules stand together.
//! Invariant: every wait is a range; no two clients that were sent away together come back together.
//! Read next: `journey.rs`, which follows them.

use core::time::Duration;

/// Redirects followed and targets that did not answer, beyond one try of each address of the list.
pub(crate) const REDIRECTS_MAX: u8 = 3;
/// Busy answers in a row before giving up.
pub(crate) const BUSY_MAX: u8 = 10;
/// Returns to the hall in a row without reaching a seat before giving up.
pub(crate) const RETURNS_MAX: u8 = 20;
/// Visits in a row for a fresh directory that came to nothing, before waiting for the next term.
pub(crate) const REFRESH_TRIES_MAX: u8 = 10;

/// Before the next address, when one did not answer.
pub(crate) const NEXT_ADDRESS_WAIT: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_millis(300));
/// Before the next visit to a hall, when a room was full or gone.
pub(crate) const RETURN_WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
/// Tables that somebody asks for by number, one after the other, before any will do.
pub(crate) const LOOKS_MAX: u8 = 8;
/// How long somebody waits at a table for a hand to begin, before looking for company elsewhere; longer
/// than a rest and the writing down of a hand.
pub(crate) const PATIENCE: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(16));
/// After its first seat, a player that is to drop its connection does so within this.
pub(crate) const DROP_WITHIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// How soon a drop that would cut a chat's acknowledgement is tried again.
pub(crate) const DROP_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(150));
