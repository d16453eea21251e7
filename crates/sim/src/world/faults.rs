//! What goes wrong, done; and what lasts, ended.
//!
//! Why: everything that a fault touches outside of machines is touched here.
//! Partitions: what is said across one is held, in order, as TCP would keep it and send it again; a call across one comes
//! to nothing after [`super::CALL_TIMEOUT`]. A connection that breaks of it loses what was held, and both ends notice.
//! Who stands still: what comes waits, its clock goes on; when it goes on, timeouts that are due may come first.
//! Read next: `arrivals.rs`.

use super::World;
use crate::fault::Fault;
use crate::network::{Packet, Purpose, State, across, delay_within, is_caller};
use crate::process::{Groups, Pace, Place, Process, ProcessId};
use crate::schedule::Event;
use rand_core::Rng;
use std::time::Duration;
use usher_proto::machine::{Hello, Peer};
use usher_proto::{ConnId, Input, ServerKind, ServerName, ShardId};

impl World {
    pub(super) fn go_wrong(&mut self, number: usize) {
        let (_, fault) = self.scenario.faults[number].clone();
        self.faults += 1;
        match fault {
            Fault::Crash(name) => {
                if let Some(id) = self.named(&name) {
                    self.crash(id);
                }
            }
            Fault::Restart(name) => {
                let plan = self.scenario.plans.iter().zip(0..).find(|(plan, at)| plan.name(*at) == name);
                if let (Some((_, number)), None) = (plan, self.named(&name)) {
                    self.start(number);
                }
            }
            Fault::Drain(name) => {
                if let Some(id) = self.named(&name) {
                    self.drain(id);
                }
            }
            Fault::OrderDrain(name) => {
                if let Some(process) = self.alive(|process| process.kind == Some(ServerKind::Manager)) {
                    self.step(Place { process, shard: ShardId(0) }, Input::DrainServer { name });
                }
            }
            Fault::Skew(name, skew_ms) => {
                self.skews.insert(name, skew_ms);
            }
            Fault::Partition { lasts, .. } => {
                self.partitions.insert(number);
                self.recover_after(lasts, number, None);
            }
            Fault::Stop(name, lasts) => self.afflict(number, &name, lasts, |it| it.pace = Pace::Stopped),
            Fault::Slow { name, step, lasts } => {
                self.afflict(number, &name, lasts, |it| it.pace = Pace::Slow(step));
            }
            Fault::Lag { name, delay_max, lasts } => {
                self.afflict(number, &name, lasts, |it| it.delay_max = Some(delay_max));
            }
            Fault::Echo(name, lasts) => self.afflict(number, &name, lasts, |it| it.is_echoed = true),
            Fault::CutLink(name) => {
                if let Some(link) = self.named(&name).and_then(|id| self.processes[id.0].link) {
                    self.cut(link);
                }
            }
            Fault::CutTrunk { gateway, server } => {
                if let Some((gateway, server)) = self.named(&gateway).zip(self.named(&server)) {
                    self.cut_trunk(gateway, server);
                }
            }
            Fault::CutPlayers(name, per_mille) => {
                if let Some(id) = self.named(&name) {
                    self.cut_players(id, per_mille);
                }
            }
            Fault::Replay(name, count) => {
                if let Some(id) = self.named(&name) {
                    self.replay(id, count);
                }
            }
        }
        self.note_trouble();
    }

    /// As a process does that was told to stop: every shard hears of it.
    fn drain(&mut self, id: ProcessId) {
        self.shadow.unrest(self.now);
        for shard in 0..self.processes[id.0].shards.len() {
            self.step(Place { process: id, shard: ShardId(shard as u16) }, Input::Drain);
        }
    }

    /// Of what it began nothing is left over.
    pub(super) fn end(&mut self, id: ProcessId) {
        let process = &self.processes[id.0];
        if !process.is_alive() {
            return;
        }
        let [begun, ended, unrecorded] =
            ["started", "ended", "unrecorded"].map(|it| process.figure(&format!("usher_hands_{it}_total")));
        assert_eq!((ended, unrecorded), (begun, 0), "{} ends in the middle of hands", process.name);
        self.hands_of_ended += begun;
        self.crash(id);
    }

