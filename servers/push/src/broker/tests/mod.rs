//! The broker's rules, by calls.
//!
//! Owns: [`Stage`], which carries effects out as layer 2 does, into what each connection hears.
//! Read next: [`subscribing`], [`publishing`], [`listing`], [`shadow`].

mod listing;
mod publishing;
mod shadow;
mod subscribing;

use super::{Arrival, Broker, Effect, Effects};
use crate::config::Limits;
use std::collections::{BTreeMap, BTreeSet};
use usher_proto::message::{
    CloseReason, ControllerHello, Instruct, Port, SetQuote, Since, Subscribe, TerminalHello, To,
};
use usher_proto::{ConnId, GroupId, Message};

/// The number of the first logs.
const LOG: u64 = 1000;

/// A broker, and what its connections heard.
struct Stage {
    broker: Broker,
    effects: Effects,
    groups: BTreeMap<GroupId, BTreeSet<ConnId>>,
    heard: BTreeMap<ConnId, Vec<Message>>,
    closed: BTreeMap<ConnId, CloseReason>,
    conns: u64,
}

fn small() -> Limits {
    Limits {
        topics_max: 4,
        terminal_topics_max: 3,
        topic_keys_max: 2,
        quote_bytes_max: 8,
        instruction_bytes_max: 16,
        log_entries_max: 5,
        log_bytes_max: 100,
        own_log_entries_max: 3,
        own_log_bytes_max: 50,
        terminals_known_max: 3,
        controllers_known_max: 2,
        answers_max: 3,
        portion_bytes_max: 400,
        ..Limits::default()
    }
}

fn gold() -> To {
    To::Topic("gold".into())
}

impl Stage {
    fn new() -> Self {
        Self::with(small())
    }

    fn with(limits: Limits) -> Self {
        Self {
            broker: Broker::new(limits, LOG),
            effects: Effects::default(),
            groups: BTreeMap::new(),
            heard: BTreeMap::new(),
            closed: BTreeMap::new(),
            conns: 0,
        }
    }

    fn connect(&mut self, port: Port) -> ConnId {
        self.conns += 1;
        let (conn, address) = (ConnId(self.conns), "127.0.0.1:9".parse().unwrap());
        let arrival = Arrival { port, address, unix_ms: 1_000 + self.conns };
        self.broker.connected(conn, arrival, &mut self.effects);
        self.carry_out();
        conn
    }

    fn say(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.broker.said(conn, message.into(), &mut self.effects);
        self.carry_out();
    }

    fn leave(&mut self, conn: ConnId) {
        for members in self.groups.values_mut() {
            members.remove(&conn);
        }
        self.broker.disconnected(conn, &mut self.effects);
        self.carry_out();
    }

    fn drain(&mut self) {
        self.broker.drain(&mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let effects: Vec<_> = self.effects.drain().collect();
        for effect in effects {
            match effect {
                Effect::Send(conn, message) | Effect::SendLatest(conn, _, message) => {
                    self.hears(conn, &message);
                }
                Effect::Publish(group, message) | Effect::PublishLatest(group, _, message) => {
                    for conn in self.groups.get(&group).cloned().unwrap_or_default() {
                        self.hears(conn, &message);
                    }
                }
                Effect::Join(conn, group) => _ = self.groups.entry(group).or_default().insert(conn),
                Effect::Leave(conn, group) => _ = self.groups.entry(group).or_default().remove(&conn),
                Effect::Close(conn, reason) => {
                    assert_eq!(self.closed.insert(conn, reason), None, "closed once");
                }
            }
        }
        self.broker.check_invariants();
    }

    fn hears(&mut self, conn: ConnId, message: &Message) {
        if !self.closed.contains_key(&conn) {
            self.heard.entry(conn).or_default().push(message.clone());
        }
    }

    /// Everything that a connection heard since it was last asked.
    fn heard(&mut self, conn: ConnId) -> Vec<Message> {
        self.heard.remove(&conn).unwrap_or_default()
    }

    fn reason(&self, conn: ConnId) -> Option<CloseReason> {
        self.closed.get(&conn).copied()
    }

    fn terminal(&mut self, name: &str) -> ConnId {
        let conn = self.connect(Port::Terminals);
        self.say(conn, TerminalHello { name: name.into(), generation: 0, since: Since::Start });
        conn
    }

    /// A terminal that hears a topic from now on; the way there is not shown.
    fn hearer(&mut self, name: &str, topic: &str) -> ConnId {
        let conn = self.terminal(name);
        self.say(conn, Subscribe { topic: topic.into(), since: Since::Now });
        self.heard(conn);
        conn
    }

    fn controller(&mut self, name: &str) -> ConnId {
        let conn = self.connect(Port::Controllers);
        self.say(conn, ControllerHello { name: name.into(), generation: 0 });
        self.heard(conn);
        conn
    }

    fn instruct(&mut self, conn: ConnId, request: u64, to: To, payload: &str) -> Message {
        self.say(conn, Instruct { request, to, payload: payload.into() });
        self.heard(conn).pop().expect("every instruction is answered")
    }

    fn quote(&mut self, conn: ConnId, topic: &str, key: &str, value: &str) {
        self.say(conn, SetQuote { topic: topic.into(), key: key.into(), value: value.into() });
    }
}
