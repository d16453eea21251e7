//! Asking a server's admin port.
//!
//! Limits: [`ANSWER_MAX`] for an answer; a server that is stopped or hangs costs no more.
//! Read next: `usher_runtime::admin`, which answers.

use crate::report::ServerUsage;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How long an answer may take.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The page at `path`, if the server answers it well.
pub fn get(admin: SocketAddr, path: &str) -> Result<String, ureq::Error> {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).build();
    let agent = ureq::Agent::new_with_config(config);
    agent.get(format!("http://{admin}{path}")).call()?.body_mut().read_to_string()
}

/// Has the server do what `path` is for, with nothing to say beside it but the token, where one is asked for.
pub fn post(admin: SocketAddr, path: &str, token: Option<&str>) -> Result<String, ureq::Error> {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).build();
    let agent = ureq::Agent::new_with_config(config);
    let mut request = agent.post(format!("http://{admin}{path}"));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    request.send_empty()?.body_mut().read_to_string()
}

/// What `/api/cluster` says of each server; the rest of it is for others.
#[derive(Deserialize)]
struct ClusterUsage {
    servers: Vec<UsageView>,
}

#[derive(Deserialize)]
struct UsageView {
    name: String,
    cpu_ms: u64,
    rss_kib: u64,
    rss_kib_peak: u64,
    connections_peak: u64,
}

/// Asks the manager what its servers use.
pub fn server_usage(manager: SocketAddr) -> anyhow::Result<Vec<ServerUsage>> {
    let cluster: ClusterUsage = serde_json::from_str(&get(manager, "/api/cluster")?)?;
    let usage = |view: UsageView| ServerUsage {
        name: view.name,
        cpu_s: view.cpu_ms as f64 / 1000.0,
        rss_kib: view.rss_kib,
        rss_kib_peak: view.rss_kib_peak,
        connections_peak: view.connections_peak,
    };
    Ok(cluster.servers.into_iter().map(usage).collect())
}
