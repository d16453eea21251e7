//! A server from its config to its end: the same few steps for every kind.
//!
//! Why: what differs between a login and a room server is a machine and a role; the rest stands here once.
//! Owns: the order of starting (limits, keys, sockets, hosts, admin, ready line) and of stopping (drain, flush,
//! count what came back to the pools).
//! Invariants: standard output has exactly two lines, both JSON: one when the server is ready, one when it has
//! stopped. The lease is renewed from this thread, never from a machine's.
//! Limits: a drain takes at most `drain_timeout`, the last flush [`FLUSH_MAX`]; a second signal skips both.
//! Read next: [`crate::host`].

use crate::admin::{self, AdminState};
use crate::answers::{Answers, CheckCredentials, Seals};
use crate::clock::{self, Clock};
use crate::codec::{Native, Side};
use crate::config::{Common, Engine, LimitsSection, Sections, millis};
use crate::door::{Dialler, Door};
use crate::host::{Host, HostNote, HostParts};
use crate::metrics::Shown;
use crate::signals::{self, StopRequested};
use crate::{logs, process};
use anyhow::Context;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use usher_hpserver::{
    Config, ConnId, Limits, ListenerConfig, ListenerId, Remote, Server, ShutdownReport, completion,
};
use usher_proto::first_frame::Role;
use usher_proto::message::Renew;
use usher_proto::{Address, Machine, NodeConfig, ShardId};
use usher_secure::{TicketKeys, TicketPolicy};

/// How long the last bytes may take to leave when a server stops.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);
/// How often the lease is renewed while it runs.
const RENEWALS_PER_LEASE: u32 = 4;
/// Contexts beside those of `connections_max`: for the connections that are being turned away, and
/// [`LINKS_MAX`] that only links may take. Less than the files that are kept free.
const CONTEXTS_RESERVED: usize = 64;
/// Links to the manager: the one, and the one before it that is still closing.
const LINKS_MAX: usize = 4;
/// How often a draining server looks whether it is empty.
const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(50);
/// The listener of players (a manager's: of servers) and the one that dials.
const DOOR: ListenerId = ListenerId(0);
const DIALS: ListenerId = ListenerId(1);

/// Makes the machine of a shard, from what the process knows of itself and a seed.
pub type MakeMachine<M> = Box<dyn FnMut(ShardId, &NodeConfig, u64) -> M>;

/// What distinguishes one kind of server from another.
pub struct ServerPlan<M: Machine> {
    /// Its checked config.
    pub common: Common,
    /// What its listener is.
    pub role: Role,
    /// How many machines; the first is the door.
    pub shards: usize,
    /// Checks credentials; a login server's alone.
    pub check: Option<CheckCredentials>,
    /// Makes the machine of each shard.
    pub machine: MakeMachine<M>,
}

/// Runs a server until it is told to stop. Whether everything came back to its pool is the result.
pub fn serve<M: Machine + Send + 'static>(plan: ServerPlan<M>) -> anyhow::Result<()> {
    logs::init(&plan.common.sections.log);
    let stages = &plan.common.sections.stages;
    check_files(&plan.common.sections.limits, stages.workers * stages.direct_descriptors);
    let stops = signals::listen().context("cannot listen for signals")?;
    let running = Running::start(plan)?;
    running.announce();
    let flush = if running.work(&stops) { FLUSH_MAX } else { Duration::ZERO };
    running.stop(flush)
}

/// Says so where the limit of open files is too low for the config. (Rings hold some sockets beside it, but whether
/// there will be rings is known only when layer 1 has started.)
fn check_files(limits: &LimitsSection, direct: usize) {
    let possible = process::connections_possible() + direct as u64;
    let wanted = u64::from(limits.connections_max());
    if wanted > possible {
        let needed = wanted + process::FILES_RESERVED;
        tracing::warn!(
            connections_max = wanted,
            possible,
            "this process may not open enough files for its config: raise the hard limit (ulimit -Hn, LimitNOFILE) \
             to {needed} or lower limits.connections_max to {possible}"
        );
    }
}

struct Running<M: Machine + Send + 'static> {
    common: Common,
    server: Server<Host<M>>,
    remote: Remote<Host<M>>,
    shown: Arc<Shown>,
    admin: Arc<AdminState>,
    admin_address: SocketAddr,
    node: NodeConfig,
    shards: usize,
}

