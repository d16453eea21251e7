//! The loop over all connections.
//!
//! - Owns: the poll, and the timer that wakes it when something is due.
//! - Invariant: between slices every instruction has arrived and is acknowledged.
//! - Limits: [`SILENCE_MAX`] between two events; it wakes no more often than [`TICK_MIN`].
//!
//! Read next: `parties.rs`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use mio::{Events, Poll, Token};

use super::Desk;
use super::parties::Parties;
use crate::account::{Limit, SILENCE_MAX};
use crate::metronome::Metronome;
use crate::slice::Slice;

const EVENTS_MAX: usize = 1024;
const TICK: Token = Token(usize::MAX);
const TICK_MIN: Duration = Duration::from_micros(20);

pub(super) struct Floor {
    pub(super) terminals_at: SocketAddr,
    pub(super) poll: Poll,
    events: Events,
    metronome: Metronome,
    pub(super) parties: Parties,
}

impl Floor {
    /// All are connected, and hear.
    pub(super) fn open(desk: &Desk) -> Result<Self> {
        let poll = Poll::new()?;
        let parties = Parties::come(desk, poll.registry())?;
        let metronome = Metronome::new(&poll, TICK)?;
        let events = Events::with_capacity(EVENTS_MAX);
        let mut floor = Self { terminals_at: desk.terminals_at, poll, events, metronome, parties };
        while !floor.parties.are_ready() {
            floor.turn()?;
        }
        Ok(floor)
    }

    /// Instructs up to the limit, then waits for what is under way.
    pub(super) fn slice(&mut self, limit: Limit) -> Result<Slice> {
        self.start(limit)?;
        loop {
            let now = self.parties.account.now();
            self.parties.say_what_is_due(now)?;
            if self.parties.account.is_over(now) {
                break;
            }
            self.turn()?;
        }
        self.finish()?;
        self.parties.ensure_no_faults()?;
        Ok(self.parties.account.slice())
    }

    pub(super) fn start(&mut self, limit: Limit) -> Result<()> {
        if let Some(interval) = self.parties.start(limit) {
            self.metronome.start(Duration::from_nanos(interval).max(TICK_MIN))?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.metronome.stop()?;
        while self.parties.are_waiting() {
            self.turn()?;
        }
        Ok(())
    }

    pub(super) fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        ensure!(!self.events.is_empty(), "nothing came for {} s", SILENCE_MAX.as_secs());
        for event in &self.events {
            match event.token() {
                TICK => self.metronome.take_ticks()?,
                token => self.parties.ready(token, event.is_read_closed())?,
            }
        }
        Ok(())
    }
}
