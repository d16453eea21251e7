//! Sending: what a turn has queued for all connections goes to the kernel in one enter.
//!
//! A send may not wait (`MSG_DONTWAIT`), takes all or says how much (`MSG_WAITALL`), and completes without a word
//! if it took all (`SKIP_SUCCESS`). Such a send is done when the enter that hands it over returns: either the socket
//! has taken it, or a completion says what it refused. So a turn of a thousand sends costs no completion, and we
//! learn of a full socket at once, as readiness would tell. A socket that refused is polled for room.
//!
//! Invariants: payloads of posted sends are owned here until their enter has returned, and until no completion is kept
//! back by the kernel for want of a place: one of them could speak of a refusal. One send a connection.
//! Limits: `PARTS_MAX` parts a send and `VECTORS_MAX` an enter, then it is made early.
//! Read next: `ring.rs`; `core.rs`, `sent` and `refused`.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::opcode::{PollAdd, Send, SendMsg};
use io_uring::squeue::{Entry, Flags};

use super::Uring;
use super::ring::Completion;
use super::source::{Descriptor, Kind, conn, number, with_fd};
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::payload::Payload;
use crate::pool::Stock;
use crate::send_queue::SendQueue;

/// What the kernel takes in one call (`UIO_MAXIOV`).
const PARTS_MAX: usize = 1024;
/// Below what it takes of them (2 GiB less a page); it would cut the rest off without a word.
const BYTES_MAX: usize = 1 << 30;
const VECTORS_MAX: usize = 4096;
pub(super) const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// The posted sends, in their order.
#[derive(Default)]
pub(super) struct Sends {
    posted: Vec<Posted>,
    /// The further payloads of all those that have several, one after the other.
    further: Vec<Payload>,
    /// What describes those of several parts. Never grown while the kernel has yet to read it.
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::msghdr>,
}

struct Posted {
    conn: ConnId,
    first: Payload,
    /// How many payloads are in `further`.
    further: u32,
    bytes: i32,
    /// What the socket took, or an error; all of it unless a completion says otherwise.
    result: i32,
}

// SAFETY: the pointers in vectors and headers are to the payloads' memory, and are followed by the kernel alone.
unsafe impl std::marker::Send for Sends {}

impl Sends {
    pub(super) fn is_empty(&self) -> bool {
        self.posted.is_empty()
    }

    /// Whether the description of one more send of several parts has room.
    fn has_room(&self) -> bool {
        self.vectors.len() + PARTS_MAX <= self.vectors.capacity()
            && self.headers.len() < self.headers.capacity()
    }

    /// What the descriptions say was read by the kernel.
    fn make_room(&mut self) {
        self.vectors.clear();
        self.headers.clear();
        self.vectors.reserve(VECTORS_MAX);
        self.headers.reserve(VECTORS_MAX / 2);
    }

    /// A send of the only payload.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    fn one(&mut self, conn: ConnId, descriptor: &Descriptor, payload: Payload, name: u64) -> Entry {
        let (at, len) = (payload.as_ptr(), payload.len());
        let bytes = whole(len);
        let posted = Posted { conn, first: payload, further: 0, bytes, result: bytes };
        self.posted.push(posted);
        plain_send(descriptor, at, len as u32, name)
    }

    /// A send of several payloads, or of the beginning of one that is very large.
    #[cold]
    fn many(&mut self, conn: ConnId, descriptor: &Descriptor, queue: &mut SendQueue, name: u64) -> Entry {
        debug_assert!(self.has_room());
        let (vectors, further) = (self.vectors.len(), self.further.len());
        let first = queue.pop_at_most(BYTES_MAX).unwrap_or_default();
        let mut bytes = first.len();
        self.vectors.push(vector(&first));
        while self.vectors.len() - vectors < PARTS_MAX
            && let Some(payload) = queue.pop_at_most(BYTES_MAX - bytes)
        {
            bytes += payload.len();
            self.vectors.push(vector(&payload));
            self.further.push(payload);
        }
        let further = (self.further.len() - further) as u32;
        let bytes = whole(bytes);
        self.posted.push(Posted { conn, first, further, bytes, result: bytes });
        // SAFETY: a header of zeros is a valid one: no address, no vectors, no control data.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.vectors[vectors..].as_mut_ptr();
        header.msg_iovlen = (self.vectors.len() - vectors) as _;
        self.headers.push(header);
        let header = &raw const *self.headers.last().expect("invariant: a header was just pushed");
        let entry = with_fd!(descriptor, |fd| SendMsg::new(fd, header).flags(FLAGS as u32).build());
        entry.flags(Flags::SKIP_SUCCESS).user_data(name)
    }

    /// A posted send was not taken whole.
    #[inline]
    pub(super) fn note(&mut self, completion: Completion) {
        if let Some(posted) = self.posted.get_mut(number(completion.user_data) as usize) {
            posted.result = completion.result;
        }
    }
}

