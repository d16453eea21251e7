//! The send stage: packets in, bytes to layer 1 out.
//!
//! It exists so that encoding, groups and slow consumers cost a service nothing. A send lane owns the
//! sending half of its connections and their group memberships. It does not own the sockets' queues.
//!
//! Invariants: what is sent to a connection leaves in order; until it is open no packet is sent, after its last word
//! nothing. A packet for many is encoded once a codec. What one run caused for a connection leaves in one write.
//! Limits: once a socket refused bytes, what comes after is kept here (`backlog`) up to `high_water_bytes`; over that
//! the connection is a slow consumer and is aborted. A worker without room for commands makes the lane wait.
//! Read next: `outbox`, where the bytes go; `groups`.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use usher_completion::{ConnId, Io};

use crate::{
    GroupId, ListenerId, Seal, Service, Shared,
    backlog::Backlog,
    carriage::{Carriage, Cast},
    fabric::{Fabric, Outcome},
    groups::Groups,
    lane::Item,
    outbox::Outbox,
    ready::Ready,
    table::{Table, Tenant},
    trunk::{Ended, VirtualId},
};

/// What a send lane is given.
pub(crate) enum SendItem<S: Service> {
    /// `open`: it has no beginning of its own, packets may be sent at once. `rides`: on that trunk, under that id.
    Connected {
        conn: ConnId,
        listener: ListenerId,
        open: bool,
        rides: Option<(ConnId, VirtualId)>,
    },
    /// It is open from now on: what is said to that in clear, and the key for everything after it, if it has one.
    Open {
        conn: ConnId,
        bytes: Bytes,
        seal: Option<Box<dyn Seal>>,
    },
    Disconnected {
        conn: ConnId,
    },
    /// Its socket refused bytes, and has taken them all.
    Blocked {
        conn: ConnId,
    },
    Drained {
        conn: ConnId,
    },
    /// So many bytes of one that rides were taken at the gateway.
    Credit {
        conn: ConnId,
        bytes: u32,
    },
    /// Whole frames of this layer's own.
    Raw {
        conn: ConnId,
        bytes: Bytes,
    },
    /// With a `key`, only the latest of that key is worth waiting for.
    Send {
        conn: ConnId,
        packet: S::Packet,
        key: Option<u64>,
    },
    Shared {
        conn: ConnId,
        packet: Arc<Shared<S::Packet>>,
    },
    Publish {
        group: GroupId,
        packet: Arc<Shared<S::Packet>>,
        key: Option<u64>,
        except: Option<ConnId>,
    },
    Join {
        conn: ConnId,
        group: GroupId,
    },
    Leave {
        conn: ConnId,
        group: GroupId,
    },
    /// The last word in clear, then the end.
    Refuse {
        conn: ConnId,
        packet: S::Packet,
    },
    Close {
        conn: ConnId,
        packet: Option<S::Packet>,
    },
    Finish {
        conn: ConnId,
        last_words: Bytes,
    },
    Abort {
        conn: ConnId,
    },
}

impl<S: Service> Item for SendItem<S> {
    fn counted(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Shared { .. } | Self::Publish { .. })
    }
}

/// The sending half of one connection.
pub(crate) struct Outlet {
    pub(crate) id: ConnId,
    pub(crate) listener: ListenerId,
    /// Packets may be sent.
    pub(crate) open: bool,
    /// Its last word was said.
    pub(crate) closing: bool,
    /// Its key, if what it is sent is sealed.
    pub(crate) seal: Option<Box<dyn Seal>>,
    /// Its socket refused bytes and has not taken them all; what has come since.
    pub(crate) backlog: Option<Box<Backlog>>,
    pub(crate) groups: Vec<GroupId>,
    /// It has no socket, but travels on a trunk.
    pub(crate) carriage: Option<Box<Carriage>>,
}

impl Outlet {
    fn new(id: ConnId, listener: ListenerId, open: bool, rides: Option<(ConnId, VirtualId)>) -> Self {
        let carriage = rides.map(|rides| Box::new(Carriage::new(rides)));
        Self { id, listener, open, closing: false, seal: None, backlog: None, groups: Vec::new(), carriage }
    }

    /// Whether packets may be sent now.
    fn takes_packets(&self) -> bool {
        self.open && !self.closing
    }
}

impl Tenant for Outlet {
    fn id(&self) -> ConnId {
        self.id
    }
}

/// A send lane's own.
pub(crate) struct Sender<S: Service> {
    index: usize,
    outlets: Table<Outlet>,
    groups: Groups,
    batch: VecDeque<SendItem<S>>,
    outbox: Outbox,
    /// What is published together; and by codec its bytes, and of how many packets they are.
    together: Vec<Arc<Shared<S::Packet>>>,
    joined: Vec<Option<(Bytes, u64)>>,
    cast: Cast,
}

impl<S: Service> Sender<S> {
    pub(crate) fn new(index: usize, outlets: Table<Outlet>, outbox: Outbox) -> Self {
        Self {
            index,
            outlets,
            groups: Groups::default(),
            batch: VecDeque::new(),
            outbox,
            together: Vec::new(),
            joined: Vec::new(),
            cast: Cast::default(),
        }
    }

