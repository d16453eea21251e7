//! Workers under test, and somebody who asks them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use usher_proto::Payload;
use usher_proto::codec::Form;
use usher_proto::machine::Played;
use usher_proto::message::{Deed, NotDone, Play};
use usher_runtime::process::is_running;
use usher_workers::config::{GroupConfig, Members};
use usher_workers::{Ask, Config, Launcher, Workers};

/// Nothing here takes so long, unless it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The group that most tests have.
pub(crate) const GROUP: &str = "tests";

pub(crate) type Answer = Result<Payload, NotDone>;

/// The executable that tests start workers through.
pub(crate) fn launcher() -> Launcher {
    Launcher::through(env!("CARGO_BIN_EXE_usher-workers"))
}

pub(crate) fn now() -> Instant {
    usher_runtime::clock::instant()
}

/// A folder of a test's own, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("usher-workers-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The lines of a file that workers write.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.0.join(name)).unwrap_or_default().lines().map(String::from).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command of a test's worker.
pub(crate) fn python(mode: &str) -> Vec<String> {
    script("worker.py", mode)
}

pub(crate) fn script(name: &str, mode: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(name);
    ["python3".into(), script.display().to_string(), mode.into()].into()
}

pub(crate) fn group(mode: &str, instances: usize) -> GroupConfig {
    GroupConfig {
        name: GROUP.into(),
        members: Members::Children { command: python(mode), instances, form: Form::Json },
        games: vec!["walk".into()],
        kinds: Vec::new(),
        repeatable: ["echo", "pid", "version", "write", "poison", "twice", "stranger"]
            .map(String::from)
            .into(),
        in_flight_max: 16,
        queue_max: 4_096,
        deadline: Duration::from_secs(20),
    }
}

pub(crate) fn config(folder: &Folder, groups: Vec<GroupConfig>) -> Config {
    Config {
        name: "room-1".into(),
        heartbeat: Duration::from_millis(500),
        dead_letters: folder.0.join("dead.jsonl"),
        folder: folder.0.clone(),
        groups,
    }
}

pub(crate) struct Rig {
    pub(crate) workers: Workers,
    pub(crate) folder: Folder,
}

impl Rig {
    /// So many good workers, which are up.
    pub(crate) fn good(instances: usize) -> Self {
        let rig = Self::of(vec![group("good", instances)]);
        rig.wait_up(instances as u64);
        rig
    }

    pub(crate) fn of(groups: Vec<GroupConfig>) -> Self {
        let folder = Folder::new();
        let workers = Workers::start(&config(&folder, groups), launcher()).unwrap();
        Self { workers, folder }
    }

    pub(crate) fn ask(&self, kind: &str, body: &str) -> Receiver<Answer> {
        self.ask_with(kind, body, None)
    }

    pub(crate) fn ask_with(&self, kind: &str, body: &str, key: Option<&str>) -> Receiver<Answer> {
        let (done, answer) = channel();
        let ask = Ask {
            group: GROUP.into(),
            kind: kind.into(),
            key: key.map(String::from),
            body: body.into(),
            deadline: None,
        };
        self.workers.work(ask, Box::new(move |came| drop(done.send(came))));
        answer
    }

    pub(crate) fn play(&self, play: Play) -> Played {
        let (done, answer) = channel();
        self.workers.play(play, Box::new(move |came| drop(done.send(came))));
        answer.recv_timeout(PATIENCE).expect("a hand is answered")
    }

    /// Asks and waits; what is answered is text.
    pub(crate) fn get(&self, kind: &str, body: &str) -> Result<String, NotDone> {
        text(&self.ask(kind, body))
    }

    pub(crate) fn pid(&self) -> i32 {
        self.get("pid", "").unwrap().parse().unwrap()
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        self.workers.figures().value(&format!("usher_workers_{name}{{group=\"{GROUP}\"}}")).unwrap_or(0)
    }

    pub(crate) fn wait_figure(&self, name: &str, is_good: impl Fn(u64) -> bool) {
        wait_until(name, || is_good(self.figure(name)));
    }

    pub(crate) fn wait_up(&self, count: u64) {
        self.wait_figure("up", |up| up == count);
    }
}

/// The next thing in a hand of so many moves.
pub(crate) fn walk(table: u32, moves: usize) -> Play {
    Play {
        game: "walk".into(),
        hand: format!("room/{table}/7"),
        seats: 2,
        seed: [0; 32].into(),
        moves: vec![Deed::Act { seat: 0, action: "go".into() }; moves],
        next: Some(Deed::Timeout),
    }
}

/// What is answered, as text.
pub(crate) fn text(answer: &Receiver<Answer>) -> Result<String, NotDone> {
    let came = answer.recv_timeout(PATIENCE).expect("every request is answered");
    came.map(|body| String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = now() + PATIENCE;
    while !is_so() {
        assert!(now() < end, "{what}: not in time");
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// Whether there is such a process, and it is no zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    is_running(pid.cast_unsigned())
}

/// The children of a process that live.
pub(crate) fn children_of(parent: u32) -> Vec<i32> {
    usher_runtime::process::children_of(parent).into_iter().map(u32::cast_signed).collect()
}
