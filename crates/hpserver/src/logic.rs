//! The logic stage: a shard, its service, and what the service asked for.
//!
//! It exists so that a service is called by one thread at a time, with events in order, and never waits. A
//! shard owns its service and its `seats`; it carries out actions by handing them to the lanes they concern.
//!
//! Invariants: the outputs of a step go out in order, before the next step; while one waits for a place the shard
//! rests. Shards never wait for each other.
//! Limits: what one shard tells another is not counted; notes from outside have places, those of the links, so that
//! a full shard still hears them.
//! Read next: `seats` for hand-overs, `outputs` and `send` for what becomes of a step.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, sync::atomic::Ordering::Relaxed};

use usher_completion::ConnId;

use crate::{
    Actions, CloseReason, DialError, Event, GroupId, ListenerId, Service, ShardId, Shared,
    actions::{Action, DialAction},
    fabric::{Dial, Fabric, Outcome},
    lane::{Class, Item},
    outputs::Outputs,
    ready::{LaneRef, Ready, Stage},
    receive::ReceiveItem,
    seats::{Place, Seat, Seats},
    send::SendItem,
    timer::now,
};

/// What a shard is given.
pub(crate) enum LogicItem<S: Service> {
    Knock {
        conn: ConnId,
        listener: ListenerId,
        peer: SocketAddr,
        greeting: S::Greeting,
    },
    Opened {
        conn: ConnId,
        listener: ListenerId,
        peer: SocketAddr,
        epoch: u32,
    },
    Dialed {
        token: u64,
        conn: ConnId,
        listener: ListenerId,
    },
    DialFailed {
        token: u64,
        why: DialError<S::Packet>,
    },
    Packet {
        conn: ConnId,
        epoch: u32,
        packet: S::Packet,
        relayed: bool,
    },
    Blocked {
        conn: ConnId,
        epoch: u32,
        blocked: bool,
    },
    /// `finish`: the connection is still to be closed, behind what the service sent; else this is the last of it.
    Closed {
        conn: ConnId,
        listener: ListenerId,
        epoch: u32,
        reason: CloseReason,
        finish: bool,
    },
    Barrier {
        conn: ConnId,
        epoch: u32,
        lane: usize,
    },
    HandedOver {
        conn: ConnId,
        seat: Seat,
        note: S::Note,
    },
    Told {
        from: Option<ShardId>,
        note: S::Note,
    },
    Tick,
}

impl<S: Service> Item for LogicItem<S> {
    fn counted(&self) -> bool {
        matches!(self, Self::Packet { relayed: false, .. } | Self::Told { from: None, .. })
    }
}

/// A logic lane's own.
pub(crate) struct Shard<S: Service> {
    id: ShardId,
    service: S,
    seats: Seats,
    actions: Actions<S>,
    batch: VecDeque<LogicItem<S>>,
    outputs: Outputs<S>,
    /// Events were handled since `batch_ended`.
    owes_end: bool,
}

impl<S: Service> Shard<S> {
    pub(crate) fn new(id: ShardId, service: S, outputs: Outputs<S>) -> Self {
        Self {
            id,
            service,
            seats: Seats::default(),
            actions: Actions::new(id),
            batch: VecDeque::new(),
            outputs,
            owes_end: false,
        }
    }

