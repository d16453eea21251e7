//! A server of a cluster from its config to its end: the same few steps for every kind.
//!
//! Why: what differs between a login and a room server is a machine and a role; the rest stands here once.
//! Owns: the order of starting (keys, sockets, hosts, admin). Does not own: the two lines, signals and threads, which are
//! every server's ([`crate::life`]), nor lease and drain, which are a gateway's too ([`crate::tend`]).
//! Limits: a second signal skips the last flush.
//! Read next: [`crate::host`].

use crate::admin::{self, AdminState};
use crate::answers::{Accounts, Answers, AskWorker, Later, Records, Seals};
use crate::call::LoginKeys;
use crate::clock::Clock;
use crate::config::{Common, Sections, millis};
use crate::host::{Host, HostNote, HostParts};
use crate::keys;
use crate::late::{self, Asked};
use crate::life::{self, FLUSH_MAX, Ready};
use crate::link::LinkParts;
use crate::listeners::{DIALS, DOOR, InnerDoor, TRUNKS, layer_2, listeners};
use crate::metrics::Shown;
use crate::notify::Notify;
use crate::signals::{self, StopRequested};
use crate::steps::Steps;
use crate::tend::Tended;
use anyhow::Context;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use usher_hpserver::{Server, completion};
use usher_proto::first_frame::Role;
use usher_proto::{Address, Figures, Machine, NodeConfig, ServerKind, ShardId};
use usher_secure::{LinkKey, TicketPolicy, private_file};
use zeroize::Zeroizing;

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
    /// Who may log in; a login server's alone.
    pub accounts: Option<Accounts>,
    /// Where hands are written down; a room server's alone.
    pub records: Option<Arc<dyn Records>>,
    /// Who has the rules of some games; a room server's alone.
    pub workers: Option<PlanWorkers>,
    /// Where its own key is; a login server's alone.
    pub login_key_file: Option<PathBuf>,
    /// Makes the machine of each shard.
    pub machine: MakeMachine<M>,
}

/// What a server does with the workers it has.
pub struct PlanWorkers {
    /// Asks them.
    pub ask: AskWorker,
    /// What they have counted.
    pub figures: Box<dyn Fn() -> Figures + Send + Sync>,
    /// Renews them.
    pub reload: Box<dyn Fn() -> bool + Send + Sync>,
    /// Ends them.
    pub end: EndWorkers,
}

/// Ends workers; whether they have time for that.
pub type EndWorkers = Box<dyn FnOnce(bool)>;

/// Runs a server until it is told to stop. Whether everything came back to its pool is the result.
pub fn serve<M: Machine + Send + 'static>(plan: ServerPlan<M>) -> anyhow::Result<()> {
    let Sections { log, stages, limits, .. } = &plan.common.sections;
    let stops = life::begin(log, stages, u64::from(limits.connections_max()))?;
    let records = plan.records.clone();
    let running = Running::start(plan)?;
    running.announce();
    let has_time = running.work(&stops);
    let flush = if has_time { FLUSH_MAX } else { Duration::ZERO };
    let ended = life::stop(running.server, &running.node.name.0, flush);
    running.asked.store(None); // nobody is left to be answered
    if let Some(end) = running.end_workers {
        end(has_time);
    }
    if let Some(records) = records {
        records.close();
    }
    ended
}

struct Running<M: Machine + Send + 'static> {
    tended: Tended<Host<M>>,
    server: Server<Host<M>>,
    asked: Arc<Asked<M>>,
    admin_address: SocketAddr,
    node: NodeConfig,
    /// What the workers have counted, if there are any.
    workers: Option<Box<dyn Fn() -> Figures + Send + Sync>>,
    end_workers: Option<EndWorkers>,
}

