//! Who is in the cluster: every server by its name and by each of its presentations.
//!
//! Why: arbitration, presence and the directory ask of a server whether it is there, and is still who it was.
//! Owns: the table of servers and which process a name stands for now. Does not own what a server is
//! (`server`), links that have not registered, nor what anybody is told.
//! Invariants: a name stands for one process. A process keeps its entry from its first registration until its
//! lease ends, whatever its link does; each *presentation* has a fresh [`ServerId`], and the former id stands
//! for it too until the new presentation is complete, so that what was not presented again dies with it.
//! Whoever may have been changed is weighed anew before the next draw ([`Registry::weigh`]).
//! Limits: `servers_max` entries.
//! Read next: [`super::presence`], which relies on ids dying.

use super::Config;
use super::arbitration::{Kept, Ledger};
use super::pool::{Pool, Slot};
use super::server::{PoolKey, Server};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::Register;
use usher_proto::{ConnId, ReservationId, ServerKind, ServerName, Time, WorldId};

/// One presentation of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerId(pub(super) u32);

/// What servers took lately counts less after each of these.
const FADE_INTERVAL: Duration = Duration::from_millis(32);

/// What came of a registration.
#[derive(Debug, PartialEq)]
pub(super) enum Arrival {
    /// It is in the table, joining.
    Known {
        /// The link it had before, which did not break yet.
        displaced: Option<ConnId>,
        /// Whether another process of that name is gone now.
        replaced: bool,
    },
    /// Another process of that name has a link.
    NameTaken,
    /// The table is full.
    Full,
}

/// The table of servers.
#[derive(Debug)]
pub(super) struct Registry {
    servers_max: usize,
    reservations_max: u32,
    counts_reservations: bool,
    next_id: u32,
    servers: BTreeMap<ServerId, Server>,
    names: BTreeMap<ServerName, ServerId>,
    /// Former ids and what they stand for.
    former: BTreeMap<ServerId, ServerId>,
    pub(super) ledger: Ledger,
    /// Places kept at servers that are gone: whoever comes to the next of that name is served there.
    kept_at_gone: BTreeMap<ServerName, Kept>,
    pools: BTreeMap<PoolKey, Pool>,
    /// Who may have been changed since it was weighed.
    unweighed: Vec<ServerId>,
    fade_at: Time,
}

