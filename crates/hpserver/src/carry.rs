//! A server's receiving half of trunks: what a record says, given to the virtual connections it is about.
//!
//! It exists so that a virtual connection is a stream like any other: it has an id, a phase, a shard, limits and
//! deadlines, and is fed with bytes; only they come out of a record and not from a socket. It owns the ids: which
//! virtual id of which trunk is which `ConnId`.
//!
//! Invariants: a virtual connection has the receive lane and the send lane of its trunk. Its `Disconnected` is the
//! gateway's `Close` or `Reset`, or the end of the trunk; each happens once. A trunk has no packets and no place in a
//! shard; what does not fit a virtual connection's shard waits with that one, and the trunk is read on.
//! Limits: `VIRTUAL_MAX` ids a trunk; `OWED_BYTES_MAX` that wait with one player; the limits of the listener that
//! `ListenerConfig::carries` names, by the player's own address.
//! Read next: `trunk`, the frames; `carriage`, the sending half.

use std::net::SocketAddr;

use usher_completion::ConnId;

use crate::{
    BadFrame, CloseReason, ListenerId, Online, Service,
    addresses::Counted,
    desk::Desk,
    fabric::Fabric,
    handshake,
    receive::Receiver,
    send::SendItem,
    stream::{Begin, Phase, Stream},
    timer::now,
    trunk::{Ended, NOBODY, Records, TrunkFrame, VIRTUAL_MAX, VirtualId, WINDOW_BYTES, frames, record},
};

/// What may come of one player without credit: his window, the frame that went over it, and what was on its way to the
/// gateway when it was used up. Over that he is closed.
const OWED_BYTES_MAX: usize = 3 * WINDOW_BYTES as usize;

/// What a trunk's stream has beside its own: who travels on it.
#[derive(Default)]
pub(crate) struct Trunk {
    /// By virtual id.
    riders: Vec<Option<ConnId>>,
}

impl Trunk {
    fn rider(&self, id: VirtualId) -> Option<ConnId> {
        self.riders.get(id as usize).copied().flatten()
    }

    fn board(&mut self, id: VirtualId, conn: ConnId) {
        let at = id as usize;
        if self.riders.len() <= at {
            self.riders.resize(at + 1, None);
        }
        self.riders[at] = Some(conn);
    }

    fn alight(&mut self, id: VirtualId) -> Option<ConnId> {
        self.riders.get_mut(id as usize)?.take()
    }
}

/// What a virtual connection's stream has beside its own: how it travels.
pub(crate) struct Rider {
    pub(crate) trunk: ConnId,
    pub(crate) id: VirtualId,
    counted: Counted,
    /// Bytes that came and that no credit was given for.
    owed: usize,
}

impl<S: Service> Receiver<S> {
    /// A chunk of a trunk.
    pub(crate) fn carry_chunk(&mut self, trunk: ConnId, chunk: &[u8], fabric: &Fabric<S>) {
        let taken = self.unload_in_place(trunk, chunk, fabric);
        if let Some(stream) = self.streams.get(trunk).filter(|_| taken < chunk.len()) {
            self.desk.feed(stream, &chunk[taken..], fabric);
        }
        self.unload(trunk, fabric);
    }

    /// Gives what was loaded to those it is about.
    pub(crate) fn unload(&mut self, trunk: ConnId, fabric: &Fabric<S>) {
        if self.desk.cargo.is_empty() {
            return;
        }
        let mut cargo = std::mem::take(&mut self.desk.cargo);
        self.carry_all(trunk, &cargo, fabric);
        cargo.clear();
        self.desk.cargo = cargo;
    }

    /// The whole records at the head of a chunk in clear, where they lie; how many bytes that were.
    fn unload_in_place(&mut self, trunk: ConnId, chunk: &[u8], fabric: &Fabric<S>) -> usize {
        let mut taken = 0;
        loop {
            let Some(stream) = self.streams.get(trunk).filter(|stream| stream.is_trunk_in_clear()) else {
                return taken;
            };
            let listener = stream.listener.index();
            let rest = &chunk[taken..];
            let Ok(Some(frame)) = fabric.listeners[listener].codec.frame(rest) else { return taken };
            (stream.heard, stream.spoken) = (true, true);
            self.desk.tallies[listener].packets += 1;
            self.desk.tallies[listener].bytes += frame.end as u64;
            self.carry_all(trunk, &rest[frame.body], fabric);
            taken += frame.end;
        }
    }

