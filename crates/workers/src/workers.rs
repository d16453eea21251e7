//! The workers of a process, for whoever asks them.
//!
//! Why: a room server, a host and a test hold one value and know no pools.
//! Owns: the threads: layer 2's worker with the pools, and the supervisor with the processes.
//! Invariants: whoever asks is told once: on the pools' thread, or at once where nobody takes the request any more. After
//! [`Workers::stop`], or a drop, no worker of this process is left.
//! Limits: the config's; `ASKS_MAX` (`inbox.rs`) requests that the pools have not seen yet.
//! Read next: `service.rs`.

use crate::config::{Config, Members};
use crate::dead_letters::DeadLetters;
use crate::group::Group;
use crate::hello::Hellos;
use crate::high_water::{HIGH_WATER_BYTES_MAX, high_water_bytes};
use crate::inbox::{Asked, Inbox, Note};
use crate::job::{Asker, HearPlayed, HearWorked, Job, Outcome};
use crate::pool::{END_MAX, START_MAX};
use crate::service::{self, Shown, WorkersService};
use crate::supervisor::{self, Launcher, Orders, Recipe};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use usher_hpserver::{
    Config as Layer2, Limits, ListenerConfig, ListenerId, Metrics, NoChannel, Remote, Server, completion,
};
use usher_proto::codec::Form;
use usher_proto::message::{NotDone, Play};
use usher_proto::{Figures, Payload};
use usher_runtime::admin::AdminState;
use usher_runtime::answers::AskWorker;
use usher_runtime::clock::Clock;
use usher_runtime::codec::{Native, Side};
use usher_runtime::door::Door;
use usher_runtime::{life, metrics};
use usher_secure::LinkKey;

/// Children that speak MessagePack, children that speak JSON, hosts that were dialled; and, where they may come, room
/// servers.
const MSGPACK: ListenerId = ListenerId(0);
const JSON: ListenerId = ListenerId(1);
const HOSTS: ListenerId = ListenerId(2);
/// Silent through so many heartbeats, a worker is ended.
const HEARTBEATS_MISSED_MAX: u32 = 3;
/// How long a host may take to answer a dial.
const DIAL_MAX: Duration = Duration::from_secs(3);
/// What a last answer may take to leave.
const FLUSH_MAX: Duration = Duration::from_secs(1);
/// Room servers that one host serves.
const ROOMS_MAX: usize = 1_024;

/// Work to be done.
#[derive(Clone, Debug)]
pub struct Ask {
    /// By which group.
    pub group: String,
    /// What kind of work.
    pub kind: String,
    /// What it is about: requests of one key go to one worker where that can be, so it is the first to look for what it
    /// may have kept of it. Two workers may have requests of one key at once.
    pub key: Option<String>,
    /// The rest, in a layout of the kind's own.
    pub body: Payload,
    /// How long it may take; no longer than the group's own limit.
    pub deadline: Option<Duration>,
}

/// Where room servers elsewhere find the workers of this process.
pub struct RoomsDoor {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who is let in.
    pub door: Door,
}

/// Workers at work.
pub struct Workers {
    desk: Arc<Desk>,
    server: Option<Server<WorkersService>>,
    orders: Orders,
    supervisor: Option<JoinHandle<()>>,
}

/// What whoever asks has.
struct Desk {
    config: Config,
    inbox: Arc<Inbox>,
    remote: Remote<WorkersService>,
    shown: Arc<Shown>,
}

impl Workers {
    /// Starts them.
    pub fn start(config: &Config, launcher: Launcher) -> anyhow::Result<Self> {
        Self::start_for(config, launcher, None)
    }

    /// Starts them, for room servers elsewhere too.
    pub fn start_for(config: &Config, launcher: Launcher, rooms: Option<RoomsDoor>) -> anyhow::Result<Self> {
        let (orders, supervisor) = supervisor::prepare().context("cannot supervise workers")?;
        let (inbox, shown) = (Arc::new(Inbox::default()), Arc::new(Shown::default()));
        let (clock, hellos) = (Clock::start(), Arc::new(Hellos::default()));
        let groups = groups(config, clock)?;
        let recipes = groups.iter().map(recipe).collect();
        let mut parts = Some(service::Parts {
            groups,
            name: config.name.clone(),
            clock,
            inbox: Arc::clone(&inbox),
            orders: orders.clone(),
            hellos: Arc::clone(&hellos),
            shown: Arc::clone(&shown),
        });
        let server = Server::start(layer_2(config), listeners(config, rooms), |_| {
            WorkersService::new(parts.take().expect("invariant: there is one shard"))
        })
        .context("cannot start layer 2 for workers")?;
        let remote = server.remote();
        let parts = supervisor::Parts {
            launcher,
            folder: config.folder.clone(),
            recipes,
            letters: DeadLetters::new(&config.dead_letters),
            inbox: Arc::clone(&inbox),
            hellos,
        };
        let supervisor = supervisor.start(parts, remote.clone()).context("cannot supervise workers")?;
        let desk = Arc::new(Desk { config: config.clone(), inbox, remote, shown });
        Ok(Self { desk, server: Some(server), orders, supervisor: Some(supervisor) })
    }

