//! Asking a server's admin port.
//!
//! Limits: [`ANSWER_MAX`] for an answer; a server that is stopped or hangs costs no more.
//! Read next: `usher_runtime::admin`, which answers.

use crate::report::ServerUsage;
use serde::Deserialize;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// How long an answer may take.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answers there, or not in time.
    #[error(transparent)]
    Silent(#[from] ureq::Error),
    /// It was not done; the server says why.
    #[error("{why} (HTTP {status})")]
    Refused {
        /// The answer's status.
        status: u16,
        /// In the server's words.
        why: String,
    },
}

fn agent() -> Agent {
    let config = Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false);
    Agent::new_with_config(config.build())
}

/// The page at `path`, if the server answers it well.
pub fn get(admin: SocketAddr, path: &str) -> Result<String, AdminError> {
    good(agent().get(format!("http://{admin}{path}")).call()?)
}

/// Has the server do what `path` is for, with this to say beside it and the token, where one is asked for.
pub fn post(admin: SocketAddr, path: &str, token: Option<&str>, body: &str) -> Result<String, AdminError> {
    let mut request = agent().post(format!("http://{admin}{path}"));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    good(request.send(body)?)
}

fn good(mut answer: Response<Body>) -> Result<String, AdminError> {
    let text = answer.body_mut().read_to_string()?;
    match answer.status() {
        StatusCode::OK => Ok(text),
        status => Err(AdminError::Refused { status: status.as_u16(), why: text.trim_end().into() }),
    }
}

/// A name as one part of a path.
pub fn segment(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.write_char(byte.into())
            }
            _ => write!(path, "%{byte:02X}"),
        };
    }
    path
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_is_in_it() {
        for (name, path) in [("room-1", "room-1"), ("a b/../c?d", "a%20b%2F..%2Fc%3Fd"), ("房", "%E6%88%BF")]
        {
            assert_eq!(segment(name), path);
        }
    }
}
