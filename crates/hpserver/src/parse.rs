//! Bytes into packets: the part of the receive stage that every byte passes.
//!
//! It exists apart from `receive` because it is the path to keep short: whole frames are decoded where they
//! lie in the chunk, and only the tail of an incomplete one is copied to its connection.
//!
//! Invariants: a frame is decoded only when its shard has a place for the packet; without one it stays where
//! it is, with everything behind it. What is left over is in the stream's tail when any of these returns.
//! Limits: see `stream`; `first_frame_bytes_max` for a first frame; `rates` of its bytes as they come and of its
//! frames as they are decoded, by the time at which the lane's run began; `Pong` is answered once for all pings of one
//! chunk.
//! Read next: `handshake` for the first frame, `logic` for what comes of a packet.

use crate::{
    BadFrame, CloseReason, Decoded, Frame, Service,
    desk::Desk,
    fabric::Fabric,
    handshake,
    lane::Waiter,
    listener::Listener,
    logic::LogicItem,
    stream::{Phase, Stream},
};

impl<S: Service> Desk<S> {
    /// A chunk of a stream.
    pub(crate) fn feed(&mut self, stream: &mut Stream, chunk: &[u8], fabric: &Fabric<S>) {
        self.tallies[stream.listener.index()].bytes += chunk.len() as u64;
        stream.heard = true;
        if stream.is_ending() {
            return;
        }
        let rates = &fabric.listeners[stream.listener.index()].rates;
        if !stream.meter.bytes(rates, self.now_ns, chunk.len()) {
            return self.end(stream, CloseReason::RateLimited, fabric);
        }
        let mut rest = chunk;
        if !stream.tail.is_empty() && stream.is_reading() {
            match stream.bridge(&*fabric.listeners[stream.listener.index()].codec, rest) {
                Ok(moved) => rest = &rest[moved..],
                Err(bad) => return self.end(stream, CloseReason::BadFrame(bad.0), fabric),
            }
            self.parse_tail(stream, fabric);
        }
        if stream.tail.is_empty() && stream.is_reading() {
            let taken = self.parse(stream, rest, fabric);
            rest = &rest[taken..];
        }
        let is_clear = rest.is_empty() && stream.tail.is_empty();
        if !is_clear && !stream.is_ending() {
            stream.tail.extend_from_slice(rest);
            self.keep(stream, fabric);
        }
    }

    /// Goes on with a stream that was held, unless it still is.
    pub(crate) fn resume(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        if stream.is_held() || stream.is_ending() {
            return;
        }
        if std::mem::take(&mut stream.unopened) {
            self.open(stream, fabric);
        }
        self.parse_tail(stream, fabric);
        self.keep(stream, fabric);
        self.credit(stream, fabric);
        if !stream.is_reading() {
            return;
        }
        if stream.finished {
            self.end(stream, CloseReason::PeerClosed, fabric);
        } else if std::mem::take(&mut stream.paused) {
            fabric.hold(stream.id, false);
        }
    }

    fn parse_tail(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        let mut tail = std::mem::take(&mut stream.tail);
        let taken = self.parse(stream, &tail, fabric);
        if !stream.is_ending() && taken < tail.len() {
            tail.drain(..taken);
            stream.tail = tail;
        }
    }

