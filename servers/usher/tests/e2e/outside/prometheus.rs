//! Prometheus' own checker reads the metrics of every kind of server.

use super::run;
use crate::cluster::{Cluster, PUSH, Process};
use crate::page;
use std::process::Command;

/// It has nothing to say, or only these words.
fn asked(arguments: &[&str], stdin: &[u8]) -> String {
    let output = run(Command::new("promtool").args(arguments), stdin);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
    said
}

#[test]
#[ignore = "needs promtool: cargo xtask ci --only tools --only outside"]
fn promtool_finds_nothing_to_mend_in_any_servers_metrics() {
    let cluster = Cluster::one_of_each();
    let push = Process::start_told("push", &cluster.folder.write("push.toml", PUSH), &[]);
    let servers = ["manager", "login", "hall", "room"].map(|name| (name, cluster.admin(name)));
    for (name, admin) in servers.into_iter().chain([("push", push.ready.admin)]) {
        let (status, metrics) = page::get(admin, "/metrics").unwrap();
        assert_eq!(status, 200);
        let said = asked(&["check", "metrics"], metrics.as_bytes());
        assert!(said.is_empty(), "{name}: {said}");
    }
}
