//! What a server shows of itself: layer 2's counters, the machine's figures, the manager's view.
//!
//! Why: an operator sees the same numbers that the tests assert on.
//! Owns: [`Shown`], where hosts put what they show; which metrics there are of it.
//! Invariants: names and units follow Prometheus' conventions; no series stands twice; label sets are bounded (stages,
//! listeners, close reasons and pools have fixed names, rooms are at most `ROOMS_MAX`, groups of workers the config's).
//! Read next: `metrics/page.rs`, which writes it down; [`crate::admin`], which serves it; docs/metrics.md.

mod page;

pub use page::Format;

use crate::process;
use page::Page;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use usher_hpserver::{ListenerMetrics, Metrics, StageMetrics};
use usher_proto::figures::Figure;
use usher_proto::machine::{ClusterView, ServerView};
use usher_proto::message::CloseReason;
use usher_proto::{ConnId, Figures};

/// What the hosts of a process have to show.
#[derive(Debug, Default)]
pub struct Shown {
    view: Mutex<Arc<ClusterView>>,
    figures: Mutex<BTreeMap<usize, Figures>>,
    closed: Mutex<BTreeMap<&'static str, u64>>,
    link: AtomicU64,
    beats: AtomicU64,
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
        let before = std::mem::replace(&mut *locked(&self.view), Arc::new(view));
        log_states(&before, &self.view());
    }

    /// A shard has answered that it is alive.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often shards have answered so far.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
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
    pub fn link_is(&self, conn: Option<ConnId>) {
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

/// Writes down which servers of the cluster are otherwise than they were.
fn log_states(before: &ClusterView, after: &ClusterView) {
    let states = |view: &ClusterView| -> BTreeMap<_, _> {
        view.servers.iter().map(|server| (server.name.clone(), (server.kind, server.state))).collect()
    };
    let same = |(was, is): (&ServerView, &ServerView)| (&was.name, was.state) == (&is.name, is.state);
    if before.servers.len() == after.servers.len() && before.servers.iter().zip(&after.servers).all(same) {
        return; // as nearly always
    }
    let (before, after) = (states(before), states(after));
    for (server, &(kind, state)) in &after {
        let was = before.get(server).map_or("unknown", |(_, state)| *state);
        if was != state {
            tracing::info!(%server, kind, was, state, "server state");
        }
    }
    for (server, &(kind, was)) in before.iter().filter(|(server, _)| !after.contains_key(*server)) {
        tracing::info!(%server, kind, was, state = "gone", "server state");
    }
}

/// Everything, in either of Prometheus' text formats. `linked`: the server has a link to a manager, or could have.
pub fn render(metrics: &Metrics, shown: &Shown, linked: bool, format: Format) -> String {
    let mut page = Page::default();
    layer_2(&mut page, metrics);
    layer_1(&mut page, metrics);
    let closed = locked(&shown.closed);
    for reason in CloseReason::ALL.map(CloseReason::as_str) {
        let name = ("usher_closed_by_logic", "Connections the logic closed, by reason.");
        page.counter(name, &[("reason", reason)], closed.get(reason).copied().unwrap_or_default());
    }
    process_figures(&mut page);
    if linked {
        let is_up = u64::from(shown.link().is_some());
        page.gauge(("usher_link_up", "Whether the link to the manager is up."), &[], is_up);
    }
    for figure in shown.summed_figures() {
        page.figure(&figure);
    }
    page.text(format)
}

fn process_figures(page: &mut Page) {
    let usage = process::usage();
    page.seconds(("usher_process_cpu_seconds", "User and system CPU time."), &[], usage.cpu_ms * 1_000_000);
    page.gauge(("usher_process_resident_bytes", "Resident memory."), &[], usage.rss_kib * 1024);
    let peak = ("usher_process_resident_peak_bytes", "Most resident memory there ever was.");
    page.gauge(peak, &[], usage.rss_kib_peak * 1024);
}

fn layer_2(page: &mut Page, metrics: &Metrics) {
    for (stage, counts) in [("receive", &metrics.receive), ("logic", &metrics.logic), ("send", &metrics.send)]
    {
        one_stage(page, stage, counts);
    }
    for listener in &metrics.listeners {
        one_listener(page, listener);
    }
    for (name, value) in [
        (("usher_publishes", "Broadcasts asked for."), metrics.publishes),
        (("usher_deliveries", "Messages that broadcasts brought to members."), metrics.deliveries),
        (("usher_hand_overs", "Connections handed over between shards."), metrics.hand_overs),
        (("usher_stale_actions", "Actions about connections that were gone."), metrics.stale_actions),
        (("usher_messages_too_large", "Messages of ours that did not fit their opcode."), metrics.too_large),
        (("usher_messages_conflated", CONFLATED), metrics.conflated),
    ] {
        page.counter(name, &[], value);
    }
}

const CONFLATED: &str =
    "Messages that waited for a slow consumer and were replaced by a newer one of their key.";
const DELAY: &str = "Time from entering a stage's queue to being taken from it, of one item in some batches.";

fn one_stage(page: &mut Page, stage: &str, counts: &StageMetrics) {
    let labels = &[("stage", stage)];
    page.counter(("usher_stage_items", "Items that entered a stage's queues."), labels, counts.items);
    page.counter(("usher_stage_batches", "Batches a stage took from its queues."), labels, counts.batches);
    page.counter(("usher_stage_waits", "Times a stage waited for the one after it."), labels, counts.waits);
    page.gauge(("usher_stage_queue_length", "Items waiting."), labels, counts.length);
    let peak = ("usher_stage_queue_length_peak", "Most items that ever waited in one lane.");
    page.gauge(peak, labels, counts.length_peak);
    page.delays(("usher_stage_delay_seconds", DELAY), labels, counts.delays);
    for (how, count) in [("queue", counts.handoffs_queue), ("inline", counts.handoffs_inline)] {
        let name = ("usher_stage_handoffs", "Hand-overs of work to a stage, by how.");
        page.counter(name, &[("stage", stage), ("how", how)], count);
    }
}

const ADDRESSES: &str =
    "Addresses that the limits by address know of: with a connection, or with many a moment ago.";

fn one_listener(page: &mut Page, listener: &ListenerMetrics) {
    let name = ("listener", listener.name.as_str());
    page.gauge(("usher_connections", "Open connections."), &[name], listener.connections);
    let peak = ("usher_connections_peak", "Most open connections at once.");
    page.gauge(peak, &[name], listener.connections_peak);
    for (state, count) in &listener.states {
        let by_state = ("usher_connections_by_state", "Open connections, by how far they have come.");
        page.gauge(by_state, &[name, ("state", state)], *count);
    }
    page.gauge(("usher_addresses", ADDRESSES), &[name], listener.addresses);
    let opened = ("usher_connections_opened", "Connections ever opened.");
    page.counter(opened, &[name], listener.connections_total);
    page.counter(("usher_packets_received", "Packets decoded."), &[name], listener.packets_in);
    page.counter(("usher_packets_sent", "Packets sent."), &[name], listener.packets_out);
    page.counter(("usher_received_bytes", "Bytes received."), &[name], listener.bytes_in);
    page.counter(("usher_sent_bytes", "Bytes sent."), &[name], listener.bytes_out);
    for (reason, count) in &listener.closed {
        let closed = ("usher_connections_closed", "Connections ended, by reason.");
        page.counter(closed, &[name, ("reason", reason)], *count);
    }
}

fn layer_1(page: &mut Page, metrics: &Metrics) {
    let stats = &metrics.completion;
    for (pool, count) in [("contexts", stats.contexts), ("buffers", stats.buffers)] {
        let labels = &[("pool", pool)];
        page.counter(
            ("usher_pool_taken", "Taken from a pool; taken - returned is in use."),
            labels,
            count.taken,
        );
        page.counter(("usher_pool_returned", "Returned to a pool."), labels, count.returned);
    }
    page.counter(("usher_accept_errors", "Failed accepts."), &[], stats.accept_errors);
    let full = ("usher_refused_full", "Connections refused because layer 1 was full.");
    page.counter(full, &[], stats.refused_full);
    let starved =
        ("usher_receive_starved", "Times a connection waited to be read for want of a receive buffer.");
    page.counter(starved, &[], stats.starved);
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
        let page = render(&metrics, &shown, true, Format::OpenMetrics);
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
        assert!(
            !render(&metrics, &shown, false, Format::Classic).contains("usher_link_up"),
            "who stands alone has no link"
        );
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
