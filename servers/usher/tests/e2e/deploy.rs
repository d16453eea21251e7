//! What `deploy/` says of servers, held against the configs and the metrics that there are.
//!
//! Why: a dashboard of names that nobody serves is empty, and says so to nobody.
//! Read next: [`crate::outside`], where the programs that read these files are asked.

use crate::cluster::usher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use usher_runtime::config::{ConfigFile, Kind};

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A server of the local cluster.
struct Local {
    name: String,
    kind: String,
    admin: String,
    /// Where it listens.
    listens: BTreeSet<String>,
}

/// The local cluster, by file.
fn local_cluster() -> BTreeMap<String, Local> {
    let files = fs::read_dir(path("deploy/local")).unwrap().map(|entry| entry.unwrap().path());
    let configs = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let local = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let values = |key: &str| -> Vec<String> {
            let begin = format!("{key} = \"");
            let value = |line: &str| Some(line.strip_prefix(&begin)?.split('"').next()?.to_owned());
            text.lines().filter_map(value).collect()
        };
        let first = |key: &str| values(key).remove(0);
        let listens = values("listen").into_iter().collect();
        let local = Local { name: first("name"), kind: first("kind"), admin: first("admin"), listens };
        (file.file_name().unwrap().to_str().unwrap().to_owned(), local)
    };
    configs.map(local).collect()
}

/// The names and labels in docs/metrics.md, which the servers are held against (`figures`).
fn metrics() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = text("docs/metrics.md");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim);
        let name = cells.nth(1)?.trim_matches('`').to_owned();
        let kind = cells.next()?.to_owned();
        let labels = cells.next()?.split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
        Some((name, (kind, labels)))
    };
    page.lines().filter(|line| line.starts_with("| `usher_")).filter_map(row).collect()
}

/// Every word of ours in a text, with the labels that are asked of it.
fn asked(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let starts = text
        .match_indices("usher_")
        .filter(|(at, _)| !text[..*at].ends_with(|it| is_of_name(it) || it == '/'));
    let word = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let end = rest.find(|it| !is_of_name(it)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let selector = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let labels =
            selector.split(',').filter_map(|it| Some(it.split_once(['=', '!'])?.0.trim().to_owned()));
        (name.to_owned(), labels.collect())
    };
    starts.map(word).collect()
}

#[test]
fn dashboards_and_alerts_ask_for_what_servers_serve() {
    let metrics = metrics();
    // What Prometheus adds to each series; and what a test's own values are called.
    let added = ["job", "server", "instance", "le"];
    for name in [
        "deploy/grafana/usher.json",
        "deploy/prometheus/usher.rules.yml",
        "deploy/prometheus/usher.rules.test.yml",
    ] {
        let asked = asked(&text(name).replace("\\\"", "\""));
        assert!(asked.len() > 10, "{name} asks for nothing");
        for (metric, labels) in asked {
            let of_histogram =
                ["_bucket", "_sum", "_count"].into_iter().find_map(|end| metric.strip_suffix(end));
            let found = match of_histogram.and_then(|base| metrics.get(base)) {
                Some(found) if found.0 == "histogram" => Some(found),
                _ => metrics.get(&metric).filter(|found| found.0 != "histogram"),
            };
            let (_, known) = found.unwrap_or_else(|| panic!("{name} asks for {metric}, which nobody serves"));
            for label in labels.iter().filter(|label| !added.contains(&label.as_str())) {
                assert!(known.contains(label), "{name} asks for {metric} by {label}");
            }
        }
    }
}

#[test]
fn every_alert_is_tried() {
    let (rules, tests) =
        (text("deploy/prometheus/usher.rules.yml"), text("deploy/prometheus/usher.rules.test.yml"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "no test lets {alert} fire");
    }
}

#[test]
fn prometheus_looks_at_every_server_of_the_local_cluster_by_its_own_port() {
    let targets = text("deploy/prometheus/prometheus.yml");
    let targets: BTreeSet<_> =
        targets.lines().map(str::trim).filter(|line| line.contains("targets:")).map(String::from).collect();
    let target = |it: &Local| {
        let Local { name, kind, admin, .. } = it;
        format!("- {{ targets: [\"{admin}\"], labels: {{ server: {name}, kind: {kind} }} }}")
    };
    assert_eq!(targets, local_cluster().values().map(target).collect());
}

