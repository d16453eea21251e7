//! A lane: run by one thread at a time, and nothing in it is left behind.
//!
//! Producers put items into a lane; whoever is handed it runs it, on whichever thread. A run hands its items on into
//! a queue of one place, and where there is none it parks its lane, as `Fabric::settle` does. The thread behind that
//! queue gives the places back and wakes the lane, as `Fabric::call` does, and so may have to run it itself. A third
//! wakes it at any time: a call that was meant for an earlier wait.

use std::{collections::VecDeque, sync::Mutex as Remembered, time::Duration};

use shuttle::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::{
    alone, check,
    lane::{Bundle, Class, Item, Lane},
    places::Places,
};

const PRODUCERS: usize = 2;
const ITEMS: usize = 3;
/// The lane's name where it waits for places.
const NAME: u8 = 1;

/// An item by producer and number.
type Numbered = (usize, usize);

impl Item for Numbered {
    fn counted(&self) -> bool {
        false
    }
}

/// What is checked: `Lane`, or the sketch of it. `true`: the lane is the caller's.
trait Baton: Send + Sync + 'static {
    fn submit(&self, item: Numbered) -> bool;
    fn take(&self, batch: &mut VecDeque<Numbered>);
    fn finish(&self) -> bool;
    fn park(&self);
    fn wake(&self) -> bool;
}

impl Baton for Lane<Numbered, ()> {
    fn submit(&self, item: Numbered) -> bool {
        self.submit(&mut Bundle::of(Class::Rest, item)).is_some()
    }

    fn take(&self, batch: &mut VecDeque<Numbered>) {
        self.take(2, batch, &mut Vec::new());
    }

    fn finish(&self) -> bool {
        self.finish(None).is_some()
    }

    fn park(&self) {
        self.park(None);
    }

    fn wake(&self) -> bool {
        self.wake().is_some()
    }
}

fn lane() -> Lane<Numbered, ()> {
    Lane::new(1, ())
}

/// The rule that a sketch leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// "Empty" is read under one lock, and "idle" written under the next.
    LooksThenLetsGo,
    /// Whoever finds the queue empty is handed the lane.
    HandsOutAnEmptyQueue,
    /// Whoever wakes the lane is handed it.
    WakesWhatIsAwake,
}

/// `Lane` written again, but for one rule.
struct Sketch {
    fault: Fault,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Numbered>,
    status: Status,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Status {
    #[default]
    Idle,
    Held,
    Parked,
}

impl Sketch {
    fn new(fault: Fault) -> Self {
        Self { fault, queue: Mutex::default() }
    }

    /// Hands the lane to the caller if that is so.
    fn hold_if(&self, may: impl FnOnce(&mut Queue) -> bool) -> bool {
        let mut queue = self.queue.lock().unwrap();
        let holds = may(&mut queue);
        if holds {
            queue.status = Status::Held;
        }
        holds
    }
}

impl Baton for Sketch {
    fn submit(&self, item: Numbered) -> bool {
        self.hold_if(|queue| {
            let was_empty = queue.items.is_empty();
            queue.items.push_back(item);
            if self.fault == Fault::HandsOutAnEmptyQueue { was_empty } else { queue.status == Status::Idle }
        })
    }

    fn take(&self, batch: &mut VecDeque<Numbered>) {
        batch.append(&mut self.queue.lock().unwrap().items);
    }

    fn finish(&self) -> bool {
        let empty = self.queue.lock().unwrap().items.is_empty();
        self.hold_if(|queue| {
            let empty = if self.fault == Fault::LooksThenLetsGo { empty } else { queue.items.is_empty() };
            queue.status = Status::Idle;
            !empty
        })
    }

    fn park(&self) {
        self.queue.lock().unwrap().status = Status::Parked;
    }

    fn wake(&self) -> bool {
        self.hold_if(|queue| self.fault == Fault::WakesWhatIsAwake || queue.status == Status::Parked)
    }
}

/// How a run that found no place lets go of its lane; `true`: it is the caller's again.
type LetGo<B> = fn(&Stage<B>) -> bool;

/// As `Fabric::settle`.
fn park_then_wait<B: Baton>(stage: &Stage<B>) -> bool {
    stage.lane.park();
    !stage.next.wait(NAME) && stage.lane.wake()
}

fn wait_then_park<B: Baton>(stage: &Stage<B>) -> bool {
    let waits = stage.next.wait(NAME);
    stage.lane.park();
    !waits && stage.lane.wake()
}

fn park_and_trust<B: Baton>(stage: &Stage<B>) -> bool {
    stage.lane.park();
    stage.next.wait(NAME);
    false
}

struct Stage<B> {
    lane: B,
    let_go: LetGo<B>,
    /// What a run has taken and not handed on. Never locked by two: whoever runs the lane holds it.
    state: Remembered<VecDeque<Numbered>>,
    next: Places<u8>,
    queue: Mutex<VecDeque<Numbered>>,
    filled: Condvar,
}

impl<B: Baton> Stage<B> {
    fn new(lane: B, let_go: LetGo<B>) -> Arc<Self> {
        Arc::new(Self {
            lane,
            let_go,
            state: Remembered::default(),
            next: Places::new(1),
            queue: Mutex::default(),
            filled: Condvar::new(),
        })
    }

    /// As `Fabric::settle`, again and again until the lane is no longer the caller's.
    fn run(&self) {
        loop {
            let done = self.step();
            let held = if done { self.lane.finish() } else { (self.let_go)(self) };
            if !held {
                return;
            }
        }
    }

