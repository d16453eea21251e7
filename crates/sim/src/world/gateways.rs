//! Gateways in the way: what stands between a player's connection to one and the server behind it.
//!
//! Why: a gateway's machine says whom to stand before; that what is said there comes through, and breaks with it, is its
//! transport's work, and here that is done as real gateways do it.
//! How: a player's connection to a gateway's address for a server and the virtual connection behind it are two
//! connections of this network. What arrives on one goes on over the other, in its order and by a step of the gateway's
//! process. A virtual connection belongs to the trunk that it was opened on: when that breaks both ends are over at once,
//! each side by its own notice.
//! Owns: [`Standing`], what a gateway's transport knows. Does not own: whom to stand before (`usher_logic::gateway`).
//! Invariants: nothing is opened but on a trunk that is up; nothing on it outlives it; every pair of connections is
//! dissolved at both legs.
//! Read next: `arrivals.rs`.

use super::World;
use super::outputs::last_word;
use crate::machine::alone;
use crate::network::{Packet, Purpose, State, across, is_caller};
use crate::process::{Place, ProcessId};
use crate::schedule::Event;
use rand_core::Rng;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use usher_logic::gateway::Gateway;
use usher_proto::machine::Hello;
use usher_proto::message::{CloseReason, Front};
use usher_proto::{Address, ConnId, Outbox, ServerName, ShardId, Time};

/// Before a trunk is called again, at least.
const CALL_AGAIN: Duration = Duration::from_millis(200);
/// Between two players who are shown out of a gateway that is being emptied.
const SHOW_OUT_INTERVAL: Duration = Duration::from_millis(10);
/// What players are told whose server is not reached any more.
const SERVER_LOST: CloseReason = CloseReason::ServerStopping;

/// A connection to a server that is stood before.
#[derive(Clone, Copy, Debug)]
struct Trunk {
    conn: ConnId,
    is_up: bool,
}

/// What the transport of one gateway knows.
#[derive(Debug)]
pub(crate) struct Standing {
    connections_max: u32,
    /// The servers that it is to stand before, and where they are.
    wanted: BTreeMap<ServerName, Address>,
    trunks: BTreeMap<ServerName, Trunk>,
    /// For whom each connection was made that has said nothing yet.
    dialled: BTreeMap<ConnId, ServerName>,
    /// Both legs of everybody's way, each by the other.
    legs: BTreeMap<ConnId, ConnId>,
    is_draining: bool,
}

impl Standing {
    pub(crate) fn new(connections_max: u32) -> Self {
        Self {
            connections_max,
            wanted: BTreeMap::new(),
            trunks: BTreeMap::new(),
            dialled: BTreeMap::new(),
            legs: BTreeMap::new(),
            is_draining: false,
        }
    }

    fn players(&self) -> u32 {
        self.legs.len() as u32 / 2
    }

    /// The trunk to where this connection wants to, or why there is none.
    fn trunk_for(&mut self, conn: ConnId) -> Result<ConnId, CloseReason> {
        let server = self.dialled.remove(&conn);
        let trunk = server.and_then(|server| self.trunks.get(&server)).filter(|trunk| trunk.is_up);
        match trunk {
            _ if self.is_draining => Err(CloseReason::Draining),
            _ if self.players() >= self.connections_max => Err(CloseReason::ConnectionsFull),
            Some(trunk) => Ok(trunk.conn),
            None => Err(SERVER_LOST),
        }
    }

    /// The legs that this one and its other are, no more from now on.
    fn dissolve(&mut self, leg: ConnId) -> Option<ConnId> {
        let other = self.legs.remove(&leg)?;
        self.legs.remove(&other);
        Some(other)
    }
}

/// Where players find a server at a gateway.
fn front(gateway: &ServerName, server: &ServerName) -> Address {
    format!("{gateway}/{server}").as_str().into()
}

/// Trunks.
impl World {
    /// A gateway's machine has taken a step: what it wants is seen to.
    pub(super) fn attend(&mut self, id: ProcessId) {
        let process = &mut self.processes[id.0];
        let Some(standing) = &mut process.standing else { return };
        let Some(machine) = process.shards.first_mut().and_then(|shard| shard.machine.gateway()) else {
            return;
        };
        let begins_to_drain = machine.is_draining() && !standing.is_draining;
        standing.is_draining |= begins_to_drain;
        let wanted = machine.take_wanted();
        let wanted = wanted.map(|all| all.iter().map(|it| (it.server.clone(), it.address.clone())).collect());
        if begins_to_drain {
            self.schedule.plan(self.now + SHOW_OUT_INTERVAL, Event::ShowOut { process: id });
        }
        if let Some(wanted) = wanted {
            self.stand_before(id, wanted);
        }
    }