impl<M: Machine + Send + 'static> Running<M> {
    fn start(mut plan: ServerPlan<M>) -> anyhow::Result<Self> {
        let common = plan.common.clone();
        let sections = &common.sections;
        let listener = TcpListener::bind(sections.server.listen)
            .with_context(|| format!("cannot listen on {} (server.listen)", sections.server.listen))?;
        let bound = listener.local_addr()?;
        let clock = Clock::start();
        let address = sections.server.advertise.clone().unwrap_or_else(|| bound.to_string());
        let node = node(&common, Address(address), clock.started_unix_ms);
        let seed = rand::random();
        let seals = Arc::new(seals(&common)?);
        let shown = Arc::new(Shown::default());
        let shards = plan.shards;
        let mut server =
            Server::start(layer_2(&common, shards), listeners(&common, plan.role, &seals), |shard| {
                Host::new(host_parts(&mut plan, shard, (&node, seed), clock, &seals, &shown))
            })
            .context("cannot start layer 2")?;
        server.listen_on(DOOR, listener)?;
        let remote = server.remote();
        let admin = admin_state(&remote, &shown, &node);
        let admin_address = admin::start(sections.server.admin, Arc::clone(&admin))
            .with_context(|| format!("cannot listen on {} (server.admin)", sections.server.admin))?;
        Ok(Self { common, server, remote, shown, admin, admin_address, node, shards })
    }

    /// Dials the manager, and tells whoever started this process where it is.
    fn announce(&self) {
        let _ = self.remote.tell(0, HostNote::Start); // refused only by a server that has stopped
        let kind = self.common.sections.kind.as_str();
        let (name, listen, admin) = (&self.node.name, &self.node.address, self.admin_address);
        tracing::info!(%name, %listen, %admin, "{kind} server is ready");
        let ready = serde_json::json!({
            "ready": name.0, "kind": kind, "address": listen.0, "admin": admin.to_string()
        });
        println!("{ready}");
    }

    /// Renews the lease until somebody wants an end; then drains until it is empty or takes too long. Whether
    /// nobody asked a second time.
    fn work(&self, stops: &Receiver<StopRequested>) -> bool {
        self.renew_until(stops, None, || false);
        tracing::info!("draining; a second signal stops at once");
        self.admin.draining.store(true, Ordering::Release);
        for shard in 0..self.shards {
            let _ = self.remote.tell(shard, HostNote::Drain); // refused only by a server that has stopped
        }
        let end = clock::instant() + Duration::from_secs(self.common.sections.limits.drain_timeout_s);
        self.renew_until(stops, Some(end), || self.shown.drained.load(Ordering::Acquire))
    }

    /// Whether it is over, or the end has come, without another request.
    fn renew_until(
        &self,
        stops: &Receiver<StopRequested>,
        end: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) -> bool {
        let renew_every = self.node.lease / RENEWALS_PER_LEASE;
        let pause = if end.is_some() { DRAIN_LOOK_EVERY } else { renew_every };
        let sleep_max = self.node.lease / 2;
        let (mut renewed, mut looked) = (clock::instant(), clock::instant());
        while !is_over() && end.is_none_or(|end| clock::instant() < end) {
            match stops.recv_timeout(pause) {
                Ok(StopRequested) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = clock::instant();
            if now - looked > pause + sleep_max {
                tracing::warn!(slept = ?(now - looked), "this process slept: it presents itself anew");
                let _ = self.remote.tell(0, HostNote::Woke); // refused only by a server that has stopped
            }
            looked = now;
            if now - renewed >= renew_every {
                renewed = now;
                self.renew();
            }
        }
        true
    }

    fn renew(&self) {
        let Some(conn) = self.shown.link() else { return };
        let metrics = self.remote.metrics();
        let usage = process::usage();
        let door = metrics.listeners.first();
        let renew = Renew {
            connections: door.map_or(0, |door| door.connections as u32),
            connections_peak: door.map_or(0, |door| door.connections_peak as u32),
            cpu_ms: usage.cpu_ms,
            rss_kib: usage.rss_kib,
            rss_kib_peak: usage.rss_kib_peak,
        };
        if !self.remote.send(ConnId::from_bits(conn.0), renew.into()) {
            tracing::warn!("the lease could not be renewed: the send queue of links is full");
        }
    }

    fn stop(self, flush: Duration) -> anyhow::Result<()> {
        let report = self.server.shutdown(flush);
        let stats = &report.metrics.completion;
        let stopped = serde_json::json!({
            "stopped": self.node.name.0,
            "pools": {
                "contexts": { "taken": stats.contexts.taken, "returned": stats.contexts.returned },
                "buffers": { "taken": stats.buffers.taken, "returned": stats.buffers.returned },
            },
        });
        println!("{stopped}");
        anyhow::ensure!(is_balanced(&report), "pools did not get everything back: {stopped}");
        tracing::info!(name = %self.node.name, "stopped");
        Ok(())
    }
}

/// Whether every context and buffer came back to its pool.
pub fn is_balanced(report: &ShutdownReport) -> bool {
    let stats = &report.metrics.completion;
    [stats.contexts, stats.buffers].iter().all(|pool| pool.taken == pool.returned)
}

/// What this process knows of itself, for its machines.
fn node(common: &Common, address: Address, started_unix_ms: u64) -> NodeConfig {
    let Sections { kind, cluster, limits, .. } = &common.sections;
    NodeConfig {
        name: common.name.clone(),
        world: common.world,
        address,
        started_unix_ms,
        serve_max: limits.serve_max,
        serve_per_second_max: limits.serve_per_second_max,
        connections_max: limits.connections_max(),
        redirects_max: cluster.redirects_max,
        reservation_ttl: millis(cluster.reservation_ttl_ms),
        lease: millis(cluster.lease_ms),
        ..NodeConfig::new(*kind)
    }
}

