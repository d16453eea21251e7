//! The servers of one kind and world, drawn from by their free places in logarithmic time.
//!
//! Why: a storm of logins asks hundreds of thousands of times a second who has a place, and of a thousand servers
//! not one may be looked at without need.
//! Owns: a slot for each server, and how many free places it had when it was weighed last. Does not own servers.
//! Invariants: an empty slot weighs nothing; inner nodes are the sums of their two children.
//! Limits: as many slots as the registry has servers; slots of servers that are gone are used again.
//! Read next: [`super::registry`], which weighs; [`super::arbitration`], which draws.

use super::registry::ServerId;
use alloc::vec;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// Free places at one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// For those who are known.
    pub(super) for_sessions: u64,
    pub(super) for_strangers: u64,
    /// It was full and is not yet well below: it is drawn only if nobody else has a place.
    pub(super) sated: bool,
}

/// Where a server is in its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// The servers that may take each other's clients.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<Option<ServerId>>,
    empty: Vec<Slot>,
    hungry: Trees,
    sated: Trees,
}

/// Free places of some of the members; the others weigh nothing.
#[derive(Debug, Default)]
struct Trees {
    for_sessions: Weights,
    for_strangers: Weights,
}

impl Pool {
    /// A new member, without free places yet.
    pub(super) fn join(&mut self, id: ServerId) -> Slot {
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.members.push(None);
            Slot(self.members.len() - 1)
        });
        self.rename(slot, id);
        slot
    }

    /// The member in this slot has another id from now on.
    pub(super) fn rename(&mut self, slot: Slot, id: ServerId) {
        self.members[slot.0] = Some(id);
    }

    pub(super) fn leave(&mut self, slot: Slot) {
        self.weigh(slot, Places::default());
        self.members[slot.0] = None;
        self.empty.push(slot);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.empty.len() == self.members.len()
    }

    /// How many free places the member in this slot has now.
    pub(super) fn weigh(&mut self, slot: Slot, places: Places) {
        let (with, without) = if places.sated {
            (&mut self.sated, &mut self.hungry)
        } else {
            (&mut self.hungry, &mut self.sated)
        };
        with.set(slot, places.for_sessions, places.for_strangers);
        without.set(slot, 0, 0);
    }

    /// A member other than `but`, each as likely as it has free places.
    pub(super) fn draw(&self, but: Slot, stranger: bool, random: &mut ChaCha8Rng) -> Option<ServerId> {
        let weights = [&self.hungry, &self.sated].map(|trees| trees.weights(stranger));
        let weights = weights.into_iter().find(|weights| weights.total() > weights.of(but.0))?;
        self.members[weights.draw(but.0, random)]
    }

    /// Panics unless this member is in that slot and has so many places.
    pub(super) fn check_member(&self, id: ServerId, slot: Slot, places: Option<Places>) {
        assert_eq!(self.members[slot.0], Some(id), "a server is in its slot");
        let Some(Places { for_sessions, for_strangers, sated }) = places else { return };
        let free = (for_sessions, for_strangers);
        let expected = if sated { [(0, 0), free] } else { [free, (0, 0)] };
        assert_eq!(self.weighed(slot), expected, "what was weighed is what is free");
    }

    fn weighed(&self, slot: Slot) -> [(u64, u64); 2] {
        [&self.hungry, &self.sated]
            .map(|trees| (trees.for_sessions.of(slot.0), trees.for_strangers.of(slot.0)))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len() - self.empty.len()
    }

    pub(super) fn check_invariants(&self) {
        for slot in &self.empty {
            assert_eq!(self.members[slot.0], None);
            assert_eq!(self.weighed(*slot), [(0, 0); 2]);
        }
        for trees in [&self.hungry, &self.sated] {
            trees.for_sessions.check_invariants();
            trees.for_strangers.check_invariants();
        }
    }
}

impl Trees {
    fn set(&mut self, slot: Slot, for_sessions: u64, for_strangers: u64) {
        self.for_sessions.set(slot.0, for_sessions);
        self.for_strangers.set(slot.0, for_strangers);
    }

    fn weights(&self, stranger: bool) -> &Weights {
        if stranger { &self.for_strangers } else { &self.for_sessions }
    }
}

/// A binary tree of sums over numbered weights, as a heap: the second half are the weights.
#[derive(Debug)]
struct Weights {
    sums: Vec<u64>,
}

const ROOT: usize = 1;

impl Default for Weights {
    fn default() -> Self {
        Self { sums: vec![0; 2] }
    }
}

impl Weights {
    fn count(&self) -> usize {
        self.sums.len() / 2
    }

