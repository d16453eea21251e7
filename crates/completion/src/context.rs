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
use crate::pool::Stock;
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
    Connecting,
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

/// One connection: two cache lines, and no third is touched for a message.
#[allow(clippy::struct_excessive_bools)] // Independent facts, each set in one place; not states of one thing.
#[repr(align(64))]
pub(crate) struct Context {
    /// Who has this slot now; [`ConnId::NONE`] in the pool. One comparison finds out whether an id is stale.
    conn: ConnId,
    phase: Phase,
    /// What the backend should do with bytes that arrive now: derived from `phase`, `paused` and `peer_finished`.
    wanted: Receive,
    /// The standing order the backend has. None: it has none yet, and must be told even to leave the bytes where they
    /// are, so that it looks out for errors.
    pub(crate) ordered: Option<Receive>,
    /// The slot is on the list of those to settle at the end of the turn.
    pub(crate) attention: bool,
    /// A send is under way at the backend, or was refused and waits for the socket.
    pub(crate) sending: bool,
    paused: bool,
    peer_finished: bool,
    /// The peer's end was read before we closed.
    pub(crate) peer_finished_first: bool,
    /// A linger deadline is set.
    pub(crate) deadline_set: bool,
    /// The socket took bytes since the linger deadline was set.
    pub(crate) progressed: bool,
    way: Way,
    /// Of the next use of this slot.
    generation: u32,
    pub(crate) queue: SendQueue,
    /// What `connect` was given.
    pub(crate) token: u64,
}

impl Context {
    fn new() -> Context {
        Context {
            conn: ConnId::NONE,
            phase: Phase::Free,
            wanted: Receive::Off,
            ordered: None,
            attention: false,
            sending: false,
            paused: false,
            peer_finished: false,
            peer_finished_first: false,
            deadline_set: false,
            progressed: false,
            way: Way::Out,
            generation: 1,
            queue: SendQueue::default(),
            token: 0,
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.derive_wanted();
    }

    /// Whether this changed anything.
    pub(crate) fn pause(&mut self, paused: bool) -> bool {
        let changed = std::mem::replace(&mut self.paused, paused) != paused;
        self.derive_wanted();
        changed
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The peer's end was read.
    pub(crate) fn finish_peer(&mut self) {
        self.peer_finished = true;
        self.derive_wanted();
    }

    pub(crate) fn has_peer_finished(&self) -> bool {
        self.peer_finished
    }

    /// What the backend should do with bytes that arrive now.
    #[inline]
    pub(crate) fn receive(&self) -> Receive {
        self.wanted
    }

    /// In the middle of its life, with nothing to do: no order to change, nothing to send, no list to take back.
    #[inline]
    pub(crate) fn is_steady(&self) -> bool {
        self.is_open()
            && self.ordered == Some(self.wanted)
            && self.queue.is_empty()
            && self.queue.rest.capacity() == 0
    }

    fn derive_wanted(&mut self) {
        self.wanted = match self.phase {
            _ if self.peer_finished => Receive::Off,
            Phase::Open if !self.paused => Receive::Deliver,
            Phase::Flushing | Phase::Lingering => Receive::Discard,
            _ => Receive::Off,
        };
    }

    fn is_clean(&self) -> bool {
        self.phase == Phase::Free && self.queue.is_empty() && !self.sending && !self.peer_finished
    }
}

/// What waits to be sent to one socket. The first payload has its place here, so that one message at a time, which
/// is nearly all of them, needs no list.
///
/// Invariants: no payload is empty but `first`, and that one only when nothing waits; `bytes` is their sum.
#[derive(Default)]
pub(crate) struct SendQueue {
    first: Payload,
    bytes: usize,
    rest: VecDeque<Payload>,
}

impl SendQueue {
    /// From the front.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Payload> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The only payload, if there is just one.
    #[inline]
    pub(crate) fn single(&self) -> Option<&Payload> {
        self.rest.is_empty().then_some(&self.first)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What the queue holds in memory, roughly.
    #[inline]
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes + self.rest.len() * PART_OVERHEAD_BYTES
    }

    /// The first payload of an empty queue.
    #[inline]
    pub(crate) fn begin(&mut self, payload: Payload) {
        debug_assert!(self.is_empty());
        self.bytes = payload.len();
        // An empty payload owns nothing: there is nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.first, payload));
    }

    fn push(&mut self, payload: Payload) {
        if self.is_empty() {
            self.begin(payload);
        } else {
            self.bytes += payload.len();
            self.rest.push_back(payload);
        }
    }

    /// Takes the only payload out, unless there are several.
    #[inline]
    pub(crate) fn take_single(&mut self) -> Option<Payload> {
        if !self.rest.is_empty() {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.first))
    }

    /// Takes the first payload out, but not more than so many bytes: of a larger one only its beginning.
    pub(crate) fn pop_at_most(&mut self, bytes: usize) -> Option<Payload> {
        let payload = if self.first.len() <= bytes {
            let second = self.rest.pop_front().unwrap_or_default();
            std::mem::replace(&mut self.first, second)
        } else {
            self.first.split_to(bytes)
        };
        self.bytes -= payload.len();
        (!payload.is_empty()).then_some(payload)
    }

    /// The opposite of popping.
    pub(crate) fn put_back(&mut self, payload: Payload) {
        let is_behind = !self.is_empty();
        self.bytes += payload.len();
        let second = std::mem::replace(&mut self.first, payload);
        if is_behind {
            self.rest.push_front(second);
        }
    }

    /// Forgets the first bytes: they are sent.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    pub(crate) fn advance(&mut self, bytes: usize, stock: &mut Stock) {
        debug_assert!(bytes <= self.bytes);
        if bytes != self.bytes || !self.rest.is_empty() {
            return self.advance_among(bytes, stock);
        }
        self.bytes = 0;
        match self.first.spend(stock) {
            Some(buffer) => stock.put(buffer),
            None => self.first = Payload::default(),
        }
    }

