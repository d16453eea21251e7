//! What must hold between machines, seen from outside: by what they say, and by their figures.
//!
//! Why: a machine checks itself; that two of them agree, only somebody who sees both can check.
//! Checked at once: no room lets in more people than it has seats; a directory names no server that has been
//! dead for longer than a lease and the second it takes to tell. Checked when all is quiet: presence is what
//! the rooms hold; an account is in one room, under one login; no reservation is outstanding.
//! Quiet is when for [`QUIET_AFTER`] nothing that changes presence, and no fault, has happened.
//! Read next: `world.rs`, which asks.

use crate::process::{Process, ProcessId};
use std::collections::BTreeMap;
use std::time::Duration;
use usher_proto::{AccountId, Address, ConnId, Identity, Message, RoomNo, ServerKind, Time};

/// Longer than a lease, and than a reservation is good for.
const QUIET_AFTER: Duration = Duration::from_secs(8);
/// How long a dead server may still be named: a lease, the manager's tick, the second that a directory is kept.
const NAMED_AFTER_DEATH: Duration = Duration::from_secs(6);

#[derive(Debug, Default)]
pub(crate) struct Shadow {
    restless_at: Time,
    /// Who is in which room of which process, on which connection.
    inside: BTreeMap<(ProcessId, RoomNo), BTreeMap<AccountId, (ConnId, Identity)>>,
    places: BTreeMap<ConnId, (ProcessId, RoomNo, AccountId)>,
    capacities: BTreeMap<(ProcessId, RoomNo), u32>,
    dead: BTreeMap<Address, Time>,
    pub(crate) quiet_sweeps: u64,
}

impl Shadow {
    pub(crate) fn has_room(&mut self, process: ProcessId, room: RoomNo, capacity: u32) {
        self.capacities.insert((process, room), capacity);
    }

    pub(crate) fn unrest(&mut self, now: Time) {
        self.restless_at = now;
    }

    pub(crate) fn started(&mut self, now: Time, process: &Process) {
        self.unrest(now);
        if let Some(address) = &process.address {
            self.dead.remove(address);
        }
    }

    pub(crate) fn died(&mut self, now: Time, process: &Process) {
        self.unrest(now);
        if let Some(address) = &process.address {
            self.dead.insert(address.clone(), now);
        }
    }

    /// A server says something on this connection of its.
    pub(crate) fn said(
        &mut self,
        now: Time,
        by: ProcessId,
        conn: ConnId,
        to: Option<Identity>,
        message: &Message,
    ) {
        match (message, to) {
            (Message::Entered(entered), Some(identity)) => self.entered(by, conn, identity, entered.room),
            (Message::Left(_) | Message::Redirect(_), _) => self.left(conn),
            (Message::Directory(directory), _) => {
                for room in &directory.rooms {
                    let dead_since = self.dead.get(&room.address);
                    let is_late = dead_since.is_some_and(|&since| now - since > NAMED_AFTER_DEATH);
                    assert!(!is_late, "a directory names {}, dead since {dead_since:?}", room.address);
                }
            }
            (
                Message::Register(_)
                | Message::Present(_)
                | Message::Arbitrate(_)
                | Message::ArbitrateParty(_)
                | Message::Redeemed(_)
                | Message::Claim(_)
                | Message::Release(_)
                | Message::Evict(_)
                | Message::Evicted(_),
                _,
            ) => self.unrest(now),
            _ => {}
        }
    }

    fn entered(&mut self, process: ProcessId, conn: ConnId, identity: Identity, room: RoomNo) {
        self.left(conn);
        let people = self.inside.entry((process, room)).or_default();
        if let Some((before, _)) = people.insert(identity.account, (conn, identity)) {
            self.places.remove(&before);
        }
        self.places.insert(conn, (process, room, identity.account));
        let capacity = self.capacities[&(process, room)] as usize;
        assert!(people.len() <= capacity, "{} people in room {room} of {capacity}", people.len());
    }

    /// This connection is in no room any more.
    pub(crate) fn left(&mut self, conn: ConnId) {
        if let Some((process, room, account)) = self.places.remove(&conn)
            && let Some(people) = self.inside.get_mut(&(process, room))
        {
            people.remove(&account);
        }
    }

    /// Each virtual second. Says whether it was quiet, and everything therefore had to agree.
    pub(crate) fn sweep(&mut self, now: Time, processes: &[Process]) -> bool {
        if now - self.restless_at < QUIET_AFTER {
            return false;
        }
        self.quiet_sweeps += 1;
        self.check_one_login();
        let alive = |kind| processes.iter().filter(move |it| it.is_alive() && it.kind == Some(kind));
        let Some(manager) = alive(ServerKind::Manager).next() else { return true };
        let held: u64 = alive(ServerKind::Room).map(|room| room.figure("usher_places_held")).sum();
        assert_eq!(manager.figure("usher_presence_places"), held, "presence is what the rooms hold");
        assert!(self.places.len() as u64 <= held, "who is in a room holds a place");
        assert_eq!(manager.figure("usher_reservations_outstanding"), 0, "reservations are used or expire");
        true
    }

    fn check_one_login(&self) {
        let mut seen = BTreeMap::new();
        for (account, (conn, identity)) in self.inside.values().flatten() {
            let before = seen.insert(account, (conn, identity));
            assert!(before.is_none(), "{account} is in two rooms: {before:?} and {identity:?} on {conn}");
        }
    }
}
