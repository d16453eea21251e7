//! The receiving half of one connection: where it stands, and the bytes that are no whole frame yet.
//!
//! It exists apart from `receive` so that what a connection waits for is plain state. A stream belongs to one
//! receive lane for life and is touched by nothing else.
//!
//! Invariants: while it reads, its tail holds no whole frame; an idle connection holds no buffer; once it is
//! `Over`, whoever had to hear of its end has heard.
//! Limits: a tail of `receive_tail_bytes_max`, and of `first_frame_bytes_max` until its first frame came; while it
//! is held, reading is paused as soon as bytes remain.
//! Read next: `receive`, which moves it; `seats`, the other half of a hand-over.

use std::net::SocketAddr;

use usher_completion::ConnId;

use crate::{
    BadFrame, CloseReason, Codec, Handshake, ListenerId, Offer, Open, Partial, ShardId,
    carry::{Rider, Trunk},
    lane::Class,
    listener::Counters,
    rate::Meter,
    table::Tenant,
};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepted; its first frame is awaited.
    Greeting,
    /// Its first frame is with the service, or its key exchange waits for its turn.
    Knocked,
    /// Admitted; the first frame that opens proves who it is.
    Proving,
    /// Dialled; the first answer is awaited.
    Answering,
    /// Packets.
    Open,
    /// Nothing more is read, and its end was reported.
    Over,
}

impl Phase {
    pub(crate) const COUNT: usize = 6;

    /// As metrics name them.
    pub(crate) const NAMES: [&'static str; Self::COUNT] =
        ["greeting", "knocking", "proving", "dialling", "open", "closing"];
}

#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
pub(crate) struct Stream {
    pub(crate) id: ConnId,
    pub(crate) listener: ListenerId,
    pub(crate) class: Class,
    pub(crate) phase: Phase,
    /// The shard that owns it, and how many times it was handed over.
    pub(crate) route: ShardId,
    pub(crate) epoch: u32,
    /// The shards it goes to next, in order; the first one's barrier is on its way.
    pub(crate) switches: Vec<ShardId>,
    /// Its shard has no place.
    pub(crate) full: bool,
    /// Its shard asked for nothing more for now.
    pub(crate) rests: bool,
    /// Its worker was asked not to read it.
    pub(crate) paused: bool,
    /// The peer has finished sending.
    pub(crate) finished: bool,
    /// Layer 1 has let go of it; only its end is still to be reported.
    pub(crate) gone: bool,
    /// It was admitted, and `Opened` is still to be said.
    pub(crate) unopened: bool,
    /// What its opening deadline is for came: its first message, or the answer to a dial.
    pub(crate) spoken: bool,
    /// Bytes came since it was last looked at, and how often none had.
    pub(crate) heard: bool,
    pub(crate) pings_missed: u32,
    /// What it has said, against its listener's rates.
    pub(crate) meter: Meter,
    pub(crate) ending: Option<CloseReason>,
    pub(crate) tail: Vec<u8>,
    pub(crate) partial: Partial,
    /// Its key, if what it says is sealed.
    pub(crate) open: Option<Box<dyn Open>>,
    pub(crate) begin: Option<Box<Begin>>,
    /// It is a trunk.
    pub(crate) trunk: Option<Box<Trunk>>,
    /// It has no socket, but travels on a trunk.
    pub(crate) rider: Option<Box<Rider>>,
}

/// What is only needed until a connection is open.
pub(crate) struct Begin {
    pub(crate) peer: SocketAddr,
    /// For a dialled one: the service's token.
    pub(crate) token: Option<u64>,
    /// The key exchange that its first frame proposed.
    pub(crate) handshake: Option<Box<dyn Handshake>>,
    /// For a dialled one: what it is to be answered.
    pub(crate) offer: Option<Box<dyn Offer>>,
}

impl Begin {
    pub(crate) fn accepted(peer: SocketAddr) -> Self {
        Self { peer, token: None, handshake: None, offer: None }
    }
}

impl Tenant for Stream {
    fn id(&self) -> ConnId {
        self.id
    }
}

impl Stream {
    pub(crate) fn new(id: ConnId, listener: ListenerId, class: Class, route: ShardId, begin: Begin) -> Self {
        Self {
            id,
            listener,
            class,
            phase: Phase::Greeting,
            route,
            epoch: 0,
            switches: Vec::new(),
            full: false,
            rests: false,
            paused: false,
            finished: false,
            gone: false,
            unopened: false,
            spoken: false,
            heard: false,
            pings_missed: 0,
            meter: Meter::default(),
            ending: None,
            tail: Vec::new(),
            partial: Partial::default(),
            open: None,
            begin: Some(Box::new(begin)),
            trunk: None,
            rider: None,
        }
    }

