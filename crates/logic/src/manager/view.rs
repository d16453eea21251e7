//! The cluster as its manager sees it, for the admin page.
//!
//! Why: an operator asks one server about all of them.
//! Limits: [`VIEW_ROOMS_MAX`] rooms, the first by server name; the servers are bounded already.
//! Read next: [`super::registry`].

use super::registry::Server;
use super::{Counts, Manager};
use usher_proto::machine::{ClusterView, RoomView, ServerView};

/// Rooms shown, at most.
const VIEW_ROOMS_MAX: usize = 10_000;

/// Everything there is to see.
pub(super) fn view(manager: &Manager) -> ClusterView {
    let Manager { registry, presence, counts, .. } = manager;
    let Counts { redirects_login, redirects_hall, evictions, claims_elsewhere, .. } = *counts;
    ClusterView {
        servers: registry.by_name().map(server_view).collect(),
        players_online: presence.held().players as u64,
        players_in_rooms: presence.held().places as u64,
        reservations_outstanding: registry.iter().map(|(_, server)| server.kept.len() as u64).sum(),
        redirects_login,
        redirects_hall,
        evictions,
        claims_denied: claims_elsewhere,
        rooms: registry.by_name().flat_map(room_views).take(VIEW_ROOMS_MAX).collect(),
    }
}

fn server_view(server: &Server) -> ServerView {
    let Server { facts, renew, .. } = server;
    ServerView {
        name: facts.name.clone(),
        kind: facts.kind.as_str(),
        state: server.state(),
        address: facts.address.clone(),
        world: facts.world,
        serving: server.reported.map_or(0, |reported| reported.serving),
        serve_max: facts.serve_max,
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
pub(super) fn figures(manager: &Manager, visit: &mut dyn FnMut(&'static str, u64)) {
    let Manager { registry, presence, counts, links, .. } = manager;
    let state = |state: &str| registry.iter().filter(|(_, server)| server.state() == state).count() as u64;
    visit("usher_links", links.len() as u64);
    visit("usher_servers{state=\"joining\"}", state("joining"));
    visit("usher_servers{state=\"up\"}", state("up"));
    visit("usher_servers{state=\"suspect\"}", state("suspect"));
    visit("usher_servers{state=\"draining\"}", state("draining"));
    visit("usher_presence_players", presence.held().players as u64);
    visit("usher_presence_places", presence.held().places as u64);
    visit("usher_presence_entries", presence.len() as u64);
    let outstanding = registry.iter().map(|(_, server)| server.kept.len() as u64).sum();
    visit("usher_reservations_outstanding", outstanding);
    visit("usher_registrations_total", counts.registrations);
    visit("usher_registrations_denied_total", counts.registrations_denied);
    visit("usher_leases_ended_total", counts.leases_ended);
    visit("usher_time_jumps_total", counts.time_jumps);
    visit("usher_unexpected_total", counts.unexpected);
    visit("usher_redirects_total{kind=\"login\"}", counts.redirects_login);
    visit("usher_redirects_total{kind=\"hall\"}", counts.redirects_hall);
    visit("usher_redirects_nobody_total", counts.redirects_nobody);
    visit("usher_claims_total{verdict=\"granted\"}", counts.claims_granted);
    visit("usher_claims_total{verdict=\"superseded\"}", counts.claims_superseded);
    visit("usher_claims_total{verdict=\"elsewhere\"}", counts.claims_elsewhere);
    visit("usher_claims_total{verdict=\"full\"}", counts.claims_full);
    visit("usher_revocations_total", counts.revocations);
    visit("usher_evictions_total", counts.evictions);
    visit("usher_evictions_acknowledged_total", counts.evictions_acknowledged);
}
