//! All who are connected, and what they do when something is due or has come.
//!
//! - Owns: the terminals, both controllers, the account of a slice.
//! - Invariant: the clock is read once for all that one event brings, and once for all that is said together.
//!
//! Read next: `terminal.rs`, `controller.rs`, `quotes.rs`.

use anyhow::{Context, Result, ensure};
use mio::{Registry, Token};

use super::Desk;
use super::controller::Controller;
use super::line::Line;
use super::pace::Pace;
use super::quotes::Quotes;
use super::terminal::{Faults, Terminal};
use crate::account::{Account, Limit};

const BUFFER_BYTES: usize = 64 * 1024;
/// Whose events are not a terminal's, by its index.
const CONTROLLER: Token = Token(usize::MAX - 1);
const QUOTES: Token = Token(usize::MAX - 2);

pub(super) struct Parties {
    pub(super) terminals: Vec<Terminal>,
    controller: Controller,
    quotes: Option<Quotes>,
    /// Of instructions; none: a closed loop.
    pace: Option<Pace>,
    /// Each instruction is a write of its own.
    singly: bool,
    /// Whose turn it is, in an open loop.
    next: usize,
    /// Who has what it was given and is given more at the end of the turn, in a closed one.
    idle: Vec<usize>,
    pub(super) account: Account,
    /// How long returns took.
    pub(super) returned: Vec<u64>,
    buffer: Box<[u8]>,
}

impl Parties {
    /// All have said who they are.
    pub(super) fn come(desk: &Desk, registry: &Registry) -> Result<Self> {
        let account = Account::new()?;
        let quotes = desk.quotes.map(|rate| Quotes::come(desk.controllers_at, QUOTES, registry, rate));
        let mut parties = Self {
            terminals: (0..desk.terminals.into())
                .map(|index| Terminal::new(Token(index), desk.quotes.is_some()))
                .collect(),
            controller: Controller::come(desk.controllers_at, CONTROLLER, registry)?,
            quotes: quotes.transpose()?,
            pace: desk.rate.map(Pace::new),
            singly: desk.singly,
            next: 0,
            idle: Vec::new(),
            account,
            returned: Vec::new(),
            buffer: vec![0; BUFFER_BYTES].into(),
        };
        for terminal in &mut parties.terminals {
            terminal.come(desk.terminals_at, registry, parties.account.now())?;
        }
        Ok(parties)
    }

    /// Everybody is known to the server, and has what it missed.
    pub(super) fn are_ready(&self) -> bool {
        self.terminals.iter().all(Terminal::is_settled)
            && self.controller.is_welcome()
            && self.quotes.as_ref().is_none_or(Quotes::is_welcome)
    }

    /// Begins a slice; nanoseconds between the times at which something is due, if anything is.
    pub(super) fn start(&mut self, limit: Limit) -> Option<u64> {
        let started = self.account.start(limit);
        let quotes = self.quotes.as_mut().map(|quotes| &mut quotes.pace);
        let paces: Vec<&mut Pace> = self.pace.as_mut().into_iter().chain(quotes).collect();
        let mut interval: Option<u64> = None;
        for pace in paces {
            pace.start(started);
            interval = Some(interval.map_or(pace.interval(), |other| other.min(pace.interval())));
        }
        self.idle = (0..self.terminals.len()).collect();
        interval
    }

    /// Says what is due by now, or now that there is somebody to say it to.
    pub(super) fn say_what_is_due(&mut self, now: u64) -> Result<()> {
        if self.pace.is_some() {
            self.instruct_in_turn(now)?;
        } else {
            self.instruct_the_idle(now)?;
        }
        self.controller.line.flush()?;
        self.quotes.as_mut().map_or(Ok(()), |quotes| quotes.set_what_is_due(now))
    }

    fn instruct_in_turn(&mut self, now: u64) -> Result<()> {
        while let Some(pace) = &mut self.pace
            && pace.next() <= now
        {
            let due = pace.next();
            pace.advance();
            self.instruct(self.next, due)?;
            self.next = (self.next + 1) % self.terminals.len();
        }
        Ok(())
    }

    fn instruct_the_idle(&mut self, now: u64) -> Result<()> {
        let mut idle = std::mem::take(&mut self.idle);
        idle.drain(..).try_for_each(|index| self.instruct(index, now))?;
        self.idle = idle;
        Ok(())
    }

    /// If the slice still allows it.
    fn instruct(&mut self, index: usize, due: u64) -> Result<()> {
        if self.account.grant(1, due) == 0 {
            return Ok(());
        }
        self.account.in_flight += 1;
        self.controller.instruct(self.terminals[index].give(due))?;
        if self.singly { self.controller.line.flush() } else { Ok(()) }
    }

    /// An instruction has not arrived, or its controller was not told.
    pub(super) fn are_waiting(&self) -> bool {
        self.terminals.iter().any(Terminal::is_waiting) || self.controller.is_waiting()
    }

    pub(super) fn ready(&mut self, token: Token, ending: bool) -> Result<()> {
        match (token, &mut self.quotes) {
            (CONTROLLER, _) => {
                self.controller.line.flush()?;
                self.controller.line.read(ending, &mut self.buffer).context("who instructs")?;
                self.controller.hear_all().context("who instructs")
            }
            (QUOTES, Some(quotes)) => {
                quotes.line.flush()?;
                quotes.line.read(ending, &mut self.buffer).context("who sets quotes")?;
                quotes.hear_all().context("who sets quotes")
            }
            (Token(index), _) => {
                self.terminal_ready(index, ending).with_context(|| format!("terminal {}", index + 1))
            }
        }
    }

    fn terminal_ready(&mut self, index: usize, ending: bool) -> Result<()> {
        // An event may have come before its terminal went.
        let Some(line) = self.terminals[index].line() else { return Ok(()) };
        line.flush()?;
        line.read(ending, &mut self.buffer)?;
        let now = self.account.now();
        while let Some(message) = self.terminals[index].hear_next()? {
            let Some(due) = self.terminals[index].hear(message)? else { continue };
            self.account.came_back(due, now, 1);
            match (self.pace, self.singly) {
                (Some(_), _) => {}
                (None, true) => self.instruct(index, now)?,
                (None, false) => self.idle.push(index),
            }
        }
        let terminal = &mut self.terminals[index];
        self.returned.extend(terminal.settle(now));
        terminal.line().map_or(Ok(()), Line::flush)
    }

    pub(super) fn faults(&self) -> Faults {
        let add =
            |sum: Faults, of: Faults| Faults { lost: sum.lost + of.lost, doubled: sum.doubled + of.doubled };
        self.terminals.iter().map(|terminal| terminal.faults).fold(Faults::default(), add)
    }

    pub(super) fn ensure_no_faults(&self) -> Result<()> {
        let Faults { lost, doubled } = self.faults();
        ensure!(lost + doubled == 0, "{lost} instructions were lost and {doubled} came again");
        Ok(())
    }
}
