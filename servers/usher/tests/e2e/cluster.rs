//! Servers as child processes: written down as configs, started, known by their ready line, killed.
//!
//! Why: the tests meet the very processes an operator would run.
//! Owns: a folder of configs, keys and logs, and the children. Invariants: both are gone after the test, however
//! it ended. A failed test shows what its servers logged.
//! Read next: `usher_runtime::life`, which says the two lines.

use crate::page::{self, PATIENCE, until};
use crate::secrets;
use crate::wire::{log_in, visit_hall};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use usher_proto::ServerKind;
use usher_proto::message::Credentials;
use usher_runtime::clock;
use usher_secure::os_rng;
use usher_secure::private_file;
use usher_secure::scram::{ITERATIONS_MIN, Verifier};
use usher_store::{Change, Database};

/// The cluster's name.
pub(crate) const NAME: &str = "e2e";
/// Two rooms of eight.
pub(crate) const ROOMS: &str =
    "[[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = 2\ncapacity = 8\n";
/// A push server.
pub(crate) const PUSH: &str = "kind = \"push\"\n[server]\nname = \"push\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n\
    [controllers]\nlisten = \"127.0.0.1:0\"\n[administrators]\nlisten = \"127.0.0.1:0\"\n";
/// A host with a worker that never says hello.
pub(crate) const WORKERS: &str = "kind = \"workers\"\n[server]\nname = \"workers\"\nlisten = \"127.0.0.1:0\"\n\
    create_key = true\n[[workers.groups]]\nname = \"idle\"\ncommand = [\"sleep\", \"3600\"]\n";
/// Nobody on loopback is limited by address.
pub(crate) const EXEMPT: &str = "[addresses]\nexempt = [\"127.0.0.0/8\"]\n";
/// Listeners that wait a second for a first message.
const SHORT_DEADLINE: &str = "[limits]\nfirst_message_deadline_ms = 1000\n";
/// Lets guests in.
pub(crate) const GUESTS: &str = "[login]\nguests = true\n";
/// Lets in who has an account, in a cluster without a hall.
pub(crate) const ACCOUNTS_WITHOUT_HALL: &str =
    "[login]\naccounts = \"accounts.db\"\nhalls = [\"127.0.0.1:9\"]\n";
/// As [`GUESTS`], in a cluster without a hall: a login that could name none would serve nobody.
pub(crate) const GUESTS_WITHOUT_HALL: &str = "[login]\nguests = true\nhalls = [\"127.0.0.1:9\"]\n";

/// What is in `admin.token` of [`Cluster::managed`].
pub(crate) const TOKEN: &str = "seven times seven";

/// The binary under test.
pub(crate) fn usher() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    // What a test is started in is not what its servers are to be told.
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    command
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A folder that is gone with its test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usher-e2e-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        secrets::write_files(&path);
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A database of accounts that have their own names as passwords.
    pub(crate) fn write_accounts(&self, names: &[&str]) -> PathBuf {
        let path = self.0.join("accounts.db");
        let mut database = Database::open_or_create(&path, ITERATIONS_MIN).unwrap();
        let import = database.import().unwrap();
        for name in names {
            let verifier = Verifier::of_password(name, ITERATIONS_MIN, &mut os_rng()).unwrap();
            import.change(&Change::Add { name: (*name).into(), verifier }, clock::unix_ms()).unwrap();
        }
        import.commit().unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in fs::read_dir(&self.0).into_iter().flatten().flatten() {
                if log.path().extension().is_some_and(|extension| extension == "log") {
                    println!(
                        "{}:\n{}",
                        log.path().display(),
                        fs::read_to_string(log.path()).unwrap_or_default()
                    );
                }
            }
        }
        let _ = fs::remove_dir_all(&self.0); // what is left is in the system's folder for such things
    }
}

/// What a server says when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    #[serde(rename = "ready")]
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) admin: SocketAddr,
    /// Its listeners by name, if it has several.
    #[serde(default)]
    pub(crate) listeners: BTreeMap<String, String>,
}

/// A server.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    pub(crate) ready: Ready,
}

impl Process {
    /// Starts it and waits for its ready line.
    pub(crate) fn start(kind: ServerKind, config: &Path) -> Self {
        Self::start_told(kind.as_str(), config, &[])
    }

