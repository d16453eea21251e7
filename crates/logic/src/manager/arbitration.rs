//! Who takes a client that its server could not: two choices at random, the less loaded of them.
//!
//! Why two: the least loaded of all would get every client until its next report; two random candidates
//! spread nearly as well and never stampede (Mitzenmacher, "The Power of Two Choices", 2001).
//! Whoever was full is asked only where nobody else has a place, until it is well below its limit again: a server
//! at the limit does not flap, and no place is left empty for it.
//! Owns: reservations, from the decision until they are redeemed or expire, and those being sealed.
//! Invariants: an outstanding reservation is load at its target; ids grow, also over a restart of the manager,
//! so that a map by id is ordered by expiry too and a target never sees one id twice.
//! Limits: `reservations_max` for each target and `seals_max` being sealed, beyond either nobody takes the
//! client; strangers hold at most half of a target's open places. Places whose time is over are free again within
//! [`EXPIRE_INTERVAL`].
//! Read next: [`super::pool`], which is drawn from; [`party`], for table-mates of a server that is emptied.

mod party;

use super::pool::{Pool, Slot};
use super::registry::{Registry, ServerId};
use super::server::Server;
use super::{Manager, Out};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use party::InRooms;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use usher_proto::machine::Question;
use usher_proto::message::{Arbitrate, ArbitrateParty, Arbitrated};
use usher_proto::{ConnId, Output, Reservation, ReservationId, RoomNo, ServerKind, Time};

/// All servers are looked through for what has expired no more often.
const EXPIRE_INTERVAL: Duration = Duration::from_millis(1);

impl Manager {
    pub(super) fn arbitrate(&mut self, id: ServerId, conn: ConnId, arbitrate: &Arbitrate, out: &mut Out) {
        let unix_ms = self.unix_ms();
        let asker = (id, conn);
        let decided = self.arbiter.arbitrate(self.now, unix_ms, &mut self.registry, asker, arbitrate);
        let Some(reservation) = decided else {
            self.counts.redirects_nobody += 1;
            return out.send(conn, Arbitrated { request: arbitrate.request, to: None, room: None });
        };
        self.seal(reservation, out);
    }

    /// Table-mates of a room server that is being emptied.
    pub(super) fn arbitrate_party(
        &mut self,
        id: ServerId,
        conn: ConnId,
        party: &ArbitrateParty,
        out: &mut Out,
    ) {
        let (unix_ms, asker) = (self.unix_ms(), (id, conn));
        let reservations = self.arbiter.arbitrate_party(self.now, unix_ms, &mut self.registry, asker, party);
        if reservations.is_empty() {
            for (_, request) in party.sessions.iter().zip(party.request..) {
                self.counts.redirects_nobody += 1;
                out.send(conn, Arbitrated { request, to: None, room: None });
            }
        }
        for reservation in reservations {
            self.seal(reservation, out);
        }
    }

    fn seal(&self, reservation: Reservation, out: &mut Out) {
        let ttl = self.config.reservation_ttl;
        let id = reservation.id.0;
        out.push(Output::Ask { id, question: Question::SealReservation { reservation, ttl } });
    }

    /// Passes a sealed reservation on, unless its target takes nobody any more.
    pub(super) fn sealed(&mut self, id: u64, sealed: Vec<u8>, out: &mut Out) {
        let Some(seal) = self.arbiter.sealed(id) else { return };
        let Some(asker) = self.server_of(seal.asker).and_then(|id| self.registry.get(id)) else { return };
        let target = self.registry.get(seal.target).filter(|target| target.takes_clients());
        match (&target, asker.facts.kind) {
            (None, _) => self.counts.redirects_nobody += 1,
            (Some(_), ServerKind::Login) => self.counts.redirects_login += 1,
            (Some(_), ServerKind::Room) => self.counts.redirects_room += 1,
            (Some(_), _) => self.counts.redirects_hall += 1,
        }
        if let Some(target) = target {
            self.flows.count(&asker.facts.name, &target.facts.name);
        }
        let to = target.map(|target| (target.facts.address.clone(), sealed.into()));
        let room = seal.room.filter(|_| to.is_some());
        out.send(seal.asker, Arbitrated { request: seal.request, to, room });
    }
}

/// Places kept at one server, each with its expiry.
#[derive(Debug, Default)]
pub(super) struct Kept {
    for_sessions: BTreeMap<ReservationId, Time>,
    for_strangers: BTreeMap<ReservationId, Time>,
    /// Of those for sessions, the ones that are in a certain room.
    in_rooms: InRooms,
}

impl Kept {
    pub(super) fn len(&self) -> usize {
        self.for_sessions.len() + self.for_strangers.len()
    }

    pub(super) fn strangers(&self) -> usize {
        self.for_strangers.len()
    }

    /// Whether the place was still kept.
    pub(super) fn redeem(&mut self, id: ReservationId) -> bool {
        self.in_rooms.remove(id);
        self.for_sessions.remove(&id).or_else(|| self.for_strangers.remove(&id)).is_some()
    }

    /// Gives up the places that nobody came for in time; how many.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let before = self.len();
        for kept in [&mut self.for_sessions, &mut self.for_strangers] {
            while let Some(first) = kept.first_entry().filter(|first| *first.get() <= now) {
                self.in_rooms.remove(*first.key());
                first.remove();
            }
        }
        (before - self.len()) as u64
    }

    pub(super) fn next_expiry(&self) -> Option<Time> {
        let first = [&self.for_sessions, &self.for_strangers].map(BTreeMap::first_key_value);
        first.into_iter().flatten().map(|(_, expires)| *expires).min()
    }
}

