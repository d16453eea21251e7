//! The one writer of a process: many changes, few commits.
//!
//! Why: a commit waits for the disk, so changes that come meanwhile go into the next one together; whoever asked
//! is answered when its own is on the disk.
//! Owns: the thread and its queue. Does not own the changes' rules ([`crate::database`]).
//! Invariants: a change is acknowledged only after its commit; changes are made in the order they came in; one
//! that is refused does not keep the others of its commit.
//! Limits: [`QUEUE_MAX`] changes wait, then whoever asks does; [`BATCH_MAX`] go into one commit.
//! Read next: [`crate::database`].

use crate::database::{Change, Database};
use crate::error::StoreError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Changes that may wait.
pub const QUEUE_MAX: usize = 1_024;
/// Changes of one commit.
pub const BATCH_MAX: usize = 256;

type Outcome = Result<(), StoreError>;

struct Request {
    change: Change,
    now_unix_ms: u64,
    answer: SyncSender<Outcome>,
}

/// A thread that writes.
pub struct Writer {
    path: PathBuf,
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

/// Word of a change that was asked for.
pub struct Receipt {
    path: PathBuf,
    outcome: Receiver<Outcome>,
}

impl Receipt {
    /// Waits until it is on the disk, or was refused.
    pub fn wait(self) -> Outcome {
        let path = self.path;
        let lost = || StoreError::NotCommitted { file: path, what: "the writer has ended".into() };
        self.outcome.recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl Writer {
    /// Starts it.
    pub fn start(database: Database) -> io::Result<Self> {
        let path = database.path().to_owned();
        let (queue, requests) = sync_channel(QUEUE_MAX);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let thread =
            Builder::new().name("accounts".into()).spawn(move || write(database, &requests, &counted))?;
        Ok(Self { path, queue: Some(queue), thread: Some(thread), commits })
    }

    /// Asks for a change; waits only while the queue is full.
    pub fn change(&self, change: Change, now_unix_ms: u64) -> Receipt {
        let (answer, outcome) = sync_channel(1);
        if let Some(queue) = &self.queue {
            // Refused only by a thread that has ended: its receipt says so.
            let _ = queue.send(Request { change, now_unix_ms, answer });
        }
        Receipt { path: self.path.clone(), outcome }
    }

    /// How often it committed.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// What was asked for is written first.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic has been printed
        }
    }
}

fn write(mut database: Database, requests: &Receiver<Request>, commits: &AtomicU64) {
    while let Ok(first) = requests.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        commit(&mut database, &batch);
        commits.fetch_add(1, Ordering::Relaxed);
    }
}

/// One transaction. What it is about is answered after the commit, whatever that came to.
fn commit(database: &mut Database, batch: &[Request]) {
    let file = database.path().to_owned();
    let made = make(database, batch);
    let failed = made.as_ref().err().map(ToString::to_string);
    let outcomes = made.unwrap_or_else(|_| batch.iter().map(|_| Ok(())).collect());
    for (request, outcome) in batch.iter().zip(outcomes) {
        let outcome = match &failed {
            Some(what) => Err(StoreError::NotCommitted { file: file.clone(), what: what.clone() }),
            None => outcome,
        };
        let _ = request.answer.send(outcome); // who asked may not wait for it
    }
}

fn make(database: &mut Database, batch: &[Request]) -> Result<Vec<Outcome>, StoreError> {
    let import = database.import()?;
    let outcomes = batch.iter().map(|request| import.change(&request.change, request.now_unix_ms)).collect();
    import.commit()?;
    Ok(outcomes)
}
