//! What a service asks for while it handles an event: gathered here, carried out in order when it returns.
//!
//! It exists so that a service calls nothing that could block or call back. `Actions` is only a list; the
//! logic stage carries it out.
//!
//! Invariants: actions about one connection happen in the order they were asked for. An action about a
//! connection that is gone is harmless and counted.
//! Read next: `logic`, which carries them out.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use usher_completion::ConnId;

use crate::{Codec, GroupId, ListenerId, Offer, Service, ShardId};

/// The actions of one step.
pub struct Actions<S: Service> {
    shard: ShardId,
    pub(crate) list: Vec<Action<S>>,
}

/// One thing a service asked for; a method of [`Actions`] each.
pub enum Action<S: Service> {
    /// `admit`.
    Admit(ConnId),
    /// `refuse`.
    Refuse(ConnId, S::Packet),
    /// `send`, or `send_latest` with its key.
    Send(ConnId, S::Packet, Option<u64>),
    /// `send_shared`.
    SendShared(ConnId, Arc<Shared<S::Packet>>),
    /// `join`.
    Join(ConnId, GroupId),
    /// `leave`.
    Leave(ConnId, GroupId),
    /// `publish` or `publish_shared`, or `publish_latest` with its key; and who is left out.
    Publish(GroupId, Arc<Shared<S::Packet>>, Option<u64>, Option<ConnId>),
    /// `close`.
    Close(ConnId, Option<S::Packet>),
    /// `abort`.
    Abort(ConnId),
    /// `pause` or `resume`.
    Rest(ConnId, bool),
    /// `hand_over`.
    HandOver(ConnId, ShardId, S::Note),
    /// `tell`.
    Tell(ShardId, S::Note),
    /// `dial`.
    Dial(Box<DialAction>),
}

/// What `dial` was given.
pub struct DialAction {
    /// Whose codec, channel and limits it has.
    pub listener: ListenerId,
    /// Where to.
    pub addr: SocketAddr,
    /// For the answer.
    pub token: u64,
    /// Its side of the beginning; none: it is open as soon as it is connected.
    pub offer: Option<Box<dyn Offer>>,
}

impl<S: Service> Actions<S> {
    /// An empty list for `shard`. Services are tested with it too.
    pub fn new(shard: ShardId) -> Self {
        Self { shard, list: Vec::new() }
    }

