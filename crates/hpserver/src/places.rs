//! The places of a queue: how many are taken, and who waits for one.
//!
//! It exists so that a full queue is felt by whoever brings work, and by nobody else. Who has a place may put one
//! item into the queue, later, without asking again.
//!
//! Invariants: never more than `max` are taken, until `unbound`. Whoever finds none leaves a name; once half
//! are free again every name that was left is called. Until then no newcomer gets a place, or the half might never
//! be free. A name is put up before the places are counted, and places are given back before the names are looked
//! for: one of the two sees the other, so nobody waits for a call that never comes.
//! Limit: one name for each who can wait.
//! Read next: `lane`, whose queue this bounds; `tests/orders`, which tries the orders.

use crate::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

pub(crate) struct Places<W> {
    max: usize,
    taken: AtomicUsize,
    /// Names are up.
    awaited: AtomicBool,
    /// The server ends: there is a place for everything.
    unbounded: AtomicBool,
    names: Mutex<Vec<W>>,
}

impl<W: PartialEq> Places<W> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            taken: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            unbounded: AtomicBool::new(false),
            names: Mutex::new(Vec::new()),
        }
    }

    /// How many there are.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes up to `wanted` places, none if others wait for one; how many.
    pub(crate) fn reserve(&self, wanted: usize) -> usize {
        let awaited = self.awaited.load(SeqCst) && !self.unbounded.load(SeqCst);
        if awaited { 0 } else { self.reserve_ahead(wanted) }
    }

    /// As `reserve`, for whoever cannot wait: ahead of those who do.
    pub(crate) fn reserve_ahead(&self, wanted: usize) -> usize {
        let mut taken = self.taken.load(SeqCst);
        loop {
            let free = self.max.saturating_sub(taken);
            let granted = if self.unbounded.load(SeqCst) { wanted } else { wanted.min(free) };
            if granted == 0 {
                return 0;
            }
            match self.taken.compare_exchange(taken, taken + granted, SeqCst, SeqCst) {
                Ok(_) => return granted,
                Err(now) => taken = now,
            }
        }
    }

    /// Gives places back; who is to be called goes to `called`.
    pub(crate) fn release(&self, count: usize, called: &mut Vec<W>) {
        if count == 0 {
            return;
        }
        let left = self.taken.fetch_sub(count, SeqCst) - count;
        if left <= self.max / 2 && self.awaited.load(SeqCst) {
            let mut names = self.names();
            self.awaited.store(false, SeqCst);
            called.append(&mut names);
        }
    }

    /// Leaves a name; false: there is a place now, and nobody waits.
    pub(crate) fn wait(&self, name: W) -> bool {
        let mut names = self.names();
        self.awaited.store(true, SeqCst);
        let has_place = self.taken.load(SeqCst) < self.max && names.is_empty();
        if has_place || self.unbounded.load(SeqCst) {
            self.awaited.store(!names.is_empty(), SeqCst);
            return false;
        }
        if !names.contains(&name) {
            names.push(name);
        }
        true
    }

    /// From now on there is a place for everything, and nobody waits any more.
    pub(crate) fn unbound(&self, called: &mut Vec<W>) {
        self.unbounded.store(true, SeqCst);
        called.append(&mut self.names());
    }

    /// A list of names is whole between any two of its operations, so a poisoned lock is sound.
    fn names(&self) -> MutexGuard<'_, Vec<W>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
