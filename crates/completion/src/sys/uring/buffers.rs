//! The provided-buffer ring: receive buffers posted ahead, of which the kernel takes one when bytes are there.
//!
//! It exists because a connection that waits for bytes then holds no buffer: a thousand idle ones share these few.
//! A posted buffer is an ordinary one of the pool; what completes becomes a chunk, and another takes its number.
//!
//! Invariants: a buffer's number is its place in the ring; no buffer leaves `posted` but through the completion
//! that names its number, or after the kernel has given up the ring (`close`); a place is filled again only then.
//! Limit: `POSTED_MAX` buffers, fewer if the pool has fewer. With none posted a receive ends with `ENOBUFS`.
//! Read next: `receive.rs`.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::ring::Ring;
use crate::pool::{Buffer, Stock};

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
    /// How many.
    count: usize,
    /// As many as the pool would lend at most.
    wanted: usize,
    /// Counts on for ever; the entry to fill next is what is left of it modulo their number.
    tail: u16,
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
            count: 0,
            wanted,
            tail: 0,
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
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Once half of them are used up, posts as many more as are wanted and the stock has. The other half leaves room
    /// for what comes back by itself, when a chunk was sent on.
    #[inline]
    pub(super) fn refill(&mut self, stock: &mut Stock) {
        if self.count > self.wanted / 2 {
            return;
        }
        while self.count < self.wanted
            && let Some(buffer) = stock.take(0)
        {
            if let Some(buffer) = self.post(buffer) {
                return stock.put(buffer);
            }
        }
    }

    /// Posts a buffer, which the kernel sees after `publish`. Without a place it comes back: as many are posted as are
    /// wanted, or completions come out of order and the next place is still filled.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    pub(super) fn post(&mut self, mut buffer: Buffer) -> Option<Buffer> {
        let at = usize::from(self.tail) & (self.posted.len() - 1);
        let place = &mut self.posted[at];
        if place.is_some() || self.count >= self.wanted {
            return Some(buffer);
        }
        // SAFETY: `at` is below the number of entries. The kernel does not read this one before `publish`: with no
        // buffer in its place it was read for the last time when its completion was made.
        let entry = unsafe { self.entries.add(at).as_mut() };
        let bytes = buffer.bytes_mut();
        entry.set_addr(bytes.as_mut_ptr() as u64);
        entry.set_len(bytes.len() as u32);
        entry.set_bid(at as u16);
        *place = Some(buffer);
        self.count += 1;
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
        self.count -= 1;
        buffer.expect("invariant: the kernel names posted buffers")
    }

    /// Takes the ring of buffers from the kernel, and then the buffers out of it.
    pub(super) fn close(&mut self, ring: &Ring) {
        let closed = ring.submitter().unregister_buf_ring(GROUP);
        let mut posted = std::mem::take(&mut self.posted);
        if let Err(error) = closed {
            // Never seen; the kernel may still write there, so the memory is given up for good.
            tracing::error!(%error, "the receive buffers could not be taken back");
            posted.iter_mut().filter_map(Option::take).for_each(std::mem::forget);
            self.layout = Layout::new::<()>();
        }
        drop(posted);
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
