//! A hash map as large as what is in it, however often that changes.
//!
//! Why: what is removed leaves a grave in the table, and a table that is full of graves is doubled if more than half of it
//! is in use. A server that nobody joins any more would so grow, once for each of its maps, hours later.
//! Owns: when the table is built anew. Everything else is [`HashMap`]'s.
//! Does not own: chance. Keys are the server's own, or checked before they get here; the seed is the caller's.
//! Invariant: the table is doubled only when seven eighths of it are in use; an eighth of graves is cleared away.
//! Cost: clearing moves all entries, once in an eighth as many insertions or less often. While it does, both tables are there.
//! Read next: `usher_hpserver`'s `seats.rs`, whose connections come and go all evening.
#![no_std]
#![forbid(unsafe_code)]

use core::hash::Hash;
use core::ops::Deref;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Of a table that is not empty.
const SIZE_MIN: usize = 8;

/// The map. What is read is read as of a [`HashMap`]; what is written goes through here.
#[derive(Debug)]
pub struct SteadyMap<K, V> {
    map: HashMap<K, V, FixedState>,
    /// Entries that the table takes without graves.
    size: usize,
}

impl<K, V> SteadyMap<K, V> {
    /// Nothing in it, and no memory taken. The same seed and the same calls give the same order of iteration.
    pub fn new(seed: u64) -> Self {
        Self { map: HashMap::with_hasher(FixedState::with_seed(seed)), size: 0 }
    }

    /// Every entry gone; the table stays.
    pub fn clear(&mut self) {
        self.map.clear();
    }
}

impl<K, V> Default for SteadyMap<K, V> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<K: Eq + Hash, V> SteadyMap<K, V> {
    /// What was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.make_room();
        self.map.insert(key, value)
    }

    /// What is there, which is the default if nothing was.
    pub fn get_or_insert_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.make_room();
        self.map.entry(key).or_default()
    }

    /// As of a [`HashMap`].
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    /// As of a [`HashMap`].
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.map.values_mut()
    }

    /// What was there.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key)
    }

    /// For one entry more.
    fn make_room(&mut self) {
        if self.map.len() < self.map.capacity() {
            return;
        }
        let has_graves = self.map.len() < self.size / 8 * 7;
        let size = if has_graves { self.size } else { 2 * self.size.max(SIZE_MIN / 2) };
        let mut map = HashMap::with_capacity_and_hasher(size, self.map.hasher().clone());
        map.extend(self.map.drain());
        (self.size, self.map) = (map.capacity(), map);
    }
}

impl<K, V> Deref for SteadyMap<K, V> {
    type Target = HashMap<K, V, FixedState>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stays_as_large_as_it_was_however_many_come_and_go() {
        let mut map = SteadyMap::new(1);
        (0..10_000_u64).for_each(|key| assert_eq!(map.insert(key, key), None));
        let size = map.allocation_size();
        for key in 10_000..200_000 {
            map.insert(key, key);
            assert_eq!(map.remove(&(key - 10_000)), Some(key - 10_000));
        }
        assert_eq!((map.len(), map.allocation_size()), (10_000, size));
        assert!((190_000..200_000).all(|key| map.get(&key) == Some(&key)));
        let mut other = HashMap::with_hasher(FixedState::with_seed(1));
        other.extend((0..10_000_u64).map(|key| (key, key)));
        for key in 10_000..200_000 {
            other.insert(key, key);
            other.remove(&(key - 10_000));
        }
        assert!(other.allocation_size() > size, "or there is no need for this map any more");
    }

    #[test]
    fn a_table_grows_with_what_is_in_it() {
        let mut map = SteadyMap::new(1);
        for key in 0..1_000_u64 {
            map.insert(key, ());
            assert!(map.capacity() >= map.len() && map.size <= 2 * map.len().max(SIZE_MIN), "{key}");
        }
        assert_eq!(map.insert(7, ()), Some(()));
    }
}
