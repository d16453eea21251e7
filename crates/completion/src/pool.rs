//! Receive buffers, and the [`Chunk`] that carries one to its reader.
//!
//! One pool for each worker. A buffer is allocated at first need, up to the worker's share of
//! `receive_buffers_max`, and reused last-in first-out, while it is still in the cache. A chunk goes back to
//! its pool where it is dropped, on any thread; idle connections hold none. A backend that posts buffers ahead of
//! the bytes borrows them (`lend`): they count as taken once a chunk is made of them (`count`).
//!
//! Invariant: a worker that found the pool empty is woken by the next buffer that comes back. Taking and
//! returning look at `starving` under one lock, so no return falls between the look and the wait.
//! Limit: `buffers_max`; a taker beyond it gets nothing and waits for that wake.
//! Read next: `sys/mio/read.rs` and `sys/uring/buffers.rs`, the takers.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::command::Signal;
use crate::stats::Stats;

/// A receive buffer, as large as the config says.
pub(crate) type Buffer = Box<[u8]>;

/// The receive buffers of one worker.
pub(crate) struct Pool {
    free: Mutex<Free>,
    buffer_bytes: usize,
    buffers_max: usize,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct Free {
    buffers: Vec<Buffer>,
    /// How many there are, wherever they are.
    made: usize,
    taken: u64,
    returned: u64,
    starved: u64,
    starving: bool,
}

impl Pool {
    pub(crate) fn new(buffer_bytes: usize, buffers_max: usize, signal: Arc<Signal>) -> Pool {
        Pool { free: Mutex::default(), buffer_bytes, buffers_max, signal }
    }

    /// A buffer for a chunk, or `None` and a wake when the next one comes back.
    pub(crate) fn take(&self) -> Option<Buffer> {
        let mut free = self.lock();
        let buffer = self.one_of(&mut free)?;
        free.taken += 1;
        Some(buffer)
    }

    /// As many buffers as there are, up to `count`, for posting ahead; fewer: a wake when the next one comes back.
    pub(crate) fn lend(&self, count: usize) -> impl Iterator<Item = Buffer> {
        let mut free = self.lock();
        (0..count).map_while(move |_| self.one_of(&mut free))
    }

    /// Takes back what was lent and of which no chunk was made.
    pub(crate) fn take_back(&self, unused: impl IntoIterator<Item = Buffer>) {
        self.lock().buffers.extend(unused);
    }

    /// How many chunks were made of lent buffers, and how many of these buffers were lent anew without coming back,
    /// since the last call.
    pub(crate) fn count(&self, taken: u64, returned: u64) {
        let mut free = self.lock();
        free.taken += taken;
        free.returned += returned;
    }

    fn one_of(&self, free: &mut Free) -> Option<Buffer> {
        if let Some(buffer) = free.buffers.pop() {
            return Some(buffer);
        }
        if free.made < self.buffers_max {
            free.made += 1;
            return Some(vec![0; self.buffer_bytes].into_boxed_slice());
        }
        free.starving = true;
        free.starved += 1;
        None
    }

    pub(crate) fn give_back(&self, buffer: Buffer) {
        self.give_back_all([buffer]);
    }

    /// Buffers of dropped chunks.
    pub(crate) fn give_back_all(&self, buffers: impl IntoIterator<Item = Buffer>) {
        let mut free = self.lock();
        let before = free.buffers.len();
        free.buffers.extend(buffers);
        free.returned += (free.buffers.len() - before) as u64;
        let wake = free.buffers.len() > before && std::mem::take(&mut free.starving);
        drop(free);
        if wake {
            self.signal.ring();
        }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let free = self.lock();
        stats.buffers.taken += free.taken;
        stats.buffers.returned += free.returned;
        stats.starved += free.starved;
    }

    /// Every change under the lock is whole before anything can panic, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes as received. Read it as a slice; dropping it gives the buffer back, on any thread.
pub struct Chunk {
    buffer: Buffer,
    len: usize,
    pool: Option<Arc<Pool>>,
}

impl Chunk {
    /// The first `len` bytes of a buffer of `pool`.
    pub(crate) fn pooled(buffer: Buffer, len: usize, pool: &Arc<Pool>) -> Chunk {
        debug_assert!(len <= buffer.len());
        Chunk { buffer, len, pool: Some(Arc::clone(pool)) }
    }

    /// The buffer, if it is one of `pool`: for its worker, which need not go through the pool. The caller counts it
    /// as returned.
    #[inline]
    pub(crate) fn reclaim(mut self, pool: &Arc<Pool>) -> Option<Buffer> {
        self.pool.take_if(|own| Arc::ptr_eq(own, pool))?;
        Some(std::mem::take(&mut self.buffer))
    }

    /// The peer has finished sending.
    pub(crate) fn end() -> Chunk {
        Chunk::from(Vec::new())
    }
}

/// A chunk that belongs to no pool, for the tests of what stands above this layer.
impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk { len: bytes.len(), buffer: bytes.into_boxed_slice(), pool: None }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_back(std::mem::take(&mut self.buffer));
        }
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Waker;

    fn polled_pool(buffers_max: usize) -> (mio::Poll, Arc<Pool>) {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let signal = Signal::new(Waker::Mio(waker));
        (poll, Arc::new(Pool::new(8, buffers_max, Arc::new(signal))))
    }

    #[test]
    fn a_chunk_returns_its_buffer_from_any_thread() {
        let (_poll, pool) = polled_pool(1);
        let chunk = Chunk::pooled(pool.take().unwrap(), 3, &pool);
        assert_eq!(&chunk[..], &[0, 0, 0]);
        assert!(pool.take().is_none());
        std::thread::scope(|scope| {
            scope.spawn(move || drop(chunk));
        });
        assert!(pool.take().is_some());
        let mut stats = Stats::default();
        pool.add_to(&mut stats);
        assert_eq!((stats.buffers.taken, stats.buffers.returned, stats.starved), (2, 1, 1));
    }

    #[test]
    fn a_starving_worker_is_woken_once() {
        let (mut waits, pool) = polled_pool(2);
        let held = [pool.take().unwrap(), pool.take().unwrap()];
        assert!(pool.take().is_none());
        assert!(pool.signal.fall_asleep());
        for buffer in held {
            pool.give_back(buffer);
        }
        let mut events = mio::Events::with_capacity(4);
        waits.poll(&mut events, Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn a_chunk_without_a_pool_is_only_bytes() {
        assert_eq!(&Chunk::from(vec![1, 2])[..], &[1, 2]);
        assert!(Chunk::end().is_empty());
    }
}
