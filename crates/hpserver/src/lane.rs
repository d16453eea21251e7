//! A lane: one queue of a stage and the state that its items are for, run by one thread at a time.
//!
//! It exists so that every stage, with threads of its own or inline, is the same code. A lane owns its
//! queue and its state; it does not know what runs it (`fabric`) nor what its items mean.
//!
//! Invariants:
//! - Only whoever holds the lane runs it: `submit` and `wake` hand it to one caller, `finish` and `park`
//!   take it back. "Empty" is read and "idle" written under one lock, so no item is ever stranded.
//! - Counted items have a place before they come (`places`); theirs is given back when they are taken. Uncounted
//!   ones are bounded by connections, or by the items that cause them.
//! - Links are a class of their own, with their own places, and are taken first.
//!
//! Limit: `items_max` places a class.
//! Read next: `fabric`, which runs lanes; `tests/orders`, which tries the orders.

use std::{collections::VecDeque, time::Duration};

use crate::{
    delays::{Delays, Stopwatch},
    pace::Pace,
    places::Places,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Which half of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Link = 0,
    Rest = 1,
}

impl Class {
    pub(crate) const ALL: [Self; 2] = [Self::Link, Self::Rest];

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

/// Items on their way into a lane: they cross the queue together.
pub(crate) struct Bundle<I> {
    items: [VecDeque<I>; 2],
}

impl<I> Default for Bundle<I> {
    fn default() -> Self {
        Self { items: Default::default() }
    }
}

impl<I> Bundle<I> {
    pub(crate) fn of(class: Class, item: I) -> Self {
        let mut bundle = Self::default();
        bundle.push(class, item);
        bundle
    }

    pub(crate) fn push(&mut self, class: Class, item: I) {
        self.items[class as usize].push_back(item);
    }

    pub(crate) fn class(&mut self, class: Class) -> &mut VecDeque<I> {
        &mut self.items[class as usize]
    }

    pub(crate) fn has(&self, class: Class) -> bool {
        !self.items[class as usize].is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.iter().all(VecDeque::is_empty)
    }
}

/// So many places are reserved at once; fewer of a short queue, where whoever holds them holds up others.
const CREDIT_MAX: usize = 32;
const CREDITS_MIN: usize = 64;

/// Places of a lane that a run has reserved and not used.
#[derive(Default)]
pub(crate) struct Credit {
    places: [usize; 2],
}

impl Credit {
    /// A place in `lane`; false: there is none.
    pub(crate) fn take<I: Item, T>(&mut self, lane: &Lane<I, T>, class: Class) -> bool {
        let left = &mut self.places[class as usize];
        if *left == 0 {
            let places = lane.places(class);
            *left = places.reserve((places.max() / CREDITS_MIN).clamp(1, CREDIT_MAX));
        }
        let has_place = *left > 0;
        *left -= usize::from(has_place);
        has_place
    }

    /// What was taken last was not used.
    pub(crate) fn put_back(&mut self, class: Class) {
        self.places[class as usize] += 1;
    }

    /// The run ends.
    pub(crate) fn give_back<I: Item, T>(&mut self, lane: &Lane<I, T>, called: &mut Vec<Waiter>) {
        for class in Class::ALL {
            lane.places(class).release(std::mem::take(&mut self.places[class as usize]), called);
        }
    }
}

pub(crate) struct Lane<I, T> {
    places: [Places<Waiter>; 2],
    queue: Mutex<Queue<I>>,
    state: Mutex<T>,
}

struct Queue<I> {
    items: Bundle<I>,
    status: Status,
    /// What its runs have taken so far.
    pace: Pace,
    /// Items of the run that is under way.
    running: usize,
    counts: LaneCounts,
    stopwatch: Stopwatch,
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

/// The lane is the caller's, to be scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Held {
    /// What its next run will take, going by those before.
    pub(crate) expected: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LaneCounts {
    pub(crate) items: u64,
    pub(crate) batches: u64,
    pub(crate) length: u64,
    pub(crate) length_peak: u64,
    pub(crate) waits: u64,
    pub(crate) delays: Delays,
}

impl<I: Item, T> Lane<I, T> {
    pub(crate) fn new(items_max: usize, state: T) -> Self {
        Self {
            places: [Places::new(items_max), Places::new(items_max)],
            queue: Mutex::new(Queue {
                items: Bundle::default(),
                status: Status::Idle,
                pace: Pace::default(),
                running: 0,
                counts: LaneCounts::default(),
                stopwatch: Stopwatch::default(),
            }),
            state: Mutex::new(state),
        }
    }

