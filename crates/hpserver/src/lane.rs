//! A lane: one queue of a stage and the state that its items are for, run by one thread at a time.
//!
//! It exists so that every stage, with threads of its own or inline, is the same code. A lane owns its
//! queue and its state; it does not know what runs it (`fabric`) nor what its items mean.
//!
//! Invariants:
//! - Only whoever holds the lane runs it: `submit` and `wake` hand it to one caller, `finish` and `park`
//!   take it back. "Empty" is read and "idle" written under one lock, so no item is ever stranded.
//! - Counted items have a place before they come: `reserve`, then `submit`. Uncounted ones are bounded by
//!   connections, or by the items that cause them.
//! - Links are a class of their own, with their own places, and are taken first.
//!
//! Limit: `items_max` places a class. Whoever finds none leaves its name; once half are free again every
//! name that was left is called. Until then nobody else gets a place, or the half might never be free.
//! Read next: `fabric`, which runs lanes.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

/// Which half of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Link = 0,
    Rest = 1,
}

impl Class {
    pub(crate) fn of(link: bool) -> Self {
        if link { Self::Link } else { Self::Rest }
    }
}

/// Something that waits in a queue.
pub(crate) trait Item {
    /// Whether it takes a place, which was reserved for it.
    fn counted(&self) -> bool;
}

/// Who waits for places in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A layer 1 worker keeps chunks.
    Worker(usize),
    /// A receive lane has stalled connections; for this shard and class.
    Receive(usize, usize, Class),
    /// A shard keeps what its last step caused.
    Logic(usize),
}

pub(crate) struct Lane<I, T> {
    items_max: usize,
    places: [Places; 2],
    unbounded: AtomicBool,
    queue: Mutex<Queue<I>>,
    state: Mutex<T>,
}

#[derive(Default)]
struct Places {
    taken: AtomicUsize,
    awaited: AtomicBool,
}

