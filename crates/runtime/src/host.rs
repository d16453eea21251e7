//! Runs one machine as one shard of layer 2: events become inputs, outputs become actions.
//!
//! Why: this is the whole seam between pure logic and real sockets, and it fits in one file.
//! Owns: the machine, the questions it asks, the link to the manager (on the first shard).
//! Invariants: after each input the outbox is drained, in order; an answer is fed back before the next event.
//! A connection's ticket is kept only where it may be renewed.
//! Limits: [`SHARED_MAX`] encoded messages are remembered for [`Output::SendShared`] and [`Output::PublishShared`].
//! Read next: [`crate::server`], which starts hosts; `usher_proto::machine`.

use crate::answers::World;
use crate::call::{Call, Knowing, LoginKeys};
use crate::clock::{self, Clock};
use crate::door::Greeting;
use crate::link::{LINK_TOKEN, Link, LinkParts};
use crate::metrics::Shown;
use crate::steps::Steps;
use crate::tend::Order;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use usher_hpserver::{
    Actions, CloseReason, DialError, Event, ListenerId, Network, Service, Shared, household,
};
use usher_proto::first_frame::{FirstFrame, Role};
use usher_proto::hand::HandFailure;
use usher_proto::machine::{Answer, DialFailure, Hello, Peer, Question};
use usher_proto::message::Closing;
use usher_proto::{
    AccountId, Address, ConnId, Figures, Input, Machine, Message, Outbox, Output, ServerName, ShardId,
};
use usher_secure::Ticket;

/// Encoded messages remembered, so that a directory is encoded once and not for each visitor.
pub const SHARED_MAX: usize = 8;
/// How often figures are copied out for metrics, at most.
const FIGURES_EVERY: Duration = Duration::from_millis(200);

/// What comes to a host besides the network.
#[derive(Debug)]
pub enum HostNote<N> {
    /// A note of its machine.
    Machine(N),
    /// The server is up: dial the manager.
    Start,
    /// The process wants something done.
    Order(Order),
    /// The operator wants another server of the cluster empty.
    DrainServer(ServerName),
    /// The operator wants an account out.
    Revoke(AccountId),
    /// The operator says something to every player who is in a room.
    Announce(String),
    /// What its machine asked is answered.
    Answered(u64, Answer),
}

impl<N> From<Order> for HostNote<N> {
    fn from(order: Order) -> Self {
        Self::Order(order)
    }
}

/// What a host is made of.
pub struct HostParts<M: Machine> {
    /// The machine.
    pub machine: M,
    /// Its clock.
    pub clock: Clock,
    /// What answers its questions; players that are guests ask none.
    pub answers: Option<Box<dyn World>>,
    /// Which shard this is.
    pub shard: ShardId,
    /// The listener config whose codec and channel dials use.
    pub dials: ListenerId,
    /// The link to the manager; first shard only.
    pub link: Option<LinkParts>,
    /// Whom it believes to be a login server, if it dials any; without any, it speaks to everybody in clear.
    pub login_keys: Arc<LoginKeys>,
    /// Whether this end says why it closes; players just leave.
    pub says_why: bool,
    /// Whether tickets are kept for [`Question::RenewTicket`].
    pub keeps_tickets: bool,
    /// The listener of gateways, if there is one: who proves to be one is let in, and the machine does not hear of it.
    pub trunks: Option<ListenerId>,
    /// Networks for which limits by address do not hold.
    pub exempt: Vec<Network>,
    /// Where figures and views go.
    pub shown: Arc<Shown>,
    /// Who writes down what players do.
    pub steps: Arc<Steps>,
}

/// One machine at work.
pub struct Host<M: Machine> {
    parts: HostParts<M>,
    link: Option<Link>,
    trunks: HashSet<ConnId, foldhash::fast::RandomState>,
    outbox: Outbox<M::Note>,
    knocking: HashMap<ConnId, Peer, foldhash::fast::RandomState>,
    tickets: HashMap<ConnId, Box<Ticket>, foldhash::fast::RandomState>,
    shared: VecDeque<(Arc<Message>, Arc<Shared<Message>>)>,
    figures_at: Option<Instant>,
}