    /// Nothing is left over from the last run.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.outputs.is_empty()
    }

    /// When the service wants to be called next.
    pub(crate) fn set_deadline(&self, fabric: &Fabric<S>) {
        fabric.set_deadline(LaneRef { stage: Stage::Logic, index: self.id }, self.service.next_deadline());
    }

    /// Handles one batch, or goes on with the one it could not finish.
    pub(crate) fn run(&mut self, fabric: &Fabric<S>, ready: &mut Ready) -> Outcome {
        if self.is_empty() {
            fabric.take(&fabric.logic[self.id], &mut self.batch);
        }
        let outcome = self.steps(fabric);
        self.outputs.flush(fabric, ready);
        if outcome == Outcome::Done {
            self.set_deadline(fabric);
        }
        outcome
    }

    fn steps(&mut self, fabric: &Fabric<S>) -> Outcome {
        loop {
            if let Err((lane, class)) = self.outputs.go_on(fabric) {
                return Outcome::WaitSend(lane, class);
            }
            if self.outputs.is_heavy(fabric) {
                return Outcome::Again;
            }
            if let Some(item) = self.batch.pop_front() {
                self.step(item, fabric);
                self.owes_end = true;
            } else if std::mem::take(&mut self.owes_end) {
                self.service.batch_ended(&mut self.actions);
                self.carry_out(fabric);
            } else {
                return Outcome::Done;
            }
        }
    }

    fn step(&mut self, item: LogicItem<S>, fabric: &Fabric<S>) {
        match item {
            LogicItem::Knock { conn, listener, peer, greeting } => {
                self.seat(conn, listener, 0, fabric);
                self.event(Event::Knock { conn, listener, peer, greeting }, fabric);
            }
            LogicItem::Opened { conn, listener, peer, epoch } => {
                self.opened(conn, listener, peer, epoch, fabric);
            }
            LogicItem::Dialed { token, conn, listener } => {
                self.seat(conn, listener, 0, fabric);
                self.event(Event::Dialed { token, conn }, fabric);
            }
            LogicItem::DialFailed { token, why } => self.event(Event::DialFailed { token, why }, fabric),
            LogicItem::Packet { conn, epoch, packet, .. } => self.packet(conn, epoch, packet, fabric),
            LogicItem::Blocked { conn, epoch, blocked } => self.blocked(conn, epoch, blocked, fabric),
            LogicItem::Closed { conn, listener, epoch, reason, finish } => {
                self.closed(conn, listener, (epoch, reason, finish), fabric);
            }
            LogicItem::Barrier { conn, epoch, lane } => {
                let class = match self.seats.place(conn, epoch) {
                    Place::Elsewhere(_, class) => class,
                    _ => Class::Rest,
                };
                self.seats.forget(conn, epoch);
                self.outputs.receive(lane, class, ReceiveItem::Lifted { conn }, fabric);
            }
            LogicItem::HandedOver { conn, seat, note } => {
                self.seats.take(conn, seat);
                self.event(Event::HandedOver { conn, note }, fabric);
            }
            LogicItem::Told { from, note } => self.event(Event::Told { from, note }, fabric),
            LogicItem::Tick => {
                if self.service.next_deadline().is_some_and(|deadline| deadline <= now()) {
                    self.event(Event::Deadline, fabric);
                }
            }
        }
    }

    fn event(&mut self, event: Event<S>, fabric: &Fabric<S>) {
        self.service.handle(event, &mut self.actions);
        self.carry_out(fabric);
    }

    fn seat(&mut self, conn: ConnId, listener: ListenerId, epoch: u32, fabric: &Fabric<S>) {
        self.seats.take(conn, Seat { listener, class: fabric.class(listener), epoch, closing: false });
    }

    fn opened(
        &mut self,
        conn: ConnId,
        listener: ListenerId,
        peer: SocketAddr,
        epoch: u32,
        fabric: &Fabric<S>,
    ) {
        match self.seats.place(conn, epoch) {
            Place::Elsewhere(to, class) => {
                let item = LogicItem::Opened { conn, listener, peer, epoch: epoch + 1 };
                return self.outputs.logic(to, class, item, fabric);
            }
            Place::Here(seat) if seat.closing => return,
            Place::Nowhere if epoch > 0 => return,
            Place::Nowhere => self.seat(conn, listener, 0, fabric),
            Place::Here(_) => {}
        }
        self.event(Event::Opened { conn, listener, peer }, fabric);
    }

    fn packet(&mut self, conn: ConnId, epoch: u32, packet: S::Packet, fabric: &Fabric<S>) {
        match self.seats.place(conn, epoch) {
            Place::Here(seat) if !seat.closing => self.event(Event::Packet { conn, packet }, fabric),
            Place::Elsewhere(to, class) => {
                let item = LogicItem::Packet { conn, epoch: epoch + 1, packet, relayed: true };
                self.outputs.logic(to, class, item, fabric);
            }
            Place::Here(_) | Place::Nowhere => {}
        }
    }

    fn blocked(&mut self, conn: ConnId, epoch: u32, blocked: bool, fabric: &Fabric<S>) {
        match self.seats.place(conn, epoch) {
            Place::Here(seat) if !seat.closing => {
                self.event(if blocked { Event::Blocked { conn } } else { Event::Drained { conn } }, fabric);
            }
            Place::Elsewhere(to, class) => {
                let item = LogicItem::Blocked { conn, epoch: epoch + 1, blocked };
                self.outputs.logic(to, class, item, fabric);
            }
            Place::Here(_) | Place::Nowhere => {}
        }
    }

    fn closed(
        &mut self,
        conn: ConnId,
        listener: ListenerId,
        (epoch, reason, finish): (u32, CloseReason, bool),
        fabric: &Fabric<S>,
    ) {
        match self.seats.place(conn, epoch) {
            Place::Here(seat) => {
                self.seats.close(conn);
                self.event(Event::Closed { conn, reason }, fabric);
                if finish {
                    let last_words = fabric.listeners[listener.index()].farewell(reason);
                    self.send(conn, seat.class, SendItem::Finish { conn, last_words }, fabric);
                }
            }
            Place::Elsewhere(to, class) => {
                self.seats.forget(conn, epoch);
                let item = LogicItem::Closed { conn, listener, epoch: epoch + 1, reason, finish };
                return self.outputs.logic(to, class, item, fabric);
            }
            Place::Nowhere => {}
        }
        if !finish {
            fabric.listeners[listener.index()].counters.exit();
        }
    }

    /// Turns the actions of one step into outputs.
    fn carry_out(&mut self, fabric: &Fabric<S>) {
        let mut list = std::mem::take(&mut self.actions.list);
        for action in list.drain(..) {
            self.act(action, fabric);
        }
        self.actions.list = list;
    }

    fn act(&mut self, action: Action<S>, fabric: &Fabric<S>) {
        match action {
            Action::Admit(conn) => self.admit(conn, fabric),
            Action::Refuse(conn, packet) => self.last(conn, SendItem::Refuse { conn, packet }, fabric),
            Action::Send(conn, packet, key) => {
                self.deliver(conn, SendItem::Send { conn, packet, key }, fabric);
            }
            Action::SendShared(conn, packet) => {
                self.deliver(conn, SendItem::Shared { conn, packet }, fabric);
            }
            Action::Join(conn, group) => self.deliver(conn, SendItem::Join { conn, group }, fabric),
            Action::Leave(conn, group) => self.deliver(conn, SendItem::Leave { conn, group }, fabric),
            Action::Publish(group, packet, key, except) => {
                self.publish(group, &packet, (key, except), fabric);
            }
            Action::Close(conn, packet) => self.last(conn, SendItem::Close { conn, packet }, fabric),
            Action::Abort(conn) => self.last(conn, SendItem::Abort { conn }, fabric),
            Action::Rest(conn, rests) => self.rest(conn, rests, fabric),
            Action::HandOver(conn, to, note) => self.hand_over(conn, to, note, fabric),
            Action::Tell(to, note) => self.tell(to, note, fabric),
            Action::Dial(dial) => {
                let DialAction { listener, addr, token, offer } = *dial;
                self.dial(addr, Dial { shard: self.id, listener, token, offer }, fabric);
            }
        }
    }

    fn admit(&mut self, conn: ConnId, fabric: &Fabric<S>) {
        let Some(Seat { class, closing: false, .. }) = self.seats.get(conn) else {
            return fabric.stale();
        };
        let lane = fabric.receive_spread.lane(conn);
        self.outputs.receive(lane, class, ReceiveItem::Admit { conn }, fabric);
    }

    fn rest(&mut self, conn: ConnId, rests: bool, fabric: &Fabric<S>) {
        let Some(Seat { class, closing: false, .. }) = self.seats.get(conn) else {
            return fabric.stale();
        };
        let lane = fabric.receive_spread.lane(conn);
        self.outputs.receive(lane, class, ReceiveItem::Rest { conn, rests }, fabric);
    }

    /// An output for a connection that, as far as this shard knows, still takes it.
    fn deliver(&mut self, conn: ConnId, item: SendItem<S>, fabric: &Fabric<S>) {
        match self.seats.get(conn) {
            Some(Seat { closing: true, .. }) => fabric.stale(),
            Some(seat) => self.send(conn, seat.class, item, fabric),
            None => self.send(conn, Class::Rest, item, fabric),
        }
    }

    /// The last output for a connection.
    fn last(&mut self, conn: ConnId, item: SendItem<S>, fabric: &Fabric<S>) {
        self.deliver(conn, item, fabric);
        self.seats.set_closing(conn);
    }

    fn send(&mut self, conn: ConnId, class: Class, item: SendItem<S>, fabric: &Fabric<S>) {
        match fabric.send_lane(conn) {
            Some(lane) => self.outputs.send(lane, class, item, fabric),
            None => fabric.stale(),
        }
    }

    fn publish(
        &mut self,
        group: GroupId,
        packet: &Arc<Shared<S::Packet>>,
        (key, except): (Option<u64>, Option<ConnId>),
        fabric: &Fabric<S>,
    ) {
        fabric.totals.publishes.fetch_add(1, Relaxed);
        for lane in 0..fabric.send.len() {
            let item = SendItem::Publish { group, packet: Arc::clone(packet), key, except };
            self.outputs.send(lane, Class::Rest, item, fabric);
        }
    }

    fn hand_over(&mut self, conn: ConnId, to: ShardId, note: S::Note, fabric: &Fabric<S>) {
        let exists = to < fabric.logic.len();
        let Some(seat) = exists.then(|| self.seats.give_away(conn, to)).flatten() else {
            return fabric.stale();
        };
        fabric.totals.hand_overs.fetch_add(1, Relaxed);
        let lane = fabric.receive_spread.lane(conn);
        self.outputs.receive(lane, seat.class, ReceiveItem::Switch { conn, to }, fabric);
        let next = Seat { epoch: seat.epoch + 1, ..seat };
        let item = LogicItem::HandedOver { conn, seat: next, note };
        self.outputs.logic(to, seat.class, item, fabric);
    }

    fn tell(&mut self, to: ShardId, note: S::Note, fabric: &Fabric<S>) {
        if to >= fabric.logic.len() {
            return fabric.stale();
        }
        let item = LogicItem::Told { from: Some(self.id), note };
        self.outputs.logic(to, Class::Rest, item, fabric);
    }

    fn dial(&mut self, addr: SocketAddr, dial: Dial, fabric: &Fabric<S>) {
        match fabric.may_dial(&dial) {
            Ok(()) => self.outputs.dial(addr, dial, fabric),
            Err(why) => {
                let item = LogicItem::DialFailed { token: dial.token, why };
                self.outputs.logic(self.id, Class::Rest, item, fabric);
            }
        }
    }
}
