//! A batch of hands: written, synced, counted, and only then told.
//!
//! Why: the order of these steps is what a crash at any point leaves right.
//! 1. The lines of all go into the journal with one write and one sync. From here on they are true.
//! 2. They are counted in one transaction. If that fails they are counted with the next batch, from the journal.
//! 3. Whoever asked is told the totals.
//!
//! Owns: that order, and what is said of errors. Does not own the queue ([`super::journal`]).
//! Invariants: a hand whose asker was told totals is in the journal and in the sums; one that failed with
//! [`StoreError::NotRecorded`] is in neither. A streak of errors is one line in the log, and its end another.
//! Read next: [`super::file`], [`super::tally`].

use super::file::JournalFile;
use super::journal::Counters;
use super::line;
use super::scores::Scores;
use super::tally::Tally;
use crate::error::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use usher_proto::HandRecord;

/// A hand that is on the disk and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// By seat, what its account has in this game with this hand.
    pub totals: Vec<i64>,
}

/// Told what became of a hand, on the journal's thread: it must not wait and not panic.
pub type Done = Box<dyn FnOnce(Result<Recorded, StoreError>) + Send>;

/// A hand to record.
pub(super) struct Ask {
    pub(super) record: HandRecord,
    pub(super) done: Done,
}

/// Why a batch did not come to its end; said to each of its askers.
struct Failed {
    file: PathBuf,
    what: String,
    is_recorded: bool,
}

impl Failed {
    fn said(&self) -> StoreError {
        let (file, what) = (self.file.clone(), self.what.clone());
        if self.is_recorded {
            StoreError::NotCounted { file, what }
        } else {
            StoreError::NotRecorded { file, what }
        }
    }
}

/// The journal and its scores, in the hands of one thread.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) file: JournalFile,
    pub(super) tally: Tally,
    counters: Arc<Counters>,
    failing: bool,
}

impl Recorder {
    /// Opens both, or makes them; counts what was not; then cuts off a torn last line.
    pub(super) fn open(journal: &Path, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let mut file = JournalFile::open(journal)?;
        let mut tally = Tally::new(Scores::open_or_create(journal)?)?;
        tally.catch_up(&file, file.end())?;
        let bytes = file.cut().map_err(|source| StoreError::Io { file: journal.into(), source })?;
        if bytes > 0 {
            let file = journal.display();
            tracing::warn!(%file, bytes, "the last line was torn and is cut off: its hand was never announced");
        }
        Ok(Self { file, tally, counters, failing: false })
    }

    /// Records these, in their order, and tells each asker.
    pub(super) fn record(&mut self, asks: Vec<Ask>) {
        let (lines, asks) = self.lines_of(asks);
        if asks.is_empty() {
            return;
        }
        Counters::add(&self.counters.batches, 1);
        let totals = self.write(&lines, &asks);
        self.note(&totals);
        match totals {
            Ok(totals) => {
                Counters::add(&self.counters.recorded, asks.len());
                for (ask, recorded) in asks.into_iter().zip(totals) {
                    (ask.done)(Ok(recorded));
                }
            }
            Err(failed) => {
                Counters::add(&self.counters.failed, asks.len());
                for ask in asks {
                    (ask.done)(Err(failed.said()));
                }
            }
        }
    }

    /// The lines of those that fit one; the others are told so.
    fn lines_of(&self, asks: Vec<Ask>) -> (Vec<u8>, Vec<Ask>) {
        let mut lines = Vec::new();
        let (mut fit, file) = (Vec::with_capacity(asks.len()), self.file.path());
        for ask in asks {
            match line::write(&ask.record, &mut lines) {
                Ok(()) => fit.push(ask),
                Err(error) => {
                    Counters::add(&self.counters.failed, 1);
                    let (hand, file) = (&ask.record.id, file.to_owned());
                    tracing::error!(%hand, %error, "a hand is beyond what a line may hold: this is a bug");
                    (ask.done)(Err(StoreError::NotRecorded { file, what: error.to_string() }));
                }
            }
        }
        (lines, fit)
    }

    fn write(&mut self, lines: &[u8], asks: &[Ask]) -> Result<Vec<Recorded>, Failed> {
        let file = self.file.path().to_owned();
        let failed = |is_recorded, what| Failed { file, what, is_recorded };
        let begin = self.file.end();
        if let Err(error) = self.file.append(lines) {
            return Err(failed(false, error.to_string()));
        }
        let caught_up = self.tally.catch_up(&self.file, begin);
        let records = asks.iter().map(|ask| &ask.record);
        let counted = caught_up.and_then(|()| self.tally.count(records, self.file.end()));
        counted.map_err(|error| failed(true, error.to_string()))
    }

    fn note(&mut self, outcome: &Result<Vec<Recorded>, Failed>) {
        match outcome {
            Err(failed) if !self.failing => tracing::error!("{}", failed.said()),
            Ok(_) if self.failing => {
                tracing::info!(file = %self.file.path().display(), "hands are recorded again");
            }
            _ => {}
        }
        self.failing = outcome.is_err();
    }
}
