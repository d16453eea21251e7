//! The state of each connection, in slots that are used again and again.
//!
//! A slab of contexts and a list of the free ones. A slot's generation changes when it comes back, so an id
//! of its earlier use finds nothing. A context is small and its send queue owns memory only while something
//! waits: an idle connection costs these few bytes and the backend's.
//!
//! Invariants: a context is clean when it is taken (asserted) and cleaned when it is given back.
//! Limits: as many as `connections_max` admits; the slab grows with the most that ever were.
//! Read next: `core.rs`, which moves contexts from phase to phase.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::hooks::Reason;
use crate::id::{ConnId, SLOTS_MAX};
use crate::load::Way;
use crate::sys::Receive;

/// Emptied queues kept for the next connection that sends, so that sending allocates nothing.
const SPARE_QUEUES_MAX: usize = 64;
/// A queue that grew beyond this many parts gives its memory back.
const SPARE_QUEUE_PARTS_MAX: usize = 256;
/// What a queued part costs beside its bytes, counted against the wall so that many tiny parts reach it too.
const PART_OVERHEAD_BYTES: usize = 64;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In the pool.
    Free,
    /// Being established by `connect`.
    Connecting { token: u64 },
    /// `connected` was said.
    Open,
    /// `close` was asked; the queue goes out.
    Flushing,
    /// Our half is shut; what the peer still sends is discarded until its end.
    Lingering,
    /// Over; `disconnected` will be said at the end of the turn.
    Ended(Reason),
    /// Never established; goes back without a word.
    Unopened,
}

/// One connection.
#[allow(clippy::struct_excessive_bools)] // Independent facts, each set in one place; not states of one thing.
pub(crate) struct Context {
    pub(crate) phase: Phase,
    pub(crate) queue: SendQueue,
    generation: u32,
    way: Way,
    /// Reading was paused by a verb.
    pub(crate) paused: bool,
    /// The peer's end was read.
    pub(crate) peer_finished: bool,
    /// The peer's end was read before we closed.
    pub(crate) peer_finished_first: bool,
    /// A send is under way at the backend.
    pub(crate) sending: bool,
    /// The slot is on the list of those to settle at the end of the turn.
    pub(crate) attention: bool,
    /// A linger deadline is set.
    pub(crate) deadline_set: bool,
    /// The socket took bytes since the linger deadline was set.
    pub(crate) progressed: bool,
}

impl Context {
    fn new() -> Context {
        Context {
            phase: Phase::Free,
            queue: SendQueue::default(),
            generation: 1,
            way: Way::Out,
            paused: false,
            peer_finished: false,
            peer_finished_first: false,
            sending: false,
            attention: false,
            deadline_set: false,
            progressed: false,
        }
    }

    /// What the backend should do with bytes that arrive now.
    pub(crate) fn receive(&self) -> Receive {
        match self.phase {
            _ if self.peer_finished => Receive::Off,
            Phase::Open if !self.paused => Receive::Deliver,
            Phase::Flushing | Phase::Lingering => Receive::Discard,
            _ => Receive::Off,
        }
    }

    fn is_clean(&self) -> bool {
        self.phase == Phase::Free && self.queue.is_empty() && !self.sending && !self.peer_finished
    }
}

/// Bytes on their way to one socket.
#[derive(Default)]
pub(crate) struct SendQueue {
    parts: VecDeque<Bytes>,
    bytes: usize,
}

impl SendQueue {
    pub(crate) fn parts(&self) -> &VecDeque<Bytes> {
        &self.parts
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What the queue holds in memory, roughly.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes + self.parts.len() * PART_OVERHEAD_BYTES
    }

    fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.parts.push_back(bytes);
    }

    fn advance(&mut self, mut bytes: usize) {
        debug_assert!(bytes <= self.bytes);
        self.bytes -= bytes;
        while let Some(front) = self.parts.front_mut() {
            if front.len() > bytes {
                front.advance(bytes);
                return;
            }
            bytes -= front.len();
            self.parts.pop_front();
        }
    }
}

/// All contexts of one worker.
pub(crate) struct Slots {
    worker: usize,
    contexts: Vec<Context>,
    free: Vec<u32>,
    spare_queues: Vec<VecDeque<Bytes>>,
}

impl Slots {
    pub(crate) fn new(worker: usize) -> Slots {
        Slots { worker, contexts: Vec::new(), free: Vec::new(), spare_queues: Vec::new() }
    }

