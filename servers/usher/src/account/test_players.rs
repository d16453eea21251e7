//! Accounts for a load test: no passwords, but client keys in a file.
//!
//! Why: thousands of accounts are made in a moment, and log in without PBKDF2, which would measure the machine
//! that plays the clients.
//! Invariants: the accounts are committed only once their keys are in the file; the keys are removed again if
//! they could not be.
//! Read next: `usher_secure::scram::key_file`.

use anyhow::Context;
use std::fs;
use std::path::Path;
use usher_runtime::clock;
use usher_secure::os_rng;
use usher_secure::scram::key_file::{self, NamedKeys};
use usher_secure::scram::{ClientKeys, Verifier};
use usher_store::{Change, Database};

/// Makes accounts `player-1` to `player-N`, and a new file with their keys.
pub(crate) fn make(
    database: &mut Database,
    count: u32,
    keys: &Path,
    progress: &mut dyn FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let iterations = database.iterations();
    let import = database.import()?;
    let mut accounts = Vec::with_capacity(count as usize);
    for number in 1..=count {
        progress(u64::from(number - 1))?;
        let (name, keys) = (format!("player-{number}"), ClientKeys::generate(iterations, &mut os_rng()));
        let verifier = Verifier::of_keys(&keys);
        import.change(&Change::Add { name: name.clone(), verifier }, clock::unix_ms())?;
        accounts.push(NamedKeys { name, keys });
    }
    key_file::write(keys, &accounts)?;
    import.commit().inspect_err(|_| drop(fs::remove_file(keys))).context("no test account was made")
}
