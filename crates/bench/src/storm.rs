//! Visitors who come at their time, ready or not: each connects, has one byte or frame echoed, and leaves.
//!
//! Open loop: the n-th visitor is due n / rate seconds after the start. Waits are counted from then, so that
//! neither a late client nor a late server hides what it kept waiting (Tene: coordinated omission); one is counted
//! from the call of `connect`, too, to tell the two apart.
//!
//! - Owns: the command line, the visitors, the one line of JSON about them.
//! - Invariant: each visitor is counted once, answered or failed; a failed one ends nobody else.
//! - Limits: open files for those who are inside; a minute without a word from any of them ends it.
//!
//! Read next: `layer1/storm.rs`, which sends them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Clock;
use crate::files;

const SECOND_NS: u64 = 1_000_000_000;
const SILENCE_MAX: Duration = Duration::from_secs(60);
const WAIT_MAX_NS: u64 = 120 * SECOND_NS;
const DIGITS: u8 = 3;
const EVENTS_MAX: usize = 1024;
const MESSAGE_BYTES_MAX: usize = 3;
/// Who is late must not keep those inside from being heard.
const BEGUN_PER_TURN_MAX: usize = 64;
/// Not those of the loads. Visitors leave first, so each one's port rests for a minute: that takes many addresses.
const SOURCE_FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const SOURCES: u32 = 16;

/// Sends visitors at a steady rate to an echo server on 127.0.0.0/8; then prints their waits as a line of JSON.
#[derive(Debug, Parser)]
#[command(name = "storm")]
pub struct Storm {
    /// The server.
    #[arg(value_name = "ADDR")]
    address: SocketAddr,
    /// Visitors a second.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    rate: u32,
    /// Visitors in all.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    visits: u32,
    /// What each says is a frame of one byte: two bytes of length before it.
    #[arg(long)]
    framed: bool,
}

/// What became of the visitors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visits {
    /// Who got back what it said.
    pub answered: u64,
    /// Who was refused, reset or closed on.
    pub failed: u64,
    /// From the start until the last was gone.
    pub seconds: f64,
    /// Until the call of `connect`: the client's own lateness.
    pub begun: Waits,
    /// Until the connection was established: the kernel alone.
    pub established: Waits,
    /// Until all was back, so that the server has accepted, too.
    pub echoed: Waits,
    /// The same from the call of `connect`: without the client's lateness before it.
    pub served: Waits,
}

/// Waits, from the time a visitor was due if nothing else is said, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// Half waited no longer.
    pub p50_us: f64,
    /// 99 of 100 waited no longer.
    pub p99_us: f64,
    /// 999 of 1,000 waited no longer.
    pub p999_us: f64,
    /// Nobody waited longer.
    pub max_us: f64,
}

impl Storm {
    /// Sends all of them and prints what became of them.
    pub fn run(&self) -> Result<()> {
        ensure!(self.rate > 0 && self.visits > 0, "rate and visits must not be 0");
        ensure!(
            self.address.ip().is_loopback() && self.address.is_ipv4(),
            "the server must be on 127.0.0.0/8"
        );
        files::allow_most();
        let visits = Crowd::new(self)?.run()?;
        println!("{}", serde_json::to_string(&visits)?);
        Ok(())
    }

    fn due(&self, index: usize) -> u64 {
        index as u64 * SECOND_NS / u64::from(self.rate)
    }

    fn message(&self) -> &'static [u8] {
        if self.framed { &[0, 1, 1] } else { &[1] }
    }

    fn source(index: usize) -> SocketAddr {
        let offset = index as u32 % SOURCES;
        (Ipv4Addr::from_bits(SOURCE_FIRST.to_bits() + offset), 0).into()
    }
}

/// One who is inside.
struct Visitor {
    stream: TcpStream,
    begun: u64,
    established: bool,
    /// How many bytes came back.
    heard: usize,
}

struct Crowd<'a> {
    storm: &'a Storm,
    clock: Clock,
    poll: Poll,
    /// By number; `None` before and after the visit.
    visitors: Vec<Option<Visitor>>,
    next: usize,
    gone: usize,
    failed: u64,
    begun: Histogram<u64>,
    established: Histogram<u64>,
    echoed: Histogram<u64>,
    served: Histogram<u64>,
}

impl<'a> Crowd<'a> {
    fn new(storm: &'a Storm) -> Result<Self> {
        let mut visitors = Vec::new();
        visitors.resize_with(storm.visits as usize, || None);
        let (poll, clock) = (Poll::new()?, Clock::start());
        Ok(Self {
            storm,
            clock,
            poll,
            visitors,
            next: 0,
            gone: 0,
            failed: 0,
            begun: histogram()?,
            established: histogram()?,
            echoed: histogram()?,
            served: histogram()?,
        })
    }

