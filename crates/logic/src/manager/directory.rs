//! What halls and logins are told of the others: rooms by server for halls, hall addresses and worlds for logins.
//!
//! Why: a hall answers its visitors from what it was told, without asking; so does a login.
//! Owns: what was told, and when. Does not own servers or rooms.
//! Invariants: rooms of a server that takes nobody are withdrawn, at once; a server's rooms and a world's halls
//! are told at most once in [`TELL_INTERVAL`], and when someone registers; so is the list of worlds. Of a world,
//! only its number, its people and its logins leave it. While the manager is unsettled
//! (its first lease) nothing is withdrawn, for then it knows nobody who is merely late. No list of halls leads through
//! gateways alone.
//! Limits: [`HALLS_MAX`] addresses, [`WORLDS_MAX`] worlds; a message to all halls is shared.
//! Read next: [`super::registry`].

use super::registry::{Registry, ServerId};
use super::server::Server;
use super::{HallsOrder, Out, placement};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::limits::{HALLS_MAX, WORLDS_MAX};
use usher_proto::message::{Halls, Message, RoomsGone, RoomsOf, WorldEntry, WorldsUp};
use usher_proto::{Address, ConnId, Output, ServerKind, Time, WorldId};

pub(super) const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// The halls that a world's logins were told last.
#[derive(Debug)]
struct Told {
    addresses: Vec<Address>,
    at: Time,
}

/// Tells halls and logins.
#[derive(Debug)]
pub(super) struct Directory {
    order: HallsOrder,
    /// Whether the first lease is over.
    pub(super) settled: bool,
    worlds: BTreeMap<WorldId, Told>,
    /// The list of worlds that logins were told last, and when.
    listed: Vec<WorldEntry>,
    listed_at: Time,
}

impl Directory {
    pub(super) fn new(order: HallsOrder) -> Self {
        Self { order, settled: false, worlds: BTreeMap::new(), listed: Vec::new(), listed_at: Time(0) }
    }

    /// A login or hall has registered, or a room server is complete: what concerns it is told at once.
    pub(super) fn welcome(&mut self, now: Time, registry: &mut Registry, id: ServerId, out: &mut Out) {
        let Some(Server { facts, conn: Some(conn), .. }) = registry.get(id) else { return };
        let (conn, kind, world) = (*conn, facts.kind, facts.world);
        match kind {
            ServerKind::Login => self.tell_login(registry, world, conn, out),
            ServerKind::Hall => self.tell_hall(registry, world, conn, out),
            ServerKind::Room => offer(now, registry, id, out),
            ServerKind::Manager | ServerKind::Gateway => {}
        }
    }

    /// Tells what has changed since it was told, as far as its interval is over.
    pub(super) fn tick(&mut self, now: Time, registry: &mut Registry, out: &mut Out) {
        let is_due = |server: &Server| {
            server.rooms_changed && server.takes_clients() && now - server.told_at >= TELL_INTERVAL
        };
        let due: Vec<_> = registry.iter().filter(|(_, server)| is_due(server)).map(|(id, _)| id).collect();
        for id in due {
            offer(now, registry, id, out);
        }
        let offered = registry.iter().filter(|(_, server)| server.offered && !server.takes_clients());
        let withheld: Vec<_> = offered.map(|(id, _)| id).collect();
        for id in withheld {
            self.withdraw(registry, id, out);
        }
        self.tell_logins(now, registry, out);
        self.tell_worlds(now, registry, out);
    }

    /// Its rooms are not to be offered any more, if they are and it takes nobody: told at once, if it drains or once
    /// settled. A server that presents itself anew on a link that held is not withdrawn meanwhile.
    pub(super) fn withdraw(&self, registry: &mut Registry, id: ServerId, out: &mut Out) {
        let Some(server) = registry.get_mut(id) else { return };
        let is_closed = server.draining || server.conn.is_none() && self.settled;
        if !is_closed || !core::mem::take(&mut server.offered) {
            return;
        }
        let (server, world) = (server.facts.name.clone(), server.facts.world);
        publish(registry, ServerKind::Hall, world, &Arc::new(RoomsGone { server }.into()), out);
    }

    /// Tells one hall everything; what is not told again it forgets by itself, but later.
    fn tell_hall(&self, registry: &Registry, world: WorldId, conn: ConnId, out: &mut Out) {
        for server in registry.by_name().filter(|server| server.is(ServerKind::Room, world)) {
            if server.takes_clients() {
                out.send(conn, rooms_of(server));
            } else if (self.settled || server.draining) && !server.offered {
                out.send(conn, RoomsGone { server: server.facts.name.clone() });
            }
        }
    }

