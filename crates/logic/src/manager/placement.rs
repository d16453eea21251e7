//! Which gateway a server's clients come through, and what gateways are told of servers.
//!
//! Why: where clients find a server is its own address, or that of a gateway before it. Everything that names an address
//! reads it in `Server::facts`, so it is decided in one place and written there.
//! The rule: of the gateways that stand before a server and are fit (up, not draining, below their limit), the one with
//! the most free places for each server that is reached through it. It is kept while it is fit and none has a quarter
//! more; without one the server is found where it said itself.
//! Owns: each server's [`Way`], and what gateways were told last ([`Placement`]). Does not own: what halls and logins are told.
//! Invariants: nobody is reached through a gateway that takes no clients, or does not stand before it. What a gateway says
//! of its load is acted upon within a tick, everything else at once.
//! Limits: [`FRONTS_MAX`] servers before which a gateway stands, and that it is told of, the first by name.
//! Read next: [`super::registry`].

use super::directory::{TELL_INTERVAL, offer_elsewhere, publish};
use super::registry::{Registry, ServerId};
use super::server::Server;
use super::{Manager, Out};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use usher_proto::limits::{ADDRESS_BYTES_MAX, FRONTS_MAX, HALLS_MAX, NAME_BYTES_MAX};
use usher_proto::message::{Before, Front, Inner, InnerServer, Placed, Register};
use usher_proto::{Address, ConnId, ServerKind, ServerName, Time, WorldId};

impl Manager {
    /// Whoever has completed its registration is told who lets it in, if it is a gateway.
    pub(super) fn welcome_gateway(&mut self, id: ServerId, out: &mut Out) {
        let Some(server) = self.registry.get(id) else { return };
        if let (Some(world), Some(conn)) = (server.world_behind(), server.conn) {
            self.placement.welcome(self.now, &self.registry, (world, conn), out);
            self.place(world, out);
        }
    }

    /// A gateway says which servers it stands before.
    pub(super) fn stands_before(&mut self, id: ServerId, before: Before, out: &mut Out) {
        let Some(gateway) = self.registry.get_mut(id) else { return };
        gateway.way.stands_before(before);
        let world = gateway.facts.world;
        self.place(world, out);
    }

    /// Something has become of a server; if that is a gateway of this world, those behind it are placed anew.
    pub(super) fn place_behind(&mut self, world: Option<WorldId>, out: &mut Out) {
        if let Some(world) = world {
            self.place(world, out);
        }
    }

    /// Chooses gateways anew; who is reached elsewhere now is told, and whoever sends clients there.
    pub(super) fn place(&mut self, world: WorldId, out: &mut Out) {
        for id in place(&mut self.registry, world) {
            self.counts.placements += 1;
            self.unshown = true;
            let Some(server) = self.registry.get(id) else { continue };
            if let Some(conn) = server.conn {
                out.send(conn, Placed { address: server.facts.address.clone() });
            }
            offer_elsewhere(self.now, &mut self.registry, id, out);
        }
    }
}

/// How clients come to a server; and of a gateway, to which servers they come through it.
#[derive(Debug)]
pub(super) struct Way {
    /// Where it said itself that clients find it.
    own: Address,
    through: Option<ServerName>,
    before: BTreeMap<ServerName, Address>,
}

impl Way {
    /// Straight, as it said itself.
    pub(super) fn of(facts: &Register) -> Self {
        Self { own: facts.address.clone(), through: None, before: BTreeMap::new() }
    }

    /// It presents itself anew: its address is its own until it is placed again, by preference as before.
    pub(super) fn comes_back(&mut self, facts: &Register) {
        self.own = facts.address.clone();
    }

    /// The gateway that its clients come through.
    pub(super) fn through(&self) -> Option<&ServerName> {
        self.through.as_ref()
    }