    fn carry_all(&mut self, trunk: ConnId, records: &[u8], fabric: &Fabric<S>) {
        for frame in frames(records) {
            let carried = frame.and_then(|(id, frame)| self.carry(trunk, id, &frame, fabric));
            if let Err(bad) = carried {
                if let Some(stream) = self.streams.get(trunk) {
                    self.desk.end(stream, CloseReason::BadFrame(bad.0), fabric);
                }
                return;
            }
        }
    }

    fn carry(
        &mut self,
        trunk: ConnId,
        id: VirtualId,
        frame: &TrunkFrame<'_>,
        fabric: &Fabric<S>,
    ) -> Result<(), BadFrame> {
        match *frame {
            TrunkFrame::Ping => self.desk.pong(trunk, fabric),
            TrunkFrame::Pong => {}
            TrunkFrame::Open { peer, first_frame } => self.board(trunk, id, (peer, first_frame), fabric)?,
            TrunkFrame::Part(bytes) | TrunkFrame::Data(bytes) => self.ride(trunk, id, bytes, fabric),
            TrunkFrame::Credit(bytes) => {
                if let Some(conn) = self.rider(trunk, id) {
                    self.desk.tell_lane(conn, SendItem::Credit { conn, bytes }, fabric);
                }
            }
            TrunkFrame::Close(ended) | TrunkFrame::Reset(ended) => {
                self.alight(trunk, id, ended.into(), fabric);
            }
            TrunkFrame::Admit
            | TrunkFrame::Refuse(_)
            | TrunkFrame::Join(_)
            | TrunkFrame::Leave(_)
            | TrunkFrame::Cast { .. } => return Err(BadFrame("trunk_side")),
        }
        Ok(())
    }

    fn rider(&mut self, trunk: ConnId, id: VirtualId) -> Option<ConnId> {
        self.streams.get(trunk)?.trunk.as_ref()?.rider(id)
    }

    /// A new virtual connection.
    fn board(
        &mut self,
        trunk: ConnId,
        id: VirtualId,
        (peer, first_frame): (SocketAddr, &[u8]),
        fabric: &Fabric<S>,
    ) -> Result<(), BadFrame> {
        let Some(stream) = self.streams.get(trunk) else { return Ok(()) };
        let Some(riders) = &mut stream.trunk else { return Ok(()) };
        if id >= VIRTUAL_MAX || riders.rider(id).is_some() {
            return Err(BadFrame("virtual_id"));
        }
        let Some(listener) = fabric.listeners[stream.listener.index()].carries else { return Ok(()) };
        let config = &fabric.listeners[listener.index()];
        config.counters.visited();
        let since = now();
        let is_late = fabric.is_draining();
        let let_in = if is_late { Err(CloseReason::Shutdown) } else { config.let_in(peer.ip(), since) };
        let counted = match let_in {
            Ok(counted) => counted,
            Err(reason) => {
                self.desk.turn_away(trunk, id, (listener, reason), fabric);
                // Its id is free when the gateway has answered: nobody is there to hear that.
                return Ok(());
            }
        };
        let conn = self.desk.slots.take(trunk, fabric.workers.len(), fabric.slot_stride);
        riders.board(id, conn);
        config.online.enter(Online { conn, peer, since });
        let rider = Rider { trunk, id, counted, owed: 0 };
        let stream = self.desk.boarded(conn, listener, (peer, first_frame), rider, fabric);
        self.streams.insert(stream);
        Ok(())
    }

    /// Bytes of a virtual connection. Of who was turned away, or has left, some may come before the gateway knows.
    fn ride(&mut self, trunk: ConnId, id: VirtualId, bytes: &[u8], fabric: &Fabric<S>) {
        let Some(conn) = self.rider(trunk, id) else { return };
        let Some(stream) = self.streams.get(conn) else { return };
        if let Some(rider) = &mut stream.rider {
            rider.owed += bytes.len();
            if rider.owed > OWED_BYTES_MAX {
                return self.desk.end(stream, CloseReason::BadFrame("window"), fabric);
            }
        }
        self.desk.feed(stream, bytes, fabric);
        self.desk.credit(stream, fabric);
    }

    /// The gateway has done with a virtual connection.
    fn alight(&mut self, trunk: ConnId, id: VirtualId, reason: CloseReason, fabric: &Fabric<S>) {
        let Some(riders) = self.streams.get(trunk).and_then(|stream| stream.trunk.as_mut()) else { return };
        if let Some(conn) = riders.alight(id) {
            self.left(conn, reason, fabric);
        }
    }

