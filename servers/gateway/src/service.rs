//! The gateway as layer 2's service: players on one side, trunks on the other, the manager beside them.
//!
//! Why: layer 2 brings events of three kinds of connection; here each finds what it is about.
//! Owns: which player rides on which trunk, and the fronts of its shard. The first shard has the control side too.
//! Does not own: what travels ([`crate::trunk`]), what is agreed with the manager ([`crate::control`]).
//! Invariants: a front is on one shard, with its players and its trunks, so nothing of it is shared. What one batch
//! caused for a server leaves in one packet.
//! Limits: those of the config; a player who finds no trunk is told so and shown out.
//! Read next: [`crate::trunk`].

use crate::codec::{Packet, Players, words_of};
use crate::control::Control;
use crate::trunk::{Stranded, Trunk};
use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use usher_hpserver::trunk::VirtualId;
use usher_hpserver::{
    Actions, CloseReason as Ended, ConnId, DialError, Event, GroupId, ListenerId, Offer, Service, ShardId,
};
use usher_proto::message::{CloseReason, Closing, Front};
use usher_runtime::clock;
use usher_runtime::link::LINK_TOKEN;
use usher_runtime::metrics::Shown;
use usher_runtime::tend::Order;

/// While a gateway is emptied it shows so many parts of its players out each [`DRAIN_EVERY`]: all within ten seconds.
const DRAIN_PARTS: usize = 50;
const DRAIN_EVERY: Duration = Duration::from_millis(200);
/// Trunks of one front, for tokens.
pub const TRUNKS_MAX: usize = 64;

/// What the first frame of a player is to the gateway: what the server is shown of it.
pub type Greeting = Vec<u8>;

/// What shards are told.
pub enum Note {
    /// Stand before this server from now on, or find it there from its next trunk on.
    Stand(FrontConfig),
    /// No longer, before the server of this listener.
    Give(ListenerId),
    /// To the first shard: players reach the server of this listener there, or nowhere any more.
    Reaches(ListenerId, Option<Front>),
    /// What the process wants done.
    Order(Order),
}

impl From<Order> for Note {
    fn from(order: Order) -> Self {
        Self::Order(order)
    }
}

/// Makes this gateway's side of the beginning of a trunk; none: trunks begin with their first record.
pub type MakeOffer = dyn Fn() -> Option<Box<dyn Offer>> + Send + Sync;

/// A server to stand before.
pub struct FrontConfig {
    /// Its name, and where players find it.
    pub front: Front,
    /// Where they come in.
    pub listener: ListenerId,
    /// Its inner listener.
    pub inner: SocketAddr,
    /// How many trunks.
    pub trunks: usize,
}

struct Standing {
    config: FrontConfig,
    trunks: Vec<Trunk>,
    /// Whether one of them was up when that was last told.
    reaches: bool,
    /// Why the last dial failed, if it did.
    failed: Option<String>,
}

#[derive(Clone, Copy)]
struct Seat {
    listener: ListenerId,
    trunk: usize,
    id: VirtualId,
}

/// One shard of a gateway.
pub struct Gateway {
    shard: ShardId,
    trunks: ListenerId,
    offer: Box<MakeOffer>,
    words: Players,
    fronts: HashMap<ListenerId, Standing, FixedState>,
    seats: HashMap<ConnId, Seat, FixedState>,
    trunks_up: HashMap<ConnId, (ListenerId, usize), FixedState>,
    next_group: GroupId,
    control: Option<Control>,
    shown: Arc<Shown>,
    drain: Option<Drain>,
    /// Players of all shards.
    players: Arc<AtomicU32>,
}

/// An emptying under way: who is still to be shown out, how many at a time, and when next.
struct Drain {
    left: Vec<ConnId>,
    part: usize,
    at: Instant,
}

/// What a shard begins with.
pub struct Parts {
    /// Which it is.
    pub shard: ShardId,
    /// The listener that dials trunks.
    pub trunks: ListenerId,
    /// This gateway's side of each.
    pub offer: Box<MakeOffer>,
    /// How it says something of its own to players.
    pub words: Players,
    /// The first shard's.
    pub control: Option<Control>,
    /// Where it shows that it is alive.
    pub shown: Arc<Shown>,
    /// How many players all shards have, to count along.
    pub players: Arc<AtomicU32>,
}

