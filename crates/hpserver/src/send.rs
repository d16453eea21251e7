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
    fabric::{Fabric, Outcome},
    groups::Groups,
    lane::Item,
    outbox::Outbox,
    ready::Ready,
    table::{Table, Tenant},
};

/// What a send lane is given.
pub(crate) enum SendItem<S: Service> {
    /// `open`: it has no beginning of its own, packets may be sent at once.
    Connected {
        conn: ConnId,
        listener: ListenerId,
        open: bool,
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
    open: bool,
    /// Its last word was said.
    pub(crate) closing: bool,
    /// Its key, if what it is sent is sealed.
    pub(crate) seal: Option<Box<dyn Seal>>,
    /// Its socket refused bytes and has not taken them all; what has come since.
    pub(crate) backlog: Option<Box<Backlog>>,
    groups: Vec<GroupId>,
}

impl Outlet {
    fn new(id: ConnId, listener: ListenerId, open: bool) -> Self {
        Self { id, listener, open, closing: false, seal: None, backlog: None, groups: Vec::new() }
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
        self.outbox.report(fabric, ready);
        self.outbox.post(fabric, io).map_or(Outcome::Done, Outcome::WaitWorker)
    }

    fn send(&mut self, conn: ConnId, packet: &S::Packet, key: Option<u64>, fabric: &Fabric<S>) {
        match self.outlets.get(conn).filter(|outlet| outlet.takes_packets()) {
            Some(outlet) => self.outbox.send_packet(outlet, packet, key, fabric),
            None => fabric.stale(),
        }
    }

    fn handle(&mut self, item: SendItem<S>, fabric: &Fabric<S>) {
        match item {
            SendItem::Connected { conn, listener, open } => {
                self.outlets.insert(Outlet::new(conn, listener, open));
            }
            SendItem::Disconnected { conn } => self.disconnected(conn),
            SendItem::Publish { group, packet, key, except } => {
                self.together.push(packet);
                if key.is_none() && except.is_none() {
                    self.gather(group);
                }
                self.publish(group, key, except, fabric);
            }
            SendItem::Open { conn, .. }
            | SendItem::Send { conn, .. }
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
                    | SendItem::Open { .. }
            );
            if counts {
                fabric.stale();
            }
            return;
        };
        let outbox = &mut self.outbox;
        match item {
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
            SendItem::Join { group, .. } if self.groups.join(group, conn) => outlet.groups.push(group),
            SendItem::Leave { group, .. } => {
                outlet.groups.retain(|joined| *joined != group);
                self.groups.leave(group, conn);
            }
            SendItem::Refuse { packet, .. } => {
                let bytes = fabric.listeners[outlet.listener.index()].channel.refusal(&packet);
                outbox.end(outlet, bytes);
            }
            SendItem::Close { packet, .. } => {
                let bytes = packet.map(|packet| outbox.encode(outlet, &packet, fabric));
                outbox.end(outlet, bytes.unwrap_or_default());
            }
            SendItem::Finish { last_words, .. } => outbox.end(outlet, last_words),
            SendItem::Abort { .. } => outbox.abort(outlet),
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
        let mut deliveries = 0;
        for conn in self.groups.members(group) {
            let Some(outlet) = self.outlets.get(*conn) else { continue };
            if Some(*conn) == except || !outlet.takes_packets() {
                continue;
            }
            let listener = &fabric.listeners[outlet.listener.index()];
            let (bytes, packets) = self.joined[listener.codec_index].get_or_insert_with(|| {
                let codec = &*listener.codec;
                let joined = Shared::join(&self.together, listener.codec_index, fabric.codecs, codec);
                fabric.totals.too_large.fetch_add(self.together.len() as u64 - joined.1, Relaxed);
                joined
            });
            self.outbox.send_shared(outlet, bytes.clone(), *packets, key, fabric);
            deliveries += *packets;
        }
        self.together.clear();
        self.joined.clear();
        fabric.totals.deliveries.fetch_add(deliveries, Relaxed);
    }

    fn disconnected(&mut self, conn: ConnId) {
        let Some(outlet) = self.outlets.remove(conn) else { return };
        for group in outlet.groups {
            self.groups.leave(group, conn);
        }
    }
}
