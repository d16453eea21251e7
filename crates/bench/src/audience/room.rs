//! Who speaks and who hears, and the loop over them.
//!
//! - Owns: the poll, the members, the tape, the account of a slice.
//! - Invariants: between slices everything said was heard by all; the clock is read once for all that one event
//!   brings, not for each delivery.
//! - Limit: [`SILENCE_MAX`] for a message to be heard by all.
//!
//! Read next: `member.rs`, `tape.rs`.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mio::{Events, Poll, Token};

use super::Audience;
use super::channel::Channel;
use super::member::{Member, greet};
use super::tape::Tape;
use crate::account::{Account, Limit, SILENCE_MAX};
use crate::dial::dial;
use crate::metronome::Metronome;
use crate::slice::Slice;

const BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
const SECOND_NS: u64 = 1_000_000_000;
/// What wakes us but members, by their index.
const TICK: Token = Token(usize::MAX);
const SPEAKER: Token = Token(usize::MAX - 1);

pub(super) struct Room {
    audience: Audience,
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    tape: Tape,
    /// How many messages all members have heard.
    heard_by_all: u64,
    speaker: Option<Speaker>,
    metronome: Metronome,
    account: Account,
    buffer: Box<[u8]>,
    message: Box<[u8]>,
}

/// Who speaks when no member may: it hears a reply to each message.
struct Speaker {
    member: Member,
    reply: Vec<u8>,
    replies: Tape,
}

impl Room {
    /// All join, one after the other, each when the one before it hears.
    pub(super) fn open(audience: Audience) -> Result<Self> {
        let poll = Poll::new()?;
        let message: Box<[u8]> = (0..audience.size).map(|index| index as u8).collect();
        let mut room = Self {
            members: Vec::new(),
            tape: Tape::new(audience.protocol.heard(&message).len()),
            heard_by_all: 0,
            speaker: Speaker::new(&audience, &poll)?,
            metronome: Metronome::new(&poll, TICK)?,
            account: Account::new()?,
            buffer: vec![0; BUFFER_BYTES].into(),
            message,
            events: Events::with_capacity(EVENTS_MAX),
            poll,
            audience,
        };
        for index in 0..usize::from(room.audience.members) {
            room.join().with_context(|| format!("member {}", index + 1))?;
        }
        room.until_all_is_heard()?;
        Ok(room)
    }

    fn join(&mut self) -> Result<()> {
        let mut stream = dial(self.audience.address, None)?;
        self.write_message(self.account.now());
        let greeting = self.audience.protocol.greeting(&self.message);
        if self.audience.protocol.greets_all() {
            self.tape.append(&greeting[1], self.account.now());
            self.account.in_flight += self.members.len() as u64;
        }
        let channel = greet(&mut stream, self.audience.protocol, greeting)?;
        let token = Token(self.members.len());
        self.members.push(Member::new(stream, channel, self.tape.end(), token, &self.poll)?);
        Ok(())
    }

    /// Speaks up to the limit, then waits until all is heard.
    pub(super) fn slice(&mut self, limit: Limit) -> Result<Slice> {
        let started = self.account.start(limit);
        if let Some(rate) = self.audience.rate {
            self.metronome.start(Duration::from_nanos(SECOND_NS / u64::from(rate)))?;
        }
        let mut said = 0;
        loop {
            let now = self.account.now();
            match self.audience.rate {
                Some(rate) => said += self.say_what_is_due(started, said, rate, now)?,
                None => self.say_what_the_window_allows(now)?,
            }
            if self.account.is_over(now) {
                break;
            }
            self.turn()?;
        }
        self.metronome.stop()?;
        self.until_all_is_heard()?;
        Ok(self.account.slice())
    }

    /// Open loop: what should have been said by now, after so many. How many that was.
    fn say_what_is_due(&mut self, started: u64, said: u64, rate: u32, now: u64) -> Result<u64> {
        let mut more = 0;
        loop {
            let due = started + (said + more) * SECOND_NS / u64::from(rate);
            if due > now || self.account.grant(1, due) == 0 {
                return Ok(more);
            }
            self.say(1, due)?;
            more += 1;
        }
    }

    /// Closed loop: as many as were heard by all since.
    fn say_what_the_window_allows(&mut self, now: u64) -> Result<()> {
        let under_way = self.tape.messages() - self.heard_by_all;
        let granted = self.account.grant(u64::from(self.audience.window) - under_way, now);
        if granted > 0 { self.say(granted, now) } else { Ok(()) }
    }

