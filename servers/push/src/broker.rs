//! The rules of the push server: who may hear and say what, as plain state. No socket, no clock, no thread.
//!
//! Why: that no instruction is lost or doubled is decided here, and tested by calls.
//! Owns: clients, topics, terminals, controllers. Does not own: bytes, and who has read what; where a terminal
//! stands it knows itself and says when it comes back.
//! Invariants: after each call the caller carries out the effects, in order. A connection that was closed is not
//! known any more. Each topic's count of subscribers is the number of connections that hear it.
//! Limits: [`crate::config::Limits`]; what is over one is denied with its reason and counted.
//! Read next: `subscribing`, `replay`, `publishing`, `lists`.

mod clients;
mod controller;
mod effects;
mod lists;
mod log;
mod named;
mod publishing;
mod replay;
mod subscribing;
mod terminal;
#[cfg(test)]
mod tests;
mod topic;

pub use effects::{Effect, Effects};

use crate::config::Limits;
use clients::{Client, Clients, Role};
use controller::Controller;
use log::LogLimits;
use named::Named;
use replay::Replayed;
use std::net::SocketAddr;
use terminal::{Known, Listening};
use topic::Topic;
use usher_proto::message::{CloseReason, Counts, Port};
use usher_proto::{ConnId, Message};

/// How somebody came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where.
    pub port: Port,
    /// From where.
    pub address: SocketAddr,
    /// When, unix milliseconds.
    pub unix_ms: u64,
}

/// All the state of a push server.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    clients: Clients,
    topics: Named<Topic>,
    terminals: Named<Known>,
    controllers: Named<Controller>,
    /// The number of logs made from now on.
    log: u64,
    /// The last number given to a group or a key.
    numbers: u64,
    /// Controllers that left.
    leavings: u64,
    draining: bool,
    totals: Totals,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    instructions: u64,
    quotes: u64,
    denied: u64,
    replayed: Replayed,
}

impl Broker {
    /// An empty one. `log` numbers its logs: it must be higher at each start.
    pub fn new(limits: Limits, log: u64) -> Self {
        Self {
            limits,
            clients: Clients::default(),
            topics: Named::default(),
            terminals: Named::default(),
            controllers: Named::default(),
            log,
            numbers: 0,
            leavings: 0,
            draining: false,
            totals: Totals::default(),
        }
    }

    /// Somebody connected.
    pub fn connected(&mut self, conn: ConnId, arrival: Arrival, out: &mut Effects) {
        if self.draining {
            return out.close(conn, CloseReason::Draining);
        }
        self.clients.insert(conn, arrival);
    }

    /// Somebody said something. What is said on a connection that is not known is let by.
    pub fn said(&mut self, conn: ConnId, message: Message, out: &mut Effects) {
        let Some(client) = self.clients.get(conn) else { return };
        if matches!(message, Message::NotUnderstood(_)) {
            return out.send(conn, message);
        }
        match client.arrival.port {
            Port::Terminals => self.terminal_said(conn, message, out),
            Port::Controllers => self.controller_said(conn, message, out),
            Port::Administrators => self.administrator_said(conn, message, out),
        }
    }

