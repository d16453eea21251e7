//! Every timer of the crowd in one ordered queue: at most one of each kind a player.
//!
//! Why: the machine has one `next_timeout`, thousands of players have several timers each.
//! Invariants: an alarm stands in the queue exactly as often as it is set (once or not at all); equal times
//! ring in the order of player and kind, so a run repeats.
//! Limits: players x kinds entries.
//! Read next: `crowd.rs`.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use usher_proto::Time;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// The journey: an answer is overdue, or a wait is over.
    Journey,
    /// A move is thought out, or its answer overdue.
    Move,
    /// A chat is due, or its answer overdue.
    Chat,
    /// Drop the connection, to come back.
    Drop,
    /// A fresh directory is due, or its visit overdue.
    Refresh,
    /// Nobody came to play with.
    Patience,
    /// Time to go.
    Leave,
}

impl Alarm {
    /// Every kind, in the order of their numbers.
    const ALL: [Self; 7] =
        [Self::Journey, Self::Move, Self::Chat, Self::Drop, Self::Refresh, Self::Patience, Self::Leave];
}

const KINDS: usize = Alarm::ALL.len();

#[derive(Debug)]
pub(crate) struct Alarms {
    queue: BTreeSet<(Time, u32, Alarm)>,
    set: Vec<[Option<Time>; KINDS]>,
}

impl Alarms {
    pub(crate) fn new(players: u32) -> Self {
        Self { queue: BTreeSet::new(), set: vec![[None; KINDS]; players as usize] }
    }

    /// Sets an alarm, or moves it.
    pub(crate) fn set(&mut self, player: u32, alarm: Alarm, at: Time) {
        self.clear(player, alarm);
        self.set[player as usize][alarm as usize] = Some(at);
        self.queue.insert((at, player, alarm));
    }

    pub(crate) fn clear(&mut self, player: u32, alarm: Alarm) {
        if let Some(at) = self.set[player as usize][alarm as usize].take() {
            self.queue.remove(&(at, player, alarm));
        }
    }

    pub(crate) fn clear_all(&mut self, player: u32) {
        for alarm in Alarm::ALL {
            self.clear(player, alarm);
        }
    }

    /// Whether the player has an alarm set, of any kind.
    pub(crate) fn has_any(&self, player: u32) -> bool {
        self.set[player as usize].iter().any(Option::is_some)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(at, ..)| at)
    }

    /// Takes the first alarm that is due.
    pub(crate) fn ring(&mut self, now: Time) -> Option<(u32, Alarm)> {
        let &(at, player, alarm) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.clear(player, alarm);
        Some((player, alarm))
    }

    pub(crate) fn check_invariants(&self) {
        let set = self.set.iter().flatten().flatten().count();
        assert_eq!(set, self.queue.len(), "every set alarm stands in the queue once");
        for &(at, player, alarm) in &self.queue {
            assert_eq!(self.set[player as usize][alarm as usize], Some(at));
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn alarms_ring_in_order_once_and_where_they_were_moved_to() {
        let mut alarms = Alarms::new(3);
        alarms.set(2, Alarm::Move, Time(30));
        alarms.set(1, Alarm::Journey, Time(10));
        alarms.set(0, Alarm::Leave, Time(20));
        alarms.set(1, Alarm::Journey, Time(40));
        alarms.clear(0, Alarm::Leave);
        alarms.check_invariants();
        assert_eq!(alarms.next(), Some(Time(30)));
        assert_eq!(alarms.ring(Time(29)), None);
        assert_eq!(alarms.ring(Time(50)), Some((2, Alarm::Move)));
        assert_eq!(alarms.ring(Time(50)), Some((1, Alarm::Journey)));
        assert_eq!(alarms.ring(Time(50)), None);
        alarms.check_invariants();
    }

    #[test]
    fn clearing_all_leaves_no_kind_and_nobody_else_without() {
        let mut alarms = Alarms::new(2);
        for (at, alarm) in (1..).zip(Alarm::ALL) {
            assert_eq!(alarm as u64 + 1, at, "the order of the list is that of the numbers");
            alarms.set(0, alarm, Time(at));
            alarms.set(1, alarm, Time(at));
        }
        alarms.clear_all(0);
        alarms.check_invariants();
        assert!(!alarms.has_any(0) && alarms.has_any(1));
        for alarm in Alarm::ALL {
            assert_eq!(alarms.ring(Time(50)), Some((1, alarm)));
        }
        assert!(!alarms.has_any(1));
    }
}
