//! How a server comes in: it registers, is checked, and presents who is there.
//!
//! Why: a manager that starts anew is told everything by who registers, so what is told and in which order is one story.
//! Owns: what a registration must be. Does not own the servers (`registry`), nor what becomes of players who are
//! presented (`presence`).
//! Invariants: a server that is taken hears at once of every login that is over. Clients are sent to it once it has
//! presented everybody.
//! Read next: [`super::registry`], which says whom a name stands for.

use super::registry::{Arrival, ServerId};
use super::{Manager, Out};
use alloc::collections::BTreeSet;
use usher_proto::limits::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX, ROOMS_MAX};
use usher_proto::message::{
    CloseReason, DrainOrder, Evict, Present, Register, RegisterDenial, RegisterDenied, Registered,
};
use usher_proto::{ConnId, Identity, ServerKind, ServerName};

impl Manager {
    pub(super) fn register(&mut self, conn: ConnId, register: Register, out: &mut Out) {
        let lease_ends = self.now + self.config.lease;
        let (name, players) = (register.name.clone(), register.players);
        if let Err(denial) = self.check(conn, &register) {
            return self.deny(conn, denial, out);
        }
        let former = self.registry.named(&name).and_then(|id| self.registry.get(id)?.world_behind());
        match self.registry.arrive(self.now, conn, register, lease_ends) {
            Arrival::NameTaken => self.deny(conn, RegisterDenial::NameTaken, out),
            Arrival::Full => self.show_out(conn, CloseReason::ConnectionsFull, out),
            Arrival::Known { displaced, replaced } => {
                if let Some(old) = displaced {
                    self.show_out(old, CloseReason::Replaced, out);
                }
                if replaced {
                    self.presence.sweep();
                    self.place_behind(former, out);
                }
                self.registered(conn, &name, players, out);
            }
        }
    }

    fn registered(&mut self, conn: ConnId, name: &ServerName, players: u32, out: &mut Out) {
        self.counts.registrations += 1;
        let lease_ms = u32::try_from(self.config.lease.as_millis()).unwrap_or(u32::MAX);
        out.send(conn, Registered { lease_ms });
        for revoked in self.revocations.messages() {
            out.send(conn, revoked);
        }
        let Some(id) = self.registry.named(name) else { return };
        let Some(server) = self.registry.get(id) else { return };
        let (kind, world) = (server.facts.kind, server.facts.world);
        if server.ordered_to_drain {
            out.send(conn, DrainOrder {});
        }
        if kind != ServerKind::Gateway {
            self.place(world, out);
        }
        if players == 0 {
            self.presented(id, 0, out);
        }
    }

    fn check(&self, conn: ConnId, register: &Register) -> Result<(), RegisterDenial> {
        let skew_ms = register.clock_unix_ms.abs_diff(self.unix_ms());
        if self.links.get(&conn) != Some(&register.name) || !is_well_formed(register) {
            Err(RegisterDenial::Malformed)
        } else if u128::from(skew_ms) > self.config.clock_skew_max.as_millis() {
            Err(RegisterDenial::ClockSkew)
        } else {
            Ok(())
        }
    }

    fn deny(&mut self, conn: ConnId, reason: RegisterDenial, out: &mut Out) {
        self.counts.registrations_denied += 1;
        out.send(conn, RegisterDenied { reason });
        self.show_out(conn, CloseReason::NotRegistered, out);
    }

    pub(super) fn present(&mut self, id: ServerId, present: &Present, out: &mut Out) {
        for player in &present.players {
            let Identity { world, account, .. } = player.identity;
            if let Some(below) = self.revocations.ended_below(&player.identity) {
                self.evict(&[(id, Evict { world, account, below })], out);
                continue;
            }
            let evictions = self.presence.present(self.now, &self.registry, id, player);
            self.evict(&evictions, out);
        }
        self.presented(id, present.players.len(), out);
    }

    /// What a former presentation said and this one did not say again dies when it is complete.
    fn presented(&mut self, id: ServerId, players: usize, out: &mut Out) {
        if self.registry.presented(id, players) {
            self.presence.sweep();
            self.directory.welcome(self.now, &mut self.registry, id, out);
            self.welcome_gateway(id, out);
        }
    }
}

fn is_well_formed(register: &Register) -> bool {
    let Register { kind, name, address, inner, rooms, .. } = register;
    let is_sized = |text: &str, bytes_max: usize| !text.is_empty() && text.len() <= bytes_max;
    let numbers: BTreeSet<_> = rooms.iter().map(|report| report.room).collect();
    *kind != ServerKind::Manager
        && is_sized(&name.0, NAME_BYTES_MAX)
        && is_sized(&address.0, ADDRESS_BYTES_MAX)
        && inner.0.len() <= ADDRESS_BYTES_MAX
        && (rooms.is_empty() || *kind == ServerKind::Room)
        && rooms.len() <= ROOMS_MAX
        && numbers.len() == rooms.len()
        && rooms.iter().all(|report| report.name.len() <= NAME_BYTES_MAX)
}
