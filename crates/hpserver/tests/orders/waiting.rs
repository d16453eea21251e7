//! Places: nobody waits for a call that never comes, and nobody overtakes those who wait.
//!
//! Producers bring items into a queue of few places, and sleep where there is none until they are called; a consumer
//! takes what is there and gives the places back. Nobody sleeping for ever is shuttle's own check. What the test
//! itself remembers is in plain atomics: no step for shuttle, so true at every step.

use std::sync::atomic::AtomicUsize as Remembered;

use shuttle::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::{alone, check, places::Places};

const PRODUCERS: usize = 3;
const ITEMS: usize = 3;

/// What is checked: `Places`, or the sketch of it.
trait Gate: Send + Sync + 'static {
    fn reserve(&self, wanted: usize) -> usize;
    fn release(&self, count: usize, called: &mut Vec<usize>);
    fn wait(&self, name: usize) -> bool;
    fn unbound(&self, called: &mut Vec<usize>);
}

impl Gate for Places<usize> {
    fn reserve(&self, wanted: usize) -> usize {
        self.reserve(wanted)
    }

    fn release(&self, count: usize, called: &mut Vec<usize>) {
        self.release(count, called);
    }

    fn wait(&self, name: usize) -> bool {
        self.wait(name)
    }

    fn unbound(&self, called: &mut Vec<usize>) {
        self.unbound(called);
    }
}

/// The rule that a sketch leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It takes places in two steps.
    TakesWithoutComparing,
    /// It gives places to whoever asks, also while others wait.
    ServesNewcomers,
    /// It counts the places before the name is up.
    CountsFirst,
    /// It looks for names before it gives places back.
    LooksFirst,
    /// At the end it calls the names before it says that nobody needs to wait.
    CallsBeforeTheEnd,
    /// It lets people wait after the end.
    WaitsAfterTheEnd,
}

/// `Places` written again, but for one rule.
struct Sketch {
    fault: Fault,
    max: usize,
    taken: AtomicUsize,
    awaited: AtomicBool,
    unbounded: AtomicBool,
    names: Mutex<Vec<usize>>,
}

impl Sketch {
    fn new(max: usize, fault: Fault) -> Self {
        Self {
            fault,
            max,
            taken: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            unbounded: AtomicBool::new(false),
            names: Mutex::new(Vec::new()),
        }
    }

    fn is_full(&self) -> bool {
        self.taken.load(SeqCst) >= self.max
    }
}

impl Gate for Sketch {
    fn reserve(&self, wanted: usize) -> usize {
        let bounded = !self.unbounded.load(SeqCst);
        if bounded && self.fault != Fault::ServesNewcomers && self.awaited.load(SeqCst) {
            return 0;
        }
        let grant = |taken| if bounded { wanted.min(self.max.saturating_sub(taken)) } else { wanted };
        if self.fault == Fault::TakesWithoutComparing {
            let granted = grant(self.taken.load(SeqCst));
            self.taken.fetch_add(granted, SeqCst);
            return granted;
        }
        let taken = self.taken.fetch_update(SeqCst, SeqCst, |taken| Some(taken + grant(taken)));
        grant(taken.unwrap())
    }

    fn release(&self, count: usize, called: &mut Vec<usize>) {
        let looked = self.fault == Fault::LooksFirst && !self.awaited.load(SeqCst);
        let left = self.taken.fetch_sub(count, SeqCst) - count;
        if left > self.max / 2 || looked || !self.awaited.load(SeqCst) {
            return;
        }
        let mut names = self.names.lock().unwrap();
        self.awaited.store(false, SeqCst);
        called.append(&mut names);
    }

    fn wait(&self, name: usize) -> bool {
        let full_before = self.is_full();
        let mut names = self.names.lock().unwrap();
        self.awaited.store(true, SeqCst);
        let full = if self.fault == Fault::CountsFirst { full_before } else { self.is_full() };
        let ended = self.fault != Fault::WaitsAfterTheEnd && self.unbounded.load(SeqCst);
        let waits = !ended && (full || !names.is_empty());
        if waits {
            names.push(name);
        }
        self.awaited.store(!names.is_empty(), SeqCst);
        waits
    }

