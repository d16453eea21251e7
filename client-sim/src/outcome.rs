//! What a crowd of one process met, as plain numbers that several processes can add up.
//!
//! Why: percentiles cannot be added, counted values can; so a process gives its values and the parent makes the
//! report.
//! Invariants: adding outcomes in any order gives the same sum.
//! Read next: `report`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values and how often each occurred, in microseconds.
pub type Counted = Vec<(u64, u64)>;

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Players who set out.
    pub arrivals: u64,
    /// Players who got their first seat.
    pub seats: u64,
    /// Times a player was sent elsewhere.
    pub redirects: u64,
}

impl Second {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.arrivals += other.arrivals;
        self.seats += other.seats;
        self.redirects += other.redirects;
    }
}

/// The sum of what one or more crowds met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Players scheduled.
    pub players: u64,
    /// Players seated at least once.
    pub seated: u64,
    /// Players who gave up, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Values of each step, and of `journey`.
    pub steps: BTreeMap<String, Counted>,
    /// Redirects by login servers.
    pub redirects_login: u64,
    /// Redirects by halls.
    pub redirects_hall: u64,
    /// Redirects by room servers that were being emptied.
    pub redirects_room: u64,
    /// Times a server said that nobody has room now.
    pub refused_busy: u64,
    /// The first scheduled arrival, unix microseconds.
    pub began_unix_us: u64,
    /// The last first seat, unix microseconds.
    pub seated_last_unix_us: u64,
    /// The end, unix microseconds.
    pub ended_unix_us: u64,
    /// What happened when, by the unix second; in a second that is not here, nothing.
    pub seconds: BTreeMap<u64, Second>,
    /// The latest arrival after its schedule, microseconds.
    pub arrival_late_max_us: u64,
    /// Deliveries due to those who were there.
    pub expected: u64,
    /// Deliveries that came, once each.
    pub received: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries that came before an earlier one.
    pub out_of_order: u64,
    /// Chats whose text or sender was not what was said.
    pub wrong: u64,
    /// By room: chats acknowledged to their senders, and the highest number among them.
    pub rooms: BTreeMap<String, (u64, u64)>,
    /// Connections in a room lost, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Players back in a seat after their connection was gone.
    pub reconnects: u64,
    /// Announcements that players in rooms heard, counted at each of them.
    pub announcements: u64,
    /// What they did of their own accord.
    pub evening: EveningCounts,
}

/// How often players did what fills an evening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EveningCounts {
    /// Hands played to their end, counted at each of their seats.
    pub hands: u64,
    /// Moves to another table of the same room.
    pub tables: u64,
    /// Moves to another room.
    pub rooms: u64,
    /// Connections dropped on purpose, to come back.
    pub drops: u64,
    /// Players who left before everybody did.
    pub leaves: u64,
    /// And who logged in anew later, and sat down again.
    pub returns: u64,
}

impl EveningCounts {
    fn add(&mut self, other: Self) {
        self.hands += other.hands;
        self.tables += other.tables;
        self.rooms += other.rooms;
        self.drops += other.drops;
        self.leaves += other.leaves;
        self.returns += other.returns;
    }
}

impl Outcome {
    /// Players who gave up.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Adds another crowd's.
    pub fn add(&mut self, other: Self) {
        let earliest = |a: u64, b: u64| if a == 0 { b } else { a.min(b) };
        self.players += other.players;
        self.seated += other.seated;
        self.redirects_login += other.redirects_login;
        self.redirects_hall += other.redirects_hall;
        self.redirects_room += other.redirects_room;
        self.refused_busy += other.refused_busy;
        self.began_unix_us = earliest(self.began_unix_us, other.began_unix_us);
        self.seated_last_unix_us = self.seated_last_unix_us.max(other.seated_last_unix_us);
        self.ended_unix_us = self.ended_unix_us.max(other.ended_unix_us);
        self.arrival_late_max_us = self.arrival_late_max_us.max(other.arrival_late_max_us);
        self.expected += other.expected;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.wrong += other.wrong;
        self.reconnects += other.reconnects;
        self.announcements += other.announcements;
        self.evening.add(other.evening);
        add_counts(&mut self.failures, other.failures);
        add_counts(&mut self.drops, other.drops);
        for (at, second) in other.seconds {
            self.seconds.entry(at).or_default().add(second);
        }
        for (step, values) in other.steps {
            self.steps.entry(step).or_default().extend(values);
        }
        for (room, (acknowledged, seq_max)) in other.rooms {
            let sums = self.rooms.entry(room).or_default();
            *sums = (sums.0 + acknowledged, sums.1.max(seq_max));
        }
    }

    /// Chats that were acknowledged under a number that another one has, over all rooms. More acknowledgements
    /// than numbers can only be that, unless a room server died: its successor counts from 1 again.
    pub fn acknowledged_twice(&self) -> u64 {
        if !self.drops.is_empty() {
            return 0;
        }
        self.rooms.values().map(|(acknowledged, seq_max)| acknowledged.saturating_sub(*seq_max)).sum()
    }
}

fn add_counts(sums: &mut BTreeMap<String, u64>, others: BTreeMap<String, u64>) {
    for (reason, count) in others {
        *sums.entry(reason).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(players: u64, began: u64, room: (u64, u64)) -> Outcome {
        Outcome {
            players,
            began_unix_us: began,
            seated_last_unix_us: began + 5,
            steps: BTreeMap::from([("login".into(), vec![(100, players)])]),
            seconds: BTreeMap::from([(began / 100, Second { arrivals: players, seats: 1, redirects: 2 })]),
            failures: BTreeMap::from([("busy".into(), 1)]),
            rooms: BTreeMap::from([("a/0".into(), room)]),
            evening: EveningCounts { hands: players, tables: 1, rooms: 2, drops: 3, leaves: 4, returns: 5 },
            ..Outcome::default()
        }
    }

    #[test]
    fn parts_add_up() {
        let mut sum = Outcome::default();
        sum.add(part(2, 1000, (3, 5)));
        sum.add(part(3, 900, (2, 4)));
        assert_eq!((sum.players, sum.began_unix_us, sum.seated_last_unix_us), (5, 900, 1005));
        assert_eq!(sum.steps["login"], [(100, 2), (100, 3)]);
        assert_eq!(sum.seconds[&10], Second { arrivals: 2, seats: 1, redirects: 2 });
        assert_eq!(sum.seconds[&9].arrivals, 3);
        assert_eq!(sum.failed(), 2);
        let evening = EveningCounts { hands: 5, tables: 2, rooms: 4, drops: 6, leaves: 8, returns: 10 };
        assert_eq!(sum.evening, evening);
        assert_eq!((sum.rooms["a/0"], sum.acknowledged_twice()), ((5, 5), 0));
        sum.add(part(1, 900, (1, 5)));
        assert_eq!(sum.seconds[&9], Second { arrivals: 4, seats: 2, redirects: 4 });
        assert_eq!(sum.acknowledged_twice(), 1);
        sum.drops.insert("closed".into(), 1);
        assert_eq!(sum.acknowledged_twice(), 0);
    }
}
