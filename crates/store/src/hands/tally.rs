//! The one who counts: hands become sums, each once.
//!
//! Why: a hand may be told twice, and a process may end between the journal's sync and the commit here; neither may
//! count anything twice or not at all.
//! Owns: the changes of the scores. Does not own the journal's bytes ([`super::file`]).
//! Invariants: sums, names of hands and position change in one transaction, or not at all; a position is the end of a
//! line; whatever is missing up to the journal's end is read from the journal.
//! Limits: [`CHUNK_MAX`] hands are read and counted at once.
//! Read next: [`super::recorder`].

use super::file::JournalFile;
use super::recorder::Recorded;
use super::records::Position;
use super::scores::{Scores, find, refused};
use crate::error::StoreError;
use rusqlite::{Transaction, TransactionBehavior, params};
use usher_proto::HandRecord;

/// Hands of one transaction, when a journal is caught up with.
pub(super) const CHUNK_MAX: usize = 1_024;

// One row each: a statement that might change several keeps a journal of its own, of 64 KiB from the heap each time.
const COUNT: &str = "INSERT OR IGNORE INTO hands VALUES (?1)";
const ADD: &str = "UPDATE sums SET score = score + ?3 WHERE account = ?1 AND game = ?2";
const BEGIN: &str = "INSERT INTO sums VALUES (?1, ?2, ?3)";
const MOVE: &str = "UPDATE counted SET bytes = ?1, lines = ?2 WHERE rowid = 1";

/// Scores that are written to, and how much of the journal they have counted.
#[derive(Debug)]
pub(super) struct Tally {
    scores: Scores,
    counted: Position,
}

impl Tally {
    pub(super) fn new(scores: Scores) -> Result<Self, StoreError> {
        let counted = scores.run(|connection| {
            connection.query_row("SELECT bytes, lines FROM counted", [], |row| {
                let [bytes, lines] = [row.get::<_, i64>(0)?, row.get(1)?].map(i64::unsigned_abs);
                Ok(Position { bytes, lines })
            })
        })?;
        Ok(Self { scores, counted })
    }

    /// Counts what the journal has before this byte and the scores do not.
    pub(super) fn catch_up(&mut self, journal: &JournalFile, end: u64) -> Result<(), StoreError> {
        if self.counted.bytes == end {
            return Ok(());
        }
        let io = |source| StoreError::Io { file: journal.path().into(), source };
        let records = journal.records_between(self.counted, end).map_err(io)?;
        let mut records = records.ok_or_else(|| self.other(journal))?;
        loop {
            let hands = records.by_ref().take(CHUNK_MAX).collect::<Result<Vec<_>, _>>()?;
            if hands.is_empty() {
                return Ok(());
            }
            self.count(hands.iter(), records.position().bytes)?;
        }
    }

    /// Counts the hands that lie between what was counted and this byte. The totals of each.
    pub(super) fn count<'a>(
        &mut self,
        hands: impl ExactSizeIterator<Item = &'a HandRecord>,
        end: u64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let counted = Position { bytes: end, lines: self.counted.lines + hands.len() as u64 };
        let path = self.scores.path().to_owned();
        let connection = &mut self.scores.connection;
        let write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let totals = hands.map(|hand| count(&transaction, hand)).collect::<rusqlite::Result<_>>()?;
            let at = [counted.bytes, counted.lines].map(u64::cast_signed);
            transaction.prepare_cached(MOVE)?.execute(at)?;
            transaction.commit()?;
            Ok(totals)
        };
        let totals = write().map_err(|error| refused(&path, error))?;
        self.counted = counted;
        Ok(totals)
    }

    fn other(&self, journal: &JournalFile) -> StoreError {
        StoreError::OtherJournal {
            file: journal.path().into(),
            scores: self.scores.path().into(),
            counted: self.counted.bytes,
        }
    }
}

fn count(transaction: &Transaction<'_>, hand: &HandRecord) -> rusqlite::Result<Recorded> {
    let is_new = transaction.prepare_cached(COUNT)?.execute([hand.id.to_string()])? == 1;
    if is_new {
        let mut add = transaction.prepare_cached(ADD)?;
        for (account, score) in hand.seats.iter().zip(&hand.scores) {
            let sum = params![account.0.cast_signed(), hand.game.0, score];
            if add.execute(sum)? == 0 {
                transaction.prepare_cached(BEGIN)?.execute(sum)?;
            }
        }
    }
    let totals = hand.seats.iter().map(|account| find(transaction, *account, hand.game));
    Ok(Recorded { totals: totals.collect::<rusqlite::Result<_>>()? })
}
