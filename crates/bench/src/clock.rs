//! The clock of the benches: they measure, so they read it; nothing else here does.
//!
//! Read next: `account.rs`, which stamps every message with it.

use std::time::Instant;

/// Nanoseconds since its making; a round trip fits in any of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: now() }
    }

    pub(crate) fn nanoseconds(self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[allow(clippy::disallowed_methods)] // a bench owns its clock: to read it is what it is for
pub(crate) fn now() -> Instant {
    Instant::now()
}
