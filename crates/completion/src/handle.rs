//! The verbs, from any thread.
//!
//! A verb becomes a command at the worker of its connection and wakes it, one wake for many commands. What
//! comes of it is told to the hooks.
//!
//! Invariant: `send`s of one thread to one connection keep their order.
//! Limit: `commands_max` waiting sends at a worker, then [`Refused::Busy`]; of other verbs, see `command.rs`.
//! Read next: `command.rs`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::accept::{AcceptShare, bind};
use crate::command::{Command, Inbox};
use crate::config::Config;
use crate::hooks::{Fault, Origin, Verb};
use crate::id::{ConnId, ListenerId};
use crate::load::{Load, Way};
use crate::payload::Payload;
use crate::pool::Pool;
use crate::stats::{Stats, WorkerCounters};
use crate::sys;

/// Why a send was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `commands_max` sends wait at the worker; try again when it has caught up.
    #[error("the worker's queue is full")]
    Busy,
    /// The server has stopped, or never had that worker.
    #[error("the server has stopped")]
    Stopped,
}

/// What all threads of a server share.
pub(crate) struct Shared {
    pub(crate) workers: Box<[WorkerShare]>,
    pub(crate) load: Load,
    pub(crate) accept: AcceptShare,
    pub(crate) config: Config,
}

/// The part of a worker that other threads may touch.
pub(crate) struct WorkerShare {
    pub(crate) inbox: Inbox,
    pub(crate) pool: Arc<Pool>,
    pub(crate) counters: WorkerCounters,
}

/// A server, for any thread. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Shared) -> Handle {
        Handle { shared: Arc::new(shared) }
    }

    /// Queues bytes, or a received chunk as it is, for a connection.
    pub fn send(&self, conn: ConnId, payload: impl Into<Payload>) -> Result<(), Refused> {
        self.send_batch(conn.worker(), [(conn, payload.into())])
    }

    /// Queues many sends to connections of one worker with one lock and one wake, all or none: refused,
    /// the iterator is not begun. `commands_max` is passed by less than one batch. The iterator runs under
    /// the worker's lock and must not use this handle.
    pub fn send_batch<P: Into<Payload>>(
        &self,
        worker: usize,
        sends: impl IntoIterator<Item = (ConnId, P)>,
    ) -> Result<(), Refused> {
        self.shared.workers.get(worker).ok_or(Refused::Stopped)?.inbox.post_sends(sends)
    }

    /// As [`Io::close`](crate::Io::close).
    pub fn close(&self, conn: ConnId) {
        self.act(conn, Verb::Close);
    }

    /// As [`Io::abort`](crate::Io::abort).
    pub fn abort(&self, conn: ConnId) {
        self.act(conn, Verb::Abort);
    }

    /// As [`Io::pause_reading`](crate::Io::pause_reading), from when the worker hears of it; what it reads until
    /// then is received as ever.
    pub fn pause_reading(&self, conn: ConnId) {
        self.act(conn, Verb::PauseReading);
    }

    /// As [`Io::resume_reading`](crate::Io::resume_reading).
    pub fn resume_reading(&self, conn: ConnId) {
        self.act(conn, Verb::ResumeReading);
    }

    /// Connects, on the worker with the fewest connections. Answered there, once: `connected` with this
    /// token or [`Fault::Connect`]. (After a shutdown nobody answers, nor if `commands_max` such faults wait there.)
    pub fn connect(&self, addr: SocketAddr, token: u64) {
        match self.shared.load.admit(Way::Out) {
            Some(worker) => self.post_admitted(worker, Command::Connect { to: addr, token }),
            None => self.report(Fault::Connect { token, error: full() }),
        }
    }

    /// Takes over a connected stream socket: a `TcpStream`, a `UnixStream`, or what became one. An address that is no
    /// IP's, as of a Unix socket, shows as the unspecified one. Answered as `connect` is, with [`Fault::Adopt`].
    pub fn adopt(&self, stream: impl Into<socket2::Socket>, token: u64) {
        let origin = Origin::Adopted { token };
        match sys::adopt(stream.into(), self.shared.config.socket_buffer_bytes) {
            Err(error) => self.report(Fault::Adopt { token, error }),
            Ok((socket, peer)) => match self.shared.load.admit(Way::Out) {
                Some(worker) => self.post_admitted(worker, Command::Open { socket, origin, peer }),
                None => self.report(Fault::Adopt { token, error: full() }),
            },
        }
    }

    /// Opens a listener and begins to accept. Gives the address it got, for port 0. Waits for a taken port as
    /// [`bind`] does; who must not wait, or holds a lock, binds before and calls `listen_on`, which never waits.
    pub fn listen(&self, addr: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        self.listen_on(bind(addr)?)
    }

    /// Begins to accept on a socket that listens already: one whose port had to be known before, or one that
    /// was inherited.
    pub fn listen_on(&self, socket: TcpListener) -> io::Result<(ListenerId, SocketAddr)> {
        self.shared.accept.listen_on(socket, self.shared.config.socket_buffer_bytes)
    }

    /// Stops accepting and closes the listener, soon; its connections stay.
    pub fn unlisten(&self, listener: ListenerId) {
        self.shared.accept.unlisten(listener);
    }

    /// A turn of this worker, hence `turn_ended`, will happen. Many calls may cause one turn.
    pub fn wake(&self, worker: usize) {
        if let Some(worker) = self.shared.workers.get(worker) {
            worker.inbox.signal().ring();
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// Connections now, those being established and closing included.
    pub fn connections(&self) -> usize {
        self.shared.load.total()
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for worker in &self.shared.workers {
            worker.counters.add_to(&mut stats);
            worker.pool.add_to(&mut stats);
            stats.refused_busy += worker.inbox.refused_busy();
        }
        self.shared.accept.counters().add_to(&mut stats);
        stats
    }

    pub(crate) fn act(&self, conn: ConnId, verb: Verb) {
        if let Some(worker) = self.shared.workers.get(conn.worker()) {
            worker.inbox.post_verb(conn, verb);
        }
    }

    /// Posts what was counted by `Load::admit`, and takes the count back if nobody will.
    pub(crate) fn post_admitted(&self, worker: usize, command: Command) {
        let way = command.way();
        if !self.shared.workers[worker].inbox.post(command)
            && let Some(way) = way
        {
            self.shared.load.leave(worker, way);
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn inbox(&self, worker: usize) -> &Inbox {
        &self.shared.workers[worker].inbox
    }

    pub(crate) fn pool(&self, worker: usize) -> &Arc<Pool> {
        &self.shared.workers[worker].pool
    }

    pub(crate) fn counters(&self, worker: usize) -> &WorkerCounters {
        &self.shared.workers[worker].counters
    }

    /// Tells a fault that belongs to no worker's connection: the first worker's hooks hear it.
    fn report(&self, fault: Fault) {
        self.inbox(0).report(fault);
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "connections_max reached")
}