    /// Has a worker say what comes of a hand.
    pub fn play(&self, play: Play, done: HearPlayed) {
        self.desk.play(play, done);
    }

    /// Has a worker do something.
    pub fn work(&self, ask: Ask, done: HearWorked) {
        let Ask { group, kind, key, body, deadline } = ask;
        let at = self.desk.config.groups.iter().position(|it| it.name == group);
        self.desk.ask(at, Job::Work { kind, key, body }, Asker::Work(done), deadline);
    }

    /// The way to them for a room server's machines.
    pub fn ask_worker(&self) -> AskWorker {
        let desk = Arc::clone(&self.desk);
        Arc::new(move |play, done| desk.play(play, done))
    }

    /// Ends each worker when it has answered what it has, and starts it anew, one after the other. False: they are
    /// being stopped.
    pub fn reload(&self) -> bool {
        self.desk.tell(Note::Reload)
    }

    /// What does that, for whoever may have it done.
    pub fn reloader(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let desk = Arc::clone(&self.desk);
        Box::new(move || desk.tell(Note::Reload))
    }

    /// Takes no more requests; when those that are here are answered, all workers end.
    pub fn drain(&self) {
        self.server.iter().for_each(Server::stop_accepting);
        self.desk.tell(Note::Drain);
    }

    /// Whether it was drained, and no worker is left.
    pub fn is_drained(&self) -> bool {
        self.desk.shown.wait_over(Duration::ZERO)
    }

    /// What they have counted, a moment ago.
    pub fn figures(&self) -> Figures {
        self.desk.shown.figures()
    }

    /// What shows that, for whoever has a page.
    pub fn counter(&self) -> Box<dyn Fn() -> Figures + Send + Sync> {
        let desk = Arc::clone(&self.desk);
        Box::new(move || desk.shown.figures())
    }

    /// Layer 2's counters.
    pub fn metrics(&self) -> Metrics {
        self.desk.remote.metrics()
    }

    /// What an admin port shows of a process that has nothing else.
    pub(crate) fn admin(&self, shown: &Arc<metrics::Shown>) -> AdminState {
        AdminState::of(&self.desk.remote, shown, None)
    }

    /// Where room servers find them.
    pub fn address(&self) -> Option<SocketAddr> {
        let addresses = self.server.as_ref().map(Server::addresses).unwrap_or_default();
        addresses.first().map(|(_, address)| *address)
    }

    /// Ends them all: gently, and those that do not listen at once. Whoever waits is told that nobody works any more.
    pub fn stop(mut self) {
        self.end(false);
    }

    /// Ends them all at once.
    pub fn kill(mut self) {
        self.end(true);
    }

    /// Ends them at the end of a process that has nothing else; without a time to flush, all of them at once.
    pub(crate) fn finish(mut self, name: &str, flush: Duration) -> anyhow::Result<()> {
        self.end_all(flush.is_zero());
        self.server.take().map_or(Ok(()), |server| life::stop(server, name, flush))
    }

    fn end(&mut self, at_once: bool) {
        if self.server.is_some() {
            self.end_all(at_once);
        }
        if let Some(server) = self.server.take() {
            server.shutdown(FLUSH_MAX);
        }
    }

    fn end_all(&self, at_once: bool) {
        if self.desk.tell(Note::Stop { at_once }) && !self.desk.shown.wait_over(END_MAX + FLUSH_MAX) {
            tracing::error!("some workers could not be ended in time");
        }
        for note in self.desk.inbox.close() {
            if let Note::Ask(asked) = note {
                asked.asker.tell(Outcome::Undone(NotDone::NoWorker));
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end(false);
        self.orders.quit();
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join(); // its panic has been printed
        }
    }
}

impl Desk {
    fn play(&self, play: Play, done: HearPlayed) {
        let group = self.config.group_of(&play.game);
        self.ask(group, Job::Hand(Box::new(play)), Asker::Hand(done), None);
    }