    /// What was asked for so far, in order; the list is empty afterwards. Tests look at a service through it.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Action<S>> {
        self.list.drain(..)
    }

    /// The shard whose actions these are.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Lets a connection that knocked in: it is welcomed, `Opened` and its packets follow.
    pub fn admit(&mut self, conn: ConnId) {
        self.list.push(Action::Admit(conn));
    }

    /// Shows a connection that knocked out: `packet` is sent in clear, then it is closed.
    pub fn refuse(&mut self, conn: ConnId, packet: S::Packet) {
        self.list.push(Action::Refuse(conn, packet));
    }

    /// Sends one packet.
    pub fn send(&mut self, conn: ConnId, packet: S::Packet) {
        self.list.push(Action::Send(conn, packet, None));
    }

    /// Sends a packet of which only the latest matters (a quote, a position): while the connection's socket takes
    /// no bytes, it takes the place of one that waits there under the same `key`. A connection's keys are its own;
    /// how many it has is the service's to bound.
    pub fn send_latest(&mut self, conn: ConnId, key: u64, packet: S::Packet) {
        self.list.push(Action::Send(conn, packet, Some(key)));
    }

    /// Sends a packet that others are sent too: encoded once a codec, its bytes shared.
    pub fn send_shared(&mut self, conn: ConnId, packet: Arc<Shared<S::Packet>>) {
        self.list.push(Action::SendShared(conn, packet));
    }

    /// Puts a connection into a group. It leaves by itself when it closes.
    pub fn join(&mut self, conn: ConnId, group: GroupId) {
        self.list.push(Action::Join(conn, group));
    }

    /// Takes a connection out of a group.
    pub fn leave(&mut self, conn: ConnId, group: GroupId) {
        self.list.push(Action::Leave(conn, group));
    }

    /// Sends `packet` to every member of `group` but `except`. Each member hears what one shard publishes
    /// and sends in order; a member whose listener is a link may hear what was sent before what was
    /// published.
    pub fn publish(&mut self, group: GroupId, packet: S::Packet, except: Option<ConnId>) {
        self.list.push(Action::Publish(group, Arc::new(Shared::new(packet)), None, except));
    }

    /// As `publish`, for a packet that other groups hear too: encoded once a codec, its bytes shared.
    pub fn publish_shared(&mut self, group: GroupId, packet: Arc<Shared<S::Packet>>) {
        self.list.push(Action::Publish(group, packet, None, None));
    }

    /// As `publish`, for a packet of which only the latest of its `key` matters: see `send_latest`.
    pub fn publish_latest(&mut self, group: GroupId, key: u64, packet: S::Packet, except: Option<ConnId>) {
        self.list.push(Action::Publish(group, Arc::new(Shared::new(packet)), Some(key), except));
    }

    /// Sends what was sent so far and `last_words`, then closes. No packet of it follows, only `Closed`.
    pub fn close(&mut self, conn: ConnId, last_words: Option<S::Packet>) {
        self.list.push(Action::Close(conn, last_words));
    }

    /// Resets a connection at once.
    pub fn abort(&mut self, conn: ConnId) {
        self.list.push(Action::Abort(conn));
    }

    /// Wants no more packets of a connection for now: it is read no further than what is on its way, until `resume`.
    pub fn pause(&mut self, conn: ConnId) {
        self.list.push(Action::Rest(conn, true));
    }

    /// Wants packets of a connection again.
    pub fn resume(&mut self, conn: ConnId) {
        self.list.push(Action::Rest(conn, false));
    }

    /// Gives a connection of this shard to another, which sees `HandedOver` and then every packet that
    /// this shard has not seen, in order.
    pub fn hand_over(&mut self, conn: ConnId, to: ShardId, note: S::Note) {
        self.list.push(Action::HandOver(conn, to, note));
    }

    /// Tells a shard something. Notes between shards are not refused: whoever tells bounds them.
    pub fn tell(&mut self, shard: ShardId, note: S::Note) {
        self.list.push(Action::Tell(shard, note));
    }

    /// Opens an outgoing connection under `listener`'s codec and limits. `offer` is this side of its beginning; without
    /// one it is open as soon as it is connected. `Dialed` or `DialFailed` answers.
    pub fn dial(
        &mut self,
        listener: ListenerId,
        addr: SocketAddr,
        token: u64,
        offer: Option<Box<dyn Offer>>,
    ) {
        self.list.push(Action::Dial(Box::new(DialAction { listener, addr, token, offer })));
    }
}

/// A packet for many: encoded at most once for each codec, then shared as bytes.
pub struct Shared<P> {
    packet: P,
    encoded: OnceLock<Box<[OnceLock<Option<Bytes>>]>>,
}

impl<P: 'static> Shared<P> {
    /// Nothing is encoded before it is first sent.
    pub fn new(packet: P) -> Self {
        Self { packet, encoded: OnceLock::new() }
    }

    /// The packet.
    pub fn packet(&self) -> &P {
        &self.packet
    }

    /// Its bytes under codec number `index` of `count`; none where it is too large for that codec.
    pub(crate) fn encoded(&self, index: usize, count: usize, codec: &dyn Codec<P>) -> Option<Bytes> {
        let cells = self.encoded.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        cells[index]
            .get_or_init(|| {
                let mut out = BytesMut::new();
                codec.encode(&self.packet, &mut out).is_ok().then(|| out.freeze())
            })
            .clone()
    }

    /// Several packets' bytes under one codec, one after the other, and how many they are: not those too large for it.
    pub(crate) fn join(
        packets: &[Arc<Self>],
        index: usize,
        count: usize,
        codec: &dyn Codec<P>,
    ) -> (Bytes, u64) {
        let encoded: Vec<_> =
            packets.iter().filter_map(|packet| packet.encoded(index, count, codec)).collect();
        let bytes = match &encoded[..] {
            [bytes] => bytes.clone(),
            several => several.concat().into(),
        };
        (bytes, encoded.len() as u64)
    }
}
