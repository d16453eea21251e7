//! The cluster as its manager sees it, for the admin page.
//!
//! Why: an operator asks one server about all of them.
//! Limits: [`VIEW_ROOMS_MAX`] rooms, the first by server name; the servers are bounded already.
//! Read next: [`super::registry`].

use super::server::Server;
use super::{Counts, Manager};
use usher_proto::machine::{ClusterView, FlowView, RoomView, ServerView};
use usher_proto::{Figures, ServerName};

/// Rooms shown, at most.
const VIEW_ROOMS_MAX: usize = 10_000;

/// Everything there is to see.
pub(super) fn view(manager: &Manager) -> ClusterView {
    let Manager { registry, presence, flows, counts, .. } = manager;
    ClusterView {
        unix_ms: manager.unix_ms(),
        servers: registry.by_name().map(server_view).collect(),
        players_online: presence.held().players as u64,
        players_in_rooms: presence.held().places as u64,
        reservations_outstanding: registry.outstanding(),
        redirects_login: counts.redirects_login,
        redirects_hall: counts.redirects_hall,
        redirects_room: counts.redirects_room,
        redirects_nobody: counts.redirects_nobody,
        redirects_unpaired: flows.unpaired(),
        flows: flows.iter().map(flow_view).collect(),
        evictions: counts.evictions,
        revocations: counts.revocations,
        claims_granted: counts.claims_granted,
        claims_denied: counts.claims_elsewhere,
        claims_superseded: counts.claims_superseded,
        claims_full: counts.claims_full,
        registrations: counts.registrations,
        registrations_denied: counts.registrations_denied,
        leases_ended: counts.leases_ended,
        time_jumps: counts.time_jumps,
        unexpected: counts.unexpected,
        rooms: registry.by_name().flat_map(room_views).take(VIEW_ROOMS_MAX).collect(),
    }
}

fn flow_view((from, to, redirects): (&ServerName, &ServerName, u64)) -> FlowView {
    FlowView { from: from.clone(), to: to.clone(), redirects }
}

fn server_view(server: &Server) -> ServerView {
    let Server { facts, way, renew, .. } = server;
    ServerView {
        name: facts.name.clone(),
        kind: facts.kind.as_str(),
        state: server.state(),
        address: facts.address.clone(),
        through: way.through().cloned(),
        world: facts.world,
        serving: server.reported.map_or(0, |reported| reported.serving),
        serve_max: facts.serve_max,
        reserved: server.kept.len() as u32,
        connections: renew.connections,
        connections_peak: renew.connections_peak,
        connections_max: facts.connections_max,
        cpu_ms: renew.cpu_ms,
        rss_kib: renew.rss_kib,
        rss_kib_peak: renew.rss_kib_peak,
    }
}

fn room_views(server: &Server) -> impl Iterator<Item = RoomView> {
    server.facts.rooms.iter().map(|report| RoomView {
        server: server.facts.name.clone(),
        room: report.room.0,
        name: report.name.clone(),
        population: report.population,
        capacity: report.capacity,
    })
}

/// The same in numbers, for metrics.
pub(super) fn figures(manager: &Manager, figures: &mut Figures) {
    let Manager { registry, presence, counts, links, .. } = manager;
    let state = |state: &'static str| {
        (state, registry.iter().filter(|(_, server)| server.state() == state).count() as u64)
    };
    let servers = ["joining", "up", "suspect", "draining"].map(state);
    let placed = registry.iter().filter(|(_, server)| server.way.through().is_some()).count() as u64;
    let held = presence.held();
    let (outstanding, ledger) = (registry.outstanding(), registry.ledger);
    figures.gauge("usher_links", "Connections on the links' listener.", links.len() as u64);
    figures.gauges("usher_servers", "Registered servers, by state.", "state", servers);
    figures.gauge("usher_servers_placed", "Servers whose clients come through a gateway.", placed);
    figures.gauge("usher_presence_players", "Accounts in at least one room.", held.players as u64);
    figures.gauge("usher_presence_places", "Places that accounts have in rooms.", held.places as u64);
    figures.gauge("usher_presence_entries", "Accounts that presence remembers.", presence.len() as u64);
    figures.gauge(
        "usher_reservations_outstanding",
        "Reservations given and neither redeemed nor expired.",
        outstanding,
    );
    figures.counter("usher_reservations_given_total", "Reservations given.", ledger.given);
    let ends = [("redeemed", ledger.redeemed), ("expired", ledger.expired)];
    figures.counters(
        "usher_reservations_ended_total",
        "Reservations that came to an end, by which: used, not used in time, or gone with their server.",
        "end",
        ends,
    );
    figures.counter(
        "usher_reservations_late_total",
        "Reservations that a server took after they had ended here.",
        ledger.late,
    );
    figures.gauge(
        "usher_reservations_leaked",
        "Reservations given that neither ended nor are outstanding; anything but 0 is a bug.",
        ledger.leaked(outstanding),
    );
    counted(counts, figures);
}

fn counted(counts: &Counts, figures: &mut Figures) {
    let redirects =
        [("login", counts.redirects_login), ("hall", counts.redirects_hall), ("room", counts.redirects_room)];
    let claims = [
        ("granted", counts.claims_granted),
        ("superseded", counts.claims_superseded),
        ("elsewhere", counts.claims_elsewhere),
        ("full", counts.claims_full),
    ];
    figures.counter("usher_registrations_total", "Servers taken into the cluster.", counts.registrations);
    figures.counter(
        "usher_registrations_denied_total",
        "Servers not taken into the cluster.",
        counts.registrations_denied,
    );
    figures.counter(
        "usher_leases_ended_total",
        "Servers that did not renew their lease.",
        counts.leases_ended,
    );
    figures.counter(
        "usher_time_jumps_total",
        "Times this process stood still for so long that leases were given a full term.",
        counts.time_jumps,
    );
    figures.counter("usher_unexpected_total", "Connections closed for what they said.", counts.unexpected);
    figures.counter(
        "usher_placements_total",
        "Times that a server's clients were given another way to it: a gateway, another one, or none.",
        counts.placements,
    );
    let decided = "Redirects decided for other servers, by their kind.";
    figures.counters("usher_redirects_decided_total", decided, "kind", redirects);
    figures.counter(
        "usher_redirects_nobody_total",
        "Questions where to redirect to that no server had a place for.",
        counts.redirects_nobody,
    );
    figures.counters("usher_claims_total", "Claims of rooms to enter, by verdict.", "verdict", claims);
    figures.counter("usher_revocations_total", "Logins put out by the operator.", counts.revocations);
    figures.counter("usher_evictions_total", "Orders to rooms to put out an older login.", counts.evictions);
    figures.counter(
        "usher_evictions_acknowledged_total",
        "Orders to put out an older login that a room has carried out.",
        counts.evictions_acknowledged,
    );
    figures.counter(
        "usher_announcements_total",
        "Texts of the operator that room servers were given for their players.",
        counts.announcements,
    );
}
