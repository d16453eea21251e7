//! Sending: what a turn has queued for all connections goes to the kernel in one enter.
//!
//! A send may not wait (`MSG_DONTWAIT`), takes all or says how much (`MSG_WAITALL`), and completes without a word
//! if it took all (`SKIP_SUCCESS`). Such a send is done when the enter that hands it over returns: either the socket
//! has taken it, or a completion says what it refused. So a turn of a thousand sends costs no completion, and we
//! learn of a full socket at once, as readiness would tell. A socket that refused is polled for room.
//!
//! Invariants: payloads of posted sends are owned here until their enter has returned; one send a connection.
//! Limits: `PARTS_MAX` parts a send and `VECTORS_MAX` an enter, then it is made early.
//! Read next: `ring.rs`; `core.rs`, `sent` and `refused`.

use std::io;

use io_uring::opcode::{PollAdd, Send, SendMsg};
use io_uring::squeue::{Entry, Flags};

use super::Uring;
use super::ring::Completion;
use super::source::{Descriptor, Kind, conn, number, with_fd};
use crate::context::SendQueue;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::payload::Payload;

/// What the kernel takes in one call (`UIO_MAXIOV`).
const PARTS_MAX: usize = 1024;
const VECTORS_MAX: usize = 4096;
pub(super) const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// The posted sends, in their order.
pub(super) struct Sends {
    posted: Vec<Posted>,
    /// All their payloads, one after the other.
    payloads: Vec<Payload>,
    /// What describes those of several parts. Never grown while the kernel has yet to read it.
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::msghdr>,
}

struct Posted {
    conn: ConnId,
    parts: u32,
    /// What the socket took; all of it unless a completion says otherwise.
    outcome: Result<usize, i32>,
    bytes: usize,
}

// SAFETY: the pointers in vectors and headers are to the payloads' memory, and are followed by the kernel alone.
unsafe impl std::marker::Send for Sends {}

impl Sends {
    pub(super) fn new() -> Sends {
        Sends { posted: Vec::new(), payloads: Vec::new(), vectors: Vec::new(), headers: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.posted.is_empty()
    }

    /// Whether the description of one more send of several parts has room.
    fn has_room(&self) -> bool {
        self.vectors.len() + PARTS_MAX <= self.vectors.capacity()
            && self.headers.len() < self.headers.capacity()
    }

    /// Takes payloads from the queue, and says how many.
    fn own(&mut self, conn: ConnId, queue: &mut SendQueue) -> usize {
        let (before, waiting) = (self.payloads.len(), queue.bytes());
        self.payloads.extend(std::iter::from_fn(|| queue.pop()).take(PARTS_MAX));
        let (parts, bytes) = (self.payloads.len() - before, waiting - queue.bytes());
        self.posted.push(Posted { conn, parts: parts as u32, outcome: Ok(bytes), bytes });
        parts
    }

    /// A send of the last payload.
    #[inline]
    fn one(&self, descriptor: &Descriptor) -> Entry {
        let payload = self.payloads.last().expect("invariant: a payload was just pushed");
        with_fd!(descriptor, |fd| Send::new(fd, payload.as_ptr(), payload.len() as u32).flags(FLAGS).build())
    }

    /// A send of the last `parts` payloads.
    fn many(&mut self, descriptor: &Descriptor, parts: usize) -> Entry {
        debug_assert!(self.has_room());
        let first = self.vectors.len();
        let payloads = &self.payloads[self.payloads.len() - parts..];
        self.vectors.extend(payloads.iter().map(|payload| libc::iovec {
            iov_base: payload.as_ptr().cast_mut().cast(),
            iov_len: payload.len(),
        }));
        // SAFETY: a header of zeros is a valid one: no address, no vectors, no control data.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.vectors[first..].as_mut_ptr();
        header.msg_iovlen = parts as _;
        self.headers.push(header);
        let header = &raw const *self.headers.last().expect("invariant: a header was just pushed");
        with_fd!(descriptor, |fd| SendMsg::new(fd, header).flags(FLAGS as u32).build())
    }
}

impl Uring {
    /// Posts a send of what is queued.
    #[inline]
    pub(super) fn post_send(&mut self, conn: ConnId, queue: &mut SendQueue) -> io::Result<()> {
        let source = self.sources.get(conn).ok_or(io::ErrorKind::NotConnected)?;
        let name = Kind::Send.numbered(self.sends.posted.len() as u64);
        let parts = self.sends.own(conn, queue);
        let entry = if parts == 1 {
            self.sends.one(&source.descriptor)
        } else {
            if !self.sends.has_room() {
                self.ring.submit()?;
                self.sends.vectors.clear();
                self.sends.headers.clear();
                self.sends.vectors.reserve(VECTORS_MAX);
                self.sends.headers.reserve(VECTORS_MAX / 2);
            }
            self.sends.many(&source.descriptor, parts)
        };
        // SAFETY: the payloads stay in `sends` until `complete_sends`, which is called after the enter that completes
        // the send (it may not wait); their bytes do not move with them. Vectors and headers are
        // cleared only after a submit, and never grow beyond what they reserved.
        unsafe { self.ring.push(&entry.flags(Flags::SKIP_SUCCESS).user_data(name)) }
    }

