//! The turn of a worker, the same for every backend.
//!
//! Rest, if turns are limited; wait; deliver completions; run commands; expire deadlines; `turn_ended`; run the
//! commands that this caused; settle. Settling carries out what the turn has marked: one write for all that was
//! queued, the steps of closing, the standing order to receive, and the end. If it completed something, `turn_ended`
//! is called once more.
//!
//! Invariants: a worker waits only in the backend's `wait`, and in the rest before it; a context goes back exactly where
//! `disconnected` is said; what settling marks anew is settled in the next turn, which then does not wait.
//! Limits: linger and connect timeouts, each one list.
//! Read next: `sys/uring/mod.rs`, `sys/mio/mod.rs`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::coalesce::Coalescing;
use crate::command::{Command, Inbox};
use crate::context::Phase;
use crate::core::{Core, State};
use crate::deadline::Deadlines;
use crate::handle::Handle;
use crate::hooks::{Fault, Hooks, Opened, Origin, Reason};
use crate::id::ConnId;
use crate::load::Way;
use crate::sys::{Backend, Ending, Posted, Socket};
use crate::vital::Vital;

/// Turns of a stopping worker in which sockets may still take what is queued.
const ROUNDS_AT_STOP_MAX: usize = 16;

pub(crate) struct Worker<B, H> {
    core: Core<H>,
    backend: B,
    lingering: Deadlines,
    connecting: Deadlines,
    coalescing: Coalescing,
    now: Instant,
    /// Memory of the command and attention lists, swapped with the full ones.
    commands: Vec<Command>,
    settling: Vec<u32>,
    stopping: bool,
}

impl<B: Backend, H: Hooks> Worker<B, H> {
    pub(crate) fn new(index: usize, backend: B, hooks: H, handle: &Handle) -> Worker<B, H> {
        let config = &handle.shared().config;
        let (linger, connect) = (config.linger_timeout, config.connect_timeout);
        let state = State::new(index, handle.clone(), config.send_queue_bytes_max);
        Worker {
            core: Core::new(hooks, state),
            backend,
            lingering: Deadlines::new(linger),
            connecting: Deadlines::new(connect),
            coalescing: Coalescing::new(config.turns_per_second_max),
            now: clock(),
            commands: Vec::new(),
            settling: Vec::new(),
            stopping: false,
        }
    }

    pub(crate) fn run(mut self) {
        let _vital = Vital;
        while !self.stopping {
            if let Err(error) = self.turn() {
                // As good as a panic: its connections would hang, and every new one would come here.
                tracing::error!(%error, worker = self.core.state.worker, "waiting failed; the process ends");
                std::process::abort();
            }
        }
        self.stop();
    }

    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        self.backend.wait(timeout)?;
        self.coalescing.begin();
        // Before any work: who rings while it is done has the next turn.
        self.inbox().signal().heard();
        self.core.state.counters().turns.add(1);
        self.backend.deliver(&mut self.core);
        self.core.state.publish();
        self.run_commands();
        self.expire();
        self.core.tell_faults();
        self.end_turn();
        Ok(())
    }

    fn end_turn(&mut self) {
        self.core.turn_ended();
        self.run_commands();
        self.settle_all();
        if self.core.has_told() {
            self.core.turn_ended();
        }
        self.core.state.publish();
    }

    /// From when deadlines were last looked at or added: a wait may be too long by the work of one turn, and its rest.
    fn timeout(&mut self) -> Option<Duration> {
        if self.core.state.is_restless() {
            return Some(Duration::ZERO);
        }
        self.coalescing.rest();
        if !self.inbox().fall_asleep() {
            return Some(Duration::ZERO);
        }
        let next = [self.lingering.next(self.now), self.connecting.next(self.now)];
        next.into_iter().flatten().min()
    }
}

/// Commands of other threads, and of hooks that use the handle.
impl<B: Backend, H: Hooks> Worker<B, H> {
    fn run_commands(&mut self) {
        if self.inbox().is_empty() {
            return;
        }
        let mut commands = std::mem::take(&mut self.commands);
        self.inbox().take(&mut commands);
        for command in commands.drain(..) {
            self.run_command(command);
        }
        self.commands = commands;
    }

    fn inbox(&self) -> &Inbox {
        self.core.state.handle.inbox(self.core.state.worker)
    }

