//! A peer: the completion limit, the least that an echo server on `io_uring` can do.
//!
//! One multishot accept; for each connection one multishot receive out of a ring of provided buffers; what came
//! is sent from the very buffer it came in, which goes back when the send is complete. One system call a turn.
//!
//! - Owns: connections by descriptor; one ring of [`BUFFERS`] x [`BUFFER_BYTES`] a thread.
//! - Invariants: one send under way a connection, so that order is kept; a connection is closed only when the
//!   kernel has no operation of it, so that a completion never meets the next owner of its descriptor; sockets
//!   are blocking (`O_NONBLOCK` makes a receive answer `EAGAIN` instead of waiting in the ring).
//! - Limit: with all buffers under way, receives end with `ENOBUFS` and are armed again as buffers come back;
//!   clients that do not read can hold them all. A server that is shipped must not live like that; a limit may.
//!
//! Read next: the record of why `unsafe` may stand here, `docs/adr/0006-bare-peers-may-be-unsafe.md`.
#![deny(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use io_uring::squeue::Entry;
use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, SubmissionQueue, Submitter, cqueue, opcode};
use rustix::io::Errno;
use usher_bench::peer::Peer;

const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 4 * 1024;
const BUFFER_GROUP: u16 = 0;
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 4096;
const PAGE_BYTES: usize = 4096;

fn main() -> io::Result<()> {
    let peer = Peer::parse_as("bare_uring", "Echoes every byte, on a bare io_uring loop");
    let listener = peer.open()?;
    let others = (1..peer.threads()).map(|_| start_thread()).collect::<io::Result<Vec<_>>>()?;
    run(&mut new_ring()?, Some(Acceptor { listener, others, turn: 0 }))
}

/// Starts a thread with a ring of its own. Gives the ring's descriptor, by which it is sent connections.
fn start_thread() -> io::Result<RawFd> {
    let (sender, started) = mpsc::channel();
    let body = move |sender: &Sender<io::Result<RawFd>>| {
        let mut ring = new_ring()?;
        // The receiver waits for this.
        let _ = sender.send(Ok(ring.as_raw_fd()));
        run(&mut ring, None)
    };
    thread::Builder::new().name("loop".into()).spawn(move || {
        if let Err(error) = body(&sender) {
            eprintln!("bare_uring: a thread ended: {error}");
            let _ = sender.send(Err(error));
        }
    })?;
    started.recv().map_err(io::Error::other)?
}

/// Made in the thread that uses it, as `SINGLE_ISSUER` wants.
fn new_ring() -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_cqsize(COMPLETIONS);
    builder.build(SUBMISSIONS)
}

fn run(ring: &mut IoUring, acceptor: Option<Acceptor>) -> io::Result<()> {
    let buffers = Buffers::register(&ring.submitter())?;
    let (submitter, submissions, mut completions) = ring.split();
    let mut queue = Queue { submitter, submissions };
    let mut own = Loop { connections: Vec::new(), buffers, starved: VecDeque::new(), acceptor };
    if let Some(acceptor) = &own.acceptor {
        queue.push(&acceptor.entry())?;
    }
    loop {
        queue.submit_and_wait()?;
        completions.sync();
        for completion in &mut completions {
            own.complete(&completion, &mut queue)?;
        }
        completions.sync();
        own.feed_the_starved(&mut queue)?;
    }
}

/// Entries on their way to the kernel.
struct Queue<'a> {
    submitter: Submitter<'a>,
    submissions: SubmissionQueue<'a>,
}

impl Queue<'_> {
    #[allow(unsafe_code)]
    fn push(&mut self, entry: &Entry) -> io::Result<()> {
        // SAFETY: what an entry points to outlives its operation. The only pointers are those of sends, into the
        // buffers' memory, which is never freed; a buffer is given back only after its send completed.
        while unsafe { self.submissions.push(entry) }.is_err() {
            self.submissions.sync();
            self.submitter.submit()?;
            self.submissions.sync();
        }
        Ok(())
    }

    fn submit_and_wait(&mut self) -> io::Result<()> {
        self.submissions.sync();
        match self.submitter.submit_and_wait(1) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => self.submissions.sync(),
        }
        Ok(())
    }
}

/// What a completion is about: the descriptor below, this above.
#[derive(Clone, Copy)]
enum About {
    Accepted = 1,
    /// Another thread sent a connection; the result is its descriptor.
    Given,
    /// A connection was sent to another thread.
    Gave,
    Received,
    Sent,
}

