//! What all threads of a server share: every lane, and the rules by which lanes are run.
//!
//! It exists so that the three stages, the hooks, the timer and the outside meet in one place. It owns the
//! lanes, the listeners and the way to layer 1; what an item means is the stages' own.
//!
//! How a lane comes to run: whoever puts the first item into an idle lane holds it and schedules it. An inline
//! lane goes to the caller's list of ready lanes, which the caller drives before it returns to its own work. So does
//! a receive or send lane that has a thread, as long as its run is expected to be short (`pace`): a hop would cost
//! more. A service is not ours: one that has threads runs on them alone, and may hold up its own shard and no other.
//! Threads that are neither a worker nor a pool's (the timer, the outside) run nothing: they leave an inline lane as
//! an errand to a worker. So does a pool's thread before it runs a service, with what it had no time for.
//!
//! Architecture Invariant: nothing blocks inside a run. A run that cannot go on keeps what it has, parks
//! its lane and leaves its name where it waits.
//! Limit: `RUNS_MAX` runs before a worker goes back to its sockets.
//! Read next: `receive`, `logic`, `send`.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use usher_completion::{ConnId, Handle, Io};
use usher_steady::SteadyMap;

use crate::{
    DialError, Offer,
    lane::{Bundle, Class, Credit, Held, Item, Lane, Waiter},
    listener::Listener,
    logic::{LogicItem, Shard},
    open::Open,
    pool::Pool,
    ready::{LaneRef, Ready, Stage},
    receive::{ReceiveItem, Receiver},
    send::{SendItem, Sender},
    service::{Service, ShardId},
    table::Spread,
    timer::{Timer, now},
};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It handled what it took.
    Done,
    /// It goes on when what it caused so far has had its turn.
    Again,
    /// It keeps what it has until that send lane has places.
    WaitSend(usize, Class),
    /// It keeps what it has until that worker has taken its commands.
    WaitWorker(usize),
}

/// An outgoing connection that layer 1 is making.
pub(crate) struct Dial {
    pub(crate) shard: ShardId,
    pub(crate) listener: crate::ListenerId,
    pub(crate) token: u64,
    pub(crate) offer: Option<Box<dyn Offer>>,
}

#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) publishes: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) hand_overs: AtomicU64,
    pub(crate) stale_actions: AtomicU64,
    pub(crate) too_large: AtomicU64,
    pub(crate) conflated: AtomicU64,
    handoffs: [AtomicU64; 3],
    inline: [AtomicU64; 3],
}

pub(crate) struct Fabric<S: Service> {
    pub(crate) listeners: Vec<Listener<S>>,
    pub(crate) codecs: usize,
    pub(crate) receive: Vec<Lane<ReceiveItem, Receiver<S>>>,
    pub(crate) logic: Vec<Lane<LogicItem<S>, Shard<S>>>,
    pub(crate) send: Vec<Lane<SendItem<S>, Sender<S>>>,
    pub(crate) receive_spread: Spread,
    pub(crate) send_spread: Spread,
    /// See `slots`.
    pub(crate) slot_stride: u32,
    pub(crate) batch_items_max: usize,
    pub(crate) handshakes_per_turn_max: usize,
    pub(crate) timer: Timer,
    pub(crate) totals: Totals,
    pub(crate) open: Open,
    /// The server is shutting down: who comes now is shown out.
    pub(crate) draining: AtomicBool,
    /// Nothing runs any more.
    pub(crate) stopped: AtomicBool,
    pub(crate) dials: Mutex<SteadyMap<u64, Dial>>,
    pub(crate) pools: [Pool; 3],
    pub(crate) workers: Vec<WorkerDesk>,
    pub(crate) handle: OnceLock<Handle>,
    pub(crate) dial_next: AtomicU64,
}

/// What others leave for a layer 1 worker; they wake it, and it looks here at the end of its turn.
#[derive(Default)]
pub(crate) struct WorkerDesk {
    /// Held inline lanes to run.
    errands: Mutex<Vec<LaneRef>>,
    /// Send lanes whose bytes its layer 1 queue had no room for.
    refused: Mutex<Vec<usize>>,
    /// Connections that their receive lane wants not to be read, or to be read again.
    holds: Mutex<Vec<(ConnId, bool)>>,
}

