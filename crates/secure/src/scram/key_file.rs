//! A file of ready client keys: the accounts of a load test.
//!
//! Why: thousands of simulated players on one machine would spend it on PBKDF2, which is their own devices'
//! work in life. RFC 5802 lets a client keep its keys.
//! The file: one line an account, `name,client key,server key,salt,iterations`, keys and salt in base64; lines
//! that begin with `#` are skipped. Whoever has it logs in as any of them: only its owner may read it.
//! Limits: one line is as long as its fields may be; the reader chooses how many lines it takes.
//! Read next: [`super`].

use super::{ClientKeys, ITERATIONS_MAX, ITERATIONS_MIN, Key, SALT_BYTES_MAX, check_name};
use crate::private_file::{self, PrivateFileError};
use base64ct::{Base64, Encoding};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const HEAD: &str =
    "# Usher client keys: name,client key,server key,salt,iterations. Whoever has them logs in.\n";

/// An account and the keys that log in to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKeys {
    /// The account.
    pub name: String,
    /// Its keys.
    pub keys: ClientKeys,
}

/// Why a file of keys was not taken: the operator's to mend, each.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file was not read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// A line is not an account's.
    #[error("{}:{line}: {what}; `usher account import --test-players` writes such files", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it. Never a key.
        what: &'static str,
    },
}

/// Writes a new file. An existing one is left alone: an error.
pub fn write(path: &Path, accounts: &[NamedKeys]) -> Result<(), KeysError> {
    let mut text = String::from(HEAD);
    for NamedKeys { name, keys } in accounts {
        let [client_key, server_key] =
            [&keys.client_key, &keys.server_key].map(|key| Base64::encode_string(key.bytes()));
        let salt = Base64::encode_string(&keys.salt);
        writeln!(text, "{name},{client_key},{server_key},{salt},{}", keys.iterations)
            .expect("invariant: a String can be written to");
    }
    Ok(private_file::write(path, &text)?)
}

/// Reads so many of its accounts, from the one of that number, from 0; fewer if there are fewer.
pub fn read(path: &Path, from: usize, count: usize) -> Result<Vec<NamedKeys>, KeysError> {
    let mut accounts = Vec::new();
    let lines = BufReader::new(private_file::open(path)?).lines();
    let mut at = 0;
    for (line, text) in (1..).zip(lines) {
        let text = text.map_err(|source| PrivateFileError::Io { file: path.to_owned(), source })?;
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        if at >= from && accounts.len() < count {
            let refused = |what| KeysError::Line { file: path.to_owned(), line, what };
            accounts.push(parse(&text).map_err(refused)?);
        }
        at += 1;
    }
    Ok(accounts)
}

/// The name comes first and may have commas, so the line is taken apart from its end.
fn parse(line: &str) -> Result<NamedKeys, &'static str> {
    let mut fields = line.trim_end().rsplitn(5, ',');
    let mut field = || fields.next().ok_or("expected name,client key,server key,salt,iterations");
    let (iterations, salt, server_key, client_key, name) = (field()?, field()?, field()?, field()?, field()?);
    check_name(name).map_err(|_| "the name is not one an account can have")?;
    let iterations = iterations.parse().map_err(|_| "the iterations are no number")?;
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return Err("the iterations are out of range");
    }
    let salt = Base64::decode_vec(salt).map_err(|_| "the salt is not base64")?;
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
        return Err("the salt is empty or too long");
    }
    let keys = ClientKeys { client_key: key(client_key)?, server_key: key(server_key)?, salt, iterations };
    Ok(NamedKeys { name: name.into(), keys })
}

fn key(text: &str) -> Result<Key, &'static str> {
    let mut bytes = [0; super::KEY_BYTES];
    match Base64::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == super::KEY_BYTES => Ok(Key::new(bytes)),
        _ => Err("a key is not 32 bytes in base64"),
    }
}