    fn unbound(&self, called: &mut Vec<usize>) {
        if self.fault == Fault::CallsBeforeTheEnd {
            called.append(&mut self.names.lock().unwrap());
        }
        self.unbounded.store(true, SeqCst);
        if self.fault != Fault::CallsBeforeTheEnd {
            called.append(&mut self.names.lock().unwrap());
        }
    }
}

/// What producers and consumer share.
struct Hall<G> {
    gate: G,
    max: usize,
    queue: Mutex<usize>,
    filled: Condvar,
    bells: [(Mutex<bool>, Condvar); PRODUCERS],
    seen: Seen,
}

/// Who waits, a bit each, and how often places were, and are being, given back.
#[derive(Default)]
struct Seen {
    waiting: Remembered,
    releases: Remembered,
    releasing: Remembered,
}

impl<G: Gate> Hall<G> {
    fn new(gate: G, max: usize) -> Arc<Self> {
        Arc::new(Self {
            gate,
            max,
            queue: Mutex::new(0),
            filled: Condvar::new(),
            bells: Default::default(),
            seen: Seen::default(),
        })
    }

    fn reserve(&self, wanted: usize) -> usize {
        let seen = &self.seen;
        let releases = seen.releases.load(SeqCst);
        let others_wait = seen.waiting.load(SeqCst) != 0 && seen.releasing.load(SeqCst) == 0;
        let granted = self.gate.reserve(wanted);
        let nobody_called = others_wait && seen.releases.load(SeqCst) == releases;
        assert!(granted == 0 || !nobody_called, "those who wait were overtaken");
        granted
    }

    fn wait(&self, name: usize) {
        if !self.gate.wait(name) {
            return;
        }
        self.seen.waiting.fetch_or(1 << name, SeqCst);
        let (rung, bell) = &self.bells[name];
        *bell.wait_while(rung.lock().unwrap(), |rung| !*rung).unwrap() = false;
    }

    fn give_back(&self, count: usize) {
        self.call(|called| self.gate.release(count, called));
        self.seen.releasing.fetch_sub(1, SeqCst);
    }

    /// From now on nobody is overtaken: there is a place for everything.
    fn end(&self) {
        self.call(|called| self.gate.unbound(called));
    }

    fn call(&self, release: impl FnOnce(&mut Vec<usize>)) {
        let mut called = Vec::new();
        self.seen.releases.fetch_add(1, SeqCst);
        self.seen.releasing.fetch_add(1, SeqCst);
        release(&mut called);
        for name in called {
            let (rung, bell) = &self.bells[name];
            let mut rung = rung.lock().unwrap();
            self.seen.waiting.fetch_and(!(1 << name), SeqCst);
            *rung = true;
            bell.notify_one();
        }
    }

    /// Some use what they are given, some give half of it back.
    fn produce(&self, name: usize) {
        let mut left = ITEMS;
        while left > 0 {
            let granted = self.reserve(left.min(2));
            if granted == 0 {
                self.wait(name);
                continue;
            }
            let used = if name.is_multiple_of(2) { granted } else { 1 };
            self.put(used);
            left -= used;
            if granted > used {
                self.give_back(granted - used);
            }
        }
    }

    fn put(&self, count: usize) {
        let mut queue = self.queue.lock().unwrap();
        *queue += count;
        assert!(*queue <= self.max, "more items than places");
        self.filled.notify_one();
    }

    fn consume(&self) {
        let mut left = PRODUCERS * ITEMS;
        while left > 0 {
            let mut queue = self.filled.wait_while(self.queue.lock().unwrap(), |count| *count == 0).unwrap();
            let batch = std::mem::take(&mut *queue);
            drop(queue);
            left -= batch;
            self.give_back(batch);
        }
    }

    fn spawn_producers(self: &Arc<Self>) -> Vec<thread::JoinHandle<()>> {
        let produce = |name| {
            let hall = Arc::clone(self);
            thread::spawn(move || hall.produce(name))
        };
        (0..PRODUCERS).map(produce).collect()
    }
}

