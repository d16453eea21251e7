//! The control side of a gateway: the link to the manager, and the machine that speaks on it.
//!
//! Why: a gateway registers, reports, is drained and is told whom to stand before as every server is; the rules are a
//! machine's (`usher_logic::gateway`), and this is its world.
//! Owns: the link, which fronts have a trunk, what the process is to do next ([`Orders`]). Does not own: fronts and
//! players, which shards have; sockets, which the process opens.
//! Invariants: the manager is told of a front only while it has a trunk.
//! Limits: the machine hears how many players there are at least each `LOOK_EVERY`.
//! Read next: `usher_logic::gateway`; [`crate::server`], which carries the orders out.

use crate::codec::Packet;
use crate::service::Gateway;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use usher_hpserver::{Actions, CloseReason, ConnId, ListenerId};
use usher_logic::gateway::Gateway as Machine;
use usher_proto::message::{Front, InnerServer};
use usher_proto::{Figures, Input, Machine as _, Message, Outbox, Output, Time};
use usher_runtime::clock::{self, Clock};
use usher_runtime::link::{LINK_TOKEN, Link, LinkParts};
use usher_runtime::metrics::Shown;

/// How often the machine is told how many players there are.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the process is to do, as the machine wants it: whom to stand before.
#[derive(Debug, Default)]
pub struct Orders {
    wanted: Mutex<Option<Vec<InnerServer>>>,
}

impl Orders {
    fn put(&self, wanted: Vec<InnerServer>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
    }

    /// All servers to stand before, if they are others than before.
    pub fn take(&self) -> Option<Vec<InnerServer>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The control side. See the module head.
pub struct Control {
    machine: Machine,
    outbox: Outbox<Infallible>,
    clock: Clock,
    link: Option<Link>,
    parts: ControlParts,
    reached: BTreeMap<ListenerId, Front>,
    look_at: Instant,
}

/// What the control side begins with.
pub struct ControlParts {
    /// The link to the manager; without one the config alone says whom to stand before.
    pub link: Option<LinkParts>,
    /// The listener that dials it.
    pub dials: ListenerId,
    /// What the admin port shows.
    pub shown: Arc<Shown>,
    /// Where orders are put.
    pub orders: Arc<Orders>,
    /// How many players all shards have.
    pub players: Arc<AtomicU32>,
}

impl Control {
    /// Not linked yet.
    pub fn new(machine: Machine, clock: Clock, parts: ControlParts) -> Self {
        let now = clock::instant();
        let link = parts.link.as_ref().map(|link| Link::new(link.manager, now));
        Self {
            machine,
            outbox: Outbox::default(),
            clock,
            link,
            parts,
            reached: BTreeMap::new(),
            look_at: now,
        }
    }

    /// Players reach the server of a listener there, or nowhere any more.
    pub fn reach(&mut self, listener: ListenerId, front: Option<Front>, actions: &mut Actions<Gateway>) {
        match front {
            Some(front) => self.reached.insert(listener, front),
            None => self.reached.remove(&listener),
        };
        let fronts = self.reached.values().cloned().collect();
        self.with_machine(actions, |machine, now, out| machine.stands_before(now, fronts, out));
    }

    /// A message on the link.
    pub fn heard(&mut self, conn: ConnId, message: Message, actions: &mut Actions<Gateway>) {
        let id = machine_id(conn);
        if let Some(link) = &mut self.link {
            link.overhear(id, &message, &self.parts.shown);
        }
        self.step(Input::Message { conn: id, message }, actions);
    }

    /// The link is up.
    pub fn up(&mut self, conn: ConnId, actions: &mut Actions<Gateway>) {
        tracing::info!("link to the manager is up");
        if let Some(link) = &mut self.link {
            link.up(machine_id(conn));
        }
        self.step(Input::LinkUp { conn: machine_id(conn) }, actions);
    }

    /// The link was not made.
    pub fn down(&mut self) {
        if let Some(link) = &mut self.link {
            link.broke(&self.parts.shown);
        }
    }

    /// A connection that is no player's and no trunk.
    pub fn closed(&mut self, conn: ConnId, reason: CloseReason, actions: &mut Actions<Gateway>) {
        if let Some(link) = self.link.as_mut().filter(|link| link.conn() == Some(machine_id(conn))) {
            link.closed(reason, &self.parts.shown);
            self.step(Input::LinkDown, actions);
        }
    }

    /// This gateway is to be emptied.
    pub fn drain(&mut self, actions: &mut Actions<Gateway>) {
        self.step(Input::Drain, actions);
    }

    /// The process slept: the manager is to hear of it anew.
    pub fn woke(&mut self, actions: &mut Actions<Gateway>) {
        if let Some(conn) = self.link.as_ref().and_then(Link::conn) {
            actions.abort(ConnId::from_bits(conn.0));
        }
    }

    /// When it is to be called again.
    pub fn next_deadline(&self) -> Instant {
        let machine = self.machine.next_timeout().map(|at| self.clock.instant_at(at));
        let link = self.link.as_ref().and_then(Link::dial_at);
        [machine, link].into_iter().flatten().fold(self.look_at, Instant::min)
    }

    /// Its time has come.
    pub fn deadline(&mut self, now: Instant, actions: &mut Actions<Gateway>) {
        if let (Some(link), Some(parts)) = (&mut self.link, &self.parts.link)
            && link.take_due(now)
        {
            actions.dial(self.parts.dials, link.address, LINK_TOKEN, Some(Box::new(parts.call())));
        }
        if self.machine.next_timeout().is_some_and(|at| at <= self.clock.now()) {
            self.step(Input::Timeout, actions);
        }
        if self.look_at <= now {
            self.look_at = now + LOOK_EVERY;
            let players = self.parts.players.load(Relaxed);
            self.with_machine(actions, |machine, now, out| machine.serves(now, players, out));
            let mut figures = Figures::default();
            self.machine.figures(&mut figures);
            self.parts.shown.figures(0, figures);
        }
    }

    fn step(&mut self, input: Input<Infallible>, actions: &mut Actions<Gateway>) {
        self.with_machine(actions, |machine, now, out| machine.handle(now, input, out));
    }

    /// One step of the machine, and what it causes.
    fn with_machine(
        &mut self,
        actions: &mut Actions<Gateway>,
        step: impl FnOnce(&mut Machine, Time, &mut Outbox<Infallible>),
    ) {
        step(&mut self.machine, self.clock.now(), &mut self.outbox);
        for output in self.outbox.drain() {
            match output {
                Output::Send(conn, message) => {
                    actions.send(ConnId::from_bits(conn.0), Packet::Message(message));
                }
                Output::Close(conn, _) => actions.close(ConnId::from_bits(conn.0), None),
                Output::Drained => self.parts.shown.drained.store(true, std::sync::atomic::Ordering::Release),
                output => tracing::error!(?output, "a gateway's machine asks for nothing like that"),
            }
        }
        if let Some(wanted) = self.machine.take_wanted() {
            self.parts.orders.put(wanted.to_vec());
        }
    }
}

fn machine_id(conn: ConnId) -> usher_proto::ConnId {
    usher_proto::ConnId(conn.to_bits())
}
