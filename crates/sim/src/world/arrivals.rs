//! What arrives at an end of a connection, and what the transport there makes of it.
//!
//! Why: between a packet and a machine's input stands the transport: it opens tickets, proves keys, notices
//! ends; a machine hears only of who was admitted.
//! Invariants: a machine hears `Disconnected` once for each knock, dial or link, and nothing after it; what
//! arrives at an end that its machine has closed is read and thrown away.
//! Read next: `outputs.rs`.

use super::outputs::last_word;
use super::{CALL_TIMEOUT, RECORDED_MAX, World};
use crate::network::{Packet, Purpose, State, across, is_caller};
use crate::process::{Place, ProcessId};
use crate::scenario::unix_ms;
use crate::schedule::Event;
use rand_core::Rng;
use std::sync::Arc;
use std::time::Duration;
use usher_logic::room::RoomNote;
use usher_proto::first_frame::Role;
use usher_proto::machine::{DialFailure, Hello, Peer};
use usher_proto::message::CloseReason;
use usher_proto::{Address, ConnId, Input, Reservation, ServerKind, ServerName, ShardId};

/// Before a server calls its manager again, at least.
const CALL_AGAIN: Duration = Duration::from_millis(200);
/// Redirects of a client that has no reservation yet.
const REDIRECTS_MAX: u8 = 3;

impl World {
    pub(super) fn arrive(&mut self, to: ConnId, packet: Packet) {
        let end = self.network.end(to);
        if end.in_transit {
            return end.waiting.push_back(packet);
        }
        let (state, at) = (end.state, end.place());
        if state == State::Gone {
            return;
        }
        let purpose = self.network.wire(to).purpose;
        if self.processes[at.process.0].standing.is_some() && purpose != Purpose::Link {
            return self.arrive_at_gateway(to, packet);
        }
        if purpose == Purpose::Trunk {
            return self.arrive_at_trunk(to, &packet);
        }
        if self.is_off_trunk(to, purpose) {
            self.network.end_is_over(to); // nothing comes from a trunk that is over
            return;
        }
        match (packet, state) {
            (Packet::Hello(hello), _) => self.knock_player(to, &hello),
            (Packet::LinkHello(name), _) => self.knock(to, Peer::Server(name), None),
            (Packet::Admitted, State::Calling) => self.admitted(to),
            (Packet::Proof, State::Admitted) => {
                self.network.end(to).state = State::Open;
                let peer = self.network.wire(to).peer.clone();
                let is_room = self.processes[at.process.0].kind == Some(ServerKind::Room);
                if let (Peer::Player(identity), true) = (&peer, is_room) {
                    self.shadow.proven(at.process, identity);
                }
                self.step(at, Input::Connected { conn: to, peer });
            }
            (Packet::Refused(message), State::Calling) => self.refused(to, DialFailure::Refused(message)),
            (Packet::Said(message), State::Open) => {
                let message = Arc::unwrap_or_clone(message);
                self.network.wire(to).taken_in();
                self.step(at, Input::Message { conn: to, message });
            }
            (Packet::Closed, State::Calling) if is_caller(to) => self.refused(to, DialFailure::Closed),
            (Packet::Closed, _) => {
                self.send(across(to), Packet::Ended);
                self.end_of(to);
            }
            (Packet::Ended, _) => self.end_of(to),
            (
                Packet::Admitted | Packet::Proof | Packet::Refused(_) | Packet::Said(_) | Packet::TrunkHello,
                _,
            ) => {}
        }
    }

    /// A host takes a packet in, also while the process on it stands still.
    pub(super) fn note_arrival(&mut self, event: &Event) {
        if let Event::Packet { to, .. } = event
            && !is_caller(*to)
        {
            self.network.wire(*to).heard(self.now);
        }
    }

    /// A player's first frame: the ticket must open where one is needed.
    fn knock_player(&mut self, conn: ConnId, hello: &Hello) {
        let id = self.network.end(conn).process;
        let process = &self.processes[id.0];
        let (kind, name) = (process.kind, process.name.clone());
        let is_role = match kind {
            Some(ServerKind::Login) => hello.role == Role::Login,
            Some(ServerKind::Hall) => hello.role == Role::Hall,
            Some(ServerKind::Room) => hello.role == Role::Room,
            Some(ServerKind::Manager | ServerKind::Gateway) | None => false,
        };
        let peer = match kind {
            _ if !is_role => Err(CloseReason::WrongRole),
            Some(ServerKind::Login) => Ok(Peer::Stranger),
            _ => {
                let clock = unix_ms(self.now, process.skew_ms);
                self.vault.open_ticket(self.now, clock, &hello.ticket).map(Peer::Player)
            }
        };
        match peer {
            Ok(peer) => {
                let kept = self.vault.open_reservation(self.now, &hello.reservation);
                let kept = kept.filter(|kept| is_for(kept, &name, &peer));
                self.knock(conn, peer, kept);
            }
            Err(reason) => {
                self.network.end_is_over(conn);
                self.send(across(conn), Packet::Refused(last_word(reason)));
            }
        }
    }

