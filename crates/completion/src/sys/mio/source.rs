//! A socket and what is known of its readiness.
//!
//! Invariant: an event is taken only if the generation in its token is the occupant's.
//! Read next: `read.rs`.

use std::io;
use std::net::SocketAddr;

use ::mio::Token;
use ::mio::net::TcpStream;
use socket2::SockRef;

use crate::id::ConnId;
use crate::sys::sources::Sources;
use crate::sys::{Receive, established};

const SLOT_BITS: u32 = 24;

#[allow(clippy::struct_excessive_bools)] // Independent facts about one socket, not states of one thing.
pub(super) struct Source {
    pub(super) socket: TcpStream,
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
    pub(super) fn new(socket: TcpStream, connecting: bool) -> Source {
        Source {
            socket,
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
        match established(&SockRef::from(&self.socket)) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            both => both.map(Some),
        }
    }
}

/// The name of a connection in the poll: the worker is known, so slot and generation suffice. Where `usize` has
/// 32 bits the upper part of the generation is lost; an event that then finds a later occupant costs a
/// read or write that would block, nothing more.
#[inline]
pub(super) fn token(conn: ConnId) -> Token {
    Token((conn.generation() as usize).wrapping_shl(SLOT_BITS) | conn.slot() as usize)
}

/// The connection an event is meant for; none if it has left since.
#[inline]
pub(super) fn named(sources: &mut Sources<Source>, name: Token) -> Option<(ConnId, &mut Source)> {
    let slot = name.0 & ((1 << SLOT_BITS) - 1);
    let (conn, source) = sources.occupant(slot as u32)?;
    (token(conn) == name).then_some((conn, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_older_than_the_occupant_finds_nobody() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let source = || Source::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), false);
        let (old, new) = (ConnId::new(1, 5, 7), ConnId::new(1, 5, 8));
        let mut sources = Sources::default();
        sources.insert(old, source());
        assert!(named(&mut sources, token(old)).is_some());
        sources.remove(old);
        sources.insert(new, source());
        assert!(named(&mut sources, token(old)).is_none());
        assert_eq!(named(&mut sources, token(new)).unwrap().0, new);
        assert!(named(&mut sources, Token(usize::MAX)).is_none());
    }

    #[test]
    fn an_idle_source_is_small() {
        // In debug builds mio remembers with each socket which poll it is registered at.
        assert!(Sources::<Source>::entry_bytes() <= if cfg!(debug_assertions) { 32 } else { 24 });
    }
}