    fn stand_before(&mut self, id: ProcessId, wanted: BTreeMap<ServerName, Address>) {
        let Some(standing) = self.standing(id) else { return };
        standing.wanted = wanted;
        let unwanted = standing.trunks.iter().filter(|(server, _)| !standing.wanted.contains_key(*server));
        let unwanted: Vec<ConnId> = unwanted.map(|(_, trunk)| trunk.conn).collect();
        let absent = standing.wanted.keys().filter(|server| !standing.trunks.contains_key(*server));
        let absent: Vec<ServerName> = absent.cloned().collect();
        for trunk in unwanted {
            self.cut(trunk);
        }
        for server in absent {
            self.call_trunk(id, server);
        }
    }

    /// A gateway calls a server, if it is to stand before it and does not.
    pub(super) fn call_trunk(&mut self, id: ProcessId, server: ServerName) {
        let Some(standing) = self.standing(id) else { return };
        if standing.trunks.contains_key(&server) {
            return;
        }
        let Some(address) = standing.wanted.get(&server).cloned() else { return };
        let Some(door) = self.doors.get(&address).copied() else {
            return self.call_trunk_later(id, server);
        };
        let (from, to) =
            (Place { process: id, shard: ShardId(0) }, Place { process: door, shard: ShardId(0) });
        let conn = self.network.call(from, to, Purpose::Trunk);
        if let Some(standing) = self.standing(id) {
            standing.trunks.insert(server, Trunk { conn, is_up: false });
        }
        self.call(conn, Packet::TrunkHello);
    }

    fn call_trunk_later(&mut self, id: ProcessId, server: ServerName) {
        let wait = CALL_AGAIN + Duration::from_nanos(u64::from(self.dice.next_u32()) / 16);
        self.schedule.plan(self.now + wait, Event::CallTrunk { process: id, server });
    }

    fn trunk_is_up(&mut self, conn: ConnId) {
        self.network.end(conn).state = State::Open;
        let id = self.network.end(conn).process;
        let gateway = self.processes[id.0].name.clone();
        let Some(standing) = self.standing(id) else { return };
        let Some((server, trunk)) = standing.trunks.iter_mut().find(|(_, trunk)| trunk.conn == conn) else {
            return;
        };
        trunk.is_up = true;
        let server = server.clone();
        if !standing.wanted.contains_key(&server) {
            return self.cut(conn);
        }
        let address = front(&gateway, &server);
        self.shadow.stands_before(&address, &gateway, &server);
        self.fronts.insert(address, (id, server));
        self.say_fronts(id);
    }

    /// What is left of a trunk at the gateway's end of it: players are told, and it is called again.
    pub(super) fn trunk_is_gone(&mut self, conn: ConnId) {
        let id = self.network.end(conn).process;
        self.network.end_is_over(conn);
        self.shadow.unrest(self.now);
        let Some(standing) = self.standing(id) else { return };
        let Some(server) =
            standing.trunks.iter().find(|(_, trunk)| trunk.conn == conn).map(|(server, _)| server.clone())
        else {
            return;
        };
        standing.trunks.remove(&server);
        let inner: Vec<ConnId> = standing.legs.keys().copied().filter(|leg| is_caller(*leg)).collect();
        for leg in inner {
            if self.network.wire(leg).purpose == Purpose::Virtual(conn) {
                self.show_out_of(id, leg, SERVER_LOST);
                self.network.end_is_over(leg);
            }
        }
        self.say_players(id);
        self.say_fronts(id);
        self.call_trunk_later(id, server);
    }

    /// At a server: whether this is a virtual connection that the server has not seen yet, of a trunk that it has seen end.
    pub(super) fn is_off_trunk(&mut self, to: ConnId, purpose: Purpose) -> bool {
        let Purpose::Virtual(trunk) = purpose else { return false };
        self.network.end(to).state == State::Calling && self.network.end(across(trunk)).state == State::Gone
    }

