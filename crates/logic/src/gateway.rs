//! The gateway's side of the cluster: how full it is, which servers it stands before, which it is to stand before.
//!
//! Why: a gateway carries players' connections to halls and rooms and decides nothing for them; what it must agree upon
//! with the manager is written once, and runs in the simulator too.
//! Owns: the link, what the manager named, what the world said of itself. Does not own: connections, trunks, addresses.
//! Its world tells it how many players' connections there are ([`Gateway::serves`]) and where it stands before whom
//! ([`Gateway::stands_before`]), each like an input of its own; asks it whom to stand before ([`Gateway::take_wanted`]);
//! lets nobody in, and shows out whom there is, while it [is draining](Gateway::is_draining).
//! Invariants: the manager is told all fronts after each registration and when they change. A server that is named no
//! more stays wanted as long as the gateway stands before it: a manager that forgot a server ends no player's evening.
//! Limits: [`FRONTS_MAX`] servers; those of the config first, then as the manager names them.
//! Read next: `manager/placement.rs`, the other side; [`crate::uplink`].

use crate::recent_rate::RecentRate;
use crate::uplink::Uplink;
use alloc::vec::Vec;
use core::convert::Infallible;
use usher_proto::limits::FRONTS_MAX;
use usher_proto::message::{Before, CloseReason, Front, InnerServer, Message};
use usher_proto::{ConnId, Figures, Input, Machine, NodeConfig, Outbox, Output, ServerKind, Time};

/// One shard, so nothing is ever told or handed over.
type Out = Outbox<Infallible>;

/// What a gateway is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The server itself. It is full with `serve_max` connections, and then no server is placed behind it.
    pub node: NodeConfig,
    /// Servers that it is to stand before, whoever else is there.
    pub servers: Vec<InnerServer>,
    /// Whether it is to stand before those that the manager names, too.
    pub follow: bool,
}

impl Default for GatewayConfig {
    /// Before whomever the manager names.
    fn default() -> Self {
        Self { node: NodeConfig::new(ServerKind::Gateway), servers: Vec::new(), follow: true }
    }
}

/// The gateway machine. See the module head.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    uplink: Uplink,
    begun: RecentRate,
    serving: u32,
    draining: bool,
    drained: bool,
    /// Those that the manager named last.
    named: Vec<InnerServer>,
    fronts: Vec<Front>,
    wanted: Vec<InnerServer>,
    /// Whether the world has yet to be told whom is wanted.
    has_news: bool,
    unexpected: u64,
}

impl Gateway {
    /// A gateway without a link, that stands before nobody.
    pub fn new(config: GatewayConfig) -> Self {
        let mut gateway = Self {
            uplink: Uplink::new(&config.node),
            begun: RecentRate::default(),
            serving: 0,
            draining: false,
            drained: false,
            named: Vec::new(),
            fronts: Vec::new(),
            wanted: Vec::new(),
            has_news: false,
            unexpected: 0,
            config,
        };
        gateway.want();
        gateway
    }

    /// So many players' connections there are now.
    pub fn serves(&mut self, now: Time, connections: u32, out: &mut Out) {
        for _ in self.serving..connections {
            self.begun.count(now);
        }
        self.serving = connections;
        self.end_step(now, out);
    }

    /// It stands before these now, each with a trunk that is up and at this outer address: all of them, at most
    /// [`FRONTS_MAX`].
    pub fn stands_before(&mut self, now: Time, fronts: Vec<Front>, out: &mut Out) {
        if fronts != self.fronts {
            self.fronts = fronts;
            self.say_before(out);
            self.want();
        }
        self.end_step(now, out);
    }

    /// Whom to stand before: all of them, if they are others than when this was asked last. A trunk to anybody else is
    /// given up, and a server whose address is another is found there from its next trunk on.
    pub fn take_wanted(&mut self) -> Option<&[InnerServer]> {
        core::mem::take(&mut self.has_news).then_some(&self.wanted)
    }

    /// Whether this gateway is being emptied.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    fn link_up(&mut self, now: Time, conn: ConnId, out: &mut Out) {
        self.uplink.up(now, conn, self.config.node.register(now, Vec::new(), 0), out);
        self.say_before(out);
    }

    fn heard(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Out) {
        if !self.uplink.is_link(conn) {
            return;
        }
        match message {
            Message::Inner(inner) => {
                self.named = inner.servers;
                self.want();
            }
            Message::DrainOrder(_) => self.draining = true,
            Message::Revoked(said) => self.uplink.revoked(now, &said),
            Message::RegisterDenied(_) => self.uplink.down(),
            Message::Registered(_) | Message::Closing(_) => {}
            _ => {
                self.unexpected += 1;
                out.close(conn, CloseReason::Unexpected);
            }
        }
    }

    fn say_before(&self, out: &mut Out) {
        self.uplink.send(Before { servers: self.fronts.clone() }, out);
    }

    /// Reckons whom to stand before.
    fn want(&mut self) {
        let mut wanted = self.config.servers.clone();
        let named: &[InnerServer] = if self.config.follow { &self.named } else { &[] };
        let fronts = &self.fronts;
        let is_stood_before = |it: &&InnerServer| fronts.iter().any(|front| front.server == it.server);
        for server in named.iter().chain(self.wanted.iter().filter(is_stood_before)) {
            if wanted.iter().all(|it| it.server != server.server) {
                wanted.push(server.clone());
            }
        }
        wanted.truncate(FRONTS_MAX);
        if wanted != self.wanted {
            self.wanted = wanted;
            self.has_news = true;
        }
    }

    fn end_step(&mut self, now: Time, out: &mut Out) {
        let load = (self.serving, self.begun.per_second(now), self.draining);
        self.uplink.report(now, load, Vec::new, out);
        if self.draining && !self.drained && self.serving == 0 {
            self.drained = true;
            out.push(Output::Drained);
        }
    }
}

impl Machine for Gateway {
    type Note = Infallible;

    fn handle(&mut self, now: Time, input: Input<Infallible>, out: &mut Out) {
        match input {
            Input::LinkUp { conn } => self.link_up(now, conn, out),
            Input::LinkDown => self.uplink.down(),
            Input::Message { conn, message } => self.heard(now, conn, message, out),
            Input::Disconnected { conn } if self.uplink.is_link(conn) => self.uplink.down(),
            Input::Drain => self.draining = true,
            // Players' connections are their own servers' business, and its world's.
            _ => {}
        }
        self.end_step(now, out);
    }

    fn next_timeout(&self) -> Option<Time> {
        self.uplink.next_timeout()
    }

    fn check_invariants(&self) {
        assert!(self.wanted.len() <= FRONTS_MAX && self.fronts.len() <= FRONTS_MAX);
        assert!(!self.drained || self.draining, "only who drains is drained");
        for (at, server) in self.wanted.iter().enumerate() {
            assert!(self.wanted[..at].iter().all(|it| it.server != server.server), "wanted once");
        }
    }

    fn figures(&self, figures: &mut Figures) {
        let (wanted, fronts) = (self.wanted.len() as u64, self.fronts.len() as u64);
        figures.gauge("usher_serving", "Players' connections.", self.serving.into());
        figures.gauge("usher_gateway_wanted", "Servers that the gateway is to stand before.", wanted);
        figures.gauge(
            "usher_gateway_fronts",
            "Servers that it stands before, with a trunk that is up.",
            fronts,
        );
        figures.counter("usher_unexpected_total", "Connections closed for what they said.", self.unexpected);
    }
}

#[cfg(test)]
mod tests;
