//! The account database: one `SQLite` file, several processes.
//!
//! Why: login servers on one machine read the same accounts while an operator changes them; a write-ahead log
//! lets them, and what was committed is there after a power cut.
//! Owns: the schema, its version, look-ups and changes. Kept of a password is what checks it
//! ([`Verifier`]); kept once is a secret of the database's own, from which the answers about names that nobody
//! has are made, so that they stay the same over restarts and look like anybody's.
//! Invariants: only its owner may read the file; a newer schema is not touched; every account made here has the
//! database's iteration count, so that the count tells nothing.
//! Limits: a writer waits [`BUSY_MAX`] for another; [`LIST_PAGE`] names are read at once.
//! Read next: [`crate::writer`].

use crate::accounts::number;
use crate::error::{Refusal, StoreError};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;
use usher_secure::scram::{Account, Key, Standing, Verifier, check_name};
use usher_secure::{AccountId, os_rng, private_file};

/// How long a writer waits for another process's.
pub const BUSY_MAX: Duration = Duration::from_secs(5);
/// Names read at once when all are listed.
pub const LIST_PAGE: u32 = 1_000;
/// What this program writes.
const SCHEMA: i64 = 1;
/// "USHa": whose file it is.
const APPLICATION: i64 = 0x5553_4861;

const TABLES: &str = "
    CREATE TABLE facts (secret BLOB NOT NULL, iterations INTEGER NOT NULL) STRICT;
    CREATE TABLE accounts (
        name TEXT PRIMARY KEY,
        id INTEGER NOT NULL UNIQUE,
        salt BLOB NOT NULL,
        iterations INTEGER NOT NULL,
        stored_key BLOB NOT NULL,
        server_key BLOB NOT NULL,
        disabled INTEGER NOT NULL DEFAULT 0,
        created_unix_ms INTEGER NOT NULL,
        changed_unix_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";
const FIND: &str =
    "SELECT id, salt, iterations, stored_key, server_key, disabled FROM accounts WHERE name = ?1";
const ADD: &str = "INSERT INTO accounts
    (name, id, salt, iterations, stored_key, server_key, created_unix_ms, changed_unix_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
const SET_VERIFIER: &str = "UPDATE accounts SET salt = ?2, iterations = ?3, stored_key = ?4, server_key = ?5,
    changed_unix_ms = ?6 WHERE name = ?1";
const SET_DISABLED: &str = "UPDATE accounts SET disabled = ?2, changed_unix_ms = ?3 WHERE name = ?1";
const LIST: &str = "SELECT name, id, disabled FROM accounts WHERE name > ?1 ORDER BY name LIMIT ?2";

/// One change of one account.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new one.
    Add {
        /// Its name.
        name: String,
        /// Of its password.
        verifier: Verifier,
    },
    /// A new password.
    SetVerifier {
        /// Its name.
        name: String,
        /// Of the password.
        verifier: Verifier,
    },
    /// Whether it may log in.
    SetDisabled {
        /// Its name.
        name: String,
        /// It may not.
        disabled: bool,
    },
}

/// An account as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: AccountId,
    /// It may not log in.
    pub disabled: bool,
}

/// An open database.
pub struct Database {
    path: PathBuf,
    connection: Connection,
    secret: Key,
    iterations: u32,
}

impl std::fmt::Debug for Database {
    /// Where it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Database").field(&self.path).finish()
    }
}

impl Database {
    /// Opens one that is there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.into()));
        }
        Self::of(path, connect(path)?)
    }

    /// Opens one, or makes it; `iterations` is for a new one.
    pub fn open_or_create(path: &Path, iterations: u32) -> Result<Self, StoreError> {
        if !path.exists() {
            match private_file::create(path) {
                Err(error) if !path.exists() => return Err(error.into()),
                _ => {} // made, here or by somebody who was faster
            }
        }
        let mut connection = connect(path)?;
        make_tables(&mut connection, iterations).map_err(|error| StoreError::sqlite(path, error))?;
        Self::of(path, connection)
    }

    fn of(path: &Path, connection: Connection) -> Result<Self, StoreError> {
        let sqlite = |error| StoreError::sqlite(path, error);
        let (application, found) = marks(&connection).map_err(sqlite)?;
        if application != APPLICATION {
            return Err(StoreError::Foreign(path.into()));
        }
        if found > SCHEMA {
            return Err(StoreError::Newer { file: path.into(), found, known: SCHEMA });
        }
        let facts = connection.query_row("SELECT secret, iterations FROM facts", [], |row| {
            Ok((Key::new(row.get(0)?), row.get(1)?))
        });
        let (secret, iterations) = facts.map_err(sqlite)?;
        Ok(Self { path: path.into(), connection, secret, iterations })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The iterations of its accounts.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// What there is to know of a name, whether or not anybody has it.
    pub fn find(&self, name: &str) -> Result<Account, StoreError> {
        let mut statement = self.connection.prepare_cached(FIND).map_err(|error| self.sqlite(error))?;
        let found = statement.query_row([name], account).optional().map_err(|error| self.sqlite(error))?;
        // Made for every name, so that a known one takes no less.
        let decoy = Verifier::decoy(&self.secret, name, self.iterations);
        Ok(found.unwrap_or(Account { id: number(name), verifier: decoy, standing: Standing::Unknown }))
    }

    /// How many accounts there are.
    pub fn count(&self) -> Result<u64, StoreError> {
        let count =
            self.connection.query_row("SELECT count(*) FROM accounts", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|error| self.sqlite(error))
    }

    /// The accounts whose names come after this one, at most [`LIST_PAGE`].
    pub fn list_after(&self, name: &str) -> Result<Vec<Listed>, StoreError> {
        let listed = |row: &Row<'_>| {
            let id = AccountId(row.get::<_, i64>(1)?.unsigned_abs());
            Ok(Listed { name: row.get(0)?, id, disabled: row.get(2)? })
        };
        let read = || {
            let mut statement = self.connection.prepare_cached(LIST)?;
            statement.query_map(params![name, LIST_PAGE], listed)?.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.sqlite(error))
    }

    /// Many changes, all or none of which are made.
    pub fn import(&mut self) -> Result<Import<'_>, StoreError> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| StoreError::sqlite(&self.path, error))?;
        Ok(Import { path: &self.path, transaction })
    }

    fn sqlite(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }
}