    /// What layer 1's `disconnected` is to a connection with a socket of its own.
    fn left(&mut self, conn: ConnId, reason: CloseReason, fabric: &Fabric<S>) {
        let Some(stream) = self.streams.get(conn) else { return };
        let config = &fabric.listeners[stream.listener.index()];
        if let Some(rider) = &stream.rider {
            config.addresses.exit(rider.counted, now());
        }
        config.online.exit(conn);
        self.desk.slots.give_back(conn, fabric.slot_stride);
        self.desk.tell_sender(stream, SendItem::Disconnected { conn }, fabric);
        self.desk.disconnected(stream, reason, fabric);
        self.sweep(conn, fabric);
    }

    /// The trunk is gone, and everybody on it with it.
    pub(crate) fn strand(&mut self, trunk: ConnId, fabric: &Fabric<S>) {
        let Some(riders) = self.streams.get(trunk).and_then(|stream| stream.trunk.take()) else { return };
        for conn in riders.riders.into_iter().flatten() {
            self.left(conn, CloseReason::TrunkDown, fabric);
        }
    }
}

impl<S: Service> Desk<S> {
    /// The beginning of a virtual connection: its first frame came with it.
    fn boarded(
        &mut self,
        conn: ConnId,
        listener: ListenerId,
        (peer, first_frame): (SocketAddr, &[u8]),
        rider: Rider,
        fabric: &Fabric<S>,
    ) -> Stream {
        let config = &fabric.listeners[listener.index()];
        let greets = config.channel.greets();
        let mut stream =
            Stream::new(conn, listener, fabric.class(listener), config.door, Begin::accepted(peer));
        config.counters.came(stream.phase);
        self.await_first_message(&stream, fabric);
        let place = Some((rider.trunk, rider.id));
        stream.rider = Some(Box::new(rider));
        self.tell_sender(
            &stream,
            SendItem::Connected { conn, listener, open: !greets, rides: place },
            fabric,
        );
        if greets {
            handshake::first_frame(self, &mut stream, first_frame, fabric);
        } else {
            self.open(&mut stream, fabric);
        }
        stream
    }

    /// Nobody is to hear of a virtual connection: it counts as a visit only.
    fn turn_away(
        &mut self,
        trunk: ConnId,
        id: VirtualId,
        (listener, reason): (ListenerId, CloseReason),
        fabric: &Fabric<S>,
    ) {
        let config = &fabric.listeners[listener.index()];
        config.counters.closed(reason);
        let last_words = config.farewell(reason);
        let mut records = Records::default();
        if !last_words.is_empty() {
            records.put(id, &TrunkFrame::Refuse(&last_words));
        }
        records.put(id, &TrunkFrame::Close(Ended::from(reason)));
        self.tell_lane(trunk, SendItem::Raw { conn: trunk, bytes: records.take() }, fabric);
    }

    fn pong(&mut self, trunk: ConnId, fabric: &Fabric<S>) {
        let bytes = record(NOBODY, &TrunkFrame::Pong);
        self.tell_lane(trunk, SendItem::Raw { conn: trunk, bytes }, fabric);
    }

    /// Gives credit for what a virtual connection has taken, once it is half a window.
    pub(crate) fn credit(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        let Some(rider) = &mut stream.rider else { return };
        let taken = rider.owed.saturating_sub(stream.tail.len());
        if taken < WINDOW_BYTES as usize / 2 {
            return;
        }
        rider.owed -= taken;
        let frame = TrunkFrame::Credit(taken as u32);
        let (trunk, bytes) = (rider.trunk, record(rider.id, &frame));
        self.tell_lane(trunk, SendItem::Raw { conn: trunk, bytes }, fabric);
    }

    /// A record of a trunk: opened if it is sealed, and kept until `unload`.
    pub(crate) fn load(&mut self, stream: &mut Stream, body: &[u8], fabric: &Fabric<S>) {
        if let Some(open) = &mut stream.open {
            let is_first = self.cargo.is_empty();
            self.clear.clear();
            let clear = if is_first { &mut self.cargo } else { &mut self.clear };
            if let Err(bad) = open.open(body, clear) {
                self.cargo.clear();
                return self.end(stream, CloseReason::BadFrame(bad.0), fabric);
            }
            if !is_first {
                self.cargo.extend_from_slice(&self.clear);
            }
        } else {
            self.cargo.extend_from_slice(body);
        }
        self.tallies[stream.listener.index()].packets += 1;
        stream.spoken = true;
        if stream.phase == Phase::Proving {
            self.open(stream, fabric);
        }
    }
}