fn seals(common: &Common) -> anyhow::Result<Seals> {
    let cluster = &common.sections.cluster;
    Ok(Seals {
        keys: ticket_keys(common)?,
        policy: TicketPolicy {
            cluster: cluster.name.clone(),
            clock_skew_max: millis(cluster.clock_skew_max_ms),
        },
        ticket_ttl: Duration::from_secs(cluster.ticket_ttl_s),
        session_max: Duration::from_secs(cluster.session_max_s),
    })
}

/// Loads the cluster's keys; makes them first where the config allows it and nobody has yet.
fn ticket_keys(common: &Common) -> anyhow::Result<TicketKeys> {
    let path = &common.key_file;
    if common.sections.cluster.create_key && !path.exists() {
        match TicketKeys::generate().write_file(path) {
            Ok(()) => tracing::info!(path = %path.display(), "made new ticket keys"),
            Err(error) if path.exists() => {
                tracing::debug!(%error, "another server was first to make the keys");
            }
            Err(error) => return Err(error.into()),
        }
    }
    TicketKeys::load(path).with_context(|| format!("{} (cluster.key_file)", path.display()))
}

fn host_parts<M: Machine>(
    plan: &mut ServerPlan<M>,
    shard: usize,
    (node, seed): (&NodeConfig, u64),
    clock: Clock,
    seals: &Arc<Seals>,
    shown: &Arc<Shown>,
) -> HostParts<M> {
    let link = plan.common.manager.filter(|_| shard == 0);
    let id = ShardId(shard as u16);
    HostParts {
        machine: (plan.machine)(id, node, seed),
        clock,
        answers: Some(Answers::new(Arc::clone(seals), plan.check.take())),
        shard: id,
        dials: DIALS,
        link: link.map(|manager| (node.name.0.clone(), manager)),
        says_why: true,
        keeps_tickets: plan.role == Role::Hall,
        shown: Arc::clone(shown),
    }
}

fn admin_state<M: Machine + Send + 'static>(
    remote: &Remote<Host<M>>,
    shown: &Arc<Shown>,
    node: &NodeConfig,
) -> Arc<AdminState> {
    let remote = remote.clone();
    Arc::new(AdminState {
        metrics: Box::new(move || remote.metrics()),
        shown: Arc::clone(shown),
        node: node.clone(),
        draining: AtomicBool::new(false),
    })
}

fn layer_2(common: &Common, shards: usize) -> Config {
    let (limits, stages) = (&common.sections.limits, &common.sections.stages);
    Config {
        completion: completion::Config {
            engine: match stages.engine {
                Engine::Auto => completion::Engine::Auto,
                Engine::Uring => completion::Engine::Uring,
                Engine::Mio => completion::Engine::Mio,
            },
            workers: stages.workers,
            connections_max: limits.connections_max() as usize + CONTEXTS_RESERVED,
            outgoing_reserved: LINKS_MAX,
            receive_buffer_bytes: stages.receive_buffer_bytes,
            receive_buffers_max: stages.receive_buffers_max,
            direct_descriptors: stages.direct_descriptors,
            linger_timeout: millis(limits.linger_timeout_ms),
            connect_timeout: millis(limits.connect_timeout_ms),
            ..completion::Config::default()
        },
        receive_threads: stages.receive_threads,
        logic_threads: stages.logic_threads,
        send_threads: stages.send_threads,
        shards,
        queue_items_max: stages.queue_items_max,
        ..Config::default()
    }
}

fn listeners<M: Machine + Send + 'static>(
    common: &Common,
    role: Role,
    seals: &Arc<Seals>,
) -> Vec<ListenerConfig<Host<M>>> {
    let is_manager = role == Role::Link;
    let limits = hp_limits(&common.sections.limits);
    let side = if is_manager { Side::Manager } else { Side::Server };
    let door = Door { role, name: common.name.clone(), seals: Arc::clone(seals) };
    let accepting = ListenerConfig {
        name: if is_manager { "links" } else { "players" }.into(),
        address: None, // its socket was bound before, so that the machines know the port
        codec: Arc::new(Native { side }),
        channel: Arc::new(door),
        limits: limits.clone(),
        link: is_manager,
        door: 0,
    };
    let dialling = ListenerConfig {
        name: "manager".into(),
        address: None,
        codec: Arc::new(Native { side: Side::Node }),
        channel: Arc::new(Dialler { side: Side::Node }),
        limits,
        link: true,
        door: 0,
    };
    vec![accepting, dialling] // DOOR, DIALS
}

fn hp_limits(limits: &LimitsSection) -> Limits {
    Limits {
        connections_max: limits.connections_max() as usize,
        first_message_deadline: millis(limits.first_message_deadline_ms),
        ping_interval: millis(limits.ping_interval_ms),
        pings_missed_max: limits.pings_missed_max,
        high_water_bytes: limits.high_water_bytes,
        ..Limits::default()
    }
}
