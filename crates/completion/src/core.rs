//! What a worker knows and decides, whichever backend drives its sockets.
//!
//! Completions come in from the backend and become hooks; verbs come in from hooks and commands and become
//! marks on contexts. Nothing here touches a socket: at the end of the turn `worker.rs` settles each marked
//! context with the backend. That is why a verb inside a hook is cheap, why many sends become one write,
//! and why a hook never runs inside another.
//!
//! Invariants: a hook about a connection runs only in its phases (`received` only when open, nothing after
//! the end); every mark puts its slot on the attention list once.
//! Limit: of what verbs find wrong, `FAULTS_PER_TURN_MAX` faults are told a turn; the rest is counted.
//! Read next: `worker.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::context::{Phase, Slots};
use crate::handle::Handle;
use crate::hooks::{Fault, Hooks, Opened, Origin, Reason, Sent, Verb};
use crate::id::ConnId;
use crate::io::Io;
use crate::payload::Payload;
use crate::pool::{Chunk, Stock};
use crate::stats::WorkerCounters;
use crate::sys::Receive;

const FAULTS_PER_TURN_MAX: usize = 64;

/// The worker's state beside its hooks; what [`Io`] gives access to.
pub(crate) struct State {
    pub(crate) worker: usize,
    pub(crate) handle: Handle,
    pub(crate) slots: Slots,
    /// Slots to settle at the end of the turn.
    pub(crate) attention: Vec<u32>,
    faults: Vec<Fault>,
    pub(crate) stock: Stock,
    send_queue_bytes_max: usize,
    /// Counted here, told to everybody once a turn.
    bytes_received: u64,
    bytes_sent: u64,
}

impl State {
    pub(crate) fn new(worker: usize, handle: Handle, send_queue_bytes_max: usize) -> State {
        let slots = Slots::new(worker);
        #[allow(unused_mut)] // Only the other ways change it.
        let mut stock = Stock::new(Arc::clone(handle.pool(worker)));
        #[cfg(feature = "buffer-ways")]
        stock.set_way(handle.shared().config.ways);
        State {
            worker,
            handle,
            slots,
            attention: Vec::new(),
            faults: Vec::new(),
            stock,
            send_queue_bytes_max,
            bytes_received: 0,
            bytes_sent: 0,
        }
    }

    pub(crate) fn counters(&self) -> &WorkerCounters {
        self.handle.counters(self.worker)
    }

    /// After completions were delivered, and at the end of the turn: what was told is counted.
    pub(crate) fn publish(&mut self) {
        let counters = self.handle.counters(self.worker);
        counters.bytes_received.add(std::mem::take(&mut self.bytes_received));
        counters.bytes_sent.add(std::mem::take(&mut self.bytes_sent));
        self.stock.publish(counters);
    }

    /// Something is left to do without any completion.
    pub(crate) fn is_restless(&mut self) -> bool {
        !self.attention.is_empty() || !self.faults.is_empty() || self.stock.is_owed_a_turn()
    }

    /// Settle this connection at the end of the turn.
    #[inline]
    pub(crate) fn mark(&mut self, conn: ConnId) {
        if let Some(context) = self.slots.get(conn)
            && !std::mem::replace(&mut context.attention, true)
        {
            self.attention.push(conn.slot());
        }
    }

    /// Queues bytes for a connection of this worker.
    #[inline]
    pub(crate) fn send(&mut self, conn: ConnId, payload: Payload) {
        let Some(context) = self.slots.get(conn).filter(|context| context.is_open()) else {
            return self.stale(conn, Verb::Send);
        };
        let len = payload.len();
        if len == 0 {
            return;
        }
        if context.sending || !context.queue.is_empty() || len > self.send_queue_bytes_max {
            return self.send_behind(conn, payload);
        }
        context.queue.begin(payload);
        if !std::mem::replace(&mut context.attention, true) {
            self.attention.push(conn.slot());
        }
    }

    /// The rarer case: something waits already, or it is too much.
    fn send_behind(&mut self, conn: ConnId, payload: Payload) {
        self.slots.enqueue(conn, payload);
        if let Some(context) = self.slots.get(conn)
            && context.queue.weight_bytes() > self.send_queue_bytes_max
        {
            context.enter(Phase::Ended(Reason::SendQueueFull));
        }
        self.mark(conn);
    }

