//! The manager: knows every server, arbitrates redirects, decides who may be where, feeds the directory.
//!
//! Why: of what no server can know alone there is one truth, and it can be lost: everything here is rebuilt
//! from what servers present, so a manager that starts anew knows nothing and needs nothing.
//! Owns: links (here), who is let in (`registration`), servers (`registry`, `server`), reservations (`arbitration`), accounts
//! (`presence`), what others are told (`directory`, `view`), who is reached through which gateway (`placement`), who sent
//! how many where (`flows`).
//! Invariants: a server is asked for by name and answered by link; any message prolongs its lease, and without
//! one it is gone. For one lease after its own start the manager expires nothing and withdraws nothing. When
//! its own time jumps by more than half a lease, every lease gets a full term again: it was the manager that
//! was away.
//! Peers: servers of this cluster. What they should not say closes their link, and they present themselves
//! anew.
//! Limits: see [`Config`]; each says what happens beyond it.
//! Read next: `presence` for the rules of entering, `server` for the states of a server.

mod arbitration;
mod config;
mod directory;
mod flows;
mod placement;
mod pool;
mod presence;
mod registration;
mod registry;
mod server;
#[cfg(test)]
mod tests;
mod view;

pub use config::{Config, HallsOrder};

use crate::revocations::Revocations;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use arbitration::Arbiter;
use core::convert::Infallible;
use core::time::Duration;
use directory::Directory;
use flows::Flows;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use placement::Placement;
use presence::{Eviction, Presence};
use registry::{Registry, ServerId};
use server::Server;
use usher_proto::limits::{PRESENT_PLAYERS_MAX, SEATS_MAX};
use usher_proto::machine::{Answer, Peer};
use usher_proto::message::{
    Announce, Claim, Claimed, CloseReason, Closing, Delay, DrainOrder, Load, Locate, Located, Message,
    Present, Redeemed, Release, Released, Revoked, Verdict,
};
use usher_proto::{
    AccountId, ConnId, Figures, Generation, Identity, Input, Machine, Outbox, Output, ServerKind, ServerName,
    SessionId, Time, WorldId,
};

/// One shard, so nothing is ever told or handed over.
type Out = Outbox<Infallible>;

/// How often leases, reservations and what others are told are looked after.
const TICK: Duration = Duration::from_millis(250);
/// How often the admin page's view is replaced, at most.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);

/// What has happened so far.
#[derive(Debug, Default)]
struct Counts {
    registrations: u64,
    registrations_denied: u64,
    leases_ended: u64,
    time_jumps: u64,
    unexpected: u64,
    placements: u64,
    redirects_login: u64,
    redirects_hall: u64,
    redirects_room: u64,
    redirects_nobody: u64,
    claims_granted: u64,
    claims_superseded: u64,
    claims_elsewhere: u64,
    claims_full: u64,
    revocations: u64,
    evictions: u64,
    evictions_acknowledged: u64,
    announcements: u64,
}

/// The manager as a machine. See the module head.
#[derive(Debug)]
pub struct Manager {
    config: Config,
    /// When it first did anything; not machine time zero, which may be long before.
    started: Option<Time>,
    now: Time,
    tick_at: Time,
    show_at: Time,
    unshown: bool,
    /// Everybody on the link listener, by the name they proved.
    links: HashMap<ConnId, ServerName, FixedState>,
    registry: Registry,
    presence: Presence,
    arbiter: Arbiter,
    directory: Directory,
    placement: Placement,
    revocations: Revocations,
    flows: Flows,
    counts: Counts,
}

impl Manager {
    /// A manager that knows nobody yet. `seed` decides the two choices and the order within maps.
    pub fn new(config: Config, seed: u64) -> Self {
        let presence = presence::Bounds {
            presence_max: config.presence_max as usize,
            fence_ttl: config.fence_ttl,
            fences_max: config.fences_max as usize,
        };
        let arbitration = arbitration::Bounds {
            reservation_ttl: config.reservation_ttl,
            reservations_max: config.reservations_max,
            seals_max: config.seals_max,
        };
        Self {
            started: None,
            now: Time(0),
            tick_at: Time(0),
            show_at: Time(0),
            unshown: false,
            links: HashMap::with_hasher(FixedState::with_seed(seed)),
            registry: Registry::new(&config),
            presence: Presence::new(presence, seed),
            arbiter: Arbiter::new(arbitration, seed),
            directory: Directory::new(config.halls_order),
            placement: Placement::default(),
            revocations: Revocations::new(seed),
            flows: Flows::default(),
            counts: Counts::default(),
            config,
        }
    }

