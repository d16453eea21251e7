//! The scores: one sum for each account and game, in an `SQLite` file beside the journal.
//!
//! Why: a player's score is shown on sitting down, and nobody adds up a journal for that.
//! Owns: the schema and the look-up. Does not own how hands are counted (`tally.rs`).
//! Invariants: all of it is made from the journal; removed, it is made again. The names of the hands that were counted
//! and the place in the journal up to which they were are changed together with the sums.
//! Limits: as the journal's; `CACHE_KIB`. What a power cut takes back (`synchronous = NORMAL`) is counted again from the journal.
//! Read next: `tally.rs`.

use crate::database::{connect, marks};
use crate::error::StoreError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use usher_proto::{AccountId, GameId};
use usher_secure::private_file;

/// What this program writes.
const SCHEMA: i64 = 1;
/// Of pages, which the system keeps as well. By itself `SQLite` takes eight times as much, hours later: as the names become many.
const CACHE_KIB: i64 = 256;
/// "USHs": whose file it is.
const APPLICATION: i64 = 0x5553_4873;

const TABLES: &str = "
    CREATE TABLE counted (bytes INTEGER NOT NULL, lines INTEGER NOT NULL) STRICT;
    INSERT INTO counted VALUES (0, 0);
    CREATE TABLE hands (hand TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE sums (
        account INTEGER NOT NULL,
        game INTEGER NOT NULL,
        score INTEGER NOT NULL,
        PRIMARY KEY (account, game)
    ) STRICT, WITHOUT ROWID;
";
const FIND: &str = "SELECT score FROM sums WHERE account = ?1 AND game = ?2";

/// Open scores.
pub struct Scores {
    path: PathBuf,
    pub(super) connection: Connection,
}

impl std::fmt::Debug for Scores {
    /// Where they are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scores").field(&self.path).finish()
    }
}

/// Where the scores of a journal lie: `hands.jsonl` has them in `hands.scores.db`.
pub fn path_of(journal: &Path) -> PathBuf {
    journal.with_extension("scores.db")
}

impl Scores {
    /// Opens those of a journal, which its server has made.
    pub fn open(journal: &Path) -> Result<Self, StoreError> {
        let path = path_of(journal);
        if !path.exists() {
            return Err(StoreError::NoScores(path));
        }
        Self::of(path)
    }

    /// Opens those of a journal, or makes them: for the one who appends to it.
    pub(super) fn open_or_create(journal: &Path) -> Result<Self, StoreError> {
        let path = path_of(journal);
        if !path.exists() {
            private_file::create(&path)?;
        }
        let mut connection = connect(&path).map_err(no_scores)?;
        make_tables(&mut connection).map_err(|error| refused(&path, error))?;
        drop(connection);
        Self::of(path)
    }

    fn of(path: PathBuf) -> Result<Self, StoreError> {
        let connection = connect(&path).map_err(no_scores)?;
        let (application, found) = marks(&connection).map_err(|error| refused(&path, error))?;
        if application != APPLICATION {
            return Err(StoreError::NoScores(path));
        }
        if found > SCHEMA {
            return Err(StoreError::Newer { file: path, found, known: SCHEMA });
        }
        let scores = Self { path, connection };
        scores.run(|connection| {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)
        })?;
        Ok(scores)
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an account has won in a game so far, less what it lost.
    pub fn score(&self, account: AccountId, game: GameId) -> Result<i64, StoreError> {
        self.run(|connection| find(connection, account, game))
    }

    pub(super) fn run<T>(
        &self,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        call(&self.connection).map_err(|error| refused(&self.path, error))
    }
}

pub(super) fn find(connection: &Connection, account: AccountId, game: GameId) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(FIND)?;
    let sum = statement.query_row(params![account.0.cast_signed(), game.0], |row| row.get(0)).optional()?;
    Ok(sum.unwrap_or(0))
}

pub(super) fn refused(path: &Path, error: rusqlite::Error) -> StoreError {
    no_scores(StoreError::sqlite(path, error))
}

/// A file of something else is called what it should be here.
fn no_scores(error: StoreError) -> StoreError {
    match error {
        StoreError::Foreign(path) => StoreError::NoScores(path),
        other => other,
    }
}

/// Fills a file that is empty yet; any other is left as it is.
fn make_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    if marks(connection)? != (0, 0) {
        return Ok(());
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}
