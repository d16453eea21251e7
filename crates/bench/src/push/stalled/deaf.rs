//! The terminal that does not read, and who fills it.
//!
//! - Invariants: when it has come, its socket takes no more. What it reads in the end is the latest of each key, and
//!   nothing it was told is older than what it was told before.
//! - Limit: it must come back to reading before the server's pings are missed.
//!
//! Read next: `../stalled.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use usher_proto::Message;
use usher_proto::message::{
    ControllerHello, Instruct, PortionTaken, SetQuote, Since, Subscribe, TerminalHello, To,
};
use usher_push::client::Client;

use crate::desk::quotes::{TOPIC, VALUE_BYTES};

/// What it alone hears.
const OWN_TOPIC: &str = "iron";
const OWN_KEYS: usize = 16;
/// Some MB: more than the kernel keeps for a connection over loopback.
const FILLING: usize = 40_000;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Deaf {
    terminal: Client,
    controller: Client,
    last_request: u64,
    /// The newest of the quotes that all hear.
    newest: u64,
}

impl Deaf {
    /// Subscribes, hears how quotes stand, and nothing any more.
    pub(super) fn come(terminals: SocketAddr, controllers: SocketAddr) -> Result<Self> {
        let mut controller = Client::connect(controllers, PATIENCE)?;
        controller.say(ControllerHello { name: "filler".into(), generation: 0 })?;
        let Message::ControllerWelcome(welcome) = controller.hear()? else {
            anyhow::bail!("the controller is not welcome");
        };
        let mut deaf = Self {
            terminal: Client::connect(terminals, PATIENCE)?,
            controller,
            last_request: welcome.last_request.unwrap_or(0),
            newest: 0,
        };
        deaf.terminal.say(TerminalHello { name: "deaf".into(), generation: 0, since: Since::Now })?;
        deaf.subscribe(TOPIC)?;
        deaf.hear_until(|message| matches!(message, Message::PortionSent(_)))?;
        deaf.terminal.say(PortionTaken {})?;
        deaf.subscribe(OWN_TOPIC)?;
        deaf.fill()?;
        Ok(deaf)
    }

    fn subscribe(&mut self, topic: &str) -> Result<()> {
        self.terminal.say(Subscribe { topic: topic.into(), since: Since::Now })?;
        let is_subscribed =
            |message: &Message| matches!(message, Message::Subscribed(it) if it.to.name() == topic);
        self.hear_until(is_subscribed).map(|_| ())
    }

    /// Returns when the server has taken all of it.
    fn fill(&mut self) -> Result<()> {
        for number in 0..FILLING {
            let key = (number % OWN_KEYS).to_string();
            let value = format!("{number:0>VALUE_BYTES$}").into();
            self.controller.say(SetQuote { topic: OWN_TOPIC.into(), key, value })?;
        }
        self.instruct("full")
    }

    /// To whoever hears its own topic; returns when that is acknowledged.
    fn instruct(&mut self, what: &str) -> Result<()> {
        self.last_request += 1;
        let (request, to) = (self.last_request, To::Topic(OWN_TOPIC.into()));
        self.controller.say(Instruct { request, to, payload: what.into() })?;
        let answer = self.controller.hear()?;
        ensure!(matches!(answer, Message::Instructed(_)), "was told {answer:?}");
        Ok(())
    }

    /// Reads all there is; how many of the quotes for all were not sent to it.
    pub(super) fn read_on(mut self) -> Result<u64> {
        self.instruct("read")?;
        let before = self.newest;
        let end = |message: &Message| matches!(message, Message::Instruction(instruction) if *instruction.payload == *b"read");
        let heard = self.hear_until(end)?;
        (self.newest - before).checked_sub(heard).context("it was sent quotes twice")
    }

    /// How many of the quotes for all came before.
    fn hear_until(&mut self, is_last: impl Fn(&Message) -> bool) -> Result<u64> {
        let mut heard = 0;
        loop {
            let message = self.terminal.hear()?;
            if is_last(&message) {
                return Ok(heard);
            }
            let Message::Quote(quote) = message else { continue };
            if quote.topic == TOPIC {
                let number = std::str::from_utf8(&quote.value)?.parse()?;
                self.newest = self.newest.max(number);
                heard += 1;
            }
        }
    }
}
