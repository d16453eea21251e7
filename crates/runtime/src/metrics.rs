//! What a server shows of itself: layer 2's counters, the machine's figures, the manager's view.
//!
//! Why: an operator sees the same numbers that the tests assert on.
//! Owns: [`Shown`], where hosts put what they show; the Prometheus text of all of it.
//! Invariants: names and units follow Prometheus' conventions; no series stands twice; label sets are bounded (stages,
//! listeners, close reasons and pools have fixed names, rooms are at most `ROOMS_MAX`).
//! Read next: [`crate::admin`], which serves it.

use crate::process;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use usher_hpserver::{ListenerMetrics, Metrics, StageMetrics};
use usher_proto::figures::{Figure, FigureKind};
use usher_proto::machine::ClusterView;
use usher_proto::message::CloseReason;
use usher_proto::{ConnId, Figures};

/// What the hosts of a process have to show.
#[derive(Debug, Default)]
pub struct Shown {
    view: Mutex<Arc<ClusterView>>,
    figures: Mutex<BTreeMap<usize, Figures>>,
    closed: Mutex<BTreeMap<&'static str, u64>>,
    link: AtomicU64,
    was_registered: AtomicBool,
    /// The machine has said that nobody is left.
    pub drained: AtomicBool,
    /// The manager wants this server empty.
    pub ordered_to_drain: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    pub(crate) fn show(&self, view: ClusterView) {
        *locked(&self.view) = Arc::new(view);
    }

    /// Replaces what one shard has counted.
    pub fn figures(&self, shard: usize, figures: Figures) {
        locked(&self.figures).insert(shard, figures);
    }

    /// Counts a connection that the logic closed.
    pub fn closed(&self, reason: CloseReason) {
        *locked(&self.closed).entry(reason.as_str()).or_default() += 1;
    }

    /// Notes the connection on which the manager has registered this server, or that there is none.
    pub(crate) fn link_is(&self, conn: Option<ConnId>) {
        self.link.store(conn.map_or(0, |conn| conn.0.wrapping_add(1)), Ordering::Release);
        self.was_registered.fetch_or(conn.is_some(), Ordering::AcqRel);
    }

    /// Whether the manager has taken this server since it started. A manager that is away does not change it:
    /// what has begun to serve goes on.
    pub fn was_registered(&self) -> bool {
        self.was_registered.load(Ordering::Acquire)
    }

    /// The connection on which this server is registered, while it is up.
    pub fn link(&self) -> Option<ConnId> {
        match self.link.load(Ordering::Acquire) {
            0 => None,
            bits => Some(ConnId(bits.wrapping_sub(1))),
        }
    }

    /// The cluster as this server's machine sees it (a manager's; empty elsewhere).
    pub fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&locked(&self.view))
    }

    /// One figure, named with its label as Prometheus does; summed over the shards.
    pub fn figure(&self, series: &str) -> u64 {
        locked(&self.figures).values().filter_map(|figures| figures.value(series)).sum()
    }

    /// Each figure, summed over the shards, by name and label.
    fn summed_figures(&self) -> Vec<Figure> {
        let mut sums = BTreeMap::new();
        for figure in locked(&self.figures).values().flat_map(Figures::iter) {
            let sum = sums.entry((figure.name, figure.label)).or_insert(Figure { value: 0, ..*figure });
            sum.value += figure.value;
        }
        sums.into_values().collect()
    }
}

/// Everything in Prometheus' text format. `linked`: the server has a link to a manager, or could have.
pub fn render(metrics: &Metrics, shown: &Shown, linked: bool) -> String {
    let mut page = Page::default();
    layer_2(&mut page, metrics);
    layer_1(&mut page, metrics);
    for (reason, count) in locked(&shown.closed).iter() {
        page.counter(
            "usher_closed_by_logic",
            "Connections the logic closed, by reason.",
            &[("reason", reason)],
            *count,
        );
    }
    let usage = process::usage();
    page.seconds("usher_process_cpu_seconds", "User and system CPU time.", &[], usage.cpu_ms * 1_000_000);
    page.gauge("usher_process_resident_bytes", "Resident memory.", &[], usage.rss_kib * 1024);
    page.gauge(
        "usher_process_resident_peak_bytes",
        "Most resident memory there ever was.",
        &[],
        usage.rss_kib_peak * 1024,
    );
    if linked {
        let is_up = u64::from(shown.link().is_some());
        page.gauge("usher_link_up", "Whether the link to the manager is up.", &[], is_up);
    }
    for figure in shown.summed_figures() {
        page.figure(figure);
    }
    page.text()
}