fn conn(id: usher_hpserver::ConnId) -> ConnId {
    ConnId(id.to_bits())
}

fn socket(conn: ConnId) -> usher_hpserver::ConnId {
    usher_hpserver::ConnId::from_bits(conn.0)
}

impl<M: Machine + Send + 'static> Host<M> {
    /// A host that waits for its first event.
    pub fn new(parts: HostParts<M>) -> Self {
        let link = parts.link.as_ref().map(|link| Link::new(link.manager, clock::instant()));
        Self {
            parts,
            link,
            trunks: HashSet::default(),
            outbox: Outbox::default(),
            knocking: HashMap::default(),
            tickets: HashMap::default(),
            shared: VecDeque::with_capacity(SHARED_MAX),
            figures_at: None,
        }
    }

    fn step(&mut self, input: Input<M::Note>, actions: &mut Actions<Self>) {
        self.figures_at.get_or_insert_with(|| clock::instant() + FIGURES_EVERY);
        self.parts.machine.handle(self.parts.clock.now(), input, &mut self.outbox);
        while !self.outbox.is_empty() {
            let mut answers = Vec::new();
            let mut outbox = std::mem::take(&mut self.outbox);
            for output in outbox.drain() {
                self.carry_out(output, actions, &mut answers);
            }
            self.outbox = outbox;
            for answer in answers {
                self.parts.machine.handle(self.parts.clock.now(), answer, &mut self.outbox);
            }
        }
    }

    fn carry_out(
        &mut self,
        output: Output<M::Note>,
        actions: &mut Actions<Self>,
        answers: &mut Vec<Input<M::Note>>,
    ) {
        match output {
            Output::Admit(conn) => actions.admit(socket(conn)),
            Output::Refuse(conn, message) => {
                self.parts.steps.refused(conn, self.knocking.get(&conn), &message);
                actions.refuse(socket(conn), message);
            }
            Output::Send(conn, message) => {
                self.parts.steps.told(conn, &message);
                actions.send(socket(conn), message);
            }
            Output::SendShared(conn, message) => {
                self.parts.steps.told(conn, &message);
                let shared = self.shared(message);
                actions.send_shared(socket(conn), shared);
            }
            Output::Join(conn, group) => actions.join(socket(conn), group.0),
            Output::Leave(conn, group) => actions.leave(socket(conn), group.0),
            Output::Publish { group, message, except } => {
                actions.publish(group.0, message, except.map(socket));
            }
            Output::PublishShared(group, message) => {
                let shared = self.shared(message);
                actions.publish_shared(group.0, shared);
            }
            Output::Close(conn, reason) => {
                self.parts.shown.closed(reason);
                self.parts.steps.closed(conn, reason);
                let last_words = self.parts.says_why.then(|| Closing { reason }.into());
                actions.close(socket(conn), last_words);
            }
            Output::HandOver { conn, to, note } => {
                self.tickets.remove(&conn);
                actions.hand_over(socket(conn), usize::from(to.0), HostNote::Machine(note));
            }
            Output::Tell(shard, note) => actions.tell(usize::from(shard.0), HostNote::Machine(note)),
            Output::Ask { id, question } => {
                let presented = match &question {
                    Question::RenewTicket { conn } => self.tickets.get(conn),
                    _ => None,
                };
                let presented = presented.map(AsRef::as_ref);
                if let Some(world) = &mut self.parts.answers {
                    let answer = world.answer(id, question, presented, clock::unix_ms());
                    self.parts.steps.answered(answer.as_ref());
                    answers.extend(answer.map(|answer| Input::Answer { id, answer }));
                }
            }
            Output::Dial { token, address, hello } => match resolve(&address) {
                Some(address) => {
                    actions.dial(self.parts.dials, address, token, Some(Box::new(self.call(&hello))));
                }
                None => answers.push(Input::DialFailed { token, why: DialFailure::Unreachable }),
            },
            Output::HandFailed(failure) => log(&failure),
            Output::Show(view) => self.parts.shown.show(view),
            Output::Drained => self.parts.shown.drained.store(true, Ordering::Release),
        }
    }

    fn call(&self, hello: &Hello) -> Call {
        let Hello { role, ticket, reservation, session_key } = hello;
        let frame = FirstFrame { role: *role, ticket, reservation, noise: b"" };
        let knowing = match role {
            _ if self.parts.login_keys.is_empty() => Knowing::Nothing,
            Role::Login => Knowing::LoginKeys(Arc::clone(&self.parts.login_keys)),
            _ => Knowing::Session(*session_key),
        };
        Call::new(&frame, knowing)
    }

    fn shared(&mut self, message: Arc<Message>) -> Arc<Shared<Message>> {
        if let Some((_, shared)) = self.shared.iter().find(|(known, _)| Arc::ptr_eq(known, &message)) {
            return Arc::clone(shared);
        }
        if self.shared.len() == SHARED_MAX {
            self.shared.pop_front();
        }
        let shared = Arc::new(Shared::new(Message::clone(&message)));
        self.shared.push_back((message, Arc::clone(&shared)));
        shared
    }

    fn knock(&mut self, id: ConnId, from: SocketAddr, greeting: Greeting, actions: &mut Actions<Self>) {
        let Greeting { peer, reservation, ticket } = greeting;
        self.knocking.insert(id, peer.clone());
        if let (true, Some(ticket)) = (self.parts.keeps_tickets, ticket) {
            self.tickets.insert(id, ticket);
        }
        let is_exempt = self.parts.exempt.iter().any(|network| network.contains(from.ip()));
        let address = (!is_exempt).then(|| household(from.ip()));
        self.step(Input::Knock { conn: id, peer, reservation, address }, actions);
    }

    /// A gateway has proven that it knows the key; who travels on its trunk comes by himself.
    fn trunk(&mut self, id: ConnId, from: SocketAddr, greeting: &Greeting, actions: &mut Actions<Self>) {
        tracing::info!(%from, gateway = ?greeting.peer, "a gateway's trunk");
        self.trunks.insert(id);
        actions.admit(socket(id));
    }

    fn closed(&mut self, id: ConnId, reason: CloseReason, actions: &mut Actions<Self>) {
        if self.trunks.remove(&id) {
            // Of a gateway, or of ours, that stops in good order it is no news.
            if matches!(reason, CloseReason::Shutdown | CloseReason::PeerClosed) {
                tracing::info!(reason = reason.name(), "a gateway's trunk is down");
            } else {
                tracing::warn!(reason = reason.name(), "a gateway's trunk is down");
            }
            return;
        }
        self.knocking.remove(&id);
        self.tickets.remove(&id);
        self.parts.steps.gone(id, reason.name());
        if let Some(link) = self.link.as_mut().filter(|link| link.conn() == Some(id)) {
            link.closed(reason, &self.parts.shown);
            self.step(Input::LinkDown, actions);
        } else {
            self.step(Input::Disconnected { conn: id }, actions);
        }
    }

    fn dialed(&mut self, token: u64, id: ConnId, actions: &mut Actions<Self>) {
        if token != LINK_TOKEN {
            return self.step(Input::Dialed { token, conn: id }, actions);
        }
        tracing::info!("link to the manager is up");
        if let Some(link) = &mut self.link {
            link.up(id);
        }
        self.step(Input::LinkUp { conn: id }, actions);
    }

    fn dial_failed(&mut self, token: u64, why: DialError<Message>, actions: &mut Actions<Self>) {
        if token == LINK_TOKEN {
            tracing::debug!(?why, "the manager does not answer");
            return self.link.as_mut().map_or((), |link| link.broke(&self.parts.shown));
        }
        let why = match why {
            DialError::Connect(_) => DialFailure::Unreachable,
            DialError::Refused(message) => DialFailure::Refused(message),
            DialError::Closed => DialFailure::Closed,
        };
        self.step(Input::DialFailed { token, why }, actions);
    }

    fn note(&mut self, from: Option<usize>, note: HostNote<M::Note>, actions: &mut Actions<Self>) {
        match note {
            HostNote::Machine(note) => {
                let from = ShardId(from.unwrap_or_default() as u16);
                self.step(Input::Told { from, note }, actions);
            }
            HostNote::Start => self.deadline(actions),
            HostNote::Order(order) => self.order(order, actions),
            HostNote::DrainServer(name) => self.step(Input::DrainServer { name }, actions),
            HostNote::Revoke(account) => self.step(Input::Revoke { account }, actions),
            HostNote::Announce(text) => self.step(Input::Announce { text }, actions),
            HostNote::Answered(id, answer) => self.step(Input::Answer { id, answer }, actions),
        }
    }

    fn order(&mut self, order: Order, actions: &mut Actions<Self>) {
        match order {
            Order::Drain => self.step(Input::Drain, actions),
            Order::Woke => {
                if let Some(conn) = self.link.as_ref().and_then(Link::conn) {
                    actions.abort(socket(conn));
                }
            }
            Order::Beat => self.parts.shown.beat(),
        }
    }

    fn deadline(&mut self, actions: &mut Actions<Self>) {
        let now = clock::instant();
        if let (Some(link), Some(parts)) = (&mut self.link, &self.parts.link)
            && link.take_due(now)
        {
            actions.dial(self.parts.dials, link.address, LINK_TOKEN, Some(Box::new(parts.call())));
        }
        if self.parts.machine.next_timeout().is_some_and(|at| at <= self.parts.clock.now()) {
            self.step(Input::Timeout, actions);
        }
        if self.figures_at.is_some_and(|at| at <= now) {
            self.figures_at = None;
            self.copy_figures();
        }
    }

    fn copy_figures(&self) {
        let mut figures = Figures::default();
        self.parts.machine.figures(&mut figures);
        self.parts.shown.figures(usize::from(self.parts.shard.0), figures);
    }
}

