//! One connection with the native codec: messages to say, messages heard.
//!
//! - Invariants: what is said leaves in order, at the next flush or as soon as the socket takes it; pings are answered
//!   and not shown; an end is an error, behind all that was heard before it.
//! - Limit: none on what waits to be said; the floor bounds what is in flight.
//!
//! Read next: `terminal.rs`, `controller.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::{Buf, BytesMut};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use usher_hpserver::{Codec, Decoded, Partial};
use usher_proto::Message;
use usher_proto::message::Pong;
use usher_runtime::codec::{Native, Side};

use crate::dial::dial;

const CODEC: Native = Native::new(Side::PushClient);

pub(super) struct Line {
    stream: TcpStream,
    unsent: BytesMut,
    heard: BytesMut,
    partial: Partial,
    has_ended: bool,
}

impl Line {
    /// What happens on it will be events with this token.
    pub(super) fn open(address: SocketAddr, token: Token, registry: &Registry) -> Result<Self> {
        let stream = dial(address, None)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        // Edge-triggered, to be told of room to write costs nothing while there is room.
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let (unsent, heard) = (BytesMut::new(), BytesMut::new());
        Ok(Self { stream, unsent, heard, partial: Partial::default(), has_ended: false })
    }

    /// At the next flush.
    pub(super) fn say(&mut self, message: impl Into<Message>) -> Result<()> {
        Ok(CODEC.encode(&message.into(), &mut self.unsent)?)
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => self.unsent.advance(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }

    /// Takes all there is. `ending` when the event said that the server closed.
    pub(super) fn read(&mut self, ending: bool, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(());
                }
                Ok(length) => {
                    self.heard.extend_from_slice(&buffer[..length]);
                    // A short read emptied the socket; what comes later is a new event.
                    if length < buffer.len() && !ending {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading"),
            }
        }
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Message>> {
        while let Some(frame) = CODEC.frame(&self.heard)? {
            let decoded = CODEC.decode(&mut self.partial, &self.heard[frame.body])?;
            self.heard.advance(frame.end);
            match decoded {
                Decoded::Packet(message) => return Ok(Some(message)),
                Decoded::Ping => self.say(Pong {})?,
                Decoded::Pong | Decoded::More => {}
            }
        }
        ensure!(!self.has_ended, "the server closed the connection");
        Ok(None)
    }
}