/// After so many runs in a row a worker looks after its sockets again.
pub(crate) const RUNS_MAX: usize = 256;

impl<S: Service> Fabric<S> {
    pub(crate) fn handle(&self) -> &Handle {
        self.handle.get().expect("invariant: layer 1 was started before anything could happen on it")
    }

    pub(crate) fn pool(&self, stage: Stage) -> &Pool {
        &self.pools[stage as usize]
    }

    /// Schedules a lane that the caller holds.
    pub(crate) fn schedule(&self, lane: LaneRef, held: Held, ready: &mut Ready) {
        let pool = self.pool(lane.stage);
        if pool.is_empty() {
            ready.push(lane, Duration::ZERO);
        } else if lane.stage != Stage::Logic && ready.has_time_for(held.expected) {
            ready.push(lane, held.expected);
        } else {
            self.hand(lane);
        }
    }

    /// As `schedule`, from a thread that is not to run it: an inline lane is left to a worker.
    fn schedule_from_outside(&self, lane: LaneRef) {
        if self.pool(lane.stage).is_empty() {
            let worker = lane.index % self.workers.len();
            lock(&self.workers[worker].errands).push(lane);
            self.handle().wake(worker);
        } else {
            self.hand(lane);
        }
    }

    /// To a thread of its stage.
    fn hand(&self, lane: LaneRef) {
        self.totals.handoffs[lane.stage as usize].fetch_add(1, Relaxed);
        self.pool(lane.stage).hand(lane);
    }

    pub(crate) fn to_receive(&self, lane: usize, items: &mut Bundle<ReceiveItem>, ready: &mut Ready) {
        if let Some(held) = self.receive[lane].submit(items) {
            self.schedule(LaneRef { stage: Stage::Receive, index: lane }, held, ready);
        }
    }

    pub(crate) fn to_logic(&self, shard: ShardId, items: &mut Bundle<LogicItem<S>>, ready: &mut Ready) {
        if let Some(held) = self.logic[shard].submit(items) {
            self.schedule(LaneRef { stage: Stage::Logic, index: shard }, held, ready);
        }
    }

    pub(crate) fn to_send(&self, lane: usize, items: &mut Bundle<SendItem<S>>, ready: &mut Ready) {
        if let Some(held) = self.send[lane].submit(items) {
            self.schedule(LaneRef { stage: Stage::Send, index: lane }, held, ready);
        }
    }

    /// As `to_receive`, from a thread that runs no lanes.
    pub(crate) fn to_receive_from_outside(&self, lane: usize, class: Class, item: ReceiveItem) {
        if self.receive[lane].submit(&mut Bundle::of(class, item)).is_some() {
            self.schedule_from_outside(LaneRef { stage: Stage::Receive, index: lane });
        }
    }

    /// As `to_logic`, from a thread that runs no lanes.
    pub(crate) fn to_logic_from_outside(&self, shard: ShardId, class: Class, item: LogicItem<S>) {
        if self.logic[shard].submit(&mut Bundle::of(class, item)).is_some() {
            self.schedule_from_outside(LaneRef { stage: Stage::Logic, index: shard });
        }
    }

    /// As `to_send`, from a thread that runs no lanes.
    pub(crate) fn to_send_from_outside(&self, lane: usize, class: Class, item: SendItem<S>) {
        if self.send[lane].submit(&mut Bundle::of(class, item)).is_some() {
            self.schedule_from_outside(LaneRef { stage: Stage::Send, index: lane });
        }
    }

    /// Runs ready lanes, at most `runs`; what is left stays ready. `io`: this thread is a worker of layer 1.
    pub(crate) fn drive(&self, ready: &mut Ready, runs: usize, mut io: Option<&mut Io<'_>>) {
        for _ in 0..runs {
            let Some(lane) = ready.pop() else { return };
            self.totals.inline[lane.stage as usize].fetch_add(1, Relaxed);
            self.run(lane, ready, io.as_deref_mut());
        }
    }

    /// Leaves what is still ready to others.
    pub(crate) fn leave(&self, ready: &mut Ready) {
        while let Some(lane) = ready.pop() {
            self.schedule_from_outside(lane);
        }
    }

