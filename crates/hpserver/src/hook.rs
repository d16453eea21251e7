//! Layer 2's hooks on layer 1: what a worker says becomes items for the lanes.
//!
//! It exists so that layer 1 knows nothing of lanes. One value a worker. It counts connections in and out,
//! shows out those above `connections_max`, resets those of an address that has too many, and gathers a turn's
//! chunks into one batch a lane.
//!
//! Invariants: the send lane hears of a connection before anyone can send to it. A worker never waits: what
//! a full queue does not take stays here, and reading of those connections rests until it does.
//! A connection is read unless its lane's queue is full or its receive lane holds it; only this hook pauses
//! and resumes, so that neither reason undoes the other. It does so in `turn_ended` alone: layer 1 has read for
//! this turn and has not settled yet, so no chunk is on its way.
//! Limits: what stays here is bounded by layer 1's receive buffers.
//! Read next: `receive`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use usher_completion::{Chunk, ConnId, Fault, Hooks, Io, ListenerId as Socket, Opened, Origin, Reason, Sent};

use crate::{
    CloseReason, DialError, ListenerId, Online, Service,
    addresses::Counted,
    fabric::{Dial, Fabric, RUNS_MAX, lock, repeat},
    lane::{Bundle, Class, Item, Waiter},
    logic::LogicItem,
    places::Places,
    ready::Ready,
    receive::{Arrival, ReceiveItem},
    send::SendItem,
    timer::now,
};

/// Which of layer 1's listeners is which of ours. Locked while a listener is being opened, so that its first
/// connection finds it here.
pub(crate) type Sockets = Mutex<Vec<(Socket, ListenerId)>>;

/// A connection that lanes know of.
#[derive(Clone, Copy)]
struct Guest {
    conn: ConnId,
    listener: ListenerId,
    counted: Counted,
}

pub(crate) struct Hook<S: Service> {
    fabric: Arc<Fabric<S>>,
    sockets: Arc<Sockets>,
    worker: usize,
    /// The connections of this worker that lanes know of, by slot.
    slots: Vec<Option<Guest>>,
    /// Connections whose socket refused bytes and has not taken them all.
    blocked: HashSet<ConnId, FixedState>,
    /// Connections whose reading rests because their lane's queue is full.
    rested: HashSet<ConnId, FixedState>,
    /// Connections that their receive lane holds.
    held: HashSet<ConnId, FixedState>,
    /// By receive lane.
    gathered: Vec<Bundle<ReceiveItem>>,
    /// What of it is on its way into a lane: empty between two.
    handing: Bundle<ReceiveItem>,
    to_send: Vec<Bundle<SendItem<S>>>,
    ready: Ready,
}

impl<S: Service> Hook<S> {
    pub(crate) fn new(fabric: Arc<Fabric<S>>, sockets: Arc<Sockets>, worker: usize) -> Self {
        Self {
            worker,
            sockets,
            slots: Vec::new(),
            blocked: HashSet::default(),
            rested: HashSet::default(),
            held: HashSet::default(),
            gathered: repeat(fabric.receive.len()),
            handing: Bundle::default(),
            to_send: repeat(fabric.send.len()),
            ready: Ready::default(),
            fabric,
        }
    }

    /// Where a connection comes from; none: nobody asked for it.
    fn origin(&self, origin: Origin) -> Option<(ListenerId, Option<Dial>)> {
        match origin {
            Origin::Accepted { listener } => {
                let sockets = lock(&self.sockets);
                sockets.iter().find(|(socket, _)| *socket == listener).map(|(_, listener)| (*listener, None))
            }
            Origin::Outgoing { token } | Origin::Adopted { token } => {
                let dial = lock(&self.fabric.dials).remove(&token)?;
                Some((dial.listener, Some(dial)))
            }
        }
    }

    /// Closes a connection that no lane is to hear of, and that counts as a visit only.
    fn shed(&self, io: &mut Io<'_>, conn: ConnId, listener: ListenerId, reason: CloseReason) {
        let config = &self.fabric.listeners[listener.index()];
        config.counters.closed(reason);
        if matches!(reason, CloseReason::AddressFull | CloseReason::AddressRate) {
            return io.abort(conn);
        }
        let last_words = config.farewell(reason);
        if !last_words.is_empty() {
            io.send(conn, last_words);
        }
        io.close(conn);
    }