    /// Taking up reading that was not paused is said often and does nothing, so it is found out early.
    #[inline]
    pub(crate) fn resume(&mut self, conn: ConnId) {
        if !self.slots.get(conn).is_some_and(|context| context.is_open() && !context.is_paused()) {
            self.act(conn, Verb::ResumeReading);
        }
    }

    /// Any verb but `send`, for a connection of this worker.
    pub(crate) fn act(&mut self, conn: ConnId, verb: Verb) {
        let Some(context) = self.slots.get(conn) else { return self.stale(conn, verb) };
        let changes = match (verb, context.phase()) {
            (Verb::Close, Phase::Open) => {
                context.peer_finished_first = context.has_peer_finished();
                context.enter(Phase::Flushing);
                true
            }
            (Verb::Abort, Phase::Open | Phase::Flushing | Phase::Lingering) => {
                context.enter(Phase::Ended(Reason::Aborted));
                true
            }
            (Verb::PauseReading, Phase::Open) => context.pause(true),
            (Verb::ResumeReading, Phase::Open) => context.pause(false),
            _ => false,
        };
        // Asked twice, or too late to matter: no mark, hence no further turn.
        if changes {
            self.mark(conn);
        }
    }

    fn stale(&mut self, conn: ConnId, verb: Verb) {
        self.counters().stale_verbs.add(1);
        self.push_fault(Fault::Stale { conn, verb });
    }

    /// What a verb found wrong and has counted, to be told at the end of the turn if there is room.
    pub(crate) fn push_fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_PER_TURN_MAX {
            self.faults.push(fault);
        }
    }

    /// The standing order if it is another than the backend has; from now on it has this one.
    #[inline]
    pub(crate) fn new_order(&mut self, conn: ConnId) -> Option<Receive> {
        let context = self.slots.get(conn)?;
        let wanted = context.receive();
        (context.ordered.replace(wanted) != Some(wanted)).then_some(wanted)
    }
}

/// The hooks and what they work on.
pub(crate) struct Core<H> {
    pub(crate) hooks: H,
    pub(crate) state: State,
    /// Whether a hook was called since `turn_ended`.
    told: bool,
}

/// Completions, as a backend delivers them.
impl<H: Hooks> Core<H> {
    pub(crate) fn new(hooks: H, state: State) -> Core<H> {
        Core { hooks, state, told: false }
    }

    /// An operation begun by `connect` succeeded.
    pub(crate) fn connected(&mut self, conn: ConnId, peer: SocketAddr, local: SocketAddr) {
        let Some(context) = self.state.slots.get(conn) else { return };
        if context.phase() != Phase::Connecting {
            return;
        }
        context.enter(Phase::Open);
        let token = context.token;
        self.tell_connected(conn, Opened { origin: Origin::Outgoing { token }, peer, local });
    }

    /// An operation begun by `connect` failed.
    pub(crate) fn connect_failed(&mut self, conn: ConnId, error: io::Error) {
        let Some(context) = self.state.slots.get(conn) else { return };
        if context.phase() != Phase::Connecting {
            return;
        }
        context.enter(Phase::Unopened);
        let token = context.token;
        self.state.mark(conn);
        self.state.counters().connect_errors.add(1);
        self.tell_fault(Fault::Connect { token, error });
    }

    /// Bytes arrived. The hook may have paused, closed or aborted: a backend that could read on asks for a new order
    /// first. What was read before a pause is delivered all the same; only a close throws bytes away.
    #[inline]
    pub(crate) fn received(&mut self, conn: ConnId, chunk: Chunk) {
        if self.state.slots.get(conn).is_some_and(|context| context.is_open()) {
            self.state.bytes_received += chunk.len() as u64;
            self.told = true;
            self.hooks.received(&mut Io::new(&mut self.state), conn, chunk);
        }
    }

    /// The peer's end was read; nothing more will arrive.
    pub(crate) fn peer_finished(&mut self, conn: ConnId) {
        let Some(context) = self.state.slots.get(conn) else { return };
        context.finish_peer();
        match context.phase() {
            Phase::Open => {
                self.told = true;
                self.hooks.received(&mut Io::new(&mut self.state), conn, Chunk::end());
            }
            Phase::Lingering => context.enter(Phase::Ended(Reason::Closed)),
            _ => {}
        }
        self.state.mark(conn);
    }

