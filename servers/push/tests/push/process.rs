//! The binary: its lines, its exit codes, its pages, and its end.
//!
//! Read next: `usher_runtime::life`.

use crate::rig::{PATIENCE, Peer, Setup, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use usher_proto::Message;
use usher_proto::message::{
    CloseReason, ControllerHello, Instruction, PortionTaken, Position, Since, Subscribe, Subscribed,
    TerminalHello, To,
};

/// A config file that is gone with its test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usher-push-{}-{number}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // what is left is in the system's folder for such things
    }
}

/// The binary at work.
struct Process {
    child: Child,
    lines: Receiver<String>,
    ready: Value,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher-push"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

impl Process {
    fn start(file: &File) -> Self {
        let mut child = command(&["--die-with-parent", "-c", file.name()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let pass_on = move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        std::thread::Builder::new().spawn(pass_on).unwrap();
        let ready = lines.recv_timeout(PATIENCE).expect("a ready line");
        Self { child, lines, ready: serde_json::from_str(&ready).unwrap() }
    }

    fn listener(&self, name: &str) -> SocketAddr {
        self.ready["listeners"][name].as_str().unwrap().parse().unwrap()
    }

    fn terminal(&self, name: &str, since: Since) -> Peer {
        let peer = Peer::connect(self.listener("terminals"));
        peer.say(TerminalHello { name: name.into(), generation: 0, since: Since::Start });
        peer.say(Subscribe { topic: "gold".into(), since });
        peer
    }

    fn controller(&self) -> Peer {
        let peer = Peer::connect(self.listener("controllers"));
        peer.say(ControllerHello { name: "desk".into(), generation: 0 });
        peer
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// How it ended, and its last line.
    fn ended(&mut self) -> (ExitStatus, Value) {
        let status = until("the end of the server", || self.child.try_wait().unwrap());
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_default();
        (status, serde_json::from_str(&line).unwrap_or_default())
    }

    fn page(&self, path: &str) -> (u16, String) {
        let admin = self.ready["admin"].as_str().unwrap();
        let request = ureq::get(format!("http://{admin}{path}")).config().http_status_as_error(false).build();
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }
}

fn gold() -> To {
    To::Topic("gold".into())
}

fn assert_ended_well((status, last): &(ExitStatus, Value)) {
    assert!(status.success(), "{status}");
    assert_eq!(last["stopped"], "push");
    for pool in ["contexts", "buffers"] {
        let pool = &last["pools"][pool];
        assert!(pool["taken"].is_u64() && pool["taken"] == pool["returned"], "{last}");
    }
}

#[test]
fn it_says_where_it_listens_and_shows_its_figures() {
    let file = File::new(&Setup::default().text());
    let mut server = Process::start(&file);
    assert_eq!((&server.ready["ready"], &server.ready["kind"]), (&"push".into(), &"push".into()));
    assert_eq!(server.ready["address"], server.ready["listeners"]["terminals"]);
    let mut controller = server.controller();
    controller.instruct(1, &gold(), "do");
    assert_eq!(server.page("/healthz").0, 200);
    assert_eq!(server.page("/readyz"), (200, "ready\n".into()));
    assert_eq!(server.page("/api/cluster").0, 404);
    until("the figures are shown", || {
        let (_, page) = server.page("/metrics");
        assert!(
            page.contains("usher_connections{listener=\"controllers\"} 1") && !page.contains("usher_link_up")
        );
        (page.contains("usher_push_instructions_total 1") && page.contains("usher_push_log_bytes 2"))
            .then_some(())
    });
    server.terminate();
    assert_ended_well(&server.ended());
    assert_eq!(controller.last_word(), Some(CloseReason::Draining));
}

#[test]
fn usage_and_config_have_their_exit_codes_and_say_what_is_wrong() {
    let good = Setup::default().text();
    let file = File::new(&good);
    for (args, code) in
        [(&["--help"][..], 0), (&["--version"], 0), (&[], 2), (&["-c"], 2), (&["-c", "/nowhere"], 2)]
    {
        assert_eq!(output(args).status.code(), Some(code), "{args:?}");
    }
    let printed = output(&["-c", file.name(), "--print-config"]);
    assert!(printed.status.success());
    let again = File::new(text(&printed.stdout));
    assert_eq!(output(&["-c", again.name(), "--print-config"]).stdout, printed.stdout);
    let cases = [
        ("[controllers]", "[controler]", ":7: controler: "),
        ("name = \"push\"", "name = 7", ":3: server.name: "),
        ("kind = \"push\"", "kind = \"hall\"", ":1: kind: "),
        ("[controllers]\n", "[controllers]\nhigh_water_bytes = 0\n", ":8: controllers.high_water_bytes: "),
    ];
    for (from, to, place) in cases {
        let wrong = File::new(&good.replacen(from, to, 1));
        let ended = output(&["-c", wrong.name()]);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {}{place}", wrong.name())), "{to}: {said}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = std::net::TcpListener::bind(taken).unwrap();
    let busy = File::new(&good.replacen("127.0.0.1:0", &taken.to_string(), 1));
    let ended = output(&["-c", busy.name()]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains(&format!("terminals at {taken}")), "{}", text(&ended.stderr));
    drop(held);
}

#[test]
fn a_drain_gives_a_terminal_what_it_missed_and_a_second_signal_does_not_wait() {
    let limits = "[limits]\nportion_bytes_max = 1\ndrain_timeout_s = 3600\n";
    let file = File::new(&Setup { rest: limits, ..Setup::default() }.text());
    for is_second in [false, true] {
        let mut server = Process::start(&file);
        let mut controller = server.controller();
        for request in 1..=5 {
            controller.instruct(request, &gold(), "do");
        }
        let mut behind = server.terminal("t1", Since::Start);
        behind.await_said("the first portion", |it| matches!(it, Message::PortionSent(_)).then_some(()));
        server.terminate();
        assert_eq!(controller.last_word(), Some(CloseReason::Draining));
        assert_eq!(server.page("/readyz"), (503, "draining\n".into()));
        if is_second {
            server.terminate();
            assert_eq!(behind.last_word(), Some(CloseReason::ServerStopping));
        } else {
            for seq in 2..=5 {
                behind.say(PortionTaken {});
                assert_eq!(behind.hear(), Instruction { to: gold(), seq, payload: "do".into() }.into());
                assert!(matches!(behind.hear(), Message::PortionSent(_)));
            }
            behind.say(PortionTaken {});
            assert_eq!(behind.last_word(), Some(CloseReason::Draining));
        }
        assert_ended_well(&server.ended());
    }
}

#[test]
fn after_a_kill_the_number_of_the_log_says_that_it_is_another() {
    let file = File::new(&Setup::default().text());
    let mut server = Process::start(&file);
    let mut terminal = server.terminal("t1", Since::Now);
    let subscribed = |peer: &mut Peer| {
        peer.await_said("the topic", |message| match message {
            Message::Subscribed(Subscribed { to: To::Topic(_), log, seq, last }) => Some((*log, *seq, *last)),
            _ => None,
        })
    };
    let (log, seq, _) = subscribed(&mut terminal);
    server.controller().instruct(1, &gold(), "before");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = Process::start(&file);
    server.controller().instruct(1, &gold(), "after");
    let mut back = server.terminal("t1", Since::After(Position { log, seq }));
    let (newer, seq, last) = subscribed(&mut back);
    assert!(newer > log, "{newer} is not another log than {log}");
    assert_eq!((seq, last), (0, 1));
    assert_eq!(back.hear(), Instruction { to: gold(), seq: 1, payload: "after".into() }.into());
}
