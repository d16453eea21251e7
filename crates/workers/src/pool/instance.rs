//! One worker of a pool: where it is in its life, and what is asked of it.
//!
//! Invariants: what it is asked has a number that its pool gives once; a number is forgotten when it is answered or the
//! life ends. A worker that is kept for a suspect gets nothing else.
//! Limits: [`PAUSE_MIN`] to [`PAUSE_MAX`] between two lives, each with up to half of it as jitter.
//! Read next: `pool.rs`.

use super::RequestId;
use std::collections::BTreeMap;
use std::time::Duration;
use usher_proto::Time;

/// The pause after a life that was long enough.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause after a short one.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A life that is not short.
pub const LIFE_MIN: Duration = Duration::from_secs(1);
/// So many short lives in a row are a crash loop.
pub const SHORT_LIVES_MAX: u32 = 5;
/// How long a start may take until the worker says hello.
pub const START_MAX: Duration = Duration::from_secs(10);
/// Answers in one life to what was not asked.
pub const STRAYS_MAX: u32 = 1_000;
/// How long a worker may take to end by itself.
pub const END_MAX: Duration = Duration::from_secs(5);

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is started then.
    Resting { until: Time },
    /// It was started, and has until then to say hello.
    Starting { until: Time },
    /// It works.
    Up,
    /// It answers what it has and gets nothing more.
    Leaving { why: End },
    /// It was told to end, and is killed then.
    Ending { kill_at: Option<Time>, why: End },
    /// It has ended for good.
    Over,
}

/// Why a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is to be renewed, or nobody needs it any more.
    Wanted,
    /// It said that it leaves.
    Left,
    /// It does not work.
    Failed,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Request(RequestId),
    /// Nobody: it was settled then, when its time was over.
    Late(Time),
    /// Nobody: whoever asked was gone then.
    Withdrawn(Time),
}

/// One place of a pool, and the life that is in it.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) state: State,
    pub(super) up_since: Option<Time>,
    /// By their numbers.
    pub(super) flights: BTreeMap<u64, Awaited>,
    /// The suspect that is to be alone here.
    pub(super) kept_for: Option<RequestId>,
    /// When it last showed that it works.
    pub(super) heard: Time,
    /// The number it was given last.
    pub(super) sent: u64,
    strays: u32,
    short_lives: u32,
}

impl Instance {
    /// One that is to be started at once.
    pub(super) fn new(now: Time) -> Self {
        Self {
            state: State::Resting { until: now },
            up_since: None,
            flights: BTreeMap::new(),
            kept_for: None,
            heard: now,
            sent: 0,
            strays: 0,
            short_lives: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether it may be given one more ordinary request.
    pub(super) fn takes(&self, in_flight_max: usize) -> bool {
        self.is_up() && self.kept_for.is_none() && self.flights.len() < in_flight_max
    }

    /// When it is to be ended because it may get nothing more, and all it has is over its time by as much again: it does
    /// not work, whatever else it says.
    pub(super) fn stuck_at(&self, in_flight_max: usize, deadline: Duration) -> Option<Time> {
        let is_full = self.flights.len() >= in_flight_max || self.kept_for.is_some();
        if !self.is_up() || !is_full {
            return None;
        }
        let late = self.flights.values().map(|it| match it {
            Awaited::Late(since) | Awaited::Withdrawn(since) => Some(*since),
            Awaited::Request(_) => None,
        });
        late.collect::<Option<Vec<Time>>>()?.into_iter().max().map(|since| since + deadline)
    }

    /// Whether it owes an answer that nobody waits for any more.
    pub(super) fn is_late(&self) -> bool {
        self.flights.values().any(|it| matches!(it, Awaited::Late(_) | Awaited::Withdrawn(_)))
    }

    /// Whether somebody still waits for something of it.
    pub(super) fn is_awaited(&self) -> bool {
        self.flights.values().any(|it| matches!(it, Awaited::Request(_)))
    }

    /// It answered what it was not asked: whether once too often.
    pub(super) fn has_strayed(&mut self) -> bool {
        self.strays += 1;
        self.strays == STRAYS_MAX && matches!(self.state, State::Up | State::Leaving { .. })
    }

    pub(super) fn said_hello(&mut self, now: Time) {
        self.strays = 0;
        self.state = State::Up;
        self.up_since = Some(now);
        self.heard = now;
    }

    /// The life is over by itself: the pause before the next one, without its jitter.
    pub(super) fn died(&mut self, now: Time) -> Duration {
        let was_short = self.up_since.take().is_none_or(|since| now - since < LIFE_MIN);
        self.short_lives = if was_short { self.short_lives.saturating_add(1) } else { 0 };
        let doublings = self.short_lives.saturating_sub(1).min(16);
        (PAUSE_MIN * (1 << doublings)).min(PAUSE_MAX)
    }

    /// Whether it has just become a crash loop.
    pub(super) fn begins_to_loop(&self) -> bool {
        self.short_lives == SHORT_LIVES_MAX
    }

    pub(super) fn is_looping(&self) -> bool {
        self.short_lives >= SHORT_LIVES_MAX
    }

    /// When this life will have been long enough to forget the short ones before.
    pub(super) fn proven_at(&self) -> Option<Time> {
        self.up_since.filter(|_| self.short_lives > 0).map(|since| since + LIFE_MIN)
    }

    pub(super) fn is_proven(&mut self) {
        self.short_lives = 0;
    }

    /// When something is to be done about its life.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let of_state = match self.state {
            State::Resting { until } | State::Starting { until } => Some(until),
            State::Ending { kill_at, .. } => kill_at,
            State::Up | State::Leaving { .. } | State::Over => None,
        };
        [of_state, self.proven_at()].into_iter().flatten().min()
    }
}