    /// Handles the whole frames at the head of `bytes`; how many bytes that were.
    fn parse(&mut self, stream: &mut Stream, bytes: &[u8], fabric: &Fabric<S>) -> usize {
        let config = &fabric.listeners[stream.listener.index()];
        let (mut taken, mut pinged) = (0, false);
        while taken < bytes.len() && stream.is_reading() {
            let frame = match next_frame(stream, config, &bytes[taken..]) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(bad) => {
                    self.end(stream, CloseReason::BadFrame(bad.0), fabric);
                    break;
                }
            };
            assert!(frame.end > 0, "invariant: a codec's frame is not empty");
            let body = &bytes[taken..][frame.body];
            match stream.phase {
                Phase::Open | Phase::Proving => {
                    if !self.packet(stream, body, &mut pinged, fabric) {
                        break;
                    }
                }
                _ => handshake::first_frame(self, stream, body, fabric),
            }
            taken += frame.end;
        }
        if pinged && let Some(pong) = config.codec.pong() {
            self.raw(stream, pong, fabric);
        }
        taken
    }

    /// One frame of an admitted connection; false: its shard has no place, it stays where it is.
    fn packet(&mut self, stream: &mut Stream, body: &[u8], pinged: &mut bool, fabric: &Fabric<S>) -> bool {
        if stream.trunk.is_some() {
            self.load(stream, body, fabric);
            return true;
        }
        if !self.reserve(stream, fabric) {
            return false;
        }
        let rates = &fabric.listeners[stream.listener.index()].rates;
        if !stream.meter.message(rates, self.now_ns) {
            self.credit[stream.route].put_back(stream.class);
            self.end(stream, CloseReason::RateLimited, fabric);
            return true;
        }
        let decoded = self.decode(stream, body, fabric);
        if decoded.is_ok() && stream.phase == Phase::Proving {
            self.open(stream, fabric);
        }
        if let Ok(Decoded::Packet(packet)) = decoded {
            stream.spoken = true;
            self.tallies[stream.listener.index()].packets += 1;
            let (conn, epoch) = (stream.id, stream.epoch);
            self.tell_shard(stream, LogicItem::Packet { conn, epoch, packet, relayed: false });
            return true;
        }
        self.credit[stream.route].put_back(stream.class);
        match decoded {
            Ok(Decoded::Ping) => *pinged = true,
            Err(bad) => self.end(stream, CloseReason::BadFrame(bad.0), fabric),
            Ok(_) => {}
        }
        true
    }

    /// What a frame says, opened first if it is sealed.
    fn decode(
        &mut self,
        stream: &mut Stream,
        body: &[u8],
        fabric: &Fabric<S>,
    ) -> Result<Decoded<S::Packet>, BadFrame> {
        let codec = &fabric.listeners[stream.listener.index()].codec;
        let Some(open) = &mut stream.open else { return codec.decode(&mut stream.partial, body) };
        self.clear.clear();
        open.open(body, &mut self.clear)?;
        codec.decode(&mut stream.partial, &self.clear)
    }

    /// Takes a place in the stream's shard, or puts the stream on the list of those who wait for one.
    fn reserve(&mut self, stream: &mut Stream, fabric: &Fabric<S>) -> bool {
        let shard = &fabric.logic[stream.route];
        let waiter = Waiter::Receive(self.index, stream.route, stream.class);
        loop {
            if self.credit[stream.route].take(shard, stream.class) {
                return true;
            }
            if shard.places(stream.class).wait(waiter) {
                stream.full = true;
                self.stalled[stream.route][stream.class as usize].push_back(stream.id);
                return false;
            }
        }
    }

    /// What is left in the tail stays within its limit, or keeps reading paused.
    fn keep(&mut self, stream: &mut Stream, fabric: &Fabric<S>) {
        let config = &fabric.listeners[stream.listener.index()];
        if stream.is_held() && !stream.tail.is_empty() {
            if !std::mem::replace(&mut stream.paused, true) {
                fabric.hold(stream.id, true);
            }
        } else if stream.is_reading() && stream.tail.len() > config.limits.receive_tail_bytes_max {
            self.end(stream, CloseReason::BadFrame("too_long"), fabric);
        }
    }
}

/// The whole frame at the head of `bytes`, if it is there. A stranger's is refused once it is too long, whole or not.
fn next_frame<S: Service>(
    stream: &Stream,
    config: &Listener<S>,
    bytes: &[u8],
) -> Result<Option<Frame>, BadFrame> {
    let frame = config.codec.frame(bytes)?;
    let length = frame.as_ref().map_or(bytes.len(), |frame| frame.end);
    if stream.is_strange() && length > config.limits.first_frame_bytes_max {
        return Err(BadFrame("too_long"));
    }
    Ok(frame)
}