/// Of a send, in the kernel's numbers.
#[inline]
fn whole(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("invariant: a send is of BYTES_MAX at most")
}

/// A send of one part, in the words of the kernel's `struct io_uring_sqe`: nearly every message is one, and the
/// crate's builder copies it four times over.
#[inline(always)]
#[allow(clippy::inline_always)] // Once a message.
fn plain_send(descriptor: &Descriptor, at: *const u8, len: u32, name: u64) -> Entry {
    let (fd, fixed) = match descriptor {
        Descriptor::Ordinary(fd) => (fd.as_raw_fd() as u32, Flags::empty()),
        Descriptor::Direct(slot) => (*slot, Flags::FIXED_FILE),
    };
    let flags = (Flags::SKIP_SUCCESS | fixed).bits();
    let head = SqeHead { opcode: Send::CODE, flags, ioprio: 0, fd };
    let sqe = Sqe { head, offset: 0, address: at, len, send_flags: FLAGS, name, rest: [0; 3] };
    // SAFETY: both are C structs of the same 64 bytes, and any bits are a valid entry.
    unsafe { std::mem::transmute::<Sqe, Entry>(sqe) }
}

/// `struct io_uring_sqe`, as a send uses it.
#[repr(C)]
struct Sqe {
    head: SqeHead,
    offset: u64,
    address: *const u8,
    len: u32,
    send_flags: i32,
    name: u64,
    rest: [u64; 3],
}

#[repr(C)]
struct SqeHead {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: u32,
}

fn vector(payload: &Payload) -> libc::iovec {
    libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() }
}

impl Uring {
    /// Posts a send of what is queued.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    pub(super) fn post_send(&mut self, conn: ConnId, queue: &mut SendQueue) -> io::Result<()> {
        let source = self.sources.get(conn).ok_or(io::ErrorKind::NotConnected)?;
        let name = Kind::Send.numbered(self.sends.posted.len() as u64);
        let entry = if queue.bytes() <= BYTES_MAX
            && let Some(payload) = queue.take_single()
        {
            self.sends.one(conn, &source.descriptor, payload, name)
        } else {
            if !self.sends.has_room() {
                self.ring.submit()?;
                self.sends.make_room();
            }
            self.sends.many(conn, &source.descriptor, queue, name)
        };
        // SAFETY: the payloads stay in `sends` until `complete_sends`, which is called after the enter that completes
        // the send (it may not wait); their bytes do not move with them. Vectors and headers are
        // cleared only after a submit, and never grow beyond what they reserved.
        unsafe { self.ring.push(&entry) }
    }

    /// The enter that handed them over has returned: all posted sends are complete.
    #[inline]
    pub(super) fn complete_sends<H: Hooks>(&mut self, core: &mut Core<H>) {
        let mut sends = std::mem::take(&mut self.sends);
        let mut further = sends.further.drain(..);
        for send in &mut sends.posted {
            if send.result == send.bytes {
                self.reclaim(&mut core.state.stock, &mut send.first);
                for _ in 0..send.further {
                    self.reclaim(&mut core.state.stock, &mut further.next().unwrap_or_default());
                }
                core.sent(send.conn, send.bytes as usize);
            } else {
                let first = std::mem::take(&mut send.first);
                let parts = std::iter::once(first).chain(further.by_ref().take(send.further as usize));
                self.refuse(core, send.conn, send.result, parts.collect());
            }
        }
        drop(further);
        sends.posted.clear();
        sends.vectors.clear();
        sends.headers.clear();
        self.sends = sends;
    }

    /// A chunk that went out is posted as a receive buffer again, without a way through the pool.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    fn reclaim(&mut self, stock: &mut Stock, payload: &mut Payload) {
        if let Some(buffer) = payload.spend(stock)
            && let Some(buffer) = self.buffers.post(buffer)
        {
            stock.put(buffer);
        }
    }

    fn refuse<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, result: i32, parts: Vec<Payload>) {
        let taken = match result {
            taken @ 0.. => taken as usize,
            error if [-libc::EAGAIN, -libc::EINTR].contains(&error) => 0,
            error => return core.failed(conn, &io::Error::from_raw_os_error(-error)),
        };
        core.refused(conn, taken, parts.into_iter());
        if let Some(source) = self.sources.get(conn) {
            source.refused = true;
            let poll = with_fd!(source.descriptor, |fd| PollAdd::new(fd, libc::POLLOUT as u32).build());
            self.post(&poll.user_data(Kind::Writable.by(conn)));
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