    /// One run of a lane that the caller holds, and what comes of it.
    pub(crate) fn run(&self, at: LaneRef, ready: &mut Ready, io: Option<&mut Io<'_>>) {
        match at.stage {
            Stage::Receive => self.settle(&self.receive[at.index], at, ready, |receiver, fabric, ready| {
                receiver.run(fabric, ready, io)
            }),
            Stage::Logic => self.settle(&self.logic[at.index], at, ready, Shard::run),
            Stage::Send => self.settle(&self.send[at.index], at, ready, |sender, fabric, ready| {
                sender.run(fabric, ready, io)
            }),
        }
    }

    /// The state is unlocked before the lane is let go: the next to hold it finds it free.
    fn settle<I: Item, T>(
        &self,
        lane: &Lane<I, T>,
        at: LaneRef,
        ready: &mut Ready,
        run: impl FnOnce(&mut T, &Self, &mut Ready) -> Outcome,
    ) {
        let started = (!self.pool(at.stage).is_empty()).then(now);
        let outcome = run(&mut lane.state(), self, ready);
        let spent = started.map(|started| now() - started);
        let held = match outcome {
            Outcome::Done => lane.finish(spent),
            Outcome::Again => Some(lane.keep(spent)),
            Outcome::WaitSend(target, class) => {
                lane.park(spent);
                let waits = self.send[target].places(class).wait(Waiter::Logic(at.index));
                if waits { None } else { lane.wake() }
            }
            Outcome::WaitWorker(worker) => {
                lane.park(spent);
                lock(&self.workers[worker].refused).push(at.index);
                self.handle().wake(worker);
                None
            }
        };
        if let Some(held) = held {
            self.schedule(at, held, ready);
        }
    }

    /// Takes a batch from a lane's queue, and calls whoever waited for the places that frees: at once, for
    /// what the batch causes may take long. They run on their own threads, not on that of a later stage.
    pub(crate) fn take<I: Item, T>(&self, lane: &Lane<I, T>, batch: &mut VecDeque<I>) {
        let mut called = Vec::new();
        lane.take(self.batch_items_max, batch, &mut called);
        self.call(called);
    }

    /// Gives back what a run reserved of each lane's places and did not use.
    pub(crate) fn give_back<I: Item, T>(&self, credits: &mut [Credit], lanes: &[Lane<I, T>]) {
        let mut called = Vec::new();
        for (credit, lane) in credits.iter_mut().zip(lanes) {
            credit.give_back(lane, &mut called);
        }
        self.call(called);
    }