    /// It is further than it was.
    pub(crate) fn enter(&mut self, phase: Phase, counters: &Counters) {
        counters.moved(self.phase, phase);
        self.phase = phase;
    }

    /// Its end is decided: nothing of it is read any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.phase == Phase::Over
    }

    /// A shard was told of it and not yet of its end.
    pub(crate) fn is_with_a_shard(&self) -> bool {
        matches!(self.phase, Phase::Knocked | Phase::Proving | Phase::Open)
    }

    /// Who it is has not been proven.
    pub(crate) fn is_strange(&self) -> bool {
        matches!(self.phase, Phase::Greeting | Phase::Proving | Phase::Answering)
    }

    /// It waits for the service's answer, for a hand-over or for a place, or was asked to.
    pub(crate) fn is_held(&self) -> bool {
        self.full || self.rests || self.is_switching() || self.phase == Phase::Knocked
    }

    pub(crate) fn is_reading(&self) -> bool {
        !self.is_held() && !self.is_ending()
    }

    /// What comes are whole records in clear, and nothing is left of the last chunk.
    pub(crate) fn is_trunk_in_clear(&self) -> bool {
        self.trunk.is_some()
            && self.open.is_none()
            && self.phase == Phase::Open
            && self.tail.is_empty()
            && self.is_reading()
    }

    /// A barrier of it is on its way through the shard it leaves.
    pub(crate) fn is_switching(&self) -> bool {
        !self.switches.is_empty()
    }

    pub(crate) fn token(&self) -> Option<u64> {
        self.begin.as_ref().and_then(|begin| begin.token)
    }

    /// Moves bytes from `chunk` to the tail until the tail is one whole frame, or the chunk is used up. How
    /// many were moved. Few more bytes are copied than the frame has: whatever follows it is read where it
    /// lies.
    pub(crate) fn bridge<P: 'static>(
        &mut self,
        codec: &dyn Codec<P>,
        chunk: &[u8],
    ) -> Result<usize, BadFrame> {
        let before = self.tail.len();
        let mut moved = 0;
        while moved < chunk.len() {
            let step = self.tail.len().max(64).min(chunk.len() - moved);
            self.tail.extend_from_slice(&chunk[moved..moved + step]);
            moved += step;
            if let Some(frame) = codec.frame(&self.tail)? {
                self.tail.truncate(frame.end);
                return Ok(frame.end - before);
            }
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Framed;

    #[test]
    fn a_bridge_takes_the_rest_of_one_frame_and_no_more() {
        let body = [7; 300];
        let mut wire = vec![1, 44];
        wire.extend(body);
        let whole = wire.len();
        wire.extend([0, 1, 9]);
        for cut in 1..whole {
            let begin = Begin::accepted("127.0.0.1:1".parse().unwrap());
            let mut stream = Stream::new(ConnId::from_bits(1), ListenerId(0), Class::Rest, 0, begin);
            stream.tail.extend(&wire[..cut]);
            assert_eq!(stream.bridge(&Framed::default(), &wire[cut..]), Ok(whole - cut), "cut at {cut}");
            assert_eq!(stream.tail, wire[..whole]);
        }
    }

    #[test]
    fn an_idle_stream_is_small() {
        assert!(size_of::<Stream>() <= 224, "{}", size_of::<Stream>());
    }
}
