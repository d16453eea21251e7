//! Who instructs: gives each instruction a number of its own, and is told the one it has in its log.
//!
//! - Invariant: answers come in the order of the requests, each with the number that was expected.
//!
//! Read next: `parties.rs`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use mio::{Registry, Token};
use usher_proto::message::{ControllerHello, Instruct, Instructed, To};
use usher_proto::{Message, Payload};

use super::line::Line;

pub(super) struct Controller {
    pub(super) line: Line,
    /// The last number it gave; unknown until it is told.
    request: Option<u64>,
    unanswered: VecDeque<Instructed>,
}

impl Controller {
    pub(super) fn come(address: SocketAddr, token: Token, registry: &Registry) -> Result<Self> {
        let mut line = Line::open(address, token, registry)?;
        line.say(ControllerHello { name: "desk".into(), generation: 0 })?;
        line.flush()?;
        Ok(Self { line, request: None, unanswered: VecDeque::new() })
    }

    pub(super) fn is_welcome(&self) -> bool {
        self.request.is_some()
    }

    /// Something was not answered yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// At the next flush: this, which must become number `seq` of its log.
    pub(super) fn instruct(&mut self, (to, seq, payload): (To, u64, Payload)) -> Result<()> {
        let request = self.request.as_mut().context("nobody instructs before the welcome")?;
        *request += 1;
        self.unanswered.push_back(Instructed { request: *request, seq });
        self.line.say(Instruct { request: *request, to, payload })
    }

    pub(super) fn hear_all(&mut self) -> Result<()> {
        while let Some(message) = self.line.next()? {
            match message {
                Message::ControllerWelcome(welcome) => self.request = Some(welcome.last_request.unwrap_or(0)),
                Message::Instructed(answer) => self.answered(answer)?,
                other => bail!("was told {other:?}"),
            }
        }
        Ok(())
    }

    fn answered(&mut self, answer: Instructed) -> Result<()> {
        let expected = self.unanswered.pop_front().context("an answer to nothing")?;
        ensure!(answer == expected, "was told {answer:?}, not {expected:?}");
        Ok(())
    }
}