    /// The same of any kind, with more variables in its environment.
    pub(crate) fn start_told(kind: &str, config: &Path, environment: &[(&str, &str)]) -> Self {
        let log = File::options().create(true).append(true).open(config.with_extension("log")).unwrap();
        let mut child = usher()
            .args([kind, "--die-with-parent", "-c"])
            .arg(config)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let pass_on = move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        std::thread::Builder::new().spawn(pass_on).unwrap();
        let Ok(line) = lines.recv_timeout(PATIENCE) else {
            let _ = child.kill(); // it may have ended by itself
            panic!("{} did not start: {}", config.display(), child.wait().unwrap());
        };
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
        Self { child, lines, ready }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, wanted: Signal) {
        signal(self.child.id(), wanted);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: how, and its last line.
    pub(crate) fn ended(&mut self) -> (ExitStatus, Value) {
        let status = until("the end of a server", || self.child.try_wait().unwrap());
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_default();
        (status, serde_json::from_str(&line).unwrap_or_default())
    }

    /// Resident memory, KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

/// A cluster of its own for one test.
pub(crate) struct Cluster {
    servers: BTreeMap<String, Process>,
    pub(crate) folder: Folder,
    manager: String,
}

impl Cluster {
    /// One server of each kind, named after it, with every default; guests may log in.
    pub(crate) fn one_of_each() -> Self {
        Self::start(&[
            (ServerKind::Manager, "manager", ""),
            (ServerKind::Room, "room", ROOMS),
            (ServerKind::Hall, "hall", ""),
            (ServerKind::Login, "login", GUESTS),
        ])
    }

    /// The same, but their listeners wait a second for a first message.
    pub(crate) fn impatient() -> Self {
        let [room, login] = [ROOMS, GUESTS].map(|sections| SHORT_DEADLINE.to_owned() + sections);
        Self::start(&[
            (ServerKind::Manager, "manager", SHORT_DEADLINE),
            (ServerKind::Room, "room", &room),
            (ServerKind::Hall, "hall", SHORT_DEADLINE),
            (ServerKind::Login, "login", &login),
        ])
    }

    /// Starts these servers, the manager first: kind, name, and what the config says beyond the common. Waits
    /// until a guest is shown every room server.
    pub(crate) fn start(servers: &[(ServerKind, &str, &str)]) -> Self {
        let mut cluster = Self::in_folder(Folder::new());
        cluster.add_all(servers);
        cluster.until_whole();
        cluster
    }

    /// One server of each kind, the manager with these keys under `[server]`.
    pub(crate) fn managed(server_keys: &str) -> Self {
        let folder = Folder::new();
        private_file::write(&folder.0.join("admin.token"), TOKEN).unwrap();
        let mut cluster = Self::in_folder(folder);
        let manager = config(ServerKind::Manager, "manager", "127.0.0.1:0", "", "");
        let manager = manager.replace("[cluster]", &format!("{server_keys}[cluster]"));
        cluster.add_by(ServerKind::Manager, "manager", &manager);
        cluster.add_all(&[
            (ServerKind::Room, "room", ROOMS),
            (ServerKind::Hall, "hall", ""),
            (ServerKind::Login, "login", GUESTS),
        ]);
        cluster.until_whole();
        cluster
    }

    pub(crate) fn in_folder(folder: Folder) -> Self {
        Self { servers: BTreeMap::new(), folder, manager: String::new() }
    }

    pub(crate) fn add_all(&mut self, servers: &[(ServerKind, &str, &str)]) {
        for (kind, name, sections) in servers {
            self.add(*kind, name, "127.0.0.1:0", sections);
        }
    }

    /// Starts one more.
    pub(crate) fn add(&mut self, kind: ServerKind, name: &str, listen: &str, sections: &str) {
        self.add_by(kind, name, &config(kind, name, listen, &self.manager, sections));
    }

    /// Starts one more, by a config as it is.
    fn add_by(&mut self, kind: ServerKind, name: &str, config: &str) {
        let process = Process::start(kind, &self.folder.write(&format!("{name}.toml"), config));
        assert_eq!(process.ready.name, name);
        if kind == ServerKind::Manager {
            self.manager.clone_from(&process.ready.address);
        }
        self.servers.insert(name.into(), process);
    }

    /// Starts a server that was killed, by the same config.
    pub(crate) fn restart(&mut self, kind: ServerKind, name: &str) {
        let process = Process::start(kind, &self.folder.0.join(format!("{name}.toml")));
        self.servers.insert(name.into(), process);
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut Process {
        self.servers.get_mut(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub(crate) fn address(&self, name: &str) -> &str {
        &self.servers[name].ready.address
    }

    pub(crate) fn admin(&self, name: &str) -> SocketAddr {
        self.servers[name].ready.admin
    }

    /// Waits until every server is ready and the way from the login to every room server is known.
    pub(crate) fn until_whole(&self) {
        for process in self.servers.values() {
            until(&format!("{} ready", process.ready.name), || {
                (page::get(process.ready.admin, "/readyz")?.0 == 200).then_some(())
            });
        }
        let rooms = self.servers.keys().filter(|name| name.starts_with("room")).count();
        if !self.servers.contains_key("login") || !self.servers.contains_key("hall") {
            return;
        }
        until("the way to every room server", || {
            let guest = log_in(self.address("login"), Credentials::Guest);
            let (_, directory) = visit_hall(&guest.halls.first()?.0, &guest.ticket);
            let shown: BTreeSet<_> = directory.rooms.iter().map(|room| &room.address).collect();
            (shown.len() == rooms).then_some(())
        });
    }
}

/// A config. A server that needs no manager is given one that leads nowhere. Loopback is exempt from limits by
/// address, unless the sections say what is.
pub(crate) fn config(kind: ServerKind, name: &str, listen: &str, manager: &str, sections: &str) -> String {
    let manager = match (kind, manager) {
        (ServerKind::Manager, _) => String::new(),
        (_, "") => "manager = \"127.0.0.1:1\"\n".into(),
        (_, manager) => format!("manager = \"{manager}\"\n"),
    };
    let addresses = if sections.contains("[addresses]") { "" } else { EXEMPT };
    format!(
        "kind = \"{}\"\n[server]\nname = \"{name}\"\nlisten = \"{listen}\"\n[cluster]\nname = \"{NAME}\"\n\
         key_file = \"cluster.key\"\ncreate_key = true\n{manager}{sections}\n{addresses}",
        kind.as_str()
    )
}

/// An address nobody listens on now; the only way to know a port before its server starts.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
