//! Reading from readable sockets, fairly and with as many buffers as there are.
//!
//! A socket is read until it has nothing left, or its share of the turn is used up (then it waits on the ready
//! list for the next turn, which does not wait), or no buffer is free (then it starves until there is one).
//!
//! When is a socket drained? `WouldBlock` proves it everywhere. With epoll a short read does too, and saves
//! the second system call of nearly every message: more bytes, or an end, arriving later are a new edge. Not
//! so if the end or an error was announced with the bytes already (`hung_up`): no further edge comes for it.
//!
//! Invariants: starving sockets go first, in their order; a source is on one list at most (one that starved
//! and is now only discarded may be on both, which costs one read in vain).
//! Limit: `READS_PER_TURN_MAX` buffers a socket and turn.
//! Read next: `core.rs`, which gets the chunks.

use std::collections::VecDeque;
use std::io;

use super::source::Source;
use super::{Mio, plain};
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::pool::Buffer;
use crate::sys::Receive;

const READS_PER_TURN_MAX: usize = 4;
const SHORT_READ_DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Readable sockets that were not drained.
#[derive(Default)]
pub(super) struct Waiting {
    ready: Vec<ConnId>,
    starving: VecDeque<ConnId>,
    /// Memory for the list of the ready that is being worked off.
    turn: Vec<ConnId>,
}

impl Waiting {
    pub(super) fn push_ready(&mut self, conn: ConnId) {
        self.ready.push(conn);
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn has_starving(&self) -> bool {
        !self.starving.is_empty()
    }
}

/// What one read did.
enum Step {
    /// Filled this much of the buffer.
    Bytes(usize),
    /// Nothing there now.
    Drained,
    /// A signal came; nothing is known.
    Interrupted,
    PeerFinished,
    Failed(io::Error),
}

impl Step {
    /// Interrupted by a signal the socket is left readable, and read again before the next wait.
    #[cold]
    fn failed(error: io::Error) -> Step {
        match error.kind() {
            io::ErrorKind::Interrupted => Step::Interrupted,
            io::ErrorKind::WouldBlock => Step::Drained,
            _ => Step::Failed(error),
        }
    }
}

impl Source {
    /// Reads into a buffer and hands over what came.
    #[inline]
    fn deliver<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, mut buffer: Buffer) -> Step {
        let step = self.read_into(buffer.bytes_mut());
        if let Step::Bytes(len) = step {
            let chunk = core.state.stock.chunk(buffer, len);
            core.received(conn, chunk);
        } else {
            core.state.stock.put(buffer);
        }
        step
    }

    #[inline]
    fn read_into(&mut self, buffer: &mut [u8]) -> Step {
        let step = match plain::recv(&self.socket, buffer) {
            Ok(0) => Step::PeerFinished,
            Ok(len) => Step::Bytes(len),
            Err(error) => Step::failed(error.into()),
        };
        self.readable = match step {
            Step::Bytes(len) => len == buffer.len() || self.hung_up || !SHORT_READ_DRAINS,
            Step::Interrupted => true,
            Step::Drained | Step::PeerFinished | Step::Failed(_) => false,
        };
        step
    }
}

impl Mio {
    /// Those left over from earlier turns: the starving for as long as there are buffers, then the ready.
    pub(super) fn read_waiting<H: Hooks>(&mut self, core: &mut Core<H>) {
        let mut turn = std::mem::take(&mut self.waiting.turn);
        turn.append(&mut self.waiting.ready);
        for _ in 0..self.waiting.starving.len() {
            if !core.state.stock.has_one() {
                break;
            }
            if let Some(longest) = self.waiting.starving.pop_front() {
                self.read_left_over(core, longest);
            }
        }
        turn.drain(..).for_each(|conn| self.read_left_over(core, conn));
        self.waiting.turn = turn;
    }

    fn read_left_over<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        if let Some(source) = self.sources.get(conn) {
            source.queued = false;
            if source.readable {
                self.read(core, conn);
            }
        }
    }

    /// Reads a socket's share of this turn.
    #[inline]
    pub(super) fn read<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        let Some(source) = self.sources.get(conn) else { return };
        for _ in 0..READS_PER_TURN_MAX {
            let step = match source.receive {
                Receive::Off => return,
                Receive::Discard => source.read_into(&mut self.scratch),
                Receive::Deliver => {
                    let Some(buffer) = core.state.stock.take(conn.slot()) else {
                        return self.starve(core, conn);
                    };
                    source.deliver(core, conn, buffer)
                }
            };
            match step {
                Step::Bytes(_) | Step::Interrupted if source.readable => {}
                Step::Bytes(_) | Step::Interrupted | Step::Drained => return,
                Step::PeerFinished => {
                    source.receive = Receive::Off;
                    return core.peer_finished(conn);
                }
                Step::Failed(error) => {
                    source.receive = Receive::Off;
                    return core.failed(conn, &error);
                }
            }
            source.receive = core.state.new_order(conn).unwrap_or(source.receive);
        }
        // The rest in the next turn.
        source.queued = true;
        self.waiting.push_ready(conn);
    }

    /// Before the list grows, those who are gone leave it.
    #[cold]
    fn starve<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        core.state.counters().starved.add(1);
        let Waiting { starving, .. } = &mut self.waiting;
        if starving.len() == starving.capacity() {
            starving.retain(|conn| self.sources.get(*conn).is_some_and(|source| source.queued));
        }
        if let Some(source) = self.sources.get(conn) {
            source.queued = true;
            starving.push_back(conn);
        }
    }
}
