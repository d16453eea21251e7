//! One connection of the load: its place in the stream, and the times of what it has in flight.
//!
//! - Invariants: one read and one write for all the messages an event brings; a message counts when it is back
//!   whole; bytes that differ from those sent, or were never sent, are an error.
//! - Limit: the depth; the times of that many messages are kept.
//!
//! Read next: `pattern.rs`.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;

use super::pattern::Pattern;
use crate::account::Account;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    send_at: usize,
    receive_at: usize,
    /// Bytes of begun messages that the socket did not take yet.
    unsent: usize,
    /// Bytes received of a message that is not whole.
    partial: usize,
    /// When each message in flight was sent, the oldest first.
    sent: VecDeque<u64>,
}

/// What the connections of a thread share.
pub(super) struct Shared {
    pub(super) size: usize,
    pub(super) pattern: Pattern,
    pub(super) buffer: Box<[u8]>,
    pub(super) account: Account,
    /// Whether what came back is sent again.
    pub(super) goes_on: bool,
}

impl Connection {
    /// `start` is where its stream begins.
    pub(super) fn new(stream: TcpStream, start: usize, depth: usize) -> Self {
        let sent = VecDeque::with_capacity(depth);
        Self { stream, send_at: start, receive_at: start, unsent: 0, partial: 0, sent }
    }

    /// Sends as many of `wanted` messages as the slice still allows.
    pub(super) fn send(&mut self, wanted: usize, now: u64, shared: &mut Shared) -> Result<()> {
        let granted = shared.account.grant(wanted as u64, now) as usize;
        shared.account.in_flight += granted as u64;
        self.sent.extend(std::iter::repeat_n(now, granted));
        self.unsent += granted * shared.size;
        self.flush(&shared.pattern)
    }

    /// `ending` when the event said that the server has closed.
    pub(super) fn ready(&mut self, ending: bool, shared: &mut Shared) -> Result<()> {
        self.flush(&shared.pattern)?;
        loop {
            match self.stream.read(&mut shared.buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(length) => {
                    self.received(length, shared)?;
                    // A short read emptied the socket; what comes later is a new event.
                    if length < shared.buffer.len() && !ending {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading"),
            }
        }
    }

    fn received(&mut self, length: usize, shared: &mut Shared) -> Result<()> {
        let expected = shared.pattern.stretch(self.receive_at, length);
        ensure!(shared.buffer[..length] == *expected, "other bytes came back than were sent");
        self.receive_at = shared.pattern.after(self.receive_at, length);
        let bytes = self.partial + length;
        self.partial = bytes % shared.size;
        let whole = bytes / shared.size;
        if whole == 0 {
            return Ok(());
        }
        ensure!(whole <= self.sent.len(), "more came back than was sent");
        let now = shared.account.now();
        self.sent.drain(..whole).for_each(|sent| shared.account.came_back(sent, now, 1));
        if shared.goes_on { self.send(whole, now, shared) } else { Ok(()) }
    }

    fn flush(&mut self, pattern: &Pattern) -> Result<()> {
        while self.unsent > 0 {
            match self.stream.write(pattern.stretch(self.send_at, self.unsent)) {
                Ok(length) => {
                    self.unsent -= length;
                    self.send_at = pattern.after(self.send_at, length);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }
}
