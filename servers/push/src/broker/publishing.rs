//! How a controller comes, and what becomes of its quotes and instructions.
//!
//! Why: an instruction is in its log before anybody is sent it, and its controller hears the number it has there.
//! Invariants: an answer is remembered before it is sent, so that the same request is never taken twice. A terminal
//! that is owed older instructions gets a new one out of the log.
//! Limits: `controllers_known_max`, `instruction_bytes_max`, `quote_bytes_max`, `topic_keys_max`, `topics_max`.
//! Read next: [`super::controller`], [`super::log`].

use super::clients::Role;
use super::controller::{Answer, Controller};
use super::topic::{Value, quote};
use super::{Broker, Effects, is_name};
use std::sync::Arc;
use usher_proto::limits::{NAME_BYTES_MAX, QUOTE_KEY_BYTES_MAX, TOPIC_BYTES_MAX};
use usher_proto::message::{
    CloseReason, ControllerHello, ControllerWelcome, HelloDenial, Instruct, InstructDenial, InstructDenied,
    Instructed, Instruction, QuoteDenial, QuoteDenied, SetQuote, To,
};
use usher_proto::{ConnId, Payload};

impl Broker {
    pub(super) fn controller_hello(&mut self, conn: ConnId, hello: &ControllerHello, out: &mut Effects) {
        if !is_name(&hello.name, NAME_BYTES_MAX) {
            return self.hello_denied(conn, HelloDenial::BadName, out);
        }
        let known = self.controllers.get(&hello.name);
        if known.is_some_and(|known| known.is_ahead_of(hello.generation)) {
            return self.close(conn, CloseReason::Replaced, out);
        }
        let known_max = self.limits.controllers_known_max;
        let Ok((name, controller)) = self.controllers.open(&hello.name, known_max, Controller::default)
        else {
            return self.hello_denied(conn, HelloDenial::Full, out);
        };
        controller.generation = hello.generation;
        out.send(conn, ControllerWelcome { last_request: controller.last_request });
        if let Some(older) = controller.conn.replace(conn) {
            self.close(older, CloseReason::Replaced, out);
        }
        if let Some(client) = self.clients.get_mut(conn) {
            client.role = Role::Controller(name);
        }
    }

    pub(super) fn instruct(&mut self, conn: ConnId, controller: &str, instruct: Instruct, out: &mut Effects) {
        let Instruct { request, to, payload } = instruct;
        let known = self.controllers.get(controller).expect("invariant: a connected controller is known");
        let answer = known.answered(request).unwrap_or_else(|| {
            let answer = self.pass_on(to, payload, out);
            let known = self.controllers.get_mut(controller).expect("invariant: it was known just now");
            known.remember(request, answer, self.limits.answers_max);
            answer
        });
        match answer {
            Ok(seq) => out.send(conn, Instructed { request, seq }),
            Err(reason) => self.deny(conn, InstructDenied { request, reason }, out),
        }
    }

    /// Puts an instruction into its log and sends it to whoever has all before it.
    fn pass_on(&mut self, to: To, payload: Payload, out: &mut Effects) -> Answer {
        if payload.len() > self.limits.instruction_bytes_max {
            return Err(InstructDenial::TooLong);
        }
        let seq = match to {
            To::Topic(name) => self.tell_topic(name, payload, out),
            To::Terminal(name) => self.tell_terminal(name, payload, out),
        }?;
        self.totals.instructions += 1;
        Ok(seq)
    }

    fn tell_topic(&mut self, name: String, payload: Payload, out: &mut Effects) -> Answer {
        if !is_name(&name, TOPIC_BYTES_MAX) {
            return Err(InstructDenial::BadName);
        }
        let limits = self.log_limits();
        let (_, topic) = self.open_topic(&name).ok_or(InstructDenial::TopicsFull)?;
        let seq = topic.log.append(payload.clone(), limits);
        if topic.subscribers > 0 {
            out.publish(topic.live, Instruction { to: To::Topic(name), seq, payload });
        }
        Ok(seq)
    }

    fn tell_terminal(&mut self, name: String, payload: Payload, out: &mut Effects) -> Answer {
        let limits = self.own_log_limits();
        let known = self.terminals.get_mut(&name).ok_or(InstructDenial::NoSuchTerminal)?;
        let seq = known.log.append(payload.clone(), limits);
        if let Some(conn) = known.conn
            && self.clients.listening(conn).is_some_and(|listening| listening.is_live)
        {
            out.send(conn, Instruction { to: To::Terminal(name), seq, payload });
        }
        Ok(seq)
    }

    pub(super) fn set_quote(&mut self, conn: ConnId, quote: SetQuote, out: &mut Effects) {
        let SetQuote { topic, key, value } = quote;
        match self.pass_quote_on(&topic, &key, value, out) {
            Ok(()) => self.totals.quotes += 1,
            Err(reason) => self.deny(conn, QuoteDenied { topic, key, reason }, out),
        }
    }

    fn pass_quote_on(
        &mut self,
        name: &str,
        key: &str,
        value: Payload,
        out: &mut Effects,
    ) -> Result<(), QuoteDenial> {
        if !is_name(name, TOPIC_BYTES_MAX) || !is_name(key, QUOTE_KEY_BYTES_MAX) {
            return Err(QuoteDenial::BadName);
        }
        if value.len() > self.limits.quote_bytes_max {
            return Err(QuoteDenial::TooLong);
        }
        if value.is_empty() {
            self.withdraw(name, key, out);
            return Ok(());
        }
        self.open_topic(name).ok_or(QuoteDenial::TopicsFull)?;
        let topic = self.topics.get_mut(name).expect("invariant: it was just opened");
        let said = quote(name, key, &value);
        let number = if let Some(known) = topic.quotes.get_mut(key) {
            known.value = value;
            known.number
        } else if topic.quotes.len() < self.limits.topic_keys_max {
            self.numbers += 1;
            topic.quotes.insert(Arc::from(key), Value { number: self.numbers, value });
            self.numbers
        } else {
            return Err(QuoteDenial::KeysFull);
        };
        if topic.subscribers > 0 {
            out.publish_latest(topic.hearers, number, said);
        }
        Ok(())
    }

    /// The key has no value any more, and makes room for another.
    fn withdraw(&mut self, name: &str, key: &str, out: &mut Effects) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        if let Some(Value { number, .. }) = topic.quotes.remove(key)
            && topic.subscribers > 0
        {
            out.publish_latest(topic.hearers, number, quote(name, key, &Payload::default()));
        }
    }
}