fn layer_2(page: &mut Page, metrics: &Metrics) {
    for (stage, counts) in [("receive", &metrics.receive), ("logic", &metrics.logic), ("send", &metrics.send)]
    {
        one_stage(page, stage, counts);
    }
    for listener in &metrics.listeners {
        one_listener(page, listener);
    }
    page.counter("usher_publishes", "Broadcasts asked for.", &[], metrics.publishes);
    page.counter("usher_deliveries", "Messages that broadcasts brought to members.", &[], metrics.deliveries);
    page.counter("usher_hand_overs", "Connections handed over between shards.", &[], metrics.hand_overs);
    page.counter(
        "usher_stale_actions",
        "Actions about connections that were gone.",
        &[],
        metrics.stale_actions,
    );
    page.counter(
        "usher_messages_too_large",
        "Messages of ours that did not fit their opcode.",
        &[],
        metrics.too_large,
    );
    page.counter(
        "usher_messages_conflated",
        "Messages that waited for a slow consumer and were replaced by a newer one of their key.",
        &[],
        metrics.conflated,
    );
}

fn one_stage(page: &mut Page, stage: &str, counts: &StageMetrics) {
    let labels = [("stage", stage)];
    page.counter("usher_stage_items", "Items that entered a stage's queues.", &labels, counts.items);
    page.counter("usher_stage_batches", "Batches a stage took from its queues.", &labels, counts.batches);
    page.counter("usher_stage_waits", "Times a stage waited for the one after it.", &labels, counts.waits);
    page.gauge("usher_stage_queue_length", "Items waiting.", &labels, counts.length);
    page.gauge(
        "usher_stage_queue_length_peak",
        "Most items that ever waited in one lane.",
        &labels,
        counts.length_peak,
    );
    for (how, count) in [("queue", counts.handoffs_queue), ("inline", counts.handoffs_inline)] {
        let labels = [("stage", stage), ("how", how)];
        page.counter("usher_stage_handoffs", "Hand-overs of work to a stage, by how.", &labels, count);
    }
}

fn one_listener(page: &mut Page, listener: &ListenerMetrics) {
    let labels = [("listener", listener.name.as_str())];
    page.gauge("usher_connections", "Open connections.", &labels, listener.connections);
    page.gauge(
        "usher_connections_peak",
        "Most open connections at once.",
        &labels,
        listener.connections_peak,
    );
    page.gauge(
        "usher_addresses",
        "Addresses that the limits by address know of: with a connection, or with many a moment ago.",
        &labels,
        listener.addresses,
    );
    page.counter("usher_connections_opened", "Connections ever opened.", &labels, listener.connections_total);
    page.counter("usher_packets_received", "Packets decoded.", &labels, listener.packets_in);
    page.counter("usher_packets_sent", "Packets sent.", &labels, listener.packets_out);
    page.counter("usher_bytes_received", "Bytes received.", &labels, listener.bytes_in);
    page.counter("usher_bytes_sent", "Bytes sent.", &labels, listener.bytes_out);
    for (reason, count) in &listener.closed {
        let labels = [("listener", listener.name.as_str()), ("reason", reason)];
        page.counter("usher_connections_closed", "Connections ended, by reason.", &labels, *count);
    }
}

fn layer_1(page: &mut Page, metrics: &Metrics) {
    let stats = &metrics.completion;
    for (pool, count) in [("contexts", stats.contexts), ("buffers", stats.buffers)] {
        let labels = [("pool", pool)];
        page.counter(
            "usher_pool_taken",
            "Taken from a pool; taken - returned is in use.",
            &labels,
            count.taken,
        );
        page.counter("usher_pool_returned", "Returned to a pool.", &labels, count.returned);
    }
    page.counter("usher_accept_errors", "Failed accepts.", &[], stats.accept_errors);
    page.counter(
        "usher_refused_full",
        "Connections refused because layer 1 was full.",
        &[],
        stats.refused_full,
    );
}

/// A page of metrics: families by name, each with its help and its labelled values.
#[derive(Debug, Default)]
struct Page {
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: FigureKind,
    values: Vec<(Vec<(String, String)>, u64)>,
}

impl Page {
    fn counter(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: u64) {
        self.add(name, help, FigureKind::Counter, labels, value);
    }

    fn gauge(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: u64) {
        self.add(name, help, FigureKind::Gauge, labels, value);
    }

