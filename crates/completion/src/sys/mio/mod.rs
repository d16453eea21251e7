//! Readiness turned into completions, over mio: works wherever mio does.
//!
//! Every socket is registered once, edge-triggered, for both directions; whether we care is remembered here,
//! not told to the kernel again. Operations complete at once where they can, else the edge finishes them.
//!
//! Invariants: an edge is remembered (`readable`, `refused`) until a `WouldBlock` proves it used up; an event
//! carries slot and generation, so one that is older than its slot's occupant is dropped.
//! Traps: a descriptor that was duplicated before it was adopted keeps sending events after our close, hence
//! the explicit deregistration. A write to a reset connection raises SIGPIPE, which every Rust `main` ignores.
//! Windows and some others re-arm an edge only at `WouldBlock`, so both directions go on until they see it.
//! Read next: `read.rs`.

mod listen;
mod read;
mod source;

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use ::mio::event::Event;
use ::mio::net::TcpStream;
use ::mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use self::listen::Listeners;
use self::read::Waiting;
use self::source::{Source, named, token};
use super::sources::Sources;
use super::{Backend, Ending, Posted, Receive, Socket, Waker, local_address, set_buffers};
use crate::config::Config;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::pool::Stock;
use crate::send_queue::SendQueue;

const WAKE: Token = Token(usize::MAX);
const EVENTS_PER_TURN_MAX: usize = 1024;
/// Parts of one vectored write.
const PARTS_PER_WRITE_MAX: usize = 64;

pub(crate) struct Mio {
    poll: Poll,
    events: Events,
    sources: Sources<Source>,
    waiting: Waiting,
    /// Where discarded bytes go.
    scratch: Box<[u8]>,
    socket_buffer_bytes: Option<usize>,
}

impl Backend for Mio {
    type Listeners = Listeners;

    fn new(config: &Config) -> io::Result<(Mio, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::Mio(::mio::Waker::new(poll.registry(), WAKE)?);
        let mio = Mio {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN_MAX),
            sources: Sources::default(),
            waiting: Waiting::default(),
            scratch: vec![0; config.receive_buffer_bytes.max(16 * 1024)].into_boxed_slice(),
            socket_buffer_bytes: config.socket_buffer_bytes,
        };
        Ok((mio, waker))
    }

    fn open(&mut self, conn: ConnId, socket: Socket) -> io::Result<SocketAddr> {
        let local = local_address(&socket)?;
        socket.set_nonblocking(true)?;
        self.attach(conn, TcpStream::from_std(socket), false)?;
        Ok(local)
    }

    fn connect(&mut self, conn: ConnId, to: SocketAddr) -> io::Result<()> {
        let socket = TcpStream::connect(to)?;
        set_buffers(&SockRef::from(&socket), self.socket_buffer_bytes)?;
        self.attach(conn, socket, true)
    }

    fn receive(&mut self, conn: ConnId, receive: Receive) {
        let Some(source) = self.sources.get(conn) else { return };
        // Discarding needs no buffer of the pool: one that starved need not wait for it any longer.
        let starves_no_more = receive == Receive::Discard && source.receive != Receive::Discard;
        source.receive = receive;
        if receive != Receive::Off && source.readable && (!source.queued || starves_no_more) {
            source.queued = true;
            self.waiting.push_ready(conn);
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    fn send(&mut self, conn: ConnId, queue: &mut SendQueue, stock: &mut Stock) -> io::Result<Posted> {
        let source = self.sources.get(conn).ok_or(io::ErrorKind::NotConnected)?;
        if let Some(only) = queue.single()
            && let Ok(taken @ 1..) = plain::send(&source.socket, only)
        {
            queue.advance(taken, stock);
            return Ok(Posted::Took(taken));
        }
        source.write(queue, stock)
    }

    fn finish_sending(&mut self, conn: ConnId) -> io::Result<()> {
        let source = self.sources.get(conn).ok_or(io::ErrorKind::NotConnected)?;
        source.socket.shutdown(Shutdown::Write)
    }

    fn release(&mut self, conn: ConnId, ending: Ending) {
        let Some(mut source) = self.sources.remove(conn) else { return };
        if ending == Ending::Reset {
            // Fails only on a socket that is dead already, which needs no reset.
            let _ = SockRef::from(&source.socket).set_linger(Some(Duration::ZERO));
        }
        let _ = self.poll.registry().deregister(&mut source.socket);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.waiting.has_ready() { Some(Duration::ZERO) } else { timeout };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            polled => polled?,
        }
        Ok(())
    }

    fn deliver<H: Hooks>(&mut self, core: &mut Core<H>) {
        self.read_waiting(core);
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.handle_event(core, event);
        }
        self.events = events;
        if self.waiting.has_starving() {
            core.state.stock.await_one();
        }
    }
}