    fn advance_among(&mut self, mut bytes: usize, stock: &mut Stock) {
        while bytes > 0
            && let Some(mut payload) = self.pop_at_most(bytes)
        {
            bytes -= payload.len();
            payload.spend(stock).into_iter().for_each(|buffer| stock.put(buffer));
        }
    }

    /// The socket refused: what waits may wait long, and must hold no receive buffer meanwhile.
    pub(crate) fn detach(&mut self) {
        std::iter::once(&mut self.first).chain(&mut self.rest).for_each(Payload::detach);
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
        context.way = way;
        context.enter(phase);
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

    /// The connection that has this slot now, and its context.
    #[inline]
    pub(crate) fn at(&mut self, slot: u32) -> Option<(ConnId, &mut Context)> {
        let context = self.contexts.get_mut(slot as usize)?;
        (context.phase != Phase::Free).then_some((context.conn, context))
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

    /// The memory of an emptied list is taken back.
    #[inline]
    pub(crate) fn keep_spare_of(&mut self, conn: ConnId) {
        let Some(context) = self.get(conn) else { return };
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
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::command::Signal;
    use crate::pool::Pool;
    use crate::sys::Waker;

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

    fn stock() -> Stock {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        Stock::new(Pool::new(1, 1, Arc::new(Signal::new(Waker::Mio(waker)))))
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
            slots.get(conn).unwrap().queue.advance(cut, &mut stock());
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
        let taken = [queue.pop_at_most(9).unwrap(), queue.pop_at_most(9).unwrap()];
        assert_eq!((queue.bytes(), queue.is_empty()), (3, false));
        for payload in taken.into_iter().rev() {
            queue.put_back(payload);
        }
        assert_eq!(queued(&mut slots, conn), (b"abcdef".to_vec(), 6));
    }

    #[test]
    fn an_idle_context_is_small_and_owns_no_list() {
        assert!(size_of::<Context>() <= 128, "{}", size_of::<Context>());
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        for _ in 0..2 {
            slots.enqueue(conn, Bytes::from_static(b"x").into());
        }
        slots.get(conn).unwrap().queue.advance(2, &mut stock());
        slots.keep_spare_of(conn);
        assert_eq!(slots.get(conn).unwrap().queue.rest.capacity(), 0);
        assert_eq!(slots.spare_queues.len(), 1);
    }
}
