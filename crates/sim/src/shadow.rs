//! What must hold between machines, seen from outside: by what they say, and by their figures.
//!
//! Why: a machine checks itself; that two of them agree, only somebody who sees both can check.
//! Checked at once: no room lets in more people than it has seats; no login is shown out while it is its account's newest
//! (but one that two room servers have, which rule (h) settles); no more places are kept at a server than it has; a
//! directory names no server that has been dead or has stood still for longer than a lease and the second it takes to
//! tell; nobody is sent through a gateway that the manager knows to be suspect, draining or gone. Checked when all is quiet: presence is what the rooms hold; an account is in one room, under one login; no
//! reservation is outstanding.
//! Quiet is when for [`QUIET_AFTER`] nothing that changes presence, and no fault, has happened.
//! Read next: `world.rs`, which asks.

use crate::machine::In;
use crate::process::{Process, ProcessId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use usher_proto::message::{Arbitrated, Claimed, EnterDenial, Verdict};
use usher_proto::{
    AccountId, Address, ConnId, Identity, Input, Message, Reservation, ReservationId, RoomNo, ServerKind,
    ServerName, SessionId, Time, WorldId,
};

/// Longer than a lease, and than a reservation is good for.
const QUIET_AFTER: Duration = Duration::from_secs(8);
/// How long a server that is away may still be named: a lease, the manager's tick, the second that a directory is kept.
const NAMED_WHILE_AWAY: Duration = Duration::from_secs(6);
/// And after whatever kept halls from being told: another lease, in which a manager that starts withdraws nothing.
const NAMED_AFTER_HINDRANCE: Duration = Duration::from_secs(12);

#[derive(Debug, Default)]
pub(crate) struct Shadow {
    restless_at: Time,
    /// Who is in which room of which process, on which connection.
    inside: BTreeMap<(ProcessId, RoomNo), BTreeMap<AccountId, (ConnId, Identity)>>,
    places: BTreeMap<ConnId, (ProcessId, RoomNo, AccountId)>,
    capacities: BTreeMap<(ProcessId, RoomNo), u32>,
    /// Which gateway and which server clients come to at an address, where that is a gateway's.
    fronts: BTreeMap<Address, (ServerName, ServerName)>,
    /// The links of gateways, by the manager's end, and whether it knows that they drain.
    gateways: BTreeMap<ConnId, (ServerName, bool)>,
    /// Who is dead or stands still, and since when.
    away: BTreeMap<Address, Time>,
    /// When halls last could not be told.
    hindered_at: Option<Time>,
    /// The newest login of each account.
    newest: BTreeMap<(WorldId, AccountId), Identity>,
    /// Where each login has wanted in.
    wanted_in: BTreeMap<SessionId, BTreeSet<ProcessId>>,
    /// How many clients each server may be sent at once, and the places kept there, each until then.
    places_max: BTreeMap<ServerName, u32>,
    kept: BTreeMap<ServerName, BTreeMap<ReservationId, Time>>,
    /// How often a login has proven itself at a room server.
    proven: BTreeMap<(ProcessId, SessionId), u32>,
    pub(crate) quiet_sweeps: u64,
}

impl Shadow {
    pub(crate) fn has_room(&mut self, process: ProcessId, room: RoomNo, capacity: u32) {
        self.capacities.insert((process, room), capacity);
    }

    pub(crate) fn unrest(&mut self, now: Time) {
        self.restless_at = now;
    }

    pub(crate) fn has_places(&mut self, server: ServerName, places_max: u32) {
        self.places_max.insert(server, places_max);
    }

    /// Halls can not be told at once what has happened.
    pub(crate) fn hinder(&mut self, now: Time) {
        self.hindered_at = Some(now);
    }

    /// A new process is a stranger to its manager, and a new manager to everybody: no place is kept.
    pub(crate) fn started(&mut self, now: Time, process: &Process) {
        self.unrest(now);
        self.resumed(process);
        if process.kind == Some(ServerKind::Manager) {
            self.kept.clear();
            self.gateways.clear();
        }
    }

    /// Clients come to that server at that address, by that gateway.
    pub(crate) fn stands_before(&mut self, address: &Address, gateway: &ServerName, server: &ServerName) {
        self.fronts.insert(address.clone(), (gateway.clone(), server.clone()));
    }

    /// What the manager knows of gateways from now on, this step included.
    pub(crate) fn manager_hears(&mut self, input: &In) {
        match input {
            Input::Message { conn, message: Message::Register(it) } if it.kind == ServerKind::Gateway => {
                self.gateways.insert(*conn, (it.name.clone(), false));
            }
            Input::Message { conn, message: Message::Load(load) } => {
                if let Some((_, drains)) = self.gateways.get_mut(conn) {
                    *drains |= load.draining;
                }
            }
            Input::DrainServer { name } => {
                for (_, drains) in self.gateways.values_mut().filter(|(gateway, _)| gateway == name) {
                    *drains = true;
                }
            }
            _ => {}
        }
    }

    /// The manager sends clients to this address.
    fn sends_to(&self, address: &Address) {
        let Some((gateway, _)) = self.fronts.get(address) else { return };
        let is_fit = self.gateways.values().any(|(name, drains)| name == gateway && !drains);
        assert!(is_fit, "clients are sent to {address}, whose gateway has no link or drains");
    }

    pub(crate) fn died(&mut self, now: Time, process: &Process) {
        self.unrest(now);
        self.stopped(now, process);
    }

    pub(crate) fn stopped(&mut self, now: Time, process: &Process) {
        if let Some(address) = &process.address {
            self.away.entry(address.clone()).or_insert(now);
        }
    }

    pub(crate) fn resumed(&mut self, process: &Process) {
        if let Some(address) = &process.address {
            self.away.remove(address);
        }
    }

    pub(crate) fn logged_in(&mut self, identity: &Identity) {
        let newest = self.newest.entry((identity.world, identity.account)).or_insert(*identity);
        if identity.is_newer_than(newest) {
            *newest = *identity;
        }
    }

    /// Somebody has shown that this login is its own.
    pub(crate) fn proven(&mut self, process: ProcessId, identity: &Identity) {
        *self.proven.entry((process, identity.session)).or_default() += 1;
    }

    /// Somebody who has is told that there is another connection of its login.
    pub(crate) fn replaced(&self, process: ProcessId, identity: &Identity) {
        let proven = self.proven.get(&(process, identity.session)).copied().unwrap_or(0);
        assert!(proven > 1, "who has proven itself goes for one who has not: {identity:?}");
    }

    /// Somebody is told that there is a newer login.
    pub(crate) fn shown_out(&self, identity: &Identity) {
        let newest = self.newest.get(&(identity.world, identity.account));
        let is_older = newest.is_some_and(|newest| newest.is_newer_than(identity));
        let wanted_in = self.wanted_in.get(&identity.session).map_or(0, BTreeSet::len);
        assert!(is_older || wanted_in > 1, "the newest login of its account is shown out: {identity:?}");
    }

    /// The manager keeps a place for a client.
    pub(crate) fn reserved(&mut self, now: Time, reservation: &Reservation, ttl: Duration) {
        let target = &reservation.target;
        let kept = self.kept.entry(target.clone()).or_default();
        kept.retain(|_, until| *until > now);
        kept.insert(reservation.id, now + ttl);
        let places_max = self.places_max.get(target).copied().unwrap_or(0) as usize;
        assert!(
            kept.len() <= places_max,
            "{} places are kept at {target}, which has {places_max}, at {now:?}",
            kept.len()
        );
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
                    let away_since = self.away_since(&room.address);
                    let is_late = away_since.is_some_and(|since| now - since > NAMED_WHILE_AWAY)
                        && self.hindered_at.is_none_or(|at| now - at > NAMED_AFTER_HINDRANCE);
                    assert!(!is_late, "a directory names {}, away since {away_since:?}", room.address);
                }
            }
            (Message::EnterDenied(denied), Some(identity)) if denied.reason == EnterDenial::Superseded => {
                self.shown_out(&identity);
            }
            (Message::RoomsOf(rooms), _) => self.sends_to(&rooms.address),
            (Message::Halls(halls), _) => halls.addresses.iter().for_each(|hall| self.sends_to(hall)),
            (Message::Placed(placed), _) => self.sends_to(&placed.address),
            (Message::Located(located), _) => {
                located.seats.iter().for_each(|seat| self.sends_to(&seat.address));
            }
            (Message::Arbitrated(Arbitrated { to: Some((address, _)), .. }), _) => self.sends_to(address),
            (Message::Claimed(Claimed { verdict: Verdict::Elsewhere { address, .. }, .. }), _) => {
                self.sends_to(address);
            }
            (Message::Redeemed(redeemed), _) => {
                self.unrest(now);
                for kept in self.kept.values_mut() {
                    kept.retain(|id, _| !redeemed.reservations.contains(id));
                }
            }
            (Message::Claim(claim), _) => {
                self.unrest(now);
                self.wanted_in.entry(claim.identity.session).or_default().insert(by);
            }
            (
                Message::Register(_)
                | Message::Present(_)
                | Message::Arbitrate(_)
                | Message::ArbitrateParty(_)
                | Message::Release(_)
                | Message::Evict(_)
                | Message::Evicted(_),
                _,
            ) => self.unrest(now),
            _ => {}
        }
    }

    /// Since when nobody is served at this address: by a gateway, if either it or the server is away.
    fn away_since(&self, address: &Address) -> Option<Time> {
        let Some((gateway, server)) = self.fronts.get(address) else {
            return self.away.get(address).copied();
        };
        let since = [gateway, server].map(|name| self.away.get(&Address(name.0.clone())).copied());
        since.into_iter().flatten().min()
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
        self.gateways.remove(&conn);
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
        let inside = self.inside.values().flatten();
        let mut inside: Vec<_> =
            inside.map(|(account, (conn, identity))| (account, conn, identity)).collect();
        inside.sort_unstable_by_key(|(account, ..)| **account);
        for pair in inside.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "an account is in two rooms: {pair:?}");
        }
    }
}