impl Mio {
    fn attach(&mut self, conn: ConnId, mut socket: TcpStream, connecting: bool) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, token(conn), both)?;
        self.sources.insert(conn, Source::new(socket, connecting));
        Ok(())
    }

    #[inline]
    fn handle_event<H: Hooks>(&mut self, core: &mut Core<H>, event: &Event) {
        let Some((conn, source)) = named(&mut self.sources, event.token()) else { return };
        if source.connecting {
            return self.handle_connecting(core, conn, event);
        }
        source.hung_up |= event.is_read_closed() || event.is_error();
        source.readable |= event.is_readable() || source.hung_up;
        if source.refused && event.is_writable() {
            source.refused = false;
            core.writable(conn);
        }
        if source.receive != Receive::Off {
            if source.readable && !source.queued {
                self.read(core, conn);
            }
        } else if event.is_error()
            && let Ok(Some(error)) = source.socket.take_error()
        {
            // Nobody reads here, so reading will not find the error.
            core.failed(conn, &error);
        }
    }

    /// An edge on a socket that is being connected may be early: without an address of the peer, wait on.
    fn handle_connecting<H: Hooks>(&mut self, core: &mut Core<H>, conn: ConnId, event: &Event) {
        let Some(source) = self.sources.get(conn) else { return };
        match source.connection() {
            Ok(Some((peer, local))) => {
                source.connecting = false;
                source.hung_up = event.is_read_closed();
                source.readable = event.is_readable() || source.hung_up;
                core.connected(conn, peer, local);
            }
            Ok(None) => {}
            Err(error) => core.connect_failed(conn, error),
        }
    }
}

impl Source {
    /// One system call for as many parts as it takes, and again what `send` was not lucky with.
    fn write(&mut self, queue: &mut SendQueue, stock: &mut Stock) -> io::Result<Posted> {
        let mut slices = [IoSlice::new(&[]); PARTS_PER_WRITE_MAX];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(queue.parts()) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        loop {
            match self.socket.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    queue.advance(taken, stock);
                    return Ok(Posted::Took(taken));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.refused = true;
                    return Ok(Posted::Refused);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The two system calls of nearly every message. On Linux without the C library, whose wrappers cost a program with
/// threads more instructions than the rest of our way (they are cancellation points).
#[cfg(target_os = "linux")]
mod plain {
    use ::mio::net::TcpStream;
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, SendFlags};

    #[inline]
    pub(super) fn send(socket: &TcpStream, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)
    }

    #[inline]
    pub(super) fn recv(socket: &TcpStream, bytes: &mut [u8]) -> Result<usize, Errno> {
        rustix::net::recv(socket, bytes, RecvFlags::empty()).map(|(read, _)| read)
    }
}

#[cfg(not(target_os = "linux"))]
mod plain {
    use std::io::{self, Read, Write};

    use ::mio::net::TcpStream;

    pub(super) fn send(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }

    pub(super) fn recv(mut socket: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
        socket.read(bytes)
    }
}
