//! How a terminal comes, says what it wants to hear and where it stands, and goes on from there.
//!
//! Why: the server keeps no place for a terminal; whoever comes back says the last number it has of each log.
//! Invariants: what `Subscribed` says is where it goes on, without a hole and without anything twice. After
//! `Unsubscribed` nothing of the topic follows.
//! Limits: `terminals_known_max`, `terminal_topics_max`, `topics_max`.
//! Read next: [`super::replay`].

use super::clients::Role;
use super::log::Log;
use super::replay::{Owed, Portion};
use super::terminal::{Known, Listening};
use super::topic::Topic;
use super::{Broker, Effects, is_name};
use std::sync::Arc;
use usher_proto::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};
use usher_proto::message::{
    CloseReason, HelloDenial, HelloDenied, Since, Subscribe, SubscribeDenial, SubscribeDenied, Subscribed,
    TerminalHello, To, Unsubscribe, Unsubscribed,
};
use usher_proto::{ConnId, GroupId};

impl Broker {
    pub(super) fn terminal_hello(&mut self, conn: ConnId, hello: &TerminalHello, out: &mut Effects) {
        let known = self.terminals.get(&hello.name);
        if known.is_some_and(|known| known.is_ahead_of(hello.generation)) {
            return self.close(conn, CloseReason::Replaced, out);
        }
        match self.let_in(conn, hello, out) {
            Ok((listening, subscribed)) => {
                out.send(conn, subscribed);
                if let Some(client) = self.clients.get_mut(conn) {
                    client.role = Role::Terminal(Box::new(listening));
                }
                self.send_portion(conn, out);
            }
            Err(reason) => self.hello_denied(conn, reason, out),
        }
    }

    /// Says why, and closes.
    pub(super) fn hello_denied(&mut self, conn: ConnId, reason: HelloDenial, out: &mut Effects) {
        self.deny(conn, HelloDenied { reason }, out);
        self.close(conn, CloseReason::Finished, out);
    }

    /// Makes it the one connection of its name.
    fn let_in(
        &mut self,
        conn: ConnId,
        hello: &TerminalHello,
        out: &mut Effects,
    ) -> Result<(Listening, Subscribed), HelloDenial> {
        if !is_name(&hello.name, NAME_BYTES_MAX) {
            return Err(HelloDenial::BadName);
        }
        let log = self.log;
        let known_max = self.limits.terminals_known_max;
        let known = self.terminals.open(&hello.name, known_max, || Known::new(log));
        let (name, known) = known.map_err(|_| HelloDenial::Full)?;
        let seq = known.log.seq_at(hello.since).map_err(|_| HelloDenial::Ahead)?;
        let subscribed = subscribed(To::Terminal((&*name).into()), &known.log, seq);
        let mut listening = Listening::new(name);
        if seq < known.log.last() {
            listening.owed.push_back(Owed::Own { seq });
        } else {
            listening.is_live = true;
        }
        known.generation = hello.generation;
        if let Some(older) = known.conn.replace(conn) {
            self.close(older, CloseReason::Replaced, out);
        }
        Ok((listening, subscribed))
    }

    pub(super) fn subscribe(&mut self, conn: ConnId, subscribe: Subscribe, out: &mut Effects) {
        let Subscribe { topic, since } = subscribe;
        match self.add_topic(conn, &topic, since) {
            Ok(added) => {
                out.send(conn, added.subscribed);
                out.join(conn, added.hearers);
                if let Some(live) = added.live {
                    out.join(conn, live);
                }
                self.send_portion(conn, out);
            }
            Err(reason) => self.deny(conn, SubscribeDenied { topic, reason }, out),
        }
    }

    fn add_topic(&mut self, conn: ConnId, topic: &str, since: Since) -> Result<Added, SubscribeDenial> {
        if !is_name(topic, TOPIC_BYTES_MAX) {
            return Err(SubscribeDenial::BadName);
        }
        let listening = self.clients.listening(conn).expect("invariant: only a terminal subscribes");
        if listening.topics.contains(topic) {
            return Err(SubscribeDenial::AlreadySubscribed);
        }
        if listening.topics.len() >= self.limits.terminal_topics_max {
            return Err(SubscribeDenial::TooManyTopics);
        }
        let (name, topic) = self.open_topic(topic).ok_or(SubscribeDenial::TopicsFull)?;
        let seq = topic.log.seq_at(since).map_err(|_| SubscribeDenial::Ahead)?;
        topic.subscribers += 1;
        let is_live = seq == topic.log.last();
        let added = Added {
            subscribed: subscribed(To::Topic((&*name).into()), &topic.log, seq),
            hearers: topic.hearers,
            live: is_live.then_some(topic.live),
        };
        let has_quotes = !topic.quotes.is_empty();
        let listening = self.clients.listening(conn).expect("invariant: it was a terminal just now");
        if has_quotes {
            listening.owed.push_back(Owed::Quotes { topic: Arc::clone(&name), after: "".into() });
        }
        if !is_live {
            listening.owed.push_back(Owed::Topic { topic: Arc::clone(&name), seq });
        }
        listening.topics.insert(name);
        Ok(added)
    }

    /// The topic of that name, made if there is none. None: there is no room for it.
    pub(super) fn open_topic(&mut self, name: &str) -> Option<(Arc<str>, &mut Topic)> {
        let (log, numbers) = (self.log, &mut self.numbers);
        let make = || {
            *numbers += 2;
            Topic::new(log, GroupId(*numbers - 1), GroupId(*numbers))
        };
        self.topics.open(name, self.limits.topics_max, make).ok()
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, unsubscribe: Unsubscribe, out: &mut Effects) {
        let Unsubscribe { topic } = unsubscribe;
        let listening = self.clients.listening(conn).expect("invariant: only a terminal unsubscribes");
        if listening.topics.remove(&*topic) {
            listening.owed.retain(|owed| !owed.is_of(&topic));
            let found = self.topics.get_mut(&topic).expect("invariant: a topic that is heard stays");
            found.subscribers -= 1;
            out.leave(conn, found.hearers);
            out.leave(conn, found.live);
        }
        out.send(conn, Unsubscribed { topic });
    }

    pub(super) fn portion_taken(&mut self, conn: ConnId, out: &mut Effects) {
        let listening = self.clients.listening(conn).expect("invariant: only a terminal takes portions");
        if !std::mem::take(&mut listening.portion_out) {
            return self.close(conn, CloseReason::Unexpected, out);
        }
        self.send_portion(conn, out);
        self.close_the_done(out);
    }

    /// Sends what there is room for of what a terminal missed, unless it has not taken the last portion yet.
    fn send_portion(&mut self, conn: ConnId, out: &mut Effects) {
        let Some(listening) = self.clients.listening(conn).filter(|it| !it.portion_out) else { return };
        let portion = Portion {
            conn,
            topics: &self.topics,
            terminals: &self.terminals,
            room: self.limits.portion_bytes_max,
            out,
            replayed: &mut self.totals.replayed,
        };
        portion.send(listening);
    }
}

/// A subscription that was just made.
struct Added {
    subscribed: Subscribed,
    hearers: GroupId,
    /// Where new instructions come from; none while it is owed older ones.
    live: Option<GroupId>,
}

fn subscribed(to: To, log: &Log, seq: u64) -> Subscribed {
    Subscribed { to, log: log.number, seq, last: log.last() }
}
