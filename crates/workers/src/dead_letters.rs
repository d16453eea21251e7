//! Requests that were set aside: a line of JSON each, for whoever finds out why.
//!
//! Owns: the file. Invariants: a line is written in one piece; what is not written is said.
//! Limits: [`FILE_BYTES_MAX`]; beyond it a letter is only said.
//! Read next: [`crate::pool`], which sets aside.

use crate::job::Job;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use usher_proto::codec::{self, Form};
use usher_proto::lines;
use usher_runtime::clock;
use usher_secure::hex;

/// The whole file.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A request that was set aside.
pub(crate) struct DeadLetter {
    pub(crate) group: &'static str,
    pub(crate) job: Job,
    pub(crate) strikes: u8,
}

/// Where they are written down.
pub(crate) struct DeadLetters {
    path: PathBuf,
}

impl DeadLetters {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Writes one down, and says so.
    pub(crate) fn write(&self, letter: DeadLetter) {
        let (group, kind, strikes) = (letter.group, letter.job.kind().to_owned(), letter.strikes);
        let file = self.path.display();
        match self.append(&line(letter)) {
            Ok(()) => tracing::error!(group, kind, strikes, %file, "a request was set aside"),
            Err(error) => {
                tracing::error!(group, kind, strikes, %file, %error, "a request was set aside and not written down");
            }
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        if file.metadata()?.len() + line.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is full"));
        }
        file.write_all(line.as_bytes())
    }
}

fn line(letter: DeadLetter) -> String {
    let DeadLetter { group, job, strikes } = letter;
    let kind = job.kind().to_owned();
    let message = job.message(0, Duration::ZERO);
    let mut bytes = Vec::new();
    // It was sent, so it can be written.
    let _ =
        codec::encode(Form::MessagePack, &message, |header, body| bytes.extend([&header[..], body].concat()));
    let words = lines::write(&message).ok().and_then(|line| serde_json::from_str::<Value>(&line).ok());
    let letter = json!({
        "unix_ms": clock::unix_ms(), "group": group, "kind": kind, "strikes": strikes,
        "message": words, "bytes": hex::encode(&bytes),
    });
    format!("{letter}\n")
}
