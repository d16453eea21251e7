//! The half of a room that may stop reading: whoever is closed on comes back at once.
//!
//! - Owns: its connections, and the thread that looks after them.
//! - Invariants: while it reads, it reads everything. While it does not, not one byte; and its kernel keeps little for
//!   it, because over loopback what that costs would be the server's.
//! - Limit: a connection that cannot be made again ends the half, and whoever asks it next is told.
//!
//! Read next: `../deaf.rs`.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{Builder, JoinHandle};

use anyhow::{Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use socket2::SockRef;

use crate::dial::dial;

const BUFFER_BYTES: usize = 64 * 1024;
/// What its kernel keeps for a connection.
const DEAF_BYTES: usize = 4 * 1024;
const HEARING_BYTES: usize = 1024 * 1024;
const WAKE: Token = Token(usize::MAX);

pub(super) struct Half {
    orders: Arc<Orders>,
    waker: Waker,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Orders {
    deaf: AtomicBool,
    over: AtomicBool,
    closed_on: AtomicU64,
}

impl Half {
    /// So many connect, and read.
    pub(super) fn come(server: SocketAddr, connections: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let orders = Arc::new(Orders::default());
        let seats = (0..connections).map(|index| seat(server, index, poll.registry()));
        let seats = seats.collect::<Result<_>>()?;
        let room = Room { server, poll, seats, orders: Arc::clone(&orders) };
        let thread = Builder::new().name("half".into()).spawn(|| room.run())?;
        Ok(Self { orders, waker, thread: Some(thread) })
    }

    /// From now on it does not read; or reads again, what has waited first.
    pub(super) fn be_deaf(&mut self, deaf: bool) -> Result<()> {
        self.orders.deaf.store(deaf, SeqCst);
        self.waker.wake()?;
        self.check()
    }

    /// How often one of them was closed on.
    pub(super) fn closed_on(&mut self) -> Result<u64> {
        self.check()?;
        Ok(self.orders.closed_on.load(SeqCst))
    }

    fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()).map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended.and_then(|()| bail!("who may stop reading has left")),
            Some(Err(_)) => bail!("who may stop reading has panicked"),
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.orders.over.store(true, SeqCst);
        let woken = self.waker.wake();
        if let (Ok(()), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join(); // it has said what was wrong, or nobody asked
        }
    }
}

struct Room {
    server: SocketAddr,
    poll: Poll,
    seats: Vec<TcpStream>,
    orders: Arc<Orders>,
}

impl Room {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(self.seats.len() + 1);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if self.orders.over.load(SeqCst) {
                return Ok(());
            }
            let deaf = self.orders.deaf.load(SeqCst);
            for event in &events {
                if event.token() == WAKE {
                    self.turn(deaf, &mut buffer)?;
                } else if event.is_error() || event.is_write_closed() {
                    self.come_back(event.token().0)?;
                } else if !deaf {
                    self.read(event.token().0, &mut buffer)?;
                }
            }
        }
    }

    fn turn(&mut self, deaf: bool, buffer: &mut [u8]) -> Result<()> {
        for index in 0..self.seats.len() {
            keep(&self.seats[index], deaf)?;
            if !deaf {
                self.read(index, buffer)?;
            }
        }
        Ok(())
    }

    /// Everything that is there.
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.seats[index].read(buffer) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Ok(0) | Err(_) => return self.come_back(index),
            }
        }
    }

    fn come_back(&mut self, index: usize) -> Result<()> {
        self.orders.closed_on.fetch_add(1, SeqCst);
        self.seats[index] = seat(self.server, index, self.poll.registry())?;
        keep(&self.seats[index], self.orders.deaf.load(SeqCst))
    }
}

fn keep(seat: &TcpStream, deaf: bool) -> Result<()> {
    let bytes = if deaf { DEAF_BYTES } else { HEARING_BYTES };
    Ok(SockRef::from(seat).set_recv_buffer_size(bytes)?)
}

fn seat(server: SocketAddr, index: usize, registry: &Registry) -> Result<TcpStream> {
    let stream = dial(server, None)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, Token(index), Interest::READABLE)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// More than a connection that nobody reads can hold.
    const MUCH: usize = 64 * 1024 * 1024;

    #[test]
    fn it_reads_when_told_and_comes_back_when_closed_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut half = Half::come(listener.local_addr().unwrap(), 1).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        half.be_deaf(true).unwrap();
        server.set_nonblocking(true).unwrap();
        assert!(fill(&mut server) < MUCH, "it does not read");
        half.be_deaf(false).unwrap();
        server.set_nonblocking(false).unwrap();
        server.write_all(&vec![0; MUCH]).unwrap();
        drop(server);
        let (_again, _) = listener.accept().unwrap();
        assert_eq!(half.closed_on().unwrap(), 1);
    }

    fn fill(server: &mut TcpStream) -> usize {
        let chunk = [0; 8 * 1024];
        let mut filled = 0;
        while filled < MUCH {
            match server.write(&chunk) {
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        filled
    }
}
