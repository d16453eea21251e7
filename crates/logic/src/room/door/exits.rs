//! Every way out: leaving, dropping, being evicted or replaced, idling, giving up a claim, draining.
//!
//! Why: each of them frees a place, and the manager must hear of each once; so they meet in one file.
//! Invariants: only the floor ends a stay, the door asks it to; news of a stay whose connection is not the
//! resident's any more is old and changes nothing; whoever may stand in the manager's presence by a claim of
//! ours and is not here is released.
//! Limit: [`KNOCKS_MAX`].
//! An eviction is done when no login of the account below that generation is in a room here.
//! Read next: [`super::super::floor`], which ends stays.

use super::guests::At;
use super::requests::{Request, What};
use super::{Door, Out};
use crate::room::RoomNote;
use alloc::vec::Vec;
use usher_proto::message::{CloseReason, EnterDenial, Evicted, Left};
use usher_proto::{AccountId, ConnId, Generation, Identity, Output, RoomNo, ShardId, Time};

/// Connections of one login that have knocked and not proven themselves.
pub(crate) const KNOCKS_MAX: usize = 4;

impl Door {
    pub(super) fn told(&mut self, now: Time, from: ShardId, note: RoomNote, out: &mut Out) {
        match note {
            RoomNote::Gone { identity, room, conn } => {
                if self.vacate(&identity, room, conn) {
                    self.release_unless_wanted(&identity, room, None, out);
                    self.review_evictions(identity.account, out);
                }
            }
            RoomNote::Dropped { conn } => {
                self.guests.remove(conn);
            }
            RoomNote::PartyIsComplete { room } => self.party_is_complete(now, from, room, out),
            RoomNote::Enter { .. }
            | RoomNote::Evict { .. }
            | RoomNote::Drain
            | RoomNote::Left { .. }
            | RoomNote::ShownOut { .. } => {}
        }
    }

    /// Somebody is out of a room and at the door again.
    pub(super) fn handed_back(&mut self, now: Time, conn: ConnId, note: RoomNote, out: &mut Out) {
        match note {
            RoomNote::Left { identity, room, seq } => self.has_left(now, conn, (identity, room), seq, out),
            RoomNote::ShownOut { identity, room, seq } => {
                self.handed_back_to_move(now, conn, (identity, room), seq, out);
            }
            _ => {}
        }
    }

    fn has_left(
        &mut self,
        now: Time,
        conn: ConnId,
        (identity, room): (Identity, RoomNo),
        seq: u64,
        out: &mut Out,
    ) {
        let superseded = self.is_superseded(&identity);
        let ended = self.vacate(&identity, room, conn);
        self.guests.put(conn, At::Leaving { seq });
        let asked = ended && self.release_unless_wanted(&identity, room, Some(conn), out);
        if superseded {
            self.counts.evicted += 1;
            self.close(conn, CloseReason::Evicted, out);
        } else if !asked || !self.uplink.is_up() {
            self.say_left(now, conn, out);
        }
        self.review_evictions(identity.account, out);
    }

    /// The manager knows, or cannot be asked: whoever waits for that is out, and may enter again.
    pub(super) fn say_left(&mut self, now: Time, conn: ConnId, out: &mut Out) {
        let Some(At::Leaving { seq }) = self.guests.get(conn).map(|guest| guest.at) else { return };
        self.counts.left += 1;
        out.send(conn, Left { seq });
        self.guests.wait(conn, At::Door, now + self.config.door_timeout);
        if self.draining {
            self.close(conn, CloseReason::Draining, out);
        }
    }

