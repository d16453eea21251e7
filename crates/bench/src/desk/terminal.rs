//! One terminal over all its connections: where it stands, and what is still on its way to it.
//!
//! - Invariants: an instruction counts once; what has another number than the next one is lost or doubled; a quote is
//!   not older than the one of its key before.
//!
//! Read next: `parties.rs`, `returns.rs`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use mio::{Registry, Token};
use usher_proto::message::{
    Gap, PortionTaken, Position, Quote, Since, Subscribe, Subscribed, TerminalHello, To,
};
use usher_proto::{Message, Payload};

use super::line::Line;
use super::quotes::{KEYS, TOPIC, key_and_number};

/// Of an instruction; the frames on its way have about 64.
const PAYLOAD_BYTES: usize = 40;

/// What did not arrive once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// How it came back.
#[derive(Clone, Copy, Debug)]
struct Return {
    began: u64,
    /// It is back when it has this instruction; unknown until it is told.
    until: Option<u64>,
}

pub(super) struct Terminal {
    name: String,
    to: To,
    token: Token,
    hears_quotes: bool,
    /// How often it came.
    generation: u64,
    line: Option<Line>,
    position: Option<Position>,
    /// The number of the last instruction it was given.
    given: u64,
    /// When those it has not were written or due, the oldest first.
    on_the_way: VecDeque<u64>,
    quotes: [u64; KEYS],
    hears_topic: bool,
    returning: Option<Return>,
    /// Instructions it was given while it was away.
    missed: u64,
    pub(super) faults: Faults,
}

impl Terminal {
    /// It is `token`'s terminal; it has not come yet.
    pub(super) fn new(token: Token, hears_quotes: bool) -> Self {
        let name = format!("t{}", token.0);
        Self {
            to: To::Terminal(name.clone()),
            name,
            token,
            hears_quotes,
            generation: 0,
            line: None,
            position: None,
            given: 0,
            on_the_way: VecDeque::new(),
            quotes: [0; KEYS],
            hears_topic: false,
            returning: None,
            missed: 0,
            faults: Faults::default(),
        }
    }

    /// Connects and says where it stands.
    pub(super) fn come(&mut self, address: SocketAddr, registry: &Registry, now: u64) -> Result<()> {
        self.generation += 1;
        let mut line = Line::open(address, self.token, registry)?;
        let since = self.position.map_or(Since::Now, Since::After);
        line.say(TerminalHello { name: self.name.clone(), generation: self.generation, since })?;
        if self.hears_quotes {
            line.say(Subscribe { topic: TOPIC.into(), since: Since::Now })?;
        }
        line.flush()?;
        self.hears_topic = false;
        self.returning = Some(Return { began: now, until: None });
        self.line = Some(line);
        Ok(())
    }

    /// Its connection ends here; what was on its way there is not.
    pub(super) fn go(&mut self) {
        self.line = None;
    }

    /// Connected, and it has what it missed.
    pub(super) fn is_settled(&self) -> bool {
        self.line.is_some() && self.returning.is_none()
    }

    /// Not everything that it was given has arrived.
    pub(super) fn is_waiting(&self) -> bool {
        !self.on_the_way.is_empty()
    }

    /// Instructions it was given while it was away.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    pub(super) fn line(&mut self) -> Option<&mut Line> {
        self.line.as_mut()
    }

    /// The next message that is whole.
    pub(super) fn hear_next(&mut self) -> Result<Option<Message>> {
        self.line.as_mut().map_or(Ok(None), Line::next)
    }

    /// How long the return took that is complete now.
    pub(super) fn settle(&mut self, now: u64) -> Option<u64> {
        let Return { began, until } = self.returning?;
        let has_quotes = self.hears_topic || !self.hears_quotes;
        if !has_quotes || self.position?.seq < until? {
            return None;
        }
        self.returning = None;
        Some(now - began)
    }

    /// Its next instruction, due then: to whom, its number, what it says.
    pub(super) fn give(&mut self, due: u64) -> (To, u64, Payload) {
        self.given += 1;
        self.missed += u64::from(self.line.is_none());
        self.on_the_way.push_back(due);
        (self.to.clone(), self.given, payload(self.given))
    }

    /// Takes a message. If it was an instruction, and the first of its number: when that was written or due.
    pub(super) fn hear(&mut self, message: Message) -> Result<Option<u64>> {
        match message {
            Message::Instruction(instruction) if instruction.to == self.to => {
                let due = self.advance(instruction.seq, instruction.seq)?;
                ensure!(
                    instruction.payload == payload(instruction.seq),
                    "an instruction has another's payload"
                );
                return Ok(due);
            }
            Message::Gap(Gap { to, from, until }) if to == self.to => {
                self.faults.lost += until + 1 - from;
                self.advance(from, until)?;
            }
            Message::Subscribed(subscribed) => self.subscribed(&subscribed)?,
            Message::Quote(quote) => self.hear_quote(&quote)?,
            Message::PortionSent(_) => {
                self.line.as_mut().context("nobody is connected")?.say(PortionTaken {})?;
            }
            other => bail!("was told {other:?}"),
        }
        Ok(None)
    }

    fn subscribed(&mut self, subscribed: &Subscribed) -> Result<()> {
        if subscribed.to != self.to {
            self.hears_topic = true;
            return Ok(());
        }
        let position = Position { log: subscribed.log, seq: subscribed.seq };
        ensure!(
            self.position.is_none_or(|had| had == position),
            "was let in at another place: {subscribed:?}"
        );
        if self.position.is_none() {
            self.given = position.seq;
        }
        self.position = Some(position);
        if let Some(returning) = &mut self.returning {
            returning.until = Some(subscribed.last);
        }
        Ok(())
    }

    /// The instructions from one number to another are here, or will not be.
    fn advance(&mut self, from: u64, until: u64) -> Result<Option<u64>> {
        let position = self.position.as_mut().context("was instructed before it was let in")?;
        if until <= position.seq {
            self.faults.doubled += 1;
            return Ok(None);
        }
        self.faults.lost += from.saturating_sub(position.seq + 1);
        let count = (until - position.seq) as usize;
        ensure!(count <= self.on_the_way.len(), "number {until} was never given");
        position.seq = until;
        Ok(self.on_the_way.drain(..count).next_back())
    }

    fn hear_quote(&mut self, quote: &Quote) -> Result<()> {
        let (key, number) = key_and_number(quote).context("a quote that nobody set")?;
        let before = std::mem::replace(&mut self.quotes[key], number);
        ensure!(before <= number, "quote {number} came after {before}");
        Ok(())
    }
}

