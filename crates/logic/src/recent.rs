//! A map that remembers only so many, the latest touched.
//!
//! Why: what is kept about strangers must not grow with their number.
//! Invariants: at most `entries_max` entries; beyond it the stalest makes room.
//! Read next: [`crate::back_off`].

use alloc::collections::BTreeSet;
use core::hash::Hash;
use core::time::Duration;
use usher_proto::Time;
use usher_steady::SteadyMap;

/// The latest touched entries.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries_max: usize,
    entries: SteadyMap<K, (Time, V)>,
    by_time: BTreeSet<(Time, K)>,
}

impl<K: Copy + Ord + Hash, V> Recent<K, V> {
    pub(crate) fn new(entries_max: usize, seed: u64) -> Self {
        let entries = SteadyMap::new(seed);
        Self { entries_max: entries_max.max(1), entries, by_time: BTreeSet::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The stalest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.by_time.iter().filter_map(|(_, key)| Some((key, self.get(key)?)))
    }

    /// Writes an entry and touches it.
    pub(crate) fn put(&mut self, now: Time, key: K, value: V) {
        if let Some((touched, _)) = self.entries.insert(key, (now, value)) {
            self.by_time.remove(&(touched, key));
        }
        self.by_time.insert((now, key));
        if self.entries.len() > self.entries_max {
            self.drop_stalest();
        }
    }

    /// Forgets what was not touched for so long.
    pub(crate) fn forget(&mut self, now: Time, after: Duration) {
        while self.by_time.first().is_some_and(|&(touched, _)| now - touched > after) {
            self.drop_stalest();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn drop_stalest(&mut self) {
        if let Some((_, key)) = self.by_time.pop_first() {
            self.entries.remove(&key);
        }
    }

    /// Panics if order and entries do not say the same.
    pub(crate) fn check_invariants(&self) {
        assert!(self.entries.len() <= self.entries_max);
        assert_eq!(self.entries.len(), self.by_time.len());
        for (touched, key) in &self.by_time {
            assert_eq!(self.entries.get(key).map(|(at, _)| at), Some(touched));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stalest_makes_room_and_the_touched_stays() {
        let mut recent = Recent::new(2, 7);
        recent.put(Time(1), 1, 'a');
        recent.put(Time(2), 2, 'b');
        recent.put(Time(3), 1, 'c');
        recent.put(Time(4), 3, 'd');
        recent.check_invariants();
        assert_eq!([1, 2, 3].map(|key| recent.get(&key).copied()), [Some('c'), None, Some('d')]);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut recent = Recent::new(9, 7);
        recent.put(Time(10), 1, ());
        recent.put(Time(20), 2, ());
        recent.forget(Time(25), Duration::from_nanos(10));
        recent.check_invariants();
        assert_eq!((recent.len(), recent.get(&2)), (1, Some(&())));
    }
}
