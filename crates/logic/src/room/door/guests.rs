//! The connections of this server, wherever in it they are, and whose they are.
//!
//! Why: what counts as served is this table; an eviction must find every connection of an account.
//! Owns: one [`Guest`] for each admitted connection, until it is gone.
//! Invariants: a connection that was told to close stays here until its disconnection, and says nothing more.
//! Limits: admission bounds it by `connections_max`.
//! Read next: [`super::places`].

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::{AccountId, ConnId, Identity};

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Admitted, not up yet.
    Knocked,
    /// At the door, in no room.
    Door,
    /// Waiting for the verdict on this request.
    Claiming(u64),
    /// On a floor.
    Inside,
    /// Out of its room; `Left` is said when the manager acknowledged the release.
    Leaving {
        /// The last chat that was sent.
        seq: u64,
    },
    /// Told to close.
    Closing,
}

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    /// Whose.
    pub(super) identity: Identity,
    /// Where.
    pub(super) at: At,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Guests {
    by_conn: HashMap<ConnId, Guest, FixedState>,
    by_account: BTreeSet<(AccountId, ConnId)>,
}

impl Guests {
    pub(super) fn new(seed: u64) -> Self {
        Self { by_conn: HashMap::with_hasher(FixedState::with_seed(seed)), by_account: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> u32 {
        self.by_conn.len() as u32
    }

    pub(super) fn add(&mut self, conn: ConnId, identity: Identity) {
        self.by_conn.insert(conn, Guest { identity, at: At::Knocked });
        self.by_account.insert((identity.account, conn));
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<Guest> {
        self.by_conn.get(&conn).copied()
    }

    /// Does nothing if the connection is gone.
    pub(super) fn put(&mut self, conn: ConnId, at: At) {
        if let Some(guest) = self.by_conn.get_mut(&conn) {
            guest.at = at;
        }
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Guest> {
        let guest = self.by_conn.remove(&conn)?;
        self.by_account.remove(&(guest.identity.account, conn));
        Some(guest)
    }

    /// The connections of an account.
    pub(super) fn of(&self, account: AccountId) -> Vec<ConnId> {
        let range = (account, ConnId(0))..=(account, ConnId(u64::MAX));
        self.by_account.range(range).map(|&(_, conn)| conn).collect()
    }

    /// Every connection, in an order that does not depend on the table.
    pub(super) fn all(&self) -> Vec<ConnId> {
        self.by_account.iter().map(|&(_, conn)| conn).collect()
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.by_conn.len(), self.by_account.len());
        for &(account, conn) in &self.by_account {
            assert_eq!(self.by_conn[&conn].identity.account, account);
        }
    }
}