impl About {
    fn of(self, fd: RawFd) -> u64 {
        (self as u64) << 32 | u64::from(fd.cast_unsigned())
    }

    fn read(user_data: u64) -> (Self, usize) {
        let about = match user_data >> 32 {
            1 => Self::Accepted,
            2 => Self::Given,
            3 => Self::Gave,
            4 => Self::Received,
            _ => Self::Sent,
        };
        (about, (user_data & u64::from(u32::MAX)) as usize)
    }
}

/// Who accepts for all threads: the first of them.
struct Acceptor {
    listener: TcpListener,
    others: Vec<RawFd>,
    turn: usize,
}

impl Acceptor {
    fn entry(&self) -> Entry {
        let fd = self.listener.as_raw_fd();
        opcode::AcceptMulti::new(Fd(fd)).build().user_data(About::Accepted.of(fd))
    }

    /// The ring of the thread whose turn it is, `None` for our own.
    fn next(&mut self) -> Option<RawFd> {
        let turn = self.turn;
        self.turn = (turn + 1) % (self.others.len() + 1);
        turn.checked_sub(1).map(|other| self.others[other])
    }
}

/// Bytes in a buffer, from `start` to `end`.
#[derive(Clone, Copy)]
struct Chunk {
    buffer: u16,
    start: u32,
    end: u32,
}

struct Connection {
    stream: TcpStream,
    /// The kernel has a receive of it.
    receiving: bool,
    /// Nothing more is read: the stream ended or failed.
    ending: bool,
    /// What the kernel is sending.
    sending: Option<Chunk>,
    /// What came meanwhile.
    waiting: VecDeque<Chunk>,
}

/// One thread's connections.
struct Loop {
    connections: Vec<Option<Connection>>,
    buffers: Buffers,
    /// Whose receive ended for want of a buffer.
    starved: VecDeque<usize>,
    acceptor: Option<Acceptor>,
}

impl Loop {
    fn complete(&mut self, completion: &cqueue::Entry, queue: &mut Queue<'_>) -> io::Result<()> {
        let (about, index) = About::read(completion.user_data());
        match about {
            About::Accepted => self.accepted(completion, queue),
            About::Given => self.adopt(completion.result(), queue),
            About::Gave => check(completion.result()).map(drop),
            About::Received => self.received(index, completion, queue),
            About::Sent => self.sent(index, completion.result(), queue),
        }
    }

    fn accepted(&mut self, completion: &cqueue::Entry, queue: &mut Queue<'_>) -> io::Result<()> {
        let acceptor = self.acceptor.as_mut().expect("invariant: only the first thread accepts");
        if !cqueue::more(completion.flags()) {
            queue.push(&acceptor.entry())?;
        }
        let fd = match check(completion.result()) {
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => return Ok(()),
            result => result?,
        };
        match acceptor.next() {
            None => self.adopt(fd, queue),
            Some(ring) => {
                let message = opcode::MsgRingData::new(Fd(ring), fd, About::Given.of(0), None).build();
                queue.push(&message.user_data(About::Gave.of(fd)))
            }
        }
    }

    #[allow(unsafe_code)]
    fn adopt(&mut self, fd: RawFd, queue: &mut Queue<'_>) -> io::Result<()> {
        // SAFETY: the kernel just opened this descriptor for an accept, and it is handed to one thread only.
        let stream = unsafe { TcpStream::from_raw_fd(fd) };
        let index = usize::try_from(fd).expect("invariant: an open descriptor is not negative");
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        let connection = self.connections[index].insert(Connection {
            stream,
            receiving: false,
            ending: false,
            sending: None,
            waiting: VecDeque::new(),
        });
        connection.receive(queue)
    }

