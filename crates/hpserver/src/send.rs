//! The send stage: packets in, bytes to layer 1 out.
//!
//! It exists so that encoding, groups and slow consumers cost a service nothing. A send lane owns the
//! sending half of its connections and their group memberships. It does not own the sockets' queues.
//!
//! Invariants: what is sent to a connection leaves in order; after its last word nothing is sent. A packet
//! for many is encoded once a codec. All that one run caused goes to a worker in one batch.
//! Limits: once a socket refused bytes, what comes after is kept here up to `high_water_bytes`; over that
//! the connection is a slow consumer and is aborted. A worker without room for commands makes the lane wait.
//! Read next: `groups`; layer 1's `Handle`, where the bytes go.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::{Bytes, BytesMut};
use usher_completion::{ConnId, Refused};

use crate::{
    CloseReason, GroupId, ListenerId, Service, Shared,
    fabric::{Fabric, Outcome, Ready},
    groups::Groups,
    lane::{Class, Item},
    receive::ReceiveItem,
    table::{Table, Tenant},
};

/// What a send lane is given.
pub(crate) enum SendItem<S: Service> {
    Connected {
        conn: ConnId,
        listener: ListenerId,
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
    /// Whole frames of this layer's own.
    Raw {
        conn: ConnId,
        bytes: Bytes,
    },
    Send {
        conn: ConnId,
        packet: S::Packet,
    },
    Shared {
        conn: ConnId,
        packet: Arc<Shared<S::Packet>>,
    },
    Publish {
        group: GroupId,
        packet: Arc<Shared<S::Packet>>,
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
    id: ConnId,
    listener: ListenerId,
    /// Its last word was said.
    closing: bool,
    /// Its socket refused bytes and has not taken them all.
    blocked: bool,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    groups: Vec<GroupId>,
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
    desk: Desk,
}

/// The ways out of a send lane.
struct Desk {
    encoded: BytesMut,
    /// By worker.
    bytes: Vec<VecDeque<(ConnId, Bytes)>>,
    ends: Vec<(ConnId, End)>,
    doomed: Vec<ConnId>,
    /// By listener: packets and bytes.
    tallies: Vec<(u64, u64)>,
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Abort,
}

impl<S: Service> Sender<S> {
    pub(crate) fn new(index: usize, outlets: Table<Outlet>, workers: usize, listeners: usize) -> Self {
        let desk = Desk {
            encoded: BytesMut::new(),
            bytes: vec![VecDeque::new(); workers],
            ends: Vec::new(),
            doomed: Vec::new(),
            tallies: vec![(0, 0); listeners],
        };
        Self { index, outlets, groups: Groups::default(), batch: VecDeque::new(), desk }
    }

    /// Nothing waits for layer 1.
    pub(crate) fn is_empty(&self) -> bool {
        self.desk.bytes.iter().all(VecDeque::is_empty) && self.desk.ends.is_empty()
    }

    /// Handles one batch, once layer 1 has taken what the last one caused.
    pub(crate) fn run(&mut self, fabric: &Fabric<S>, ready: &mut Ready) -> Outcome {
        if let Some(worker) = self.desk.post(fabric) {
            return Outcome::WaitWorker(worker);
        }
        fabric.take(&fabric.send[self.index], &mut self.batch);
        while let Some(item) = self.batch.pop_front() {
            self.handle(item, fabric);
        }
        self.desk.report(fabric, ready);
        self.desk.post(fabric).map_or(Outcome::Done, Outcome::WaitWorker)
    }

    fn handle(&mut self, item: SendItem<S>, fabric: &Fabric<S>) {
        match item {
            SendItem::Connected { conn, listener } => self.outlets.insert(Outlet::new(conn, listener)),
            SendItem::Disconnected { conn } => self.disconnected(conn),
            SendItem::Publish { group, packet, except } => self.publish(group, &packet, except, fabric),
            SendItem::Send { conn, .. }
            | SendItem::Shared { conn, .. }
            | SendItem::Raw { conn, .. }
            | SendItem::Join { conn, .. }
            | SendItem::Leave { conn, .. }
            | SendItem::Refuse { conn, .. }
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
                    | SendItem::Raw { .. }
            );
            if counts {
                fabric.stale();
            }
            return;
        };
        let desk = &mut self.desk;
        match item {
            SendItem::Send { packet, .. } => {
                let bytes = desk.encode(outlet, &packet, fabric);
                desk.send_packet(outlet, bytes, fabric);
            }
            SendItem::Shared { packet, .. } => desk.send_shared(outlet, &packet, fabric),
            SendItem::Raw { bytes, .. } => desk.send(outlet, bytes, fabric),
            SendItem::Join { group, .. } if self.groups.join(group, conn) => outlet.groups.push(group),
            SendItem::Leave { group, .. } => {
                outlet.groups.retain(|joined| *joined != group);
                self.groups.leave(group, conn);
            }
            SendItem::Refuse { packet, .. } => {
                let bytes = fabric.listeners[outlet.listener.index()].channel.refusal(&packet);
                desk.end(outlet, bytes);
            }
            SendItem::Close { packet, .. } => {
                let bytes = packet.and_then(|packet| desk.encode(outlet, &packet, fabric));
                desk.end(outlet, bytes.unwrap_or_default());
            }
            SendItem::Finish { last_words, .. } => desk.end(outlet, last_words),
            SendItem::Abort { .. } => desk.abort(outlet),
            SendItem::Blocked { .. } => outlet.blocked = true,
            SendItem::Drained { .. } => desk.drained(outlet),
            _ => {}
        }
    }

    fn publish(
        &mut self,
        group: GroupId,
        packet: &Shared<S::Packet>,
        except: Option<ConnId>,
        fabric: &Fabric<S>,
    ) {
        let mut deliveries = 0;
        for conn in self.groups.members(group) {
            let Some(outlet) = self.outlets.get(*conn) else { continue };
            if Some(*conn) != except && !outlet.closing {
                self.desk.send_shared(outlet, packet, fabric);
                deliveries += 1;
            }
        }
        fabric.totals.deliveries.fetch_add(deliveries, Relaxed);
    }

    fn disconnected(&mut self, conn: ConnId) {
        let Some(outlet) = self.outlets.remove(conn) else { return };
        for group in outlet.groups {
            self.groups.leave(group, conn);
        }
    }
}

impl Outlet {
    fn new(id: ConnId, listener: ListenerId) -> Self {
        Self {
            id,
            listener,
            closing: false,
            blocked: false,
            kept: Vec::new(),
            kept_bytes: 0,
            groups: Vec::new(),
        }
    }
}

impl Desk {
    fn encode<S: Service>(
        &mut self,
        outlet: &Outlet,
        packet: &S::Packet,
        fabric: &Fabric<S>,
    ) -> Option<Bytes> {
        let encoded = fabric.listeners[outlet.listener.index()].codec.encode(packet, &mut self.encoded);
        let bytes = self.encoded.split().freeze();
        encoded.is_ok().then_some(bytes)
    }