impl Gateway {
    /// Before nobody yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { shard, trunks, offer, words, control, shown, players } = parts;
        Self {
            shard,
            trunks,
            offer,
            words,
            fronts: HashMap::default(),
            seats: HashMap::default(),
            trunks_up: HashMap::default(),
            next_group: (shard as GroupId) << 48,
            control,
            shown,
            drain: None,
            players,
        }
    }

    /// Somebody came; `first_frame` if he greeted, and then he waits to be let in.
    fn came(
        &mut self,
        conn: ConnId,
        listener: ListenerId,
        peer: SocketAddr,
        first_frame: Option<&[u8]>,
        actions: &mut Actions<Self>,
    ) {
        let is_in = first_frame.is_none();
        if self.drain.is_some() {
            return self.show_out((conn, is_in), CloseReason::Draining, actions);
        }
        let front = self.fronts.get_mut(&listener);
        let up = front.into_iter().flat_map(|front| front.trunks.iter_mut().enumerate());
        let emptiest = up.filter(|(_, trunk)| trunk.is_up()).min_by_key(|(_, trunk)| trunk.riders());
        let boarded = emptiest.and_then(|(at, trunk)| {
            let id = trunk.board(conn, (peer, first_frame.unwrap_or_default()), is_in)?;
            Some(Seat { listener, trunk: at, id })
        });
        match boarded {
            Some(seat) => {
                self.seats.insert(conn, seat);
                self.players.fetch_add(1, Relaxed);
            }
            None => self.show_out((conn, is_in), CloseReason::Unreachable, actions),
        }
    }

    /// With the reason why; sealed or in clear, as his connection takes packets or not.
    fn show_out(&self, (conn, is_in): (ConnId, bool), reason: CloseReason, actions: &mut Actions<Self>) {
        let words = Packet::Frames(self.words.say(&Closing { reason }.into()));
        if is_in {
            actions.close(conn, Some(words));
        } else {
            actions.refuse(conn, words);
        }
    }

    fn seat(&mut self, conn: ConnId) -> Option<(&mut Trunk, VirtualId)> {
        let seat = *self.seats.get(&conn)?;
        let trunk = self.fronts.get_mut(&seat.listener)?.trunks.get_mut(seat.trunk)?;
        Some((trunk, seat.id))
    }

    fn packet(&mut self, conn: ConnId, packet: Packet, actions: &mut Actions<Self>) {
        match packet {
            Packet::Frames(frame) => {
                if let Some((trunk, id)) = self.seat(conn) {
                    trunk.forward(id, &frame, actions);
                }
            }
            Packet::Records(records) => self.said(conn, &records, actions),
            Packet::Message(message) => {
                self.control(|control, actions| control.heard(conn, message, actions), actions);
            }
        }
    }

    fn said(&mut self, conn: ConnId, records: &Bytes, actions: &mut Actions<Self>) {
        let Some((listener, at)) = self.trunks_up.get(&conn) else { return };
        let Some(front) = self.fronts.get_mut(listener) else { return };
        if let Err(bad) = front.trunks[*at].said(records, &mut self.next_group, actions) {
            tracing::error!(server = %front.config.front.server, %bad, "the server does not speak as on a trunk");
            actions.abort(conn);
        }
    }

    fn closed(&mut self, conn: ConnId, reason: Ended, actions: &mut Actions<Self>) {
        if let Some((trunk, id)) = self.seat(conn) {
            trunk.left(id, reason);
            return self.unseat(conn);
        }
        if let Some((listener, at)) = self.trunks_up.remove(&conn) {
            return self.trunk_down(listener, at, reason.name(), actions);
        }
        self.control(|control, actions| control.closed(conn, reason, actions), actions);
    }

    fn trunk_down(&mut self, listener: ListenerId, at: usize, why: &str, actions: &mut Actions<Self>) {
        let Some(front) = self.fronts.get_mut(&listener) else { return };
        let stranded = front.trunks[at].down(clock::instant());
        let players = stranded.iter().filter(|who| !who.has_left).count();
        if players == 0 {
            tracing::info!(server = %front.config.front.server, why, "a trunk is down");
        } else {
            tracing::warn!(server = %front.config.front.server, why, players, "a trunk is down");
        }
        self.strand(stranded, actions);
        self.tell_reach(listener, actions);
    }

    /// Nobody has a seat on a trunk that is down: its next riders are given the same ids.
    fn strand(&mut self, stranded: Vec<Stranded>, actions: &mut Actions<Self>) {
        for Stranded { conn, is_in, has_left } in stranded {
            self.unseat(conn);
            if !has_left {
                self.show_out((conn, is_in), CloseReason::Unreachable, actions);
            }
        }
    }

    fn dialed(&mut self, token: u64, conn: ConnId, actions: &mut Actions<Self>) {
        if token == LINK_TOKEN {
            return self.control(|control, actions| control.up(conn, actions), actions);
        }
        let (listener, at) = of_token(token);
        let Some(front) = self.fronts.get_mut(&listener) else { return actions.abort(conn) };
        let Some(trunk) = front.trunks.get_mut(at).filter(|trunk| !trunk.is_up()) else {
            return actions.abort(conn); // of two dials, for it was given up and wanted again meanwhile
        };
        trunk.up(conn);
        front.failed = None;
        self.trunks_up.insert(conn, (listener, at));
        self.tell_reach(listener, actions);
    }

    /// Says why, unless it is as it was the last time.
    fn dial_failed(&mut self, token: u64, why: &DialError<Packet>) {
        if token == LINK_TOKEN {
            return self.control.as_mut().map_or((), Control::down);
        }
        let (listener, at) = of_token(token);
        let Some(front) = self.fronts.get_mut(&listener) else { return };
        let Some(trunk) = front.trunks.get_mut(at).filter(|trunk| !trunk.is_up()) else { return };
        trunk.link.down(clock::instant());
        let why = words_of(why);
        if front.failed.as_ref() != Some(&why) {
            tracing::warn!(server = %front.config.front.server, why, "no trunk; dialling again");
            front.failed = Some(why);
        }
    }

    /// Says whether players can reach the server, if that has changed.
    fn tell_reach(&mut self, listener: ListenerId, actions: &mut Actions<Self>) {
        let Some(front) = self.fronts.get_mut(&listener) else { return };
        let reaches = front.trunks.iter().any(Trunk::is_up);
        if std::mem::replace(&mut front.reaches, reaches) == reaches {
            return;
        }
        tracing::info!(server = %front.config.front.server, reaches, "front");
        let front = reaches.then(|| front.config.front.clone());
        if self.shard == 0 {
            self.reach(listener, front, actions);
        } else {
            actions.tell(0, Note::Reaches(listener, front));
        }
    }

    fn reach(&mut self, listener: ListenerId, front: Option<Front>, actions: &mut Actions<Self>) {
        self.control(|control, actions| control.reach(listener, front, actions), actions);
    }

    fn unseat(&mut self, conn: ConnId) {
        if self.seats.remove(&conn).is_some() {
            self.players.fetch_sub(1, Relaxed);
        }
    }

    fn control(&mut self, act: impl FnOnce(&mut Control, &mut Actions<Self>), actions: &mut Actions<Self>) {
        if let Some(control) = &mut self.control {
            act(control, actions);
        }
    }

    fn note(&mut self, note: Note, actions: &mut Actions<Self>) {
        match note {
            Note::Stand(config) => self.stand(config),
            Note::Give(listener) => self.give(listener, actions),
            Note::Reaches(listener, front) => self.reach(listener, front, actions),
            Note::Order(Order::Drain) => {
                self.control(Control::drain, actions);
                self.begin_drain();
            }
            Note::Order(Order::Woke) => self.control(Control::woke, actions),
            Note::Order(Order::Beat) => self.shown.beat(),
        }
    }

    fn stand(&mut self, config: FrontConfig) {
        let (now, inner) = (clock::instant(), config.inner);
        let front = self.fronts.entry(config.listener).or_insert_with(|| Standing {
            trunks: (0..config.trunks).map(|_| Trunk::new(inner, now)).collect(),
            config,
            reaches: false,
            failed: None,
        });
        for trunk in &mut front.trunks {
            trunk.link.address = inner;
        }
    }

    fn give(&mut self, listener: ListenerId, actions: &mut Actions<Self>) {
        let Some(front) = self.fronts.remove(&listener) else { return };
        self.trunks_up.retain(|conn, (of, _)| {
            if *of == listener {
                actions.close(*conn, None);
            }
            *of != listener
        });
        for mut trunk in front.trunks {
            self.strand(trunk.down(clock::instant()), actions);
        }
        if front.reaches {
            actions.tell(0, Note::Reaches(listener, None));
        }
    }

    fn begin_drain(&mut self) {
        if self.drain.is_none() {
            let left: Vec<ConnId> = self.seats.keys().copied().collect();
            self.drain = Some(Drain { part: left.len().div_ceil(DRAIN_PARTS), left, at: clock::instant() });
        }
    }

    /// Shows the next part of the players out, with the reason why.
    fn go_on_draining(&mut self, now: Instant, actions: &mut Actions<Self>) {
        let Some(drain) = self.drain.as_mut().filter(|drain| drain.at <= now && !drain.left.is_empty())
        else {
            return;
        };
        drain.at = now + DRAIN_EVERY;
        let next = drain.left.split_off(drain.left.len().saturating_sub(drain.part));
        for conn in next {
            let Some((trunk, id)) = self.seat(conn) else { continue };
            let is_in = trunk.is_in(id);
            self.show_out((conn, is_in), CloseReason::Draining, actions);
        }
    }

    fn deadline(&mut self, actions: &mut Actions<Self>) {
        let now = clock::instant();
        self.control(|control, actions| control.deadline(now, actions), actions);
        self.go_on_draining(now, actions);
        let Self { fronts, trunks, offer, .. } = self;
        for (listener, front) in fronts {
            for (at, trunk) in front.trunks.iter_mut().enumerate() {
                if trunk.link.take_due(now) {
                    actions.dial(*trunks, trunk.link.address, token(*listener, at), offer());
                }
            }
        }
    }
}