    fn received(
        &mut self,
        index: usize,
        completion: &cqueue::Entry,
        queue: &mut Queue<'_>,
    ) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let (result, flags) = (completion.result(), completion.flags());
        connection.receiving = cqueue::more(flags);
        if result > 0 {
            let buffer = cqueue::buffer_select(flags).expect("invariant: bytes came in a provided buffer");
            self.buffers.taken += 1;
            let chunk = Chunk { buffer, start: 0, end: result.cast_unsigned() };
            if connection.sending.is_some() {
                connection.waiting.push_back(chunk);
            } else {
                connection.send(chunk, &self.buffers, queue)?;
            }
            if connection.receiving { Ok(()) } else { connection.receive(queue) }
        } else if result == -Errno::NOBUFS.raw_os_error() {
            self.starved.push_back(index);
            Ok(())
        } else {
            connection.ending = true;
            self.close_if_done(index);
            Ok(())
        }
    }

    fn sent(&mut self, index: usize, result: i32, queue: &mut Queue<'_>) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let mut chunk = connection.sending.take().expect("invariant: what was sent was being sent");
        if result <= 0 {
            self.buffers.give_back(chunk.buffer);
            connection.fail(&mut self.buffers);
        } else {
            chunk.start += result.cast_unsigned();
            if chunk.start < chunk.end {
                return connection.send(chunk, &self.buffers, queue);
            }
            self.buffers.give_back(chunk.buffer);
            if let Some(next) = connection.waiting.pop_front() {
                return connection.send(next, &self.buffers, queue);
            }
        }
        if connection.ending {
            self.close_if_done(index);
        }
        Ok(())
    }

    fn close_if_done(&mut self, index: usize) {
        let done = |connection: &Connection| !connection.receiving && connection.sending.is_none();
        if self.connections[index].as_ref().is_some_and(done) {
            self.connections[index] = None;
        }
    }

    /// Arms as many of the receives that found no buffer as there are buffers now, the oldest first.
    fn feed_the_starved(&mut self, queue: &mut Queue<'_>) -> io::Result<()> {
        let fed = self.starved.len().min(usize::from(BUFFERS - self.buffers.taken));
        for index in self.starved.drain(..fed) {
            match &mut self.connections[index] {
                Some(connection) if !connection.receiving && !connection.ending => {
                    connection.receive(queue)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Connection {
    fn receive(&mut self, queue: &mut Queue<'_>) -> io::Result<()> {
        self.receiving = true;
        let fd = self.stream.as_raw_fd();
        let entry = opcode::RecvMulti::new(Fd(fd), BUFFER_GROUP).build();
        queue.push(&entry.user_data(About::Received.of(fd)))
    }

    fn send(&mut self, chunk: Chunk, buffers: &Buffers, queue: &mut Queue<'_>) -> io::Result<()> {
        self.sending = Some(chunk);
        let fd = self.stream.as_raw_fd();
        let bytes = buffers.address(chunk.buffer, chunk.start);
        let entry = opcode::Send::new(Fd(fd), bytes, chunk.end - chunk.start).build();
        queue.push(&entry.user_data(About::Sent.of(fd)))
    }

    /// Gives up what is unsent; the shutdown ends a receive that the kernel still has.
    fn fail(&mut self, buffers: &mut Buffers) {
        self.ending = true;
        self.waiting.drain(..).for_each(|chunk| buffers.give_back(chunk.buffer));
        // After a reset there is nothing left to shut down.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A ring of provided buffers: the kernel takes from its head, we add at its tail.
struct Buffers {
    ring: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
    /// Buffers the kernel does not have.
    taken: u16,
}

impl Buffers {
    /// The memory lives as long as the process, so that no order of ends can free it under the kernel.
    #[allow(unsafe_code)]
    fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let ring = pages(usize::from(BUFFERS) * size_of::<BufRingEntry>()).cast();
        let memory = pages(usize::from(BUFFERS) * BUFFER_BYTES);
        // SAFETY: the ring is zeroed, on a page boundary, of that many entries, and never freed.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.as_ptr() as u64, BUFFERS, BUFFER_GROUP, 0)?;
        }
        let mut buffers = Self { ring, memory, tail: 0, taken: BUFFERS };
        (0..BUFFERS).for_each(|buffer| buffers.give_back(buffer));
        Ok(buffers)
    }

    #[allow(unsafe_code)]
    fn give_back(&mut self, buffer: u16) {
        let address = self.address(buffer, 0) as u64;
        // SAFETY: the index is below the number of entries, and between the tail and the head an entry is ours
        // to write: at most BUFFERS are out, each once.
        let entry = unsafe { self.ring.add(usize::from(self.tail % BUFFERS)).as_mut() };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.taken -= 1;
        // SAFETY: the tail lies in the first entry of the ring, aligned; the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    #[allow(unsafe_code)]
    fn address(&self, buffer: u16, start: u32) -> *const u8 {
        let offset = usize::from(buffer) * BUFFER_BYTES + start as usize;
        // SAFETY: the kernel names only buffers it was given, and fills none past its end.
        unsafe { self.memory.add(offset).as_ptr() }
    }
}

/// Zeroed memory on a page boundary, never freed.
#[allow(unsafe_code)]
fn pages(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes, PAGE_BYTES).expect("invariant: sizes are small");
    // SAFETY: no caller asks for no bytes.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}
