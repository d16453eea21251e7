//! Receive buffers, and the [`Chunk`] that carries one to its reader.
//!
//! One pool for each worker. A buffer is allocated at first need, up to the worker's share of
//! `receive_buffers_max`, and reused last-in first-out, while it is still in the cache. A chunk goes back to
//! its pool where it is dropped, on any thread; idle connections hold none. The worker itself keeps some at hand
//! ([`Stock`]), so that it takes no lock for a message.
//!
//! Invariant: a worker that said somebody waits for a buffer ([`Stock::await_one`]) has a turn when there is one. If
//! it comes back to the pool, it rings; saying and returning look under one lock, so no return falls between the
//! look and the sleep. If it comes to the worker's own stock, the worker does not sleep ([`Stock::is_owed_a_turn`]).
//! Limit: `buffers_max`; a taker beyond it gets nothing and may wait for that turn.
//! Read next: `sys/mio/read.rs` and `sys/uring/buffers.rs`, the takers.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::command::Signal;
#[cfg(feature = "buffer-ways")]
use crate::config::Ways;
use crate::stats::{Stats, WorkerCounters};
#[cfg(feature = "buffer-ways")]
use crate::ways::Other;

/// How many buffers a worker gets at once when it has none at hand.
const LENT_AT_ONCE: usize = 16;

/// A receive buffer, as large as the config says. One pointer, because it moves from hand to hand.
pub(crate) struct Buffer(Box<Content>);

struct Content {
    bytes: Box<[u8]>,
    /// How much of it is filled.
    len: usize,
    home: Weak<Pool>,
    /// Which pool that is: an address to compare, not to follow.
    home_address: usize,
    #[cfg(feature = "buffer-ways")]
    slot: u32,
}

impl Buffer {
    pub(crate) fn new(bytes: Box<[u8]>, home: Weak<Pool>) -> Buffer {
        let home_address = home.as_ptr().addr();
        Buffer(Box::new(Content {
            bytes,
            len: 0,
            home,
            home_address,
            #[cfg(feature = "buffer-ways")]
            slot: 0,
        }))
    }

    #[cfg(feature = "buffer-ways")]
    pub(crate) fn slot(&self) -> u32 {
        self.0.slot
    }

    #[cfg(feature = "buffer-ways")]
    pub(crate) fn set_slot(&mut self, slot: u32) {
        self.0.slot = slot;
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }

    /// A buffer without a pool.
    #[cfg(target_os = "linux")]
    pub(crate) fn loose(bytes: usize) -> Buffer {
        Buffer::new(vec![0; bytes].into_boxed_slice(), Weak::new())
    }
}

/// The receive buffers of one worker.
pub(crate) struct Pool {
    free: Mutex<Free>,
    buffer_bytes: usize,
    buffers_max: usize,
    signal: Arc<Signal>,
    /// Itself, for the buffers it makes.
    home: Weak<Pool>,
}

#[derive(Default)]
struct Free {
    buffers: Vec<Buffer>,
    /// How many there are, wherever they are.
    made: usize,
    /// Of dropped chunks; the worker counts those that it took itself, and took back itself.
    returned: u64,
    /// The next one that comes back rings.
    awaited: bool,
}

impl Pool {
    pub(crate) fn new(buffer_bytes: usize, buffers_max: usize, signal: Arc<Signal>) -> Arc<Pool> {
        let free = Mutex::default();
        let home = |home: &Weak<Pool>| Pool { free, buffer_bytes, buffers_max, signal, home: home.clone() };
        Arc::new_cyclic(home)
    }

    /// Up to `count` buffers, as many as there are.
    fn lend(&self, count: usize, into: &mut Vec<Buffer>) {
        let mut free = self.lock();
        into.extend((0..count).map_while(|_| self.one_of(&mut free)));
    }

    /// Rings when a buffer comes back, or now if one has come already.
    fn await_one(&self) {
        let mut free = self.lock();
        if free.buffers.is_empty() {
            free.awaited = true;
        } else {
            drop(free);
            self.signal.ring();
        }
    }

    fn one_of(&self, free: &mut Free) -> Option<Buffer> {
        if let Some(buffer) = free.buffers.pop() {
            return Some(buffer);
        }
        if free.made < self.buffers_max {
            free.made += 1;
            return Some(Buffer::new(vec![0; self.buffer_bytes].into_boxed_slice(), self.home.clone()));
        }
        None
    }