fn token(listener: ListenerId, trunk: usize) -> u64 {
    u64::from(listener.0) << 32 | trunk as u64
}

fn of_token(token: u64) -> (ListenerId, usize) {
    (ListenerId((token >> 32) as u16), token as u32 as usize)
}

impl Service for Gateway {
    type Packet = Packet;
    type Greeting = Greeting;
    type Note = Note;

    fn handle(&mut self, event: Event<Self>, actions: &mut Actions<Self>) {
        match event {
            Event::Packet { conn, packet } => self.packet(conn, packet, actions),
            Event::Knock { conn, listener, peer, greeting } => {
                self.came(conn, listener, peer, Some(&greeting), actions);
            }
            Event::Opened { conn, listener, peer } if !self.seats.contains_key(&conn) => {
                self.came(conn, listener, peer, None, actions);
            }
            Event::Opened { .. } | Event::HandedOver { .. } => {}
            Event::Dialed { token, conn } => self.dialed(token, conn, actions),
            Event::DialFailed { token, why } => self.dial_failed(token, &why),
            Event::Blocked { conn } => {
                if let Some((trunk, id)) = self.seat(conn) {
                    trunk.blocked(id, true);
                }
            }
            Event::Drained { conn } => {
                if let Some((trunk, id)) = self.seat(conn) {
                    trunk.blocked(id, false);
                }
            }
            Event::Closed { conn, reason } => self.closed(conn, reason, actions),
            Event::Told { note, .. } => self.note(note, actions),
            Event::Deadline => self.deadline(actions),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let dials =
            self.fronts.values().flat_map(|front| &front.trunks).filter_map(|trunk| trunk.link.dial_at());
        let control = self.control.as_ref().map(Control::next_deadline);
        let drain = self.drain.as_ref().filter(|drain| !drain.left.is_empty()).map(|drain| drain.at);
        dials.chain(control).chain(drain).min()
    }

    fn batch_ended(&mut self, actions: &mut Actions<Self>) {
        for trunk in self.fronts.values_mut().flat_map(|front| &mut front.trunks) {
            trunk.flush(actions);
        }
    }
}