    /// Nothing waits for layer 1.
    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Handles one batch, once layer 1 has taken what the last one caused. `io`: this thread is a worker of layer 1.
    pub(crate) fn run(
        &mut self,
        fabric: &Fabric<S>,
        ready: &mut Ready,
        mut io: Option<&mut Io<'_>>,
    ) -> Outcome {
        if let Some(worker) = self.outbox.post(fabric, io.as_deref_mut()) {
            return Outcome::WaitWorker(worker);
        }
        fabric.take(&fabric.send[self.index], &mut self.batch);
        while let Some(item) = self.batch.pop_front() {
            match item {
                SendItem::Send { conn, packet, key } => self.send(conn, &packet, key, fabric),
                item => {
                    self.outbox.wrap();
                    self.handle(item, fabric);
                }
            }
        }
        self.outbox.wrap();
        self.load_trunks(fabric);
        self.outbox.report(fabric, ready);
        self.outbox.post(fabric, io).map_or(Outcome::Done, Outcome::WaitWorker)
    }

    /// What was gathered for those who ride goes to their trunks. A trunk goes before its riders: what they cause
    /// afterwards is nobody's.
    fn load_trunks(&mut self, fabric: &Fabric<S>) {
        while let Some((trunk, records)) = self.outbox.trunks.take() {
            match self.outlets.get(trunk) {
                Some(outlet) => self.outbox.send(outlet, records, None, fabric),
                None => self.outbox.trunks.forget(trunk),
            }
        }
        while let Some((trunk, last_words)) = self.outbox.trunks.take_ended() {
            if let Some(outlet) = self.outlets.get(trunk).filter(|outlet| !outlet.closing) {
                self.outbox.end(outlet, last_words);
            }
        }
    }

    fn send(&mut self, conn: ConnId, packet: &S::Packet, key: Option<u64>, fabric: &Fabric<S>) {
        match self.outlets.get(conn).filter(|outlet| outlet.takes_packets()) {
            Some(outlet) => self.outbox.send_packet(outlet, packet, key, fabric),
            None => fabric.stale(),
        }
    }

    fn handle(&mut self, item: SendItem<S>, fabric: &Fabric<S>) {
        match item {
            SendItem::Connected { conn, listener, open, rides } => {
                let outlet = Outlet::new(conn, listener, open, rides);
                self.outbox.boarded(&outlet);
                if open {
                    self.outbox.admit(&outlet);
                }
                self.outlets.insert(outlet);
            }
            SendItem::Disconnected { conn } => self.disconnected(conn),
            SendItem::Publish { group, packet, key, except } => {
                self.together.push(packet);
                if key.is_none() && except.is_none() {
                    self.gather(group);
                }
                self.publish(group, key, except, fabric);
            }
            SendItem::Finish { conn, ref last_words }
                if fabric.is_draining() && self.outbox.trunks.ends_with_the_last(conn, last_words) => {}
            SendItem::Open { conn, .. }
            | SendItem::Send { conn, .. }
            | SendItem::Shared { conn, .. }
            | SendItem::Raw { conn, .. }
            | SendItem::Join { conn, .. }
            | SendItem::Leave { conn, .. }
            | SendItem::Refuse { conn, .. }
            | SendItem::Credit { conn, .. }
            | SendItem::Close { conn, .. }
            | SendItem::Finish { conn, .. }
            | SendItem::Abort { conn }
            | SendItem::Blocked { conn }
            | SendItem::Drained { conn } => self.about(conn, item, fabric),
        }
    }

