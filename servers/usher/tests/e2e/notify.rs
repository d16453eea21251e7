//! What a server tells systemd, on a real socket.
//!
//! Read next: `usher_runtime::notify`.

use crate::cluster::{Folder, PUSH, Process, config, free_address};
use crate::page::{self, PATIENCE, until};
use std::os::unix::net::UnixDatagram;
use usher_proto::ServerKind;

/// The end of the socket that systemd would hold.
struct Listener {
    socket: UnixDatagram,
    path: String,
}

impl Listener {
    fn new(folder: &Folder) -> Self {
        let path = folder.0.join("notify").to_str().unwrap().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    fn hear(&self) -> String {
        let mut said = [0; 256];
        let count = self.socket.recv(&mut said).expect("it says something");
        String::from_utf8(said[..count].into()).unwrap()
    }

    /// Waits for this; nothing else may come before it but signs of life.
    fn await_said(&self, wanted: &str) {
        loop {
            let said = self.hear();
            if said == wanted {
                return;
            }
            assert_eq!(said, "WATCHDOG=1", "before `{wanted}`");
        }
    }
}

#[test]
fn a_server_is_ready_when_a_manager_has_taken_it_and_says_when_it_goes() {
    is_ready_when_a_manager_has_taken_it(ServerKind::Hall);
    is_ready_when_a_manager_has_taken_it(ServerKind::Gateway);
}

fn is_ready_when_a_manager_has_taken_it(kind: ServerKind) {
    let folder = Folder::new();
    let listener = Listener::new(&folder);
    let manager_at = free_address();
    let told = [("NOTIFY_SOCKET", listener.path.as_str()), ("WATCHDOG_USEC", "60000000")];
    let config_of_it = folder.write("server.toml", &config(kind, "server", "127.0.0.1:0", &manager_at, ""));
    let mut server = Process::start_told(kind.as_str(), &config_of_it, &told);
    listener.await_said("STATUS=waiting for the manager");
    // It lives without one, and is not ready.
    assert_eq!(listener.hear(), "WATCHDOG=1");
    assert_eq!(page::get(server.ready.admin, "/readyz").map(|(status, _)| status), Some(503));

    let manager = config(ServerKind::Manager, "manager", &manager_at, "", "");
    let _manager = Process::start(ServerKind::Manager, &folder.write("manager.toml", &manager));
    listener.await_said("READY=1\nSTATUS=serving");
    assert_eq!(page::get(server.ready.admin, "/readyz").map(|(status, _)| status), Some(200));
    // Its shard has answered more than once.
    assert_eq!([listener.hear(), listener.hear()], ["WATCHDOG=1", "WATCHDOG=1"]);

    server.terminate();
    listener.await_said("STOPPING=1\nSTATUS=draining");
    assert!(server.ended().0.success());
}

#[test]
fn a_server_that_needs_no_manager_is_ready_at_once() {
    let folder = Folder::new();
    let listener = Listener::new(&folder);
    let told = [("NOTIFY_SOCKET", listener.path.as_str())];
    let mut push = Process::start_told("push", &folder.write("push.toml", PUSH), &told);
    assert_eq!(listener.hear(), "READY=1\nSTATUS=serving");
    until("it is ready", || (page::get(push.ready.admin, "/readyz")?.0 == 200).then_some(()));
    push.terminate();
    assert_eq!(listener.hear(), "STOPPING=1\nSTATUS=draining");
    assert!(push.ended().0.success());
}
