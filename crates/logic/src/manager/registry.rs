//! Who is in the cluster: every server with what it said of itself, its lease and its link.
//!
//! Why: arbitration, presence and the directory ask the same three things of a server: is it there, may
//! clients be sent to it, how full is it.
//! Owns: the table of servers and which process a name stands for now. Does not own links that have not
//! registered, nor what anybody is told.
//! Invariants: a name stands for one process. A process keeps its entry from its first registration until its
//! lease ends, whatever its link does; each *presentation* has a fresh [`ServerId`], and the former id stands
//! for it too until the new presentation is complete, so that what was not presented again dies with it.
//! Whoever may have been changed is weighed anew before the next draw ([`Registry::weigh`]).
//! States: joining (not all players presented), up, suspect (no link), draining; none is entered backwards
//! but by a new registration, and draining stays.
//! Limits: `servers_max` entries.
//! Read next: [`super::presence`], which relies on ids dying.

use super::Config;
use super::arbitration::{Kept, Ledger};
use super::placement::Way;
use super::pool::{Places, Pool, Slot};
use crate::recent_rate::RecentRate;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{Load, Register, Renew, RoomReport};
use usher_proto::{ConnId, GameId, ReservationId, RoomNo, ServerKind, ServerName, Time, WorldId};

/// One presentation of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerId(pub(super) u32);

/// What servers took lately counts less after each of these.
const FADE_INTERVAL: Duration = Duration::from_millis(32);
/// A server at this load is full,
const SATED_PPM: u64 = 1_000_000;
/// and counts as full until it is down to this.
const HUNGRY_PPM: u64 = 950_000;

/// What a server last said of its load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub(super) serving: u32,
    pub(super) served_per_second: u32,
    /// Of these, clients that nobody sent there.
    by_themselves_per_second: u32,
}

/// What keeps a server from flapping at its limits.
#[derive(Debug, Default)]
pub(super) struct Strain {
    /// The delay of its logic queue, as it said last, by the most that is taken for well.
    logic_delay_ppm: u64,
    /// It was full, and is not yet well below.
    pub(super) sated: bool,
    /// Its queue was too long, and is not yet well below.
    behind: bool,
}

/// One process of the cluster.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are true side by side, not states")]
pub(super) struct Server {
    /// As it presented itself last; populations are kept current, rooms are ordered by number, and the address is where
    /// clients find it now.
    pub(super) facts: Register,
    pub(super) way: Way,
    /// Its link; without one it is suspect.
    pub(super) conn: Option<ConnId>,
    pub(super) lease_ends: Time,
    /// Players it has still to present before it is up.
    joining: Option<u32>,
    former: Option<ServerId>,
    pub(super) draining: bool,
    /// By an operator who asked the manager; whoever drains by itself knows.
    pub(super) ordered_to_drain: bool,
    /// Nothing until its first report: a full server that has just registered must not look empty.
    pub(super) reported: Option<Reported>,
    pub(super) kept: Kept,
    /// Clients whose place there was kept and who have come.
    sent: RecentRate,
    pub(super) renew: Renew,
    pub(super) strain: Strain,
    /// Whether halls offer its rooms, when they were last told, and whether that has changed since.
    pub(super) offered: bool,
    pub(super) told_at: Time,
    pub(super) rooms_changed: bool,
    /// Where it is in its pool, and whether it has yet to be weighed there anew.
    slot: Slot,
    unweighed: bool,
    /// Whether places kept there are load.
    counts_kept: bool,
}

impl Server {
    fn new(conn: ConnId, facts: Register, lease_ends: Time) -> Self {
        Self {
            joining: Some(facts.players),
            way: Way::of(&facts),
            facts,
            conn: Some(conn),
            lease_ends,
            former: None,
            draining: false,
            ordered_to_drain: false,
            reported: None,
            kept: Kept::default(),
            sent: RecentRate::default(),
            renew: Renew::default(),
            strain: Strain::default(),
            offered: false,
            told_at: Time(0),
            rooms_changed: false,
            slot: Slot::default(),
            unweighed: false,
            counts_kept: true,
        }
    }