    /// The buffer of a dropped chunk.
    fn give_back(&self, buffer: Buffer) {
        let mut free = self.lock();
        free.buffers.push(buffer);
        free.returned += 1;
        let is_awaited = std::mem::take(&mut free.awaited);
        drop(free);
        if is_awaited {
            self.signal.ring();
        }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.buffers.returned += self.lock().returned;
    }

    /// Every change under the lock is whole before anything can panic, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's own end of its pool: buffers at hand, without a lock.
///
/// What is here is in nobody's use; a buffer counts as taken while a chunk is made of it.
pub(crate) struct Stock {
    pool: Arc<Pool>,
    address: usize,
    at_hand: Vec<Buffer>,
    /// Somebody waits for a buffer: with one at hand the worker does not sleep.
    awaited: bool,
    taken: u64,
    returned: u64,
    #[cfg(feature = "buffer-ways")]
    other: Other,
}

impl Stock {
    pub(crate) fn new(pool: Arc<Pool>) -> Stock {
        let address = Arc::as_ptr(&pool).addr();
        Stock {
            pool,
            address,
            at_hand: Vec::new(),
            awaited: false,
            taken: 0,
            returned: 0,
            #[cfg(feature = "buffer-ways")]
            other: Other::default(),
        }
    }

    /// Manages buffers in another way.
    #[cfg(feature = "buffer-ways")]
    pub(crate) fn set_way(&mut self, way: Ways) {
        self.other = Other::new(way, self.pool.buffer_bytes);
    }

    /// Whether `take` would give one.
    pub(crate) fn has_one(&mut self) -> bool {
        #[cfg(feature = "buffer-ways")]
        if self.other.is_in_charge() {
            return true;
        }
        if self.at_hand.is_empty() {
            self.pool.lend(LENT_AT_ONCE, &mut self.at_hand);
        }
        !self.at_hand.is_empty()
    }

    /// Somebody found none: as soon as there is one, wherever it comes from, the worker has a turn.
    pub(crate) fn await_one(&mut self) {
        self.awaited = true;
        self.pool.await_one();
    }

    /// Whether somebody waits and a buffer has come back here: told once, to a worker that would sleep.
    #[inline]
    pub(crate) fn is_owed_a_turn(&mut self) -> bool {
        self.awaited && !self.at_hand.is_empty() && std::mem::take(&mut self.awaited)
    }

    /// A buffer, if there is one. The slot of the connection it is for matters only to the other ways that a bench
    /// compares.
    #[inline]
    #[cfg_attr(not(feature = "buffer-ways"), allow(unused_variables))]
    pub(crate) fn take(&mut self, slot: u32) -> Option<Buffer> {
        #[cfg(feature = "buffer-ways")]
        if self.other.is_in_charge() {
            return Some(self.other.take(slot));
        }
        if self.at_hand.is_empty() {
            self.pool.lend(LENT_AT_ONCE, &mut self.at_hand);
        }
        self.at_hand.pop()
    }

    /// A buffer of which no chunk was made, or whose chunk was reclaimed.
    #[inline]
    pub(crate) fn put(&mut self, buffer: Buffer) {
        #[cfg(feature = "buffer-ways")]
        if self.other.is_in_charge() {
            return self.other.put(buffer);
        }
        self.at_hand.push(buffer);
    }

    /// Makes a chunk of the first `len` bytes.
    #[inline]
    pub(crate) fn chunk(&mut self, mut buffer: Buffer, len: usize) -> Chunk {
        debug_assert!(len <= buffer.0.bytes.len());
        buffer.0.len = len;
        self.taken += 1;
        Chunk { buffer: Some(buffer) }
    }

    /// The buffer of a chunk, without a way through the pool, if it is one of it.
    #[inline]
    pub(crate) fn reclaim(&mut self, chunk: &mut Chunk) -> Option<Buffer> {
        #[cfg(feature = "buffer-ways")]
        if self.other.is_in_charge() {
            self.returned += 1;
            return chunk.buffer.take();
        }
        let home = self.address;
        let buffer = chunk.buffer.take_if(|buffer| buffer.0.home_address == home)?;
        self.returned += 1;
        Some(buffer)
    }

    /// Tells everybody what was taken and returned here.
    pub(crate) fn publish(&mut self, counters: &WorkerCounters) {
        counters.buffers_taken.add(std::mem::take(&mut self.taken));
        counters.buffers_returned.add(std::mem::take(&mut self.returned));
    }
}

/// Bytes as received. Read it as a slice; dropping it gives the buffer back, on any thread.
pub struct Chunk {
    /// None: the peer has finished sending.
    buffer: Option<Buffer>,
}

impl Chunk {
    /// In bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.0.len)
    }

