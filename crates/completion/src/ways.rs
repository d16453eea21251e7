//! Two ways to manage receive buffers that we did not take, behind the seam of [`Stock`](crate::pool::Stock).
//!
//! They are here to be measured (`cargo xtask bench buffers`), on the mio engine, and are compiled for that alone.
//! Limits: made for each operation, or kept by each connection, buffers are bounded only by the connections.
//! Read next: `pool.rs`.

use std::sync::Weak;

use crate::config::Ways;
use crate::pool::Buffer;

/// What a stock does in place of its list.
#[derive(Default)]
pub(crate) struct Other {
    way: Ways,
    buffer_bytes: usize,
    by_slot: Vec<Option<Buffer>>,
}

impl Other {
    pub(crate) fn new(way: Ways, buffer_bytes: usize) -> Other {
        Other { way, buffer_bytes, by_slot: Vec::new() }
    }

    pub(crate) fn is_in_charge(&self) -> bool {
        self.way != Ways::List
    }

    pub(crate) fn take(&mut self, slot: u32) -> Buffer {
        let kept = self.by_slot.get_mut(slot as usize).and_then(Option::take);
        let mut buffer =
            kept.unwrap_or_else(|| Buffer::new(vec![0; self.buffer_bytes].into_boxed_slice(), Weak::new()));
        buffer.set_slot(slot);
        buffer
    }

    pub(crate) fn put(&mut self, buffer: Buffer) {
        if self.way == Ways::Connection {
            let slot = buffer.slot() as usize;
            if slot >= self.by_slot.len() {
                self.by_slot.resize_with(slot + 1, || None);
            }
            self.by_slot[slot] = Some(buffer);
        }
    }
}