    fn unix_ms(&self) -> u64 {
        self.config.started_unix_ms.saturating_add(self.now.as_millis())
    }

    fn notice_time(&mut self, now: Time) {
        let away = now - core::mem::replace(&mut self.now, now);
        let started = *self.started.get_or_insert(now);
        self.directory.settled = now >= started + self.config.lease;
        if away > self.config.lease / 2 && self.registry.len() > 0 {
            self.counts.time_jumps += 1;
            let lease_ends = now + self.config.lease;
            self.registry.renew_all(lease_ends);
        }
    }

    fn tick(&mut self, out: &mut Out) {
        self.tick_at = self.now + TICK;
        for id in self.registry.lapsed(self.now) {
            self.lease_ended(id, out);
        }
        self.arbiter.expire(self.now, &mut self.registry);
        self.registry.weigh(self.now);
        for world in self.placement.take_due() {
            self.place(world, out);
        }
        self.placement.tick(self.now, &self.registry, out);
        self.directory.tick(self.now, &mut self.registry, out);
        if self.unshown && self.now >= self.show_at {
            self.unshown = false;
            self.show_at = self.now + SHOW_INTERVAL;
            out.push(Output::Show(view::view(self)));
        }
    }

    /// Never in the manager's own first lease, for every lease it gives is as long.
    fn lease_ended(&mut self, id: ServerId, out: &mut Out) {
        self.counts.leases_ended += 1;
        if let Some(conn) = self.registry.get(id).and_then(|server| server.conn) {
            self.show_out(conn, CloseReason::NotRegistered, out);
        }
        self.directory.withdraw(&mut self.registry, id, out);
        if let Some(gone) = self.registry.remove(id) {
            self.flows.forget(&gone.facts.name);
            self.place_behind(gone.world_behind(), out);
        }
        self.presence.sweep();
        self.unshown = true;
    }

    // Links.

    fn knock(&mut self, conn: ConnId, peer: Peer, out: &mut Out) {
        let links_max = 2 * self.config.servers_max as usize;
        let reason = match peer {
            Peer::Server(name) if self.links.len() < links_max => {
                self.links.insert(conn, name);
                return out.push(Output::Admit(conn));
            }
            Peer::Server(_) => CloseReason::ConnectionsFull,
            Peer::Stranger | Peer::Player(_) => CloseReason::WrongRole,
        };
        out.push(Output::Refuse(conn, Closing { reason }.into()));
    }

    /// The server registered on this link, if it still is.
    fn server_of(&self, conn: ConnId) -> Option<ServerId> {
        let id = self.registry.named(self.links.get(&conn)?)?;
        (self.registry.get(id)?.conn == Some(conn)).then_some(id)
    }

    fn show_out(&mut self, conn: ConnId, reason: CloseReason, out: &mut Out) {
        out.close(conn, reason);
        self.link_gone(conn, out);
    }

    fn link_gone(&mut self, conn: ConnId, out: &mut Out) {
        if let Some(id) = self.server_of(conn)
            && let Some(server) = self.registry.get_mut(id)
        {
            server.conn = None;
            let behind = server.world_behind();
            self.directory.withdraw(&mut self.registry, id, out);
            self.place_behind(behind, out);
            self.unshown = true;
        }
        self.links.remove(&conn);
    }

    fn message(&mut self, conn: ConnId, message: Message, out: &mut Out) {
        if !self.links.contains_key(&conn) {
            return;
        }
        self.unshown = true;
        if let Message::Register(register) = message {
            return self.register(conn, register, out);
        }
        let Some(id) = self.server_of(conn) else {
            return self.show_out(conn, CloseReason::NotRegistered, out);
        };
        let lease_ends = self.now + self.config.lease;
        let server = self.registry.get_mut(id).expect("invariant: a registered link has its server");
        server.lease_ends = lease_ends;
        if !is_expected(server, &message) {
            self.counts.unexpected += 1;
            return self.show_out(conn, CloseReason::Unexpected, out);
        }
        self.said(id, conn, message, out);
    }