impl Registry {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            servers_max: config.servers_max as usize,
            reservations_max: config.reservations_max,
            counts_reservations: config.counts_reservations,
            next_id: 0,
            servers: BTreeMap::new(),
            names: BTreeMap::new(),
            former: BTreeMap::new(),
            ledger: Ledger::default(),
            kept_at_gone: BTreeMap::new(),
            pools: BTreeMap::new(),
            unweighed: Vec::new(),
            fade_at: Time(0),
        }
    }

    /// Reservations neither redeemed nor expired.
    pub(super) fn outstanding(&self) -> u64 {
        self.kept().map(|kept| kept.len() as u64).sum()
    }

    /// A server says that these came.
    pub(super) fn redeemed(&mut self, now: Time, id: ServerId, reservations: &[ReservationId]) {
        let Some(server) = self.get_mut(id) else { return };
        let kept = reservations.iter().filter(|reservation| server.redeem(now, **reservation)).count();
        self.ledger.redeemed += kept as u64;
        self.ledger.late += (reservations.len() - kept) as u64;
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// Everyone, in the order they presented themselves.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        self.servers.iter().map(|(id, server)| (*id, server))
    }

    /// Every lease gets a full term again.
    pub(super) fn renew_all(&mut self, lease_ends: Time) {
        self.servers.values_mut().for_each(|server| server.lease_ends = lease_ends);
    }

    /// Drops reservations that are over; says when the next one is.
    pub(super) fn expire(&mut self, now: Time) -> Option<Time> {
        for (id, server) in &mut self.servers {
            let expired = server.kept.expire(now);
            self.ledger.expired += expired;
            if expired > 0 {
                server.note_change(*id, &mut self.unweighed);
            }
        }
        self.kept_at_gone.retain(|_, kept| {
            self.ledger.expired += kept.expire(now);
            kept.len() > 0
        });
        self.kept().filter_map(Kept::next_expiry).min()
    }

    fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.servers.values().map(|server| &server.kept).chain(self.kept_at_gone.values())
    }

    /// Everyone, by name.
    pub(super) fn by_name(&self) -> impl Iterator<Item = &Server> {
        self.names.values().map(|id| &self.servers[id])
    }

    pub(super) fn named(&self, name: &ServerName) -> Option<ServerId> {
        self.names.get(name).copied()
    }

    /// The present id of the process that `id` stands for; nothing if it is gone.
    pub(super) fn current(&self, id: ServerId) -> Option<ServerId> {
        let id = self.former.get(&id).copied().unwrap_or(id);
        self.servers.contains_key(&id).then_some(id)
    }

    pub(super) fn get(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(&self.current(id)?)
    }

    pub(super) fn get_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        let id = self.current(id)?;
        let server = self.servers.get_mut(&id)?;
        server.note_change(id, &mut self.unweighed);
        Some(server)
    }

    /// The pool of this server and its slot there, as of the last [`Self::weigh`].
    pub(super) fn pool(&self, id: ServerId) -> Option<(&Pool, Slot)> {
        let server = self.get(id)?;
        Some((&self.pools[&server.pool()], server.slot))
    }

    /// Weighs anew whoever may have been changed, and now and then all, for what they took lately fades.
    pub(super) fn weigh(&mut self, now: Time) {
        if now >= self.fade_at {
            self.fade_at = now + FADE_INTERVAL;
            self.servers.iter_mut().for_each(|(id, server)| server.note_change(*id, &mut self.unweighed));
        }
        while let Some(id) = self.unweighed.pop() {
            let Some(server) = self.servers.get_mut(&id) else { continue };
            server.unweighed = false;
            server.reckon(now);
            server.note_strain();
            let pool = self.pools.get_mut(&server.pool()).expect("invariant: a server has a pool");
            pool.weigh(server.slot, server.free_places(self.reservations_max));
        }
    }

    /// Links of the servers of one kind and world that have one.
    pub(super) fn links(&self, kind: ServerKind, world: WorldId) -> impl Iterator<Item = ConnId> {
        self.servers.values().filter(move |server| server.is(kind, world)).filter_map(|server| server.conn)
    }

    /// A server presents itself on `conn`: for the first time, again, or as another process of its name.
    pub(super) fn arrive(
        &mut self,
        now: Time,
        conn: ConnId,
        mut facts: Register,
        lease_ends: Time,
    ) -> Arrival {
        self.weigh(now); // so that ids which are dead by now are not kept
        facts.rooms.sort_unstable_by_key(|report| report.room);
        let Some(id) = self.named(&facts.name) else {
            return self.enter(Server::new(conn, facts, lease_ends), false);
        };
        let known = &self.servers[&id];
        if known.is_same_process(&facts) {
            return self.come_back(id, conn, facts, lease_ends);
        }
        if known.conn.is_some() {
            return Arrival::NameTaken;
        }
        let offered = known.offered;
        self.remove(id);
        let mut server = Server::new(conn, facts, lease_ends);
        server.offered = offered;
        self.enter(server, true)
    }

    fn enter(&mut self, mut server: Server, replaced: bool) -> Arrival {
        if self.servers.len() >= self.servers_max {
            return Arrival::Full;
        }
        let id = self.fresh_id();
        self.names.insert(server.facts.name.clone(), id);
        server.counts_kept = self.counts_reservations;
        server.kept = self.kept_at_gone.remove(&server.facts.name).unwrap_or_default();
        server.slot = self.pools.entry(server.pool()).or_default().join(id);
        server.note_change(id, &mut self.unweighed);
        self.servers.insert(id, server);
        Arrival::Known { displaced: None, replaced }
    }

    /// A presentation that was cut short goes on under its own id: what it began is not older than it.
    fn come_back(&mut self, id: ServerId, conn: ConnId, facts: Register, lease_ends: Time) -> Arrival {
        let mut server = self.servers.remove(&id).expect("invariant: a name stands for an entry");
        let displaced = server.conn.filter(|old| *old != conn);
        let fresh = if server.joining.is_some() { id } else { self.fresh_id() };
        if fresh != id {
            self.former.insert(id, fresh);
            server.former = Some(id);
        }
        self.names.insert(facts.name.clone(), fresh);
        server.joining = Some(facts.players);
        server.way.comes_back(&facts);
        self.pools
            .get_mut(&server.pool())
            .expect("invariant: a server has a pool")
            .rename(server.slot, fresh);
        server.unweighed = false;
        server.note_change(fresh, &mut self.unweighed);
        (server.facts, server.conn, server.lease_ends) = (facts, Some(conn), lease_ends);
        self.servers.insert(fresh, server);
        Arrival::Known { displaced, replaced: false }
    }

    /// So many more players are presented. Says whether that completed the presentation.
    pub(super) fn presented(&mut self, id: ServerId, players: usize) -> bool {
        let Some(server) = self.get_mut(id) else { return false };
        let Some(left) = server.joining else { return false };
        let left = left.saturating_sub(u32::try_from(players).unwrap_or(u32::MAX));
        server.joining = (left > 0).then_some(left);
        if left > 0 {
            return false;
        }
        if let Some(former) = server.former.take() {
            self.former.remove(&former);
        }
        true
    }

    /// Forgets a server: every id that stood for it is dead from now on.
    pub(super) fn remove(&mut self, id: ServerId) -> Option<Server> {
        let mut server = self.servers.remove(&self.current(id)?)?;
        if server.kept.len() > 0 {
            self.kept_at_gone.insert(server.facts.name.clone(), core::mem::take(&mut server.kept));
        }
        self.names.remove(&server.facts.name);
        if let Some(former) = server.former {
            self.former.remove(&former);
        }
        self.leave_pool(&server);
        Some(server)
    }

    fn leave_pool(&mut self, server: &Server) {
        let pool = self.pools.get_mut(&server.pool()).expect("invariant: a server has a pool");
        pool.leave(server.slot);
        if pool.is_empty() {
            self.pools.remove(&server.pool());
        }
    }

    pub(super) fn lapsed(&self, now: Time) -> Vec<ServerId> {
        self.iter().filter(|(_, server)| server.lease_ends <= now).map(|(id, _)| id).collect()
    }

    fn fresh_id(&mut self) -> ServerId {
        self.next_id += 1;
        ServerId(self.next_id)
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.servers.len() <= self.servers_max);
        assert_eq!(self.names.len(), self.servers.len());
        for (name, id) in &self.names {
            assert_eq!(&self.servers[id].facts.name, name);
        }
        for (former, id) in &self.former {
            assert_eq!(self.servers[id].former, Some(*former));
            assert!(!self.servers.contains_key(former), "a former id is nobody's present one");
        }
        let with_former = self.servers.values().filter(|server| server.former.is_some());
        for server in with_former {
            assert!(server.joining.is_some(), "a former id is kept while joining, not longer");
        }
        self.check_pools();
        super::placement::check_invariants(self);
        let mut links: Vec<_> = self.servers.values().filter_map(|server| server.conn).collect();
        links.sort_unstable();
        assert!(links.windows(2).all(|pair| pair[0] != pair[1]), "a link belongs to one server");
    }

    fn check_pools(&self) {
        for (id, server) in &self.servers {
            let free = (!server.unweighed).then(|| server.free_places(self.reservations_max));
            self.pools[&server.pool()].check_member(*id, server.slot, free);
            assert!(!server.unweighed || self.unweighed.contains(id), "who was changed will be weighed");
        }
        assert_eq!(self.pools.values().map(Pool::len).sum::<usize>(), self.servers.len());
        self.pools.values().for_each(Pool::check_invariants);
    }
}