    fn run(mut self) -> Result<Visits> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.clock = Clock::start();
        while self.gone < self.visitors.len() {
            self.begin_who_is_due();
            self.turn(&mut events)?;
        }
        Ok(Visits {
            answered: self.echoed.len(),
            failed: self.failed,
            seconds: self.clock.nanoseconds() as f64 / SECOND_NS as f64,
            begun: waits(&self.begun),
            established: waits(&self.established),
            echoed: waits(&self.echoed),
            served: waits(&self.served),
        })
    }

    fn begin_who_is_due(&mut self) {
        for _ in 0..BEGUN_PER_TURN_MAX {
            let now = self.clock.nanoseconds();
            let index = self.next;
            if index == self.visitors.len() || self.storm.due(index) > now {
                return;
            }
            self.next += 1;
            self.begun.saturating_record(now - self.storm.due(index));
            match connect(self.storm.address, index, &self.poll) {
                Ok(stream) => self.visitors[index] = Some(Visitor::new(stream, now)),
                Err(error) => self.fail(index, &error),
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> Result<()> {
        let timeout = self.until_next();
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let silent = events.is_empty() && timeout == SILENCE_MAX;
        ensure!(!silent, "{} visitors heard nothing", self.visitors.len() - self.gone);
        for event in &*events {
            let Token(index) = event.token();
            if let Err(error) = self.ready(index) {
                self.fail(index, &error);
            }
        }
        Ok(())
    }

    /// How long to wait for those inside.
    fn until_next(&self) -> Duration {
        if self.next == self.visitors.len() {
            let over = self.gone == self.visitors.len();
            return if over { Duration::ZERO } else { SILENCE_MAX };
        }
        let due = self.storm.due(self.next);
        Duration::from_nanos(due.saturating_sub(self.clock.nanoseconds()))
    }

    fn ready(&mut self, index: usize) -> io::Result<()> {
        let Some(visitor) = &mut self.visitors[index] else { return Ok(()) };
        let due = self.storm.due(index);
        if !visitor.established {
            if !visitor.is_established()? {
                return Ok(());
            }
            visitor.established = true;
            self.established.saturating_record(self.clock.nanoseconds() - due);
            visitor.stream.write_all(self.storm.message())?;
        }
        if visitor.is_answered(self.storm.message())? {
            let now = self.clock.nanoseconds();
            self.echoed.saturating_record(now - due);
            self.served.saturating_record(now - visitor.begun);
            self.leave(index);
        }
        Ok(())
    }

    fn fail(&mut self, index: usize, error: &io::Error) {
        if self.failed == 0 {
            eprintln!("storm: visitor {}: {error}; further failures are only counted", index + 1);
        }
        self.failed += 1;
        self.leave(index);
    }

    fn leave(&mut self, index: usize) {
        self.visitors[index] = None;
        self.gone += 1;
    }
}

impl Visitor {
    fn new(stream: TcpStream, begun: u64) -> Self {
        Self { stream, begun, established: false, heard: 0 }
    }

    /// The socket says so by having a peer (mio, `TcpStream::connect`).
    fn is_established(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_answered(&mut self, message: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE_BYTES_MAX + 1];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) if message[self.heard..].starts_with(&buffer[..length]) => {
                self.heard += length;
                Ok(self.heard == message.len())
            }
            Ok(_) => Err(ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Begins to connect; an event says when that is done.
fn connect(server: SocketAddr, index: usize, poll: &Poll) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&Storm::source(index).into())?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    let mut stream = TcpStream::from_std(socket.into());
    poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, WAIT_MAX_NS, DIGITS)
        .map_err(|error| anyhow!("a histogram of {WAIT_MAX_NS} ns: {error}"))
}

pub(crate) fn waits(of: &Histogram<u64>) -> Waits {
    let us = |quantile: f64| of.value_at_quantile(quantile) as f64 / 1e3;
    Waits { p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999), max_us: of.max() as f64 / 1e3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_due_at_a_steady_rate() {
        let storm = Storm::parse_from(["storm", "127.0.0.1:1"]);
        assert_eq!(
            [0, 1, 5_000, 49_999].map(|index| storm.due(index)),
            [0, 200_000, SECOND_NS, 9_999_800_000]
        );
    }

    #[test]
    fn visitors_come_from_many_addresses() {
        let sources = [0, 15, 16].map(|index| Storm::source(index).to_string());
        assert_eq!(sources, ["127.0.1.1:0", "127.0.1.16:0", "127.0.1.1:0"]);
    }
}