    fn say(&mut self, count: u64, due: u64) -> Result<()> {
        let mut words = Vec::new();
        for _ in 0..count {
            self.write_message(due);
            words.extend(self.audience.protocol.said(&self.message));
            self.tape.append(&self.audience.protocol.heard(&self.message), due);
            if let Some(Speaker { reply, replies, .. }) = &mut self.speaker {
                replies.append(reply, due);
            }
        }
        self.account.in_flight += count * self.members.len() as u64;
        let speaker = self.speaker.as_mut().map(|speaker| &mut speaker.member);
        speaker.unwrap_or(&mut self.members[0]).say(&words).context("who speaks")
    }

    /// Which message it is and when it was due make each one different from all others.
    fn write_message(&mut self, due: u64) {
        let (number, rest) = self.message.split_at_mut(8);
        number.copy_from_slice(&self.tape.messages().to_be_bytes());
        rest[..8].copy_from_slice(&due.to_be_bytes());
    }

    fn until_all_is_heard(&mut self) -> Result<()> {
        while self.account.in_flight > 0 || self.speaker.as_ref().is_some_and(Speaker::is_waiting) {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        ensure!(!self.events.is_empty(), "nothing was heard for {} s", SILENCE_MAX.as_secs());
        for event in &self.events {
            let ending = event.is_read_closed();
            match (event.token(), &mut self.speaker) {
                (TICK, _) => self.metronome.take_ticks()?,
                (SPEAKER, Some(speaker)) => speaker.ready(ending, &mut self.buffer)?,
                (Token(index), _) => {
                    let heard = self.members[index]
                        .ready(ending, &self.tape, &mut self.buffer)
                        .with_context(|| format!("member {}", index + 1))?;
                    account_for(&mut self.account, self.tape.times(heard));
                }
            }
        }
        self.count_who_heard_least()
    }

    fn count_who_heard_least(&mut self) -> Result<()> {
        let least = self.members.iter().map(Member::place).min().unwrap_or(0);
        self.heard_by_all = self.tape.whole(least);
        if self.heard_by_all < self.tape.messages() {
            let due = self.tape.times(self.heard_by_all..self.heard_by_all + 1)[0];
            let waited = Duration::from_nanos(self.account.now().saturating_sub(due));
            ensure!(waited < SILENCE_MAX, "a message was not heard by all for {} s", waited.as_secs());
        }
        self.tape.forget(self.heard_by_all);
        Ok(())
    }
}

impl Speaker {
    /// Only if the protocol wants one.
    fn new(audience: &Audience, poll: &Poll) -> Result<Option<Self>> {
        let Some(reply) = audience.protocol.reply(audience.members.into()) else { return Ok(None) };
        let stream = dial(audience.address, None)?;
        let member = Member::new(stream, Channel::Clear, 0, SPEAKER, poll)?;
        let replies = Tape::new(reply.len());
        Ok(Some(Self { member, reply, replies }))
    }

    fn ready(&mut self, ending: bool, buffer: &mut [u8]) -> Result<()> {
        let replied = self.member.ready(ending, &self.replies, buffer).context("who speaks")?;
        self.replies.forget(replied.end);
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.member.place() < self.replies.end()
    }
}

/// What was said at one time is counted at once.
fn account_for(account: &mut Account, times: &[u64]) {
    let now = account.now();
    for same in times.chunk_by(|one, other| one == other) {
        account.came_back(same[0], now, same.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::Parser;

    use super::*;
    use crate::broker::{Broker, free_address};

    const MEMBERS: u64 = 20;

    fn said_and_heard(address: &str, protocol: &str) {
        for pace in [&["--rate", "500"][..], &[], &["--window", "3", "--size", "1000"]] {
            let words = ["audience", address, "--protocol", protocol, "--members", "20"];
            let mut room = Room::open(Audience::parse_from([&words, pace].concat())).unwrap();
            let slice = room.slice(Limit::Messages(100)).unwrap();
            assert_eq!(slice.echoed(), 100 * MEMBERS, "{pace:?}");
            let slice = room.slice(Limit::Time(Duration::from_millis(100))).unwrap();
            let expected = if pace.contains(&"--rate") { 50..=50 } else { 1..=u64::MAX };
            assert!(expected.contains(&(slice.echoed() / MEMBERS)), "{pace:?}: {slice:?}");
            assert_eq!(slice.echoed() % MEMBERS, 0, "{pace:?}: {slice:?}");
        }
    }

    #[test]
    fn brokers_are_understood() {
        for broker in Broker::ALL {
            if let Err(error) = broker.find() {
                println!("skipped: {error}");
                continue;
            }
            let address = free_address().unwrap();
            let words = broker.command(address);
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            let server = broker.spawn(command, address).unwrap();
            let protocol = if broker == Broker::Redis { "redis" } else { "nats" };
            said_and_heard(&server.address.to_string(), protocol);
        }
    }
}
