//! Where the hands of this server are written down, as its machine asks for it.
//!
//! Owns: the journal of this process. Does not own its lines and sums (`usher_store::hands`), nor when a hand is told
//! (`usher_logic::room`).
//! Limit: every table's hand may wait at once. One that finds the journal's queue full all the same, or a disk that takes nothing, is told as one that could not be
//! written down: its outcome stands, its scores do not count.
//! Read next: `usher_store::hands`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use usher_proto::{AccountId, GameId, HandRecord};
use usher_runtime::answers::{Recorded, Records};
use usher_store::hands::{self, Full};
use usher_store::{Journal, Scores, StoreError};

pub(crate) struct Results {
    /// Until it is closed.
    journal: RwLock<Option<Journal>>,
    /// Whether the last hand was not taken: said once, and counted by the machine.
    is_full: AtomicBool,
    /// Read by one thread at a time, and seldom: when somebody sits down.
    scores: Mutex<Scores>,
}

impl Results {
    /// For the hands of so many tables.
    pub(crate) fn open(path: &Path, tables: usize) -> Result<Self, StoreError> {
        let journal = Journal::open_for(path, tables)?;
        let scores = Mutex::new(journal.scores()?);
        Ok(Self { journal: RwLock::new(Some(journal)), scores, is_full: AtomicBool::new(false) })
    }
}

impl Records for Results {
    fn record(&self, record: HandRecord, done: Recorded) -> bool {
        let journal = self.journal.read().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = &*journal else { return false };
        let told = move |recorded: Result<hands::Recorded, _>| done(recorded.ok().map(|it| it.totals));
        let taken = journal.record(record, Box::new(told));
        let was_full = self.is_full.swap(taken.is_err(), Ordering::Relaxed);
        if let (Err(Full(record)), false) = (&taken, was_full) {
            tracing::error!(hand = %record.id, "hands are not written down: too many wait for the disk");
        }
        taken.is_ok()
    }

    fn score(&self, account: AccountId, game: GameId) -> Option<i64> {
        let scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        scores
            .score(account, game)
            .inspect_err(|error| tracing::error!(%error, "a score cannot be read"))
            .ok()
    }

    fn close(&self) {
        // Dropped, it has recorded what it took.
        drop(self.journal.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use usher_proto::{HandId, RoomNo, TableNo};

    fn hand(number: u64) -> HandRecord {
        HandRecord {
            id: HandId {
                server: "room".into(),
                incarnation: 1,
                room: RoomNo(0),
                table: TableNo(0),
                hand: number,
            },
            game: GameId(1),
            rules: 1,
            seed: [0; 32],
            seats: vec![AccountId(1), AccountId(2)],
            moves: Vec::new(),
            scores: vec![1, -1],
            reason: "abandoned".into(),
            began_unix_ms: 1,
            ended_unix_ms: 2,
        }
    }

    #[test]
    fn what_was_taken_is_written_down_when_it_is_closed_and_nothing_is_taken_afterwards() {
        let folder = std::env::temp_dir().join(format!("usher-room-results-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let results = Results::open(&folder.join("hands.jsonl"), 100).unwrap();
        let (told, outcomes) = channel();
        for number in 1..=100 {
            let told = told.clone();
            assert!(results.record(hand(number), Box::new(move |totals| told.send(totals).unwrap())));
        }
        results.close();
        let last = outcomes.try_iter().inspect(|totals| assert!(totals.is_some())).count();
        assert_eq!((last, results.score(AccountId(1), GameId(1))), (100, Some(100)));
        assert!(!results.record(hand(101), Box::new(move |totals| told.send(totals).unwrap())));
        assert!(outcomes.try_recv().is_err());
        drop(results);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
