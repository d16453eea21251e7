//! One server of the cluster: what it said of itself, its lease, its link, and how full it is.
//!
//! Why: arbitration, presence and the directory ask the same of a server: may clients be sent to it, how full is it.
//! Owns: the facts of one process and the figures that follow from them. Does not own which process a name stands
//! for, nor when it is weighed: the registry does.
//! States: joining (not all players presented), up, suspect (no link), draining; none is entered backwards
//! but by a new registration, and draining stays.
//! Invariants: a place that was kept and is used counts as served at once, so that it is never counted as neither.
//! Read next: [`super::registry`], the table; [`super::pool`], where its free places are drawn from.

use super::arbitration::Kept;
use super::placement::Way;
use super::pool::{Places, Slot};
use super::registry::ServerId;
use crate::recent_rate::RecentRate;
use alloc::vec::Vec;
use usher_proto::message::{Load, Register, Renew, RoomReport};
use usher_proto::{ConnId, GameId, ReservationId, RoomNo, ServerKind, Time, WorldId};

/// A server at this load is full,
const SATED_PPM: u64 = 1_000_000;
/// and counts as full until it is down to this.
const HUNGRY_PPM: u64 = 950_000;

/// Clients are sent to another server of the same kind and world.
pub(super) type PoolKey = (ServerKind, WorldId);

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
    pub(super) joining: Option<u32>,
    pub(super) former: Option<ServerId>,
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
    pub(super) slot: Slot,
    pub(super) unweighed: bool,
    /// Whether places kept there are load.
    pub(super) counts_kept: bool,
}

impl Server {
    pub(super) fn new(conn: ConnId, facts: Register, lease_ends: Time) -> Self {
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

    pub(super) fn pool(&self) -> PoolKey {
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
    pub(super) fn note_strain(&mut self) {
        let bound = if self.strain.sated { HUNGRY_PPM + 1 } else { SATED_PPM };
        self.strain.sated = self.reported.is_some() && self.load_ppm() >= bound;
    }

    /// A place that was kept is used. It counts as served at once, so that it is never counted as neither; the
    /// next report knows of it. Whether it was still kept.
    pub(super) fn redeem(&mut self, now: Time, reservation: ReservationId) -> bool {
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
    pub(super) fn reckon(&mut self, now: Time) {
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
    pub(super) fn note_change(&mut self, id: ServerId, unweighed: &mut Vec<ServerId>) {
        if !core::mem::replace(&mut self.unweighed, true) {
            unweighed.push(id);
        }
    }

    fn room_at(&self, room: RoomNo) -> Option<usize> {
        self.facts.rooms.binary_search_by_key(&room, |report: &RoomReport| report.room).ok()
    }

    pub(super) fn is_same_process(&self, facts: &Register) -> bool {
        (self.facts.incarnation, self.facts.kind, self.facts.world)
            == (facts.incarnation, facts.kind, facts.world)
    }
}
