//! A push server from its config to its end.
//!
//! Why: it is no part of a cluster: no manager, no tickets, no machine. What every process does is
//! `usher_runtime::life`'s; here stands what this one starts.
//! Owns: three listeners on one shard, the admin port, the drain.
//! Invariants: when it is ready, all three ports are bound.
//! Limits: a drain takes at most `drain_timeout`; a second signal skips it and the last flush.
//! Read next: [`crate::service`].

use crate::broker::Broker;
use crate::config::{Config, Sections, port};
use crate::service::{Drain, PORTS, PushService};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use usher_hpserver::{ListenerConfig, Metrics, NoChannel, Remote, Server, ShutdownReport};
use usher_proto::message::Port;
use usher_runtime::admin::{self, AdminState};
use usher_runtime::clock;
use usher_runtime::config::millis;
use usher_runtime::life::{self, DRAIN_LOOK_EVERY, FLUSH_MAX, Needs, Ready};
use usher_runtime::metrics::Shown;
use usher_runtime::notify::Notify;
use usher_runtime::signals::StopRequested;

/// How often somebody looks after what was left out of the logs; a signal is heard at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a push server until it is told to stop.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let Sections { log, stages, .. } = &config.sections;
    let stops = life::begin(log, stages, connections_max(&config.sections) as u64)?;
    let running = Running::start(config)?;
    running.announce();
    let flush = if running.work(&stops) { FLUSH_MAX } else { Duration::ZERO };
    let name = running.sections.server.name.clone();
    life::stop(running.server, &name, flush)
}

/// A push server at work.
pub struct Running {
    sections: Sections,
    server: Server<PushService>,
    remote: Remote<PushService>,
    shown: Arc<Shown>,
    admin: Arc<AdminState>,
    admin_address: SocketAddr,
    notify: Notify,
}

impl Running {
    /// Starts every thread and listens.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let sections = config.sections.clone();
        let shown = Arc::new(Shown::default());
        let needs = Needs {
            shards: 1,
            connections_max: connections_max(&sections),
            links_max: 0,
            turns_per_second_max: 0, // a quote does not wait
            linger_timeout: millis(sections.limits.linger_timeout_ms),
            connect_timeout: Duration::MAX,
        };
        let broker = || Broker::new(sections.limits.clone(), clock::unix_ms());
        let server = Server::start(life::layer_2(&sections.stages, needs), listeners(config), |_| {
            PushService::new(broker(), Arc::clone(&shown))
        })
        .context("cannot start layer 2")?;
        let remote = server.remote();
        let admin = Arc::new(AdminState::of(&remote, &shown, None));
        let admin_address = admin::start(sections.server.admin, Arc::clone(&admin))?;
        let notify = Notify::from_env();
        Ok(Self { sections, server, remote, shown, admin, admin_address, notify })
    }

    /// Where a port listens.
    pub fn address(&self, port: Port) -> SocketAddr {
        let at = PORTS.iter().position(|known| *known == port).expect("invariant: every port is listed");
        self.server.addresses()[at].1
    }

    /// Where the admin port is.
    pub fn admin(&self) -> SocketAddr {
        self.admin_address
    }

    /// Layer 2's counters.
    pub fn metrics(&self) -> Metrics {
        self.remote.metrics()
    }

    /// Begins to empty the server. False: its shard has too much to hear now; say it again.
    pub fn drain(&self) -> bool {
        self.admin.draining.store(true, Ordering::Release);
        self.remote.tell(0, Drain).is_ok()
    }

    /// Whether it was drained and nobody is left.
    pub fn is_drained(&self) -> bool {
        self.shown.drained.load(Ordering::Acquire)
    }

    /// Ends it; what is queued may take so long to leave.
    pub fn stop(self, flush: Duration) -> ShutdownReport {
        self.server.shutdown(flush)
    }

    fn announce(&self) {
        let listeners = PORTS.map(|it| (port::name(it), self.address(it)));
        let ready = Ready {
            name: &self.sections.server.name,
            kind: self.sections.kind.as_str(),
            address: &self.address(Port::Terminals).to_string(),
            admin: self.admin_address,
            listeners: &listeners,
        };
        ready.announce();
        self.notify.ready();
    }

    /// Waits until somebody wants an end; then drains until it is empty or takes too long. Whether nobody asked a
    /// second time.
    fn work(&self, stops: &Receiver<StopRequested>) -> bool {
        life::wait(stops, LOOK_EVERY, None, || false);
        tracing::info!("draining; a second signal stops at once");
        self.notify.stopping();
        let mut told = self.drain();
        let end = clock::instant() + Duration::from_secs(self.sections.limits.drain_timeout_s);
        life::wait(stops, DRAIN_LOOK_EVERY, Some(end), || {
            told = told || self.drain();
            self.is_drained()
        })
    }
}

fn connections_max(sections: &Sections) -> usize {
    PORTS.iter().map(|port| sections.port(*port).connections_max()).sum()
}

fn listeners(config: &Config) -> Vec<ListenerConfig<PushService>> {
    let Config { sections, exempt } = config;
    let listener = |port| {
        let section = sections.port(port);
        ListenerConfig {
            name: port::name(port).into(),
            address: Some(section.listen),
            codec: section.codec_for(port),
            channel: Arc::new(NoChannel),
            limits: section.limits(sections.addresses.limits(exempt)),
            link: false,
            carries: None,
            tells_blocked: false,
            door: 0,
        }
    };
    PORTS.map(listener).into()
}