    /// An item about one connection, if it is still there and has not said its last word.
    fn about(&mut self, conn: ConnId, item: SendItem<S>, fabric: &Fabric<S>) {
        let Some(outlet) = self.outlets.get(conn).filter(|outlet| !outlet.closing) else {
            let counts = !matches!(
                item,
                SendItem::Finish { .. }
                    | SendItem::Blocked { .. }
                    | SendItem::Drained { .. }
                    | SendItem::Credit { .. }
                    | SendItem::Raw { .. }
                    | SendItem::Open { .. }
            );
            if counts {
                fabric.stale();
            }
            return;
        };
        let outbox = &mut self.outbox;
        match item {
            SendItem::Open { .. } if outlet.carriage.is_some() => {
                outbox.admit(outlet);
                outlet.open = true;
            }
            SendItem::Open { bytes, seal, .. } => {
                outbox.send(outlet, bytes, None, fabric);
                (outlet.open, outlet.seal) = (true, seal);
            }
            SendItem::Shared { .. } if !outlet.open => fabric.stale(),
            SendItem::Shared { packet, .. } => {
                let listener = &fabric.listeners[outlet.listener.index()];
                match packet.encoded(listener.codec_index, fabric.codecs, &*listener.codec) {
                    Some(bytes) => outbox.send_shared(outlet, bytes, 1, None, fabric),
                    None => _ = fabric.totals.too_large.fetch_add(1, Relaxed),
                }
            }
            SendItem::Raw { bytes, .. } => outbox.send(outlet, bytes, None, fabric),
            SendItem::Join { group, .. } if self.groups.join(group, conn) => {
                outlet.groups.push(group);
                outbox.joined(outlet, group);
            }
            SendItem::Leave { group, .. } => {
                outlet.groups.retain(|joined| *joined != group);
                self.groups.leave(group, conn);
                outbox.left(outlet, group);
            }
            SendItem::Credit { bytes, .. } => outbox.credit(outlet, bytes),
            SendItem::Refuse { packet, .. } => {
                let bytes = fabric.listeners[outlet.listener.index()].channel.refusal(&packet);
                outbox.end(outlet, bytes);
            }
            SendItem::Close { packet, .. } => {
                let bytes = packet.map(|packet| outbox.encode(outlet, &packet, fabric));
                outbox.end(outlet, bytes.unwrap_or_default());
            }
            SendItem::Finish { last_words, .. } => outbox.end(outlet, last_words),
            SendItem::Abort { .. } => outbox.abort(outlet, Ended::Broken),
            SendItem::Blocked { .. } => _ = outlet.backlog.get_or_insert_default(),
            SendItem::Drained { .. } => outbox.release(outlet),
            _ => {}
        }
    }

    /// Adds what the batch publishes next to the same group: to each member it goes as one.
    fn gather(&mut self, group: GroupId) {
        while let Some(SendItem::Publish { group: next, key: None, except: None, .. }) = self.batch.front()
            && *next == group
            && let Some(SendItem::Publish { packet, .. }) = self.batch.pop_front()
        {
            self.together.push(packet);
        }
    }

    fn publish(&mut self, group: GroupId, key: Option<u64>, except: Option<ConnId>, fabric: &Fabric<S>) {
        self.joined.resize(fabric.codecs, None);
        let (mut deliveries, mut riders) = (0, None);
        for conn in self.groups.members(group) {
            let Some(outlet) = self.outlets.get(*conn) else { continue };
            if Some(*conn) == except {
                self.cast.leave_out(outlet);
                continue;
            }
            if !outlet.takes_packets() {
                continue;
            }
            let listener = &fabric.listeners[outlet.listener.index()];
            let (bytes, packets) = self.joined[listener.codec_index].get_or_insert_with(|| {
                let codec = &*listener.codec;
                let joined = Shared::join(&self.together, listener.codec_index, fabric.codecs, codec);
                fabric.totals.too_large.fetch_add(self.together.len() as u64 - joined.1, Relaxed);
                joined
            });
            deliveries += *packets;
            if self.cast.add(outlet, bytes) {
                self.outbox.tallies[outlet.listener.index()].0 += *packets;
                riders = Some(bytes.clone());
            } else {
                self.outbox.send_shared(outlet, bytes.clone(), *packets, key, fabric);
            }
        }
        self.cast(group, riders.as_ref());
        self.together.clear();
        self.joined.clear();
        fabric.totals.deliveries.fetch_add(deliveries, Relaxed);
    }

    /// Once to each trunk that members ride on.
    fn cast(&mut self, group: GroupId, bytes: Option<&Bytes>) {
        let spent = self.cast.send(group, bytes, &mut self.outbox.trunks);
        for conn in spent {
            if let Some(outlet) = self.outlets.get(conn) {
                self.outbox.stop(outlet);
            }
        }
    }

    fn disconnected(&mut self, conn: ConnId) {
        let Some(outlet) = self.outlets.remove(conn) else { return };
        self.outbox.answer_close(&outlet);
        self.outbox.trunks.forget(conn);
        for group in outlet.groups {
            self.groups.leave(group, conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actions, Config, Event, server::fabric, table::Spread};

    struct Nothing;

    impl Service for Nothing {
        type Packet = ();
        type Greeting = ();
        type Note = ();

        fn handle(&mut self, _: Event<Self>, _: &mut Actions<Self>) {}
    }

    #[test]
    fn a_trunk_that_went_before_its_riders_is_forgotten_with_the_last_of_them() {
        let fabric = fabric(&Config::default(), Vec::new(), |_| Nothing);
        let mut sender = Sender::new(0, Table::new(Spread::new(1, 0)), Outbox::new(1, 0));
        let [trunk, riders @ ..] = [1, 2, 3].map(|slot: u64| ConnId::from_bits(slot << 32));
        let connected =
            |conn, rides| SendItem::Connected { conn, listener: ListenerId(0), open: true, rides };
        sender.handle(connected(trunk, None), &fabric);
        for (conn, id) in riders.into_iter().zip(0..) {
            sender.handle(connected(conn, Some((trunk, id))), &fabric);
        }
        for conn in [trunk, riders[0], riders[1]] {
            sender.handle(SendItem::Disconnected { conn }, &fabric);
            sender.load_trunks(&fabric);
        }
        assert_eq!(sender.outbox.trunks.count(), 0);
    }
}
