//! The page of metrics that each server shows, read line by line as Prometheus does.

use crate::cluster::{Cluster, PUSH, Process, WORKERS};
use crate::page::{get, until};
use crate::wire::{enter, log_in, seat_guest};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use usher_proto::ServerKind;
use usher_proto::message::Credentials;
use usher_runtime::config::Kind;

/// Where every metric is explained.
const METRICS_MD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");

/// One page: each family explained, of a known type, and no series twice.
fn check(page: &str) {
    let (mut explained, mut typed, mut series) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            assert!(help.ends_with('.'), "{line}");
            assert!(explained.insert(name), "explained twice: {line}");
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            assert!(explained.contains(name) && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            typed.insert((name, kind));
        } else {
            let (one, value) = line.rsplit_once(' ').expect(line);
            let name = one.split('{').next().unwrap_or(one);
            let is_of = |kind: &str, name| typed.contains(&(name, kind));
            let timed = |end| name.strip_suffix(end).is_some_and(|name| is_of("histogram", name));
            let counted = name.ends_with("_total") && is_of("counter", name);
            let known =
                counted || is_of("gauge", name) || ["_bucket", "_sum", "_count"].into_iter().any(timed);
            assert!(known, "{line}");
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            assert!(series.insert(one), "told twice: {line}");
        }
    }
}

#[test]
fn every_figure_is_explained_and_told_once_and_a_room_by_itself() {
    let cluster = Cluster::one_of_each();
    let player = log_in(cluster.address("login"), Credentials::Guest);
    let (mut inside, _) = enter(cluster.address("room"), &player.ticket, Some(0)).unwrap();
    inside.chat("hello");
    until("the room's cost is shown", || {
        let (_, page) = get(cluster.admin("room"), "/metrics")?;
        let seconds = page.lines().find_map(|line| {
            let seconds = line.strip_prefix("usher_room_logic_seconds_total{room=\"0\"} ")?;
            seconds.parse::<f64>().ok()
        });
        // Entered, accepted, said.
        let messages = ["received_total{room=\"0\"} 1\n", "sent_total{room=\"0\"} 3\n"];
        let told = messages.map(|told| page.contains(&format!("usher_room_messages_{told}")));
        (seconds? > 0.0 && told == [true; 2] && page.contains("usher_room_players{room=\"0\"} 1\n"))
            .then_some(())
    });
    let figures = [("manager", "links"), ("room", "serving"), ("hall", "serving"), ("login", "serving")];
    for (name, figure) in figures {
        let page = until("the machine's figures are shown", || {
            let (_, page) = get(cluster.admin(name), "/metrics")?;
            page.contains(&format!("\nusher_{figure} ")).then_some(page)
        });
        check(&page);
    }
}

/// A metric as docs/metrics.md has it, but for who serves it: name, type, labels, help.
type Metric = (String, String, String, String);

/// The metrics of one page.
fn metrics(page: &str) -> BTreeSet<Metric> {
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for series in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = series.split_once('{') else { continue };
        let name =
            ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let keys = rest.split("\",").filter_map(|label| label.split_once('=')).map(|(key, _)| key);
        labels.entry(name).or_default().extend(keys.filter(|key| *key != "le"));
    }
    let of = |name: &str, what: &str| {
        let head = format!("# {what} {name} ");
        page.lines().find_map(|line| line.strip_prefix(&head)).map(String::from)
    };
    let names = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let metric = |name: &str| {
        let keys: Vec<_> = labels.get(name).into_iter().flatten().map(|key| format!("`{key}`")).collect();
        (name.into(), of(name, "TYPE").unwrap(), keys.join(", "), of(name, "HELP").unwrap())
    };
    names.map(metric).collect()
}

#[test]
fn the_page_of_metrics_lists_what_servers_serve_and_nothing_else() {
    let mut cluster = Cluster::one_of_each();
    cluster.add(ServerKind::Gateway, "gateway", "127.0.0.1:0", "");
    let push = Process::start_told("push", &cluster.folder.write("push.toml", PUSH), &[]);
    let workers = Process::start_told("workers", &cluster.folder.write("workers.toml", WORKERS), &[]);
    let _seated = seat_guest(cluster.address("login"));
    let mut served = BTreeMap::<Metric, Vec<&str>>::new();
    for kind in Kind::ALL.map(Kind::as_str) {
        let admin = match kind {
            "push" => push.ready.admin,
            "workers" => workers.ready.admin,
            _ => cluster.admin(kind),
        };
        // Something that each of its machines says.
        let said: &[&str] = match kind {
            "manager" => &["links"],
            "room" => &["serving", "players"],
            "push" => &["push_topics"],
            "workers" => &["workers_up{group=\"idle\"}"],
            _ => &["serving"],
        };
        let page = until("the machines' figures", || {
            let (_, page) = get(admin, "/metrics")?;
            said.iter().all(|name| page.contains(&format!("\nusher_{name} "))).then_some(page)
        });
        check(&page);
        for metric in metrics(&page) {
            served.entry(metric).or_default().push(kind);
        }
    }
    let row = |((name, kind, labels, help), servers): (Metric, Vec<&str>)| {
        let servers = if servers.len() == Kind::ALL.len() { "all".into() } else { servers.join(", ") };
        format!("| `{name}` | {kind} | {labels} | {servers} | {help} |").replace("|  |", "| |")
    };
    let served: BTreeSet<_> = served.into_iter().map(row).collect();
    let page = fs::read_to_string(METRICS_MD).unwrap();
    let listed: BTreeSet<_> =
        page.lines().filter(|line| line.starts_with("| `usher_")).map(String::from).collect();
    let missing: Vec<_> = served.difference(&listed).map(String::as_str).collect();
    let wrong: Vec<_> = listed.difference(&served).map(String::as_str).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "docs/metrics.md lacks these rows:\n{}\nand has these, which nobody serves:\n{}",
        missing.join("\n"),
        wrong.join("\n"),
    );
}
