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

use crate::hooks::Reason;
use crate::id::{ConnId, SLOTS_MAX};
use crate::load::Way;
use crate::payload::Payload;
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
    /// Who has this slot now; [`ConnId::NONE`] in the pool. One comparison finds out whether an id is stale.
    conn: ConnId,
    pub(crate) phase: Phase,
    pub(crate) queue: SendQueue,
    /// Of the next use of this slot.
    generation: u32,
    way: Way,
    /// Reading was paused by a verb.
    pub(crate) paused: bool,
    /// The peer's end was read.
    pub(crate) peer_finished: bool,
    /// The peer's end was read before we closed.
    pub(crate) peer_finished_first: bool,
    /// A send is under way at the backend, or was refused and waits for the socket.
    pub(crate) sending: bool,
    /// The standing order the backend has.
    pub(crate) ordered: Receive,
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
            conn: ConnId::NONE,
            phase: Phase::Free,
            queue: SendQueue::default(),
            generation: 1,
            way: Way::Out,
            paused: false,
            peer_finished: false,
            peer_finished_first: false,
            sending: false,
            ordered: Receive::Off,
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

/// What waits to be sent to one socket. The first payload has its place here, so that one message at a time, which
/// is nearly all of them, needs no list.
#[derive(Default)]
pub(crate) struct SendQueue {
    first: Option<Payload>,
    rest: VecDeque<Payload>,
    bytes: usize,
}

impl SendQueue {
    /// From the front.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Payload> {
        self.first.iter().chain(&self.rest)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// What the queue holds in memory, roughly.
    #[inline]
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes + self.rest.len() * PART_OVERHEAD_BYTES
    }

    #[inline]
    fn push(&mut self, payload: Payload) {
        self.bytes += payload.len();
        if self.first.is_none() {
            self.first = Some(payload);
        } else {
            self.rest.push_back(payload);
        }
    }

    /// Takes the first payload out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Payload> {
        let payload = self.first.take()?;
        self.bytes -= payload.len();
        if !self.rest.is_empty() {
            self.first = self.rest.pop_front();
        }
        Some(payload)
    }

    /// The opposite of `pop`.
    pub(crate) fn put_back(&mut self, payload: Payload) {
        self.bytes += payload.len();
        if let Some(second) = self.first.replace(payload) {
            self.rest.push_front(second);
        }
    }

    /// Forgets the first bytes: they are sent.
    pub(crate) fn advance(&mut self, mut bytes: usize) {
        debug_assert!(bytes <= self.bytes);
        while let Some(first) = &mut self.first {
            if first.len() > bytes {
                if bytes > 0 {
                    first.advance(bytes);
                    self.bytes -= bytes;
                }
                return;
            }
            bytes -= first.len();
            drop(self.pop());
        }
    }

    /// The socket refused: what waits may wait long, and must hold no receive buffer meanwhile.
    pub(crate) fn detach(&mut self) {
        self.first.iter_mut().chain(&mut self.rest).for_each(Payload::detach);
    }
}

/// All contexts of one worker.
pub(crate) struct Slots {
    worker: usize,
    contexts: Vec<Context>,
    free: Vec<u32>,
    spare_queues: Vec<VecDeque<Payload>>,
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
        context.conn = ConnId::new(self.worker, slot, context.generation);
        context.phase = phase;
        context.way = way;
        context.conn
    }

    /// Returns a context, and says which way its connection came; its id is stale from now on.
    pub(crate) fn give_back(&mut self, conn: ConnId) -> Option<Way> {
        let context = self.get(conn)?;
        let way = context.way;
        let rest = std::mem::take(&mut context.queue.rest);
        let generation = context.generation.checked_add(1).unwrap_or(1);
        *context = Context { generation, ..Context::new() };
        self.keep_spare(rest);
        self.free.push(conn.slot());
        Some(way)
    }

    /// The context of a connection that is still there.
    #[inline]
    pub(crate) fn get(&mut self, conn: ConnId) -> Option<&mut Context> {
        let context = self.contexts.get_mut(conn.slot() as usize)?;
        (context.conn == conn).then_some(context)
    }

    /// The connection that has this slot now.
    #[inline]
    pub(crate) fn occupant(&self, slot: u32) -> Option<ConnId> {
        let context = self.contexts.get(slot as usize)?;
        (context.phase != Phase::Free).then_some(context.conn)
    }

    /// Everyone there is.
    pub(crate) fn occupants(&self) -> impl Iterator<Item = ConnId> {
        (0..self.contexts.len() as u32).filter_map(|slot| self.occupant(slot))
    }

    /// Appends to a connection's queue, lending its list memory if it needs some and has none.
    #[inline]
    pub(crate) fn enqueue(&mut self, conn: ConnId, mut payload: Payload) {
        let Some(context) = self.contexts.get_mut(conn.slot() as usize) else { return };
        if context.sending {
            payload.detach();
        }
        if !context.queue.is_empty() && context.queue.rest.capacity() == 0 {
            context.queue.rest = self.spare_queues.pop().unwrap_or_default();
        }
        context.queue.push(payload);
    }

    /// The socket took bytes; the memory of an emptied list is taken back.
    #[inline]
    pub(crate) fn progressed(&mut self, conn: ConnId) {
        let Some(context) = self.get(conn) else { return };
        context.progressed = true;
        if context.queue.rest.capacity() > 0 && context.queue.rest.is_empty() {
            let rest = std::mem::take(&mut context.queue.rest);
            self.keep_spare(rest);
        }
    }

    fn keep_spare(&mut self, mut rest: VecDeque<Payload>) {
        let fits = (1..=SPARE_QUEUE_PARTS_MAX).contains(&rest.capacity());
        if fits && self.spare_queues.len() < SPARE_QUEUES_MAX {
            rest.clear();
            self.spare_queues.push(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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

    fn queued(slots: &mut Slots, conn: ConnId) -> (Vec<u8>, usize) {
        let queue = &slots.get(conn).unwrap().queue;
        (queue.parts().flat_map(|part| part.iter().copied()).collect(), queue.bytes())
    }

    #[test]
    fn a_queue_advances_at_every_byte() {
        for cut in 0..=6 {
            let mut slots = Slots::new(0);
            let conn = slots.take(Phase::Open, Way::In);
            for part in [&b"ab"[..], b"c", b"def"] {
                slots.enqueue(conn, Bytes::from_static(part).into());
            }
            slots.get(conn).unwrap().queue.advance(cut);
            assert_eq!(queued(&mut slots, conn), (b"abcdef"[cut..].to_vec(), 6 - cut));
        }
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        for part in [&b"ab"[..], b"c", b"def"] {
            slots.enqueue(conn, Bytes::from_static(part).into());
        }
        let queue = &mut slots.get(conn).unwrap().queue;
        let taken = [queue.pop().unwrap(), queue.pop().unwrap()];
        assert_eq!((queue.bytes(), queue.is_empty()), (3, false));
        for payload in taken.into_iter().rev() {
            queue.put_back(payload);
        }
        assert_eq!(queued(&mut slots, conn), (b"abcdef".to_vec(), 6));
    }

    #[test]
    fn an_idle_context_is_small_and_owns_no_list() {
        assert!(size_of::<Context>() <= 136, "{}", size_of::<Context>());
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        for _ in 0..2 {
            slots.enqueue(conn, Bytes::from_static(b"x").into());
        }
        slots.get(conn).unwrap().queue.advance(2);
        slots.progressed(conn);
        assert_eq!(slots.get(conn).unwrap().queue.rest.capacity(), 0);
        assert_eq!(slots.spare_queues.len(), 1);
    }
}
