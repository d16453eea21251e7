//! Listeners over readiness: one poll for all, accepting in turns.
//!
//! Limit: at most `ACCEPTS_PER_TURN_MAX` a listener and turn, so that one in a storm does not shut the others out.
//! Read next: `../../accept.rs`, which owns one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ::mio::net::TcpListener;
use ::mio::{Events, Interest, Poll, Token};

use super::WAKE;
use crate::id::ListenerId;
use crate::sys::{Listening, Socket, Waker, is_about_one_connection};

const ACCEPTS_PER_TURN_MAX: usize = 256;

pub(crate) struct Listeners {
    poll: Poll,
    events: Events,
    open: Vec<Listener>,
}

struct Listener {
    id: ListenerId,
    socket: TcpListener,
    /// Edge-triggered: connections may be waiting until `accept` says otherwise.
    ready: bool,
}

impl Listening for Listeners {
    fn new() -> io::Result<(Listeners, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::Mio(::mio::Waker::new(poll.registry(), WAKE)?);
        Ok((Listeners { poll, events: Events::with_capacity(64), open: Vec::new() }, waker))
    }

    fn add(&mut self, id: ListenerId, socket: std::net::TcpListener) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket);
        self.poll.registry().register(&mut socket, token(id), Interest::READABLE)?;
        self.open.push(Listener { id, socket, ready: true });
        Ok(())
    }

    fn remove(&mut self, id: ListenerId) {
        self.open.retain(|listener| listener.id != id);
    }

    fn wait(&mut self, timeout: Option<Duration>, rests: bool) -> io::Result<()> {
        let busy = !rests && self.open.iter().any(|listener| listener.ready);
        match self.poll.poll(&mut self.events, if busy { Some(Duration::ZERO) } else { timeout }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let mut listeners = self.open.iter_mut();
            if let Some(listener) = listeners.find(|listener| token(listener.id) == event.token()) {
                listener.ready = true;
            }
        }
        Ok(())
    }

    fn accept(
        &mut self,
        mut accepted: impl FnMut(ListenerId, Socket, io::Result<SocketAddr>),
    ) -> Result<(), (ListenerId, io::Error)> {
        for listener in self.open.iter_mut().filter(|listener| listener.ready) {
            let id = listener.id;
            listener
                .accept_some(|socket, peer| accepted(id, socket, Ok(peer)))
                .map_err(|error| (id, error))?;
        }
        Ok(())
    }
}

impl Listener {
    /// Until there is nobody left or the turn's share is used up.
    fn accept_some(&mut self, mut accepted: impl FnMut(Socket, SocketAddr)) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            match self.socket.accept() {
                Ok((socket, peer)) => accepted(socket.into(), peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    break;
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn token(id: ListenerId) -> Token {
    Token(id.0 as usize)
}
