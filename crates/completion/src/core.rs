//! What a worker knows and decides, whichever backend drives its sockets.
//!
//! Completions come in from the backend and become hooks; verbs come in from hooks and commands and become
//! marks on contexts. Nothing here touches a socket: at the end of the turn `worker.rs` settles each marked
//! context with the backend. That is why a verb inside a hook is cheap, why many sends become one write,
//! and why a hook never runs inside another.
//!
//! Invariants: a hook about a connection runs only in its phases (`received` only when open, nothing after
//! the end); every mark puts its slot on the attention list once.
//! Limit: `FAULTS_PER_TURN_MAX` stale verbs are told a turn, the rest is counted.
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
use crate::pool::{Chunk, Pool};
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
    pub(crate) faults: Vec<Fault>,
    send_queue_bytes_max: usize,
    /// Counted here, told to everybody once a turn.
    bytes_received: u64,
    bytes_sent: u64,
}

impl State {
    pub(crate) fn new(worker: usize, handle: Handle, send_queue_bytes_max: usize) -> State {
        let slots = Slots::new(worker);
        State {
            worker,
            handle,
            slots,
            attention: Vec::new(),
            faults: Vec::new(),
            send_queue_bytes_max,
            bytes_received: 0,
            bytes_sent: 0,
        }
    }

    pub(crate) fn counters(&self) -> &WorkerCounters {
        self.handle.counters(self.worker)
    }

    /// After completions were delivered, and at the end of the turn: what was told is counted.
    pub(crate) fn publish_bytes(&mut self) {
        let (received, sent) =
            (std::mem::take(&mut self.bytes_received), std::mem::take(&mut self.bytes_sent));
        self.counters().bytes_received.add(received);
        self.counters().bytes_sent.add(sent);
    }

    /// Something is left to do without any completion.
    pub(crate) fn is_restless(&self) -> bool {
        !self.attention.is_empty() || !self.faults.is_empty()
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
        match self.slots.get(conn) {
            Some(context) if context.phase == Phase::Open => {}
            _ => return self.stale(conn, Verb::Send),
        }
        if payload.is_empty() {
            return;
        }
        self.slots.enqueue(conn, payload);
        if let Some(context) = self.slots.get(conn)
            && context.queue.weight_bytes() > self.send_queue_bytes_max
        {
            context.phase = Phase::Ended(Reason::SendQueueFull);
        }
        self.mark(conn);
    }

    /// Any other verb, for a connection of this worker.
    pub(crate) fn act(&mut self, conn: ConnId, verb: Verb) {
        let Some(context) = self.slots.get(conn) else { return self.stale(conn, verb) };
        match (verb, context.phase) {
            (Verb::Close, Phase::Open) => {
                context.peer_finished_first = context.peer_finished;
                context.phase = Phase::Flushing;
            }
            (Verb::Abort, Phase::Open | Phase::Flushing | Phase::Lingering) => {
                context.phase = Phase::Ended(Reason::Aborted);
            }
            (Verb::PauseReading, Phase::Open) if !context.paused => context.paused = true,
            (Verb::ResumeReading, Phase::Open) if context.paused => context.paused = false,
            // Asked twice, or too late to matter: no mark, hence no further turn.
            _ => return,
        }
        self.mark(conn);
    }

    fn stale(&mut self, conn: ConnId, verb: Verb) {
        self.counters().stale_verbs.add(1);
        if self.faults.len() < FAULTS_PER_TURN_MAX {
            self.faults.push(Fault::Stale { conn, verb });
        }
    }

    /// The standing order as it is now, which the backend then has.
    #[inline]
    fn order(&mut self, conn: ConnId) -> Receive {
        self.slots.get(conn).map_or(Receive::Off, |context| {
            context.ordered = context.receive();
            context.ordered
        })
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

    /// Where receive buffers come from.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.state.handle.pool(self.state.worker)
    }

    /// An operation begun by `connect` succeeded.
    pub(crate) fn connected(&mut self, conn: ConnId, peer: SocketAddr, local: SocketAddr) {
        let Some(context) = self.state.slots.get(conn) else { return };
        let Phase::Connecting { token } = context.phase else { return };
        context.phase = Phase::Open;
        self.tell_connected(conn, Opened { origin: Origin::Outgoing { token }, peer, local });
    }

    /// An operation begun by `connect` failed.
    pub(crate) fn connect_failed(&mut self, conn: ConnId, error: io::Error) {
        let Some(context) = self.state.slots.get(conn) else { return };
        let Phase::Connecting { token } = context.phase else { return };
        context.phase = Phase::Unopened;
        self.state.mark(conn);
        self.state.counters().connect_errors.add(1);
        self.tell_fault(Fault::Connect { token, error });
    }

    /// Bytes arrived. Returns what to do with the next ones: the hook may have paused, closed or aborted.
    /// What was read before a pause took effect is delivered all the same; only a close throws bytes away.
    #[inline]
    pub(crate) fn received(&mut self, conn: ConnId, chunk: Chunk) -> Receive {
        if self.state.slots.get(conn).is_some_and(|context| context.phase == Phase::Open) {
            self.state.bytes_received += chunk.len() as u64;
            self.told = true;
            self.hooks.received(&mut Io::new(&mut self.state), conn, chunk);
        }
        self.state.order(conn)
    }

    /// The peer's end was read; nothing more will arrive.
    pub(crate) fn peer_finished(&mut self, conn: ConnId) {
        let Some(context) = self.state.slots.get(conn) else { return };
        context.peer_finished = true;
        match context.phase {
            Phase::Open => {
                self.told = true;
                self.hooks.received(&mut Io::new(&mut self.state), conn, Chunk::end());
            }
            Phase::Lingering => context.phase = Phase::Ended(Reason::Closed),
            _ => {}
        }
        self.state.mark(conn);
    }

    /// A posted send is complete and all of it was taken.
    #[inline]
    pub(crate) fn sent(&mut self, conn: ConnId, bytes: usize) {
        let Some(context) = self.state.slots.get(conn) else { return };
        context.sending = false;
        let is_done = context.phase == Phase::Open && context.queue.is_empty();
        self.state.slots.progressed(conn);
        self.tell_sent(conn, bytes, false);
        if !is_done {
            self.state.mark(conn);
        }
    }

    /// A posted send is complete, but the socket refused a part: `writable` will follow.
    pub(crate) fn refused(
        &mut self,
        conn: ConnId,
        bytes: usize,
        rest: impl DoubleEndedIterator<Item = Payload>,
    ) {
        let Some(context) = self.state.slots.get(conn) else { return };
        rest.rev().for_each(|payload| context.queue.put_back(payload));
        context.queue.advance(bytes);
        context.queue.detach();
        if bytes > 0 {
            self.state.slots.progressed(conn);
        }
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
            && matches!(context.phase, Phase::Open | Phase::Flushing | Phase::Lingering)
        {
            context.phase = Phase::Ended(Reason::of(error));
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

    /// `refused`: what is queued now waits because the socket refused it.
    #[inline]
    pub(crate) fn tell_sent(&mut self, conn: ConnId, bytes: usize, refused: bool) {
        let Some(context) = self.state.slots.get(conn) else { return };
        let sent = Sent { bytes, waiting: if refused { context.queue.bytes() } else { 0 } };
        if matches!(context.phase, Phase::Open | Phase::Flushing) {
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
        self.state.publish_bytes();
        self.told = false;
        self.hooks.turn_ended(&mut Io::new(&mut self.state));
    }

    /// Whether a hook was called since `turn_ended`, which is then due again.
    pub(crate) fn has_told(&self) -> bool {
        self.told
    }
}