    /// A registered server says what it may say.
    fn said(&mut self, id: ServerId, conn: ConnId, message: Message, out: &mut Out) {
        let server = self.registry.get_mut(id).expect("invariant: a registered link has its server");
        match message {
            Message::Renew(renew) => server.renew = renew,
            Message::Delay(Delay { logic_delay_us }) => {
                server.delayed(logic_delay_us, micros(self.config.logic_delay_max));
            }
            Message::Redeemed(Redeemed { reservations }) => {
                self.registry.redeemed(self.now, id, &reservations);
            }
            Message::Load(load) => self.load(id, &load, out),
            Message::Before(before) => self.stands_before(id, before, out),
            Message::Present(present) => self.present(id, &present, out),
            Message::Arbitrate(arbitrate) => self.arbitrate(id, conn, &arbitrate, out),
            Message::ArbitrateParty(party) => self.arbitrate_party(id, conn, &party, out),
            Message::Claim(claim) => self.claim(id, conn, &claim, out),
            Message::Release(release) => self.release(id, conn, &release, out),
            Message::Evicted(_) => self.counts.evictions_acknowledged += 1,
            Message::Revoked(Revoked { logins }) => self.revoked(logins, out),
            Message::Locate(Locate { request, identity }) => {
                let seats = self.presence.locate(&self.registry, &identity);
                out.send(conn, Located { request, seats });
            }
            _ => {}
        }
    }

    // What operators and servers say and ask.

    /// An operator's word. A server without a link is told when it comes back; another process of its name is not.
    fn drain_server(&mut self, name: &ServerName, out: &mut Out) {
        let Some(id) = self.registry.named(name) else { return };
        let Some(server) = self.registry.get_mut(id) else { return };
        (server.draining, server.ordered_to_drain) = (true, true);
        if let Some(conn) = server.conn {
            out.send(conn, DrainOrder {});
        }
        let behind = server.world_behind();
        self.directory.withdraw(&mut self.registry, id, out);
        self.place_behind(behind, out);
        self.unshown = true;
    }

    fn load(&mut self, id: ServerId, load: &Load, out: &mut Out) {
        let Some(server) = self.registry.get_mut(id) else { return };
        let drained_before = server.draining;
        server.report(self.now, load);
        let (behind, begins_to_drain) = (server.world_behind(), server.draining && !drained_before);
        self.directory.withdraw(&mut self.registry, id, out);
        if begins_to_drain {
            self.place_behind(behind, out);
        } else if let Some(world) = behind {
            self.placement.has_news_of(world);
        }
    }

    fn claim(&mut self, id: ServerId, conn: ConnId, claim: &Claim, out: &mut Out) {
        if self.revocations.is_over(&claim.identity) {
            self.counts.claims_superseded += 1;
            return out.send(conn, Claimed { request: claim.request, verdict: Verdict::Superseded });
        }
        let ruling = self.presence.claim(self.now, &self.registry, id, claim);
        let Some(ruling) = ruling else {
            self.counts.claims_full += 1;
            return out.send(conn, Claimed { request: claim.request, verdict: Verdict::Superseded });
        };
        match &ruling.verdict {
            Verdict::Granted => self.counts.claims_granted += 1,
            Verdict::Superseded => self.counts.claims_superseded += 1,
            Verdict::Elsewhere { .. } => self.counts.claims_elsewhere += 1,
        }
        out.send(conn, Claimed { request: claim.request, verdict: ruling.verdict });
        self.evict(&ruling.evictions, out);
    }

    fn release(&mut self, id: ServerId, conn: ConnId, release: &Release, out: &mut Out) {
        let order = self.presence.release(self.now, &self.registry, id, release);
        out.send(conn, Released { request: release.request });
        self.evict(&order.map_or_else(Vec::new, |order| vec![(id, order)]), out);
    }

    /// An operator's word. The mark lies above whatever a login server whose clock is fast has given.
    fn revoke(&mut self, account: AccountId, out: &mut Out) {
        let skew_ms = self.config.clock_skew_max.as_millis() as u64;
        self.revoked(vec![(account, Generation::first_at(self.unix_ms() + skew_ms + 1))], out);
    }

    /// What of it is news is carried out in each world that has servers here, and handed on to every server.
    fn revoked(&mut self, mut logins: Vec<(AccountId, Generation)>, out: &mut Out) {
        logins.retain(|(account, below)| self.revocations.add(self.now, *account, *below));
        let worlds: BTreeSet<WorldId> = self.registry.iter().map(|(_, server)| server.facts.world).collect();
        for &(account, generation) in &logins {
            self.counts.revocations += 1;
            for &world in &worlds {
                let revoked = Identity { world, account, session: SessionId(0), generation };
                let evictions = self.presence.revoke(self.now, &self.registry, &revoked);
                self.evict(&evictions, out);
            }
        }
        for conn in self.registry.iter().filter_map(|(_, server)| server.conn).filter(|_| !logins.is_empty())
        {
            out.send(conn, Revoked { logins: logins.clone() });
        }
    }

