//! The connections of this server, wherever in it they are, and whose they are.
//!
//! Why: what counts as served is this table; an eviction must find every connection of an account.
//! Owns: one [`Guest`] for each admitted connection, until it is gone.
//! Invariants: a connection that was told to close stays here until its disconnection, and says nothing more;
//! whoever waits at the door has a deadline, and nobody else has.
//! Limits: admission bounds it by `connections_max`.
//! Read next: [`super::places`].

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use usher_proto::{AccountId, ConnId, Identity, Time};
use usher_steady::SteadyMap;

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
    /// Out of its room, which is being emptied; it is told where else to go when the manager has said so.
    Moving {
        /// The last chat that was sent.
        seq: u64,
    },
    /// Told to close.
    Closing,
}

impl At {
    /// In no room, and not by its own wish on the way out of one.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::Knocked | Self::Door | Self::Claiming(_) | Self::Moving { .. })
    }
}

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    /// Whose.
    pub(super) identity: Identity,
    /// Where.
    pub(super) at: At,
    /// When it has waited at the door for too long.
    pub(super) deadline: Option<Time>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Guests {
    by_conn: SteadyMap<ConnId, Guest>,
    by_account: BTreeSet<(AccountId, ConnId)>,
    deadlines: BTreeSet<(Time, ConnId)>,
}

impl Guests {
    pub(super) fn new(seed: u64) -> Self {
        Self { by_conn: SteadyMap::new(seed), by_account: BTreeSet::new(), deadlines: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> u32 {
        self.by_conn.len() as u32
    }

    /// Somebody was admitted, and waits at the door until `deadline` at the latest.
    pub(super) fn add(&mut self, conn: ConnId, identity: Identity, deadline: Time) {
        self.by_conn.insert(conn, Guest { identity, at: At::Knocked, deadline: None });
        self.by_account.insert((identity.account, conn));
        self.wait_until(conn, Some(deadline));
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<Guest> {
        self.by_conn.get(&conn).copied()
    }

    /// Does nothing if the connection is gone. A deadline lasts as long as the waiting.
    pub(super) fn put(&mut self, conn: ConnId, at: At) {
        let Some(guest) = self.by_conn.get_mut(&conn) else { return };
        guest.at = at;
        if !at.is_waiting() {
            self.wait_until(conn, None);
        }
    }

    /// Somebody is back at the door from a room and waits there so, its time beginning anew.
    pub(super) fn wait(&mut self, conn: ConnId, at: At, deadline: Time) {
        self.put(conn, at);
        self.wait_until(conn, Some(deadline));
    }

    fn wait_until(&mut self, conn: ConnId, deadline: Option<Time>) {
        let Some(guest) = self.by_conn.get_mut(&conn) else { return };
        if let Some(before) = core::mem::replace(&mut guest.deadline, deadline) {
            self.deadlines.remove(&(before, conn));
        }
        self.deadlines.extend(deadline.map(|deadline| (deadline, conn)));
    }

    /// One connection that has waited at the door for too long; put it elsewhere before asking for the next.
    pub(super) fn overdue(&self, now: Time) -> Option<ConnId> {
        self.deadlines.first().filter(|&&(deadline, _)| deadline <= now).map(|&(_, conn)| conn)
    }

    /// When the next one will have waited for too long.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Guest> {
        self.wait_until(conn, None);
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
            let guest = &self.by_conn[&conn];
            assert_eq!(guest.identity.account, account);
            assert_eq!(
                guest.deadline.is_some(),
                guest.at.is_waiting(),
                "{conn} waits without end, or not at all"
            );
            assert!(guest.deadline.is_none_or(|deadline| self.deadlines.contains(&(deadline, conn))));
        }
        let with_deadline = self.by_conn.values().filter(|guest| guest.deadline.is_some()).count();
        assert_eq!(self.deadlines.len(), with_deadline);
    }
}
