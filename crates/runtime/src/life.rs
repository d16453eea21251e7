//! The life of a server's process, whatever it serves: how it starts, says that it is ready, waits, stops.
//!
//! Why: a server of a cluster ([`crate::server`]) and one that stands alone (`usher-push`) differ in what they run
//! and not in how an operator meets them.
//! Owns: the look at the file limit, the two lines, the wait for signals, layer 2's threads from the config.
//! Invariants: standard output has exactly two lines, both JSON: one when the server is ready, one when it has
//! stopped. A server that kept something of its pools has failed.
//! Limits: the last flush takes at most [`FLUSH_MAX`].
//! Read next: [`crate::server`].

use crate::config::{Engine, Kind, LogSection, StagesSection};
use crate::signals::{self, StopRequested};
use crate::{clock, logs, process, say};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use usher_hpserver::{Config, Server, Service, ShutdownReport, completion};

/// How long the last bytes may take to leave when a server stops.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);
/// How often a draining server looks whether it is empty.
pub const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(50);
/// Contexts beside those of `connections_max`: for the connections that are being turned away, and the links. Less
/// than the files that are kept free.
const CONTEXTS_RESERVED: usize = 64;

/// Sets up logs, and listens for signals. Says so where the limit of open files is too low for the config. (Rings hold
/// some sockets beside it, but whether there will be rings is known only when layer 1 has started.)
pub fn begin(
    log: &LogSection,
    stages: &StagesSection,
    connections_max: u64,
) -> anyhow::Result<Receiver<StopRequested>> {
    logs::init_limited(log);
    let possible = process::connections_possible() + (stages.workers * stages.direct_descriptors) as u64;
    if connections_max > possible {
        let needed = connections_max + process::FILES_RESERVED;
        tracing::warn!(
            connections_max,
            possible,
            "this process may not open enough files for its config: raise the hard limit (ulimit -Hn, LimitNOFILE) \
             to {needed} or lower connections_max to {possible}"
        );
    }
    signals::listen().context("cannot listen for signals")
}

/// What layer 2 is started with besides its threads and queues.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Services.
    pub shards: usize,
    /// Connections of all listeners together.
    pub connections_max: usize,
    /// Of those that only dials may take.
    pub links_max: usize,
    /// How long a close waits for the other end.
    pub linger_timeout: Duration,
    /// How long an outgoing connection may take.
    pub connect_timeout: Duration,
    /// Turns a second of a worker, where the config says nothing; 0: as many as come.
    pub turns_per_second_max: u32,
}

/// Layer 2 as `[stages]` wants it.
pub fn layer_2(stages: &StagesSection, needs: Needs) -> Config {
    Config {
        completion: completion::Config {
            engine: match stages.engine {
                Engine::Auto => completion::Engine::Auto,
                Engine::Uring => completion::Engine::Uring,
                Engine::Mio => completion::Engine::Mio,
            },
            workers: stages.workers,
            connections_max: needs.connections_max + CONTEXTS_RESERVED,
            outgoing_reserved: needs.links_max,
            receive_buffer_bytes: stages.receive_buffer_bytes,
            receive_buffers_max: stages.receive_buffers_max,
            turns_per_second_max: stages.turns_per_second_max.unwrap_or(needs.turns_per_second_max),
            direct_descriptors: stages.direct_descriptors,
            linger_timeout: needs.linger_timeout,
            connect_timeout: needs.connect_timeout,
            ..completion::Config::default()
        },
        receive_threads: stages.receive_threads,
        logic_threads: stages.logic_threads,
        send_threads: stages.send_threads,
        shards: needs.shards,
        queue_items_max: stages.queue_items_max,
        ..Config::default()
    }
}

/// Where a server that is ready can be found.
#[derive(Clone, Debug)]
pub struct Ready<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind, as configs write it.
    pub kind: &'a str,
    /// Where most of its clients connect.
    pub address: &'a str,
    /// Its admin port.
    pub admin: SocketAddr,
    /// Every listener by name, of a server that has several.
    pub listeners: &'a [(&'a str, SocketAddr)],
}

impl Ready<'_> {
    /// Tells whoever started this process.
    pub fn announce(&self) {
        let Self { name, kind, address, admin, listeners } = self;
        let dashboard = (*kind == Kind::Manager.as_str()).then(|| format!("http://{admin}/"));
        tracing::info!(%name, kind, %address, %admin, dashboard = dashboard.as_deref(), "server started");
        let mut ready = serde_json::json!({
            "ready": name, "kind": kind, "address": address, "admin": admin.to_string()
        });
        if let Some(dashboard) = dashboard {
            ready["dashboard"] = dashboard.into();
        }
        if !listeners.is_empty() {
            let all = listeners.iter().map(|(name, address)| ((*name).into(), address.to_string().into()));
            ready["listeners"] = serde_json::Value::Object(all.collect());
        }
        say!("{ready}");
    }
}

/// Looks every `pause` whether it is over. Whether it is, or the end has come, before somebody wants it to stop.
/// What was left out of the logs meanwhile is told.
pub fn wait(
    stops: &Receiver<StopRequested>,
    pause: Duration,
    end: Option<Instant>,
    mut is_over: impl FnMut() -> bool,
) -> bool {
    while !is_over() && end.is_none_or(|end| clock::instant() < end) {
        match stops.recv_timeout(pause) {
            Ok(StopRequested) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => logs::tell_left_out(false),
        }
    }
    true
}

/// Stops the server and says so. A server that kept something of its pools has failed.
pub fn stop<S: Service>(server: Server<S>, name: &str, flush: Duration) -> anyhow::Result<()> {
    let report = server.shutdown(flush);
    logs::tell_left_out(true);
    let stats = &report.metrics.completion;
    let stopped = serde_json::json!({
        "stopped": name,
        "pools": {
            "contexts": { "taken": stats.contexts.taken, "returned": stats.contexts.returned },
            "buffers": { "taken": stats.buffers.taken, "returned": stats.buffers.returned },
        },
    });
    say!("{stopped}");
    anyhow::ensure!(is_balanced(&report), "pools did not get everything back: {stopped}");
    tracing::info!(%name, "stopped");
    Ok(())
}

/// Whether every context and buffer came back to its pool.
pub fn is_balanced(report: &ShutdownReport) -> bool {
    let stats = &report.metrics.completion;
    [stats.contexts, stats.buffers].iter().all(|pool| pool.taken == pool.returned)
}
