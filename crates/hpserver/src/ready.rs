//! Lanes that a thread holds and has yet to run.
//!
//! It exists so that a hop to another thread is a choice: what is short enough is run by whoever brought it. It owns
//! names of lanes; the lanes are the `fabric`'s.
//!
//! Limit: `INLINE_MAX` of what has threads of its own; what has none is always taken.
//! Read next: `fabric`, which decides; `pace`, which knows how long a run takes.

use std::{collections::VecDeque, time::Duration};

/// What a thread runs itself of lanes that have threads, before it goes back to its own work. To wake a thread costs
/// both sides about 5 us: a twentieth of this.
const INLINE_MAX: Duration = Duration::from_micros(100);

/// Which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Receive = 0,
    Logic = 1,
    Send = 2,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Receive, Self::Logic, Self::Send];

    pub(crate) fn name(self) -> &'static str {
        ["receive", "logic", "send"][self as usize]
    }
}

/// A lane by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneRef {
    pub(crate) stage: Stage,
    pub(crate) index: usize,
}

/// The lanes that the current thread holds and has yet to run.
#[derive(Default)]
pub(crate) struct Ready {
    lanes: VecDeque<(LaneRef, Duration)>,
    /// What they are expected to take.
    promised: Duration,
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(crate) fn push(&mut self, lane: LaneRef, expected: Duration) {
        self.promised += expected;
        self.lanes.push_back((lane, expected));
    }

    pub(crate) fn pop(&mut self) -> Option<LaneRef> {
        let (lane, expected) = self.lanes.pop_front()?;
        self.promised -= expected;
        Some(lane)
    }

    /// Whether this thread may as well run a lane itself that has a thread.
    pub(crate) fn has_time_for(&self, expected: Duration) -> bool {
        self.promised + expected <= INLINE_MAX
    }
}