/// A consumer that never stops: everybody gets everything in.
fn crossing<G: Gate>(max: usize, gate: impl Fn(usize) -> G + Send + Sync + 'static) {
    check(move || {
        let hall = Hall::new(gate(max), max);
        let producers = hall.spawn_producers();
        hall.consume();
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(hall.gate.reserve(9), max, "not every place came back");
    });
}

/// No consumer, but an end: nobody is left waiting, as from then on there is a place for everything.
fn ending<G: Gate>(gate: impl Fn(usize) -> G + Send + Sync + 'static) {
    check(move || {
        let hall = Hall::new(gate(1), usize::MAX);
        let producers = hall.spawn_producers();
        hall.end();
        for producer in producers {
            producer.join().unwrap();
        }
    });
}

fn broken(max: usize, fault: Fault) {
    crossing(max, move |max| Sketch::new(max, fault));
}

#[test]
fn whoever_waits_is_called_and_not_overtaken() {
    for max in [1, 2, 4] {
        crossing(max, Places::new);
    }
}

#[test]
fn at_the_end_nobody_waits() {
    ending(Places::new);
}

#[test]
fn a_sketch_without_a_fault_is_as_good() {
    broken(1, Fault::None);
    broken(4, Fault::None);
    ending(|max| Sketch::new(max, Fault::None));
}

#[test]
#[should_panic(expected = "more items than places")]
fn places_taken_without_comparing_are_too_many() {
    broken(2, Fault::TakesWithoutComparing);
}

#[test]
#[should_panic(expected = "overtaken")]
fn newcomers_that_are_served_overtake() {
    broken(4, Fault::ServesNewcomers);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_name_put_up_after_counting_is_not_called() {
    broken(1, Fault::CountsFirst);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_look_before_giving_back_misses_a_name() {
    broken(1, Fault::LooksFirst);
}

#[test]
#[should_panic(expected = "deadlock")]
fn names_called_before_the_end_is_said_leave_the_next() {
    ending(|max| Sketch::new(max, Fault::CallsBeforeTheEnd));
}

#[test]
#[should_panic(expected = "deadlock")]
fn who_may_wait_after_the_end_waits_for_ever() {
    ending(|max| Sketch::new(max, Fault::WaitsAfterTheEnd));
}

fn release(places: &Places<u8>, count: usize) -> Vec<u8> {
    let mut called = Vec::new();
    places.release(count, &mut called);
    called
}

#[test]
fn as_many_as_there_are() {
    alone(|| {
        let places = Places::<u8>::new(4);
        assert_eq!(places.reserve(3), 3);
        assert_eq!(places.reserve(3), 1);
        assert_eq!(places.reserve(1), 0);
        assert_eq!(release(&places, 2), []);
        assert_eq!(places.reserve(9), 2);
    });
}

#[test]
fn who_waits_is_called_at_half() {
    alone(|| {
        let places = Places::new(4);
        assert_eq!(places.reserve(4), 4);
        assert!(places.wait(7) && places.wait(7));
        assert_eq!(release(&places, 1), []);
        assert_eq!(release(&places, 1), [7]);
        assert!(!places.wait(7), "there is a place");
    });
}

#[test]
fn a_newcomer_waits_behind_those_who_wait() {
    alone(|| {
        let places = Places::new(4);
        places.reserve(4);
        assert!(places.wait(7));
        release(&places, 1);
        assert_eq!(places.reserve(1), 0, "a place, but not for a newcomer");
        assert!(places.wait(8));
        assert_eq!(places.reserve_ahead(1), 1);
        assert_eq!(release(&places, 1), []);
        assert_eq!(release(&places, 1), [7, 8]);
        assert_eq!(places.reserve(1), 1);
    });
}

#[test]
fn at_the_end_there_is_a_place_for_everybody() {
    alone(|| {
        let places = Places::new(1);
        places.reserve(1);
        assert!(places.wait(7));
        let mut called = Vec::new();
        places.unbound(&mut called);
        assert_eq!(called, [7]);
        assert!(!places.wait(7));
        assert_eq!(places.reserve(9), 9);
    });
}