    fn knock(&mut self, conn: ConnId, peer: Peer, reservation: Option<Reservation>) {
        let wire = self.network.wire(conn);
        wire.peer = peer.clone();
        wire.hops_left = reservation.as_ref().map_or(REDIRECTS_MAX, |kept| kept.hops_left);
        let end = self.network.end(conn);
        end.state = State::Knocking;
        let at = end.place();
        self.step(at, Input::Knock { conn, peer, reservation, address: None });
    }

    fn admitted(&mut self, conn: ConnId) {
        if self.network.wire(conn).purpose == Purpose::Replay {
            return; // nothing that could follow would prove him
        }
        let end = self.network.end(conn);
        end.state = State::Open;
        let at = end.place();
        self.send(across(conn), Packet::Proof);
        match self.network.wire(conn).purpose {
            Purpose::Dial(token) => self.step(at, Input::Dialed { token, conn }),
            Purpose::Link => {
                let process = &mut self.processes[at.process.0];
                process.link = Some(conn);
                if process.kind == Some(ServerKind::Hall) {
                    self.shadow.hinder(self.now); // it was told nothing while its last link was cut
                }
                self.step(at, Input::LinkUp { conn });
            }
            Purpose::Trunk | Purpose::Virtual(_) | Purpose::Replay => {}
        }
    }

    /// A call came to nothing; the callee learns that the caller knows.
    fn refused(&mut self, conn: ConnId, why: DialFailure) {
        let (purpose, at) = (self.network.wire(conn).purpose, self.network.end(conn).place());
        self.send(across(conn), Packet::Ended);
        if purpose == Purpose::Trunk {
            return self.trunk_is_gone(conn);
        }
        self.network.end_is_over(conn);
        match purpose {
            Purpose::Dial(token) => self.step(at, Input::DialFailed { token, why }),
            Purpose::Link => self.call_manager_later(at.process),
            Purpose::Trunk | Purpose::Virtual(_) | Purpose::Replay => {}
        }
    }

    /// Nobody has let the caller in, or sent it away.
    pub(super) fn call_timeout(&mut self, conn: ConnId) {
        if self.network.end(conn).state == State::Calling {
            self.refused(conn, DialFailure::Unreachable);
        }
    }

    /// A shard takes a connection over, and with it what has arrived since.
    pub(super) fn handed_over(&mut self, at: Place, conn: ConnId, note: RoomNote) {
        if !self.processes[at.process.0].is_alive() {
            return;
        }
        self.step(at, Input::HandedOver { conn, note });
        let end = self.network.end(conn);
        if end.place() != at {
            return;
        }
        end.in_transit = false;
        while !self.network.end(conn).in_transit {
            let Some(packet) = self.network.end(conn).waiting.pop_front() else { break };
            self.arrive(conn, packet);
        }
    }

    /// A machine dials.
    pub(super) fn dial(&mut self, from: Place, token: u64, address: &Address, hello: Hello) {
        let front = self.fronts.get(address).cloned();
        let gateway = front.as_ref().map(|(gateway, _)| *gateway);
        let Some(process) = gateway.or_else(|| self.doors.get(address).copied()) else {
            let at = self.now + crate::network::delay(&mut self.dice);
            return self
                .schedule
                .plan(at, Event::Unreachable { at: from, token, why: DialFailure::Unreachable });
        };
        if hello.role == Role::Room {
            self.recorded.truncate(RECORDED_MAX - 1);
            self.recorded.push_front(hello.clone());
        }
        let door = Place { process, shard: ShardId(0) };
        if self.processes[process.0].is_echoed {
            self.say_again(process, hello.clone());
        }
        let conn = self.network.call(from, door, Purpose::Dial(token));
        if let Some((gateway, server)) = front {
            self.dials_through(gateway, conn, server);
        }
        self.call(conn, Packet::Hello(hello));
    }

    /// A server's transport calls the manager, until there is one.
    pub(super) fn call_manager(&mut self, id: ProcessId) {
        let process = &self.processes[id.0];
        if !process.is_alive() || process.link.is_some() {
            return;
        }
        let name = process.name.clone();
        let Some(manager) = self.alive(|process| process.kind == Some(ServerKind::Manager)) else {
            let wait = CALL_AGAIN + Duration::from_nanos(u64::from(self.dice.next_u32()) / 16);
            return self.schedule.plan(self.now + wait, Event::CallManager { process: id });
        };
        let (from, to) =
            (Place { process: id, shard: ShardId(0) }, Place { process: manager, shard: ShardId(0) });
        let conn = self.network.call(from, to, Purpose::Link);
        self.call(conn, Packet::LinkHello(name));
    }

    pub(super) fn call(&mut self, conn: ConnId, first: Packet) {
        self.send(across(conn), first);
        self.schedule.plan(self.now + CALL_TIMEOUT, Event::CallTimeout { conn });
    }
}

/// Whether a reservation is for this server and this caller.
fn is_for(kept: &Reservation, name: &ServerName, peer: &Peer) -> bool {
    let session = match peer {
        Peer::Player(identity) => Some(identity.session),
        Peer::Stranger | Peer::Server(_) => None,
    };
    kept.target == *name && kept.session.is_none_or(|kept| Some(kept) == session)
}