/// What became of all reservations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    pub(super) given: u64,
    pub(super) redeemed: u64,
    pub(super) expired: u64,
    /// Redeemed, as their target says, but not kept any more: they had expired, or were said twice.
    pub(super) late: u64,
}

impl Ledger {
    /// Given and nowhere to be found: always none. `outstanding`: those that are kept now.
    pub(super) fn leaked(&self, outstanding: u64) -> u64 {
        self.given.saturating_sub(self.redeemed + self.expired + outstanding)
    }
}

/// A decision that waits for its seal.
#[derive(Debug)]
pub(super) struct Seal {
    /// Who asked, and under which number.
    pub(super) asker: ConnId,
    pub(super) request: u64,
    pub(super) target: ServerId,
    /// The room there, if it is in a certain one.
    pub(super) room: Option<RoomNo>,
    expires: Time,
}

/// The bounds of arbitration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) reservation_ttl: Duration,
    pub(super) reservations_max: u32,
    pub(super) seals_max: u32,
}

/// Decides who takes whom.
#[derive(Debug)]
pub(super) struct Arbiter {
    bounds: Bounds,
    random: ChaCha8Rng,
    last_id: u64,
    seals: BTreeMap<ReservationId, Seal>,
    /// No reservation is over before that.
    expire_at: Time,
}

impl Arbiter {
    pub(super) fn new(bounds: Bounds, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { bounds, random, last_id: 0, seals: BTreeMap::new(), expire_at: Time(0) }
    }

    /// Keeps a place for a client of `asker`; nothing if nobody takes it. The caller has it sealed.
    pub(super) fn arbitrate(
        &mut self,
        now: Time,
        unix_ms: u64,
        registry: &mut Registry,
        asker: (ServerId, ConnId),
        arbitrate: &Arbitrate,
    ) -> Option<Reservation> {
        let hops_left = arbitrate.hops_left.checked_sub(1)?;
        if self.seals.len() >= self.bounds.seals_max as usize {
            return None;
        }
        let target = self.choose(now, registry, asker.0, arbitrate.session.is_none())?;
        let id = self.fresh_id(unix_ms);
        let expires = now + self.bounds.reservation_ttl;
        let server = registry.get_mut(target).expect("invariant: the choice is among those known");
        let name = server.facts.name.clone();
        let kept = match arbitrate.session {
            Some(_) => &mut server.kept.for_sessions,
            None => &mut server.kept.for_strangers,
        };
        kept.insert(id, expires);
        self.expire_at = self.expire_at.min(expires);
        registry.ledger.given += 1;
        let request = arbitrate.request;
        self.seals.insert(id, Seal { asker: asker.1, request, target, room: None, expires });
        Some(Reservation { id, target: name, session: arbitrate.session, hops_left })
    }

    /// The decision whose seal this is; nothing if it took too long.
    pub(super) fn sealed(&mut self, id: u64) -> Option<Seal> {
        self.seals.remove(&ReservationId(id))
    }

    /// Drops reservations that are over, and decisions whose seal never came.
    pub(super) fn expire(&mut self, now: Time, registry: &mut Registry) {
        if now >= self.expire_at {
            let next = registry.expire(now).unwrap_or(Time(u64::MAX));
            self.expire_at = next.max(now + EXPIRE_INTERVAL);
        }
        while self.seals.first_entry().is_some_and(|first| first.get().expires <= now) {
            self.seals.pop_first();
        }
    }

    pub(super) fn sealing(&self) -> usize {
        self.seals.len()
    }

    fn choose(
        &mut self,
        now: Time,
        registry: &mut Registry,
        asker: ServerId,
        stranger: bool,
    ) -> Option<ServerId> {
        self.expire(now, registry);
        registry.weigh(now);
        let (pool, slot) = registry.pool(asker)?;
        self.choose_from(registry, pool, slot, stranger)
    }

    /// The less loaded of two that are drawn by their free places.
    fn choose_from(
        &mut self,
        registry: &Registry,
        pool: &Pool,
        but: Slot,
        stranger: bool,
    ) -> Option<ServerId> {
        let first = pool.draw(but, stranger, &mut self.random)?;
        let second = pool.draw(but, stranger, &mut self.random)?;
        let load_ppm = |id| registry.get(id).map(Server::load_ppm);
        Some(if load_ppm(second) < load_ppm(first) { second } else { first })
    }

    /// Unix milliseconds with room for a million more in each: greater than any id before.
    fn fresh_id(&mut self, unix_ms: u64) -> ReservationId {
        self.last_id = (self.last_id + 1).max(unix_ms << 20);
        ReservationId(self.last_id)
    }

    pub(super) fn check_invariants(&self, registry: &Registry) {
        assert!(self.seals.len() <= self.bounds.seals_max as usize);
        for (_, server) in registry.iter() {
            assert!(server.kept.len() <= self.bounds.reservations_max as usize);
            for kept in [&server.kept.for_sessions, &server.kept.for_strangers] {
                assert!(kept.values().is_sorted(), "ids grow with time");
            }
            server.kept.in_rooms.check_invariants(&server.kept.for_sessions);
        }
        assert_eq!(registry.ledger.leaked(registry.outstanding()), 0, "every reservation comes to an end");
    }
}
