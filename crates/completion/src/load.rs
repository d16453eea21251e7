//! How many connections there are, and which worker gets the next.
//!
//! Counted when a connection is admitted, not when its worker hears of it, so that a burst spreads evenly
//! and `connections_max` holds at every moment.
//! Read next: `accept.rs` and `handle.rs`, who admit; `core.rs`, which lets go.

use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Load {
    total: AtomicUsize,
    total_max: usize,
    workers: Box<[Count]>,
}

/// Aligned so that two workers never share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

impl Load {
    pub(crate) fn new(workers: usize, total_max: usize) -> Load {
        let workers = std::iter::repeat_with(Count::default).take(workers).collect();
        Load { total: AtomicUsize::new(0), total_max, workers }
    }

    /// The worker with the fewest connections, which now has one more; `None` at `connections_max`.
    pub(crate) fn admit(&self) -> Option<usize> {
        let more = |total| (total < self.total_max).then_some(total + 1);
        self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let count = |worker: &usize| self.workers[*worker].0.load(Ordering::Relaxed);
        let fewest = (0..self.workers.len()).min_by_key(count).unwrap_or(0);
        self.workers[fewest].0.fetch_add(1, Ordering::Relaxed);
        Some(fewest)
    }

    /// An admitted connection is over.
    pub(crate) fn leave(&self, worker: usize) {
        self.workers[worker].0.fetch_sub(1, Ordering::Relaxed);
        self.total.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Load;

    #[test]
    fn the_fewest_get_the_next_until_full() {
        let load = Load::new(3, 6);
        let mut admitted: Vec<_> = (0..6).map(|_| load.admit().unwrap()).collect();
        admitted.sort_unstable();
        assert_eq!(admitted, [0, 0, 1, 1, 2, 2]);
        assert_eq!(load.admit(), None);
        load.leave(1);
        assert_eq!(load.admit(), Some(1));
        assert_eq!(load.total(), 6);
    }
}