    /// The end of a fault that lasted.
    pub(super) fn recover(&mut self, number: usize, id: Option<ProcessId>) {
        self.note_trouble();
        let Some(id) = id else { return self.heal(number) };
        let process = &mut self.processes[id.0];
        match (&self.scenario.faults[number].1, process.pace) {
            (Fault::Stop(..), Pace::Stopped) | (Fault::Slow { .. }, Pace::Slow(_)) => {
                process.pace = Pace::Brisk;
                self.schedule.plan(self.now, Event::Work { process: id });
            }
            (Fault::Lag { .. }, _) => process.delay_max = None,
            (Fault::Echo(..), _) => process.is_echoed = false,
            _ => {}
        }
        self.shadow.resumed(&self.processes[id.0]);
    }

    /// Whether something that could explain disagreement is going on.
    pub(super) fn is_troubled(&self) -> bool {
        !self.partitions.is_empty() || self.processes.iter().any(|it| it.is_alive() && is_hit(it))
    }

    /// Whether something keeps halls from being told of room servers.
    fn is_telling_hindered(&self) -> bool {
        let alive = |kind| self.processes.iter().filter(move |it| it.is_alive() && it.kind == Some(kind));
        !self.partitions.is_empty()
            || alive(ServerKind::Manager).next().is_none()
            || alive(ServerKind::Manager).any(is_hit)
            || alive(ServerKind::Hall).any(|hall| is_hit(hall) || hall.link.is_none())
    }

    pub(super) fn note_trouble(&mut self) {
        if self.is_troubled() {
            self.shadow.unrest(self.now);
        }
        if self.is_telling_hindered() {
            self.shadow.hinder(self.now);
        }
    }

    fn afflict(&mut self, fault: usize, name: &ServerName, lasts: Duration, how: impl FnOnce(&mut Process)) {
        let Some(id) = self.named(name) else { return };
        how(&mut self.processes[id.0]);
        if self.processes[id.0].pace == Pace::Stopped {
            self.shadow.stopped(self.now, &self.processes[id.0]);
        }
        self.recover_after(lasts, fault, Some(id));
    }

    fn recover_after(&mut self, lasts: Duration, fault: usize, process: Option<ProcessId>) {
        self.schedule.plan(self.now + lasts, Event::Recovery { fault, process });
    }

    /// Whether what one says does not come to the other.
    pub(super) fn are_apart(&self, a: ProcessId, b: ProcessId) -> bool {
        let names = (&self.processes[a.0].name, &self.processes[b.0].name);
        self.partitions.iter().any(|&number| match &self.scenario.faults[number].1 {
            Fault::Partition { one, other, .. } => {
                one.contains(names.0) && other.contains(names.1)
                    || one.contains(names.1) && other.contains(names.0)
            }
            _ => false,
        })
    }

    fn heal(&mut self, number: usize) {
        self.partitions.remove(&number);
        let breaks = matches!(self.scenario.faults[number].1, Fault::Partition { breaks: true, .. });
        for conn in self.network.held() {
            let ends = (self.network.end(conn).process, self.network.end(across(conn)).process);
            if self.are_apart(ends.0, ends.1) {
                continue;
            }
            let held = std::mem::take(&mut self.network.end(conn).held);
            if breaks {
                self.cut(conn);
                if let Purpose::Virtual(trunk) = self.network.wire(conn).purpose {
                    self.cut(trunk);
                }
                continue;
            }
            for packet in held {
                self.send(conn, packet);
            }
        }
    }

    /// Both sides notice, each in its own time; what was sent before still arrives.
    pub(super) fn cut(&mut self, conn: ConnId) {
        self.shadow.unrest(self.now);
        self.send(conn, Packet::Closed);
        self.send(across(conn), Packet::Closed);
    }

    fn cut_trunk(&mut self, gateway: ProcessId, server: ProcessId) {
        for conn in self.network.ends_of(gateway) {
            let is_trunk = self.network.wire(conn).purpose == Purpose::Trunk;
            if is_trunk && self.network.end(across(conn)).process == server {
                self.cut(conn);
            }
        }
    }

    fn cut_players(&mut self, id: ProcessId, per_mille: u32) {
        self.shadow.unrest(self.now);
        for conn in self.network.ends_of(id) {
            let is_gateway = self.processes[id.0].standing.is_some();
            let wire = self.network.wire(conn);
            let is_players = matches!(wire.peer, Peer::Player(_))
                || is_gateway && matches!(wire.purpose, Purpose::Dial(_));
            if !is_caller(conn)
                && is_players
                && self.network.end(conn).state == State::Open
                && self.dice.next_u32() % 1000 < per_mille
            {
                self.cut(conn);
            }
        }
    }

    /// By an attacker on the way.
    fn replay(&mut self, id: ProcessId, count: u32) {
        let count = if self.recorded.is_empty() { 0 } else { count };
        for _ in 0..count {
            let hello = self.recorded[self.dice.next_u32() as usize % self.recorded.len()].clone();
            self.say_again(id, hello);
        }
    }

