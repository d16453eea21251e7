//! Prometheus' own checker reads the metrics of every kind of server, the alerts, and what is tried of them.

use super::run;
use crate::cluster::{Cluster, PUSH, Process};
use crate::deploy::path;
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

#[test]
#[ignore = "needs promtool: cargo xtask ci --only tools --only outside"]
fn promtool_takes_the_config_and_the_alerts_and_every_alert_fires_on_what_it_is_for() {
    let file = |name: &str| path("deploy/prometheus").join(name).to_str().unwrap().to_owned();
    let rules = asked(&["check", "rules", "--lint-fatal", &file("usher.rules.yml")], b"");
    let config = asked(&["check", "config", "--lint-fatal", &file("prometheus.yml")], b"");
    let tests = asked(&["test", "rules", &file("usher.rules.test.yml")], b"");
    for said in [rules, config, tests] {
        assert!(said.contains("SUCCESS") && !said.contains("FAILED"), "{said}");
    }
}
