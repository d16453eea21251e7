//! The journal on the disk: whole lines, and perhaps a last one that never became whole.
//!
//! Why: a crash, a full disk or a failed sync may leave a piece of a line behind; what is appended next must not
//! continue it.
//! Owns: the file, its lock, and where its whole lines end. Does not own what a line says.
//! Invariants: nothing before `end` is ever changed; what lies behind it was never acknowledged and is cut off before
//! anything is appended; one process appends.
//! Limits: a last line of [`LINE_BYTES_MAX`] without an end is no piece of a record: an error, and not cut.
//! Read next: [`super::recorder`].

use super::line::LINE_BYTES_MAX;
use super::records::{Position, Records};
use crate::error::StoreError;
use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};
use usher_secure::private_file;

/// How every line begins.
const BEGINNING: &[u8] = b"{\"hand\":\"";

/// Some of a journal.
pub(super) type Part<'a> = BufReader<Take<&'a File>>;

/// A journal that is open for appending.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    pub(super) file: File,
    /// Bytes of whole lines.
    end: u64,
    /// Bytes may lie behind them.
    torn: bool,
}

impl JournalFile {
    /// Opens it, or makes it. A torn last line is found but not yet cut: see [`Self::cut`].
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            make(path)?;
        }
        let file = private_file::open_to_write(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(path.into())),
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { file: path.into(), source }),
        }
        let (end, torn) = find_end(path, &file)?;
        Ok(Self { path: path.into(), file, end, torn })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of whole lines.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The records from a position to a byte. Nothing if no line ends at the position.
    pub(super) fn records_between(&self, at: Position, end: u64) -> io::Result<Option<Records<Part<'_>>>> {
        let Some(length) = end.checked_sub(at.bytes) else { return Ok(None) };
        let mut file = &self.file;
        if let Some(before) = at.bytes.checked_sub(1) {
            file.seek(SeekFrom::Start(before))?;
            let mut byte = [0];
            file.read_exact(&mut byte)?;
            if byte != *b"\n" {
                return Ok(None);
            }
        } else {
            file.rewind()?;
        }
        let rest = BufReader::new(file.take(length));
        Ok(Some(Records::from(&self.path, rest, at)))
    }

    /// Cuts off what never became a whole line: so many bytes.
    pub(super) fn cut(&mut self) -> io::Result<u64> {
        if !self.torn {
            return Ok(0);
        }
        let behind = self.file.metadata()?.len().saturating_sub(self.end);
        self.file.set_len(self.end)?;
        self.file.sync_all()?;
        self.torn = false;
        Ok(behind)
    }

    /// Whole lines, on the disk when this returns. On an error none of them is there.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.cut()?;
        self.torn = true;
        let written = self.write(lines);
        if written.is_err() {
            let _ = self.cut(); // at once if it can be, else before the next
            return written;
        }
        self.end += lines.len() as u64;
        self.torn = false;
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(lines)?;
        self.file.sync_data()
    }
}

/// An empty one, whose name outlives a power cut too.
fn make(path: &Path) -> Result<(), StoreError> {
    private_file::create(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| StoreError::Io { file: folder.into(), source })
}

/// Where the last whole line ends, and whether a piece of another lies behind it. What can be no such piece counts as
/// a line, for the reader to refuse by its number: a file of something else is not to be cut.
fn find_end(path: &Path, file: &File) -> Result<(u64, bool), StoreError> {
    let (length, tail) = tail(file).map_err(|source| StoreError::Io { file: path.into(), source })?;
    let behind = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
    let is_first = behind as u64 == length;
    let is_ours = !is_first || tail.iter().zip(BEGINNING).all(|(is, wanted)| is == wanted);
    let is_piece = behind < LINE_BYTES_MAX && is_ours;
    Ok(if is_piece { (length - behind as u64, behind > 0) } else { (length, false) })
}

/// The length of a file, and as much of its end as a line may have.
fn tail(mut file: &File) -> io::Result<(u64, Vec<u8>)> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LINE_BYTES_MAX as u64)))?;
    let mut tail = Vec::new();
    file.take(LINE_BYTES_MAX as u64).read_to_end(&mut tail)?;
    Ok((length, tail))
}
