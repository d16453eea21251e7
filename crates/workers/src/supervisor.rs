//! The thread that starts worker processes, hears what they print, and sees them end.
//!
//! Why: a start, a wait and a write to a disk may take their time; a pool may not. And the kernel ties a child to the
//! thread that started it ([`usher_runtime::leash`]): this one lives as long as there may be children.
//! Owns: the children and their output. Does not own their connections (layer 2), nor when they are to start or end
//! (the pools).
//! Invariants: a child leads a group of processes of its own. When it has ended, the group is killed before the child is
//! waited for: until then nobody else can have its number. One life of a worker is over before the next one begins.
//! Limits: lines of a child as `supervisor/child.rs` says; orders are as many as the pools' starts, ends and dead letters.
//! A process that a child started and that left the group is not found.
//! Read next: `supervisor/child.rs`.

mod child;

use crate::dead_letters::{DeadLetter, DeadLetters};
use crate::hello::{AwaitHello, Hellos};
use crate::inbox::{Inbox, Note};
use crate::service::WorkersService;
use crate::slot::Slot;
use child::Child;
pub use child::{LINE_BYTES_MAX, LINES_MAX};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};
use usher_hpserver::{ListenerId, Remote};
use usher_proto::codec::Form;
use usher_runtime::leash;

/// Through which executable workers are started: one whose main calls [`leash::obey`].
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
}

impl Launcher {
    /// Through this very executable, even if its file has been replaced.
    pub fn own() -> Self {
        Self { program: "/proc/self/exe".into() }
    }

    /// Through that one.
    pub fn through(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }
}

/// What is wanted of the supervisor.
enum Order {
    Start(Slot),
    Kill(Slot),
    Letter(Box<DeadLetter>),
    /// Kill all, and end.
    Quit,
}

/// The way to the supervisor.
#[derive(Clone)]
pub(crate) struct Orders {
    queue: Sender<Order>,
    bell: Arc<OwnedFd>,
}

impl Orders {
    pub(crate) fn start(&self, slot: Slot) {
        self.order(Order::Start(slot));
    }

    pub(crate) fn kill(&self, slot: Slot) {
        self.order(Order::Kill(slot));
    }

    pub(crate) fn letter(&self, letter: DeadLetter) {
        self.order(Order::Letter(Box::new(letter)));
    }

    /// Kills all that is left, and ends the thread.
    pub(crate) fn quit(&self) {
        self.order(Order::Quit);
    }

    fn order(&self, order: Order) {
        if self.queue.send(order).is_ok() {
            let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes()); // it rings already
        }
    }
}

/// How the workers of one group are started.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) group: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) listener: ListenerId,
    pub(crate) form: Form,
}

/// What a supervisor begins with.
pub(crate) struct Parts {
    pub(crate) launcher: Launcher,
    /// Where workers run.
    pub(crate) folder: PathBuf,
    /// By group; hosts have none.
    pub(crate) recipes: Vec<Option<Recipe>>,
    pub(crate) letters: DeadLetters,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) hellos: Arc<Hellos>,
}

/// What is to become a supervisor when the service is there.
pub(crate) struct Waiting {
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
}

/// The way to a supervisor, and what becomes it.
pub(crate) fn prepare() -> io::Result<(Orders, Waiting)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (queue, orders) = channel();
    Ok((Orders { queue, bell: Arc::clone(&bell) }, Waiting { orders, bell }))
}

impl Waiting {
    /// Starts the thread.
    pub(crate) fn start(self, parts: Parts, remote: Remote<WorkersService>) -> io::Result<JoinHandle<()>> {
        let Self { orders, bell } = self;
        let supervisor =
            Supervisor { orders, bell, parts, remote, children: BTreeMap::new(), next: Vec::new() };
        Builder::new().name("supervisor".into()).spawn(move || supervisor.run())
    }
}

struct Supervisor {
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
    parts: Parts,
    remote: Remote<WorkersService>,
    children: BTreeMap<Slot, Child>,
    /// Lives that begin when the ones before are over.
    next: Vec<Slot>,
}

impl Supervisor {
    fn run(mut self) {
        let mut is_open = true;
        while is_open || !self.children.is_empty() {
            if is_open && !self.obey() {
                is_open = false;
                for slot in std::mem::take(&mut self.next) {
                    self.ended(slot);
                }
                self.children.values().for_each(Child::kill);
            }
            if is_open || !self.children.is_empty() {
                self.wait();
            }
            self.look();
        }
    }

    /// Does what is ordered; false: nobody orders any more.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Start(slot)) => self.begin(slot),
                Ok(Order::Kill(slot)) => match self.children.get(&slot) {
                    Some(child) => child.kill(),
                    None if self.next.contains(&slot) => {
                        self.next.retain(|it| *it != slot);
                        self.ended(slot);
                    }
                    None => {}
                },
                Ok(Order::Letter(letter)) => self.parts.letters.write(*letter),
                Err(TryRecvError::Empty) => return true,
                Ok(Order::Quit) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits for an order, a word or an end.
    fn wait(&self) {
        let mut all = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        all.extend(self.children.values().flat_map(Child::signs));
        match poll(&mut all, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => tracing::error!(%error, "cannot wait for workers"),
        }
        let mut rings = [0; 8];
        let _ = rustix::io::read(&*self.bell, &mut rings); // nobody rang
    }

    /// Hears what was said, and sees who has ended.
    fn look(&mut self) {
        let mut ended = Vec::new();
        for (slot, child) in &mut self.children {
            child.hear();
            if child.has_ended() {
                ended.push(*slot);
            }
        }
        for slot in ended {
            if let Some(child) = self.children.remove(&slot) {
                child.finish();
            }
            self.ended(slot);
            if let Some(at) = self.next.iter().position(|it| it.is_of(slot)) {
                let next = self.next.swap_remove(at);
                self.begin(next);
            }
        }
    }

    fn ended(&self, slot: Slot) {
        if self.parts.inbox.put(Note::Ended(slot)).is_ok_and(|wakes| wakes) {
            let _ = self.remote.tell(0, ()); // stopped: nobody waits
        }
    }

    /// Begins a life, once the one before is over.
    fn begin(&mut self, slot: Slot) {
        if let Some((_, child)) = self.children.iter().find(|(it, _)| it.is_of(slot)) {
            child.kill();
            return self.next.push(slot);
        }
        if let Err(error) = self.start(slot) {
            let recipe = self.parts.recipes[usize::from(slot.group)].as_ref();
            tracing::error!(group = recipe.map(|it| it.group), worker = %slot, %error, "cannot be started");
            self.ended(slot);
        }
    }

    fn start(&mut self, slot: Slot) -> io::Result<()> {
        let recipe = self.parts.recipes[usize::from(slot.group)].as_ref();
        let recipe = recipe.ok_or(io::ErrorKind::Unsupported)?;
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = leash::command(&self.parts.launcher.program, &recipe.command);
        command.current_dir(&self.parts.folder).stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = Child::start(command, recipe.group, slot)?;
        self.children.insert(slot, child);
        let offer = Box::new(AwaitHello { slot, form: recipe.form, hellos: Arc::clone(&self.parts.hellos) });
        self.remote.adopt(0, recipe.listener, ours, slot.token(), Some(offer));
        Ok(())
    }
}
