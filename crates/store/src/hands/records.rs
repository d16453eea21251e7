//! The records of a journal, one after the other.
//!
//! Why: a server counting what it missed and an operator playing hands back read the same lines with the same limits.
//! Owns: lines and their numbers. Does not own what to do about a line that is cut short.
//! Invariants: no more than a line is in memory; after an error there are no more records.
//! Limits: [`LINE_BYTES_MAX`].
//! Read next: `file.rs`.

use super::line::{self, LINE_BYTES_MAX, LineError};
use crate::error::StoreError;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use usher_proto::HandRecord;

/// So much of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes of whole lines.
    pub bytes: u64,
    /// Those lines.
    pub lines: u64,
}

/// Reads records.
#[derive(Debug)]
pub struct Records<R> {
    file: PathBuf,
    reader: R,
    at: Position,
    line: Vec<u8>,
    failed: bool,
}

impl<R: BufRead> Records<R> {
    /// Of a whole journal; its errors call it by this name.
    pub fn new(file: &Path, reader: R) -> Self {
        Self::from(file, reader, Position::default())
    }

    /// Of the rest of one.
    pub(super) fn from(file: &Path, reader: R, at: Position) -> Self {
        Self { file: file.into(), reader, at, line: Vec::new(), failed: false }
    }

    /// What was read so far. The last record's line is number `lines`.
    pub fn position(&self) -> Position {
        self.at
    }

    fn read(&mut self) -> Result<Option<HandRecord>, StoreError> {
        self.line.clear();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX as u64);
        let io = |source| StoreError::Io { file: self.file.clone(), source };
        let read = limited.read_until(b'\n', &mut self.line).map_err(io)?;
        let parsed = match self.line.strip_suffix(b"\n") {
            Some(line) => line::parse(line),
            None if read == 0 => return Ok(None),
            None if read == LINE_BYTES_MAX => Err(LineError::TooLong),
            None => Err(LineError::Torn(read)),
        };
        let line = self.at.lines + 1;
        let record = parsed.map_err(|error| StoreError::Line { file: self.file.clone(), line, error })?;
        self.at = Position { bytes: self.at.bytes + read as u64, lines: line };
        Ok(Some(record))
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<HandRecord, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}