/// Its number, and as many bytes as there must be.
fn payload(number: u64) -> Payload {
    let mut bytes = [0; PAYLOAD_BYTES];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[..].into()
}

#[cfg(test)]
mod tests {
    use usher_proto::message::{Instruction, PortionSent};
    use usher_push::client::frames;

    use super::*;

    fn terminal() -> Terminal {
        let mut terminal = Terminal::new(Token(7), false);
        terminal.hear(subscribed(&terminal, 0, 0)).unwrap();
        terminal
    }

    fn subscribed(terminal: &Terminal, seq: u64, last: u64) -> Message {
        Subscribed { to: terminal.to.clone(), log: 3, seq, last }.into()
    }

    fn instruction(seq: u64) -> Message {
        Instruction { to: To::Terminal("t7".into()), seq, payload: payload(seq) }.into()
    }

    #[test]
    fn an_instruction_on_the_wire_has_about_64_bytes() {
        for seq in [1, 1_000, 1_000_000] {
            let length = frames(&instruction(seq)).len();
            assert!((62..=70).contains(&length), "{seq}: {length}");
        }
    }

    #[test]
    fn each_number_counts_once() {
        let mut terminal = terminal();
        for due in 10..15 {
            terminal.give(due);
        }
        let mut hear = |seq| terminal.hear(instruction(seq)).unwrap();
        assert_eq!([hear(1), hear(2), hear(2), hear(1), hear(5)], [Some(10), Some(11), None, None, Some(14)]);
        assert_eq!(terminal.faults, Faults { lost: 2, doubled: 2 });
        assert!(terminal.hear(instruction(6)).is_err(), "it was never given");
    }

    #[test]
    fn a_gap_is_a_loss() {
        let mut terminal = terminal();
        (0..3).for_each(|due| drop(terminal.give(due)));
        let to = terminal.to.clone();
        assert_eq!(terminal.hear(Gap { to, from: 1, until: 2 }.into()).unwrap(), None);
        assert_eq!(terminal.hear(instruction(3)).unwrap(), Some(2));
        assert_eq!(terminal.faults, Faults { lost: 2, doubled: 0 });
    }

    #[test]
    fn it_is_back_when_it_has_what_there_was() {
        let mut terminal = terminal();
        (0..3).for_each(|due| drop(terminal.give(due)));
        terminal.returning = Some(Return { began: 100, until: None });
        assert_eq!(terminal.settle(150), None);
        terminal.hear(subscribed(&terminal, 0, 2)).unwrap();
        terminal.hear(instruction(1)).unwrap();
        assert_eq!(terminal.settle(160), None);
        terminal.hear(instruction(2)).unwrap();
        assert_eq!((terminal.settle(170), terminal.settle(180)), (Some(70), None));
        assert!(terminal.hear(subscribed(&terminal, 1, 2)).is_err(), "it stands at 2");
    }

    #[test]
    fn other_messages_and_other_payloads_are_wrong() {
        let mut terminal = terminal();
        terminal.give(1);
        let to = terminal.to.clone();
        assert!(terminal.hear(Instruction { to, seq: 1, payload: payload(2) }.into()).is_err());
        let stranger = To::Terminal("t8".into());
        assert!(terminal.hear(Instruction { to: stranger, seq: 1, payload: payload(1) }.into()).is_err());
        assert!(terminal.hear(PortionSent {}.into()).is_err(), "it is not connected");
    }
}