/// Changes that are not yet made; dropped, they never are.
pub struct Import<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
}

impl Import<'_> {
    /// Adds one change. One that is refused leaves the others as they are.
    pub fn change(&self, change: &Change, now_unix_ms: u64) -> Result<(), StoreError> {
        let made = match change {
            Change::Add { name, verifier } => return self.add(name, verifier, now_unix_ms),
            Change::SetVerifier { name, verifier } => {
                let Verifier { salt, iterations, stored_key, server_key } = verifier;
                let (stored, server) = (stored_key.bytes(), server_key.bytes());
                let values = params![name, salt, iterations, stored, server, millis(now_unix_ms)];
                (name, self.execute(SET_VERIFIER, values)?)
            }
            Change::SetDisabled { name, disabled } => {
                (name, self.execute(SET_DISABLED, params![name, disabled, millis(now_unix_ms)])?)
            }
        };
        match made {
            (name, 0) => Err(self.refused(Refusal::NoSuchAccount(name.clone()))),
            _ => Ok(()),
        }
    }

    fn add(&self, name: &str, verifier: &Verifier, now_unix_ms: u64) -> Result<(), StoreError> {
        check_name(name).map_err(|_| self.refused(Refusal::BadName(name.into())))?;
        let id = number(name).0.cast_signed();
        if let Some(other) = self.holder(name, id)? {
            return Err(self.refused(if other == name {
                Refusal::NameTaken(other)
            } else {
                Refusal::NumberTaken { name: name.into(), other }
            }));
        }
        let Verifier { salt, iterations, stored_key, server_key } = verifier;
        let (stored, server) = (stored_key.bytes(), server_key.bytes());
        let values = params![name, id, salt, iterations, stored, server, millis(now_unix_ms)];
        self.execute(ADD, values).map(|_| ())
    }

    /// Who has this name or number.
    fn holder(&self, name: &str, id: i64) -> Result<Option<String>, StoreError> {
        let find = "SELECT name FROM accounts WHERE name = ?1 OR id = ?2 ORDER BY name <> ?1 LIMIT 1";
        let read = || {
            let mut statement = self.transaction.prepare_cached(find)?;
            statement.query_row(params![name, id], |row| row.get(0)).optional()
        };
        read().map_err(|error| StoreError::sqlite(self.path, error))
    }

    fn execute(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<usize, StoreError> {
        let run = || self.transaction.prepare_cached(sql)?.execute(values);
        run().map_err(|error| StoreError::sqlite(self.path, error))
    }

    /// Makes them: they are on the disk when this returns.
    pub fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        self.transaction.commit().map_err(|error| StoreError::sqlite(path, error))
    }

    fn refused(&self, refusal: Refusal) -> StoreError {
        StoreError::refused(self.path, refusal)
    }
}

/// A connection to a private file that is there.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    drop(private_file::open(path)?); // its mode is checked there; the log beside it gets the same from SQLite
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_MAX)?;
        // What was acknowledged outlives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    open().map_err(|error| StoreError::sqlite(path, error))
}

/// Whose file it is, and of which schema.
pub(crate) fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let mark = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((mark("application_id")?, mark("user_version")?))
}

/// Fills a file that is empty yet; any other is left as it is.
fn make_tables(connection: &mut Connection, iterations: u32) -> rusqlite::Result<()> {
    if marks(connection)? != (0, 0) {
        return Ok(());
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(TABLES)?;
        let secret = Key::generate(&mut os_rng());
        transaction.execute("INSERT INTO facts VALUES (?1, ?2)", params![secret.bytes(), iterations])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
    }
    transaction.commit()
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let verifier = Verifier {
        salt: row.get(1)?,
        iterations: row.get(2)?,
        stored_key: Key::new(row.get(3)?),
        server_key: Key::new(row.get(4)?),
    };
    let standing = if row.get(5)? { Standing::Disabled } else { Standing::Good };
    Ok(Account { id: AccountId(row.get::<_, i64>(0)?.unsigned_abs()), verifier, standing })
}

fn millis(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}