    /// Lets a connection in; the reason if its listener has no place for it, or its address none left.
    fn let_in(
        &mut self,
        (conn, listener): (ConnId, ListenerId),
        opened: &Opened,
        dialled: bool,
    ) -> Result<(), CloseReason> {
        let (config, since) = (&self.fabric.listeners[listener.index()], now());
        let counted = if dialled {
            config.counters.enter(u64::MAX);
            Counted::Not
        } else {
            config.let_in(opened.peer.ip(), since)?
        };
        config.online.enter(Online { conn, peer: opened.peer, since });
        self.take_slot(Guest { conn, listener, counted });
        Ok(())
    }

    /// A connection that lanes know of.
    fn guest(&self, conn: ConnId) -> Option<Guest> {
        self.slots.get(conn.slot() as usize).copied().flatten().filter(|guest| guest.conn == conn)
    }

    fn listener(&self, conn: ConnId) -> Option<ListenerId> {
        self.guest(conn).map(|guest| guest.listener)
    }

    fn take_slot(&mut self, guest: Guest) {
        let slot = guest.conn.slot() as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some(guest);
    }

    fn gather(&mut self, conn: ConnId, item: ReceiveItem) {
        let Some(listener) = self.listener(conn) else { return };
        let class = self.fabric.class(listener);
        self.gathered[self.fabric.receive_spread.lane(conn)].push(class, item);
    }

    fn announce(&mut self, conn: ConnId, item: SendItem<S>) {
        let Some(listener) = self.listener(conn) else { return };
        let class = self.fabric.class(listener);
        self.to_send[self.fabric.send_spread.lane(conn)].push(class, item);
    }

    /// To its shard, where that listens.
    fn tell_blocked(&mut self, conn: ConnId, blocked: bool) {
        if self.listener(conn).is_some_and(|listener| self.fabric.listeners[listener.index()].tells_blocked) {
            self.gather(conn, ReceiveItem::Blocked { conn, blocked });
        }
    }

    fn dial_failed(&mut self, dial: &Dial, why: DialError<S::Packet>) {
        let class = self.fabric.class(dial.listener);
        let item = LogicItem::DialFailed { token: dial.token, why };
        self.fabric.to_logic(dial.shard, &mut Bundle::of(class, item), &mut self.ready);
    }

    /// Hands on what was gathered, as far as the queues take it; how many items they took.
    fn hand_on(&mut self) -> usize {
        for (lane, items) in self.to_send.iter_mut().enumerate() {
            self.fabric.to_send(lane, items, &mut self.ready);
        }
        let mut handed = 0;
        for (index, gathered) in self.gathered.iter_mut().enumerate() {
            if gathered.is_empty() {
                continue;
            }
            let lane = &self.fabric.receive[index];
            for class in Class::ALL {
                admit(lane.places(class), gathered.class(class), self.handing.class(class));
            }
            handed += self.handing.len();
            self.fabric.to_receive(index, &mut self.handing, &mut self.ready);
        }
        handed
    }

    /// What is still here rests until its lane has places; true: one has by now.
    fn pause_overfull(&mut self, io: &mut Io<'_>) -> bool {
        let mut again = false;
        for (index, gathered) in self.gathered.iter_mut().enumerate() {
            for class in Class::ALL {
                let items = gathered.class(class);
                if items.is_empty() {
                    continue;
                }
                let places = self.fabric.receive[index].places(class);
                again |= !places.wait(Waiter::Worker(self.worker));
                for item in items {
                    if let ReceiveItem::Chunk { conn, .. } = item
                        && self.rested.insert(*conn)
                        && !self.held.contains(conn)
                    {
                        io.pause_reading(*conn);
                    }
                }
            }
        }
        again
    }

    /// Reading goes on, of those whose lane took everything of their class, and whom nobody else holds.
    fn resume_rested(&mut self, io: &mut Io<'_>) {
        if self.rested.is_empty() {
            return;
        }
        let mut rested = std::mem::take(&mut self.rested);
        let resumed = rested.extract_if(|conn| {
            let class = self.listener(*conn).map_or(Class::Rest, |listener| self.fabric.class(listener));
            !self.gathered[self.fabric.receive_spread.lane(*conn)].has(class)
        });
        for conn in resumed.filter(|conn| !self.held.contains(conn)) {
            io.resume_reading(conn);
        }
        self.rested = rested;
    }

    /// What the receive lanes asked for.
    fn obey_holds(&mut self, io: &mut Io<'_>) {
        for (conn, held) in self.fabric.take_holds(self.worker) {
            if self.listener(conn).is_none() {
                continue;
            }
            let changed = if held { self.held.insert(conn) } else { self.held.remove(&conn) };
            match (changed && !self.rested.contains(&conn), held) {
                (true, true) => io.pause_reading(conn),
                (true, false) => io.resume_reading(conn),
                (false, _) => {}
            }
        }
    }
}

