//! The verbs, on the worker itself.
//!
//! For a connection of this worker they cost a mark on its context; they take effect at the end of the turn.
//! For a connection of another worker they go through its queue, like those of a [`Handle`].
//! Read next: `core.rs`.

use crate::core::State;
use crate::handle::Handle;
use crate::hooks::{Fault, Verb};
use crate::id::ConnId;
use crate::payload::Payload;
use crate::pool::Chunk;

/// The worker a hook runs on.
pub struct Io<'a> {
    state: &'a mut State,
}

impl<'a> Io<'a> {
    #[inline]
    pub(crate) fn new(state: &'a mut State) -> Io<'a> {
        Io { state }
    }

    /// Queues bytes, or a received chunk as it is. All that is queued for a connection in a turn leaves in one
    /// write. Stale or closing: dropped and [told](Fault::Stale). More than `send_queue_bytes_max`: the connection
    /// is reset.
    #[inline]
    pub fn send(&mut self, conn: ConnId, payload: impl Into<Payload>) {
        if self.is_here(conn) {
            self.state.send(conn, payload.into());
        } else {
            self.send_elsewhere(conn, payload.into());
        }
    }

    fn send_elsewhere(&mut self, conn: ConnId, payload: Payload) {
        if let Err(refused) = self.state.handle.send(conn, payload) {
            self.state.push_fault(Fault::SendRefused { conn, refused });
        }
    }

    /// Flushes what is queued, finishes sending, then waits for the peer to finish, at most
    /// `linger_timeout`. Nothing more is received from it. Closing twice is closing once.
    pub fn close(&mut self, conn: ConnId) {
        self.act(conn, Verb::Close);
    }

    /// Resets the connection; what is queued is lost.
    pub fn abort(&mut self, conn: ConnId) {
        self.act(conn, Verb::Abort);
    }

    /// What arrives stays in the kernel, and then at the peer. What was read before this takes effect is still
    /// `received`, the peer's end too. On mio that is nothing if the connection's own `received` asks for it, else
    /// one chunk at most. On io_uring the kernel hears of it when the next turn begins, and what it has filled until
    /// then comes in this turn and that one: in each at most the buffers posted ahead, which are 256 or the worker's
    /// share of `receive_buffers_max` if that is less. After the next turn nothing comes.
    pub fn pause_reading(&mut self, conn: ConnId) {
        self.act(conn, Verb::PauseReading);
    }

    /// Takes up reading again, with what arrived meanwhile.
    #[inline]
    pub fn resume_reading(&mut self, conn: ConnId) {
        if self.is_here(conn) {
            self.state.resume(conn);
        } else {
            self.state.handle.act(conn, Verb::ResumeReading);
        }
    }

    /// Whether no command that another thread posted waits for this worker: what is asked of `self` now overtakes
    /// nothing that the caller has asked of a [`Handle`] before.
    #[inline]
    pub fn is_caught_up(&self) -> bool {
        self.state.handle.inbox(self.state.worker).is_empty()
    }

    /// Takes a chunk's buffer back at once, without the lock that dropping it takes.
    #[inline]
    pub fn give_back(&mut self, mut chunk: Chunk) {
        let stock = &mut self.state.stock;
        if let Some(buffer) = stock.reclaim(&mut chunk) {
            stock.put(buffer);
        }
    }

    /// This worker.
    pub fn worker(&self) -> usize {
        self.state.worker
    }

    /// The verbs of the whole server.
    pub fn handle(&self) -> &Handle {
        &self.state.handle
    }

    #[inline]
    fn act(&mut self, conn: ConnId, verb: Verb) {
        if self.is_here(conn) {
            self.state.act(conn, verb);
        } else {
            self.state.handle.act(conn, verb);
        }
    }

    #[inline]
    fn is_here(&self, conn: ConnId) -> bool {
        conn.worker() == self.state.worker
    }
}
