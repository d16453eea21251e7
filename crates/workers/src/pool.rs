//! One group of workers: who is asked what, and what becomes of a request whose worker ends. No clock, no socket, no
//! thread.
//!
//! Why: that each request is answered once, and given to at most one worker if it must not be repeated, is decided here
//! and tested by calls.
//! Owns: the lives of the workers, what is in flight and what waits. Does not own: what is asked, whose numbers it deals in.
//! Invariants: each request is settled once, by an answer or by [`Effect::Settle`]. What is sent has a number that is
//! never given again. A request that was in flight at a death is a suspect: it is tried alone, so that after
//! [`STRIKES_MAX`] deaths its guilt is certain.
//! Limits: [`PoolConfig`], and those in `pool/instance.rs`; as many workers at a time as are half of those up may be kept
//! for suspects, and one at least.
//! Read next: `pool/dispatch.rs`, `pool/lives.rs`; `service.rs`, which carries the effects out.

mod dispatch;
mod instance;
mod lives;
#[cfg(test)]
mod tests;
mod waiting;

pub use instance::{END_MAX, LIFE_MIN, PAUSE_MAX, PAUSE_MIN, SHORT_LIVES_MAX, START_MAX, STRAYS_MAX};

use crate::counts::Counts;
use instance::{Awaited, End, Instance, State};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use usher_proto::Time;
use usher_proto::message::NotDone;
use waiting::{For, Waiting};

/// So many workers may end while they have a request; then it is set aside.
pub const STRIKES_MAX: u8 = 3;

/// A request of one pool; a later one has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a pool is started with.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Workers.
    pub instances: usize,
    /// Requests that one worker may have.
    pub in_flight_max: usize,
    /// Requests that may wait for a worker.
    pub queue_max: usize,
    /// How long a request may take, where whoever asks does not say.
    pub deadline: Duration,
    /// Its workers are elsewhere and dialled: one that is not reached has not died.
    pub is_remote: bool,
    /// For the jitter of pauses.
    pub seed: u64,
}

/// What there is to know of a request to find it a worker.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What it is about: where to look first. Requests of one key go to one worker as long as the same ones are up.
    pub key: Option<u64>,
    /// It may be given to another worker if one ends while it has it.
    pub is_repeatable: bool,
    /// How long it may take.
    pub within: Option<Duration>,
}

/// Why a worker is ended at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It said no hello in time.
    NoHello,
    /// It answered what it was not asked, too often.
    Strays,
    /// All it may have is late by another deadline.
    Stuck,
    /// It was told to end, and stayed.
    Stays,
    /// It may be of the version before.
    Reload,
}

impl Cause {
    /// In words, for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHello => "it said no hello in time",
            Self::Strays => "it answers what it is not asked",
            Self::Stuck => "all it has is long overdue",
            Self::Stays => "it did not end in time",
            Self::Reload => "it may be of the version before",
        }
    }
}

/// What a pool wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start that worker.
    Start(usize),
    /// Let it end by itself: it has answered all.
    End(usize),
    /// End it at once.
    Kill(usize, Cause),
    /// Give it a request.
    Send {
        /// The worker.
        instance: usize,
        /// The number on the wire.
        number: u64,
        /// The request.
        request: RequestId,
        /// The time it still has.
        left: Duration,
    },
    /// Tell whoever asked that it is not done.
    Settle(RequestId, NotDone),
    /// Write down a request that will be settled as set aside, after so many deaths.
    DeadLetter(RequestId, u8),
    /// Say that this worker's lives are all short.
    Looping(usize),
}

#[derive(Debug)]
struct Request {
    ask: Ask,
    deadline: Time,
    strikes: u8,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Waiting,
    /// That worker is kept for it.
    Kept(usize),
    InFlight {
        instance: usize,
        number: u64,
    },
}

/// A group of workers and its requests.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    instances: Vec<Instance>,
    requests: BTreeMap<RequestId, Request>,
    deadlines: BTreeSet<(Time, RequestId)>,
    waiting: Waiting,
    asked: u64,
    sent: u64,
    /// Those that are still to be renewed, and the one that is being.
    to_renew: VecDeque<usize>,
    renewing: Option<usize>,
    is_draining: bool,
    rng: SmallRng,
    counts: Counts,
}