    fn run_command(&mut self, command: Command) {
        match command {
            Command::Send { conn, payload } => self.core.state.send(conn, payload),
            Command::Act { conn, verb } => self.core.state.act(conn, verb),
            Command::Open { socket, origin, peer } => self.open(socket, origin, peer),
            Command::Connect { to, token } => self.connect(to, token),
            Command::Report(fault) => self.core.tell_fault(fault),
            Command::Stop => self.stopping = true,
        }
    }

    fn open(&mut self, socket: Socket, origin: Origin, peer: SocketAddr) {
        let conn = self.take(Phase::Open, Way::of(origin));
        match self.backend.open(conn, socket) {
            Ok(local) => self.core.tell_connected(conn, Opened { origin, peer, local }),
            Err(error) => {
                self.give_back(conn);
                match origin {
                    Origin::Accepted { listener } => self.core.tell_fault(Fault::Accept { listener, error }),
                    Origin::Adopted { token } | Origin::Outgoing { token } => {
                        self.core.tell_fault(Fault::Adopt { token, error });
                    }
                }
            }
        }
    }

    fn connect(&mut self, to: SocketAddr, token: u64) {
        let conn = self.take(Phase::Connecting, Way::Out);
        if let Some(context) = self.core.state.slots.get(conn) {
            context.token = token;
        }
        match self.backend.connect(conn, to) {
            Ok(()) => {
                self.now = clock();
                self.connecting.add(self.now, conn);
            }
            Err(error) => self.core.connect_failed(conn, error),
        }
    }

    fn take(&mut self, phase: Phase, way: Way) -> ConnId {
        self.core.state.counters().contexts_taken.add(1);
        self.core.state.slots.take(phase, way)
    }

    fn give_back(&mut self, conn: ConnId) {
        let state = &mut self.core.state;
        let Some(way) = state.slots.give_back(conn) else { return };
        state.counters().contexts_returned.add(1);
        state.handle.shared().load.leave(state.worker, way);
    }
}

/// Deadlines.
impl<B: Backend, H: Hooks> Worker<B, H> {
    fn expire(&mut self) {
        if self.lingering.is_empty() && self.connecting.is_empty() {
            return;
        }
        self.now = clock();
        while let Some(conn) = self.connecting.pop_due(self.now) {
            self.core.connect_failed(conn, io::ErrorKind::TimedOut.into());
        }
        while let Some(conn) = self.lingering.pop_due(self.now) {
            self.expire_linger(conn);
        }
    }

    /// A flush that made progress gets another term; one that did not, or a silent peer, is given up.
    fn expire_linger(&mut self, conn: ConnId) {
        let Some(context) = self.core.state.slots.get(conn) else { return };
        if std::mem::take(&mut context.progressed) {
            self.lingering.add(self.now, conn);
        } else if matches!(context.phase(), Phase::Flushing | Phase::Lingering) {
            context.enter(Phase::Ended(Reason::LingerTimeout));
            self.core.state.mark(conn);
        }
    }
}

/// Settling.
impl<B: Backend, H: Hooks> Worker<B, H> {
    fn settle_all(&mut self) {
        let mut settling = std::mem::take(&mut self.settling);
        std::mem::swap(&mut settling, &mut self.core.state.attention);
        for slot in settling.drain(..) {
            self.settle(slot);
        }
        self.settling = settling;
    }

    /// The slot may have another occupant by now; settling looks only at how things are.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message; called from one loop.
    fn settle(&mut self, slot: u32) {
        let state = &mut self.core.state;
        let Some((conn, context)) = state.slots.at(slot) else { return };
        context.attention = false;
        if !context.is_open() {
            return self.settle_closing(conn);
        }
        let wanted = context.receive();
        if context.ordered.replace(wanted) != Some(wanted) {
            self.backend.receive(conn, wanted);
        }
        if !context.queue.is_empty() && !context.sending {
            match self.backend.send(conn, &mut context.queue, &mut state.stock) {
                Ok(Posted::Pending) => context.sending = true,
                Ok(Posted::Took(bytes)) if context.is_steady() => self.core.tell_all_sent(conn, bytes),
                outcome => self.follow_up(conn, outcome),
            }
        }
    }

    fn settle_closing(&mut self, conn: ConnId) {
        self.flush(conn);
        self.advance_close(conn);
        let Some(context) = self.core.state.slots.get(conn) else { return };
        match context.phase() {
            Phase::Ended(reason) => self.end(conn, reason),
            Phase::Unopened => {
                self.backend.release(conn, Ending::Plain);
                self.give_back(conn);
            }
            _ => {
                let wanted = context.receive();
                context.ordered = Some(wanted);
                self.backend.receive(conn, wanted);
            }
        }
    }

