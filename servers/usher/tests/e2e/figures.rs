//! The page of metrics that each server shows, read line by line as Prometheus does.

use crate::cluster::Cluster;
use crate::page::{get, until};
use crate::wire::{enter, log_in};
use std::collections::BTreeSet;
use usher_proto::message::Credentials;

/// One page: each family explained, of a known type, and no series twice.
fn check(page: &str) {
    let (mut explained, mut typed, mut series) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            assert!(help.ends_with('.'), "{line}");
            assert!(explained.insert(name), "explained twice: {line}");
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            assert!(explained.contains(name) && ["counter", "gauge"].contains(&kind), "{line}");
            typed.insert((name, kind));
        } else {
            let (one, value) = line.rsplit_once(' ').expect(line);
            let name = one.split('{').next().unwrap_or(one);
            let counted = name.strip_suffix("_total").is_some_and(|name| typed.contains(&(name, "counter")));
            assert!(counted || typed.contains(&(name, "gauge")), "{line}");
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