    /// At a server's end of a trunk.
    pub(super) fn arrive_at_trunk(&mut self, to: ConnId, packet: &Packet) {
        match packet {
            Packet::TrunkHello => {
                self.network.end(to).state = State::Open;
                self.send(across(to), Packet::Admitted);
            }
            Packet::Closed | Packet::Ended => {
                let trunk = across(to);
                let id = self.network.end(to).process;
                self.send(trunk, Packet::Ended);
                self.network.end_is_over(to);
                for conn in self.network.ends_of(id) {
                    if self.network.wire(conn).purpose == Purpose::Virtual(trunk) {
                        self.arrive(conn, Packet::Closed);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Ways.
impl World {
    /// At a gateway's end of anything but its link.
    pub(super) fn arrive_at_gateway(&mut self, to: ConnId, packet: Packet) {
        match (packet, self.network.wire(to).purpose) {
            (Packet::Admitted, Purpose::Trunk) => self.trunk_is_up(to),
            (Packet::Closed, Purpose::Trunk) => {
                self.send(across(to), Packet::Ended);
                self.trunk_is_gone(to);
            }
            (Packet::Ended, Purpose::Trunk) => self.trunk_is_gone(to),
            (_, Purpose::Trunk) => {}
            (Packet::Hello(hello), _) => self.let_through(to, hello),
            (packet, _) => self.pass_on(to, packet),
        }
    }

    /// A player's call is on its way to a gateway, for that server.
    pub(super) fn dials_through(&mut self, gateway: ProcessId, conn: ConnId, server: ServerName) {
        if let Some(standing) = self.standing(gateway) {
            standing.dialled.insert(across(conn), server);
        }
    }

    fn let_through(&mut self, outer: ConnId, hello: Hello) {
        let at = self.network.end(outer).place();
        let Some(standing) = self.standing(at.process) else { return };
        let trunk = match standing.trunk_for(outer) {
            Ok(trunk) => trunk,
            Err(reason) => {
                self.network.end_is_over(outer);
                return self.send(across(outer), Packet::Refused(last_word(reason)));
            }
        };
        let server = self.network.end(across(trunk)).process;
        let inner =
            self.network.call(at, Place { process: server, shard: ShardId(0) }, Purpose::Virtual(trunk));
        for (leg, other) in [(outer, inner), (inner, outer)] {
            self.network.end(leg).state = State::Open;
            if let Some(standing) = self.standing(at.process) {
                standing.legs.insert(leg, other);
            }
        }
        if self.processes[server.0].is_echoed {
            self.say_again(server, hello.clone());
        }
        self.send(across(inner), Packet::Hello(hello));
        self.say_players(at.process);
    }

    fn pass_on(&mut self, leg: ConnId, packet: Packet) {
        let id = self.network.end(leg).process;
        let Some(standing) = self.standing(id) else { return };
        match packet {
            Packet::Closed => {
                let other = standing.dissolve(leg);
                self.send(across(leg), Packet::Ended);
                self.network.end_is_over(leg);
                if let Some(other) = other {
                    self.close_leg(other);
                }
            }
            Packet::Ended => {
                let other = standing.dissolve(leg);
                self.network.end_is_over(leg);
                if let Some(other) = other {
                    self.send(across(other), Packet::Ended);
                    self.network.end_is_over(other);
                }
            }
            packet => {
                if let Some(other) = standing.legs.get(&leg).copied() {
                    self.send(across(other), packet);
                }
                return;
            }
        }
        self.say_players(id);
    }

    /// A gateway that is being emptied shows one player after the other out.
    pub(super) fn show_out(&mut self, id: ProcessId) {
        let Some(standing) = self.standing(id) else { return };
        let Some(inner) = standing.legs.keys().copied().find(|leg| is_caller(*leg)) else { return };
        self.shadow.unrest(self.now);
        self.show_out_of(id, inner, CloseReason::Draining);
        self.close_leg(inner);
        self.schedule.plan(self.now + SHOW_OUT_INTERVAL, Event::ShowOut { process: id });
        self.say_players(id);
    }

    /// The player whose inner leg this is is told why, and closed.
    fn show_out_of(&mut self, id: ProcessId, inner: ConnId, why: CloseReason) {
        if let Some(outer) = self.standing(id).and_then(|standing| standing.dissolve(inner)) {
            self.send(across(outer), Packet::Said(Arc::new(last_word(why))));
            self.close_leg(outer);
        }
    }

    fn close_leg(&mut self, leg: ConnId) {
        self.network.end(leg).state = State::Closing;
        self.send(across(leg), Packet::Closed);
    }
}

/// What a gateway's machine is told.
impl World {
    fn say_players(&mut self, id: ProcessId) {
        let players = self.standing(id).map_or(0, |standing| standing.players());
        self.tell_gateway(id, |machine, now, out| machine.serves(now, players, out));
    }

    fn say_fronts(&mut self, id: ProcessId) {
        self.shadow.unrest(self.now);
        let gateway = self.processes[id.0].name.clone();
        let Some(standing) = self.standing(id) else { return };
        let up = standing.trunks.iter().filter(|(_, trunk)| trunk.is_up);
        let fronts = up.map(|(server, _)| Front { server: server.clone(), address: front(&gateway, server) });
        let fronts = fronts.collect();
        self.tell_gateway(id, |machine, now, out| machine.stands_before(now, fronts, out));
    }

    fn tell_gateway(
        &mut self,
        id: ProcessId,
        what: impl FnOnce(&mut Gateway, Time, &mut Outbox<Infallible>),
    ) {
        let process = &mut self.processes[id.0];
        let now = process.local(self.now);
        let machine = process.shards.first_mut().and_then(|shard| shard.machine.gateway());
        let Some(machine) = machine else { return };
        let outputs = alone(|out| what(machine, now, out));
        let at = Place { process: id, shard: ShardId(0) };
        for output in outputs {
            self.carry_out(at, output);
        }
        self.arm(at);
        self.attend(id);
    }

    fn standing(&mut self, id: ProcessId) -> Option<&mut Standing> {
        self.processes[id.0].standing.as_mut()
    }
}