    /// The state as the admin page writes it.
    pub(super) fn state(&self) -> &'static str {
        match self {
            Self { conn: None, .. } => "suspect",
            Self { draining: true, .. } => "draining",
            Self { joining: Some(_), .. } => "joining",
            _ => "up",
        }
    }

    /// Whether clients may be sent there.
    pub(super) fn takes_clients(&self) -> bool {
        self.conn.is_some() && self.joining.is_none() && !self.draining
    }

    pub(super) fn is(&self, kind: ServerKind, world: WorldId) -> bool {
        self.facts.kind == kind && self.facts.world == world
    }

    /// Of a gateway: the world whose servers it may stand before.
    pub(super) fn world_behind(&self) -> Option<WorldId> {
        (self.facts.kind == ServerKind::Gateway).then_some(self.facts.world)
    }

    pub(super) fn has_room(&self, room: RoomNo, game: GameId) -> bool {
        self.room_at(room).is_some_and(|at| self.facts.rooms[at].game == game)
    }

    /// Clients that may be sent there now. Strangers hold at most half of its open places.
    pub(super) fn free_places(&self, reservations_max: u32) -> Places {
        let (open, kept) = (u64::from(self.open_places()), self.kept_load());
        if !self.takes_clients() || self.kept.len() >= reservations_max as usize {
            return Places::default();
        }
        let for_sessions = open.saturating_sub(kept);
        let has_half = 2 * (self.kept.strangers() as u64 + 1) <= open;
        let for_strangers = if has_half { for_sessions } else { 0 };
        Places { for_sessions, for_strangers, sated: self.strain.sated }
    }

    fn kept_load(&self) -> u64 {
        if self.counts_kept { self.kept.len() as u64 } else { 0 }
    }

    fn pool(&self) -> PoolKey {
        (self.facts.kind, self.facts.world)
    }

    /// Clients it could begin to serve within this second if no place were kept. Whose queue is too long serves
    /// first whom it has.
    fn open_places(&self) -> u32 {
        if self.strain.behind {
            return 0;
        }
        let Some(Reported { serving, served_per_second, .. }) = self.reported else { return 0 };
        let at_once = self.facts.serve_max.saturating_sub(serving);
        at_once.min(self.facts.serve_per_second_max.saturating_sub(served_per_second))
    }

    /// The fullest of its limits, in millionths: served at once and begun in a second, kept places included, and
    /// the logic queue's delay. Full before its first report.
    pub(super) fn load_ppm(&self) -> u64 {
        let Some(Reported { serving, served_per_second, .. }) = self.reported else { return 1_000_000 };
        let used_ppm = |used: u32, used_max: u32| {
            (u64::from(used) + self.kept_load()) * 1_000_000 / u64::from(used_max.max(1))
        };
        used_ppm(serving, self.facts.serve_max)
            .max(used_ppm(served_per_second, self.facts.serve_per_second_max))
            .max(self.strain.logic_delay_ppm)
    }

    /// What waits in its logic queue will take so long. Too long it stays until it is down to half.
    pub(super) fn delayed(&mut self, logic_delay_us: u32, logic_delay_max_us: u32) {
        let delay_ppm = u64::from(logic_delay_us) * 1_000_000 / u64::from(logic_delay_max_us.max(1));
        let bound_ppm = if self.strain.behind { 500_000 } else { 1_000_000 };
        self.strain.logic_delay_ppm = delay_ppm;
        self.strain.behind = delay_ppm >= bound_ppm;
    }

    /// Notes whether it is full, or still counts as full.
    fn note_strain(&mut self) {
        let bound = if self.strain.sated { HUNGRY_PPM + 1 } else { SATED_PPM };
        self.strain.sated = self.reported.is_some() && self.load_ppm() >= bound;
    }

    /// A place that was kept is used. It counts as served at once, so that it is never counted as neither; the
    /// next report knows of it. Whether it was still kept.
    fn redeem(&mut self, now: Time, reservation: ReservationId) -> bool {
        let was_kept = self.kept.redeem(reservation);
        if was_kept
            && self.counts_kept
            && let Some(reported) = &mut self.reported
        {
            reported.serving = reported.serving.saturating_add(1);
            self.sent.count(now);
        }
        was_kept
    }

    /// How many it begins to serve a second now: who comes by himself, as of its last report, and who was sent.
    fn reckon(&mut self, now: Time) {
        let sent = self.sent.per_second(now);
        if let Some(reported) = &mut self.reported {
            reported.served_per_second = reported.by_themselves_per_second.saturating_add(sent);
        }
    }

    /// Takes a load report over. Draining is never taken back.
    pub(super) fn report(&mut self, now: Time, load: &Load) {
        let &Load { serving, served_per_second, .. } = load;
        let by_themselves_per_second = served_per_second.saturating_sub(self.sent.per_second(now));
        self.reported = Some(Reported { serving, served_per_second, by_themselves_per_second });
        self.draining |= load.draining;
        for &(room, population) in &load.rooms {
            let Some(at) = self.room_at(room) else { continue };
            let report = &mut self.facts.rooms[at];
            self.rooms_changed |= report.population != population;
            report.population = population;
        }
    }

    /// It is in somebody's hands who may change it.
    fn note_change(&mut self, id: ServerId, unweighed: &mut Vec<ServerId>) {
        if !core::mem::replace(&mut self.unweighed, true) {
            unweighed.push(id);
        }
    }

    fn room_at(&self, room: RoomNo) -> Option<usize> {
        self.facts.rooms.binary_search_by_key(&room, |report: &RoomReport| report.room).ok()
    }

    fn is_same_process(&self, facts: &Register) -> bool {
        (self.facts.incarnation, self.facts.kind, self.facts.world)
            == (facts.incarnation, facts.kind, facts.world)
    }
}

/// Clients are sent to another server of the same kind and world.
type PoolKey = (ServerKind, WorldId);

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
        self.enter(Server { offered, ..Server::new(conn, facts, lease_ends) }, true)
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
        self.servers.insert(fresh, Server { facts, conn: Some(conn), lease_ends, ..server });
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