    fn tell_login(&self, registry: &Registry, world: WorldId, conn: ConnId, out: &mut Out) {
        let addresses = self.addresses(registry, ServerKind::Hall, world);
        if !addresses.is_empty() {
            out.send(conn, Halls { addresses });
        }
        out.send(conn, WorldsUp { worlds: self.list(registry) });
    }

    /// The list of worlds, to every login of every world.
    fn tell_worlds(&mut self, now: Time, registry: &Registry, out: &mut Out) {
        if now - self.listed_at < TELL_INTERVAL && !self.listed.is_empty() {
            return;
        }
        let worlds = self.list(registry);
        if worlds == self.listed {
            return;
        }
        (self.listed, self.listed_at) = (worlds.clone(), now);
        let message: Arc<Message> = Arc::new(WorldsUp { worlds }.into());
        let logins = registry.iter().filter(|(_, server)| server.facts.kind == ServerKind::Login);
        for conn in logins.filter_map(|(_, server)| server.conn) {
            out.push(Output::SendShared(conn, Arc::clone(&message)));
        }
    }

    /// The worlds that let players in, with what their room servers said last, the silent ones too: their players
    /// are still there.
    fn list(&self, registry: &Registry) -> Vec<WorldEntry> {
        let mut people: BTreeMap<WorldId, (u32, u32)> = BTreeMap::new();
        let mut open = BTreeSet::new();
        for (_, server) in registry.iter() {
            match server.facts.kind {
                ServerKind::Room => {
                    let (players, capacity) = people.entry(server.facts.world).or_default();
                    *players = players.saturating_add(server.reported.map_or(0, |it| it.serving));
                    *capacity = capacity.saturating_add(server.facts.serve_max);
                }
                ServerKind::Login if server.takes_clients() => drop(open.insert(server.facts.world)),
                _ => {}
            }
        }
        let entry = |world: WorldId| {
            let (players, capacity) = people.get(&world).copied().unwrap_or_default();
            let logins = self.addresses(registry, ServerKind::Login, world);
            WorldEntry { world, players, capacity, logins }
        };
        open.into_iter().take(WORLDS_MAX).map(entry).collect()
    }

    fn tell_logins(&mut self, now: Time, registry: &Registry, out: &mut Out) {
        let logins = registry.iter().filter(|(_, server)| server.facts.kind == ServerKind::Login);
        let worlds: BTreeSet<WorldId> = logins.map(|(_, server)| server.facts.world).collect();
        self.worlds.retain(|world, _| worlds.contains(world));
        for world in worlds {
            let addresses = self.addresses(registry, ServerKind::Hall, world);
            let told = self.worlds.entry(world).or_insert(Told { addresses: Vec::new(), at: Time(0) });
            if addresses == told.addresses || now - told.at < TELL_INTERVAL && !told.addresses.is_empty() {
                continue;
            }
            *told = Told { addresses: addresses.clone(), at: now };
            let message = Arc::new(Halls { addresses }.into());
            publish(registry, ServerKind::Login, world, &message, out);
        }
    }

    /// Where the servers of a kind that take clients are, in the order to try them.
    fn addresses(&self, registry: &Registry, kind: ServerKind, world: WorldId) -> Vec<Address> {
        let is_open = |server: &&Server| server.is(kind, world) && server.takes_clients();
        let mut halls: Vec<&Server> = registry.by_name().filter(is_open).collect();
        if self.order == HallsOrder::Load {
            halls.sort_by_key(|hall| hall.load_ppm());
        }
        halls.truncate(HALLS_MAX);
        placement::ways(&halls)
    }
}

/// Clients find this server elsewhere now: halls that offer its rooms are told at once.
pub(super) fn offer_elsewhere(now: Time, registry: &mut Registry, id: ServerId, out: &mut Out) {
    if registry.get(id).is_some_and(|server| server.offered) {
        offer(now, registry, id, out);
    }
}

/// Tells every hall the rooms of a server, if it takes clients.
fn offer(now: Time, registry: &mut Registry, id: ServerId, out: &mut Out) {
    let Some(server) = registry.get_mut(id).filter(|server| server.takes_clients()) else { return };
    (server.offered, server.told_at, server.rooms_changed) = (true, now, false);
    let (world, message) = (server.facts.world, Arc::new(rooms_of(server)));
    publish(registry, ServerKind::Hall, world, &message, out);
}

fn rooms_of(server: &Server) -> Message {
    let facts = &server.facts;
    RoomsOf { server: facts.name.clone(), address: facts.address.clone(), rooms: facts.rooms.clone() }.into()
}

pub(super) fn publish(
    registry: &Registry,
    kind: ServerKind,
    world: WorldId,
    message: &Arc<Message>,
    out: &mut Out,
) {
    for conn in registry.links(kind, world) {
        out.push(Output::SendShared(conn, Arc::clone(message)));
    }
}