    /// An operator's words. A room server that cannot be reached now does not hear them later.
    fn announce(&mut self, text: &str, out: &mut Out) {
        self.counts.announcements += 1;
        let rooms = self.registry.iter().filter(|(_, server)| server.facts.kind == ServerKind::Room);
        for conn in rooms.filter_map(|(_, server)| server.conn) {
            out.send(conn, Announce { text: text.into() });
        }
    }

    /// A server without a link is told nothing: it is judged by what it presents when it comes back.
    fn evict(&mut self, evictions: &[Eviction], out: &mut Out) {
        for (id, order) in evictions {
            let Some(conn) = self.registry.get(*id).and_then(|server| server.conn) else { continue };
            self.counts.evictions += 1;
            out.send(conn, *order);
        }
    }
}

/// Whether a server may say this now: the right kind of server, about its own world and its own rooms.
fn is_expected(server: &Server, message: &Message) -> bool {
    let facts = &server.facts;
    let is_room = facts.kind == ServerKind::Room;
    match message {
        Message::Renew(_)
        | Message::Delay(_)
        | Message::Load(_)
        | Message::Redeemed(_)
        | Message::Revoked(_) => true,
        Message::Arbitrate(_) => matches!(facts.kind, ServerKind::Login | ServerKind::Hall),
        Message::ArbitrateParty(party) => is_room && (1..=SEATS_MAX).contains(&party.sessions.len()),
        Message::Locate(locate) => facts.kind == ServerKind::Hall && locate.identity.world == facts.world,
        Message::Claim(claim) => {
            is_room && claim.identity.world == facts.world && server.has_room(claim.room, claim.game)
        }
        Message::Release(release) => is_room && release.identity.world == facts.world,
        Message::Evicted(_) => is_room,
        Message::Before(before) => facts.kind == ServerKind::Gateway && placement::is_well_formed(before),
        Message::Present(Present { players }) => {
            is_room
                && players.len() <= PRESENT_PLAYERS_MAX
                && players.iter().all(|player| {
                    player.identity.world == facts.world && server.has_room(player.room, player.game)
                })
        }
        _ => false,
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

impl Machine for Manager {
    type Note = Infallible;

    fn handle(&mut self, now: Time, input: Input<Infallible>, out: &mut Out) {
        self.notice_time(now);
        match input {
            Input::Knock { conn, peer, .. } => self.knock(conn, peer, out),
            Input::Message { conn, message } => self.message(conn, message, out),
            Input::Disconnected { conn } => self.link_gone(conn, out),
            Input::Answer { id, answer: Answer::Reservation(sealed) } => self.sealed(id, sealed, out),
            Input::Timeout => self.presence.sweep_shelf(now, &self.registry),
            // Nobody is to be drained here: servers come back to the next manager.
            Input::Drain => out.push(Output::Drained),
            Input::DrainServer { name } => self.drain_server(&name, out),
            Input::Revoke { account } => self.revoke(account, out),
            Input::Announce { text } => self.announce(&text, out),
            // A link is worth nothing before it registers, and the manager itself links, dials and tells nobody.
            _ => {}
        }
        self.presence.forget_due(now);
        if now >= self.tick_at {
            self.tick(out);
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        if !self.presence.is_swept() {
            return Some(self.now);
        }
        let is_idle = self.registry.len() == 0 && self.arbiter.sealing() == 0 && !self.unshown;
        let tick_at = (!is_idle).then_some(self.tick_at);
        tick_at.into_iter().chain(self.presence.next_forgetting()).min()
    }

    fn check_invariants(&self) {
        self.registry.check_invariants();
        self.presence.check_invariants(&self.registry);
        self.arbiter.check_invariants(&self.registry);
        let Counts { redirects_login, redirects_hall, redirects_room, .. } = self.counts;
        self.flows.check_invariants(redirects_login + redirects_hall + redirects_room);
        for (id, server) in self.registry.iter() {
            let Some(conn) = server.conn else { continue };
            assert_eq!(self.server_of(conn), Some(id), "a registered link is a link");
        }
    }

    fn figures(&self, figures: &mut Figures) {
        view::figures(self, figures);
    }
}
