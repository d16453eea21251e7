//! Reading from readable sockets, fairly and with as many buffers as there are.
//!
//! A socket is read until it has nothing left, or its share of the turn is used up (then it waits on the ready
//! list for the next turn, which does not wait), or no buffer is free (then it starves until the pool's wake).
//!
//! When is a socket drained? `WouldBlock` proves it everywhere. With epoll a short read does too, and saves
//! the second system call of nearly every message: more bytes, or an end, arriving later are a new edge. Not
//! so if the end or an error was announced with the bytes already (`hung_up`): no further edge comes for it.
//!
//! Invariants: starving sockets go first, in their order; a source is on one list at most (one that starved
//! and is now only discarded may be on both, which costs one read in vain).
//! Limit: `READS_PER_TURN_MAX` buffers a socket and turn.
//! Read next: `core.rs`, which gets the chunks.

use std::io::{self, Read};

use super::Mio;
use super::source::Source;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::pool::{Buffer, Chunk};
use crate::sys::Receive;

const READS_PER_TURN_MAX: usize = 4;
const SHORT_READ_DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Readable sockets that were not drained.
#[derive(Default)]
pub(super) struct Waiting {
    ready: Vec<ConnId>,
    starving: Vec<ConnId>,
    /// Memory for the list being worked off.
    turn: Vec<ConnId>,
}

impl Waiting {
    pub(super) fn push_ready(&mut self, conn: ConnId) {
        self.ready.push(conn);
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

/// What one read did.
enum Step {
    /// Filled this much of the buffer.
    Bytes(usize),
    /// Nothing there now.
    Drained,
    PeerFinished,
    Failed(io::Error),
}

impl Source {
    fn read_into(&mut self, buffer: &mut [u8]) -> Step {
        let step = loop {
            match self.socket.read(buffer) {
                Ok(0) => break Step::PeerFinished,
                Ok(len) => break Step::Bytes(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Step::Drained,
                Err(error) => break Step::Failed(error),
            }
        };
        self.readable = match step {
            Step::Bytes(len) => len == buffer.len() || self.hung_up || !SHORT_READ_DRAINS,
            Step::Drained | Step::PeerFinished | Step::Failed(_) => false,
        };
        step
    }
}

impl Mio {
    /// Those left over from earlier turns.
    pub(super) fn read_waiting<H: Hooks>(&mut self, core: &mut Core<H>) {
        let mut turn = std::mem::take(&mut self.waiting.turn);
        turn.append(&mut self.waiting.starving);
        turn.append(&mut self.waiting.ready);
        for conn in turn.drain(..) {
            if let Some(source) = self.sources.get(conn) {
                source.queued = false;
                self.read(core, conn);
            }
        }
        self.waiting.turn = turn;
    }

    /// Reads a socket's share of this turn.
    pub(super) fn read<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        for _ in 0..READS_PER_TURN_MAX {
            let Some(source) = self.sources.get(conn) else { return };
            if !source.readable {
                return;
            }
            match source.receive {
                Receive::Off => return,
                Receive::Discard => self.discard(core, conn),
                Receive::Deliver => {
                    let Some(buffer) = self.spare.take().or_else(|| core.pool().take()) else {
                        return self.starve(conn);
                    };
                    self.deliver(core, conn, buffer);
                }
            }
        }
        self.read_next_turn(conn);
    }

    fn deliver<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, mut buffer: Buffer) {
        let Some(source) = self.sources.get(conn) else { return };
        match source.read_into(&mut buffer) {
            Step::Bytes(len) => {
                let chunk = Chunk::pooled(buffer, len, core.pool());
                source.receive = core.received(conn, chunk);
            }
            step => {
                self.spare = Some(buffer);
                self.complete(core, conn, &step);
            }
        }
    }

    fn discard<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        let Some(source) = self.sources.get(conn) else { return };
        let step = source.read_into(&mut self.scratch);
        self.complete(core, conn, &step);
    }

    fn complete<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, step: &Step) {
        let Some(source) = self.sources.get(conn) else { return };
        match step {
            Step::Bytes(_) | Step::Drained => {}
            Step::PeerFinished => {
                source.receive = Receive::Off;
                core.peer_finished(conn);
            }
            Step::Failed(error) => {
                source.receive = Receive::Off;
                core.failed(conn, error);
            }
        }
    }

    fn starve(&mut self, conn: ConnId) {
        if let Some(source) = self.sources.get(conn) {
            source.queued = true;
            self.waiting.starving.push(conn);
        }
    }

    fn read_next_turn(&mut self, conn: ConnId) {
        if let Some(source) = self.sources.get(conn)
            && source.readable
            && source.receive != Receive::Off
            && !std::mem::replace(&mut source.queued, true)
        {
            self.waiting.ready.push(conn);
        }
    }
}
