//! What servers say of themselves on their admin ports, and waiting for it.
//!
//! Invariants: a wait ends by what was waited for or by [`PATIENCE`], never by a fixed pause.
//! Read next: `usher_runtime::admin`.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use usher_runtime::clock;

/// How long anything may take, on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const PAGE_MAX: Duration = Duration::from_secs(5);

/// Looks until there is something to see.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    until_or(|| what.into(), &mut look)
}

/// Looks until there is something to see; says how things stand when there never is.
fn until_or<T>(standing: impl Fn() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = clock::instant() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(clock::instant() < deadline, "not within {PATIENCE:?}: {}", standing());
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// A page's status and text; nothing if nobody serves it.
pub(crate) fn get(admin: SocketAddr, path: &str) -> Option<(u16, String)> {
    let request = ureq::get(format!("http://{admin}{path}"))
        .config()
        .timeout_global(Some(PAGE_MAX))
        .http_status_as_error(false)
        .build();
    let mut answer = request.call().ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}

/// One line of `/metrics`, named with its labels; absent lines count 0.
pub(crate) fn metric(admin: SocketAddr, name: &str) -> Option<u64> {
    let (_, text) = get(admin, "/metrics")?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(Some(0), |value| value.trim().parse().ok())
}

/// The connections of a listener that ended for that reason.
pub(crate) fn closed(admin: SocketAddr, listener: &str, reason: &str) -> Option<u64> {
    metric(admin, &format!("usher_connections_closed_total{{listener=\"{listener}\",reason=\"{reason}\"}}"))
}

/// The open connections of a listener.
pub(crate) fn connections(admin: SocketAddr, listener: &str) -> Option<u64> {
    metric(admin, &format!("usher_connections{{listener=\"{listener}\"}}"))
}

/// `/api/cluster` of a manager.
pub(crate) fn cluster(admin: SocketAddr) -> Option<Value> {
    serde_json::from_str(&get(admin, "/api/cluster")?.1).ok()
}

/// Waits until the manager counts so many players in rooms.
pub(crate) fn until_in_rooms(admin: SocketAddr, players: u64) {
    let standing = || format!("{players} in rooms: {:?}", get(admin, "/api/cluster"));
    until_or(standing, || (cluster(admin)?["players_in_rooms"] == players).then_some(()));
}

/// A server's state as the manager sees it.
pub(crate) fn state(manager: SocketAddr, name: &str) -> Option<String> {
    let view = cluster(manager)?;
    let servers = view["servers"].as_array()?;
    let server = servers.iter().find(|server| server["name"] == name)?;
    server["state"].as_str().map(String::from)
}

/// Whether a server is up, as the manager sees it; who is gone is not.
pub(crate) fn is_up(manager: SocketAddr, name: &str) -> Option<bool> {
    let view = cluster(manager)?;
    let mut servers = view["servers"].as_array()?.iter();
    Some(servers.any(|server| server["name"] == name && server["state"] == "up"))
}

/// Waits until the manager's view shows a server, which may be a second late.
pub(crate) fn until_up(manager: SocketAddr, name: &str) {
    until(&format!("{name} is shown"), || is_up(manager, name)?.then_some(()));
}