impl<S: Service> Hooks for Hook<S> {
    fn connected(&mut self, io: &mut Io<'_>, conn: ConnId, opened: Opened) {
        self.fabric.open.enter();
        let Some((listener, dial)) = self.origin(opened.origin) else { return io.abort(conn) };
        let config = &self.fabric.listeners[listener.index()];
        config.counters.visited();
        if self.fabric.is_draining() {
            if let Some(dial) = dial {
                self.dial_failed(&dial, DialError::Closed);
            }
            return self.shed(io, conn, listener, CloseReason::Shutdown);
        }
        let begins = dial.as_ref().map_or(config.channel.greets(), |dial| dial.offer.is_some());
        if let Err(reason) = self.let_in((conn, listener), &opened, dial.is_some()) {
            return self.shed(io, conn, listener, reason);
        }
        self.announce(conn, SendItem::Connected { conn, listener, open: !begins, rides: None });
        let arrival = Arrival { conn, listener, peer: opened.peer, dial };
        self.gather(conn, ReceiveItem::Connected(Box::new(arrival)));
    }

    fn received(&mut self, _io: &mut Io<'_>, conn: ConnId, chunk: Chunk) {
        let finished = chunk.is_empty();
        let item = if finished { ReceiveItem::Finished { conn } } else { ReceiveItem::Chunk { conn, chunk } };
        self.gather(conn, item);
    }

    fn sent(&mut self, _io: &mut Io<'_>, conn: ConnId, sent: Sent) {
        if sent.waiting > 0 {
            if self.listener(conn).is_some() && self.blocked.insert(conn) {
                self.announce(conn, SendItem::Blocked { conn });
                self.tell_blocked(conn, true);
            }
        } else if !self.blocked.is_empty() && self.blocked.remove(&conn) {
            self.announce(conn, SendItem::Drained { conn });
            self.tell_blocked(conn, false);
        }
    }

    fn disconnected(&mut self, _io: &mut Io<'_>, conn: ConnId, reason: Reason) {
        self.blocked.remove(&conn);
        self.rested.remove(&conn);
        self.held.remove(&conn);
        if let Some(guest) = self.guest(conn) {
            let config = &self.fabric.listeners[guest.listener.index()];
            config.addresses.exit(guest.counted, now());
            config.online.exit(conn);
            self.announce(conn, SendItem::Disconnected { conn });
            self.gather(conn, ReceiveItem::Disconnected { conn, reason });
            self.slots[conn.slot() as usize] = None;
        }
        self.fabric.open.exit();
    }

    fn error(&mut self, _io: &mut Io<'_>, fault: Fault) {
        match fault {
            Fault::Connect { token, error } | Fault::Adopt { token, error } => {
                let dial = lock(&self.fabric.dials).remove(&token);
                if let Some(dial) = dial {
                    self.dial_failed(&dial, DialError::Connect(error.kind()));
                }
            }
            Fault::Stale { .. } => {}
            fault => tracing::warn!(%fault, "layer 1"),
        }
    }

    fn turn_ended(&mut self, io: &mut Io<'_>) {
        self.obey_holds(io);
        self.fabric.clear_desk(self.worker, &mut self.ready);
        loop {
            let handed = self.hand_on();
            self.fabric.drive(&mut self.ready, RUNS_MAX, Some(io));
            if handed == 0 && !self.pause_overfull(io) {
                break;
            }
        }
        self.resume_rested(io);
        if !self.ready.is_empty() {
            io.handle().wake(self.worker);
        }
    }
}

impl<S: Service> Drop for Hook<S> {
    /// The worker has ended: what it still had to say reaches the lanes, which are run out after it. (Not where
    /// the server did not come to be: then nobody waits, and limits stay limits.)
    fn drop(&mut self) {
        if self.fabric.is_draining() {
            self.fabric.unbound();
            self.hand_on();
        }
    }
}

/// Moves items from `waiting` to `admitted` until a counted one finds no place.
fn admit(places: &Places<Waiter>, waiting: &mut VecDeque<ReceiveItem>, admitted: &mut VecDeque<ReceiveItem>) {
    let counted = waiting.iter().filter(|item| item.counted()).count();
    let reserved = if counted == 0 { 0 } else { places.reserve(counted) };
    if reserved == counted {
        return std::mem::swap(waiting, admitted);
    }
    let mut left = reserved;
    let fits = waiting.iter().take_while(|item| {
        let fits = !item.counted() || left > 0;
        left -= usize::from(item.counted() && fits);
        fits
    });
    let fits = fits.count();
    admitted.extend(waiting.drain(..fits));
}
