//! `usher up`: a folder of configs becomes a cluster that is kept running until somebody wants an end.

use crate::cluster::{Folder, GUESTS, PUSH, ROOMS, config, free_address, signal, usher};
use crate::gateway::{INNER, through};
use crate::page::{state, until, until_in_rooms};
use crate::wire::seat_guest;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use usher_proto::ServerKind;

/// Ends `usher up` with the test, and its servers with it.
struct Up {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

impl Up {
    fn start(folder: &Folder) -> Self {
        let log = fs::File::create(folder.0.join("up.log")).unwrap();
        let mut child =
            usher().args(["up", "-c"]).arg(&folder.0).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let pass_on = move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        std::thread::Builder::new().spawn(pass_on).unwrap();
        Self { child, lines }
    }

    /// The words of the next line that begins with this one.
    fn line(&self, first: &str) -> Vec<String> {
        loop {
            let line = self.lines.recv_timeout(crate::page::PATIENCE).expect("a line");
            let words: Vec<_> = line.split_whitespace().map(String::from).collect();
            if words.first().is_some_and(|word| word == first) {
                return words;
            }
        }
    }

    /// The process id of a server of that kind.
    fn server(&self, kind: &str) -> Option<u32> {
        let parent = self.child.id().to_string();
        fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let command = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let after_name = stat.rsplit(") ").next()?;
            let is_its_child = after_name.split(' ').nth(1)? == parent && !after_name.starts_with('Z');
            let is_kind = command.split('\0').nth(1)? == kind;
            (is_its_child && is_kind).then(|| entry.file_name().to_str()?.parse().ok())?
        })
    }
}

#[test]
fn up_starts_a_folder_of_configs_starts_again_what_is_killed_and_drains_at_the_end() {
    let folder = Folder::new();
    let manager = free_address();
    let room = INNER.to_owned() + ROOMS;
    for (kind, name, listen, sections) in [
        (ServerKind::Gateway, "gateway", "127.0.0.1:0", ""),
        (ServerKind::Hall, "hall", "127.0.0.1:0", INNER),
        (ServerKind::Login, "login", "127.0.0.1:0", GUESTS),
        (ServerKind::Manager, "manager", manager.as_str(), ""),
        (ServerKind::Room, "room", "127.0.0.1:0", room.as_str()),
    ] {
        folder.write(&format!("{name}.toml"), &config(kind, name, listen, &manager, sections));
    }
    let mut up = Up::start(&folder);
    let admin: SocketAddr =
        up.line("manager")[3].trim_start_matches("http://").trim_end_matches("/metrics").parse().unwrap();
    let login = up.line("login")[2].clone();
    assert_eq!(up.line("Dashboard:")[1], format!("http://{admin}/"));
    for name in ["gateway", "hall", "login", "room"] {
        until(&format!("{name} is up"), || (state(admin, name)? == "up").then_some(()));
    }
    let killed = up.server("hall").expect("the hall runs");
    signal(killed, Signal::KILL);
    until("the hall is started again", || up.server("hall").filter(|pid| *pid != killed));
    until("and up", || (state(admin, "hall")? == "up").then_some(()));
    until("and offers rooms", || {
        let guest = crate::wire::log_in(&login, usher_proto::message::Credentials::Guest);
        let (_, directory) = crate::wire::visit_hall(&guest.halls.first()?.0, &guest.ticket);
        (!directory.rooms.is_empty()).then_some(())
    });
    for name in ["hall", "room"] {
        until("it is behind the gateway", || through(admin, name));
    }
    let seated = seat_guest(&login);
    until_in_rooms(admin, 1);
    signal(up.child.id(), Signal::TERM);
    let status = until("the end of all", || up.child.try_wait().unwrap());
    assert!(status.success(), "{status}: {}", fs::read_to_string(folder.0.join("up.log")).unwrap());
    drop(seated);
}

#[test]
fn up_keeps_a_push_server_that_has_no_cluster() {
    let folder = Folder::new();
    folder.write("push.toml", PUSH);
    let mut up = Up::start(&folder);
    assert_eq!(up.line("push")[1], "push");
    let words = up.line("Look");
    let [.., host, port] = words.as_slice() else { panic!("{words:?}") };
    let mut nc = TcpStream::connect(format!("{host}:{port}")).unwrap();
    nc.set_read_timeout(Some(crate::page::PATIENCE)).unwrap();
    nc.write_all(b"{\"get_counts\":{}}\n").unwrap();
    let mut lines = BufReader::new(nc).lines();
    let counts = lines.next().unwrap().unwrap();
    assert!(counts.starts_with("{\"counts\":{\"terminals\":0,"), "{counts}");
    signal(up.child.id(), Signal::TERM);
    assert_eq!(lines.next().unwrap().unwrap(), "{\"closing\":{\"reason\":\"draining\"}}");
    let status = until("the end of all", || up.child.try_wait().unwrap());
    assert!(status.success(), "{status}: {}", fs::read_to_string(folder.0.join("up.log")).unwrap());
}
