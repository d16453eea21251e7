//! All connections of the load and the loop over them.
//!
//! - Owns: the poll, the connections, what they share.
//! - Invariant: between slices nothing is in flight.
//! - Limits: [`CONNECT_TIMEOUT`] for one connection, [`SILENCE_MAX`] between two events of a slice.
//!
//! Read next: `connection.rs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::Load;
use super::connection::{Connection, Shared};
use super::pattern::Pattern;
use super::traffic::{Limit, SILENCE_MAX, Traffic};
use crate::slice::Slice;

/// A full backlog makes the kernel try again after a second, and after two more, and four.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const BUFFER_BYTES_MIN: usize = 16 * 1024;
const EVENTS_MAX: usize = 1024;

pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    depth: usize,
    shared: Shared,
}

impl Crowd {
    /// Opens all connections and lets each say one message, so that the server has accepted them.
    pub(super) fn connect(load: &Load) -> Result<Self> {
        // Larger than all that can be under way to one connection: one read takes it.
        let buffer_bytes = BUFFER_BYTES_MIN.max(load.depth * load.size + 1);
        let shared = Shared {
            size: load.size,
            pattern: Pattern::new(buffer_bytes),
            buffer: vec![0; buffer_bytes].into(),
            traffic: Traffic::new()?,
        };
        let poll = Poll::new()?;
        let connections = (0..load.connections)
            .map(|index| open(load, index, &poll).with_context(|| format!("connection {}", index + 1)))
            .collect::<Result<_>>()?;
        let events = Events::with_capacity(EVENTS_MAX);
        let mut crowd = Self { poll, events, connections, depth: load.depth, shared };
        let everyone = crowd.connections.len() as u64;
        crowd.slice(1, |_| Limit::Messages(everyone))?;
        Ok(crowd)
    }

    /// Keeps messages in flight for this time, then waits for those under way.
    pub(super) fn run(&mut self, time: Duration) -> Result<Slice> {
        let nanoseconds = u64::try_from(time.as_nanos())?;
        self.slice(self.depth, |now| Limit::Time(now + nanoseconds))
    }

    /// Sends so many messages and waits for all of them.
    pub(super) fn count(&mut self, messages: u64) -> Result<Slice> {
        self.slice(self.depth, |_| Limit::Messages(messages))
    }

    fn slice(&mut self, depth: usize, limit: impl FnOnce(u64) -> Limit) -> Result<Slice> {
        self.shared.traffic.start(limit);
        for connection in &mut self.connections {
            let now = self.shared.traffic.now();
            connection.send(depth, now, &mut self.shared)?;
        }
        while self.shared.traffic.in_flight > 0 {
            self.turn()?;
        }
        Ok(self.shared.traffic.slice())
    }

    fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        ensure!(!self.events.is_empty(), "nothing came back for {} s", SILENCE_MAX.as_secs());
        for event in &self.events {
            let Token(index) = event.token();
            self.connections[index]
                .ready(event.is_read_closed(), &mut self.shared)
                .with_context(|| format!("connection {}", index + 1))?;
        }
        Ok(())
    }
}

fn open(load: &Load, index: usize, poll: &Poll) -> Result<Connection> {
    let socket = Socket::new(Domain::for_address(load.address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = load.source(index) {
        bind(&socket, load.address, source)?;
    }
    socket.connect_timeout(&load.address.into(), CONNECT_TIMEOUT).context("connecting")?;
    socket.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(socket.into());
    // Edge-triggered, to be told of room to write costs nothing while there is room.
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(index), interest)?;
    Ok(Connection::new(index, stream, load.depth))
}

/// The kernel picks a port that nobody bound at this source.
fn bind(socket: &Socket, server: SocketAddr, source: Ipv4Addr) -> Result<()> {
    ensure!(server.ip().is_loopback() && server.is_ipv4(), "other sources are for a server on 127.0.0.0/8");
    socket.bind(&SocketAddr::from((source, 0)).into()).with_context(|| format!("binding to {source}"))
}
