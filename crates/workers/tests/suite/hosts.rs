//! Hosts as processes of their own: they answer room servers elsewhere, and leave no worker behind.

use crate::rig::{
    Folder, GROUP, PATIENCE, Rig, children_of, config, group, is_alive, launcher, python, script, text,
    wait_until, walk,
};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use usher_proto::machine::Played;
use usher_proto::message::{NotDone, Play};
use usher_secure::LinkSecret;
use usher_workers::config::{GroupConfig, Members};
use usher_workers::{Config, Workers};

/// A host with two workers; killed with the test.
pub(crate) struct Host {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
    folder: Folder,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::start_in(Folder::new(), &python("good"), Stdio::inherit())
    }

    /// One that lets in whoever the other lets in.
    fn beside(other: &Self) -> Self {
        let folder = Folder::new();
        fs::copy(other.folder.0.join("workers.secret"), folder.0.join("workers.secret")).unwrap();
        Self::start_in(folder, &python("good"), Stdio::inherit())
    }

    fn start_in(folder: Folder, command: &[String], log: Stdio) -> Self {
        let command: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
        let text = format!(
            "kind = \"workers\"\n[server]\nname = \"host\"\nlisten = \"127.0.0.1:0\"\ncreate_key = true\n\
             [workers]\nheartbeat_ms = 500\n[[workers.groups]]\nname = \"{GROUP}\"\ncommand = [{}]\ninstances = 2\n\
             games = [\"walk\"]\nrepeatable = [\"echo\", \"pid\"]\n",
            command.join(", ")
        );
        let file = folder.0.join("workers.toml");
        fs::write(&file, text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_usher-workers"))
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(log)
            .env_remove("PYTHONUNBUFFERED") // a user's worker has none, and what it prints is to be heard
            .spawn()
            .unwrap();
        let said = lines(process.stdout.take().unwrap());
        let ready = said.recv_timeout(PATIENCE).expect("it says that it is ready");
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let address = |key: &str| ready[key].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), admin: address("admin"), process, folder }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn workers(&self) -> Vec<i32> {
        children_of(self.process.id())
    }

    /// The key by which a room server of that name is let in.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        let path = self.folder.0.join(format!("workers-{name}.key"));
        let secret = LinkSecret::load(&self.folder.0.join("workers.secret")).unwrap();
        secret.key_of(name).write_file(&path).unwrap();
        path
    }

    fn end(&mut self) -> std::process::ExitStatus {
        let mut ended = None;
        wait_until("the host has ended", || {
            ended = self.process.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}

/// What is said there, line by line.
fn lines(of: impl Read + Send + 'static) -> Receiver<String> {
    let (told, line) = channel();
    std::thread::Builder::new()
        .spawn(move || {
            for line in BufReader::new(of).lines().map_while(Result::ok) {
                let _ = told.send(line); // the test may have its line
            }
        })
        .unwrap();
    line
}

/// A room server's group at those hosts.
pub(crate) fn at(hosts: &[&Host], key_file: &Path) -> GroupConfig {
    let addresses = hosts.iter().map(|host| host.address).collect();
    GroupConfig { members: Members::Hosts { addresses, key_file: key_file.into() }, ..group("good", 1) }
}

/// Two that are alike, and a room server that has both.
fn two_hosts() -> (Host, Host, Rig) {
    let first = Host::start();
    let second = Host::beside(&first);
    let rig = Rig::of(vec![at(&[&first, &second], &first.key("room-1"))]);
    rig.wait_up(2);
    (first, second, rig)
}

#[test]
fn a_host_answers_a_room_server_elsewhere() {
    let host = Host::start();
    let rig = Rig::of(vec![at(&[&host], &host.key("room-1"))]);
    rig.wait_up(1);
    assert_eq!(rig.get("echo", "over the wire"), Ok("over the wire".into()));
    assert_eq!(rig.get("fail", ""), Err(NotDone::Failed("as asked".into())));
    assert!(host.workers().contains(&rig.pid()));
    let many: Vec<_> = (0..200).map(|at| rig.ask("echo", &at.to_string())).collect();
    assert!(many.iter().enumerate().all(|(at, answer)| text(answer) == Ok(at.to_string())));
    let large = "x".repeat(120_000);
    assert_eq!(rig.get("echo", &large), Ok(large));
}

#[test]
fn whoever_has_another_key_is_not_let_in() {
    let (host, other) = (Host::start(), Host::start());
    let mut config = at(&[&host], &other.key("room-1"));
    config.deadline = Duration::from_millis(300);
    let rig = Rig::of(vec![config]);
    rig.wait_figure("crash_looping", |away| away == 1);
    assert_eq!(rig.get("echo", "x"), Err(NotDone::Late));
    assert_eq!(rig.figure("up"), 0);
}

#[test]
fn a_killed_host_takes_its_workers_along_and_another_goes_on() {
    let (mut first, _second, rig) = two_hosts();
    wait_until("all workers are there", || first.workers().len() == 2);
    let workers = first.workers();
    let held: Vec<_> = (0..2).map(|_| rig.ask("sleep", "1")).collect();
    wait_until("each host has one", || rig.figure("in_flight") == 2);
    let repeatable: Vec<_> = (0..20).map(|at| rig.ask("echo", &at.to_string())).collect();
    kill_process(first.pid(), Signal::KILL).unwrap();
    first.end();
    wait_until("no worker is left", || workers.iter().all(|pid| !is_alive(*pid)));
    assert!(repeatable.iter().enumerate().all(|(at, answer)| text(answer) == Ok(at.to_string())));
    let mut held: Vec<_> = held.iter().map(text).collect();
    held.sort_by_key(Result::is_ok);
    assert_eq!(held, [Err(NotDone::WorkerDied), Ok("1".into())]);
}

#[test]
fn a_drained_host_answers_what_it_has_and_ends_well() {
    let mut host = Host::start();
    let rig = Rig::of(vec![at(&[&host], &host.key("room-1"))]);
    rig.wait_up(1);
    wait_until("both workers are there", || host.workers().len() == 2);
    let workers = host.workers();
    let slow = rig.ask("sleep", "0.3");
    wait_until("it is taken", || rig.figure("in_flight") == 1);
    // What was asked before is read before: it is answered in order.
    assert_eq!(rig.get("echo", "x"), Ok("x".into()));
    kill_process(host.pid(), Signal::TERM).unwrap();
    assert_eq!(text(&slow), Ok("0.3".into()));
    assert!(host.end().success());
    assert!(workers.iter().all(|pid| !is_alive(*pid)));
}

/// The room server speaks first, so that nobody waits for a heartbeat to show who it is; and a host lets it be silent then.
#[test]
fn a_host_is_there_before_any_heartbeat() {
    let (host, folder) = (Host::start(), Folder::new());
    let config = config(&folder, vec![at(&[&host], &host.key("room-1"))]);
    let config = Config { heartbeat: 10 * PATIENCE, ..config };
    let rig = Rig { workers: Workers::start(&config, launcher()).unwrap(), folder };
    rig.wait_up(1);
    assert_eq!(rig.get("echo", "x"), Ok("x".into()));
}

#[test]
fn a_room_server_with_nothing_to_do_sees_a_host_leave() {
    let (mut first, _second, rig) = two_hosts();
    kill_process(first.pid(), Signal::TERM).unwrap();
    assert!(first.end().success());
    rig.wait_up(1);
    rig.wait_figure("crash_looping", |away| away == 1);
    assert_eq!(rig.figure("deaths_total"), 0, "it left, and is not there");
    assert_eq!(rig.get("once", "x"), Ok("x".into()));
}

/// The other host would do it a second time.
#[test]
fn what_a_host_was_doing_when_it_was_stopped_at_once_is_not_given_to_another() {
    let (mut first, _second, rig) = two_hosts();
    let held: Vec<_> = (0..2).map(|_| rig.ask("long", "15")).collect();
    wait_until("each host has one", || rig.figure("in_flight") == 2);
    let workers = first.workers();
    kill_process(first.pid(), Signal::TERM).unwrap();
    wait_until("it takes no more", || TcpStream::connect(first.address).is_err());
    kill_process(first.pid(), Signal::TERM).unwrap();
    first.end();
    assert!(workers.iter().all(|pid| !is_alive(*pid)));
    let first_told = held.iter().find_map(|answer| answer.recv_timeout(Duration::from_secs(5)).ok());
    assert_eq!(first_told, Some(Err(NotDone::WorkerDied)));
}

#[test]
fn what_no_group_of_a_host_does_is_said_and_the_host_stays() {
    let host = Host::start();
    let mut config = at(&[&host], &host.key("room-1"));
    config.games.push("chess".into());
    let rig = Rig::of(vec![config]);
    rig.wait_up(1);
    let Played::Undone(NotDone::Failed(why)) = rig.play(Play { game: "chess".into(), ..walk(0, 0) }) else {
        panic!("nobody there plays that");
    };
    assert_eq!(why, "no group here does that");
    assert!(matches!(rig.play(walk(0, 0)), Played::Look(_)));
    assert_eq!(rig.figure("deaths_total"), 0);
}

/// Longer than heartbeats are waited for: it is not taken for dead meanwhile.
#[test]
fn what_is_asked_of_a_host_that_is_drained_is_anothers() {
    let (first, _second, rig) = two_hosts();
    let held: Vec<_> = (0..2).map(|_| rig.ask("long", "3")).collect();
    wait_until("each host has one", || rig.figure("in_flight") == 2);
    kill_process(first.pid(), Signal::TERM).unwrap();
    // Not to be repeated, and some are said to the host that takes nothing more.
    let once: Vec<_> = (0..50).map(|at| rig.ask("once", &at.to_string())).collect();
    for (at, answer) in once.iter().enumerate() {
        assert_eq!(text(answer), Ok(at.to_string()));
    }
    assert!(held.iter().all(|answer| text(answer) == Ok("3".into())));
}

#[test]
fn a_host_renews_its_workers_when_it_is_told() {
    use std::io::Write;
    let host = Host::start();
    let before = host.workers();
    let mut admin = TcpStream::connect(host.admin).unwrap();
    admin.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "POST /api/workers/reload HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        host.admin
    );
    admin.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    wait_until("all are new", || before.iter().all(|pid| !is_alive(*pid)) && host.workers().len() == 2);
}

#[test]
fn what_a_killed_worker_printed_is_heard() {
    let mut host = Host::start_in(Folder::new(), &script("prints.py", ""), Stdio::piped());
    let log = lines(host.process.stderr.take().unwrap());
    let rig = Rig::of(vec![at(&[&host], &host.key("room-1"))]);
    rig.wait_up(1);
    let pid = rig.get("print", "the last words of a worker").unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.contains("a worker has ended")) {
        said.push(log.recv_timeout(PATIENCE).expect("the end of a worker is in the log"));
    }
    assert!(said.iter().any(|line| line.contains("the last words of a worker")), "{said:#?}");
}
