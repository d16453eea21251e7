//! The receive stage: bytes in, packets and the beginnings and ends of connections out.
//!
//! It exists so that shards see whole packets in order and nothing else. It owns the receiving half of each
//! connection (`stream`), and what a lane is told of them. It does not decide what a packet causes.
//!
//! Invariants: a frame is decoded only when its shard has a place for the packet; a lane never waits, the
//! connection does: its bytes stay with it and its reading is paused.
//! Limits: see `stream`.
//! Read next: `desk` for what becomes of a connection, `parse` for the bytes, `handshake` for the first frame,
//! `logic` for what comes of it.

use std::{collections::VecDeque, net::SocketAddr};

use usher_completion::{Chunk, ConnId, Io, Reason};

use crate::{
    CloseReason, ListenerId, Service, ShardId,
    desk::Desk,
    fabric::{Dial, Fabric, Outcome},
    handshake,
    lane::{Class, Item},
    ready::Ready,
    stream::{Phase, Stream},
    table::Table,
};

/// What a receive lane is given.
pub(crate) enum ReceiveItem {
    Connected(Box<Arrival>),
    Chunk {
        conn: ConnId,
        chunk: Chunk,
    },
    /// The peer has finished sending.
    Finished {
        conn: ConnId,
    },
    Disconnected {
        conn: ConnId,
        reason: Reason,
    },
    /// The service let it in.
    Admit {
        conn: ConnId,
    },
    /// Its shard gave it away.
    Switch {
        conn: ConnId,
        to: ShardId,
    },
    /// Its shard wants nothing more of it for now, or does again.
    Rest {
        conn: ConnId,
        rests: bool,
    },
    /// Its socket takes no more bytes for now, or has taken all.
    Blocked {
        conn: ConnId,
        blocked: bool,
    },
    /// Its barrier came out of the shard it leaves: everything before was forwarded.
    Lifted {
        conn: ConnId,
    },
    /// The send stage is about to abort it, for this reason.
    Doomed {
        conn: ConnId,
        reason: CloseReason,
    },
    /// A shard has places again.
    Retry {
        shard: ShardId,
        class: Class,
    },
    Tick,
    /// Every connection ends.
    Shutdown,
}

/// A new connection.
pub(crate) struct Arrival {
    pub(crate) conn: ConnId,
    pub(crate) listener: ListenerId,
    pub(crate) peer: SocketAddr,
    pub(crate) dial: Option<Dial>,
}

impl Item for ReceiveItem {
    fn counted(&self) -> bool {
        matches!(self, Self::Chunk { .. })
    }
}

/// A receive lane's own.
pub(crate) struct Receiver<S: Service> {
    pub(crate) streams: Table<Stream>,
    batch: VecDeque<ReceiveItem>,
    pub(crate) desk: Desk<S>,
}

impl<S: Service> Receiver<S> {
    pub(crate) fn new(
        index: usize,
        streams: Table<Stream>,
        shards: usize,
        senders: usize,
        listeners: usize,
    ) -> Self {
        let desk = Desk::new(index, shards, senders, listeners);
        Self { streams, batch: VecDeque::new(), desk }
    }

    /// Handles one batch. `io`: this thread is a worker of layer 1, and takes its buffers back without a lock.
    pub(crate) fn run(
        &mut self,
        fabric: &Fabric<S>,
        ready: &mut Ready,
        mut io: Option<&mut Io<'_>>,
    ) -> Outcome {
        self.desk.begin(fabric);
        fabric.take(&fabric.receive[self.desk.index], &mut self.batch);
        while let Some(item) = self.batch.pop_front() {
            match item {
                ReceiveItem::Chunk { conn, chunk } => {
                    self.chunk(conn, &chunk, fabric);
                    if let Some(io) = &mut io {
                        io.give_back(chunk);
                    }
                }
                item => self.handle(item, fabric),
            }
        }
        let waiting = self.shake_hands(fabric);
        self.desk.flush(fabric, ready);
        if waiting { Outcome::Again } else { Outcome::Done }
    }

    /// Goes on with who was admitted and waits for a key exchange, first come first; whether somebody still waits.
    fn shake_hands(&mut self, fabric: &Fabric<S>) -> bool {
        while self.desk.handshakes_left > 0
            && let Some(conn) = self.desk.shaking.pop_front()
        {
            if let Some(stream) = self.streams.get(conn).filter(|stream| !stream.is_ending()) {
                handshake::admit(&mut self.desk, stream, fabric);
            }
        }
        !self.desk.shaking.is_empty()
    }

    fn chunk(&mut self, conn: ConnId, chunk: &[u8], fabric: &Fabric<S>) {
        match self.streams.get(conn) {
            Some(stream) if stream.trunk.is_none() => self.desk.feed(stream, chunk, fabric),
            Some(_) => self.carry_chunk(conn, chunk, fabric),
            None => {}
        }
    }