    fn total(&self) -> u64 {
        self.sums[ROOT]
    }

    fn of(&self, at: usize) -> u64 {
        self.sums.get(self.count() + at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, weight: u64) {
        while at >= self.count() {
            self.grow();
        }
        let mut node = self.count() + at;
        if self.sums[node] == weight {
            return;
        }
        self.sums[node] = weight;
        while node > ROOT {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
    }

    fn grow(&mut self) {
        let weights = self.sums[self.count()..].to_vec();
        self.sums = vec![0; 2 * self.sums.len()];
        for (at, weight) in weights.into_iter().enumerate() {
            self.set(at, weight);
        }
    }

    /// The number of a weight other than `but`, each as likely as it is heavy; another must be heavier than nothing.
    fn draw(&self, but: usize, random: &mut ChaCha8Rng) -> usize {
        let skipped = self.of(but);
        let places = self.total() - skipped;
        let at = ((u128::from(random.next_u64()) * u128::from(places)) >> 64) as u64;
        self.find(if at < self.before(but) { at } else { at + skipped })
    }

    /// The sum of the weights before this one.
    fn before(&self, at: usize) -> u64 {
        let mut node = self.count() + at;
        let mut sum = 0;
        while node > ROOT && at < self.count() {
            sum += if node % 2 == 1 { self.sums[node - 1] } else { 0 };
            node /= 2;
        }
        sum
    }

    /// The number of the weight in which the sum passes `at`, which is less than the total.
    fn find(&self, mut at: u64) -> usize {
        let mut node = ROOT;
        while node < self.count() {
            node *= 2;
            if at >= self.sums[node] {
                at -= self.sums[node];
                node += 1;
            }
        }
        node - self.count()
    }

    fn check_invariants(&self) {
        for node in ROOT..self.count() {
            assert_eq!(
                self.sums[node],
                self.sums[2 * node] + self.sums[2 * node + 1],
                "a node is its children"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn each_weight_is_found_by_every_number_within_it() {
        let mut weights = Weights::default();
        let given = [3, 0, 1, 0, 0, 5, 2];
        for (at, weight) in given.into_iter().enumerate() {
            weights.set(at, weight);
            weights.check_invariants();
        }
        let expected: Vec<usize> =
            given.iter().enumerate().flat_map(|(at, weight)| vec![at; *weight as usize]).collect();
        let found: Vec<usize> = (0..weights.total()).map(|at| weights.find(at)).collect();
        assert_eq!(found, expected);
        let before: Vec<u64> = (0..given.len()).map(|at| weights.before(at)).collect();
        assert_eq!(before, [0, 3, 3, 4, 4, 4, 9]);
    }

    #[test]
    fn a_member_is_drawn_as_often_as_it_has_places_and_never_the_one_left_out() {
        let (mut pool, mut random) = (Pool::default(), ChaCha8Rng::seed_from_u64(1));
        let ids: Vec<ServerId> = (1..=4).map(ServerId).collect();
        let slots: Vec<Slot> = ids.iter().map(|id| pool.join(*id)).collect();
        assert_eq!(pool.draw(slots[0], false, &mut random), None, "nobody has a place");
        for (slot, places) in slots.iter().zip([1000, 100, 300, 0]) {
            pool.weigh(*slot, Places { for_sessions: places, for_strangers: 0, sated: false });
        }
        let mut drawn = [0; 4];
        for _ in 0..4000 {
            let id = pool.draw(slots[0], false, &mut random).expect("two have places");
            drawn[id.0 as usize - 1] += 1;
        }
        assert_eq!((drawn[0], drawn[3]), (0, 0));
        assert!((900..1100).contains(&drawn[1]), "{drawn:?}");
        assert_eq!(pool.draw(slots[0], true, &mut random), None, "strangers find none");
        let sated = Places { for_sessions: 9, for_strangers: 9, sated: true };
        slots[..3].iter().for_each(|slot| pool.weigh(*slot, sated));
        pool.weigh(slots[3], Places { sated: false, ..sated });
        assert!(
            (0..100).all(|_| pool.draw(slots[0], true, &mut random) == Some(ids[3])),
            "the hungry come first"
        );
        assert_ne!(pool.draw(slots[3], true, &mut random), None, "the sated if there is nobody else");
        slots[1..].iter().for_each(|slot| pool.leave(*slot));
        pool.check_invariants();
        assert_eq!(pool.draw(slots[0], false, &mut random), None);
        assert_eq!(pool.join(ServerId(9)), slots[3], "slots are used again");
    }
}
