//! Runs the pools on layer 2: events become calls, effects become messages, starts and ends.
//!
//! Why: this is the whole seam between the rules and real processes. One shard: a pool's thread is that of all pools.
//! Owns: the groups, and which connection is whose. Does not own the processes; the [`crate::supervisor`] does.
//! Invariants: of a life that is over nothing is heard; a child's is over when its connection broke, or its process ended
//! and all that it said is read; what is left of it is then ended. After each call the effects are carried out, in order.
//! Limits: those of the pools and of the messages; `high_water.rs` for a worker that does not read.
//! Read next: `service/effects.rs`; [`crate::pool`].

mod effects;
mod rooms;

use crate::counts;
use crate::group::{Group, Life, Pending};
use crate::hello::Hellos;
use crate::inbox::{Asked, Inbox, Note};
use crate::job::{Asker, Outcome};
use crate::pool::{Ask, Effect, Pool, RequestId};
use crate::slot::Slot;
use crate::supervisor::Orders;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use usher_hpserver::{Actions, CloseReason, ConnId, DialError, Event, Service};
use usher_proto::message::{HostHello, NotDone, WORKER_VERSION, WorkerDenied, WorkerHello};
use usher_proto::{Figures, Message, Time};
use usher_runtime::clock::{self, Clock};
use usher_runtime::door::Greeting;

/// How long the last words of a process that has ended may take to be read. Its socket's end comes behind them; but
/// whoever left its group may hold that.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// How often figures are copied out, at most.
const FIGURES_EVERY: Duration = Duration::from_millis(100);