    /// The state. Whoever holds the lane finds the lock free.
    pub(crate) fn state(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn places(&self, class: Class) -> &Places<Waiter> {
        &self.places[class as usize]
    }

    /// Puts items into the queue, and leaves `bundle` empty.
    pub(crate) fn submit(&self, bundle: &mut Bundle<I>) -> Option<Held> {
        if bundle.is_empty() {
            return None;
        }
        let mut queue = self.queue();
        queue.counts.items += bundle.len() as u64;
        let first = if bundle.has(Class::Rest) { Class::Rest } else { Class::Link };
        queue.comes(first);
        for (queued, new) in queue.items.items.iter_mut().zip(&mut bundle.items) {
            if queued.is_empty() {
                std::mem::swap(queued, new);
            } else {
                queued.append(new);
            }
        }
        queue.counts.length_peak = queue.counts.length_peak.max(queue.items.len() as u64);
        let idle = queue.status == Status::Idle;
        idle.then(|| queue.hold())
    }

    /// Moves at most `count` items into the empty `batch`, links first, and gives their places back.
    pub(crate) fn take(&self, count: usize, batch: &mut VecDeque<I>, called: &mut Vec<Waiter>) {
        debug_assert!(batch.is_empty(), "a batch is handled before the next is taken");
        let links = {
            let mut queue = self.queue();
            let [links, rest] = &mut queue.items.items;
            let links_taken = links.len().min(count);
            if links.is_empty() && rest.len() <= count {
                std::mem::swap(batch, rest);
            } else {
                batch.extend(links.drain(..links_taken));
                batch.extend(rest.drain(..rest.len().min(count - links_taken)));
            }
            queue.running += batch.len();
            queue.counts.batches += u64::from(!batch.is_empty());
            queue.stopwatch.taken([links_taken, batch.len() - links_taken]);
            links_taken
        };
        let counted = batch.iter().filter(|item| item.counted()).count();
        let counted_links = batch.iter().take(links).filter(|item| item.counted()).count();
        self.places(Class::Link).release(counted_links, called);
        self.places(Class::Rest).release(counted - counted_links, called);
    }

    /// Lets go of the lane after a run that took so long, if the queue is empty.
    pub(crate) fn finish(&self, spent: Option<Duration>) -> Option<Held> {
        let mut queue = self.queue();
        queue.ran(spent);
        if queue.items.is_empty() {
            queue.status = Status::Idle;
            return None;
        }
        Some(queue.hold())
    }

    /// The lane stays the caller's.
    pub(crate) fn keep(&self, spent: Option<Duration>) -> Held {
        let mut queue = self.queue();
        queue.ran(spent);
        queue.hold()
    }

    /// Lets go of the lane until `wake`, whatever comes.
    pub(crate) fn park(&self, spent: Option<Duration>) {
        let mut queue = self.queue();
        queue.ran(spent);
        queue.status = Status::Parked;
        queue.counts.waits += 1;
    }

    /// Ends `park`.
    pub(crate) fn wake(&self) -> Option<Held> {
        let mut queue = self.queue();
        let parked = queue.status == Status::Parked;
        parked.then(|| queue.hold())
    }

    /// From now on there is a place for everything: the server ends, nobody waits any more.
    pub(crate) fn unbound(&self, called: &mut Vec<Waiter>) {
        self.places.iter().for_each(|places| places.unbound(called));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue().items.is_empty()
    }

    pub(crate) fn counts(&self) -> LaneCounts {
        let queue = self.queue();
        LaneCounts { length: queue.items.len() as u64, delays: queue.stopwatch.delays, ..queue.counts }
    }

    /// Every change under the lock is whole before anything can panic, so a poisoned one is sound.
    fn queue(&self) -> MutexGuard<'_, Queue<I>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Queue<I> {
    fn hold(&mut self) -> Held {
        self.status = Status::Held;
        Held { expected: self.pace.expected(self.items.len()) }
    }

    /// A bundle is on its way in, with an item of this class.
    fn comes(&mut self, class: Class) {
        self.stopwatch.coming(self.counts.batches, class, self.items.class(class).len());
    }

    fn ran(&mut self, spent: Option<Duration>) {
        let items = std::mem::take(&mut self.running);
        if let Some(spent) = spent {
            self.pace.note(items, spent);
        }
    }
}
