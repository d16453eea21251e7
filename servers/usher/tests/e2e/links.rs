//! A server that the manager does not want: it is told so, and says so.
//!
//! Read next: `usher_logic::manager`.

use crate::cluster::{Cluster, Process, ROOMS, config};
use crate::page::{get, metric, state, until};
use std::fs;
use usher_proto::ServerKind;

#[test]
fn the_second_server_of_a_name_is_told_so_and_is_not_ready_until_the_first_is_gone() {
    let mut cluster =
        Cluster::start(&[(ServerKind::Manager, "manager", ""), (ServerKind::Room, "room", ROOMS)]);
    let manager = cluster.admin("manager");
    until("the first is up", || (state(manager, "room")? == "up").then_some(()));
    let own_journal = format!("[room]\nhands = \"second.jsonl\"\n{ROOMS}");
    let text = config(ServerKind::Room, "room", "127.0.0.1:0", cluster.address("manager"), &own_journal);
    let path = cluster.folder.write("second.toml", &text);
    let second = Process::start(ServerKind::Room, &path);
    let denied = || metric(manager, "usher_registrations_denied_total").filter(|denied| *denied >= 2);
    until("it was denied, tried again and was denied again", denied);
    let log = path.with_extension("log");
    until("it says why", || fs::read_to_string(&log).ok()?.contains("NameTaken").then_some(()));
    for _ in 0..50 {
        let (status, why) = get(second.ready.admin, "/readyz").unwrap();
        assert_eq!(status, 503, "{why}");
    }
    assert_eq!(get(cluster.admin("room"), "/readyz").unwrap().0, 200);
    cluster.server("room").kill();
    until("it takes the name over", || (get(second.ready.admin, "/readyz")?.0 == 200).then_some(()));
}
