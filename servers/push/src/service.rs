//! Runs the broker on layer 2: events become calls, effects become actions.
//!
//! Why: this is the whole seam between the rules and real sockets. One shard: what one client says concerns all.
//! Owns: the broker. Does not own: when the process ends.
//! Invariants: after each call the effects are carried out, in order, before the next event.
//! Read next: [`crate::server`], which starts it.

use crate::broker::{Arrival, Broker, Effect, Effects};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use usher_hpserver::{Actions, Event, ListenerId, Service};
use usher_proto::message::{Closing, Counts, Port};
use usher_proto::{ConnId, Figures, Message};
use usher_runtime::clock;
use usher_runtime::metrics::Shown;

/// The ports, in the order of their listeners.
pub const PORTS: [Port; 3] = [Port::Terminals, Port::Controllers, Port::Administrators];
/// How often figures are copied out for metrics, at most.
const FIGURES_EVERY: Duration = Duration::from_millis(200);

/// The operator wants the server empty.
#[derive(Debug)]
pub struct Drain;

/// The broker at work.
pub struct PushService {
    broker: Broker,
    effects: Effects,
    shown: Arc<Shown>,
    figures_at: Option<Instant>,
}

fn conn(id: usher_hpserver::ConnId) -> ConnId {
    ConnId(id.to_bits())
}

fn socket(conn: ConnId) -> usher_hpserver::ConnId {
    usher_hpserver::ConnId::from_bits(conn.0)
}

fn port(listener: ListenerId) -> Port {
    PORTS[usize::from(listener.0)]
}

impl PushService {
    /// A service that shows its figures there.
    pub fn new(broker: Broker, shown: Arc<Shown>) -> Self {
        Self { broker, effects: Effects::default(), shown, figures_at: Some(clock::instant()) }
    }

    fn carry_out(&mut self, actions: &mut Actions<Self>) {
        for effect in self.effects.drain() {
            match effect {
                Effect::Send(conn, message) => actions.send(socket(conn), message),
                Effect::SendLatest(conn, number, message) => {
                    actions.send_latest(socket(conn), number, message);
                }
                Effect::Publish(group, message) => actions.publish(group.0, message, None),
                Effect::PublishLatest(group, number, message) => {
                    actions.publish_latest(group.0, number, message, None);
                }
                Effect::Join(conn, group) => actions.join(socket(conn), group.0),
                Effect::Leave(conn, group) => actions.leave(socket(conn), group.0),
                Effect::Close(conn, reason) => {
                    self.shown.closed(reason);
                    actions.close(socket(conn), Some(Closing { reason }.into()));
                }
            }
        }
        if self.broker.is_drained() {
            self.shown.drained.store(true, Ordering::Release);
        }
        self.figures_at.get_or_insert_with(|| clock::instant() + FIGURES_EVERY);
    }
}

impl Service for PushService {
    type Packet = Message;
    type Greeting = ();
    type Note = Drain;

    fn handle(&mut self, event: Event<Self>, actions: &mut Actions<Self>) {
        match event {
            Event::Opened { conn: id, listener, peer } => {
                let arrival = Arrival { port: port(listener), address: peer, unix_ms: clock::unix_ms() };
                self.broker.connected(conn(id), arrival, &mut self.effects);
            }
            Event::Packet { conn: id, packet } => self.broker.said(conn(id), packet, &mut self.effects),
            Event::Closed { conn: id, .. } => self.broker.disconnected(conn(id), &mut self.effects),
            Event::Told { note: Drain, .. } => self.broker.drain(&mut self.effects),
            Event::Deadline => {
                self.figures_at = None;
                return self.shown.figures(actions.shard(), figures(&self.broker.counts()));
            }
            // Nobody greets here, dials, is handed over, or is looked after when it is slow.
            Event::Knock { .. }
            | Event::Dialed { .. }
            | Event::DialFailed { .. }
            | Event::Blocked { .. }
            | Event::Drained { .. }
            | Event::HandedOver { .. } => {}
        }
        self.carry_out(actions);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.figures_at
    }
}

/// What connections there are is layer 2's to show.
fn figures(counts: &Counts) -> Figures {
    let mut figures = Figures::default();
    figures.gauge("usher_push_terminals_known", "Terminals known, connected or not.", counts.terminals_known);
    figures.gauge(
        "usher_push_terminals_behind",
        "Terminals that are still being sent what they missed.",
        counts.behind,
    );
    figures.gauge("usher_push_topics", "Topics.", counts.topics);
    figures.gauge("usher_push_quotes", "Keys that have a value, over all topics.", counts.quotes);
    figures.gauge("usher_push_log_entries", "Instructions kept, over all logs.", counts.log_entries);
    figures.gauge("usher_push_log_bytes", "Payloads of the instructions kept, in bytes.", counts.log_bytes);
    figures.counter(
        "usher_push_instructions_total",
        "Instructions taken from controllers.",
        counts.instructions_total,
    );
    figures.counter("usher_push_quotes_set_total", "Quotes taken from controllers.", counts.quotes_total);
    figures.counter("usher_push_replayed_total", "Instructions sent out of a log.", counts.replayed_total);
    figures.counter("usher_push_gaps_total", "Gaps told to terminals.", counts.gaps_total);
    figures.counter("usher_push_denied_total", "What was asked for and denied.", counts.denied_total);
    figures
}
