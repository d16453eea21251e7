//! What happens when: a heap of events by time, equal times in the order they were planned.
//!
//! Why: the only clock of a world is the time of the event it handles.
//! Invariants: time never goes back; a run with the same plan takes events in the same order.
//! Read next: `world.rs`, which handles them.

use crate::network::Packet;
use crate::process::{Place, ProcessId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use usher_logic::room::RoomNote;
use usher_proto::machine::{Answer, DialFailure};
use usher_proto::{ConnId, ShardId, Time};

/// One thing that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something arrives at this end of a connection.
    Packet { to: ConnId, packet: Packet },
    /// One shard hears another.
    Told { at: Place, from: ShardId, note: RoomNote },
    /// A shard is given a connection.
    HandedOver { at: Place, conn: ConnId, note: RoomNote },
    /// What a machine asked is answered.
    Answered { at: Place, id: u64, answer: Answer },
    /// Nobody is there whom a machine dialled.
    Unreachable { at: Place, token: u64, why: DialFailure },
    /// A machine's timeout, planned for then, may have come.
    Timer { at: Place, due: Time },
    /// Whoever calls has waited long enough for an answer.
    CallTimeout { conn: ConnId },
    /// A server calls its manager.
    CallManager { process: ProcessId },
    /// A server's transport renews its lease.
    Renew { process: ProcessId },
    /// A process that was to be emptied is empty, and ends.
    Emptied { process: ProcessId },
    /// A process takes up what waits for it: the next thing, or, if it is brisk, everything.
    Work { process: ProcessId },
    /// A planned fault, by its number.
    Fault(usize),
    /// The end of one that lasts; of the process that it hit, if it hit one.
    Recovery { fault: usize, process: Option<ProcessId> },
    /// All invariants are checked.
    Sweep,
}

#[derive(Debug)]
struct Planned {
    at: Time,
    order: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Planned {
    fn key(&self) -> (Time, u64) {
        (self.at, self.order)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl Schedule {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse(Planned { at, order: self.planned, event }));
    }

    /// The next event, if it comes by `until`.
    pub(crate) fn next(&mut self, until: Time) -> Option<(Time, Event)> {
        let Reverse(planned) = self.heap.peek()?;
        if planned.at > until {
            return None;
        }
        self.heap.pop().map(|Reverse(planned)| (planned.at, planned.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_planned() {
        let mut schedule = Schedule::default();
        for (number, at) in [(0, 5), (1, 3), (2, 5), (3, 3), (4, 9)] {
            schedule.plan(Time(at), Event::Fault(number));
        }
        let mut order = Vec::new();
        while let Some((_, Event::Fault(number))) = schedule.next(Time(5)) {
            order.push(number);
        }
        assert_eq!(order, [1, 3, 0, 2]);
    }
}