impl Pool {
    /// A pool whose workers are to be started at its first [`Pool::timeout`].
    pub fn new(config: PoolConfig, now: Time) -> Self {
        Self {
            instances: (0..config.instances).map(|_| Instance::new(now)).collect(),
            requests: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: Waiting::new(config.instances),
            asked: 0,
            sent: 0,
            to_renew: VecDeque::new(),
            renewing: None,
            is_draining: false,
            rng: SmallRng::seed_from_u64(config.seed),
            counts: Counts::default(),
            config,
        }
    }

    /// What it has counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Workers that are up.
    pub fn up(&self) -> usize {
        self.instances.iter().filter(|it| matches!(it.state, State::Up | State::Leaving { .. })).count()
    }

    /// Workers whose lives are all short.
    pub fn looping(&self) -> usize {
        self.instances.iter().filter(|it| it.is_looping()).count()
    }

    /// What workers were given and have not answered, whether or not somebody waits for it.
    pub fn in_flight(&self) -> usize {
        self.instances.iter().map(|it| it.flights.len()).sum()
    }

    /// Requests that wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.instances.iter().filter(|it| self.waits_for(it)).count()
    }

    /// Whether the worker is kept for somebody who is not there yet.
    fn waits_for(&self, instance: &Instance) -> bool {
        let suspect = instance.kept_for.and_then(|request| self.requests.get(&request));
        suspect.is_some_and(|suspect| matches!(suspect.at, At::Kept(_)))
    }

    /// Takes a request; its number is given even if it is settled at once.
    pub fn ask(&mut self, now: Time, ask: Ask, out: &mut Vec<Effect>) -> RequestId {
        self.asked += 1;
        let id = RequestId(self.asked);
        if self.is_draining || self.waiting() >= self.config.queue_max {
            let why = if self.is_draining { NotDone::NoWorker } else { NotDone::Full };
            out.push(Effect::Settle(id, why));
            return id;
        }
        let deadline = now + ask.within.unwrap_or(self.config.deadline).min(self.config.deadline);
        self.requests.insert(id, Request { ask, deadline, strikes: 0, at: At::Waiting });
        self.deadlines.insert((deadline, id));
        self.wait(id);
        self.dispatch(now, out);
        id
    }

    /// A worker has answered; whom, if anybody still waits for that.
    pub fn answered(
        &mut self,
        now: Time,
        instance: usize,
        number: u64,
        out: &mut Vec<Effect>,
    ) -> Option<RequestId> {
        let request = self.take_flight(now, instance, number, out);
        if let Some(request) = request {
            self.forget(request);
        }
        self.is_freer(now, instance, out);
        request
    }

    /// A worker takes no more requests, and has not taken this one: it is another's, and nobody is to blame.
    pub fn not_taken(&mut self, now: Time, instance: usize, number: u64, out: &mut Vec<Effect>) {
        let request = self.take_flight(now, instance, number, out);
        self.leave(instance, End::Left);
        if let Some(request) = request {
            let it = &mut self.instances[instance];
            it.kept_for.take_if(|suspect| *suspect == request);
            self.wait(request);
        }
        self.is_freer(now, instance, out);
    }

    /// A worker says that it takes no more requests.
    pub fn leaving(&mut self, now: Time, instance: usize, out: &mut Vec<Effect>) {
        self.take_leave(now, instance, End::Left, out);
    }

    /// A worker has ended by itself; what it answered before that is still to be heard.
    pub fn ending(&mut self, now: Time, instance: usize, out: &mut Vec<Effect>) {
        self.take_leave(now, instance, End::Failed, out);
    }

    fn take_leave(&mut self, now: Time, instance: usize, why: End, out: &mut Vec<Effect>) {
        self.leave(instance, why);
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    /// Whether a worker has said that it leaves.
    pub fn is_leaving(&self, instance: usize) -> bool {
        self.instances[instance].state == State::Leaving { why: End::Left }
    }

    /// A worker has one request less than before.
    fn is_freer(&mut self, now: Time, instance: usize, out: &mut Vec<Effect>) {
        self.release(instance);
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    /// One request more is settled: answered, or not for this reason.
    pub fn count(&mut self, undone: Option<&NotDone>) {
        self.counts.settled(undone);
    }

    /// Who waits for what a worker has said under this number. A worker that says too much that it was not asked is ended.
    fn take_flight(
        &mut self,
        now: Time,
        instance: usize,
        number: u64,
        out: &mut Vec<Effect>,
    ) -> Option<RequestId> {
        let it = &mut self.instances[instance];
        it.heard = now;
        match it.flights.remove(&number) {
            Some(Awaited::Request(request)) => return Some(request),
            Some(Awaited::Late(_)) => self.counts.late += 1,
            Some(Awaited::Withdrawn(_)) => {}
            None => {
                self.counts.stray += 1;
                if it.has_strayed() {
                    it.state = State::Ending { kill_at: None, why: End::Failed };
                    out.push(Effect::Kill(instance, Cause::Strays));
                }
            }
        }
        None
    }

    /// Nobody waits for this request any more.
    pub fn withdraw(&mut self, now: Time, request: RequestId, out: &mut Vec<Effect>) {
        self.give_up(request, Awaited::Withdrawn(now));
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    /// When to call [`Pool::timeout`].
    pub fn next_timeout(&self) -> Option<Time> {
        let PoolConfig { in_flight_max, deadline, .. } = self.config;
        let stuck = self.instances.iter().filter_map(|it| it.stuck_at(in_flight_max, deadline)).min();
        let lives = self.instances.iter().filter_map(Instance::next_timeout).min();
        let late = self.deadlines.first().map(|(deadline, _)| *deadline);
        [stuck, lives, late].into_iter().flatten().min()
    }

    /// Some time has passed.
    pub fn timeout(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some((deadline, request)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.give_up(request, Awaited::Late(now));
            out.push(Effect::Settle(request, NotDone::Late));
        }
        self.time_lives(now, out);
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    /// Takes no more requests; when those that are here are settled, its workers end.
    pub fn drain(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.is_draining = true;
        self.settle_lives(now, out);
    }

    /// Settles all that is here, and ends its workers. Of what must not be repeated and is begun nobody says that it is not.
    pub fn stop(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.is_draining = true;
        let why = |request: &Request| match request.at {
            At::InFlight { .. } if !request.ask.is_repeatable => NotDone::WorkerDied,
            _ => NotDone::NoWorker,
        };
        let all: Vec<_> = self.requests.iter().map(|(id, request)| (*id, why(request))).collect();
        for (request, why) in all {
            self.give_up(request, Awaited::Withdrawn(now));
            out.push(Effect::Settle(request, why));
        }
        self.settle_lives(now, out);
    }

    /// Whether it was drained or stopped, and no worker is left.
    pub fn is_over(&self) -> bool {
        self.is_draining && self.instances.iter().all(|it| it.state == State::Over)
    }

    /// Puts a request where it waits.
    fn wait(&mut self, id: RequestId) {
        let Self { requests, waiting, instances, .. } = self;
        let Some(request) = requests.get_mut(&id) else { return };
        request.at = At::Waiting;
        let who = match (request.strikes, request.ask.key) {
            (0, None) => For::Anybody,
            (0, Some(key)) => For::Home(key),
            // Its worker is gone, and so is whatever that knew of its key.
            _ => For::Alone,
        };
        waiting.push(id, who, |key| home(instances, key));
    }

    /// Takes a request from wherever it is; a worker that has it still owes an answer, to nobody.
    fn give_up(&mut self, id: RequestId, owed: Awaited) {
        let Some(request) = self.requests.get(&id) else { return };
        match request.at {
            At::Waiting => self.waiting.remove(id),
            At::Kept(instance) => self.instances[instance].kept_for = None,
            At::InFlight { instance, number } => {
                self.instances[instance].flights.insert(number, owed);
            }
        }
        self.forget(id);
    }

    fn forget(&mut self, id: RequestId) {
        if let Some(request) = self.requests.remove(&id) {
            self.deadlines.remove(&(request.deadline, id));
        }
    }
}

/// The home of a key: of those that are up the one that the key and its own number say (rendezvous hashing: Thaler,
/// Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998). One that comes or goes moves no other's keys.
fn home(instances: &[Instance], key: u64) -> Option<usize> {
    let up = instances.iter().enumerate().filter(|(_, it)| it.is_up());
    up.map(|(at, _)| at).max_by_key(|at| mixed(key ^ mixed(*at as u64 + 1)))
}

/// The last step of splitmix64 (Steele, Lea, Flood, 2014).
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
