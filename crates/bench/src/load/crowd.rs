//! All connections of the load and the loop over them.
//!
//! - Owns: the poll, the connections, what they share.
//! - Invariant: between slices nothing is in flight.
//! - Limit: [`SILENCE_MAX`] between two events of a slice.
//!
//! Read next: `connection.rs`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::Load;
use super::connection::{Connection, Shared};
use super::pattern::Pattern;
use crate::account::{Account, Limit, SILENCE_MAX};
use crate::dial::dial;
use crate::metronome::Metronome;
use crate::slice::Slice;

const BUFFER_BYTES_MIN: usize = 16 * 1024;
const EVENTS_MAX: usize = 1024;

/// The metronome's; connections are numbered from 0.
const TICK: Token = Token(usize::MAX);
/// Messages that are due are sent so often.
const TICK_INTERVAL: Duration = Duration::from_micros(250);

pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    depth: usize,
    rate: Option<u32>,
    metronome: Metronome,
    shared: Shared,
}

impl Crowd {
    /// Opens all connections and lets each say one message, so that the server has accepted them.
    pub(super) fn connect(load: &Load) -> Result<Self> {
        // Larger than all that can be under way to one connection: one read takes it.
        let buffer_bytes = BUFFER_BYTES_MIN.max(load.depth * load.size + 1);
        let pattern =
            if load.framed { Pattern::framed(load.size, buffer_bytes) } else { Pattern::plain(buffer_bytes) };
        let shared = Shared {
            size: load.size,
            pattern,
            buffer: vec![0; buffer_bytes].into(),
            account: Account::new()?,
            goes_on: true,
        };
        let poll = Poll::new()?;
        let metronome = Metronome::new(&poll, TICK)?;
        let open = |index| {
            let stream = open(load, index, &poll).with_context(|| format!("connection {}", index + 1))?;
            Ok(Connection::new(stream, shared.pattern.start_of(index), load.depth))
        };
        let connections = (0..load.connections).map(open).collect::<Result<_>>()?;
        let events = Events::with_capacity(EVENTS_MAX);
        let mut crowd = Self { poll, events, connections, depth: 1, rate: None, metronome, shared };
        crowd.slice(Limit::Messages(load.connections as u64))?;
        (crowd.depth, crowd.rate) = (load.depth, load.rate);
        crowd.shared.goes_on = load.rate.is_none();
        Ok(crowd)
    }

    /// Keeps messages in flight up to the limit, then waits for those under way.
    pub(super) fn slice(&mut self, limit: Limit) -> Result<Slice> {
        if let Some(rate) = self.rate {
            return self.paced(limit, rate);
        }
        self.shared.account.start(limit);
        for connection in &mut self.connections {
            let now = self.shared.account.now();
            connection.send(self.depth, now, &mut self.shared)?;
        }
        while self.shared.account.in_flight > 0 {
            self.turn()?;
        }
        Ok(self.shared.account.slice())
    }

    /// Sends each message when it is due, up to the limit, then waits for those under way.
    fn paced(&mut self, limit: Limit, rate: u32) -> Result<Slice> {
        let started = self.shared.account.start(limit);
        let due_at = |index: u64| started + index * 1_000_000_000 / u64::from(rate);
        let mut next = 0;
        self.metronome.start(TICK_INTERVAL)?;
        while !self.shared.account.is_over(due_at(next)) || self.shared.account.in_flight > 0 {
            let now = self.shared.account.now();
            while due_at(next) <= now && !self.shared.account.is_over(due_at(next)) {
                let connection = next as usize % self.connections.len();
                self.connections[connection].send(1, due_at(next), &mut self.shared)?;
                next += 1;
            }
            self.turn()?;
        }
        self.metronome.stop()?;
        Ok(self.shared.account.slice())
    }

    fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        ensure!(!self.events.is_empty(), "nothing came back for {} s", SILENCE_MAX.as_secs());
        for event in &self.events {
            if event.token() == TICK {
                self.metronome.take_ticks()?;
                continue;
            }
            let Token(index) = event.token();
            self.connections[index]
                .ready(event.is_read_closed(), &mut self.shared)
                .with_context(|| format!("connection {}", index + 1))?;
        }
        Ok(())
    }
}

fn open(load: &Load, index: usize, poll: &Poll) -> Result<TcpStream> {
    let stream = dial(load.address, load.source(index))?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    // Edge-triggered, to be told of room to write costs nothing while there is room.
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(index), interest)?;
    Ok(stream)
}