    /// A posted send was not taken whole.
    #[inline]
    pub(super) fn note_send(&mut self, completion: Completion) {
        if let Some(posted) = self.sends.posted.get_mut(number(completion.user_data) as usize) {
            posted.outcome = usize::try_from(completion.result).map_err(|_| -completion.result);
        }
    }

    /// The enter that handed them over has returned: all posted sends are complete.
    #[inline]
    pub(super) fn complete_sends<H: Hooks>(&mut self, core: &mut Core<H>) {
        let mut payloads = std::mem::take(&mut self.sends.payloads);
        let mut posted = std::mem::take(&mut self.sends.posted);
        let mut first = 0;
        for send in posted.drain(..) {
            let end = first + send.parts as usize;
            match send.outcome {
                Ok(bytes) if bytes == send.bytes => core.sent(send.conn, bytes),
                outcome => self.refuse(core, send.conn, outcome, &mut payloads[first..end]),
            }
            first = end;
        }
        self.reclaim(core, &mut payloads);
        self.sends.payloads = payloads;
        self.sends.posted = posted;
        self.sends.vectors.clear();
        self.sends.headers.clear();
    }

    fn refuse<H: Hooks>(
        &mut self,
        core: &mut Core<H>,
        conn: ConnId,
        outcome: Result<usize, i32>,
        payloads: &mut [Payload],
    ) {
        let taken = match outcome {
            Ok(taken) => taken,
            Err(libc::EAGAIN | libc::EINTR) => 0,
            Err(error) => return core.failed(conn, &io::Error::from_raw_os_error(error)),
        };
        core.refused(conn, taken, payloads.iter_mut().map(std::mem::take));
        if let Some(source) = self.sources.get(conn) {
            source.refused = true;
            let poll = with_fd!(source.descriptor, |fd| PollAdd::new(fd, libc::POLLOUT as u32).build());
            self.post(&poll.user_data(Kind::Writable.by(conn)));
        }
    }

    /// Chunks that went out are posted as receive buffers again, without a way through the pool.
    fn reclaim<H: Hooks>(&mut self, core: &Core<H>, payloads: &mut Vec<Payload>) {
        let pool = core.pool();
        for payload in payloads.drain(..) {
            if let Some(buffer) = payload.reclaim(pool) {
                match self.buffers.post(buffer) {
                    None => self.returned += 1,
                    Some(buffer) => pool.give_back(buffer),
                }
            }
        }
    }

    /// A socket that refused has room, or has failed: sending again finds out.
    pub(super) fn handle_writable<H: Hooks>(&mut self, core: &mut Core<H>, completion: Completion) {
        let conn = conn(completion.user_data, core.state.worker);
        if let Some(source) = self.sources.get(conn) {
            source.refused = false;
            core.writable(conn);
        }
    }
}
