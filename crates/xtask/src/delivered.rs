//! The chats of a report: how many somebody should have heard, and how many came.
//!
//! Why: every run of players ends with this figure, and each who reads a report judges it alike.
//!
//! Read next: the report's contract, in `docs/architecture.md`.

use std::fmt;

use anyhow::{Result, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Delivered {
    expected: u64,
    received: u64,
    duplicated: u64,
    out_of_order: u64,
}

impl Delivered {
    /// Somebody spoke, and everybody heard it once, in order.
    pub(crate) fn judge(&self) -> Result<()> {
        let Self { expected, received, duplicated, out_of_order } = self;
        ensure!(*expected > 0, "delivered.expected is 0: nobody spoke");
        ensure!(received == expected, "delivered.received is {received}, expected {expected}");
        ensure!(*duplicated == 0, "delivered.duplicated is {duplicated}");
        ensure!(*out_of_order == 0, "delivered.out_of_order is {out_of_order}");
        Ok(())
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} chats delivered", self.received, self.expected)
    }
}