    pub(crate) fn call(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            match waiter {
                Waiter::Worker(worker) => self.handle().wake(worker),
                Waiter::Receive(lane, shard, class) => {
                    self.to_receive_from_outside(lane, class, ReceiveItem::Retry { shard, class });
                }
                Waiter::Logic(shard) => {
                    if self.logic[shard].wake().is_some() {
                        self.schedule_from_outside(LaneRef { stage: Stage::Logic, index: shard });
                    }
                }
            }
        }
    }

    /// Asks a connection's worker not to read it, or to go on. (Not layer 1: only the hook knows whether it
    /// has reasons of its own not to read it.)
    /// A virtual connection is on no worker: its window holds it.
    pub(crate) fn hold(&self, conn: ConnId, held: bool) {
        let Some(worker) = self.workers.get(conn.worker()) else { return };
        lock(&worker.holds).push((conn, held));
        self.handle().wake(conn.worker());
    }

    pub(crate) fn take_holds(&self, worker: usize) -> Vec<(ConnId, bool)> {
        std::mem::take(&mut *lock(&self.workers[worker].holds))
    }

    /// A worker at the end of its turn: what others left for it becomes its own.
    pub(crate) fn clear_desk(&self, worker: usize, ready: &mut Ready) {
        let desk = &self.workers[worker];
        for lane in std::mem::take(&mut *lock(&desk.errands)) {
            ready.push(lane, Duration::ZERO);
        }
        for index in std::mem::take(&mut *lock(&desk.refused)) {
            if let Some(held) = self.send[index].wake() {
                self.schedule(LaneRef { stage: Stage::Send, index }, held, ready);
            }
        }
    }

    /// The server ends: no one waits for anyone any more.
    pub(crate) fn unbound(&self) {
        let mut waiters = Vec::new();
        self.receive.iter().for_each(|lane| lane.unbound(&mut waiters));
        self.logic.iter().for_each(|lane| lane.unbound(&mut waiters));
        self.send.iter().for_each(|lane| lane.unbound(&mut waiters));
        self.call(waiters);
    }

    /// When every other thread has ended: runs each lane until none has anything left.
    pub(crate) fn run_out(&self) {
        let mut ready = Ready::default();
        loop {
            let lanes = Stage::ALL.into_iter().flat_map(|stage| {
                let count = [self.receive.len(), self.logic.len(), self.send.len()][stage as usize];
                (0..count).map(move |index| LaneRef { stage, index })
            });
            let busy: Vec<_> = lanes.filter(|lane| !self.is_empty(*lane)).collect();
            if busy.is_empty() {
                return;
            }
            for lane in busy {
                self.run(lane, &mut ready, None);
                ready = Ready::default();
            }
        }
    }

    fn is_empty(&self, lane: LaneRef) -> bool {
        match lane.stage {
            Stage::Receive => self.receive[lane.index].is_empty(),
            Stage::Logic => self.logic[lane.index].is_empty() && self.logic[lane.index].state().is_empty(),
            Stage::Send => self.send[lane.index].is_empty() && self.send[lane.index].state().is_empty(),
        }
    }

    /// The cell of the timer that belongs to a receive lane; shards' cells follow.
    pub(crate) fn set_deadline(&self, lane: LaneRef, deadline: Option<Instant>) {
        let first = if lane.stage == Stage::Receive { 0 } else { self.receive.len() };
        self.timer.set(first + lane.index, deadline);
    }

    /// The timer's tick.
    pub(crate) fn tick(&self, cell: usize) {
        match cell.checked_sub(self.receive.len()) {
            None => self.to_receive_from_outside(cell, Class::Link, ReceiveItem::Tick),
            Some(shard) => self.to_logic_from_outside(shard, Class::Link, LogicItem::Tick),
        }
    }

    /// Whether there is a listener whose protocol it could have, and time left.
    pub(crate) fn may_dial(&self, dial: &Dial) -> Result<(), DialError<S::Packet>> {
        if self.is_draining() {
            Err(DialError::Closed)
        } else if dial.listener.index() >= self.listeners.len() {
            Err(DialError::Connect(std::io::ErrorKind::InvalidInput))
        } else {
            Ok(())
        }
    }

    /// Asks layer 1 for a connection; answered at `dial.shard`.
    pub(crate) fn dial(&self, addr: std::net::SocketAddr, dial: Dial) {
        self.handle().connect(addr, self.note_dial(dial));
    }

    /// The same for a connection that was made elsewhere.
    #[cfg(unix)]
    pub(crate) fn adopt(&self, stream: std::os::unix::net::UnixStream, dial: Dial) {
        self.handle().adopt(stream, self.note_dial(dial));
    }

    /// What layer 1 is to call it.
    fn note_dial(&self, dial: Dial) -> u64 {
        let token = self.dial_next.fetch_add(1, Relaxed);
        lock(&self.dials).insert(token, dial);
        token
    }

    pub(crate) fn class(&self, listener: crate::ListenerId) -> Class {
        Class::of(self.listeners[listener.index()].link)
    }

    pub(crate) fn stale(&self) {
        self.totals.stale_actions.fetch_add(1, Relaxed);
    }

    /// The send lane of a connection, if there can be such a connection.
    pub(crate) fn send_lane(&self, conn: ConnId) -> Option<usize> {
        (conn.worker() < 2 * self.workers.len()).then(|| self.send_spread.lane(conn))
    }

    pub(crate) fn handoffs(&self, stage: Stage) -> (u64, u64) {
        let index = stage as usize;
        (self.totals.handoffs[index].load(Relaxed), self.totals.inline[index].load(Relaxed))
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }
}

/// The plain values behind these locks are whole between any two operations, so a poisoned one is sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn repeat<T: Default>(count: usize) -> Vec<T> {
    std::iter::repeat_with(T::default).take(count).collect()
}
