//! What halls and logins are told of the others: rooms by server for halls, hall addresses for logins.
//!
//! Why: a hall answers its visitors from what it was told, without asking; so does a login.
//! Owns: what was told, and when. Does not own servers or rooms.
//! Invariants: rooms of a server that takes nobody are withdrawn, at once; a server's rooms and a world's halls
//! are told at most once in [`TELL_INTERVAL`], and when someone registers. While the manager is unsettled
//! (its first lease) nothing is withdrawn, for then it knows nobody who is merely late.
//! Limits: [`HALLS_MAX`] addresses; a message to all halls is shared.
//! Read next: [`super::registry`].

use super::registry::{Registry, Server, ServerId};
use super::{HallsOrder, Out};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::limits::HALLS_MAX;
use usher_proto::message::{Halls, Message, RoomsGone, RoomsOf};
use usher_proto::{Address, ConnId, Output, ServerKind, Time, WorldId};

const TELL_INTERVAL: Duration = Duration::from_secs(1);

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
}

impl Directory {
    pub(super) fn new(order: HallsOrder) -> Self {
        Self { order, settled: false, worlds: BTreeMap::new() }
    }

    /// A login or hall has registered, or a room server is complete: what concerns it is told at once.
    pub(super) fn welcome(&mut self, now: Time, registry: &mut Registry, id: ServerId, out: &mut Out) {
        let Some(Server { facts, conn: Some(conn), .. }) = registry.get(id) else { return };
        let (conn, kind, world) = (*conn, facts.kind, facts.world);
        match kind {
            ServerKind::Login => self.tell_login(registry, world, conn, out),
            ServerKind::Hall => self.tell_hall(registry, world, conn, out),
            ServerKind::Room => offer(now, registry, id, out),
            ServerKind::Manager => {}
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
        let addresses = self.halls(registry, world);
        if !addresses.is_empty() {
            out.send(conn, Halls { addresses });
        }
    }

    fn tell_logins(&mut self, now: Time, registry: &Registry, out: &mut Out) {
        let logins = registry.iter().filter(|(_, server)| server.facts.kind == ServerKind::Login);
        let worlds: BTreeSet<WorldId> = logins.map(|(_, server)| server.facts.world).collect();
        self.worlds.retain(|world, _| worlds.contains(world));
        for world in worlds {
            let addresses = self.halls(registry, world);
            let told = self.worlds.entry(world).or_insert(Told { addresses: Vec::new(), at: Time(0) });
            if addresses == told.addresses || now - told.at < TELL_INTERVAL && !told.addresses.is_empty() {
                continue;
            }
            *told = Told { addresses: addresses.clone(), at: now };
            let message = Arc::new(Halls { addresses }.into());
            publish(registry, ServerKind::Login, world, &message, out);
        }
    }

    fn halls(&self, registry: &Registry, world: WorldId) -> Vec<Address> {
        let is_open = |server: &&Server| server.is(ServerKind::Hall, world) && server.takes_clients();
        let mut halls: Vec<&Server> = registry.by_name().filter(is_open).collect();
        if self.order == HallsOrder::Load {
            halls.sort_by_key(|hall| hall.load_ppm());
        }
        halls.into_iter().take(HALLS_MAX).map(|hall| hall.facts.address.clone()).collect()
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

fn publish(registry: &Registry, kind: ServerKind, world: WorldId, message: &Arc<Message>, out: &mut Out) {
    for conn in registry.links(kind, world) {
        out.push(Output::SendShared(conn, Arc::clone(message)));
    }
}
