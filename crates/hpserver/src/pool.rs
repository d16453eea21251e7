//! The threads of one stage: each waits for lanes that have work.
//!
//! It exists so that a stage with threads is woken once a batch, and one without costs nothing. A pool owns
//! its threads' inboxes; the lanes belong to the `fabric`.
//!
//! Invariants: a lane is in at most one inbox (whoever put it there held it). A thread that is told to
//! stop first runs what is in its inbox. If one panics the process ends: the lane it held would be held for
//! ever.
//! Limit: an inbox holds at most every lane of its stage once.
//! Read next: `fabric`.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
};

use usher_completion::Vital;

use crate::fabric::{Fabric, RUNS_MAX};
use crate::ready::{LaneRef, Ready, Stage};
use crate::service::Service;

pub(crate) struct Pool {
    inboxes: Box<[Inbox]>,
}

#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    lanes: VecDeque<LaneRef>,
    asleep: bool,
    stopped: bool,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        Self { inboxes: std::iter::repeat_with(Inbox::default).take(threads).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inboxes.is_empty()
    }

    /// Gives a held lane to its thread.
    pub(crate) fn hand(&self, lane: LaneRef) {
        let inbox = &self.inboxes[lane.index % self.inboxes.len()];
        let mut waiting = inbox.lock();
        waiting.lanes.push_back(lane);
        if std::mem::take(&mut waiting.asleep) {
            inbox.bell.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        for inbox in &self.inboxes {
            inbox.lock().stopped = true;
            inbox.bell.notify_one();
        }
    }

    /// Starts the threads of `stage`, whose pool this is.
    pub(crate) fn start<S: Service>(
        fabric: &Arc<Fabric<S>>,
        stage: Stage,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let name = stage.name();
        (0..fabric.pool(stage).inboxes.len())
            .map(|thread| {
                let fabric = Arc::clone(fabric);
                Builder::new().name(format!("{name}-{thread}")).spawn(move || {
                    let _vital = Vital;
                    let inbox = &fabric.pool(stage).inboxes[thread];
                    let mut ready = Ready::default();
                    while let Some(lane) = inbox.next() {
                        fabric.run(lane, &mut ready, None);
                        fabric.drive(&mut ready, RUNS_MAX, None);
                        // What is run next may be a service, and take any time.
                        fabric.leave(&mut ready);
                    }
                })
            })
            .collect()
    }
}

impl Inbox {
    /// The lane to run next; waits for it. None: nothing is left, and nothing will come.
    fn next(&self) -> Option<LaneRef> {
        let mut waiting = self.lock();
        loop {
            if let Some(lane) = waiting.lanes.pop_front() {
                return Some(lane);
            }
            if waiting.stopped {
                return None;
            }
            waiting.asleep = true;
            waiting = self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.asleep = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
