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

/// When, after how many others that were planned before, and where the event lies meanwhile.
type Planned = Reverse<(Time, u64, u32)>;

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Small, for a heap moves its entries about; events are not.
    heap: BinaryHeap<Planned>,
    events: Vec<Option<Event>>,
    free: Vec<u32>,
    planned: u64,
}

impl Schedule {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[place as usize] = Some(event);
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, place)));
    }

    /// The next event, if it comes by `until`.
    pub(crate) fn next(&mut self, until: Time) -> Option<(Time, Event)> {
        let Reverse((at, _, place)) = *self.heap.peek().filter(|Reverse((at, ..))| *at <= until)?;
        self.heap.pop();
        self.free.push(place);
        let event = self.events[place as usize].take().expect("invariant: what is planned lies in its place");
        Some((at, event))
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