    /// Takes a context from the pool.
    pub(crate) fn take(&mut self, phase: Phase, way: Way) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            assert!(self.contexts.len() < SLOTS_MAX, "invariant: connections_max admits at most SLOTS_MAX");
            self.contexts.push(Context::new());
            self.contexts.len() as u32 - 1
        });
        let context = &mut self.contexts[slot as usize];
        assert!(context.is_clean(), "invariant: a context is cleaned before it goes back");
        context.phase = phase;
        context.way = way;
        ConnId::new(self.worker, slot, context.generation)
    }

    /// Returns a context, and says which way its connection came; its id is stale from now on.
    pub(crate) fn give_back(&mut self, conn: ConnId) -> Option<Way> {
        let context = self.get(conn)?;
        let way = context.way;
        let parts = std::mem::take(&mut context.queue.parts);
        let generation = context.generation.checked_add(1).unwrap_or(1);
        *context = Context { generation, ..Context::new() };
        self.keep_spare(parts);
        self.free.push(conn.slot());
        Some(way)
    }

    /// The context of a connection that is still there.
    pub(crate) fn get(&mut self, conn: ConnId) -> Option<&mut Context> {
        let context = self.contexts.get_mut(conn.slot() as usize)?;
        let is_it = conn.worker() == self.worker && context.generation == conn.generation();
        (is_it && context.phase != Phase::Free).then_some(context)
    }

    /// The connection that has this slot now.
    pub(crate) fn occupant(&self, slot: u32) -> Option<ConnId> {
        let context = self.contexts.get(slot as usize)?;
        (context.phase != Phase::Free).then(|| ConnId::new(self.worker, slot, context.generation))
    }

    /// Everyone there is.
    pub(crate) fn occupants(&self) -> impl Iterator<Item = ConnId> {
        (0..self.contexts.len() as u32).filter_map(|slot| self.occupant(slot))
    }

    /// Appends to a connection's queue, lending it memory if it has none.
    pub(crate) fn enqueue(&mut self, conn: ConnId, bytes: Bytes) {
        let spare = &mut self.spare_queues;
        let Some(context) = self.contexts.get_mut(conn.slot() as usize) else { return };
        if context.queue.parts.capacity() == 0
            && let Some(parts) = spare.pop()
        {
            context.queue.parts = parts;
        }
        context.queue.push(bytes);
    }

    /// The socket took bytes; an emptied queue's memory is taken back.
    pub(crate) fn advance(&mut self, conn: ConnId, bytes: usize) {
        let Some(context) = self.get(conn) else { return };
        context.queue.advance(bytes);
        context.progressed |= bytes > 0;
        if context.queue.is_empty() {
            let parts = std::mem::take(&mut context.queue.parts);
            self.keep_spare(parts);
        }
    }

    fn keep_spare(&mut self, mut parts: VecDeque<Bytes>) {
        let fits = (1..=SPARE_QUEUE_PARTS_MAX).contains(&parts.capacity());
        if fits && self.spare_queues.len() < SPARE_QUEUES_MAX {
            parts.clear();
            self.spare_queues.push(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_stale_once_its_slot_came_back() {
        let mut slots = Slots::new(3);
        let first = slots.take(Phase::Open, Way::In);
        slots.give_back(first);
        assert!(slots.get(first).is_none());
        let second = slots.take(Phase::Open, Way::In);
        assert_eq!((first.slot(), first.generation() + 1), (second.slot(), second.generation()));
        assert!(slots.get(first).is_none() && slots.get(second).is_some());
        let elsewhere = ConnId::new(2, second.slot(), second.generation());
        assert!(slots.get(elsewhere).is_none());
        slots.give_back(second);
        assert_eq!(slots.occupants().count(), 0);
    }

    #[test]
    fn generations_never_become_zero() {
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        slots.contexts[0].generation = u32::MAX;
        slots.give_back(ConnId::new(0, conn.slot(), u32::MAX));
        assert_eq!(slots.take(Phase::Open, Way::In).generation(), 1);
    }

    #[test]
    fn a_queue_advances_at_every_byte() {
        for cut in 0..=6 {
            let mut slots = Slots::new(0);
            let conn = slots.take(Phase::Open, Way::In);
            for part in [&b"ab"[..], b"c", b"def"] {
                slots.enqueue(conn, Bytes::from_static(part));
            }
            slots.advance(conn, cut);
            let queue = &slots.get(conn).unwrap().queue;
            let left: Vec<u8> = queue.parts().iter().flatten().copied().collect();
            assert_eq!((left.as_slice(), queue.bytes()), (&b"abcdef"[cut..], 6 - cut));
        }
    }

    #[test]
    fn an_idle_context_is_small_and_owns_no_queue() {
        assert!(size_of::<Context>() <= 80, "{}", size_of::<Context>());
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        slots.enqueue(conn, Bytes::from_static(b"x"));
        slots.advance(conn, 1);
        assert_eq!(slots.get(conn).unwrap().queue.parts.capacity(), 0);
        assert_eq!(slots.spare_queues.len(), 1);
    }
}