    /// Posts what is queued, if it may be sent and nothing is under way.
    fn flush(&mut self, conn: ConnId) {
        let state = &mut self.core.state;
        let Some(context) = state.slots.get(conn) else { return };
        let sends = matches!(context.phase(), Phase::Open | Phase::Flushing);
        if sends && !context.sending && !context.queue.is_empty() {
            let outcome = self.backend.send(conn, &mut context.queue, &mut state.stock);
            self.follow_up(conn, outcome);
        }
    }

    /// Sends on until all is out, under way or refused, and says what is out once.
    fn follow_up(&mut self, conn: ConnId, mut outcome: io::Result<Posted>) {
        let state = &mut self.core.state;
        let Some(context) = state.slots.get(conn) else { return };
        let mut bytes = 0;
        while let Ok(Posted::Took(taken)) = outcome {
            bytes += taken;
            if context.queue.is_empty() {
                break;
            }
            outcome = self.backend.send(conn, &mut context.queue, &mut state.stock);
        }
        context.progressed |= bytes > 0;
        let refused = matches!(outcome, Ok(Posted::Refused));
        if refused {
            context.queue.detach();
        }
        context.sending = matches!(outcome, Ok(Posted::Pending | Posted::Refused));
        if bytes > 0 || refused {
            state.slots.keep_spare_of(conn);
            self.core.tell_sent(conn, bytes, refused);
        }
        if let Err(error) = outcome {
            self.core.failed(conn, &error);
        }
    }

    /// The steps of `close`: the queue out, our half shut, the peer's end read.
    fn advance_close(&mut self, conn: ConnId) {
        let Some(context) = self.core.state.slots.get(conn) else { return };
        if context.phase() != Phase::Flushing {
            return;
        }
        if !std::mem::replace(&mut context.deadline_set, true) {
            context.progressed = false;
            self.now = clock();
            self.lingering.add(self.now, conn);
        }
        if context.sending || !context.queue.is_empty() {
            return;
        }
        context.enter(match (self.backend.finish_sending(conn), context.has_peer_finished()) {
            (Err(error), _) => Phase::Ended(Reason::of(&error)),
            (Ok(()), false) => Phase::Lingering,
            (Ok(()), true) if context.peer_finished_first => Phase::Ended(Reason::PeerClosed),
            (Ok(()), true) => Phase::Ended(Reason::Closed),
        });
    }

    /// A stream cut short must not end as if it were whole: the peer sees a reset.
    fn end(&mut self, conn: ConnId, reason: Reason) {
        let Some(context) = self.core.state.slots.get(conn) else { return };
        let is_cut = reason == Reason::Aborted || context.sending || !context.queue.is_empty();
        self.backend.release(conn, if is_cut { Ending::Reset } else { Ending::Plain });
        self.give_back(conn);
        self.core.tell_disconnected(conn, reason);
    }
}

/// The end of the worker.
impl<B: Backend, H: Hooks> Worker<B, H> {
    /// What the sockets take at once is sent, then everybody is let go and told.
    fn stop(&mut self) {
        self.end_turn();
        for _ in 0..ROUNDS_AT_STOP_MAX {
            // What was only posted is complete after one more turn, and then there may be more to send.
            if let Err(error) = self.backend.wait(Some(Duration::ZERO)) {
                tracing::error!(%error, "waiting failed; what was still to be sent may be cut");
                break;
            }
            self.backend.deliver(&mut self.core);
            if self.core.state.attention.is_empty() {
                break;
            }
            self.settle_all();
        }
        for command in self.inbox().close() {
            self.decline(&command);
        }
        let occupants: Vec<ConnId> = self.core.state.slots.occupants().collect();
        for conn in occupants {
            match self.core.state.slots.get(conn).map(|context| context.phase()) {
                Some(Phase::Connecting) => self.core.connect_failed(conn, stopped()),
                Some(Phase::Ended(_) | Phase::Unopened) | None => {}
                Some(_) => {
                    self.end(conn, Reason::Shutdown);
                    continue;
                }
            }
            self.settle(conn.slot());
        }
        self.core.turn_ended();
        self.core.state.publish();
    }

    fn decline(&mut self, command: &Command) {
        if let Command::Connect { token, .. } = command {
            self.core.state.counters().connect_errors.add(1);
            self.core.tell_fault(Fault::Connect { token: *token, error: stopped() });
        }
        let state = &self.core.state;
        if let Some(way) = command.way() {
            state.handle.shared().load.leave(state.worker, way);
        }
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the server stopped")
}

/// The worker's clock, read only when there are deadlines.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}
