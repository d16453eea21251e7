//! Time: the one thread that waits for it, and the lists of deadlines it is asked to wait for.
//!
//! It exists so that no other thread of this layer ever waits with a timeout. Each receive lane and each
//! shard has one cell with its earliest deadline; the thread sleeps until the earliest of all and then
//! sends that lane a tick. A stage's timeouts are constants, so its list of deadlines is a plain queue.
//!
//! Invariants: a deadline that is set is followed by a tick, not before it, also if it is set behind the thread's
//! back (`alarm`).
//! A deadline is for the other side's silence: if we were away ourselves when it came, it is put off.
//! Limits: one cell a lane; a timeline is looked at `GRAIN` late, so that a burst of connections is few ticks. It
//! keeps the entry of a connection that is gone until it is due: as many as come within its time.
//! Read next: `receive` and `logic`, which set the cells.

use std::{
    collections::VecDeque,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use usher_completion::ConnId;

use crate::alarm::{Alarm, NEVER};

/// The layer's clock: deadlines are its business, and this is where it reads the time.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

const GRAIN: Duration = Duration::from_millis(10);
/// A look that comes so long after a deadline was not in time because this process, or its machine, stood still.
const LATE: Duration = Duration::from_secs(1);

pub(crate) struct Timer {
    start: Instant,
    alarm: Alarm,
    thread: OnceLock<Thread>,
    stopped: AtomicBool,
}

impl Timer {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            start: now(),
            alarm: Alarm::new(cells),
            thread: OnceLock::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Sets a cell's deadline.
    pub(crate) fn set(&self, cell: usize, deadline: Option<Instant>) {
        let at = deadline.map_or(NEVER, |deadline| self.nanos(deadline));
        if self.alarm.set(cell, at) {
            self.wake();
        }
    }

    /// The thread: calls `tick` with each cell whose deadline has come, until `stop`.
    pub(crate) fn run(&self, mut tick: impl FnMut(usize)) {
        let _ = self.thread.set(std::thread::current());
        while !self.stopped.load(SeqCst) {
            let earliest = self.alarm.look(self.nanos(now()), &mut tick);
            match earliest.checked_sub(self.nanos(now())) {
                Some(_) if earliest == NEVER => std::thread::park(),
                Some(left) => std::thread::park_timeout(Duration::from_nanos(left)),
                None => {}
            }
        }
    }

    /// Ends `run` on `thread`, which may not have begun it.
    pub(crate) fn stop(&self, thread: &Thread) {
        self.stopped.store(true, SeqCst);
        thread.unpark();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(NEVER - 1)
    }
}

/// Deadlines that are all the same time away when they are set, hence in order.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: VecDeque<(Instant, ConnId)>,
}

impl Timeline {
    /// `Duration::MAX`, or anything beyond the clock, is never.
    pub(crate) fn push(&mut self, now: Instant, after: Duration, conn: ConnId) {
        if let Some(deadline) = now.checked_add(after) {
            self.entries.push_back((deadline, conn));
        }
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<ConnId> {
        let (deadline, conn) = *self.entries.front()?;
        (deadline <= now).then(|| self.entries.pop_front())?;
        Some(conn)
    }

    /// After a sleep of our own everybody has a full term again: what they said meanwhile still waits to be read.
    pub(crate) fn put_off_if_late(&mut self, now: Instant, after: Duration) {
        let is_late = |(deadline, _): &(Instant, ConnId)| now.saturating_duration_since(*deadline) >= LATE;
        if let (true, Some(again)) = (self.entries.front().is_some_and(is_late), now.checked_add(after)) {
            self.entries.iter_mut().for_each(|(deadline, _)| *deadline = again);
        }
    }

    /// When to look next: a grain after the earliest deadline, so that one tick serves a burst.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.entries.front().map(|(deadline, _)| *deadline + GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn a_timeline_gives_what_is_due_in_order() {
        let start = now();
        let mut line = Timeline::default();
        for id in 1..=3 {
            line.push(start, Duration::from_secs(id), ConnId::from_bits(id));
        }
        line.push(start, Duration::MAX, ConnId::from_bits(4));
        assert_eq!(line.pop_due(start), None);
        let later = start + Duration::from_secs(2);
        assert_eq!(line.pop_due(later), Some(ConnId::from_bits(1)));
        assert_eq!(line.pop_due(later), Some(ConnId::from_bits(2)));
        assert_eq!(line.pop_due(later), None);
        assert_eq!(line.earliest(), Some(start + Duration::from_secs(3) + GRAIN));
    }

    #[test]
    fn a_look_that_comes_late_gives_everybody_a_full_term_again() {
        let (start, term) = (now(), Duration::from_secs(5));
        let begun = || {
            let mut line = Timeline::default();
            line.push(start, term, ConnId::from_bits(1));
            line.push(start + Duration::from_secs(3), term, ConnId::from_bits(2));
            line
        };
        let mut busy = begun();
        busy.put_off_if_late((start + term + LATE).checked_sub(GRAIN).unwrap(), term);
        assert_eq!(
            busy.pop_due((start + term + LATE).checked_sub(GRAIN).unwrap()),
            Some(ConnId::from_bits(1)),
            "that was only busy"
        );
        let (mut slept, woke) = (begun(), start + Duration::from_secs(14));
        slept.put_off_if_late(woke, term);
        assert_eq!(slept.pop_due(woke), None);
        assert_eq!(slept.earliest(), Some(woke + term + GRAIN));
        slept.put_off_if_late(woke + term, term);
        for id in 1..=2 {
            assert_eq!(slept.pop_due(woke + term), Some(ConnId::from_bits(id)), "and not for ever");
        }
    }

    #[test]
    fn every_deadline_is_ticked_once_also_when_set_behind_the_threads_back() {
        let timer = Arc::new(Timer::new(3));
        let (ticks, ticked) = mpsc::channel();
        let thread = {
            let timer = Arc::clone(&timer);
            std::thread::Builder::new().spawn(move || timer.run(|cell| ticks.send(cell).unwrap())).unwrap()
        };
        timer.set(2, Some(now() + Duration::from_secs(3600)));
        for round in 0..2_000 {
            timer.set(round % 2, Some(now()));
            assert_eq!(ticked.recv_timeout(Duration::from_secs(20)), Ok(round % 2), "round {round}");
        }
        timer.stop(thread.thread());
        thread.join().unwrap();
        assert!(ticked.try_recv().is_err());
    }
}