    fn handle(&mut self, item: ReceiveItem, fabric: &Fabric<S>) {
        let (conn, desk) = match item {
            ReceiveItem::Tick => return self.tick(fabric),
            ReceiveItem::Retry { shard, class } => return self.retry(shard, class, fabric),
            ReceiveItem::Shutdown => return self.shut_down(fabric),
            ReceiveItem::Connected(arrival) => {
                let stream = self.desk.connected(*arrival, fabric);
                return self.streams.insert(stream);
            }
            ReceiveItem::Chunk { conn, .. }
            | ReceiveItem::Finished { conn }
            | ReceiveItem::Disconnected { conn, .. }
            | ReceiveItem::Admit { conn }
            | ReceiveItem::Switch { conn, .. }
            | ReceiveItem::Rest { conn, .. }
            | ReceiveItem::Blocked { conn, .. }
            | ReceiveItem::Lifted { conn }
            | ReceiveItem::Doomed { conn, .. } => (conn, &mut self.desk),
        };
        let Some(stream) = self.streams.get(conn) else { return };
        match item {
            ReceiveItem::Finished { .. } => {
                stream.finished = true;
                desk.resume(stream, fabric);
            }
            ReceiveItem::Admit { .. } if !stream.is_ending() => handshake::admit(desk, stream, fabric),
            ReceiveItem::Switch { to, .. } => desk.switch(stream, to),
            ReceiveItem::Rest { rests, .. } => desk.rest(stream, rests, fabric),
            ReceiveItem::Blocked { blocked, .. } => desk.blocked(stream, blocked),
            ReceiveItem::Lifted { .. } => desk.lifted(stream, fabric),
            ReceiveItem::Doomed { reason, .. } => _ = stream.ending.get_or_insert(reason),
            ReceiveItem::Disconnected { reason, .. } => desk.disconnected(stream, reason.into(), fabric),
            _ => {}
        }
        if stream.gone && stream.trunk.is_some() {
            self.strand(conn, fabric);
        }
        self.unload(conn, fabric);
        self.sweep(conn, fabric);
    }

    /// Forgets a connection once it is gone and its end was reported.
    pub(crate) fn sweep(&mut self, conn: ConnId, fabric: &Fabric<S>) {
        let Some(stream) = self.streams.get(conn) else { return };
        if stream.gone && stream.phase == Phase::Over {
            fabric.listeners[stream.listener.index()].counters.went(stream.phase);
            self.streams.remove(conn);
        }
    }

    /// Goes on with who waits for `shard`, first come first, until one finds no place again.
    fn retry(&mut self, shard: ShardId, class: Class, fabric: &Fabric<S>) {
        for _ in 0..self.desk.stalled[shard][class as usize].len() {
            let Some(conn) = self.desk.stalled[shard][class as usize].pop_front() else { return };
            let Some(stream) = self.streams.get(conn) else { continue };
            stream.full = false;
            self.desk.resume(stream, fabric);
            if stream.full && stream.route == shard {
                return;
            }
        }
    }

    /// Looks after everyone whose deadline has come.
    fn tick(&mut self, fabric: &Fabric<S>) {
        for index in 0..fabric.listeners.len() {
            let limits = &fabric.listeners[index].limits;
            self.desk.openings[index].put_off_if_late(self.desk.now, limits.first_message_deadline);
            self.desk.pings[index].put_off_if_late(self.desk.now, limits.ping_interval);
            while let Some(conn) = self.desk.openings[index].pop_due(self.desk.now) {
                if let Some(stream) = self.streams.get(conn).filter(|stream| !stream.spoken) {
                    self.desk.check_opening(stream, fabric);
                }
            }
            while let Some(conn) = self.desk.pings[index].pop_due(self.desk.now) {
                if let Some(stream) = self.streams.get(conn).filter(|stream| !stream.is_ending()) {
                    self.desk.check_life(stream, fabric);
                }
            }
        }
    }

    fn shut_down(&mut self, fabric: &Fabric<S>) {
        for conn in self.streams.ids() {
            if let Some(stream) = self.streams.get(conn) {
                self.desk.end(stream, CloseReason::Shutdown, fabric);
            }
        }
    }
}

impl From<Reason> for CloseReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::PeerClosed => Self::PeerClosed,
            Reason::PeerReset => Self::PeerReset,
            Reason::Closed | Reason::Aborted | Reason::LingerTimeout => Self::Local,
            Reason::SendQueueFull => Self::SlowConsumer,
            Reason::Failed(kind) => Self::Failed(kind),
            Reason::Shutdown => Self::Shutdown,
        }
    }
}