    /// Whether the peer has finished sending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The peer has finished sending.
    pub(crate) fn end() -> Chunk {
        Chunk { buffer: None }
    }
}

/// A chunk that belongs to no pool, for the tests of what stands above this layer.
impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        let mut buffer = Buffer::new(bytes.into_boxed_slice(), Weak::new());
        buffer.0.len = buffer.0.bytes.len();
        Chunk { buffer: Some(buffer) }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |Buffer(content)| &content.bytes[..content.len])
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            go_home(buffer);
        }
    }
}

/// To its pool, if that is still there.
fn go_home(buffer: Buffer) {
    if let Some(pool) = buffer.0.home.upgrade() {
        pool.give_back(buffer);
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
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
        (poll, Pool::new(8, buffers_max, Arc::new(signal)))
    }

    fn counts(pool: &Pool, stock: &mut Stock) -> (u64, u64) {
        let (mut stats, counters) = (Stats::default(), WorkerCounters::default());
        pool.add_to(&mut stats);
        stock.publish(&counters);
        counters.add_to(&mut stats);
        (stats.buffers.taken, stats.buffers.returned)
    }

    #[test]
    fn a_chunk_returns_its_buffer_from_any_thread() {
        let (_poll, pool) = polled_pool(1);
        let mut stock = Stock::new(Arc::clone(&pool));
        let buffer = stock.take(0).unwrap();
        let chunk = stock.chunk(buffer, 3);
        assert_eq!(&chunk[..], &[0, 0, 0]);
        assert!(stock.take(0).is_none());
        std::thread::scope(|scope| {
            scope.spawn(move || drop(chunk));
        });
        let buffer = stock.take(0).unwrap();
        stock.put(buffer);
        assert_eq!(counts(&pool, &mut stock), (1, 1));
    }

    #[test]
    fn a_worker_reclaims_its_own_chunks_and_no_others() {
        let (_poll, pool) = polled_pool(1);
        let mut stock = Stock::new(Arc::clone(&pool));
        let buffer = stock.take(0).unwrap();
        let mut chunk = stock.chunk(buffer, 3);
        let buffer = stock.reclaim(&mut chunk).unwrap();
        stock.put(buffer);
        assert!(chunk.is_empty());
        assert!(stock.reclaim(&mut Chunk::from(vec![1, 2])).is_none());
        assert!(stock.take(0).is_some() && stock.take(0).is_none());
        assert_eq!(counts(&pool, &mut stock), (1, 1));
    }

    #[test]
    fn a_starving_worker_is_woken_once() {
        let (mut waits, pool) = polled_pool(2);
        let mut stock = Stock::new(Arc::clone(&pool));
        let buffers = [stock.take(0).unwrap(), stock.take(0).unwrap()];
        let held = buffers.map(|buffer| stock.chunk(buffer, 1));
        assert!(stock.take(0).is_none());
        stock.await_one();
        assert!(pool.signal.fall_asleep());
        drop(held);
        let mut events = mio::Events::with_capacity(4);
        waits.poll(&mut events, Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn a_buffer_that_came_before_the_wait_is_not_waited_for() {
        let (_poll, pool) = polled_pool(1);
        let mut stock = Stock::new(Arc::clone(&pool));
        let buffer = stock.take(0).unwrap();
        let chunk = stock.chunk(buffer, 1);
        assert!(!stock.has_one());
        drop(chunk);
        stock.await_one();
        assert!(!pool.signal.fall_asleep(), "a turn is asked for");
    }

    #[test]
    fn a_buffer_at_hand_owes_a_turn_to_those_who_wait() {
        let (_poll, pool) = polled_pool(1);
        let mut stock = Stock::new(Arc::clone(&pool));
        let buffer = stock.take(0).unwrap();
        assert!(!stock.has_one());
        stock.put(buffer);
        assert!(!stock.is_owed_a_turn(), "nobody waits");
        let buffer = stock.take(0).unwrap();
        stock.await_one();
        assert!(!stock.is_owed_a_turn(), "there is none");
        stock.put(buffer);
        assert!(stock.is_owed_a_turn());
        assert!(!stock.is_owed_a_turn(), "told once");
    }

    #[test]
    fn a_chunk_without_a_pool_is_only_bytes() {
        assert_eq!(&Chunk::from(vec![1, 2])[..], &[1, 2]);
        assert!(Chunk::end().is_empty());
    }
}