    /// His end is drawn at the server's own door, and no machine hears of it.
    pub(super) fn say_again(&mut self, id: ProcessId, hello: Hello) {
        let door = Place { process: id, shard: ShardId(0) };
        let conn = self.network.call(door, door, Purpose::Replay);
        self.send(across(conn), Packet::Hello(hello));
    }

    /// What it had sent still arrives, and then the end of each of its connections.
    fn crash(&mut self, id: ProcessId) {
        for conn in self.network.ends_of(id) {
            self.shadow.left(conn);
            self.send(across(conn), Packet::Closed);
            self.network.end_is_over(conn);
        }
        let process = &mut self.processes[id.0];
        process.died = Some(self.now);
        self.doors.retain(|_, door| *door != id);
        self.fronts.retain(|_, (gateway, _)| *gateway != id);
        process.standing = None;
        process.shards.clear();
        process.groups = Groups::default();
        process.inbox.clear();
        self.shadow.died(self.now, &self.processes[id.0]);
    }

    fn named(&self, name: &ServerName) -> Option<ProcessId> {
        self.alive(|process| process.name == *name)
    }

    /// Something comes to a process that is not at leisure: it waits. Gives it back otherwise.
    pub(super) fn wait_for(&mut self, event: Event) -> Option<Event> {
        let Some(id) = self.whose(&event) else { return Some(event) };
        let process = &mut self.processes[id.0];
        if !process.is_alive() || process.pace == Pace::Brisk && process.inbox.is_empty() {
            return Some(event);
        }
        if let (Pace::Slow(step), true) = (process.pace, process.inbox.is_empty()) {
            self.schedule.plan(self.now + step, Event::Work { process: id });
        }
        process.inbox.push_back(event);
        None
    }

    pub(super) fn work(&mut self, id: ProcessId) {
        let process = &mut self.processes[id.0];
        match process.pace {
            Pace::Stopped => {}
            Pace::Slow(step) => {
                let event = process.inbox.pop_front();
                if !process.inbox.is_empty() {
                    self.schedule.plan(self.now + step, Event::Work { process: id });
                }
                if let Some(event) = event {
                    self.take_up(event);
                }
            }
            Pace::Brisk => {
                let waiting = std::mem::take(&mut process.inbox);
                let is_timeout = |event: &Event| matches!(event, Event::Timer { .. } | Event::Renew { .. });
                let timeouts_first = self.dice.next_u32().is_multiple_of(2);
                let (first, then): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|event| timeouts_first && is_timeout(event));
                for event in first.into_iter().chain(then) {
                    self.take_up(event);
                }
            }
        }
    }

    /// Whose business an event is.
    fn whose(&mut self, event: &Event) -> Option<ProcessId> {
        match event {
            Event::Packet { to: conn, .. } | Event::CallTimeout { conn } => {
                (!self.network.is_over(*conn)).then(|| self.network.end(*conn).process)
            }
            Event::Told { at, .. }
            | Event::HandedOver { at, .. }
            | Event::Answered { at, .. }
            | Event::Unreachable { at, .. }
            | Event::Timer { at, .. } => Some(at.process),
            Event::CallManager { process }
            | Event::CallTrunk { process, .. }
            | Event::ShowOut { process }
            | Event::Renew { process }
            | Event::Emptied { process } => Some(*process),
            Event::Work { .. } | Event::Fault(_) | Event::Recovery { .. } | Event::Sweep => None,
        }
    }

    /// Sends towards this end, if there is a connection any more.
    pub(super) fn send(&mut self, to: ConnId, packet: Packet) {
        if self.network.is_over(to) {
            return;
        }
        let (from, at) = (self.network.end(across(to)).process, self.network.end(to).process);
        if !self.partitions.is_empty() && self.are_apart(from, at) {
            return self.network.end(to).held.push_back(packet);
        }
        let lag = self.processes[from.0].delay_max.max(self.processes[at.0].delay_max);
        let delay = match lag {
            Some(delay_max) => delay_within(delay_max, &mut self.dice),
            None => crate::network::delay(&mut self.dice),
        };
        let arrives = self.network.arrival(self.now, to, delay);
        self.schedule.plan(arrives, Event::Packet { to, packet });
    }
}

/// Whether a process is not at its best.
fn is_hit(process: &Process) -> bool {
    process.pace != Pace::Brisk || process.delay_max.is_some() || !process.inbox.is_empty()
}
