//! How many connections there are, and which worker gets the next.
//!
//! Counted when a connection is admitted, not when its worker hears of it, so that a burst spreads evenly
//! and the limits hold at every moment.
//!
//! Limits: `connections_max` in all, of which those that come in may have all but `outgoing_reserved`: a crowd at
//! the door does not keep a server from the servers it needs.
//! Read next: `accept.rs` and `handle.rs`, who admit; `worker.rs`, which lets go.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Config;
use crate::hooks::Origin;

/// Which way a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through a listener.
    In,
    /// We asked for it: connected or adopted.
    Out,
}

impl Way {
    pub(crate) fn of(origin: Origin) -> Way {
        match origin {
            Origin::Accepted { .. } => Way::In,
            Origin::Outgoing { .. } | Origin::Adopted { .. } => Way::Out,
        }
    }
}

pub(crate) struct Load {
    total: Places,
    accepted: Places,
    workers: Box<[Count]>,
}

struct Places {
    taken: AtomicUsize,
    max: usize,
}

/// Aligned so that two workers never share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

impl Load {
    pub(crate) fn new(config: &Config) -> Load {
        Load {
            total: Places::new(config.connections_max),
            accepted: Places::new(config.connections_max - config.outgoing_reserved),
            workers: std::iter::repeat_with(Count::default).take(config.workers).collect(),
        }
    }

    /// The worker with the fewest connections, which now has one more; `None`: there is no place left.
    pub(crate) fn admit(&self, way: Way) -> Option<usize> {
        if way == Way::In && !self.accepted.take() {
            return None;
        }
        if !self.total.take() {
            self.leave_accepted(way);
            return None;
        }
        let count = |worker: &usize| self.workers[*worker].0.load(Ordering::Relaxed);
        let fewest = (0..self.workers.len()).min_by_key(count).unwrap_or(0);
        self.workers[fewest].0.fetch_add(1, Ordering::Relaxed);
        Some(fewest)
    }

    /// An admitted connection is over.
    pub(crate) fn leave(&self, worker: usize, way: Way) {
        self.workers[worker].0.fetch_sub(1, Ordering::Relaxed);
        self.total.give_back();
        self.leave_accepted(way);
    }

    pub(crate) fn total(&self) -> usize {
        self.total.taken.load(Ordering::Relaxed)
    }

    fn leave_accepted(&self, way: Way) {
        if way == Way::In {
            self.accepted.give_back();
        }
    }
}

impl Places {
    fn new(max: usize) -> Places {
        Places { taken: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(workers: usize, connections_max: usize, outgoing_reserved: usize) -> Load {
        Load::new(&Config { workers, connections_max, outgoing_reserved, ..Config::default() })
    }

    #[test]
    fn the_fewest_get_the_next_until_full() {
        let load = load(3, 6, 0);
        let mut admitted: Vec<_> = (0..6).map(|_| load.admit(Way::In).unwrap()).collect();
        admitted.sort_unstable();
        assert_eq!(admitted, [0, 0, 1, 1, 2, 2]);
        assert_eq!(load.admit(Way::In), None);
        load.leave(1, Way::In);
        assert_eq!(load.admit(Way::Out), Some(1));
        assert_eq!(load.total(), 6);
        assert_eq!(load.admit(Way::Out), None);
    }

    /// By who is there: how many more may come in, and then go out.
    #[test]
    fn some_places_are_not_for_who_comes_in() {
        for (inside, outside, in_more, out_more) in
            [(0, 0, 3, 2), (3, 0, 0, 2), (1, 2, 2, 0), (1, 3, 1, 0), (0, 5, 0, 0)]
        {
            let load = load(1, 5, 2);
            let count = |way| std::iter::from_fn(|| load.admit(way)).count();
            (0..inside).for_each(|_| assert!(load.admit(Way::In).is_some()));
            (0..outside).for_each(|_| assert!(load.admit(Way::Out).is_some()));
            assert_eq!((count(Way::In), count(Way::Out)), (in_more, out_more), "{inside} in, {outside} out");
            load.leave(0, Way::Out);
            assert_eq!((count(Way::In), count(Way::Out)).0, usize::from(inside + in_more < 3));
        }
    }
}
