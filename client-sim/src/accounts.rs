//! Who the players are: guests, or accounts whose keys are in a file.
//!
//! Why: a player's machine asks for the texts of its login; whoever has the keys answers. Keys are ready, because
//! deriving thousands of them is work that players' own devices do in life.
//! Invariants: the account of a player is that of its number in the file, whichever process plays it.
//! Read next: `usher_secure::scram`.

use anyhow::{Context, bail};
use std::path::Path;
use usher_proto::machine::{Answer, ClientProof, Exchange, Question};
use usher_runtime::answers::World;
use usher_secure::scram::key_file::{self, NamedKeys};
use usher_secure::scram::{self, fresh_nonce};
use usher_secure::{Ticket, os_rng};

/// What the report says of players that are guests.
pub const GUESTS: &str = "guests";
/// And of those whose keys were in a file.
pub const CACHED_KEYS: &str = "cached keys";

/// The accounts of this process's players.
#[derive(Debug)]
pub struct KeyRing {
    accounts: Vec<NamedKeys>,
    /// The number of the first.
    first: u32,
}

impl KeyRing {
    /// Reads the accounts of so many players, the first of which has that number.
    pub fn load(path: &Path, first: u32, players: u32) -> anyhow::Result<Self> {
        let accounts = key_file::read(path, first as usize, players as usize)?;
        if accounts.len() < players as usize {
            let there = first as usize + accounts.len();
            let wanted = u64::from(first) + u64::from(players);
            bail!("{}: has {there} accounts, {wanted} players need one each", path.display());
        }
        Ok(Self { accounts, first })
    }

    fn account(&self, number: u32) -> Option<&NamedKeys> {
        self.accounts.get(number.checked_sub(self.first)? as usize)
    }

    fn client_first(&self, number: u32) -> anyhow::Result<String> {
        let account = self.account(number).context("no such account")?;
        Ok(scram::client_first(&account.name, &fresh_nonce(&mut os_rng()))?)
    }

    fn client_final(&self, number: u32, exchange: &Exchange) -> anyhow::Result<ClientProof> {
        let Exchange { client_first, server_first } = exchange;
        let account = self.account(number).context("no such account")?;
        let proof = scram::client_final(client_first, server_first, &account.keys)?;
        Ok(ClientProof { client_final: proof.text, server_final: proof.server_final })
    }
}

impl World for KeyRing {
    fn answer(
        &mut self,
        _id: u64,
        question: Question,
        _presented: Option<&Ticket>,
        _now_unix_ms: u64,
    ) -> Option<Answer> {
        Some(match question {
            Question::ClientFirst { account } => Answer::ClientFirst(known(self.client_first(account))),
            Question::ClientFinal { account, exchange } => {
                Answer::ClientFinal(known(self.client_final(account, &exchange)))
            }
            other => unreachable!("a player asks nothing else: {other:?}"),
        })
    }
}

fn known<T>(answer: anyhow::Result<T>) -> Option<T> {
    answer.inspect_err(|error| tracing::warn!("a player cannot log in: {error}")).ok()
}