    /// A posted send is complete and all of it was taken.
    #[inline]
    pub(crate) fn sent(&mut self, conn: ConnId, bytes: usize) {
        let Some(context) = self.state.slots.get(conn) else { return };
        context.sending = false;
        context.progressed = true;
        if context.is_steady() {
            return self.tell_all_sent(conn, bytes);
        }
        self.state.slots.keep_spare_of(conn);
        self.state.mark(conn);
        self.tell_sent(conn, bytes, false);
    }

    /// A posted send is complete, but the socket refused a part: `writable` will follow.
    pub(crate) fn refused(
        &mut self,
        conn: ConnId,
        bytes: usize,
        parts: impl DoubleEndedIterator<Item = Payload>,
    ) {
        let Some(context) = self.state.slots.get(conn) else { return };
        parts.rev().for_each(|payload| context.queue.put_back(payload));
        context.queue.advance(bytes, &mut self.state.stock);
        context.queue.detach();
        context.progressed |= bytes > 0;
        self.tell_sent(conn, bytes, true);
    }

    /// A socket that refused takes bytes again.
    pub(crate) fn writable(&mut self, conn: ConnId) {
        if let Some(context) = self.state.slots.get(conn) {
            context.sending = false;
            self.state.mark(conn);
        }
    }

    /// The socket failed; what it could still deliver was delivered.
    pub(crate) fn failed(&mut self, conn: ConnId, error: &io::Error) {
        if let Some(context) = self.state.slots.get(conn)
            && matches!(context.phase(), Phase::Open | Phase::Flushing | Phase::Lingering)
        {
            context.enter(Phase::Ended(Reason::of(error)));
            self.state.mark(conn);
        }
    }
}

/// Hooks, as the worker's turn calls them.
impl<H: Hooks> Core<H> {
    pub(crate) fn tell_connected(&mut self, conn: ConnId, opened: Opened) {
        self.state.counters().connected.add(1);
        self.state.mark(conn);
        self.told = true;
        self.hooks.connected(&mut Io::new(&mut self.state), conn, opened);
    }

    /// Everything is out, as nearly always.
    #[inline]
    pub(crate) fn tell_all_sent(&mut self, conn: ConnId, bytes: usize) {
        self.state.bytes_sent += bytes as u64;
        self.told = true;
        self.hooks.sent(&mut Io::new(&mut self.state), conn, Sent { bytes, waiting: 0 });
    }

    /// `refused`: what is queued now waits because the socket refused it.
    pub(crate) fn tell_sent(&mut self, conn: ConnId, bytes: usize, refused: bool) {
        let Some(context) = self.state.slots.get(conn) else { return };
        let sent = Sent { bytes, waiting: if refused { context.queue.bytes() } else { 0 } };
        if matches!(context.phase(), Phase::Open | Phase::Flushing) {
            self.told = true;
            self.hooks.sent(&mut Io::new(&mut self.state), conn, sent);
        }
        self.state.bytes_sent += bytes as u64;
    }

    pub(crate) fn tell_disconnected(&mut self, conn: ConnId, reason: Reason) {
        self.state.counters().disconnected.add(1);
        self.told = true;
        self.hooks.disconnected(&mut Io::new(&mut self.state), conn, reason);
    }

    pub(crate) fn tell_fault(&mut self, fault: Fault) {
        self.told = true;
        self.hooks.error(&mut Io::new(&mut self.state), fault);
    }

    /// Tells what verbs found wrong; faults that telling causes wait for the next turn.
    pub(crate) fn tell_faults(&mut self) {
        for fault in std::mem::take(&mut self.state.faults) {
            self.tell_fault(fault);
        }
    }

    pub(crate) fn turn_ended(&mut self) {
        self.state.publish();
        self.told = false;
        self.hooks.turn_ended(&mut Io::new(&mut self.state));
    }

    /// Whether a hook was called since `turn_ended`, which is then due again.
    pub(crate) fn has_told(&self) -> bool {
        self.told
    }
}
