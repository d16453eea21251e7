//! The provided-buffer ring: receive buffers posted ahead, of which the kernel takes one when bytes are there.
//!
//! It exists because a connection that waits for bytes then holds no buffer: a thousand idle ones share these few.
//! A posted buffer is an ordinary one of the pool; what completes becomes a chunk, and another takes its number.
//!
//! Invariants: a number is either free or has its buffer here in `posted`, and no buffer leaves `posted` but
//! through the completion that names its number, or after the kernel has given up the ring (`close`).
//! Limit: `POSTED_MAX` buffers, fewer if the pool has fewer. With none posted a receive ends with `ENOBUFS`.
//! Read next: `receive.rs`.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::ring::Ring;
use crate::pool::{Buffer, Pool};

/// The only group of buffers in a ring.
pub(super) const GROUP: u16 = 0;
/// Few enough to be still in the cache when they come round again, enough for a batch.
const POSTED_MAX: usize = 256;
const PAGE_BYTES: usize = 4096;

pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    /// By number.
    posted: Box<[Option<Buffer>]>,
    /// Numbers without a buffer.
    vacant: Vec<u16>,
    /// Counts on for ever; the entry to fill next is what is left of it modulo their number.
    tail: u16,
    /// As many as the pool would lend at most.
    wanted: usize,
}

// SAFETY: the entries are this value's own memory, and nothing else points to them but the kernel.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Registers an empty ring of buffers.
    pub(super) fn new(ring: &Ring, buffers_max: usize) -> io::Result<Buffers> {
        let wanted = buffers_max.min(POSTED_MAX);
        let count = wanted.next_power_of_two();
        let layout = Layout::from_size_align(count * size_of::<BufRingEntry>(), PAGE_BYTES)
            .expect("invariant: a few thousand bytes are a layout");
        // SAFETY: the layout is not empty, as at least one buffer is wanted.
        let memory = unsafe { alloc_zeroed(layout) };
        #[allow(clippy::cast_ptr_alignment)] // Aligned to a page.
        let entries = NonNull::new(memory.cast::<BufRingEntry>());
        let Some(entries) = entries else { handle_alloc_error(layout) };
        let buffers = Buffers {
            entries,
            layout,
            posted: std::iter::repeat_with(|| None).take(count).collect(),
            vacant: (0..count as u16).rev().collect(),
            tail: 0,
            wanted,
        };
        // SAFETY: the memory is page-aligned, has room for `count` entries and lives until `close` has taken the
        // registration back.
        unsafe {
            let address = entries.as_ptr() as u64;
            ring.submitter().register_buf_ring_with_flags(address, count as u16, GROUP, 0)?;
        }
        Ok(buffers)
    }

    /// How many are posted.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.posted.len() - self.vacant.len()
    }

    /// Posts as many more as are wanted and the pool has.
    pub(super) fn refill(&mut self, pool: &Pool) {
        let missing = self.wanted - self.count();
        if missing > 0 {
            pool.lend(missing).for_each(|buffer| drop(self.post(buffer)));
            self.publish();
        }
    }

    /// Posts a buffer; one more than wanted comes back. The kernel sees it after `publish`.
    #[inline]
    pub(super) fn post(&mut self, mut buffer: Buffer) -> Option<Buffer> {
        if self.count() >= self.wanted {
            return Some(buffer);
        }
        let Some(number) = self.vacant.pop() else { return Some(buffer) };
        let at = usize::from(self.tail) & (self.posted.len() - 1);
        // SAFETY: `at` is below the number of entries, and the kernel does not read the entry before `publish`: it
        // lies behind the published tail, where at most `wanted` of `posted.len()` entries are in use.
        let entry = unsafe { self.entries.add(at).as_mut() };
        entry.set_addr(buffer.as_mut_ptr() as u64);
        entry.set_len(buffer.len() as u32);
        entry.set_bid(number);
        self.posted[usize::from(number)] = Some(buffer);
        self.tail = self.tail.wrapping_add(1);
        None
    }

    /// Lets the kernel see what was posted.
    #[inline]
    pub(super) fn publish(&mut self) {
        // SAFETY: the first entry is valid, and its tail field is an aligned `u16` that the kernel only reads.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// The buffer of a completed receive.
    #[inline]
    pub(super) fn take(&mut self, number: u16) -> Buffer {
        let buffer = self.posted[usize::from(number)].take();
        self.vacant.push(number);
        buffer.expect("invariant: the kernel names posted buffers")
    }

    /// Takes the ring of buffers from the kernel, and then the buffers out of it.
    pub(super) fn close(&mut self, ring: &Ring) -> impl Iterator<Item = Buffer> {
        let closed = ring.submitter().unregister_buf_ring(GROUP);
        let mut posted = std::mem::take(&mut self.posted);
        if let Err(error) = closed {
            // Never seen; the kernel may still write there, so the memory is given up for good.
            tracing::error!(%error, "the receive buffers could not be taken back");
            posted.iter_mut().filter_map(Option::take).for_each(std::mem::forget);
            self.layout = Layout::new::<()>();
        }
        posted.into_iter().flatten()
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: allocated with this layout; `close` has taken the registration back, or the ring was never
            // registered.
            unsafe { dealloc(self.entries.as_ptr().cast(), self.layout) };
        }
    }
}