struct Queue<I> {
    items: [VecDeque<I>; 2],
    waiters: [Vec<Waiter>; 2],
    status: Status,
    counts: LaneCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Empty, and nobody's.
    Idle,
    /// Somebody's: running, or on its way to be run.
    Held,
    /// Nobody's until the stage after it has places.
    Parked,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LaneCounts {
    pub(crate) items: u64,
    pub(crate) batches: u64,
    pub(crate) length: u64,
    pub(crate) length_peak: u64,
    pub(crate) waits: u64,
}

impl<I: Item, T> Lane<I, T> {
    pub(crate) fn new(items_max: usize, state: T) -> Self {
        Self {
            items_max: items_max.max(1),
            places: Default::default(),
            unbounded: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                items: Default::default(),
                waiters: Default::default(),
                status: Status::Idle,
                counts: LaneCounts::default(),
            }),
            state: Mutex::new(state),
        }
    }

    /// The state. Whoever holds the lane finds the lock free.
    pub(crate) fn state(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one counted item, unless others wait for one.
    pub(crate) fn reserve(&self, class: Class) -> bool {
        let awaited = self.places[class as usize].awaited.load(SeqCst);
        (!awaited || self.unbounded.load(SeqCst)) && self.reserve_ahead(class)
    }

    /// As `reserve`, for whoever cannot wait: ahead of those who do.
    pub(crate) fn reserve_ahead(&self, class: Class) -> bool {
        let taken = &self.places[class as usize].taken;
        let more = |now| (now < self.items_max || self.unbounded.load(SeqCst)).then_some(now + 1);
        taken.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// Gives places back; who waited for them goes to `waiters`.
    pub(crate) fn release(&self, class: Class, count: usize, waiters: &mut Vec<Waiter>) {
        if count == 0 {
            return;
        }
        let places = &self.places[class as usize];
        let left = places.taken.fetch_sub(count, SeqCst) - count;
        if left <= self.items_max / 2 && places.awaited.load(SeqCst) {
            let mut queue = self.queue();
            places.awaited.store(false, SeqCst);
            waiters.append(&mut queue.waiters[class as usize]);
        }
    }

    /// Leaves `waiter`'s name; false: there is a place now, and nobody waits. The name is up before the places
    /// are counted here, and the places are given back before the name is looked for there: one of the two sees.
    pub(crate) fn await_place(&self, class: Class, waiter: Waiter) -> bool {
        let places = &self.places[class as usize];
        let mut queue = self.queue();
        places.awaited.store(true, SeqCst);
        let waiters = &mut queue.waiters[class as usize];
        let has_place = places.taken.load(SeqCst) < self.items_max && waiters.is_empty();
        if has_place || self.unbounded.load(SeqCst) {
            places.awaited.store(!waiters.is_empty(), SeqCst);
            return false;
        }
        if !waiters.contains(&waiter) {
            waiters.push(waiter);
        }
        true
    }

    /// Puts items into the queue; true: the lane is now the caller's, to be scheduled.
    pub(crate) fn submit(&self, items: &mut Vec<(Class, I)>) -> bool {
        if items.is_empty() {
            return false;
        }
        let mut queue = self.queue();
        queue.counts.items += items.len() as u64;
        for (class, item) in items.drain(..) {
            queue.items[class as usize].push_back(item);
        }
        let length = queue.length() as u64;
        queue.counts.length_peak = queue.counts.length_peak.max(length);
        let idle = queue.status == Status::Idle;
        if idle {
            queue.status = Status::Held;
        }
        idle
    }

    /// Moves at most `count` items into `batch`, links first, and gives their places back.
    pub(crate) fn take(&self, count: usize, batch: &mut VecDeque<I>, waiters: &mut Vec<Waiter>) {
        let mut freed = [0; 2];
        {
            let mut queue = self.queue();
            let mut room = count;
            for (items, freed) in queue.items.iter_mut().zip(&mut freed) {
                let taken = room.min(items.len());
                room -= taken;
                for item in items.drain(..taken) {
                    *freed += usize::from(item.counted());
                    batch.push_back(item);
                }
            }
            queue.counts.batches += u64::from(room < count);
        }
        self.release(Class::Link, freed[0], waiters);
        self.release(Class::Rest, freed[1], waiters);
    }

    /// Lets go of the lane, if it is empty; true: it is not, and still the caller's.
    pub(crate) fn finish(&self) -> bool {
        let mut queue = self.queue();
        let more = queue.length() > 0;
        if !more {
            queue.status = Status::Idle;
        }
        more
    }

    /// Lets go of the lane until `wake`, whatever comes.
    pub(crate) fn park(&self) {
        let mut queue = self.queue();
        queue.status = Status::Parked;
        queue.counts.waits += 1;
    }

    /// Ends `park`; true: the lane is now the caller's, to be scheduled.
    pub(crate) fn wake(&self) -> bool {
        let mut queue = self.queue();
        let parked = queue.status == Status::Parked;
        if parked {
            queue.status = Status::Held;
        }
        parked
    }

    /// From now on there is a place for everything: the server ends, nobody waits any more. Who waited
    /// goes to `waiters`.
    pub(crate) fn unbound(&self, waiters: &mut Vec<Waiter>) {
        self.unbounded.store(true, SeqCst);
        let mut queue = self.queue();
        for names in &mut queue.waiters {
            waiters.append(names);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue().length() == 0
    }

    pub(crate) fn counts(&self) -> LaneCounts {
        let queue = self.queue();
        LaneCounts { length: queue.length() as u64, ..queue.counts }
    }

    /// Every change under the lock is whole before anything can panic, so a poisoned one is sound.
    fn queue(&self) -> MutexGuard<'_, Queue<I>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Queue<I> {
    fn length(&self) -> usize {
        self.items[0].len() + self.items[1].len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Item for u32 {
        fn counted(&self) -> bool {
            true
        }
    }

    fn put(lane: &Lane<u32, ()>, class: Class, item: u32) -> bool {
        assert!(lane.reserve(class));
        lane.submit(&mut vec![(class, item)])
    }

    #[test]
    fn a_lane_is_handed_to_one_caller() {
        let lane = Lane::new(8, ());
        assert!(put(&lane, Class::Rest, 1));
        assert!(!put(&lane, Class::Rest, 2));
        let mut batch = VecDeque::new();
        lane.take(1, &mut batch, &mut Vec::new());
        assert!(lane.finish(), "one item is left");
        lane.take(9, &mut batch, &mut Vec::new());
        assert!(!lane.finish());
        assert_eq!(batch, [1, 2]);
        assert!(put(&lane, Class::Rest, 3));
    }

    #[test]
    fn links_are_taken_first_and_have_their_own_places() {
        let lane = Lane::new(2, ());
        put(&lane, Class::Rest, 1);
        put(&lane, Class::Rest, 2);
        assert!(!lane.reserve(Class::Rest));
        put(&lane, Class::Link, 3);
        let mut batch = VecDeque::new();
        lane.take(2, &mut batch, &mut Vec::new());
        assert_eq!(batch, [3, 1]);
    }

    #[test]
    fn who_waits_is_called_at_half() {
        let lane = Lane::new(4, ());
        for item in 0..4 {
            put(&lane, Class::Rest, item);
        }
        assert!(lane.await_place(Class::Rest, Waiter::Logic(7)));
        assert!(lane.await_place(Class::Rest, Waiter::Logic(7)));
        let (mut batch, mut waiters) = (VecDeque::new(), Vec::new());
        lane.take(1, &mut batch, &mut waiters);
        assert!(waiters.is_empty());
        lane.take(1, &mut batch, &mut waiters);
        assert_eq!(waiters, [Waiter::Logic(7)]);
        assert!(!lane.await_place(Class::Rest, Waiter::Logic(7)), "there is a place");
    }

    #[test]
    fn a_newcomer_waits_behind_those_who_wait() {
        let lane = Lane::new(4, ());
        let mut called = Vec::new();
        (0..4).for_each(|item| _ = put(&lane, Class::Rest, item));
        assert!(lane.await_place(Class::Rest, Waiter::Logic(7)));
        lane.take(1, &mut VecDeque::new(), &mut called);
        assert!(!lane.reserve(Class::Rest), "a place, but not for a newcomer");
        assert!(lane.await_place(Class::Rest, Waiter::Logic(8)));
        assert!(lane.reserve(Class::Link), "of another class");
        assert!(lane.reserve_ahead(Class::Rest));
        lane.take(1, &mut VecDeque::new(), &mut called);
        assert_eq!(called, []);
        lane.take(1, &mut VecDeque::new(), &mut called);
        assert_eq!(called, [Waiter::Logic(7), Waiter::Logic(8)]);
        assert!(lane.reserve(Class::Rest));
    }

    #[test]
    fn at_the_end_there_is_a_place_for_everybody() {
        let lane = Lane::new(1, ());
        put(&lane, Class::Rest, 1);
        assert!(lane.await_place(Class::Rest, Waiter::Logic(7)));
        let mut called = Vec::new();
        lane.unbound(&mut called);
        assert_eq!(called, [Waiter::Logic(7)]);
        assert!(!lane.await_place(Class::Rest, Waiter::Logic(7)));
        assert!(lane.reserve(Class::Rest));
    }

    #[test]
    fn a_parked_lane_is_scheduled_by_wake_alone() {
        let lane = Lane::new(4, ());
        assert!(!lane.wake());
        assert!(put(&lane, Class::Rest, 1));
        lane.park();
        assert!(!put(&lane, Class::Rest, 2));
        assert!(lane.wake());
        assert!(!lane.wake());
    }
}
