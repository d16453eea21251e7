//! Connections between processes: ordered each way, late by chance, free of each other's order.
//!
//! Why: real networks keep the order within a connection and nothing else; what machines get wrong, they get
//! wrong between connections.
//! Owns: both ends of every connection, what is under way on it, the moment it arrives.
//! Does not own: what an arrival means (`world.rs`).
//! Invariants: what is sent one way on a connection arrives in that order; an end that is gone hears nothing;
//! while an end changes its shard, what arrives waits.
//! Limits: none; a run is as long as its scenario says.
//! Read next: `world.rs`.

use crate::process::{Place, ProcessId};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use usher_proto::machine::{Hello, Peer};
use usher_proto::{ConnId, Message, ServerName, ShardId, Time};

/// What travels.
#[derive(Debug)]
pub(crate) enum Packet {
    /// A player's first frame.
    Hello(Hello),
    /// A server's first frame, at its manager.
    LinkHello(ServerName),
    /// Come in.
    Admitted,
    /// The caller's proof of its key: its first transport frame.
    Proof,
    /// Turned away, with this said in clear.
    Refused(Message),
    /// A message.
    Said(Arc<Message>),
    /// The other side has closed, or is no more.
    Closed,
    /// The other side has noticed that this side closed.
    Ended,
}

/// How far one end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The first frame is under way: the caller waits, the callee knows nothing.
    Calling,
    /// The callee's machine was asked.
    Knocking,
    /// Let in; the callee waits for the proof.
    Admitted,
    /// Up.
    Open,
    /// This end has closed and is not told so yet.
    Closing,
    /// Over.
    Gone,
}

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) process: ProcessId,
    pub(crate) shard: ShardId,
    pub(crate) state: State,
    /// It is being handed over: what arrives waits.
    pub(crate) in_transit: bool,
    pub(crate) waiting: VecDeque<Packet>,
    /// What was said to it across a partition.
    pub(crate) held: VecDeque<Packet>,
    /// Nothing arrives here before that: the order is kept.
    clear_at: Time,
}

impl End {
    fn new(place: Place) -> Self {
        Self {
            process: place.process,
            shard: place.shard,
            state: State::Calling,
            in_transit: false,
            waiting: VecDeque::new(),
            held: VecDeque::new(),
            clear_at: Time(0),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place { process: self.process, shard: self.shard }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A machine's dial, by its token.
    Dial(u64),
    /// A server's link to its manager.
    Link,
    /// A recorded first frame: nothing follows it, for who sends it has no key.
    Replay,
}

#[derive(Debug)]
pub(crate) struct Wire {
    ends: [End; 2],
    pub(crate) purpose: Purpose,
    /// Who the caller has proven to be.
    pub(crate) peer: Peer,
    /// Redirects that the callee may still give the caller.
    pub(crate) hops_left: u8,
    /// When the callee's host last had something from the caller.
    heard_at: Time,
    /// The longest silence before anything that waits there for the callee's machine.
    silence: Duration,
    /// The callee has said that it does not want the caller's registration.
    pub(crate) is_denied: bool,
}

/// All connections there ever were; number `n` has the ends `2n` (the caller's) and `2n + 1`.
#[derive(Debug, Default)]
pub(crate) struct Network {
    wires: Vec<Wire>,
}

const CALLER: u64 = 0;

pub(crate) fn is_caller(conn: ConnId) -> bool {
    conn.0 % 2 == CALLER
}

/// The other end.
pub(crate) fn across(conn: ConnId) -> ConnId {
    ConnId(conn.0 ^ 1)
}

impl Wire {
    /// The callee's host has something from the caller.
    pub(crate) fn heard(&mut self, now: Time) {
        self.silence = self.silence(now);
        self.heard_at = now;
    }

    /// The callee's machine takes in what has waited.
    pub(crate) fn taken_in(&mut self) {
        self.silence = Duration::ZERO;
    }

    /// How long the caller has been silent at a stretch, of all that the callee's machine cannot know better.
    pub(crate) fn silence(&self, now: Time) -> Duration {
        self.silence.max(now - self.heard_at)
    }
}

impl Network {
    /// A new connection: the caller's end.
    pub(crate) fn call(&mut self, from: Place, to: Place, purpose: Purpose) -> ConnId {
        let conn = ConnId(self.wires.len() as u64 * 2);
        let ends = [End::new(from), End::new(to)];
        let (peer, heard_at, silence) = (Peer::Stranger, Time(0), Duration::ZERO);
        self.wires.push(Wire { ends, purpose, peer, hops_left: 0, heard_at, silence, is_denied: false });
        conn
    }

    pub(crate) fn wire(&mut self, conn: ConnId) -> &mut Wire {
        &mut self.wires[(conn.0 / 2) as usize]
    }

    pub(crate) fn end(&mut self, conn: ConnId) -> &mut End {
        &mut self.wire(conn).ends[(conn.0 % 2) as usize]
    }

    /// When what is sent now and takes so long arrives at `to`.
    pub(crate) fn arrival(&mut self, now: Time, to: ConnId, delay: Duration) -> Time {
        let end = self.end(to);
        end.clear_at = end.clear_at.max(now + delay);
        end.clear_at
    }

    /// Ends to which something was said across a partition.
    pub(crate) fn held(&self) -> Vec<ConnId> {
        let ends = self.wires.iter().enumerate().flat_map(|(wire, it)| {
            it.ends.iter().enumerate().map(move |(side, end)| (ConnId((wire * 2 + side) as u64), end))
        });
        ends.filter(|(_, end)| !end.held.is_empty()).map(|(conn, _)| conn).collect()
    }

    /// The ends of a process that are not over, in order.
    pub(crate) fn ends_of(&self, process: ProcessId) -> Vec<ConnId> {
        let ends = self.wires.iter().enumerate().flat_map(|(wire, it)| {
            it.ends.iter().enumerate().map(move |(side, end)| (ConnId((wire * 2 + side) as u64), end))
        });
        ends.filter(|(_, end)| end.process == process && end.state != State::Gone)
            .map(|(conn, _)| conn)
            .collect()
    }
}

/// How long something takes on a good day: 0.1 to 5 ms.
pub(crate) fn delay(dice: &mut ChaCha8Rng) -> Duration {
    delay_within(DELAY_MAX, dice)
}

const DELAY_MAX: Duration = Duration::from_millis(5);
const DELAY_MIN: Duration = Duration::from_micros(100);

/// As above, to as much as `delay_max`.
pub(crate) fn delay_within(delay_max: Duration, dice: &mut ChaCha8Rng) -> Duration {
    let span_ns = delay_max.saturating_sub(DELAY_MIN).as_nanos() as u64;
    DELAY_MIN + Duration::from_nanos(((u128::from(dice.next_u32()) * u128::from(span_ns)) >> 32) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn order_is_kept_each_way() {
        let place = Place { process: ProcessId(0), shard: ShardId(0) };
        let (mut network, mut dice) = (Network::default(), ChaCha8Rng::seed_from_u64(1));
        let caller = network.call(place, place, Purpose::Link);
        let mut last = Time(0);
        for now in 0..1000 {
            let at = network.arrival(Time(now * 1000), across(caller), delay(&mut dice));
            assert!(at >= last && at > Time(now * 1000));
            last = at;
        }
        assert!(network.arrival(Time(0), caller, delay(&mut dice)) < last, "the other way is free of it");
    }
}
