//! A cluster and its players in virtual time: takes one event after the other and lets machines answer.
//!
//! Why: the other world the machines live in, besides the runtime; whatever the transport does for them there
//! (first frames, tickets, leases, links, groups, hand-over) is done here, by the same contract.
//! Owns: the loop, the trace. What arrives is in `arrivals.rs`, what machines cause in `outputs.rs`, what goes
//! wrong in `faults.rs`, what stands in between in `gateways.rs`. Does not own: what must hold between machines (`shadow.rs`).
//! Invariants: everything random comes from the scenario's seed; outputs are carried out in order.
//! Limits: [`SPINS_MAX`] timeouts of a machine at one instant, then it spins and the run fails; [`RECORDED_MAX`].
//! Read next: `arrivals.rs`, `outputs.rs`.

mod arrivals;
mod faults;
mod gateways;
mod outputs;

pub(crate) use gateways::Standing;

use crate::machine::{AnyMachine, In};
use crate::network::{Network, Packet, State, across, delay};
use crate::process::{Place, Process, ProcessId};
use crate::results::Results;
use crate::scenario::{Plan, Scenario};
use crate::schedule::{Event, Schedule};
use crate::shadow::Shadow;
use crate::vault::Vault;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use usher_player::{Crowd, Tally};
use usher_proto::machine::{ClusterView, Hello};
use usher_proto::message::{Delay, Renew};
use usher_proto::{Address, ConnId, Input, Message, RoomNo, ServerKind, ServerName, ShardId, Time};

