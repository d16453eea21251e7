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
use crate::send_queue::SendQueue;
use crate::sys::Receive;

/// Emptied lists kept for the next connection whose queue needs one, so that sending allocates nothing.
const SPARE_LISTS_MAX: usize = 64;
/// A list that grew beyond this many parts gives its memory back.
const SPARE_LIST_PARTS_MAX: usize = 256;

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
        self.is_open() && self.ordered == Some(self.wanted) && self.queue.is_empty() && !self.queue.has_list()
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

/// All contexts of one worker.
pub(crate) struct Slots {
    worker: usize,
    contexts: Vec<Context>,
    free: Vec<u32>,
    spare_lists: Vec<VecDeque<Payload>>,
}

impl Slots {
    pub(crate) fn new(worker: usize) -> Slots {
        Slots { worker, contexts: Vec::new(), free: Vec::new(), spare_lists: Vec::new() }
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
        let list = context.queue.take_list();
        let generation = context.generation.checked_add(1).unwrap_or(1);
        *context = Context { generation, ..Context::new() };
        self.keep_spare(list);
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
        if !context.queue.is_empty() && !context.queue.has_list() {
            context.queue.lend_list(self.spare_lists.pop().unwrap_or_default());
        }
        context.queue.push(payload);
    }

    /// The memory of an emptied list is taken back.
    #[inline]
    pub(crate) fn keep_spare_of(&mut self, conn: ConnId) {
        let Some(context) = self.get(conn) else { return };
        if context.queue.has_empty_list() {
            let list = context.queue.take_list();
            self.keep_spare(list);
        }
    }

    fn keep_spare(&mut self, mut list: VecDeque<Payload>) {
        let fits = (1..=SPARE_LIST_PARTS_MAX).contains(&list.capacity());
        if fits && self.spare_lists.len() < SPARE_LISTS_MAX {
            list.clear();
            self.spare_lists.push(list);
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

    #[test]
    fn an_idle_context_is_small_and_owns_no_list() {
        assert!(size_of::<Context>() <= 128, "{}", size_of::<Context>());
        let mut slots = Slots::new(0);
        let conn = slots.take(Phase::Open, Way::In);
        for _ in 0..2 {
            slots.enqueue(conn, Bytes::from_static(b"x").into());
        }
        let queue = &mut slots.get(conn).unwrap().queue;
        assert_eq!((queue.pop_at_most(9).unwrap().len(), queue.pop_at_most(9).unwrap().len()), (1, 1));
        assert!(queue.has_list());
        slots.keep_spare_of(conn);
        assert!(!slots.get(conn).unwrap().queue.has_list());
        assert_eq!(slots.spare_lists.len(), 1);
    }
}