    pub(super) fn disconnected(&mut self, conn: ConnId, out: &mut Out) {
        let Some(guest) = self.guests.remove(conn) else { return };
        if let At::Claiming(number) = guest.at {
            self.withdraw(number, out);
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, reason: CloseReason, out: &mut Out) {
        let before = self.guests.get(conn).map(|guest| guest.at);
        self.guests.put(conn, At::Closing);
        if let Some(At::Claiming(number)) = before {
            self.withdraw(number, out);
        }
        out.close(conn, reason);
    }

    /// A ticket is good for any number of connections, but not for holding places in the server with them: when
    /// this login has proven itself on another, its connections that are at the door and want nothing go.
    pub(super) fn replace_idle(&mut self, identity: &Identity, proven: ConnId, out: &mut Out) {
        for conn in self.guests.of(identity.account) {
            let Some(guest) = self.guests.get(conn).filter(|guest| guest.identity == *identity) else {
                continue;
            };
            if conn != proven && matches!(guest.at, At::Knocked | At::Door) {
                self.counts.replaced += 1;
                self.close(conn, CloseReason::Replaced, out);
            }
        }
    }

    /// Whoever has only knocked may be somebody who recorded the first frame: he moves nobody who is proven, and of
    /// his like the one that has knocked longest goes when there are [`KNOCKS_MAX`].
    pub(super) fn make_room_for_a_knock(&mut self, identity: &Identity, out: &mut Out) {
        let knocked = self.guests.of(identity.account).into_iter().filter_map(|conn| {
            let guest =
                self.guests.get(conn).filter(|it| it.identity == *identity && it.at == At::Knocked)?;
            Some((guest.deadline, conn))
        });
        let knocked: Vec<_> = knocked.collect();
        if let (KNOCKS_MAX.., Some((_, longest))) = (knocked.len(), knocked.iter().min()) {
            self.counts.replaced += 1;
            self.close(*longest, CloseReason::Replaced, out);
        }
    }

    /// Whoever has been at the door for too long goes, also out of a claim.
    pub(super) fn show_idle_out(&mut self, now: Time, out: &mut Out) {
        while let Some(conn) = self.guests.overdue(now) {
            if self.draining {
                self.close(conn, CloseReason::Draining, out);
                continue;
            }
            self.counts.idle += 1;
            self.close(conn, CloseReason::Idle, out);
        }
    }

    pub(super) fn give_up_claims(&mut self, now: Time, out: &mut Out) {
        for number in self.requests.expired(now) {
            let Some(&Request { what: What::Claim { conn, .. }, .. }) = self.requests.get(number) else {
                continue;
            };
            self.withdraw(number, out);
            self.guests.put(conn, At::Door);
            self.deny(conn, EnterDenial::Busy, out);
        }
    }

    /// Nobody waits for this claim any more. The manager may grant it all the same: then what it believes is
    /// taken back, and an older login that it believes replaced goes.
    fn withdraw(&mut self, number: u64, out: &mut Out) {
        let Some(Request { identity, room, sent, .. }) = self.requests.remove(number) else { return };
        self.places.end_claim(identity.account, room, number);
        if !sent || !self.release_unless_wanted(&identity, room, None, out) {
            return;
        }
        if self.places.resident(identity.account, room).is_some() {
            self.evict(identity.account, identity.generation, false, out);
        }
    }

    /// Whether this login is in the room, or another connection of it claims it.
    fn is_wanted(&self, identity: &Identity, room: RoomNo) -> bool {
        let resides = self.places.resident(identity.account, room).is_some_and(|it| it.identity == *identity);
        let claims = self.places.claims(identity.account, room);
        resides || claims.iter().filter_map(|&it| self.requests.get(it)).any(|it| it.identity == *identity)
    }

    /// Ends the stay of that connection; false if the place has another resident by now.
    pub(super) fn vacate(&mut self, identity: &Identity, room: RoomNo, conn: ConnId) -> bool {
        let ends = self.places.resident(identity.account, room).is_some_and(|resident| resident.conn == conn);
        if ends {
            self.places.vacate(identity.account, room);
        }
        ends
    }

    /// Tells the manager that this login is not in the room, unless it is, or soon may be: a release said now
    /// would undo a claim that was made before it. Whether the manager was told or will be.
    pub(super) fn release_unless_wanted(
        &mut self,
        identity: &Identity,
        room: RoomNo,
        conn: Option<ConnId>,
        out: &mut Out,
    ) -> bool {
        let release = !self.is_wanted(identity, room);
        if release {
            self.ask(identity, room, What::Release { conn }, None, out);
        }
        release
    }

    /// Shows out every login of the account below a generation.
    pub(super) fn evict(
        &mut self,
        account: AccountId,
        below: Generation,
        manager_waits: bool,
        out: &mut Out,
    ) {
        *self.evictions.entry((account, below)).or_default() |= manager_waits;
        let older: Vec<_> =
            self.places.residences(account).filter(|(_, it)| it.identity.generation < below).collect();
        for (room, _) in older {
            let note = RoomNote::Evict { account, room, below };
            out.push(Output::Tell(self.config.floor_of(room), note));
        }
        for conn in self.guests.of(account) {
            let Some(guest) = self.guests.get(conn) else { continue };
            if guest.identity.generation < below && !matches!(guest.at, At::Inside | At::Closing) {
                self.counts.evicted += 1;
                self.close(conn, CloseReason::Evicted, out);
            }
        }
        self.review_evictions(account, out);
    }

    /// Drops the evictions of an account that are done, and says so.
    pub(super) fn review_evictions(&mut self, account: AccountId, out: &mut Out) {
        let range = (account, Generation(0))..=(account, Generation(u64::MAX));
        let pending = self.evictions.range(range).map(|(&(_, below), _)| below);
        let done: Vec<_> = pending.filter(|&below| !self.is_here_below(account, below)).collect();
        for below in done {
            if self.evictions.remove(&(account, below)) == Some(true) {
                let world = self.config.node.world;
                self.uplink.send(Evicted { world, account, below }, out);
            }
        }
    }

    pub(super) fn is_here_below(&self, account: AccountId, below: Generation) -> bool {
        self.places.residences(account).any(|(_, it)| it.identity.generation < below)
    }

    /// Whether a later login of the same account is known here.
    pub(super) fn is_superseded(&self, identity: &Identity) -> bool {
        let account = identity.account;
        let evicted = (account, Generation(0))..=(account, Generation(u64::MAX));
        self.evictions.range(evicted).any(|(&(_, below), _)| identity.generation < below)
            || self.places.residences(account).any(|(_, it)| it.identity.is_newer_than(identity))
    }

    /// Nobody new comes in; who is in no room goes now, the others when their floor lets them.
    pub(super) fn drain(&mut self, out: &mut Out) {
        if core::mem::replace(&mut self.draining, true) {
            return;
        }
        for conn in self.guests.all() {
            let at = self.guests.get(conn).map(|guest| guest.at);
            if at.is_some_and(At::is_waiting) {
                self.close(conn, CloseReason::Draining, out);
            }
        }
        for floor in 1..=self.config.floors {
            out.push(Output::Tell(ShardId(floor), RoomNote::Drain));
        }
    }
}