/// What the service shows to other threads.
#[derive(Default)]
pub(crate) struct Shown {
    figures: Mutex<Figures>,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Shown {
    pub(crate) fn figures(&self) -> Figures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no worker is left; whether that was so in time.
    pub(crate) fn wait_over(&self, within: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_timeout_while(is_over, within, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Who is at the other end of a connection.
#[derive(Debug)]
enum Peer {
    Worker(Slot),
    /// A room server elsewhere, and what it waits for.
    Room(BTreeSet<(usize, RequestId)>),
}

/// What a service begins with.
pub(crate) struct Parts {
    pub(crate) groups: Vec<Group>,
    /// What this process calls itself.
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) orders: Orders,
    pub(crate) hellos: Arc<Hellos>,
    pub(crate) shown: Arc<Shown>,
}

/// The pools at work.
pub(crate) struct WorkersService {
    parts: Parts,
    peers: BTreeMap<ConnId, Peer>,
    effects: Vec<Effect>,
    /// Lives whose process has ended before their connection, and until when that is waited for.
    exited: VecDeque<(Instant, Slot)>,
    is_draining: bool,
    is_stopping: bool,
    figures_at: Option<Instant>,
}

impl WorkersService {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            peers: BTreeMap::new(),
            effects: Vec::new(),
            exited: VecDeque::new(),
            is_draining: false,
            is_stopping: false,
            figures_at: Some(clock::instant()),
        }
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }

    fn group_of(&mut self, slot: Slot) -> &mut Group {
        &mut self.parts.groups[usize::from(slot.group)]
    }

    fn note(&mut self, note: Note, actions: &mut Actions<Self>) {
        match note {
            Note::Ask(asked) => self.ask(*asked, actions),
            Note::Ended(slot) => self.process_ended(slot, actions),
            Note::Reload => {
                tracing::info!("workers are renewed, one after the other");
                // Hosts renew their own.
                self.each_pool(Group::has_children, Pool::reload, actions);
            }
            Note::Drain => {
                self.is_draining = true;
                self.tell_rooms_to_leave(actions);
                self.each_pool(|_| true, Pool::drain, actions);
            }
            Note::Stop { at_once } => {
                (self.is_draining, self.is_stopping) = (true, true);
                self.each_pool(|_| true, Pool::stop, actions);
                if at_once {
                    self.parts.orders.quit();
                }
            }
        }
    }

    fn each_pool(
        &mut self,
        which: impl Fn(&Group) -> bool,
        mut step: impl FnMut(&mut Pool, Time, &mut Vec<Effect>),
        actions: &mut Actions<Self>,
    ) {
        let now = self.now();
        for at in 0..self.parts.groups.len() {
            let group = &mut self.parts.groups[at];
            if which(group) {
                step(&mut group.pool, now, &mut self.effects);
                self.carry_out(at, actions);
            }
        }
    }

    fn ask(&mut self, asked: Asked, actions: &mut Actions<Self>) {
        let Asked { group: at, job, asker, within } = asked;
        let now = self.now();
        let group = &mut self.parts.groups[at];
        if let Some(why) = job.flaw(group.config.members.form()) {
            return tell(asker, Outcome::Undone(NotDone::Failed(why.into())), actions);
        }
        let is_repeatable = job.is_hand() || group.config.may_repeat(job.kind());
        let ask = Ask { key: job.key(), is_repeatable, within };
        let id = group.pool.ask(now, ask, &mut self.effects);
        if let Asker::Room { conn, .. } = asker
            && let Some(Peer::Room(asked)) = self.peers.get_mut(&conn)
        {
            asked.insert((at, id));
        }
        group.pending.insert(id, Pending { job, asker });
        self.carry_out(at, actions);
    }

    /// What came of a request, counted and told to whoever asked.
    fn settle(&mut self, group: usize, request: RequestId, outcome: Outcome, actions: &mut Actions<Self>) {
        let it = &mut self.parts.groups[group];
        let Some(pending) = it.pending.remove(&request) else { return };
        let outcome = outcome.to(pending.job.is_hand());
        it.pool.count(outcome.undone());
        if let Asker::Room { conn, .. } = pending.asker {
            match self.peers.get_mut(&conn) {
                Some(Peer::Room(asked)) => drop(asked.remove(&(group, request))),
                _ => return, // it is gone
            }
        }
        tell(pending.asker, outcome, actions);
    }

    fn said(&mut self, conn: ConnId, message: Message, actions: &mut Actions<Self>) {
        match self.peers.get(&conn) {
            Some(Peer::Worker(slot)) => self.worker_said(*slot, message, actions),
            Some(Peer::Room(_)) => self.room_said(conn, message, actions),
            None => {} // its life is over
        }
    }

    fn worker_said(&mut self, slot: Slot, message: Message, actions: &mut Actions<Self>) {
        let (at, instance) = (usize::from(slot.group), usize::from(slot.instance));
        let Some(life) = self.group_of(slot).life(slot).copied() else { return };
        let now = self.now();
        match (Outcome::read(message), life.said_hello) {
            (Ok((number, outcome)), true) => {
                let group = &mut self.parts.groups[at];
                let leaves = !group.has_children() || group.pool.is_leaving(instance);
                if leaves && outcome.undone() == Some(&NotDone::NoWorker) {
                    // Nobody there has seen the request.
                    group.pool.not_taken(now, instance, number, &mut self.effects);
                } else if let Some(request) = group.pool.answered(now, instance, number, &mut self.effects) {
                    self.settle(at, request, outcome, actions);
                }
                self.carry_out(at, actions);
            }
            (Err(Message::WorkerHello(hello)), false) => self.hello(slot, &hello, actions),
            (Err(Message::WorkerLeaving(_)), true) => {
                let group = &mut self.parts.groups[at];
                tracing::info!(group = group.name, worker = %slot, "a worker takes no more");
                group.pool.leaving(now, instance, &mut self.effects);
                self.carry_out(at, actions);
            }
            _ => {
                self.lose(slot, "it says what it may not say now", actions);
                self.carry_out(at, actions);
            }
        }
    }

    fn hello(&mut self, slot: Slot, hello: &WorkerHello, actions: &mut Actions<Self>) {
        let at = usize::from(slot.group);
        let now = self.now();
        if hello.version != WORKER_VERSION {
            return self.deny(slot, hello.version, actions);
        }
        let Some(life) = self.group_of(slot).life(slot) else { return };
        life.said_hello = true;
        let group = &mut self.parts.groups[at];
        tracing::info!(group = group.name, worker = %slot, name = %hello.name.escape_debug(), "a worker is up");
        group.pool.said_hello(now, slot.instance.into(), &mut self.effects);
        self.carry_out(at, actions);
    }

    /// It is told why, and sees the end; a process that does not mind is killed when its start has taken too long.
    fn deny(&mut self, slot: Slot, version: u16, actions: &mut Actions<Self>) {
        let group = self.group_of(slot);
        tracing::error!(group = group.name, worker = %slot, version, "a worker speaks another version");
        let Some(life) = group.life(slot) else { return };
        life.is_ending = true;
        if let Some(conn) = life.conn {
            let why = format!("this host speaks version {WORKER_VERSION}");
            actions.close(conn, Some(WorkerDenied { why }.into()));
        }
    }

    /// A connection to a worker is there.
    fn reached(&mut self, conn: ConnId, slot: Slot, actions: &mut Actions<Self>) {
        let is_known = self.group_of(slot).life(slot).is_some_and(|life| {
            life.conn = Some(conn);
            !life.is_ending
        });
        let hello = self.parts.hellos.take(slot); // a host says it as a message
        if !is_known {
            return actions.abort(conn);
        }
        self.peers.insert(conn, Peer::Worker(slot));
        match hello {
            Some(hello) => self.hello(slot, &hello, actions),
            None => actions.send(conn, HostHello { version: WORKER_VERSION }.into()),
        }
    }

    fn closed(&mut self, conn: ConnId, reason: CloseReason, actions: &mut Actions<Self>) {
        match self.peers.remove(&conn) {
            Some(Peer::Worker(slot)) => {
                let has_exited = self.exited.iter().any(|(_, exited)| *exited == slot);
                let group = self.group_of(slot);
                let has_process = group.has_children() && !has_exited;
                let Some(life) = group.life(slot) else { return };
                life.conn = None;
                // One that was told to end is over when its process is.
                if !(life.is_ending && has_process) {
                    self.lose(slot, reason.name(), actions);
                    self.carry_out(slot.group.into(), actions);
                }
            }
            Some(Peer::Room(asked)) => self.room_went(asked, actions),
            None => {}
        }
    }

    /// A process has ended, or could not be started: its life is over when the last that it said is read.
    fn process_ended(&mut self, slot: Slot, actions: &mut Actions<Self>) {
        let now = self.now();
        let group = &mut self.parts.groups[usize::from(slot.group)];
        let Some(life) = group.life(slot) else { return };
        if life.conn.is_some() {
            self.exited.push_back((clock::instant() + LAST_WORDS_MAX, slot));
            group.pool.ending(now, slot.instance.into(), &mut self.effects);
        } else {
            self.lose(slot, "its process has ended", actions);
        }
        self.carry_out(slot.group.into(), actions);
    }

    /// Waits no longer for those whose connection does not end.
    fn forget_exited(&mut self, actions: &mut Actions<Self>) {
        let now = clock::instant();
        while let Some((_, slot)) = self.exited.front().copied().filter(|(until, _)| *until <= now) {
            self.exited.pop_front();
            self.lose(slot, "its process has ended", actions);
            self.carry_out(slot.group.into(), actions);
        }
    }

    /// A life is over: what is left of it is ended, and the pool is told. What that causes is still to be carried out.
    fn lose(&mut self, slot: Slot, why: &str, actions: &mut Actions<Self>) {
        let now = self.now();
        let group = &mut self.parts.groups[usize::from(slot.group)];
        let Some(life) = group.life(slot) else { return };
        life.is_over = true;
        let Life { is_ending, said_hello, .. } = *life;
        self.parts.hellos.take(slot);
        if let Some(conn) = life.conn.take() {
            self.peers.remove(&conn);
            actions.close(conn, None);
        }
        if group.has_children() {
            self.parts.orders.kill(slot);
        }
        match group.address(slot.instance.into()) {
            _ if is_ending => {}
            Some(address) if !said_hello => {
                tracing::warn!(group = group.name, %address, why, "a host of workers is not reached");
            }
            _ => tracing::warn!(group = group.name, worker = %slot, why, "a worker is lost"),
        }
        group.pool.gone(now, slot.instance.into(), &mut self.effects);
    }

    fn show(&mut self) {
        let pools = self.parts.groups.iter().map(|group| (group.name, &group.pool));
        let figures = counts::figures(&pools);
        *self.parts.shown.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// Tells whoever waits for the end: no worker is left, and no room server that may still have something to say.
    fn say_over(&self) {
        let is_over = self.parts.groups.iter().all(|group| group.pool.is_over());
        if is_over && (self.is_stopping || !self.has_room()) {
            *self.parts.shown.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.parts.shown.over.notify_all();
        }
    }
}

fn tell(asker: Asker, outcome: Outcome, actions: &mut Actions<WorkersService>) {
    if let Some((conn, message)) = asker.tell(outcome) {
        actions.send(conn, message);
    }
}

/// Why a process, or a host, did not come so far as to say hello.
fn not_reached(why: &DialError<Message>, is_process: bool) -> String {
    match why {
        DialError::Connect(kind) => kind.to_string(),
        _ if is_process => "it ended, or said something else, before its hello".into(),
        _ => "it ended before its hello, as a host does for whom `key_file` is another's".into(),
    }
}

impl Service for WorkersService {
    type Packet = Message;
    type Greeting = Greeting;
    type Note = ();

    fn handle(&mut self, event: Event<Self>, actions: &mut Actions<Self>) {
        let mut is_figures = false;
        match event {
            Event::Packet { conn, packet } => self.said(conn, packet, actions),
            Event::Dialed { token, conn } => self.reached(conn, Slot::of(token), actions),
            Event::DialFailed { token, why } => {
                let slot = Slot::of(token);
                let why = not_reached(&why, self.group_of(slot).has_children());
                self.lose(slot, &why, actions);
                self.carry_out(slot.group.into(), actions);
            }
            Event::Closed { conn, reason } => self.closed(conn, reason, actions),
            Event::Knock { conn, .. } => actions.admit(conn),
            Event::Opened { conn, .. } => self.room_came(conn, actions),
            Event::Deadline => {
                let now = self.now();
                let is_due = |group: &Group| group.pool.next_timeout().is_some_and(|at| at <= now);
                self.each_pool(is_due, Pool::timeout, actions);
                self.forget_exited(actions);
                if self.figures_at.is_some_and(|at| at <= clock::instant()) {
                    (self.figures_at, is_figures) = (None, true);
                    self.show();
                }
            }
            // A note is a wake; the others are of things that nobody does here.
            Event::Told { .. } | Event::Blocked { .. } | Event::Drained { .. } | Event::HandedOver { .. } => {
            }
        }
        // At each event: the wake finds no place where workers say more than is heard, and then this is an event of theirs.
        for note in self.parts.inbox.take() {
            self.note(note, actions);
        }
        self.say_over();
        if !is_figures {
            self.figures_at.get_or_insert_with(|| clock::instant() + FIGURES_EVERY);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let pools = self.parts.groups.iter().filter_map(|group| group.pool.next_timeout()).min();
        let pools = pools.map(|at| self.parts.clock.instant_at(at));
        let exited = self.exited.front().map(|(until, _)| *until);
        [pools, exited, self.figures_at].into_iter().flatten().min()
    }
}