    fn send_shared<S: Service>(
        &mut self,
        outlet: &mut Outlet,
        packet: &Shared<S::Packet>,
        fabric: &Fabric<S>,
    ) {
        let listener = &fabric.listeners[outlet.listener.index()];
        let bytes = packet.encoded(listener.codec_index, fabric.codecs, &*listener.codec);
        self.send_packet(outlet, bytes, fabric);
    }

    /// None: the packet is too large for its codec.
    fn send_packet<S: Service>(&mut self, outlet: &mut Outlet, bytes: Option<Bytes>, fabric: &Fabric<S>) {
        match bytes {
            Some(bytes) => {
                self.tallies[outlet.listener.index()].0 += 1;
                self.send(outlet, bytes, fabric);
            }
            None => _ = fabric.totals.too_large.fetch_add(1, Relaxed),
        }
    }

    fn send<S: Service>(&mut self, outlet: &mut Outlet, bytes: Bytes, fabric: &Fabric<S>) {
        if bytes.is_empty() {
            return;
        }
        if !outlet.blocked {
            return self.out(outlet, bytes);
        }
        outlet.kept_bytes += bytes.len();
        outlet.kept.push(bytes);
        if outlet.kept_bytes > fabric.listeners[outlet.listener.index()].limits.high_water_bytes {
            self.doomed.push(outlet.id);
            self.abort(outlet);
        }
    }

    fn out(&mut self, outlet: &Outlet, bytes: Bytes) {
        self.tallies[outlet.listener.index()].1 += bytes.len() as u64;
        self.bytes[outlet.id.worker()].push_back((outlet.id, bytes));
    }

    /// The last word: layer 1 flushes what it has, then closes.
    fn end(&mut self, outlet: &mut Outlet, last_words: Bytes) {
        self.release(outlet);
        if !last_words.is_empty() {
            self.out(outlet, last_words);
        }
        outlet.closing = true;
        self.ends.push((outlet.id, End::Close));
    }

    fn abort(&mut self, outlet: &mut Outlet) {
        outlet.closing = true;
        outlet.kept = Vec::new();
        self.ends.push((outlet.id, End::Abort));
    }

    fn drained(&mut self, outlet: &mut Outlet) {
        outlet.blocked = false;
        self.release(outlet);
    }

    /// What was kept goes to layer 1.
    fn release(&mut self, outlet: &mut Outlet) {
        for bytes in std::mem::take(&mut outlet.kept) {
            self.out(outlet, bytes);
        }
        outlet.kept_bytes = 0;
    }

    /// Tells the receive lanes why before layer 1 can tell them that.
    fn report<S: Service>(&mut self, fabric: &Fabric<S>, ready: &mut Ready) {
        for conn in self.doomed.drain(..) {
            let item = ReceiveItem::Doomed { conn, reason: CloseReason::SlowConsumer };
            fabric.to_receive(fabric.receive_spread.lane(conn), &mut vec![(Class::Link, item)], ready);
        }
        for ((packets, bytes), listener) in self.tallies.iter_mut().zip(&fabric.listeners) {
            if *packets + *bytes > 0 {
                listener.counters.packets_out.fetch_add(std::mem::take(packets), Relaxed);
                listener.counters.bytes_out.fetch_add(std::mem::take(bytes), Relaxed);
            }
        }
    }

    /// Hands everything to layer 1; the worker that has no room now, if one has not.
    fn post<S: Service>(&mut self, fabric: &Fabric<S>) -> Option<usize> {
        for (worker, sends) in self.bytes.iter_mut().enumerate() {
            if sends.is_empty() {
                continue;
            }
            match fabric.handle().send_batch(worker, std::iter::from_fn(|| sends.pop_front())) {
                Ok(()) => {}
                Err(Refused::Busy) => return Some(worker),
                Err(Refused::Stopped) => sends.clear(),
            }
        }
        for (conn, end) in self.ends.drain(..) {
            match end {
                End::Close => fabric.handle().close(conn),
                End::Abort => fabric.handle().abort(conn),
            }
        }
        None
    }
}