    /// A gateway says which servers it stands before: all of them.
    pub(super) fn stands_before(&mut self, before: Before) {
        self.before = before.servers.into_iter().map(|front| (front.server, front.address)).collect();
    }
}

/// Whether a gateway may say this.
pub(super) fn is_well_formed(before: &Before) -> bool {
    let is_sized = |text: &str, bytes_max: usize| !text.is_empty() && text.len() <= bytes_max;
    let is_front = |front: &Front| {
        is_sized(&front.server.0, NAME_BYTES_MAX) && is_sized(&front.address.0, ADDRESS_BYTES_MAX)
    };
    before.servers.len() <= FRONTS_MAX && before.servers.iter().all(is_front)
}

/// A gateway that takes clients, while servers are placed.
struct Gateway<'a> {
    name: &'a ServerName,
    before: &'a BTreeMap<ServerName, Address>,
    free: u64,
    /// How many servers are reached through it.
    servers: u64,
}

impl<'a> Gateway<'a> {
    /// If it is fit.
    fn of(server: &'a Server) -> Option<Self> {
        let serving = server.reported.filter(|_| server.takes_clients())?.serving;
        let free = server.facts.serve_max.checked_sub(serving).filter(|free| *free > 0)?;
        let (name, before) = (&server.facts.name, &server.way.before);
        Some(Self { name, before, free: free.into(), servers: 0 })
    }

    /// Its free places for each of so many servers, in thousandths.
    fn share_of(&self, servers: u64) -> u64 {
        self.free * 1_000 / servers.max(1)
    }
}

/// Chooses anew for each hall and room server of a world. Says who is found elsewhere now.
pub(super) fn place(registry: &mut Registry, world: WorldId) -> Vec<ServerId> {
    let mut found = Vec::new();
    let mut gateways = fit_gateways(registry, world);
    for (id, server) in registry.iter().filter(|(_, server)| may_be_behind(server, world)) {
        let gateway = choose(&mut gateways, server).map(|at| &gateways[at]);
        let through = gateway.map(|gateway| gateway.name.clone());
        let address = gateway.map_or(&server.way.own, |gateway| &gateway.before[&server.facts.name]);
        if through != server.way.through || *address != server.facts.address {
            found.push((id, through, address.clone()));
        }
    }
    let elsewhere = found.into_iter().filter_map(|(id, through, address)| {
        let server = registry.get_mut(id)?;
        server.way.through = through;
        let before = core::mem::replace(&mut server.facts.address, address);
        (before != server.facts.address).then_some(id)
    });
    elsewhere.collect()
}

fn may_be_behind(server: &Server, world: WorldId) -> bool {
    server.is(ServerKind::Room, world) || server.is(ServerKind::Hall, world)
}

fn fit_gateways(registry: &Registry, world: WorldId) -> Vec<Gateway<'_>> {
    let all = registry.by_name().filter(|server| server.is(ServerKind::Gateway, world));
    let mut gateways: Vec<_> = all.filter_map(Gateway::of).collect();
    for (_, server) in registry.iter().filter(|(_, server)| may_be_behind(server, world)) {
        if let Some(at) = present(&gateways, server) {
            gateways[at].servers += 1;
        }
    }
    gateways
}

