//! The one who appends: a thread that takes whatever waits and records it at once.
//!
//! Why: a sync waits for the disk, so hands that end meanwhile share the next one; a server's logic goes on and tells
//! its players when it is told.
//! Owns: the thread and its queue. Does not own what is done with a batch (`recorder.rs`).
//! Invariants: hands are recorded in the order they came in; each asker is told exactly once, or had its hand handed
//! back; what was taken is recorded before the journal is dropped.
//! Limits: as many hands wait as it was opened for, [`QUEUE_MAX`] if nothing was said; one more is handed back and
//! counted, for logic must not wait. [`BATCH_MAX`] go into one sync.
//! Read next: `recorder.rs`.

use super::recorder::{Ask, Done, Recorder};
use super::scores::Scores;
use crate::error::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use usher_proto::HandRecord;

/// Hands that may wait, where nothing else is said.
pub const QUEUE_MAX: usize = 1_024;
/// Hands of one write and one sync.
pub const BATCH_MAX: usize = 256;

/// A hand that was not taken: as many wait as may, or the thread has ended.
#[derive(Debug)]
pub struct Full(pub Box<HandRecord>);

/// What became of hands so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Recorded and counted.
    pub recorded: u64,
    /// Handed back, for the queue was full.
    pub refused: u64,
    /// Taken, but not recorded, or not counted yet.
    pub failed: u64,
    /// Writes, each with its sync.
    pub batches: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) recorded: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) batches: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// A journal that hands can be given to, from any thread.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    queue: Option<SyncSender<Box<Ask>>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Journal {
    /// Opens a journal and its scores, or makes them. Reads what the scores have not counted yet; a torn last line is
    /// cut off, any other line that is no record is an error.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_for(path, QUEUE_MAX)
    }

    /// As `open`, with place for so many hands to wait: who gives it one hand a table at a time, and has no more tables
    /// than that, is never handed one back by a disk that keeps up.
    pub fn open_for(path: &Path, hands_max: usize) -> Result<Self, StoreError> {
        let counters = Arc::new(Counters::default());
        let mut recorder = Recorder::open(path, Arc::clone(&counters))?;
        let (queue, asks) = sync_channel(hands_max);
        let started = Builder::new().name("hands".into()).spawn(move || run(&mut recorder, &asks));
        let thread = started.map_err(|source| StoreError::Io { file: path.into(), source })?;
        Ok(Self { path: path.into(), queue: Some(queue), thread: Some(thread), counters })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it a hand, and never waits. `done` is called on the journal's thread once the hand is on the disk and
    /// counted, or cannot be.
    pub fn record(&self, record: HandRecord, done: Done) -> Result<(), Full> {
        let queue = self.queue.as_ref().expect("invariant: the queue is there until the journal is dropped");
        queue.try_send(Box::new(Ask { record, done })).map_err(|error| {
            Counters::add(&self.counters.refused, 1);
            let (TrySendError::Full(ask) | TrySendError::Disconnected(ask)) = error;
            Full(Box::new(ask.record))
        })
    }

    /// A reader of its scores, for one thread.
    pub fn scores(&self) -> Result<Scores, StoreError> {
        Scores::open(&self.path)
    }

    /// What became of hands so far.
    pub fn counts(&self) -> Counts {
        let Counters { recorded, refused, failed, batches } = &*self.counters;
        let [recorded, refused, failed, batches] =
            [recorded, refused, failed, batches].map(|counter| counter.load(Ordering::Relaxed));
        Counts { recorded, refused, failed, batches }
    }
}

impl Drop for Journal {
    /// What was taken is recorded first.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic has been printed
        }
    }
}

fn run(recorder: &mut Recorder, asks: &Receiver<Box<Ask>>) {
    while let Ok(first) = asks.recv() {
        let mut batch = vec![*first];
        batch.extend(asks.try_iter().take(BATCH_MAX - 1).map(|ask| *ask));
        recorder.record(batch);
    }
}