    fn terminal_said(&mut self, conn: ConnId, message: Message, out: &mut Effects) {
        let is_known = self.clients.listening(conn).is_some();
        match message {
            Message::TerminalHello(hello) if !is_known => self.terminal_hello(conn, &hello, out),
            Message::Subscribe(subscribe) if is_known => self.subscribe(conn, subscribe, out),
            Message::Unsubscribe(unsubscribe) if is_known => self.unsubscribe(conn, unsubscribe, out),
            Message::PortionTaken(_) if is_known => self.portion_taken(conn, out),
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    fn controller_said(&mut self, conn: ConnId, message: Message, out: &mut Effects) {
        match (message, self.clients.controller(conn)) {
            (Message::ControllerHello(hello), None) => self.controller_hello(conn, &hello, out),
            (Message::Instruct(instruct), Some(name)) => self.instruct(conn, &name, instruct, out),
            (Message::SetQuote(quote), Some(_)) => self.set_quote(conn, quote, out),
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    fn administrator_said(&mut self, conn: ConnId, message: Message, out: &mut Effects) {
        match message {
            Message::ListClients(list) => out.send(conn, self.list_clients(list)),
            Message::ListTopics(list) => out.send(conn, self.list_topics(&list)),
            Message::ListTerminals(list) => out.send(conn, self.list_terminals(&list)),
            Message::GetCounts(_) => out.send(conn, self.counts()),
            Message::CloseClient(close) => self.close_client(conn, close, out),
            Message::Forget(forget) => self.forget(conn, forget, out),
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    /// A connection is gone.
    pub fn disconnected(&mut self, conn: ConnId, out: &mut Effects) {
        self.release(conn);
        self.close_the_done(out);
    }

    /// Lets go of everything a connection holds. One that was closed before holds nothing.
    fn release(&mut self, conn: ConnId) {
        match self.clients.remove(conn).map(|client| client.role) {
            Some(Role::Terminal(listening)) => self.terminal_left(conn, &listening),
            Some(Role::Controller(name)) => self.controller_left(conn, &name),
            Some(Role::Nobody) | None => {}
        }
    }

    fn terminal_left(&mut self, conn: ConnId, listening: &Listening) {
        for name in &listening.topics {
            if let Some(topic) = self.topics.get_mut(name) {
                topic.subscribers -= 1;
            }
        }
        if let Some(known) = self.terminals.get_mut(&listening.name).filter(|it| it.conn == Some(conn)) {
            known.conn = None;
        }
    }

    fn controller_left(&mut self, conn: ConnId, name: &str) {
        if let Some(controller) = self.controllers.get_mut(name).filter(|it| it.conn == Some(conn)) {
            self.leavings += 1;
            controller.left = self.leavings;
            controller.conn = None;
        }
    }

    /// Closes a connection; it is not known any more.
    fn close(&mut self, conn: ConnId, reason: CloseReason, out: &mut Effects) {
        self.release(conn);
        out.close(conn, reason);
    }

    /// Denies something, and counts it.
    fn deny(&mut self, conn: ConnId, denial: impl Into<Message>, out: &mut Effects) {
        self.totals.denied += 1;
        out.send(conn, denial);
    }

    /// From now on nobody comes in and controllers are gone; a terminal is closed when it has what it missed, and
    /// administrators last.
    pub fn drain(&mut self, out: &mut Effects) {
        self.draining = true;
        self.close_all(out, |client| client.arrival.port == Port::Controllers);
        self.close_the_done(out);
    }

    /// While it drains, closes whoever waits for nothing any more.
    fn close_the_done(&mut self, out: &mut Effects) {
        if !self.draining {
            return;
        }
        self.close_all(out, |client| {
            client.arrival.port == Port::Terminals && !client.listening().is_some_and(Listening::is_behind)
        });
        if self.clients.on(Port::Terminals) == 0 {
            self.close_all(out, |_| true);
        }
    }

    fn close_all(&mut self, out: &mut Effects, whom: impl Fn(&Client) -> bool) {
        let chosen = self.clients.after(0).filter(|(_, client)| whom(client));
        let chosen: Vec<_> = chosen.map(|(conn, _)| conn).collect();
        for conn in chosen {
            self.close(conn, CloseReason::Draining, out);
        }
    }

    /// It was drained and nobody is left.
    pub fn is_drained(&self) -> bool {
        self.draining && self.clients.is_empty()
    }

    fn log_limits(&self) -> LogLimits {
        LogLimits { entries_max: self.limits.log_entries_max, bytes_max: self.limits.log_bytes_max }
    }

    fn own_log_limits(&self) -> LogLimits {
        LogLimits { entries_max: self.limits.own_log_entries_max, bytes_max: self.limits.own_log_bytes_max }
    }

    /// Every figure.
    pub fn counts(&self) -> Counts {
        let logs = self.topics.values().map(|topic| topic.log.entry());
        let logs = logs.chain(self.terminals.values().map(|known| known.log.entry()));
        let (log_entries, log_bytes) =
            logs.fold((0, 0), |(entries, bytes), log| (entries + log.entries, bytes + log.bytes));
        let listening = self.clients.after(0).filter_map(|(_, client)| client.listening());
        Counts {
            terminals: self.clients.on(Port::Terminals) as u64,
            controllers: self.clients.on(Port::Controllers) as u64,
            administrators: self.clients.on(Port::Administrators) as u64,
            terminals_known: self.terminals.len() as u64,
            behind: listening.filter(|it| it.is_behind()).count() as u64,
            topics: self.topics.len() as u64,
            quotes: self.topics.values().map(|topic| topic.quotes.len() as u64).sum(),
            log_entries,
            log_bytes,
            instructions_total: self.totals.instructions,
            quotes_total: self.totals.quotes,
            replayed_total: self.totals.replayed.instructions,
            gaps_total: self.totals.replayed.gaps,
            denied_total: self.totals.denied,
        }
    }

    /// Panics if an invariant does not hold. For tests.
    pub fn check_invariants(&self) {
        let hears =
            |client: &Client, name: &str| client.listening().is_some_and(|it| it.topics.contains(name));
        for (name, topic) in self.topics.after("") {
            let hearers = self.clients.after(0).filter(|(_, client)| hears(client, name)).count();
            assert_eq!(topic.subscribers, hearers, "subscribers of {name}");
            assert!(topic.quotes.len() <= self.limits.topic_keys_max, "keys of {name}");
        }
        for (name, known) in self.terminals.after("") {
            let Some(conn) = known.conn else { continue };
            let client = self.clients.get(conn).and_then(Client::listening);
            assert_eq!(client.map(|it| &it.name), Some(name), "the connection of {name}");
        }
        assert!(self.topics.len() <= self.limits.topics_max);
        assert!(self.terminals.len() <= self.limits.terminals_known_max);
        assert!(self.controllers.len() <= self.limits.controllers_known_max);
    }
}

/// Whether a name may be used: not empty, not too long, and a person can read it.
fn is_name(name: &str, bytes_max: usize) -> bool {
    !name.is_empty() && name.len() <= bytes_max && !name.chars().any(char::is_control)
}