    /// A counter of time.
    fn seconds(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], nanoseconds: u64) {
        self.add(name, help, FigureKind::Nanoseconds, labels, nanoseconds);
    }

    /// A machine's own figure. That a counter's name ends in `_total` is added to it when it is written.
    fn figure(&mut self, figure: Figure) {
        let Figure { name, help, kind, label, value } = figure;
        let name = name.strip_suffix("_total").unwrap_or(name);
        let label = label.map(|(key, label)| (key, label.to_string()));
        let label = label.as_ref().map(|(key, text)| (*key, text.as_str()));
        self.add(name, help, kind, label.as_slice(), value);
    }

    fn add(&mut self, name: &str, help: &'static str, kind: FigureKind, labels: &[(&str, &str)], value: u64) {
        let labels = labels.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
        let family =
            self.families.entry(name.into()).or_insert_with(|| Family { help, kind, values: Vec::new() });
        debug_assert_eq!((family.help, family.kind), (help, kind), "{name} is said to be two things");
        family.values.push((labels, value));
    }

    fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        if encode_registry(&mut text, &registry).is_err() {
            tracing::error!("the metrics page could not be written");
        }
        text.push_str("# EOF\n");
        text
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, Family { help, kind, values }) in &self.families {
            let mut metric = encoder.encode_descriptor(name, help, None, type_of(*kind))?;
            for (labels, value) in values {
                if labels.is_empty() {
                    encode_value(&mut metric, *kind, *value)?;
                } else {
                    encode_value(&mut metric.encode_family(labels)?, *kind, *value)?;
                }
            }
        }
        Ok(())
    }
}

fn type_of(kind: FigureKind) -> MetricType {
    match kind {
        FigureKind::Counter | FigureKind::Nanoseconds => MetricType::Counter,
        FigureKind::Gauge => MetricType::Gauge,
    }
}

fn encode_value(metric: &mut MetricEncoder<'_>, kind: FigureKind, value: u64) -> fmt::Result {
    match kind {
        FigureKind::Counter => metric.encode_counter::<NoLabelSet, u64, u64>(&value, None),
        FigureKind::Gauge => metric.encode_gauge(&value),
        FigureKind::Nanoseconds => {
            let seconds = Duration::from_nanos(value).as_secs_f64();
            metric.encode_counter::<NoLabelSet, f64, u64>(&seconds, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::RoomNo;

    /// What a floor with one room states; all floors state `usher_players`.
    fn floor(room: u16, players: u64) -> Figures {
        let mut figures = Figures::default();
        figures.gauge("usher_players", "Players in rooms.", players);
        figures.times("usher_room_logic_seconds_total", "Time.", "room", [(RoomNo(room), 1_250_000_000)]);
        figures.counters("usher_room_messages_sent_total", "Sent.", "room", [(RoomNo(room), players)]);
        figures
    }

    #[test]
    fn the_page_has_layer_2_and_the_machines_figures() {
        let shown = Shown::default();
        let mut door = Figures::default();
        door.counters("usher_refused_total", "Refused, by reason.", "reason", [("busy", 3), ("draining", 0)]);
        for (shard, figures) in [door, floor(10, 4), floor(3, 5)].into_iter().enumerate() {
            shown.figures(shard, figures);
        }
        let listeners =
            vec![ListenerMetrics { name: "players".into(), connections: 7, ..Default::default() }];
        let metrics = Metrics { listeners, ..Default::default() };
        let page = render(&metrics, &shown, true);
        for block in [
            "usher_connections{listener=\"players\"} 7\n",
            "# HELP usher_refused Refused, by reason.\n# TYPE usher_refused counter\n\
             usher_refused_total{reason=\"busy\"} 3\nusher_refused_total{reason=\"draining\"} 0\n",
            "# HELP usher_players Players in rooms.\n# TYPE usher_players gauge\nusher_players 9\n",
            "# HELP usher_room_logic_seconds Time.\n# TYPE usher_room_logic_seconds counter\n\
             usher_room_logic_seconds_total{room=\"3\"} 1.25\n\
             usher_room_logic_seconds_total{room=\"10\"} 1.25\n",
            "usher_room_messages_sent_total{room=\"3\"} 5\nusher_room_messages_sent_total{room=\"10\"} 4\n",
            "# TYPE usher_process_cpu_seconds counter\nusher_process_cpu_seconds_total ",
            "usher_pool_taken_total{pool=\"buffers\"} 0\n",
            "usher_link_up 0\n",
        ] {
            assert!(page.contains(block), "no `{block}` in:\n{page}");
        }
        assert_eq!(shown.figure("usher_players"), 9);
        assert_eq!(shown.figure("usher_refused_total{reason=\"busy\"}"), 3);
        assert!(!render(&metrics, &shown, false).contains("usher_link_up"), "who stands alone has no link");
    }

    #[test]
    fn the_link_is_known_by_its_connection_even_if_that_is_number_zero() {
        let shown = Shown::default();
        assert_eq!((shown.link(), shown.was_registered()), (None, false));
        shown.link_is(Some(ConnId(0)));
        assert_eq!((shown.link(), shown.was_registered()), (Some(ConnId(0)), true));
        shown.link_is(None);
        assert_eq!((shown.link(), shown.was_registered()), (None, true));
    }
}
