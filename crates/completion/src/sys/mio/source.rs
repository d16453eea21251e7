//! A socket and what is known of its readiness; all sockets of a worker by slot.
//!
//! Parallel to the contexts of `context.rs`, and as small: an idle connection costs a few bytes here.
//! Invariant: a source is found by the generation it was attached with, and by no other.
//! Read next: `read.rs`.

use std::io;
use std::net::SocketAddr;

use ::mio::Token;

use crate::id::ConnId;
use crate::sys::{Receive, Socket};

const SLOT_BITS: u32 = 24;

#[allow(clippy::struct_excessive_bools)] // Independent facts about one socket, not states of one thing.
pub(super) struct Source {
    pub(super) socket: Socket,
    generation: u32,
    pub(super) receive: Receive,
    /// Bytes, the peer's end or an error may be waiting.
    pub(super) readable: bool,
    /// The peer's end or an error was announced: read until it is found, a short read proves nothing.
    pub(super) hung_up: bool,
    /// The socket refused a write; the next writable edge ends that send.
    pub(super) refused: bool,
    /// The connection is not established yet.
    pub(super) connecting: bool,
    /// On a list of `Waiting`.
    pub(super) queued: bool,
}

impl Source {
    pub(super) fn new(conn: ConnId, socket: Socket, connecting: bool) -> Source {
        Source {
            socket,
            generation: conn.generation(),
            receive: Receive::Off,
            readable: false,
            hung_up: false,
            refused: false,
            connecting,
            queued: false,
        }
    }

    /// Both addresses once the connection is established, `None` while it is not decided.
    pub(super) fn connection(&self) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        let peer = match self.socket.peer_addr() {
            Ok(peer) => peer,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(None),
            Err(error) => return Err(error),
        };
        let local = self.socket.local_addr()?;
        if peer == local {
            // TCP's simultaneous open with oneself: happens when nobody listens on an ephemeral port and
            // the kernel picks that very port for our side.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.socket.set_nodelay(true)?;
        Ok(Some((peer, local)))
    }
}

/// The name of a connection in the poll: the worker is known, so slot and generation suffice. Where `usize` has
/// 32 bits the upper part of the generation is lost; an event that then finds a later occupant costs a
/// read or write that would block, nothing more.
pub(super) fn token(conn: ConnId) -> Token {
    Token((conn.generation() as usize).wrapping_shl(SLOT_BITS) | conn.slot() as usize)
}

#[derive(Default)]
pub(super) struct Sources {
    by_slot: Vec<Option<Source>>,
}

impl Sources {
    pub(super) fn insert(&mut self, conn: ConnId, source: Source) {
        let slot = conn.slot() as usize;
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        debug_assert!(self.by_slot[slot].is_none(), "invariant: a slot is released before it is used again");
        self.by_slot[slot] = Some(source);
    }

    pub(super) fn get(&mut self, conn: ConnId) -> Option<&mut Source> {
        let source = self.by_slot.get_mut(conn.slot() as usize)?.as_mut()?;
        (source.generation == conn.generation()).then_some(source)
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Source> {
        self.get(conn)?;
        self.by_slot[conn.slot() as usize].take()
    }

    /// The source an event is meant for; none if it has left since.
    pub(super) fn named(&mut self, name: Token, worker: usize) -> Option<(ConnId, &mut Source)> {
        let slot = name.0 & ((1 << SLOT_BITS) - 1);
        let source = self.by_slot.get_mut(slot)?.as_mut()?;
        let conn = ConnId::new(worker, slot as u32, source.generation);
        (token(conn) == name).then_some((conn, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_older_than_the_occupant_finds_nobody() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = || Socket::connect(listener.local_addr().unwrap()).unwrap();
        let (old, new) = (ConnId::new(1, 5, 7), ConnId::new(1, 5, 8));
        let mut sources = Sources::default();
        sources.insert(old, Source::new(old, socket(), false));
        assert!(sources.named(token(old), 1).is_some());
        assert!(sources.remove(new).is_none());
        assert!(sources.remove(old).is_some());
        sources.insert(new, Source::new(new, socket(), false));
        assert!(sources.named(token(old), 1).is_none() && sources.get(old).is_none());
        assert_eq!(sources.named(token(new), 1).unwrap().0, new);
        assert!(sources.named(Token(usize::MAX), 1).is_none());
    }

    #[test]
    fn an_idle_source_is_small() {
        assert!(size_of::<Option<Source>>() <= 32, "{}", size_of::<Option<Source>>());
    }
}