#[test]
fn compose_starts_every_server_of_the_local_cluster_by_its_config() {
    let compose = text("deploy/container/compose.yaml");
    let services: BTreeSet<_> =
        compose.lines().filter(|line| line.contains("<<: *server")).map(squeezed).collect();
    let service = |(file, it): (&String, &Local)| {
        let ports: BTreeSet<_> =
            it.listens.iter().filter_map(|at| at.rsplit_once(':')).map(|(_, port)| port).collect();
        let ports: Vec<_> = ports.into_iter().collect();
        let admin = it.admin.rsplit_once(':').unwrap().1;
        let Local { name, kind, .. } = it;
        let command = format!("command: [{kind}, -c, /etc/usher/{file}]");
        format!("{name}: {{ <<: *server, {command} }} # {}, admin {admin}", ports.join(", "))
    };
    assert_eq!(services, local_cluster().iter().map(service).collect());
    assert!(compose.contains("volumes: [\"../local:/etc/usher\"]"));
    assert!(
        path("deploy/container").join("../local").is_dir()
            && path("deploy/container/Containerfile").is_file()
    );
    let grace = format!("stop_grace_period: {}s", drain_timeout_s() + 10);
    assert!(compose.contains(&grace), "compose must wait longer than a drain: {grace}");
    assert!(
        compose.contains("\n  init: true "),
        "a server as process 1 would keep zombies of what workers started"
    );
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest drain of the local cluster, in seconds.
pub(crate) fn drain_timeout_s() -> u64 {
    let drains = local_cluster().into_keys().filter_map(|file| {
        let text = text(&format!("deploy/local/{file}"));
        let value = text.lines().find_map(|line| line.strip_prefix("drain_timeout_s = "))?;
        value.split_whitespace().next()?.parse().ok()
    });
    drains.max().expect("a config names it")
}

#[test]
fn every_kind_of_server_has_a_unit_that_starts_it_and_waits_for_its_drain() {
    for kind in Kind::ALL.map(Kind::as_str) {
        let (at, instance) = if kind == "manager" { ("", "manager") } else { ("@", "%i") };
        let unit = text(&format!("deploy/systemd/usher-{kind}{at}.service"));
        let start = format!("ExecStart=/usr/local/bin/usher {kind} -c /etc/usher/{instance}.toml\n");
        assert!(unit.contains(&start), "no {start} in:\n{unit}");
    }
    let common = text("deploy/systemd/usher-.service.d/common.conf");
    let stop = format!("TimeoutStopSec={}\n", drain_timeout_s() + 10);
    assert!(common.contains(&stop), "units must wait longer than a drain: {stop}");
}

#[test]
fn configs_of_the_local_cluster_are_those_that_are_read_here() {
    for (file, local) in local_cluster() {
        let config = ConfigFile::read(&path("deploy/local").join(&file)).unwrap();
        assert_eq!(config.kind().unwrap().as_str(), local.kind, "{file}");
    }
}

/// Every field of a config, with its section, comments left out.
fn fields(config: &str) -> BTreeSet<String> {
    let mut section = "";
    let field = |line| {
        let line: &str = line;
        if line.starts_with('[') {
            section = line.trim_start_matches('[').split(']').next().unwrap();
            return None;
        }
        let (key, _) = line.split_once(" = ")?;
        key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_').then(|| format!("{section}.{key}"))
    };
    config.lines().filter_map(field).collect()
}

#[test]
fn every_default_is_written_out_in_the_local_cluster() {
    for (file, Local { kind, .. }) in local_cluster() {
        let path = path("deploy/local").join(&file);
        let printed = usher().args([&kind, "--print-config", "-c"]).arg(&path).output().unwrap();
        let (printed, written) =
            (String::from_utf8(printed.stdout).unwrap(), text(&format!("deploy/local/{file}")));
        let (printed, written) = (fields(&printed), fields(&written));
        assert!(printed.len() > 20, "{file}");
        // An empty list of sections stands there as a comment; a manager is of no world.
        let left_out = [("gateway", "gateway.servers"), ("manager", "cluster.world")];
        let is_missing = |field: &&String| !left_out.contains(&(&kind, field));
        let missing: Vec<_> = printed.difference(&written).filter(is_missing).collect();
        assert!(missing.is_empty(), "{file} does not write out {missing:?}");
    }
}
