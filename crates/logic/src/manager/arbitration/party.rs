//! Who takes table-mates whose server is being emptied: one server, and there one room of their game, for all of them.
//!
//! Why: they are to be able to sit down together again.
//! The choice of the server is that of any other client, by places free and load; of its rooms the one with most space.
//! Owns: which kept places are in which room.
//! Invariants: a party is taken whole or not at all; a place kept in a room counts against that room's space until it
//! is used or expires.
//! Limits: as of the others; a room's population is as old as its server's last report.
//! Read next: [`super`].

use super::{Arbiter, Seal};
use crate::manager::pool::Pool;
use crate::manager::registry::{Registry, ServerId};
use crate::manager::server::Server;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use usher_proto::message::ArbitrateParty;
use usher_proto::{ConnId, GameId, Reservation, ReservationId, RoomNo, ServerKind, Time};

/// Places that are kept in certain rooms, and how many in each.
#[derive(Debug, Default)]
pub(super) struct InRooms {
    rooms: BTreeMap<ReservationId, RoomNo>,
    counts: BTreeMap<RoomNo, u32>,
}

impl InRooms {
    fn insert(&mut self, id: ReservationId, room: RoomNo) {
        self.rooms.insert(id, room);
        *self.counts.entry(room).or_default() += 1;
    }

    /// The place is used, or was not in time; does nothing about one that is in no certain room.
    pub(super) fn remove(&mut self, id: ReservationId) {
        let Some(room) = self.rooms.remove(&id) else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(room) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn count(&self, room: RoomNo) -> u32 {
        self.counts.get(&room).copied().unwrap_or(0)
    }

    pub(super) fn check_invariants(&self, kept: &BTreeMap<ReservationId, Time>) {
        assert!(self.rooms.keys().all(|id| kept.contains_key(id)), "a place in a room is a place");
        let mut counts = BTreeMap::new();
        self.rooms.values().for_each(|room| *counts.entry(*room).or_default() += 1);
        assert_eq!(counts, self.counts);
    }
}

impl Arbiter {
    /// Keeps a place for each of a party, in order; nothing if nobody takes them all. The caller has them sealed.
    pub(crate) fn arbitrate_party(
        &mut self,
        now: Time,
        unix_ms: u64,
        registry: &mut Registry,
        asker: (ServerId, ConnId),
        party: &ArbitrateParty,
    ) -> Vec<Reservation> {
        let size = party.sessions.len();
        if self.seals.len() + size > self.bounds.seals_max as usize {
            return Vec::new();
        }
        let Some((target, room)) = self.choose_for(now, registry, asker.0, party) else { return Vec::new() };
        let expires = now + self.bounds.reservation_ttl;
        self.expire_at = self.expire_at.min(expires);
        registry.ledger.given += size as u64;
        let server = registry.get_mut(target).expect("invariant: the choice is among those known");
        let mut reservations = Vec::with_capacity(size);
        for (&session, request) in party.sessions.iter().zip(party.request..) {
            let id = self.fresh_id(unix_ms);
            server.kept.for_sessions.insert(id, expires);
            server.kept.in_rooms.insert(id, room);
            self.seals.insert(id, Seal { asker: asker.1, request, target, room: Some(room), expires });
            let target = server.facts.name.clone();
            reservations.push(Reservation { id, target, session: Some(session), hops_left: 0 });
        }
        reservations
    }

    fn choose_for(
        &mut self,
        now: Time,
        registry: &mut Registry,
        asker: ServerId,
        party: &ArbitrateParty,
    ) -> Option<(ServerId, RoomNo)> {
        self.expire(now, registry);
        registry.weigh(now);
        let (world, size) = (registry.get(asker)?.facts.world, party.sessions.len());
        let mut takers = Pool::default();
        let asker_slot = takers.join(asker);
        for (id, server) in
            registry.iter().filter(|(id, server)| *id != asker && server.is(ServerKind::Room, world))
        {
            let places = server.free_places(self.bounds.reservations_max);
            let may_keep = server.kept.len() + size <= self.bounds.reservations_max as usize;
            if may_keep && places.for_sessions >= size as u64 && roomiest(server, party.game, size).is_some()
            {
                let slot = takers.join(id);
                takers.weigh(slot, places);
            }
        }
        let target = self.choose_from(registry, &takers, asker_slot, false)?;
        Some((target, roomiest(registry.get(target)?, party.game, size)?))
    }
}

/// The room of a game with most space, if that is enough for so many.
fn roomiest(server: &Server, game: GameId, size: usize) -> Option<RoomNo> {
    let rooms = server.facts.rooms.iter().filter(|report| report.game == game);
    let spaces = rooms.map(|report| {
        let taken = report.population.saturating_add(server.kept.in_rooms.count(report.room));
        (report.capacity.saturating_sub(taken), report.room)
    });
    spaces.max_by_key(|&(space, _)| space).filter(|&(space, _)| space as usize >= size).map(|(_, room)| room)
}
