//! A receive lane's own, but for the streams: the ways out, the lists of who waits, the deadlines, the counts.
//!
//! It exists so that whoever handles one stream (`parse`, `handshake`, `carry`) holds that stream and its lane at once.
//! It owns deadlines and pings, and the beginning and the end of each connection. It does not own the streams: `receive`
//! does, and says when what happens to which.
//!
//! Invariants: each connection's end is reported exactly once, behind its packets. What is told goes out at the end of a
//! run, in order.
//! A connection's deadline is for the peer's silence: while it waits for us, or we stood still, it is put off.
//! Read next: `parse` for the bytes, `handshake` for the first frame, `logic` for what comes of it.

use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed, time::Instant};

use bytes::Bytes;
use usher_completion::ConnId;

use crate::{
    CloseReason, DialError, Service, ShardId,
    fabric::{Fabric, repeat},
    handshake,
    lane::{Bundle, Class, Credit},
    logic::LogicItem,
    ready::{LaneRef, Ready, Stage},
    receive::Arrival,
    send::SendItem,
    slots::Slots,
    stream::{Begin, Phase, Stream},
    timer::{Timeline, now},
};

/// What handling one stream needs of its lane: the ways out, the lists of who waits, the counts.
pub(crate) struct Desk<S: Service> {
    pub(crate) index: usize,
    start: Instant,
    pub(crate) now: Instant,
    /// `now` on the lane's own clock, for rates.
    pub(crate) now_ns: u64,
    /// Key exchanges that this run may still do, and who waits for the next.
    pub(crate) handshakes_left: usize,
    pub(crate) shaking: VecDeque<ConnId>,
    /// What a sealed frame said.
    pub(crate) clear: Vec<u8>,
    /// What records of a trunk brought, until it is unloaded.
    pub(crate) cargo: Vec<u8>,
    pub(crate) slots: Slots,
    to_logic: Vec<Bundle<LogicItem<S>>>,
    to_send: Vec<Bundle<SendItem<S>>>,
    /// Places in the shards.
    pub(crate) credit: Vec<Credit>,
    /// Streams without a place, by shard and class.
    pub(crate) stalled: Vec<[VecDeque<ConnId>; 2]>,
    /// By listener: who must have spoken by when, and who is looked at when.
    pub(crate) openings: Vec<Timeline>,
    pub(crate) pings: Vec<Timeline>,
    pub(crate) tallies: Vec<Tally>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl<S: Service> Desk<S> {
    pub(crate) fn new(index: usize, shards: usize, senders: usize, listeners: usize) -> Self {
        let now = now();
        Self {
            index,
            start: now,
            now,
            now_ns: 0,
            handshakes_left: 0,
            shaking: VecDeque::new(),
            clear: Vec::new(),
            cargo: Vec::new(),
            slots: Slots::default(),
            to_logic: repeat(shards),
            to_send: repeat(senders),
            credit: repeat(shards),
            stalled: repeat(shards),
            openings: repeat(listeners),
            pings: repeat(listeners),
            tallies: repeat(listeners),
        }
    }

    /// A run of the lane begins.
    pub(crate) fn begin(&mut self, fabric: &Fabric<S>) {
        self.now = now();
        self.now_ns = u64::try_from((self.now - self.start).as_nanos()).unwrap_or(u64::MAX);
        self.handshakes_left = fabric.handshakes_per_turn_max;
    }

    pub(crate) fn connected(&mut self, arrival: Arrival, fabric: &Fabric<S>) -> Stream {
        let Arrival { conn, listener, peer, dial } = arrival;
        let config = &fabric.listeners[listener.index()];
        let route = dial.as_ref().map_or(config.door, |dial| dial.shard);
        let is_dialled = dial.is_some();
        let mut begin = dial.map_or(Begin::accepted(peer), |dial| Begin {
            token: Some(dial.token),
            offer: dial.offer,
            ..Begin::accepted(peer)
        });
        let hello = begin.offer.as_mut().map(|offer| offer.hello());
        let mut stream = Stream::new(conn, listener, Class::of(config.link), route, begin);
        config.counters.came(stream.phase);
        if config.carries.is_some() && !is_dialled {
            stream.trunk = Some(Box::default());
        }
        if hello.is_some() || !is_dialled {
            self.await_first_message(&stream, fabric);
        }
        match hello {
            Some(hello) => {
                stream.enter(Phase::Answering, &config.counters);
                if !hello.is_empty() {
                    self.raw(&stream, hello, fabric);
                }
            }
            None if !is_dialled && config.channel.greets() => {}
            None => self.open(&mut stream, fabric),
        }
        if fabric.is_draining() {
            self.end(&mut stream, CloseReason::Shutdown, fabric);
        }
        stream
    }

    pub(crate) fn await_first_message(&mut self, stream: &Stream, fabric: &Fabric<S>) {
        let after = fabric.listeners[stream.listener.index()].limits.first_message_deadline;
        self.openings[stream.listener.index()].push(self.now, after, stream.id);
    }

    /// Packets may come from now on; says so to the shard.
    pub(crate) fn open(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        let (conn, listener) = (stream.id, stream.listener);
        let config = &fabric.listeners[listener.index()];
        stream.enter(Phase::Open, &config.counters);
        if config.codec.ping().is_some() {
            self.pings[listener.index()].push(self.now, config.limits.ping_interval, conn);
        }
        let Some(begin) = stream.begin.take() else { return };
        let item = match begin.token {
            Some(token) => LogicItem::Dialed { token, conn, listener },
            None => LogicItem::Opened { conn, listener, peer: begin.peer, epoch: stream.epoch },
        };
        self.tell_shard(stream, item);
    }

    /// Whether it has not spoken in time, or could not: its answer is due, its bytes wait here, it is not read.
    pub(crate) fn check_opening(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        if stream.is_ending() || !(stream.is_held() || stream.paused) {
            return self.end(stream, CloseReason::FirstMessageDeadline, fabric);
        }
        self.await_first_message(stream, fabric);
    }

    pub(crate) fn check_life(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        let config = &fabric.listeners[stream.listener.index()];
        if std::mem::take(&mut stream.heard) || stream.paused {
            stream.pings_missed = 0;
        } else if stream.pings_missed >= config.limits.pings_missed_max {
            return self.end(stream, CloseReason::PingTimeout, fabric);
        } else if let Some(ping) = config.codec.ping() {
            stream.pings_missed += 1;
            self.raw(stream, ping, fabric);
        }
        self.pings[stream.listener.index()].push(self.now, config.limits.ping_interval, stream.id);
    }

    /// The shard gave the stream away: nothing goes there any more but the barrier.
    pub(crate) fn switch(&mut self, stream: &mut Stream, to: ShardId) {
        if stream.phase == Phase::Over {
            return;
        }
        stream.switches.push(to);
        if stream.switches.len() == 1 {
            self.barrier(stream);
        }
    }

    pub(crate) fn rest(&mut self, stream: &mut Stream, rests: bool, fabric: &Fabric<S>) {
        stream.rests = rests;
        self.resume(stream, fabric);
    }

    pub(crate) fn blocked(&mut self, stream: &Stream, blocked: bool) {
        let (conn, epoch) = (stream.id, stream.epoch);
        if stream.phase == Phase::Open {
            self.tell_shard(stream, LogicItem::Blocked { conn, epoch, blocked });
        }
    }

    fn barrier(&mut self, stream: &Stream) {
        self.tell_shard(
            stream,
            LogicItem::Barrier { conn: stream.id, epoch: stream.epoch, lane: self.index },
        );
    }

    pub(crate) fn lifted(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        if !stream.is_switching() {
            return;
        }
        stream.route = stream.switches.remove(0);
        stream.epoch += 1;
        if stream.is_switching() {
            self.barrier(stream);
        } else if stream.is_ending() {
            self.report(stream, fabric);
        } else {
            self.resume(stream, fabric);
        }
    }

    pub(crate) fn disconnected(&mut self, stream: &mut Stream, reason: CloseReason, fabric: &Fabric<S>) {
        let reason = *stream.ending.get_or_insert(reason);
        let counters = &fabric.listeners[stream.listener.index()].counters;
        counters.closed(reason);
        stream.gone = true;
        stream.tail = Vec::new();
        if !stream.is_with_a_shard() {
            counters.exit();
        }
        self.report(stream, fabric);
    }

    /// This layer ends the connection: behind what the service says to the packets before, the send stage
    /// says the last word and closes.
    pub(crate) fn end(&mut self, stream: &mut Stream, reason: CloseReason, fabric: &Fabric<S>) {
        if stream.is_ending() {
            return;
        }
        stream.ending = Some(reason);
        stream.tail = Vec::new();
        self.report(stream, fabric);
    }

    /// Reports the end to whoever knows of the connection; not while it is between two shards.
    fn report(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        if stream.phase == Phase::Over || stream.is_switching() {
            return;
        }
        let reason = stream.ending.expect("invariant: an end is decided before it is reported");
        let (conn, listener, epoch, finish) = (stream.id, stream.listener, stream.epoch, !stream.gone);
        match stream.phase {
            Phase::Knocked | Phase::Proving | Phase::Open => {
                self.tell_shard(stream, LogicItem::Closed { conn, listener, epoch, reason, finish });
            }
            Phase::Answering => {
                handshake::dial_failed(self, stream, DialError::Closed);
                self.finish(stream, Bytes::new(), fabric);
            }
            Phase::Greeting | Phase::Over => {
                let last_words = fabric.listeners[stream.listener.index()].farewell(reason);
                self.finish(stream, last_words, fabric);
            }
        }
        stream.enter(Phase::Over, &fabric.listeners[listener.index()].counters);
    }

    /// A connection that no service knows of is over, for `reason`, with these words.
    pub(crate) fn show_out(
        &mut self,
        stream: &mut Stream,
        reason: CloseReason,
        last_words: Bytes,
        fabric: &Fabric<S>,
    ) {
        stream.ending = Some(reason);
        stream.enter(Phase::Over, &fabric.listeners[stream.listener.index()].counters);
        self.finish(stream, last_words, fabric);
    }

    /// The last words of a connection that no service knows of.
    pub(crate) fn finish(&mut self, stream: &Stream, last_words: Bytes, fabric: &Fabric<S>) {
        self.tell_sender(stream, SendItem::Finish { conn: stream.id, last_words }, fabric);
    }

    pub(crate) fn raw(&mut self, stream: &Stream, bytes: Bytes, fabric: &Fabric<S>) {
        self.tell_sender(stream, SendItem::Raw { conn: stream.id, bytes }, fabric);
    }

    pub(crate) fn tell_sender(&mut self, stream: &Stream, item: SendItem<S>, fabric: &Fabric<S>) {
        self.to_send[fabric.send_spread.lane(stream.id)].push(stream.class, item);
    }

    /// To the send lane of a connection, with what links say.
    pub(crate) fn tell_lane(&mut self, conn: ConnId, item: SendItem<S>, fabric: &Fabric<S>) {
        self.to_send[fabric.send_spread.lane(conn)].push(Class::Link, item);
    }

    pub(crate) fn tell_shard(&mut self, stream: &Stream, item: LogicItem<S>) {
        self.to_logic[stream.route].push(stream.class, item);
    }

    pub(crate) fn flush(&mut self, fabric: &Fabric<S>, ready: &mut Ready) {
        for (lane, items) in self.to_send.iter_mut().enumerate() {
            fabric.to_send(lane, items, ready);
        }
        for (shard, items) in self.to_logic.iter_mut().enumerate() {
            fabric.to_logic(shard, items, ready);
        }
        fabric.give_back(&mut self.credit, &fabric.logic);
        for (tally, listener) in self.tallies.iter_mut().zip(&fabric.listeners) {
            let Tally { packets, bytes } = std::mem::take(tally);
            if packets + bytes > 0 {
                listener.counters.packets_in.fetch_add(packets, Relaxed);
                listener.counters.bytes_in.fetch_add(bytes, Relaxed);
            }
        }
        let lines = self.openings.iter().chain(&self.pings);
        let deadline = lines.filter_map(Timeline::earliest).min();
        fabric.set_deadline(LaneRef { stage: Stage::Receive, index: self.index }, deadline);
    }
}