/// The gateway that it is reached through, as long as that can be.
fn present(gateways: &[Gateway<'_>], server: &Server) -> Option<usize> {
    let through = server.way.through.as_ref()?;
    gateways
        .iter()
        .position(|gateway| gateway.name == through && gateway.before.contains_key(&server.facts.name))
}

/// The gateway that it is to be reached through.
fn choose(gateways: &mut [Gateway<'_>], server: &Server) -> Option<usize> {
    let is_before = |at: &usize| gateways[*at].before.contains_key(&server.facts.name);
    let share_of_more = |at: &usize| gateways[*at].share_of(gateways[*at].servers + 1);
    // Of equals the last would be taken: the first by name is.
    let best = (0..gateways.len()).rev().filter(is_before).max_by_key(share_of_more)?;
    if let Some(at) = present(gateways, server) {
        let share = gateways[at].share_of(gateways[at].servers);
        if share_of_more(&best) * 4 <= share * 5 {
            return Some(at);
        }
        gateways[at].servers -= 1;
    }
    gateways[best].servers += 1;
    Some(best)
}

/// Where clients are to try these servers, in their order. Who is told keeps it, and gateways may go: if all of it would
/// lead through gateways, the last is a straight way.
pub(super) fn ways(servers: &[&Server]) -> Vec<Address> {
    let mut ways: Vec<_> = servers.iter().map(|server| server.facts.address.clone()).collect();
    if servers.iter().all(|server| server.way.through.is_some()) {
        ways.truncate(HALLS_MAX - 1);
        let last = servers.get(ways.len()).or(servers.first());
        ways.extend(last.map(|server| server.way.own.clone()));
    }
    ways
}

/// What gateways of a world were told last of its servers.
#[derive(Debug)]
struct Told {
    servers: Vec<InnerServer>,
    at: Time,
}

/// What is to be done yet, and what was told.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// Worlds with a gateway that has said how full it is.
    due: BTreeSet<WorldId>,
    told: BTreeMap<WorldId, Told>,
}

impl Placement {
    /// A gateway of this world has said how full it is.
    pub(super) fn has_news_of(&mut self, world: WorldId) {
        self.due.insert(world);
    }

    /// The worlds to be placed anew.
    pub(super) fn take_due(&mut self) -> BTreeSet<WorldId> {
        core::mem::take(&mut self.due)
    }

    /// A gateway has registered: it is told of the servers at once.
    pub(super) fn welcome(
        &mut self,
        now: Time,
        registry: &Registry,
        (world, conn): (WorldId, ConnId),
        out: &mut Out,
    ) {
        let servers = inner(registry, world);
        self.told.entry(world).or_insert_with(|| Told { servers: servers.clone(), at: now });
        out.send(conn, Inner { servers });
    }

    /// Tells gateways what has changed since they were told, once in [`TELL_INTERVAL`].
    pub(super) fn tick(&mut self, now: Time, registry: &Registry, out: &mut Out) {
        let gateways = registry.iter().filter(|(_, server)| server.facts.kind == ServerKind::Gateway);
        let worlds: BTreeSet<WorldId> = gateways.map(|(_, server)| server.facts.world).collect();
        self.told.retain(|world, _| worlds.contains(world));
        for (world, told) in &mut self.told {
            let servers = inner(registry, *world);
            if servers == told.servers || now - told.at < TELL_INTERVAL {
                continue;
            }
            *told = Told { servers: servers.clone(), at: now };
            publish(registry, ServerKind::Gateway, *world, &Arc::new(Inner { servers }.into()), out);
        }
    }
}

/// The servers that let gateways in, the silent and the draining too: their players are still there.
fn inner(registry: &Registry, world: WorldId) -> Vec<InnerServer> {
    let servers =
        registry.by_name().filter(|server| may_be_behind(server, world)).map(|server| &server.facts);
    let inner = servers.filter(|facts| !facts.inner.is_empty()).map(|facts| InnerServer {
        server: facts.name.clone(),
        kind: facts.kind,
        address: facts.inner.clone(),
    });
    inner.take(FRONTS_MAX).collect()
}

pub(super) fn check_invariants(registry: &Registry) {
    for (_, server) in registry.iter() {
        let Some(through) = &server.way.through else {
            assert_eq!(server.facts.address, server.way.own, "a server without a gateway is where it said");
            continue;
        };
        let gateway = registry.named(through).and_then(|id| registry.get(id));
        let gateway =
            gateway.filter(|gateway| gateway.takes_clients()).expect("a gateway in use takes clients");
        assert_eq!(gateway.way.before.get(&server.facts.name), Some(&server.facts.address));
    }
}