impl<M: Machine + Send + 'static> Running<M> {
    fn start(mut plan: ServerPlan<M>) -> anyhow::Result<Self> {
        let common = plan.common.clone();
        let sections = &common.sections;
        let listener = completion::bind(sections.server.listen)
            .with_context(|| format!("cannot listen on {} (server.listen)", sections.server.listen))?;
        let bound = listener.local_addr()?;
        let clock = Clock::start();
        let address = sections.server.advertise.clone().unwrap_or_else(|| bound.to_string());
        let inner = sections.inner.as_ref().map(InnerDoor::bind).transpose()?;
        let node = NodeConfig {
            address: Address::from(address),
            inner: inner.as_ref().map(|inner| inner.address.clone()).unwrap_or_default(),
            ..node(&common, clock.started_unix_ms)
        };
        let seed = rand::random();
        let seals = Arc::new(seals(&common)?);
        let keys = keys::load(&common, plan.role, plan.login_key_file.as_deref())?;
        let begins = Begins { node: &node, seed, clock, link: keys.link };
        let trunks = if inner.is_some() { Some(keys::inner(&common)?) } else { None };
        let shown = Arc::new(Shown::default());
        let steps = Arc::new(Steps::as_logged());
        let shards = plan.shards;
        let asked = Arc::new(Asked::<M>::empty());
        let late = late::start(Arc::clone(&asked)).context("cannot start a thread")?;
        let mut server = Server::start(
            layer_2(&common, shards),
            listeners(&common, plan.role, &seals, (keys.lock, trunks)),
            |shard| {
                let later = late::later(Arc::clone(&asked), shard, late.clone());
                Host::new(host_parts(&mut plan, shard, &begins, &seals, (&shown, &steps), later))
            },
        )
        .context("cannot start layer 2")?;
        server.listen_on(DOOR, listener)?;
        let inner = inner.map(|inner| server.listen_on(TRUNKS, inner.socket)).transpose();
        inner.context("cannot let gateways in (inner.listen)")?;
        let remote = server.remote();
        asked.store(Some(Arc::new(remote.clone())));
        let mut admin = AdminState::of(&remote, &shown, Some(node.clone()));
        admin.token = common.admin_token_file.as_deref().map(admin_token).transpose()?;
        let workers = plan.workers.take().map(|PlanWorkers { reload, figures, end, .. }| {
            admin.reload_workers = Some(reload);
            (figures, end)
        });
        if node.kind == ServerKind::Manager {
            let drains = remote.clone();
            admin.drain = Some(Box::new(move |server| drains.tell(0, HostNote::DrainServer(server)).is_ok()));
            let announces = remote.clone();
            admin.announce = Some(Box::new(move |text| announces.tell(0, HostNote::Announce(text)).is_ok()));
            let remote = remote.clone();
            admin.revoke = Some(Box::new(move |account| remote.tell(0, HostNote::Revoke(account)).is_ok()));
        }
        let admin = Arc::new(admin);
        let admin_address = admin::start(sections.server.admin, Arc::clone(&admin))?;
        let tended = Tended {
            common,
            lease: node.lease,
            remote,
            shards,
            seals,
            shown,
            admin,
            notify: Notify::from_env(),
        };
        let (workers, end_workers) = workers.unzip();
        Ok(Self { tended, server, asked, admin_address, node, workers, end_workers })
    }

    /// Dials the manager, and tells whoever started this process where it is.
    fn announce(&self) {
        let _ = self.tended.remote.tell(0, HostNote::Start); // the first note finds a place
        let ready = Ready {
            name: &self.node.name.0,
            kind: self.node.kind.as_str(),
            address: &self.node.address.0,
            admin: self.admin_address,
            listeners: &[],
        };
        ready.announce();
    }

    /// Until it is to stop; shows what the workers have counted meanwhile, for they are no shard that could. Whether nobody
    /// asked a second time.
    fn work(&self, stops: &Receiver<StopRequested>) -> bool {
        let Tended { shown, shards, .. } = &self.tended;
        self.tended.work(stops, Duration::MAX, |_| {
            if let Some(figures) = &self.workers {
                shown.figures(*shards, figures());
            }
        })
    }
}

/// What this process knows of itself, for its machines.
pub fn node(common: &Common, started_unix_ms: u64) -> NodeConfig {
    let Sections { kind, cluster, limits, .. } = &common.sections;
    NodeConfig {
        name: common.name.clone(),
        world: common.world,
        started_unix_ms,
        serve_max: limits.serve_max,
        serve_per_second_max: limits.serve_per_second_max,
        connections_max: limits.connections_max(),
        reservations_per_address_max: limits.reservations_per_address_max,
        redirects_max: cluster.redirects_max,
        reservation_ttl: millis(cluster.reservation_ttl_ms),
        lease: millis(cluster.lease_ms),
        ..NodeConfig::new(*kind)
    }
}

/// What tickets and reservations are opened and sealed with.
pub fn seals(common: &Common) -> anyhow::Result<Seals> {
    let cluster = &common.sections.cluster;
    Ok(Seals {
        keys: ArcSwap::from_pointee(keys::tickets(common)?),
        policy: TicketPolicy {
            cluster: cluster.name.clone(),
            clock_skew_max: millis(cluster.clock_skew_max_ms),
        },
        ticket_ttl: Duration::from_secs(cluster.ticket_ttl_s),
        session_max: Duration::from_secs(cluster.session_max_s),
    })
}

/// Reads the ticket keys again if SIGHUP came; what cannot be read changes nothing.
pub fn reload_keys(common: &Common, seals: &Seals) {
    if !signals::reload_requested() {
        return;
    }
    match keys::tickets(common) {
        Ok(keys) => {
            tracing::info!(?keys, "ticket keys read again; the first one seals");
            seals.keys.store(Arc::new(keys));
        }
        Err(error) => tracing::error!(error = format!("{error:#}"), "ticket keys stay as they were"),
    }
}

/// The token of the admin port.
pub fn admin_token(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = Zeroizing::new(private_file::read(path).context("server.admin_token_file")?);
    anyhow::ensure!(!text.trim().is_empty(), "{}: holds no token (server.admin_token_file)", path.display());
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// What every shard of a process begins with.
struct Begins<'a> {
    node: &'a NodeConfig,
    seed: u64,
    clock: Clock,
    link: Option<LinkKey>,
}

fn host_parts<M: Machine>(
    plan: &mut ServerPlan<M>,
    shard: usize,
    begins: &Begins<'_>,
    seals: &Arc<Seals>,
    (shown, steps): (&Arc<Shown>, &Arc<Steps>),
    later: Later,
) -> HostParts<M> {
    let link = plan.common.manager.filter(|_| shard == 0);
    let id = ShardId(shard as u16);
    let mut answers = Answers::new(Arc::clone(seals), plan.accounts.take().unwrap_or_default());
    if let Some(records) = &plan.records {
        answers = answers.recording(Arc::clone(records), Arc::clone(&later));
    }
    if let Some(workers) = &plan.workers {
        answers = answers.working(Arc::clone(&workers.ask), later);
    }
    HostParts {
        machine: (plan.machine)(id, begins.node, begins.seed),
        clock: begins.clock,
        answers: Some(Box::new(answers)),
        shard: id,
        dials: DIALS,
        link: link.map(|manager| LinkParts {
            name: begins.node.name.to_string(),
            manager,
            key: begins.link.clone(),
        }),
        trunks: plan.common.sections.inner.as_ref().map(|_| TRUNKS),
        login_keys: Arc::new(LoginKeys::new(Vec::new())), // servers dial no login
        says_why: true,
        keeps_tickets: plan.role == Role::Hall,
        exempt: plan.common.exempt.clone(),
        shown: Arc::clone(shown),
        steps: Arc::clone(steps),
    }
}
