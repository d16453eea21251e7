//! Named accounts from a file, and numbers for guests.
//!
//! Why: the simplest store that is one: a file that an operator writes. It holds passwords as they are typed
//! and so is private; SCRAM verifiers are to take their place, behind the same two questions.
//! The file is TOML: `[[account]]` with `name` and `password`, any number of times.
//! Owns: names, numbers, digests of passwords. The passwords themselves are not kept.
//! Invariants: an account's number is made from its name alone (`BLAKE2b`, top bit clear), so that every login
//! server agrees without asking; a guest's is random with the top bit set: they never meet. A wrong name
//! takes as long as a wrong password.
//! Limits: [`ACCOUNTS_MAX`] accounts; names and passwords by [`usher_secure::limits`].
//! Read next: `usher_secure::private_file`.

use core::fmt;
use orion::hazardous::hash::blake2::blake2b::{Digest, Hasher};
use rand::CryptoRng;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;
use usher_secure::AccountId;
use usher_secure::limits::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX};
use usher_secure::private_file::{self, PrivateFileError};

/// Accounts in one file.
pub const ACCOUNTS_MAX: usize = 100_000;
/// Set in a guest's number, clear in a named account's.
const GUEST_BIT: u64 = 1 << 63;

/// Why an account file was not loaded: the operator's to mend, each. Names the file, the line and the field.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file was not read.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Something in it is not as it must be.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong, with the field. Never a password.
        what: String,
    },
}

/// The named accounts of a cluster.
#[derive(Default)]
pub struct Accounts {
    by_name: BTreeMap<String, Account>,
}

struct Account {
    id: AccountId,
    password: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    account: Vec<RawAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    name: Spanned<String>,
    /// Any value, because serde's complaint about one that is no text would quote it.
    password: Spanned<toml::Value>,
}

impl Accounts {
    /// Reads an account file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, AccountsError> {
        Self::parse(path, &private_file::read(path)?)
    }

    /// The account of that name, if that is its password.
    pub fn check(&self, name: &str, password: &str) -> Option<AccountId> {
        let given = digest(password.as_bytes());
        let account = self.by_name.get(name);
        // For a name that nobody has, some other password is compared, so that the answer takes as long.
        let nobody = digest(name.as_bytes());
        let expected = account.map_or(&nobody, |it| &it.password);
        let is_right = orion::util::secure_cmp(given.as_ref(), expected.as_ref()).is_ok();
        account.filter(|_| is_right).map(|it| it.id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none: then only guests can log in.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn parse(path: &Path, text: &str) -> Result<Self, AccountsError> {
        let refused = |at: usize, what| {
            let line = 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
            AccountsError::Line { file: path.to_owned(), line, what }
        };
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            refused(at, error.message().to_owned())
        })?;
        let mut accounts = Self::default();
        let mut names = BTreeMap::new();
        for account in raw.account {
            accounts.add(account, &mut names).map_err(|(at, what)| refused(at, what))?;
        }
        Ok(accounts)
    }

    /// Takes one account in, or says what is wrong with it and at which byte of the file.
    fn add(
        &mut self,
        RawAccount { name, password }: RawAccount,
        names: &mut BTreeMap<AccountId, String>,
    ) -> Result<(), (usize, String)> {
        let (name_at, password_at) = (name.span().start, password.span().start);
        let name = name.into_inner();
        check_length("name", &name, NAME_BYTES_MAX).map_err(|what| (name_at, what))?;
        let password =
            password.get_ref().as_str().ok_or((password_at, "password: is not in quotes".into()))?;
        check_length("password", password, PASSWORD_BYTES_MAX).map_err(|what| (password_at, what))?;
        let id = number(&name);
        if let Some(other) = names.insert(id, name.clone()) {
            return Err((name_at, clash(&name, &other)));
        }
        if self.len() == ACCOUNTS_MAX {
            return Err((name_at, format!("account: more than {ACCOUNTS_MAX}")));
        }
        self.by_name.insert(name, Account { id, password: digest(password.as_bytes()) });
        Ok(())
    }
}

impl fmt::Debug for Accounts {
    /// How many, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.len())
    }
}

/// A fresh account for one guest's session: 63 random bits, so that no two guests meet.
pub fn guest(rng: &mut impl CryptoRng) -> AccountId {
    AccountId(rng.next_u64() | GUEST_BIT)
}

/// The number of a named account.
fn number(name: &str) -> AccountId {
    let digest = digest(name.as_bytes());
    let first = digest.as_ref().first_chunk().expect("invariant: a digest is 32 bytes");
    AccountId(u64::from_be_bytes(*first) & !GUEST_BIT)
}

fn digest(bytes: &[u8]) -> Digest {
    Hasher::Blake2b256.digest(bytes).expect("invariant: no input reaches BLAKE2b's limit of 2^128 bytes")
}

fn check_length(field: &str, value: &str, bytes_max: usize) -> Result<(), String> {
    match value.len() {
        0 => Err(format!("{field}: is empty")),
        len if len > bytes_max => Err(format!("{field}: {len} bytes, over the limit of {bytes_max}")),
        _ => Ok(()),
    }
}

fn clash(name: &str, other: &str) -> String {
    if name == other {
        format!("name: \"{name}\" was used above")
    } else {
        format!("name: \"{name}\" and \"{other}\" have the same number; one of them must change")
    }
}

#[cfg(test)]
mod tests;