    /// One run; `false`: it found no place for something.
    fn step(&self) -> bool {
        let mut state = self.state.try_lock().expect("two hold the lane");
        if state.is_empty() {
            self.lane.take(&mut state);
        }
        while let Some(item) = state.front() {
            if self.next.reserve(1) == 0 {
                return false;
            }
            self.queue.lock().unwrap().push_back(*item);
            self.filled.notify_one();
            state.pop_front();
        }
        true
    }

    fn produce(&self, producer: usize) {
        for number in 0..ITEMS {
            if self.lane.submit((producer, number)) {
                self.run();
            }
        }
    }

    /// The stage after: everything arrives, in order.
    fn consume(&self) {
        let mut numbers = [0; PRODUCERS];
        for _ in 0..PRODUCERS * ITEMS {
            let queue = self.queue.lock().unwrap();
            let mut queue = self.filled.wait_while(queue, |queue| queue.is_empty()).unwrap();
            let (producer, number) = queue.pop_front().unwrap();
            drop(queue);
            assert_eq!(number, numbers[producer], "out of order");
            numbers[producer] += 1;
            let mut called = Vec::new();
            self.next.release(1, &mut called);
            if !called.is_empty() {
                self.wake();
            }
        }
    }

    fn wake(&self) {
        if self.lane.wake() {
            self.run();
        }
    }
}

fn model<B: Baton>(lane: fn() -> B, let_go: LetGo<B>) {
    check(move || {
        let stage = Stage::new(lane(), let_go);
        let producers = (0..PRODUCERS).map(|producer| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.produce(producer))
        });
        let caller = Arc::clone(&stage);
        let others: Vec<_> = producers.chain([thread::spawn(move || caller.wake())]).collect();
        stage.consume();
        for other in others {
            other.join().unwrap();
        }
        assert!(stage.lane.submit((0, 0)), "the lane was left to somebody");
    });
}

#[test]
fn a_lane_has_one_holder_and_strands_nothing() {
    model(lane, park_then_wait);
}

#[test]
fn a_sketch_without_a_fault_is_as_good() {
    model(|| Sketch::new(Fault::None), park_then_wait);
}

#[test]
#[should_panic(expected = "deadlock")]
fn what_comes_between_a_look_and_letting_go_is_stranded() {
    model(|| Sketch::new(Fault::LooksThenLetsGo), park_then_wait);
}

#[test]
#[should_panic(expected = "two hold the lane")]
fn a_queue_that_is_empty_may_still_have_a_holder() {
    model(|| Sketch::new(Fault::HandsOutAnEmptyQueue), park_then_wait);
}

#[test]
#[should_panic(expected = "two hold the lane")]
fn a_lane_that_is_awake_has_a_holder() {
    model(|| Sketch::new(Fault::WakesWhatIsAwake), park_then_wait);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_call_that_comes_before_the_lane_is_parked_is_lost() {
    model(lane, wait_then_park);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_lane_that_parks_without_waiting_is_never_called() {
    model(lane, park_and_trust);
}

impl Item for u32 {
    fn counted(&self) -> bool {
        true
    }
}

fn put(lane: &Lane<u32, ()>, class: Class, item: u32) -> bool {
    assert_eq!(lane.places(class).reserve(1), 1);
    lane.submit(&mut Bundle::of(class, item)).is_some()
}

fn take(lane: &Lane<u32, ()>, count: usize) -> VecDeque<u32> {
    let mut batch = VecDeque::new();
    lane.take(count, &mut batch, &mut Vec::new());
    batch
}

#[test]
fn a_lane_is_handed_to_one_caller() {
    alone(|| {
        let lane = Lane::new(8, ());
        assert!(put(&lane, Class::Rest, 1));
        assert!(!put(&lane, Class::Rest, 2));
        assert_eq!(take(&lane, 1), [1]);
        assert!(lane.finish(None).is_some(), "one item is left");
        assert_eq!(take(&lane, 9), [2]);
        assert!(lane.finish(None).is_none());
        assert!(put(&lane, Class::Rest, 3));
    });
}

#[test]
fn links_are_taken_first_and_have_their_own_places() {
    alone(|| {
        let lane = Lane::new(2, ());
        put(&lane, Class::Rest, 1);
        put(&lane, Class::Rest, 2);
        assert_eq!(lane.places(Class::Rest).reserve(1), 0);
        put(&lane, Class::Link, 3);
        assert_eq!(take(&lane, 2), [3, 1]);
        assert_eq!(lane.places(Class::Rest).reserve(2), 1);
        assert_eq!(lane.places(Class::Link).reserve(9), 2);
    });
}

#[test]
fn a_parked_lane_is_scheduled_by_wake_alone() {
    alone(|| {
        let lane = Lane::new(4, ());
        assert!(lane.wake().is_none());
        assert!(put(&lane, Class::Rest, 1));
        lane.park(None);
        assert!(!put(&lane, Class::Rest, 2));
        assert!(lane.wake().is_some());
        assert!(lane.wake().is_none());
    });
}

#[test]
fn what_waits_is_expected_to_take_as_long_as_what_ran() {
    alone(|| {
        let lane = Lane::new(8, ());
        put(&lane, Class::Rest, 1);
        take(&lane, 1);
        assert!(lane.finish(Some(Duration::from_millis(4))).is_none());
        lane.places(Class::Rest).reserve(1);
        let held = lane.submit(&mut Bundle::of(Class::Rest, 2)).unwrap();
        assert!(held.expected >= Duration::from_millis(1), "{held:?}");
    });
}