    fn ask(&self, group: Option<usize>, job: Job, asker: Asker, within: Option<Duration>) {
        let Some(group) = group else {
            asker.tell(Outcome::Undone(NotDone::NoWorker));
            return;
        };
        match self.inbox.put(Note::Ask(Box::new(Asked { group, job, asker, within }))) {
            Ok(wakes) => self.wake(wakes),
            Err(Note::Ask(back)) => {
                let why = if self.inbox.is_closed() { NotDone::NoWorker } else { NotDone::Full };
                back.asker.tell(Outcome::Undone(why));
            }
            Err(_) => {}
        }
    }

    fn tell(&self, note: Note) -> bool {
        let put = self.inbox.put(note);
        put.is_ok_and(|wakes| {
            self.wake(wakes);
            true
        })
    }

    fn wake(&self, wakes: bool) {
        if wakes {
            let _ = self.remote.tell(0, ()); // there is one such note at a time; stopped, the inbox is emptied
        }
    }
}

fn groups(config: &Config, clock: Clock) -> anyhow::Result<Vec<Group>> {
    let group = |group: &crate::config::GroupConfig| {
        let (listener, key) = match &group.members {
            Members::Children { form: Form::Json, .. } => (JSON, None),
            Members::Children { form: Form::MessagePack, .. } => (MSGPACK, None),
            Members::Hosts { key_file, .. } => {
                (HOSTS, Some(LinkKey::load(key_file).context("workers.groups.key_file")?))
            }
        };
        // A label of figures lives as long as the program; there are as many as groups in the config.
        let name: &'static str = Box::leak(group.name.clone().into_boxed_str());
        Ok(Group::new(group, (name, listener), key, (rand::random(), clock.now())))
    };
    config.groups.iter().map(group).collect()
}

fn recipe(group: &Group) -> Option<Recipe> {
    match &group.config.members {
        Members::Children { command, form, .. } => Some(Recipe {
            group: group.name,
            command: command.clone(),
            listener: group.listener,
            form: *form,
        }),
        Members::Hosts { .. } => None,
    }
}

/// One worker of layer 1, which does everything: the pools' thread.
fn layer_2(config: &Config) -> Layer2 {
    let workers: usize = config.groups.iter().map(|group| group.members.count()).sum();
    Layer2 {
        completion: completion::Config {
            workers: 1,
            connections_max: 2 * workers + ROOMS_MAX,
            outgoing_reserved: 2 * workers, // each, and the one before it that is still closing
            send_queue_bytes_max: HIGH_WATER_BYTES_MAX, // each listener's own is lower
            linger_timeout: END_MAX,
            connect_timeout: DIAL_MAX,
            ..completion::Config::default()
        },
        receive_threads: 0,
        logic_threads: 0,
        send_threads: 0,
        ..Layer2::default()
    }
}

/// Each of them, in the order of their numbers.
fn listeners(config: &Config, rooms: Option<RoomsDoor>) -> Vec<ListenerConfig<WorkersService>> {
    let limits = Limits {
        connections_max: ROOMS_MAX,
        ping_interval: config.heartbeat,
        pings_missed_max: HEARTBEATS_MISSED_MAX,
        high_water_bytes: high_water_bytes(&config.groups),
        ..Limits::default()
    };
    // A start may take longer than a heartbeat: those begin with the hello.
    let children = Limits { first_message_deadline: START_MAX, ..limits.clone() };
    let listener = |name: &str, native: Native, limits: &Limits| ListenerConfig {
        name: name.into(),
        address: None,
        codec: Arc::new(native),
        channel: Arc::new(NoChannel), // who dials makes its own offer
        limits: limits.clone(),
        link: true,
        carries: None,
        tells_blocked: false,
        door: 0,
    };
    let native = Native::new(Side::ToWorkers);
    let mut all = vec![
        listener("workers-msgpack", native, &children),
        listener("workers-json", Native { form: Form::Json, ..native }, &children),
        listener("workers-hosts", native, &limits),
    ];
    if let Some(RoomsDoor { listen, door }) = rooms {
        // How many requests a room server has here is said in its config.
        let answers = Limits { high_water_bytes: HIGH_WATER_BYTES_MAX, ..limits };
        let rooms = listener("rooms", Native::new(Side::Worker), &answers);
        all.push(ListenerConfig { address: Some(listen), channel: Arc::new(door), ..rooms });
    }
    all
}
