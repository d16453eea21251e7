//! Connections between processes: ordered each way, late by chance, free of each other's order.
//!
//! Why: real networks keep the order within a connection and nothing else; what machines get wrong, they get
//! wrong between connections.
//! Owns: both ends of every connection, what is under way on it, the moment it arrives.
//! Does not own: what an arrival means (`world.rs`).
//! Invariants: what is sent one way on a connection arrives in that order; an end that is gone hears nothing;
//! while an end changes its shard, what arrives waits.
//! A connection whose ends are both over is forgotten, and its place used for another under another id; whoever still
//! asks for it is shown one that is over.
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
    /// A gateway's first frame, at a server.
    TrunkHello,
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
    /// A gateway's connection to a server.
    Trunk,
    /// A player's, on that trunk, by a gateway.
    Virtual(ConnId),
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
    generation: u32,
}

impl Wire {
    fn new(from: Place, to: Place, purpose: Purpose, generation: u32) -> Self {
        Self {
            ends: [End::new(from), End::new(to)],
            purpose,
            peer: Peer::Stranger,
            hops_left: 0,
            heard_at: Time(0),
            silence: Duration::ZERO,
            is_denied: false,
            generation,
        }
    }

    fn over() -> Self {
        let nowhere = Place { process: ProcessId(usize::MAX), shard: ShardId(0) };
        let mut wire = Self::new(nowhere, nowhere, Purpose::Replay, 0);
        wire.ends.iter_mut().for_each(|end| end.state = State::Gone);
        wire
    }

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

/// All connections there are. A [`ConnId`] is the number of times its place was used before (the upper half), the
/// place, and the end: 0 the caller's, 1 the other.
#[derive(Debug)]
pub(crate) struct Network {
    wires: Vec<Wire>,
    free: Vec<u32>,
    /// Shown in place of what is no more.
    over: Wire,
}

const CALLER: u64 = 0;

pub(crate) fn is_caller(conn: ConnId) -> bool {
    conn.0 % 2 == CALLER
}

/// The other end.
pub(crate) fn across(conn: ConnId) -> ConnId {
    ConnId(conn.0 ^ 1)
}

impl Default for Network {
    fn default() -> Self {
        Self { wires: Vec::new(), free: Vec::new(), over: Wire::over() }
    }
}

/// The caller's end of what lies there in that generation.
fn id_of(generation: u32, at: usize) -> ConnId {
    ConnId(u64::from(generation) << 32 | (at as u64 * 2))
}

/// Of which generation it is and where it lies.
fn place_of(conn: ConnId) -> (u32, usize) {
    ((conn.0 >> 32) as u32, (conn.0 as u32 / 2) as usize)
}

impl Network {
    /// A new connection: the caller's end.
    pub(crate) fn call(&mut self, from: Place, to: Place, purpose: Purpose) -> ConnId {
        let (at, generation) = match self.free.pop() {
            Some(at) => (at as usize, self.wires[at as usize].generation.wrapping_add(1)),
            None => (self.wires.len(), 0),
        };
        let wire = Wire::new(from, to, purpose, generation);
        if at < self.wires.len() {
            self.wires[at] = wire;
        } else {
            self.wires.push(wire);
        }
        id_of(generation, at)
    }

    /// Both ends are over, and nothing is known of it any more.
    pub(crate) fn is_over(&self, conn: ConnId) -> bool {
        let (generation, at) = place_of(conn);
        let wire = self.wires.get(at).filter(|wire| wire.generation == generation);
        wire.is_none_or(|wire| wire.ends.iter().all(|end| end.state == State::Gone))
    }

    pub(crate) fn wire(&mut self, conn: ConnId) -> &mut Wire {
        let (generation, at) = place_of(conn);
        match self.wires.get_mut(at) {
            Some(wire) if wire.generation == generation => wire,
            _ => {
                self.over = Wire::over();
                &mut self.over
            }
        }
    }

    /// This end is over; with the other, the connection. Says how far it was.
    pub(crate) fn end_is_over(&mut self, conn: ConnId) -> State {
        let before = std::mem::replace(&mut self.end(conn).state, State::Gone);
        if before != State::Gone && self.end(across(conn)).state == State::Gone {
            let (generation, at) = place_of(conn);
            self.wires[at].ends.iter_mut().for_each(|end| end.waiting = VecDeque::new());
            self.free.push(at as u32);
            debug_assert_eq!(self.wires[at].generation, generation, "what is over is forgotten once");
        }
        before
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
        self.ends().filter(|(_, end)| !end.held.is_empty()).map(|(conn, _)| conn).collect()
    }

    /// The ends of a process that are not over, in order.
    pub(crate) fn ends_of(&self, process: ProcessId) -> Vec<ConnId> {
        let is_its = |end: &End| end.process == process && end.state != State::Gone;
        self.ends().filter(|(_, end)| is_its(end)).map(|(conn, _)| conn).collect()
    }

    fn ends(&self) -> impl Iterator<Item = (ConnId, &End)> {
        self.wires.iter().enumerate().flat_map(|(at, wire)| {
            let caller = id_of(wire.generation, at);
            [caller, across(caller)].into_iter().zip(&wire.ends)
        })
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
