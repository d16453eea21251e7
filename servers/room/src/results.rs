//! Where the hands of this server are written down, as its machine asks for it.
//!
//! Owns: the journal of this process. Does not own its lines and sums (`usher_store::hands`), nor when a hand is told
//! (`usher_logic::room`).
//! Limit: every table's hand may wait at once. One that finds the journal's queue full all the same, or a disk that takes nothing, is told as one that could not be
//! written down: its outcome stands, its scores do not count. Every seat's score may be asked for at once; one more is not
//! told.
//! Read next: `reader.rs`, `usher_store::hands`.

use crate::reader::Reader;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use usher_proto::{AccountId, GameId, HandRecord};
use usher_runtime::answers::{Recorded, Records, Scored};
use usher_store::hands::{self, Full};
use usher_store::{Journal, StoreError};

pub(crate) struct Results {
    /// Until they are closed.
    open: RwLock<Option<Open>>,
    /// Whether the last hand was not taken: said once, and counted by the machine.
    is_full: AtomicBool,
    /// Whether the last question for a score was not taken: said once.
    are_scores_full: AtomicBool,
}

struct Open {
    journal: Journal,
    scores: Reader,
}

impl Results {
    /// For the hands of so many tables, and the scores of who sits in so many seats.
    pub(crate) fn open(path: &Path, tables: usize, seats: usize) -> Result<Self, StoreError> {
        let journal = Journal::open_for(path, tables)?;
        let scores = journal.scores()?;
        let read = move |account, game| {
            let score = scores.score(account, game);
            score.inspect_err(|error| tracing::error!(%error, "a score cannot be read")).ok()
        };
        let scores =
            Reader::start(seats, read).map_err(|source| StoreError::Io { file: path.into(), source })?;
        Ok(Self {
            open: RwLock::new(Some(Open { journal, scores })),
            is_full: AtomicBool::new(false),
            are_scores_full: AtomicBool::new(false),
        })
    }
}

impl Records for Results {
    fn record(&self, record: HandRecord, done: Recorded) -> bool {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { journal, .. }) = &*open else { return false };
        let told = move |recorded: Result<hands::Recorded, _>| done(recorded.ok().map(|it| it.totals));
        let taken = journal.record(record, Box::new(told));
        let was_full = self.is_full.swap(taken.is_err(), Ordering::Relaxed);
        if let (Err(Full(record)), false) = (&taken, was_full) {
            tracing::error!(hand = %record.id, "hands are not written down: too many wait for the disk");
        }
        taken.is_ok()
    }

    fn score(&self, account: AccountId, game: GameId, done: Scored) -> bool {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { scores, .. }) = &*open else { return false };
        let is_taken = scores.ask(account, game, done);
        let were_full = self.are_scores_full.swap(!is_taken, Ordering::Relaxed);
        if !is_taken && !were_full {
            tracing::error!("scores are not told: too many wait for the disk");
        }
        is_taken
    }

    fn close(&self) {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Open { journal, scores }) = open {
            drop(journal); // it has recorded what it took
            scores.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;
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
        let path = folder.join("hands.jsonl");
        let results = Results::open(&path, 100, 100).unwrap();
        let (told, outcomes) = channel();
        for number in 1..=100 {
            let told = told.clone();
            assert!(results.record(hand(number), Box::new(move |totals| told.send(totals).unwrap())));
        }
        results.close();
        let last = outcomes.try_iter().inspect(|totals| assert!(totals.is_some())).count();
        let scores = usher_store::Scores::open(&path).unwrap();
        assert_eq!((last, scores.score(AccountId(1), GameId(1)).unwrap()), (100, 100));
        assert!(!results.score(AccountId(1), GameId(1), Box::new(|_| unreachable!())));
        assert!(!results.record(hand(101), Box::new(move |totals| told.send(totals).unwrap())));
        assert!(outcomes.try_recv().is_err());
        drop((results, scores));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_score_is_told_by_another_thread() {
        let folder = std::env::temp_dir().join(format!("usher-room-scores-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let results = Results::open(&folder.join("hands.jsonl"), 1, 1).unwrap();
        let (told, scores) = channel();
        let (recorded, records) = channel();
        assert!(results.record(hand(1), Box::new(move |totals| recorded.send(totals).unwrap())));
        assert_eq!(records.recv_timeout(Duration::from_secs(60)), Ok(Some(vec![1, -1])));
        let asker = std::thread::current().id();
        let done = move |score| told.send((score, std::thread::current().id() == asker)).unwrap();
        assert!(results.score(AccountId(2), GameId(1), Box::new(done)));
        assert_eq!(scores.recv_timeout(Duration::from_secs(60)), Ok((Some(-1), false)));
        results.close();
        drop(results);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
