//! The deadlines that one thread sleeps for, and who must wake it.
//!
//! It exists apart from `timer` because it is lock-free: `tests/orders` builds this file a second time and tries the
//! orders in which it can be set and looked at. It knows no clock and no thread; times are numbers.
//!
//! Invariants: a deadline that is set rings, not before it. While the thread looks through the cells it counts as
//! awake at once, and it says until when it sleeps before it does: whoever sets a cell that it has passed sees that
//! the thread must be woken.
//! Limit: one deadline a cell.
//! Read next: `timer`, which sleeps.

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) struct Alarm {
    cells: Box<[AtomicU64]>,
    /// When the thread will look again; `NEVER` while it looks.
    wakes_at: AtomicU64,
}

impl Alarm {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            cells: (0..cells).map(|_| AtomicU64::new(NEVER)).collect(),
            // Not begun: it will look at every cell first.
            wakes_at: AtomicU64::new(0),
        }
    }

    /// Sets a cell's deadline; true: the thread would sleep over it, wake it.
    pub(crate) fn set(&self, cell: usize, at: u64) -> bool {
        self.cells[cell].swap(at, SeqCst) != at && at < self.wakes_at.load(SeqCst)
    }

    /// The thread: rings each cell whose deadline has come; until when it may sleep.
    pub(crate) fn look(&self, now: u64, mut ring: impl FnMut(usize)) -> u64 {
        self.wakes_at.store(NEVER, SeqCst);
        let mut earliest = NEVER;
        for (index, cell) in self.cells.iter().enumerate() {
            let at = cell.load(SeqCst);
            if at > now {
                earliest = earliest.min(at);
            } else if cell.compare_exchange(at, NEVER, SeqCst, SeqCst).is_ok() {
                ring(index);
            }
        }
        self.wakes_at.store(earliest, SeqCst);
        earliest
    }
}
