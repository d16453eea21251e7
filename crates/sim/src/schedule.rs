//! What happens when: events by time, equal times in the order they were planned.
//!
//! Why: the only clock of a world is the time of the event it handles.
//! Invariants: time never goes back; a run with the same plan takes events in the same order.
//! Read next: `world.rs`, which handles them.

use crate::network::Packet;
use crate::process::{Place, ProcessId};
use std::collections::VecDeque;
use usher_logic::room::RoomNote;
use usher_proto::machine::{Answer, DialFailure};
use usher_proto::{ConnId, ServerName, ShardId, Time};

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
    /// A gateway calls a server.
    CallTrunk { process: ProcessId, server: ServerName },
    /// A gateway that is being emptied shows somebody out.
    ShowOut { process: ProcessId },
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

/// When, and where the event lies meanwhile.
type Planned = (Time, u32);

/// Events by time: a radix heap, for time never goes back.
///
/// What is planned lies by the highest bit in which its time differs from the present one, and moves to a lower bit only
/// when that is reached: in long strides over memory, where a binary heap of millions jumps about in it.
#[derive(Debug)]
pub(crate) struct Schedule {
    now: Time,
    /// Now, in order.
    due: VecDeque<u32>,
    later: [Later; u64::BITS as usize],
    /// Planned entries move about; events are large and do not.
    events: Vec<Option<Event>>,
    free: Vec<u32>,
}

/// Those of one bit, in the order they were planned.
#[derive(Clone, Debug)]
struct Later {
    planned: Vec<Planned>,
    first: Time,
}

impl Default for Schedule {
    fn default() -> Self {
        let later = [const { Later { planned: Vec::new(), first: Time(u64::MAX) } }; u64::BITS as usize];
        Self { now: Time(0), due: VecDeque::new(), later, events: Vec::new(), free: Vec::new() }
    }
}

impl Schedule {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        assert!(at >= self.now, "invariant: time never goes back");
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[place as usize] = Some(event);
        self.put((at, place));
    }

    /// The next event, if it comes by `until`.
    pub(crate) fn next(&mut self, until: Time) -> Option<(Time, Event)> {
        if self.due.is_empty() {
            self.go_on(until);
        }
        let place = self.due.pop_front()?;
        self.free.push(place);
        let event = self.events[place as usize].take().expect("invariant: what is planned lies in its place");
        Some((self.now, event))
    }

    /// To the next time that something is planned for, if it comes by `until`.
    fn go_on(&mut self, until: Time) {
        let bits = self.later.iter().position(|later| !later.planned.is_empty());
        let Some(bit) = bits.filter(|bit| self.later[*bit].first <= until) else { return };
        let later = &mut self.later[bit];
        self.now = core::mem::replace(&mut later.first, Time(u64::MAX));
        let mut planned = core::mem::take(&mut later.planned);
        planned.drain(..).for_each(|planned| self.put(planned));
        self.later[bit].planned = planned; // its memory is used again
    }

    fn put(&mut self, (at, place): Planned) {
        match (at.0 ^ self.now.0).checked_ilog2() {
            None => self.due.push_back(place),
            Some(bit) => {
                let later = &mut self.later[bit as usize];
                later.first = later.first.min(at);
                later.planned.push((at, place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

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

    #[test]
    fn a_long_plan_comes_in_the_order_of_a_sorted_list() {
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        let (mut schedule, mut expected, mut number) = (Schedule::default(), Vec::new(), 0);
        let mut found = Vec::new();
        for until in (0..200).map(|step| Time(step * 1_000)) {
            for _ in 0..dice.next_u32() % 20 {
                let span = 1_u64 << (dice.next_u32() % 20);
                let at = Time(until.0 + dice.next_u64() % span);
                schedule.plan(at, Event::Fault(number));
                expected.push((at, number));
                number += 1;
            }
            while let Some((at, Event::Fault(number))) = schedule.next(until) {
                found.push((at, number));
            }
        }
        expected.sort_unstable();
        expected.truncate(found.len());
        assert!(found.len() > 100);
        assert_eq!(found, expected);
    }
}