impl<M: Machine + Send + 'static> Service for Host<M> {
    type Packet = Message;
    type Greeting = Greeting;
    type Note = HostNote<M::Note>;

    fn handle(&mut self, event: Event<Self>, actions: &mut Actions<Self>) {
        match event {
            Event::Knock { conn: id, listener, peer, greeting } if Some(listener) == self.parts.trunks => {
                self.trunk(conn(id), peer, &greeting, actions);
            }
            Event::Opened { conn: id, .. } if self.trunks.contains(&conn(id)) => {}
            Event::Knock { conn: id, peer, greeting, .. } => self.knock(conn(id), peer, greeting, actions),
            Event::Opened { conn: id, .. } => {
                let peer = self.knocking.remove(&conn(id)).unwrap_or(Peer::Stranger);
                self.parts.steps.arrived(conn(id), &peer);
                self.step(Input::Connected { conn: conn(id), peer }, actions);
            }
            Event::Dialed { token, conn: id } => self.dialed(token, conn(id), actions),
            Event::DialFailed { token, why } => self.dial_failed(token, why, actions),
            Event::Packet { conn: id, packet } => {
                if let Some(link) = &mut self.link {
                    link.overhear(conn(id), &packet, &self.parts.shown);
                }
                self.step(Input::Message { conn: conn(id), message: packet }, actions);
            }
            Event::Closed { conn: id, reason } => self.closed(conn(id), reason, actions),
            Event::HandedOver { conn: id, note: HostNote::Machine(note) } => {
                self.step(Input::HandedOver { conn: conn(id), note }, actions);
            }
            // No listener of a host tells that one is blocked.
            Event::HandedOver { .. } | Event::Blocked { .. } | Event::Drained { .. } => {}
            Event::Told { from, note } => self.note(from, note, actions),
            Event::Deadline => self.deadline(actions),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let machine = self.parts.machine.next_timeout().map(|at| self.parts.clock.instant_at(at));
        let link = self.link.as_ref().and_then(Link::dial_at);
        [machine, link, self.figures_at].into_iter().flatten().min()
    }
}

/// Where an address leads. A number is read; a name is looked up, which may wait for the resolver.
fn resolve(address: &Address) -> Option<SocketAddr> {
    address.0.parse().ok().or_else(|| address.0.to_socket_addrs().ok()?.next())
}

/// `why` may be a worker's words, and is written as a text with its quotes.
fn log(HandFailure { hand, had_begun, why }: &HandFailure) {
    if *had_begun {
        tracing::error!(%hand, why, "a game failed");
    } else {
        tracing::warn!(%hand, why, "no worker opens a hand");
    }
}
