//! Receiving: one standing operation a connection, into whichever posted buffer is next.
//!
//! A standing receive completes once for each buffer it fills and says its last word when it is cancelled, at the
//! peer's end, at an error, or when no buffer is posted: it takes one to look for bytes. While discarding there is
//! nothing to keep: if no receive stands, bytes are cut off in the kernel (`MSG_TRUNC`) and need no buffer at all.
//!
//! Invariants: starving connections are served in their order, as many as there are buffers; an order is obeyed
//! before the next buffer that the kernel has not filled yet (what it has filled is delivered).
//! Limit: the kernel itself goes on after some dozens of buffers of one socket with the next.
//! Read next: `buffers.rs`; `core.rs`, which gets the chunks.

use std::io;

use io_uring::opcode::{AsyncCancel, PollAdd, Recv, RecvMulti, Send};
use io_uring::squeue::Flags;

use super::Uring;
use super::buffers::GROUP;
use super::ring::Completion;
use super::send::FLAGS as SEND_FLAGS;
use super::source::{Kind, Receiving, Source, conn, with_fd};
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::sys::Receive;

/// The most that one discarding receive cuts off.
const DISCARD_BYTES_MAX: u32 = 1 << 20;
/// What a poll says of a socket that has failed.
const FAILURE: i32 = (libc::POLLERR | libc::POLLHUP) as i32;

impl Uring {
    /// Changes the standing order.
    pub(super) fn order(&mut self, conn: ConnId, order: Receive) {
        let Some(source) = self.sources.get(conn) else { return };
        source.order = order;
        match (order, source.receiving) {
            (Receive::Off, Receiving::Standing | Receiving::Discarding) => self.cancel_receive(conn),
            (Receive::Discard, Receiving::Starving) => {
                // Needs no buffer, so it need not wait for one any longer.
                source.receiving = Receiving::Idle;
                self.receive_more(conn);
            }
            _ => self.receive_more(conn),
        }
        self.watch(conn);
    }

    /// Posts what the order asks for, unless something is under way or there is nothing to come.
    pub(super) fn receive_more(&mut self, conn: ConnId) {
        let Some(source) = self.sources.get(conn) else { return };
        if source.receiving != Receiving::Idle {
            return;
        }
        let (entry, receiving) = match source.order {
            Receive::Off => return,
            Receive::Deliver => {
                (with_fd!(source.descriptor, |fd| RecvMulti::new(fd, GROUP).build()), Receiving::Standing)
            }
            Receive::Discard => {
                let flags = libc::MSG_TRUNC;
                let nowhere = std::ptr::null_mut();
                let cut = with_fd!(source.descriptor, |fd| {
                    Recv::new(fd, nowhere, DISCARD_BYTES_MAX).flags(flags).build()
                });
                (cut, Receiving::Discarding)
            }
        };
        source.receiving = receiving;
        self.post(&entry.user_data(Kind::Receive.by(conn)));
    }

    fn cancel_receive(&mut self, conn: ConnId) {
        if let Some(source) = self.sources.get(conn) {
            source.receiving = Receiving::Cancelling;
            self.cancel(Kind::Receive, conn);
        }
    }

    /// The cancelled operation says so itself.
    pub(super) fn cancel(&mut self, kind: Kind, conn: ConnId) {
        self.post_unheard(AsyncCancel::new(kind.by(conn)).build());
    }

    /// A receive completed: bytes, the end, or an error. Whose connection was released finds nobody; only the buffer
    /// is left of it, and goes back with its chunk.
    #[inline]
    pub(super) fn handle_receive<H: Hooks>(&mut self, core: &mut Core<H>, completion: Completion) {
        let conn = conn(completion.user_data, core.state.worker);
        if let Some(number) = completion.buffer() {
            let buffer = self.buffers.take(number);
            let chunk = core.state.stock.chunk(buffer, completion.result.max(0) as usize);
            core.received(conn, chunk);
        }
        if !completion.has_more() {
            self.handle_last_word(core, conn, completion);
        }
    }

    /// A receive ended.
    fn handle_last_word<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, completion: Completion) {
        let Some(source) = self.sources.get(conn) else { return };
        source.receiving = Receiving::Idle;
        match -completion.result {
            libc::ENOBUFS if source.order == Receive::Deliver => {
                source.receiving = Receiving::Starving;
                self.starve(core, conn);
            }
            bytes if bytes < 0 => self.receive_more(conn),
            libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => self.receive_more(conn),
            0 => {
                source.receiving = Receiving::Over;
                core.peer_finished(conn);
            }
            error => {
                source.receiving = Receiving::Over;
                core.failed(conn, &io::Error::from_raw_os_error(error));
            }
        }
    }

    /// Before the list grows, those who are gone leave it.
    fn starve<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId) {
        core.state.counters().starved.add(1);
        if self.starving.len() == self.starving.capacity() {
            let sources = &mut self.sources;
            let starves = |source: &mut Source| source.receiving == Receiving::Starving;
            self.starving.retain(|conn| sources.get(*conn).is_some_and(starves));
        }
        self.starving.push_back(conn);
    }

    /// Posts what the pool has, and then receives for those who found nothing posted: as many as there are buffers, for
    /// each takes one to look for bytes. Those it found silent do not keep theirs, so there is a next turn at once.
    pub(super) fn feed<H: Hooks>(&mut self, core: &mut Core<H>) {
        self.buffers.refill(&mut core.state.stock);
        let mut served = 0;
        while served < self.buffers.count()
            && let Some(conn) = self.starving.pop_front()
        {
            if let Some(source) = self.sources.get(conn)
                && source.receiving == Receiving::Starving
            {
                source.receiving = Receiving::Idle;
                served += usize::from(source.order == Receive::Deliver);
                self.receive_more(conn);
            }
        }
        if !self.starving.is_empty() {
            core.state.stock.await_one();
        }
    }

    /// With nobody reading, a failure would go unnoticed. A poll always tells of the peer's end too, over and over
    /// unless it is a standing one, which tells what is new.
    fn watch(&mut self, conn: ConnId) {
        let Some(source) = self.sources.get(conn) else { return };
        if source.order == Receive::Off && !std::mem::replace(&mut source.watched, true) {
            let poll = with_fd!(source.descriptor, |fd| PollAdd::new(fd, 0).multi(true).build());
            self.post(&poll.user_data(Kind::Watch.by(conn)));
        }
    }

    /// Something happened to a socket that nobody reads. Whether it failed, and how, says a send of nothing.
    pub(super) fn handle_watch<H: Hooks>(&mut self, core: &mut Core<H>, completion: Completion) {
        let conn = conn(completion.user_data, core.state.worker);
        let Some(source) = self.sources.get(conn) else { return };
        source.watched = completion.has_more();
        // Whoever reads finds the error in its place, behind the last bytes.
        if source.order == Receive::Off || source.receiving == Receiving::Starving {
            if completion.result & FAILURE > 0 {
                let nothing = with_fd!(source.descriptor, |fd| {
                    Send::new(fd, std::ptr::null(), 0).flags(SEND_FLAGS).build()
                });
                self.post(&nothing.flags(Flags::SKIP_SUCCESS).user_data(Kind::Verdict.by(conn)));
            }
            self.watch(conn);
        }
    }
}
