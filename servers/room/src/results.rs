//! Where the hands of this server are written down, as its machine asks for it.
//!
//! Owns: the journal of this process. Does not own its lines and sums (`usher_store::hands`), nor when a hand is told
//! (`usher_logic::room`).
//! Limit: a hand that finds the journal's queue full, or a disk that takes nothing, is told as one that could not be
//! written down: its outcome stands, its scores do not count.
//! Read next: `usher_store::hands`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use usher_proto::{AccountId, GameId, HandRecord};
use usher_runtime::answers::{Recorded, Records};
use usher_store::hands::{Done, Full};
use usher_store::{Journal, Scores, StoreError};

pub(crate) struct Results {
    journal: Journal,
    /// Read by one thread at a time, and seldom: when somebody sits down.
    scores: Mutex<Scores>,
}

impl Results {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let journal = Journal::open(path)?;
        let scores = Mutex::new(journal.scores()?);
        Ok(Self { journal, scores })
    }
}

impl Records for Results {
    fn record(&self, record: HandRecord, done: Recorded) {
        let told = |done: Recorded| -> Done {
            Box::new(move |recorded| done(recorded.ok().map(|recorded| recorded.totals)))
        };
        if let Err(Full { record, done }) = self.journal.record(record, told(done)) {
            tracing::error!(hand = %record.id, "a hand is not written down: too many wait for the disk");
            done(Err(StoreError::NotRecorded {
                file: self.journal.path().into(),
                what: "too many hands wait".into(),
            }));
        }
    }

    fn score(&self, account: AccountId, game: GameId) -> Option<i64> {
        let scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        scores
            .score(account, game)
            .inspect_err(|error| tracing::error!(%error, "a score cannot be read"))
            .ok()
    }
}
