//! The alarm: no deadline is slept over, and none rings before its time.
//!
//! Each setter has a cell of its own and sets it several times, as a lane does; whoever is told to wakes the sleeper.
//! At the end, when nobody sets any more, the sleeper must come to everything by wakes alone.

use shuttle::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use crate::{
    alarm::{Alarm, NEVER},
    check,
};

const NOW: u64 = 10;
/// More turns in a row than a few sets could ask for.
const TURNS_MAX: usize = 16;

/// What is checked: `Alarm`, or the sketch of it.
trait Clockwork: Send + Sync + 'static {
    fn set(&self, cell: usize, at: u64) -> bool;
    fn look(&self, now: u64, ring: &mut dyn FnMut(usize)) -> u64;
}

impl Clockwork for Alarm {
    fn set(&self, cell: usize, at: u64) -> bool {
        self.set(cell, at)
    }

    fn look(&self, now: u64, ring: &mut dyn FnMut(usize)) -> u64 {
        self.look(now, ring)
    }
}

/// The rule that a sketch leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// While it looks it counts as asleep until it would have woken.
    LooksAsleep,
    /// Who sets a cell asks first whether the sleeper must be woken.
    AsksFirst,
    /// It clears a cell whatever is in it by now.
    ClearsWithoutComparing,
}

/// `Alarm` written again, but for one rule.
struct Sketch {
    fault: Fault,
    cells: Vec<AtomicU64>,
    wakes_at: AtomicU64,
}

impl Sketch {
    fn new(cells: usize, fault: Fault) -> Self {
        let cells = (0..cells).map(|_| AtomicU64::new(NEVER)).collect();
        Self { fault, cells, wakes_at: AtomicU64::new(0) }
    }

    fn clear(&self, cell: usize, at: u64) -> bool {
        if self.fault == Fault::ClearsWithoutComparing {
            self.cells[cell].store(NEVER, SeqCst);
            return true;
        }
        self.cells[cell].compare_exchange(at, NEVER, SeqCst, SeqCst).is_ok()
    }
}

impl Clockwork for Sketch {
    fn set(&self, cell: usize, at: u64) -> bool {
        if self.fault == Fault::AsksFirst {
            let wakes_at = self.wakes_at.load(SeqCst);
            return self.cells[cell].swap(at, SeqCst) != at && at < wakes_at;
        }
        self.cells[cell].swap(at, SeqCst) != at && at < self.wakes_at.load(SeqCst)
    }

    fn look(&self, now: u64, ring: &mut dyn FnMut(usize)) -> u64 {
        if self.fault != Fault::LooksAsleep {
            self.wakes_at.store(NEVER, SeqCst);
        }
        let mut earliest = NEVER;
        for cell in 0..self.cells.len() {
            let at = self.cells[cell].load(SeqCst);
            if at > now {
                earliest = earliest.min(at);
            } else if self.clear(cell, at) {
                ring(cell);
            }
        }
        self.wakes_at.store(earliest, SeqCst);
        earliest
    }
}

/// A sleeper, and who sets its cells.
struct Bed<C> {
    clockwork: C,
    woken: Mutex<bool>,
}

impl<C: Clockwork> Bed<C> {
    fn set(&self, cell: usize, at: u64) {
        if self.clockwork.set(cell, at) {
            *self.woken.lock().unwrap() = true;
        }
    }

    fn woken(&self) -> bool {
        std::mem::take(&mut self.woken.lock().unwrap())
    }

    /// Turn after turn until the sleeper sleeps and is not woken; until when.
    fn serve(&self, rung: &mut [usize]) -> u64 {
        for _ in 0..TURNS_MAX {
            let until = self.clockwork.look(NOW, &mut |cell| rung[cell] += 1);
            if !self.woken() {
                return until;
            }
        }
        panic!("the sleeper is kept awake for nothing");
    }
}

/// A sleeper at the time `NOW`, and for each cell who sets it to these deadlines, one after the other.
fn model<C: Clockwork>(
    deadlines: &'static [&'static [u64]],
    clockwork: impl Fn(usize) -> C + Send + Sync + 'static,
) {
    check(move || {
        let bed = Arc::new(Bed { clockwork: clockwork(deadlines.len()), woken: Mutex::new(false) });
        let setters = deadlines.iter().enumerate().map(|(cell, deadlines)| {
            let bed = Arc::clone(&bed);
            thread::spawn(move || deadlines.iter().for_each(|at| bed.set(cell, *at)))
        });
        let setters: Vec<_> = setters.collect();
        let mut rung = vec![0; deadlines.len()];
        // Twice: a sleeper may wake for nothing.
        bed.serve(&mut rung);
        let mut until = bed.serve(&mut rung);
        for setter in setters {
            setter.join().unwrap();
        }
        if bed.woken() {
            until = bed.serve(&mut rung);
        }
        for (cell, deadlines) in deadlines.iter().enumerate() {
            let due = deadlines.iter().filter(|at| **at <= NOW).count();
            assert!(rung[cell] <= due, "a cell rang before its time");
            let last = deadlines[deadlines.len() - 1];
            assert!(last <= NOW || until <= last, "a deadline was slept over");
        }
        bed.clockwork.look(NOW, &mut |_| panic!("a deadline that has come was slept over"));
    });
}

/// Deadlines that are to come, that have come, and that are put off while they come.
const DEADLINES: [&[&[u64]]; 4] =
    [&[&[20, 40], &[30]], &[&[5], &[20, 7]], &[&[5, 20], &[40, 30]], &[&[20, NEVER, 30], &[8, 9]]];

fn broken(fault: Fault) {
    for deadlines in DEADLINES {
        model(deadlines, move |cells| Sketch::new(cells, fault));
    }
}

#[test]
fn no_deadline_is_slept_over() {
    for deadlines in DEADLINES {
        model(deadlines, Alarm::new);
    }
}

#[test]
fn a_sketch_without_a_fault_is_as_good() {
    broken(Fault::None);
}

#[test]
#[should_panic(expected = "slept over")]
fn a_sleeper_that_counts_as_asleep_while_it_looks_sleeps_over_one() {
    broken(Fault::LooksAsleep);
}

#[test]
#[should_panic(expected = "slept over")]
fn who_asks_before_setting_is_slept_over() {
    broken(Fault::AsksFirst);
}

#[test]
#[should_panic(expected = "slept over")]
fn a_cell_cleared_without_comparing_is_slept_over() {
    broken(Fault::ClearsWithoutComparing);
}
