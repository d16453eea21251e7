//! Prometheus' own checker reads the metrics of every kind of server.

use super::run;
use crate::cluster::Cluster;
use crate::page;
use std::process::Command;

#[test]
#[ignore = "needs promtool: cargo xtask ci --only tools --only outside"]
fn promtool_finds_nothing_to_mend_in_any_servers_metrics() {
    let cluster = Cluster::one_of_each();
    for name in ["manager", "login", "hall", "room"] {
        let (status, metrics) = page::get(cluster.admin(name), "/metrics").unwrap();
        assert_eq!(status, 200);
        let output = run(Command::new("promtool").args(["check", "metrics"]), metrics.as_bytes());
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{name}: {}", String::from_utf8_lossy(&said));
    }
}
