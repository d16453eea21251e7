//! Why the store did not do as it was told.
//!
//! Invariants: every error names the file and, where an operator can mend it, how. No secret is in any.
//! Read next: [`crate::database`], [`crate::hands`].

use crate::hands::LineError;
use std::io;
use std::path::{Path, PathBuf};
use usher_secure::PrivateFileError;

/// Why an account database, a journal of hands or its scores were not opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file was not opened or made; others may read it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is none.
    #[error("{path}: there is no such file; `usher account add NAME --accounts {path}` makes it", path = .0.display())]
    Missing(PathBuf),
    /// It is something else.
    #[error("{}: is not an account database; lists of name,password are read by `usher account import`", .0.display())]
    Foreign(PathBuf),
    /// A later version made it.
    #[error("{}: is of schema {found}, this program knows {known}: use the newer one", file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest this program knows.
        known: i64,
    },
    /// Somebody else has been writing for too long.
    #[error("{}: another process is writing to it; try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// `SQLite` says no.
    #[error("{}: {error}", file.display())]
    Sqlite {
        /// Which file.
        file: PathBuf,
        /// What it says.
        error: rusqlite::Error,
    },
    /// The transaction that this change was part of did not reach the disk.
    #[error("{}: nothing was changed: {what}", file.display())]
    NotCommitted {
        /// Which file.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// The system said no, about the journal.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process has the journal open.
    #[error("{}: another process appends to it; give each server its own", .0.display())]
    Locked(PathBuf),
    /// A line of a journal is no record of a hand.
    #[error("{}:{line}: {error}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Why.
        error: LineError,
    },
    /// The journal does not reach, with a whole line, to where its scores have counted.
    #[error(
        "{}: is not the file whose hands were counted to byte {counted}; put that one back, or remove {} and its \
         -wal and -shm: the scores are summed anew",
        file.display(),
        scores.display()
    )]
    OtherJournal {
        /// The journal.
        file: PathBuf,
        /// The scores beside it.
        scores: PathBuf,
        /// How many bytes they know of.
        counted: u64,
    },
    /// There are no scores, or what lies there is something else.
    #[error("{}: holds no scores; a room server makes it beside its journal of hands", .0.display())]
    NoScores(PathBuf),
    /// A hand is not in the journal and will not be.
    #[error("{}: a hand was not recorded: {what}", file.display())]
    NotRecorded {
        /// The journal.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// A hand is in the journal, and is counted with the next one that can be.
    #[error("{}: a hand was recorded but is not counted yet: {what}", file.display())]
    NotCounted {
        /// The journal.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// The operator wants what cannot be.
    #[error("{}: {refusal}", file.display())]
    Refused {
        /// Which file.
        file: PathBuf,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An account has that name.
    #[error("there is an account \"{0}\" already; `usher account passwd` changes its password")]
    NameTaken(String),
    /// Two names have one number, by a chance of one in 2^63.
    #[error("\"{name}\" has the same number as \"{other}\"; one of them needs another name")]
    NumberTaken {
        /// The new one.
        name: String,
        /// The one that is there.
        other: String,
    },
    /// Nobody has that name.
    #[error("there is no account \"{0}\"; `usher account add` makes one")]
    NoSuchAccount(String),
    /// No account may be called so.
    #[error("\"{0}\" is no name: 1 to 32 bytes, nothing that SASLprep (RFC 4013) would change or refuse")]
    BadName(String),
}

impl StoreError {
    pub(crate) fn sqlite(file: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign(file.into()),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy(file.into())
            }
            _ => Self::Sqlite { file: file.into(), error },
        }
    }

    pub(crate) fn refused(file: &Path, refusal: Refusal) -> Self {
        Self::Refused { file: file.into(), refusal }
    }
}
