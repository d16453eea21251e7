//! A peer: the readiness limit, the least that an echo server on epoll can do.
//!
//! One event, one read into the thread's one buffer, one write out of it. Nothing is pooled, counted or handed to
//! anybody; a layer is measured by how little it adds to this.
//!
//! - Owns: connections, in a vector by descriptor (the kernel gives out the lowest free number, so that it is
//!   dense and needs no table of free places).
//! - Invariants: readiness is edge-triggered, so a socket is read until it is empty: a short read says so. A
//!   connection whose socket refused bytes is not read from until it has taken them.
//! - Limits: open files; one buffer's worth of refused bytes a connection.
//!
//! Read next: `bare_uring.rs`, the same by completions.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{self, Sender};
use std::thread;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use usher_bench::peer::Peer;

const BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
/// The listener in the first thread, the waker in the others.
const ARRIVALS: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let peer = Peer::parse_as("bare_mio", "Echoes every byte, on a bare epoll loop");
    let listener = peer.open()?;
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let others = (1..peer.threads()).map(|_| start_thread()).collect::<io::Result<Vec<_>>>()?;
    let first = Loop::new()?;
    first.poll.registry().register(&mut listener, ARRIVALS, Interest::READABLE)?;
    let mut turn = 0;
    first.run(|own| {
        while let Some(stream) = accept(&listener)? {
            match turn {
                0 => own.adopt(stream)?,
                _ => others[turn - 1].give(stream)?,
            }
            turn = (turn + 1) % (others.len() + 1);
        }
        Ok(())
    })
}

/// `None` when nobody waits.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return Ok(Some(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Another thread's way in.
struct Door {
    streams: Sender<TcpStream>,
    waker: Waker,
}

impl Door {
    fn give(&self, stream: TcpStream) -> io::Result<()> {
        self.streams.send(stream).map_err(|_| io::Error::other("a thread of this process has ended"))?;
        self.waker.wake()
    }
}

fn start_thread() -> io::Result<Door> {
    let own = Loop::new()?;
    let waker = Waker::new(own.poll.registry(), ARRIVALS)?;
    let (streams, given) = mpsc::channel();
    let run = move || own.run(|own| given.try_iter().try_for_each(|stream| own.adopt(stream)));
    thread::Builder::new().name("loop".into()).spawn(run)?;
    Ok(Door { streams, waker })
}

/// One thread's connections.
struct Loop {
    poll: Poll,
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
}

impl Loop {
    fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, connections: Vec::new(), buffer: vec![0; BUFFER_BYTES] })
    }

    fn run(mut self, mut arrivals: impl FnMut(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    ARRIVALS => arrivals(&mut self)?,
                    Token(index) => self.ready(index, event),
                }
            }
        }
    }

    fn adopt(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let index =
            usize::try_from(stream.as_raw_fd()).expect("invariant: an open descriptor is not negative");
        // Edge-triggered, to be told of room to write costs nothing while there is room.
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(Connection { stream, refused: Vec::new() });
        Ok(())
    }

    /// An error, a reset too, ends this connection and nothing else.
    fn ready(&mut self, index: usize, event: &Event) {
        let Some(connection) = &mut self.connections[index] else { return };
        if !matches!(connection.echo(&mut self.buffer, event.is_read_closed()), Ok(true)) {
            self.connections[index] = None;
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What the socket did not take; empty but for a client that does not read.
    refused: Vec<u8>,
}

impl Connection {
    /// Sends back what there is to read. False at the end of the stream.
    fn echo(&mut self, buffer: &mut [u8], ending: bool) -> io::Result<bool> {
        self.flush()?;
        while self.refused.is_empty() {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let taken = write(&mut self.stream, &buffer[..length])?;
            self.refused.extend_from_slice(&buffer[taken..length]);
            // The end of the stream, if it is there already, gives no edge of its own: read on to meet it.
            if length < buffer.len() && !ending {
                break;
            }
        }
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.refused.is_empty() {
            let taken = write(&mut self.stream, &self.refused)?;
            self.refused.drain(..taken);
        }
        Ok(())
    }
}

/// Writes until all is taken or the socket refuses; says how much it took.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(length) => taken += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