const SPINS_MAX: u32 = 10_000;
/// First frames that an attacker has.
const RECORDED_MAX: usize = 256;
/// How long a caller waits to be let in.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// A run under way.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    now: Time,
    schedule: Schedule,
    dice: ChaCha8Rng,
    processes: Vec<Process>,
    /// Who answers at each address.
    doors: BTreeMap<Address, ProcessId>,
    /// Which gateway answers for which server there.
    fronts: BTreeMap<Address, (ProcessId, ServerName)>,
    network: Network,
    vault: Vault,
    results: Results,
    shadow: Shadow,
    /// The last first frames that players said to room servers.
    recorded: VecDeque<Hello>,
    /// Hands begun by servers that were emptied.
    hands_of_ended: u64,
    /// The partitions there are, by the numbers of their faults.
    partitions: BTreeSet<usize>,
    /// How far the clocks of those who start next are off.
    skews: BTreeMap<ServerName, i64>,
    faults: usize,
    steps: u64,
    trace: u64,
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut world = Self {
            now: Time(0),
            schedule: Schedule::default(),
            dice: ChaCha8Rng::seed_from_u64(scenario.seed),
            processes: Vec::new(),
            doors: BTreeMap::new(),
            fronts: BTreeMap::new(),
            network: Network::default(),
            vault: Vault::new(scenario.seed),
            results: Results::default(),
            shadow: Shadow::default(),
            recorded: VecDeque::new(),
            hands_of_ended: 0,
            partitions: BTreeSet::new(),
            skews: scenario.skews.iter().cloned().collect(),
            faults: 0,
            steps: 0,
            trace: TRACE_START,
            scenario,
        };
        for (number, plan) in world.scenario.plans.iter().enumerate() {
            if let Some(places_max) = plan.places_max() {
                world.shadow.has_places(plan.name(number), places_max);
            }
        }
        for number in 0..world.scenario.plans.len() {
            world.start(number);
        }
        for (number, (at, _)) in world.scenario.faults.iter().enumerate() {
            world.schedule.plan(*at, Event::Fault(number));
        }
        world.schedule.plan(Time(0) + world.scenario.sweep_each, Event::Sweep);
        world
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A number that two runs share only if they took the same steps with the same messages at the same times.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Steps machines have taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How often everything was quiet and had to agree.
    pub fn quiet_sweeps(&self) -> u64 {
        self.shadow.quiet_sweeps
    }

    /// Hands that were begun, by servers that live or have ended in good order.
    pub fn hands_begun(&self) -> u64 {
        self.hands_of_ended + self.figure(ServerKind::Room, "usher_hands_started_total")
    }

    /// Faults that have happened.
    pub fn faults(&self) -> usize {
        self.faults
    }

    /// Hands that were played to their end and written down.
    pub fn hands(&self) -> usize {
        self.results.len()
    }

    /// Runs until then.
    pub fn run_until(&mut self, until: Time) {
        while let Some((at, event)) = self.schedule.next(until) {
            assert!(at >= self.now, "time goes back");
            self.now = at;
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs, looking each tenth of a second, until `is_so`. Panics at the scenario's `time_max`.
    pub fn run_to(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            let time_max = Time(0) + self.scenario.time_max;
            assert!(self.now < time_max, "{what}: not within {:?}", self.scenario.time_max);
            self.run_for(Duration::from_millis(100));
        }
    }

    /// Runs until all players are done, and then until all is quiet and has been found to agree.
    pub fn run_to_end(&mut self) {
        self.run_to("every player is done", |world| world.crowds().all(Crowd::is_done));
        let sweeps = self.quiet_sweeps();
        self.run_to("all is quiet", |world| world.quiet_sweeps() > sweeps + 1);
    }

    /// The crowds, in the scenario's order.
    pub fn crowds(&self) -> impl Iterator<Item = &Crowd<Tally>> {
        self.processes.iter().filter_map(|process| match &process.shards.first()?.machine {
            AnyMachine::Crowd(crowd) => Some(crowd.as_ref()),
            _ => None,
        })
    }

    /// The crowd of that number goes home.
    pub fn send_home(&mut self, crowd: usize) {
        let crowds = self.processes.iter().filter(|it| it.kind.is_none());
        let name = crowds.map(|it| it.name.clone()).nth(crowd).expect("a crowd of the plan");
        let process = self.alive(|it| it.name == name).expect("crowds do not die");
        self.step(Place { process, shard: ShardId(0) }, Input::Drain);
    }

    /// How many servers of a kind are up.
    pub fn servers(&self, kind: ServerKind) -> u64 {
        self.processes.iter().filter(|it| it.is_alive() && it.kind == Some(kind)).count() as u64
    }

    /// A figure, summed over the live servers of a kind.
    pub fn figure(&self, kind: ServerKind, name: &str) -> u64 {
        let live = self.processes.iter().filter(|it| it.is_alive() && it.kind == Some(kind));
        live.map(|process| process.figure(name)).sum()
    }

    /// A figure of the live server of that name; 0 if there is none.
    pub fn figure_of(&self, server: &str, name: &str) -> u64 {
        let live = self.processes.iter().find(|it| it.is_alive() && *it.name.0 == *server);
        live.map_or(0, |process| process.figure(name))
    }

    /// A figure of each live server of a kind, in the scenario's order.
    pub fn figures(&self, kind: ServerKind, name: &str) -> Vec<(&ServerName, u64)> {
        let live = self.processes.iter().filter(|it| it.is_alive() && it.kind == Some(kind));
        live.map(|process| (&process.name, process.figure(name))).collect()
    }

    /// The cluster as the live manager shows it.
    pub fn view(&self) -> Option<&ClusterView> {
        self.processes.iter().rev().find_map(|process| process.view.as_ref().filter(|_| process.is_alive()))
    }

    fn happen(&mut self, event: Event) {
        self.note_arrival(&event);
        if let Some(event) = self.wait_for(event) {
            self.take_up(event);
        }
    }

    fn take_up(&mut self, event: Event) {
        match event {
            Event::Packet { to, packet } => self.arrive(to, packet),
            Event::Told { at, from, note } => self.step(at, Input::Told { from, note }),
            Event::HandedOver { at, conn, note } => self.handed_over(at, conn, note),
            Event::Answered { at, id, answer } => self.step(at, Input::Answer { id, answer }),
            Event::Unreachable { at, token, why } => self.step(at, Input::DialFailed { token, why }),
            Event::Timer { at, due } => self.timer(at, due),
            Event::CallTimeout { conn } => self.call_timeout(conn),
            Event::CallManager { process } => self.call_manager(process),
            Event::CallTrunk { process, server } => self.call_trunk(process, server),
            Event::ShowOut { process } => self.show_out(process),
            Event::Renew { process } => self.renew(process),
            Event::Emptied { process } => self.end(process),
            Event::Work { process } => self.work(process),
            Event::Fault(number) => self.go_wrong(number),
            Event::Recovery { fault, process } => self.recover(fault, process),
            Event::Sweep => self.sweep(),
        }
    }

    /// One input of one shard, and everything it causes.
    fn step(&mut self, at: Place, input: In) {
        let process = &mut self.processes[at.process.0];
        let (alive, now) = (process.is_alive(), process.local(self.now));
        let Some(shard) = process.shards.get_mut(usize::from(at.shard.0)).filter(|_| alive) else { return };
        self.steps += 1;
        self.trace = traced(self.trace, self.now, at, &input);
        if process.kind == Some(ServerKind::Manager) {
            self.shadow.manager_hears(&input);
        }
        let outputs = shard.machine.handle(now, input);
        if self.steps.is_multiple_of(u64::from(self.scenario.check_each)) {
            shard.machine.check_invariants();
        }
        for output in outputs {
            self.carry_out(at, output);
        }
        self.arm(at);
        self.attend(at.process);
    }

    /// Plans a look at a machine's timeout.
    fn arm(&mut self, at: Place) {
        let process = &mut self.processes[at.process.0];
        let next = process.shards[usize::from(at.shard.0)].machine.next_timeout();
        let Some(due) = next.map(|local| process.global(local).max(self.now)) else { return };
        let shard = &mut process.shards[usize::from(at.shard.0)];
        if shard.armed.is_none_or(|armed| due < armed) {
            shard.armed = Some(due);
            self.schedule.plan(due, Event::Timer { at, due });
        }
    }

    fn timer(&mut self, at: Place, planned: Time) {
        let process = &mut self.processes[at.process.0];
        let now = process.local(self.now);
        if !process.is_alive() {
            return;
        }
        let shard = &mut process.shards[usize::from(at.shard.0)];
        if shard.armed != Some(planned) {
            return;
        }
        shard.armed = None;
        if shard.machine.next_timeout().is_none_or(|due| due > now) {
            return self.arm(at);
        }
        let (last, times) = shard.timeouts_at;
        shard.timeouts_at = (self.now, if last == self.now { times + 1 } else { 0 });
        assert!(times < SPINS_MAX, "{} spins: its timeout does not go away", process.name);
        self.step(at, Input::Timeout);
    }

    fn start(&mut self, number: usize) {
        let id = ProcessId(self.processes.len());
        let seed = self.dice.next_u64();
        let plan = &self.scenario.plans[number];
        let skew_ms = self.skews.get(&plan.name(number)).copied().unwrap_or(0);
        let process = plan.start(number, self.now, skew_ms, seed);
        if let Plan::Room(config) = plan {
            for (room, spec) in config.rooms.iter().enumerate() {
                self.shadow.has_room(id, RoomNo(room as u16), spec.capacity);
            }
        }
        self.shadow.started(self.now, &process);
        let (kind, shards) = (process.kind, process.shards.len());
        let addresses = process.address.iter().chain(plan.inner());
        self.doors.extend(addresses.map(|address| (address.clone(), id)));
        self.processes.push(process);
        for shard in 0..shards {
            self.arm(Place { process: id, shard: ShardId(shard as u16) });
        }
        self.attend(id);
        if kind.is_some_and(|kind| kind != ServerKind::Manager) {
            self.call_manager_later(id);
            self.schedule.plan(self.now + RENEW_INTERVAL, Event::Renew { process: id });
        }
    }

    fn renew(&mut self, id: ProcessId) {
        let process = &self.processes[id.0];
        if !process.is_alive() {
            return;
        }
        if let Some(link) = process.link {
            let delay = Delay { logic_delay_us: process.logic_delay().as_micros() as u32 };
            for message in [Message::Renew(Renew::default()), Message::Delay(delay)] {
                self.send(across(link), Packet::Said(Arc::new(message)));
            }
        }
        self.schedule.plan(self.now + RENEW_INTERVAL, Event::Renew { process: id });
    }

    fn alive(&self, is_it: impl Fn(&Process) -> bool) -> Option<ProcessId> {
        self.processes.iter().position(|process| process.is_alive() && is_it(process)).map(ProcessId)
    }

    fn sweep(&mut self) {
        for process in self.processes.iter().filter(|process| process.is_alive()) {
            process.shards.iter().for_each(|shard| shard.machine.check_invariants());
        }
        self.note_trouble();
        self.shadow.sweep(self.now, &self.processes);
        self.schedule.plan(self.now + self.scenario.sweep_each, Event::Sweep);
    }

    /// An end that is over: its machine is told, once, if it knows of the connection.
    fn end_of(&mut self, conn: ConnId) {
        let at = self.network.end(conn).place();
        let before = self.network.end_is_over(conn);
        if before == State::Gone {
            return;
        }
        self.shadow.left(conn);
        let process = &mut self.processes[at.process.0];
        process.groups.leave_all(conn);
        if process.link == Some(conn) {
            process.link = None;
            self.call_manager_later(at.process);
            self.step(at, Input::LinkDown);
        }
        if before != State::Calling {
            self.step(at, Input::Disconnected { conn });
        }
    }

    fn call_manager_later(&mut self, process: ProcessId) {
        let wait = delay(&mut self.dice) * 40;
        self.schedule.plan(self.now + wait, Event::CallManager { process });
    }
}

