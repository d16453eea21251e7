//! How many connections are open, for whoever waits until none is.
//!
//! It exists so that a shutdown ends when the last connection does, and not when its time is over.
//! Invariant: each connection that layer 1 announced is counted until layer 1 says that it is gone.
//! Read next: `hook`, which counts; `server`, which waits.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Instant,
};

use crate::{fabric::lock, timer::now};

#[derive(Default)]
pub(crate) struct Open {
    count: Mutex<usize>,
    none: Condvar,
}

impl Open {
    pub(crate) fn enter(&self) {
        *lock(&self.count) += 1;
    }

    pub(crate) fn exit(&self) {
        let mut count = lock(&self.count);
        *count -= 1;
        if *count == 0 {
            self.none.notify_all();
        }
    }

    /// Waits until no connection is open; false: `deadline` came first.
    pub(crate) fn wait_for_none(&self, deadline: Instant) -> bool {
        let mut count = lock(&self.count);
        while *count > 0 {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            count = self.none.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