const TRACE_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Folds a step into the trace (FNV-1a over its numbers).
fn traced(trace: u64, now: Time, at: Place, input: &In) -> u64 {
    let (what, about) = match input {
        Input::Knock { conn, .. } => (1, conn.0),
        Input::Connected { conn, .. } => (2, conn.0),
        Input::Message { conn, message } => (u64::from(message.spec().opcode) << 8, conn.0),
        Input::Disconnected { conn } => (3, conn.0),
        Input::LinkUp { conn } => (4, conn.0),
        Input::LinkDown => (5, 0),
        Input::Answer { id, .. } => (6, *id),
        Input::Dialed { token, .. } => (7, *token),
        Input::DialFailed { token, .. } => (8, *token),
        Input::HandedOver { conn, .. } => (9, conn.0),
        Input::Told { from, .. } => (10, u64::from(from.0)),
        Input::Timeout => (11, 0),
        Input::Drain => (12, 0),
        Input::Revoke { account } => (13, account.0),
        Input::DrainServer { .. } => (14, 0),
        Input::Announce { .. } => (15, 0),
    };
    let place = (at.process.0 as u64) << 16 | u64::from(at.shard.0);
    [now.0, place, what, about]
        .into_iter()
        .fold(trace, |hash, part| (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(23))
}
