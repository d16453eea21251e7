//! A gateway from its config to its end.
//!
//! Why: the process opens the listeners that the machine wants; lease and drain are `usher_runtime::tend`'s, what all
//! processes do is `usher_runtime::life`'s.
//! Owns: which listener is which server's. Does not own fronts and players: those are shards' ([`crate::service`]).
//! Invariants: a server keeps its listener, and so its address here, as long as the process lives, also while it is gone.
//! Limits: `gateway.follow_max` servers beside those of the config.
//! Read next: [`crate::control`].

use crate::codec::{Players, ToManager, Trunks};
use crate::config::{Config, ServerSection};
use crate::control::{Control, ControlParts, Orders};
use crate::door::PlayersDoor;
use crate::names::{Found, Names};
use crate::service::{FrontConfig, Gateway, Note, Parts};
use anyhow::Context;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use usher_hpserver::{Limits, ListenerConfig, ListenerId, NoChannel, Offer, Server, completion};
use usher_logic::gateway::{Gateway as Machine, GatewayConfig};
use usher_proto::first_frame::Role;
use usher_proto::message::{Front, InnerServer};
use usher_proto::{Address, NodeConfig, ServerName};
use usher_runtime::admin::{self, AdminState};
use usher_runtime::answers::Seals;
use usher_runtime::clock::{self, Clock};
use usher_runtime::codec::{Native, Side};
use usher_runtime::config::{ChannelKind, Sections, millis};
use usher_runtime::door::{Door, Lock};
use usher_runtime::keys;
use usher_runtime::life::{self, FLUSH_MAX, Needs, Ready};
use usher_runtime::link::{LinkParts, call};
use usher_runtime::listeners::{LINKS_MAX, TRUNK_HIGH_WATER_BYTES, hp_limits, trunk_limits};
use usher_runtime::metrics::Shown;
use usher_runtime::notify::Notify;
use usher_runtime::server::{admin_token, node, seals};
use usher_runtime::signals::StopRequested;
use usher_runtime::tend::{Tended, Turn};

/// How often the process looks whether the machine wants other servers than it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// When a server that it could not stand before is tried again: its name may be known by then, its port free.
const LATE_AFTER: Duration = Duration::from_secs(2);

/// Runs a gateway until it is told to stop.
pub fn run(config: Config) -> anyhow::Result<()> {
    let Sections { log, stages, limits, .. } = &config.common.sections;
    let stops = life::begin(log, stages, u64::from(limits.connections_max()))?;
    let mut running = Running::start(config)?;
    running.announce();
    let flush = if running.work(&stops) { FLUSH_MAX } else { Duration::ZERO };
    life::stop(running.server, &running.node.name.0, flush)
}

/// A gateway at work.
struct Running {
    config: Config,
    node: NodeConfig,
    server: Server<Gateway>,
    tended: Arc<Tended<Gateway>>,
    orders: Arc<Orders>,
    admin_address: SocketAddr,
    /// The servers that have a listener, in the listeners' order.
    fronts: Vec<Front>,
    /// Whom the machine wants.
    wanted: Vec<InnerServer>,
    /// Those that a shard was told to stand before, and where.
    standing: BTreeMap<ServerName, SocketAddr>,
    names: Names,
    /// Where those are that it could not stand before yet, and when that is tried again.
    late: Option<(Instant, Vec<Address>)>,
}

impl Running {
    fn start(config: Config) -> anyhow::Result<Self> {
        let common = &config.common;
        let sections = &common.sections;
        let clock = Clock::start();
        let address = sections.server.advertise.clone().unwrap_or_else(|| sections.server.listen.to_string());
        let node = NodeConfig { address: Address::from(address), ..node(common, clock.started_unix_ms) };
        let (shown, orders, players) = (Arc::default(), Arc::default(), Arc::default());
        let seals = Arc::new(seals(common)?);
        let fronts_max = config.fronts_max();
        let shards = fronts_max.min(sections.stages.logic_threads.max(1)).max(1);
        let trunks = ListenerId(fronts_max as u16);
        let mut control = Some(control(&config, &node, clock, (&shown, &orders, &players))?);
        let trunk_key = keys::trunk_key(common, &config.inner_key_file, "gateway.inner_key_file")?;
        let mut layer_2 = life::layer_2(&sections.stages, needs(&config, shards));
        layer_2.completion.send_queue_bytes_max = TRUNK_HIGH_WATER_BYTES;
        let server = Server::start(layer_2, listeners(&config, &seals, shards), |shard| {
            let (name, key) = (node.name.to_string(), trunk_key.clone());
            let offer =
                move || -> Option<Box<dyn Offer>> { Some(Box::new(call(Role::Trunk, &name, key.as_ref()))) };
            Gateway::new(Parts {
                shard,
                trunks,
                offer: Box::new(offer),
                words: Players { words: Some(Native::new(Side::Server)) },
                control: control.take(),
                shown: Arc::clone(&shown),
                players: Arc::clone(&players),
            })
        })
        .context("cannot start layer 2")?;
        let remote = server.remote();
        let mut admin = AdminState::of(&remote, &shown, Some(node.clone()));
        admin.needs_nobody = common.manager.is_none();
        admin.token = common.admin_token_file.as_deref().map(admin_token).transpose()?;
        let admin = Arc::new(admin);
        let admin_address = admin::start(sections.server.admin, Arc::clone(&admin))?;
        let tended = Tended {
            common: common.clone(),
            lease: node.lease,
            remote,
            shards,
            seals,
            shown,
            admin,
            notify: Notify::from_env(),
        };
        let mut running = Self {
            config,
            node,
            server,
            tended: Arc::new(tended),
            orders,
            admin_address,
            fronts: Vec::new(),
            wanted: Vec::new(),
            standing: BTreeMap::new(),
            names: Names::of_system(),
            late: None,
        };
        for server in running.config.section.servers.clone() {
            running.open(&server.name.clone(), Some(&server))?;
        }
        Ok(running)
    }

    fn announce(&self) {
        let addresses = self.server.addresses();
        let listeners: Vec<_> = addresses
            .iter()
            .map(|(at, address)| (self.fronts[usize::from(at.0)].server.0.as_ref(), *address))
            .collect();
        let ready = Ready {
            name: &self.node.name.0,
            kind: self.config.common.sections.kind.as_str(),
            address: &self.node.address.0,
            admin: self.admin_address,
            listeners: &listeners,
        };
        ready.announce();
    }

    /// Does as ordered until it is to stop. Whether nobody asked a second time.
    fn work(&mut self, stops: &Receiver<StopRequested>) -> bool {
        let tended = Arc::clone(&self.tended);
        tended.work(stops, LOOK_EVERY, |turn| match turn {
            Turn::Serving => self.obey(),
            Turn::DrainBegins => self.server.stop_accepting(),
            Turn::Draining => {}
        })
    }

    /// Stands before those that the machine wants, and before nobody else.
    fn obey(&mut self) {
        if let Some(wanted) = self.orders.take() {
            for it in &wanted {
                self.names.ask(&it.address);
            }
            (self.wanted, self.late) = (wanted, None);
        }
        if let Some((_, late)) = self.late.take_if(|(at, _)| *at <= clock::instant()) {
            for address in &late {
                self.names.ask(address);
            }
        }
        for found in self.names.found() {
            self.stand_there(&found);
        }
        let mut standing = std::mem::take(&mut self.standing);
        give_up_others(&mut standing, &self.wanted, |name| self.give_up(name));
        self.standing = standing;
    }

    /// Whether its shard could be told.
    fn give_up(&self, server: &ServerName) -> bool {
        let Some(listener) = self.listener_of(server) else { return true };
        self.tended.remote.tell(self.shard_of(listener), Note::Give(listener)).is_ok()
    }

    /// Before those of the wanted that are there.
    fn stand_there(&mut self, found: &Found) {
        let there: Vec<_> = self.wanted.iter().filter(|it| it.address == found.address).cloned().collect();
        for InnerServer { server, address, .. } in there {
            let at = found.at.as_ref().map_err(|why| anyhow::anyhow!("cannot find `{}`: {why}", address.0));
            if let Err(error) = at.and_then(|at| self.stand_before(&server, *at)) {
                tracing::error!(%server, error = format!("{error:#}"), "cannot stand before it");
                let late = self.late.get_or_insert_with(|| (clock::instant() + LATE_AFTER, Vec::new()));
                late.1.push(address);
            }
        }
    }

    fn stand_before(&mut self, name: &ServerName, inner: SocketAddr) -> anyhow::Result<()> {
        if self.standing.get(name) == Some(&inner) {
            return Ok(());
        }
        let listener = match self.listener_of(name) {
            Some(listener) => listener,
            None => self.open(name, None)?,
        };
        let stand = Note::Stand(FrontConfig {
            front: self.fronts[usize::from(listener.0)].clone(),
            listener,
            inner,
            trunks: self.config.section.trunks,
        });
        anyhow::ensure!(
            self.tended.remote.tell(self.shard_of(listener), stand).is_ok(),
            "too much to do now"
        );
        self.standing.insert(name.clone(), inner);
        Ok(())
    }

    fn listener_of(&self, server: &ServerName) -> Option<ListenerId> {
        self.fronts.iter().position(|it| it.server == *server).map(|at| ListenerId(at as u16))
    }

    fn shard_of(&self, listener: ListenerId) -> usize {
        usize::from(listener.0) % self.tended.shards
    }

    /// Opens the players' listener of a server: where its own section says, or at the next port for those followed.
    fn open(&mut self, name: &ServerName, section: Option<&ServerSection>) -> anyhow::Result<ListenerId> {
        let at = self.fronts.len();
        anyhow::ensure!(at < self.config.fronts_max(), "there is no listener left (gateway.follow_max)");
        let own = &self.config.common.sections.server;
        let followed = at - self.config.section.servers.len().min(at);
        let listen = section.map_or_else(|| next_port(own.listen, followed), |section| section.listen);
        // The config's are opened at the start; later the lease does not wait for a port.
        let bind = if section.is_some() { completion::bind } else { completion::bind_once };
        let socket = bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let bound = socket.local_addr()?;
        let advertise = match section {
            Some(section) => section.advertise.clone(),
            None => own.advertise.as_ref().map(|own| with_port(own, bound.port())),
        };
        let address = Address::from(advertise.unwrap_or_else(|| bound.to_string()));
        let listener = ListenerId(at as u16);
        self.server.listen_on(listener, socket)?;
        tracing::info!(server = %name, %address, "players find it here");
        self.fronts.push(Front { server: name.clone(), address });
        Ok(listener)
    }
}

/// Whoever is wanted no more stands until `give_up` could say so.
fn give_up_others(
    standing: &mut BTreeMap<ServerName, SocketAddr>,
    wanted: &[InnerServer],
    give_up: impl Fn(&ServerName) -> bool,
) {
    standing.retain(|name, _| wanted.iter().any(|it| it.server == *name) || !give_up(name));
}

/// The `nth` port from that of `first`; any free one if that is 0.
fn next_port(first: SocketAddr, nth: usize) -> SocketAddr {
    let port = if first.port() == 0 { 0 } else { first.port().saturating_add(nth as u16) };
    SocketAddr::new(first.ip(), port)
}

/// The host of `advertise`, with another port.
fn with_port(advertise: &str, port: u16) -> String {
    let host = advertise.rsplit_once(':').map_or(advertise, |(host, _)| host);
    format!("{host}:{port}")
}

fn control(
    config: &Config,
    node: &NodeConfig,
    clock: Clock,
    (shown, orders, players): (&Arc<Shown>, &Arc<Orders>, &Arc<AtomicU32>),
) -> anyhow::Result<Control> {
    let common = &config.common;
    let link = match common.manager {
        Some(manager) => Some(LinkParts { name: node.name.to_string(), manager, key: keys::link(common)? }),
        None => None,
    };
    let machine = Machine::new(GatewayConfig {
        node: node.clone(),
        servers: config.servers(),
        follow: config.section.follow,
    });
    let parts = ControlParts {
        link,
        dials: ListenerId(config.fronts_max() as u16 + 1),
        shown: Arc::clone(shown),
        orders: Arc::clone(orders),
        players: Arc::clone(players),
    };
    Ok(Control::new(machine, clock, parts))
}

fn needs(config: &Config, shards: usize) -> Needs {
    let limits = &config.common.sections.limits;
    let trunks = config.fronts_max() * config.section.trunks;
    Needs {
        shards,
        connections_max: limits.connections_max() as usize,
        links_max: LINKS_MAX + 2 * trunks, // each, and the one before it that is still closing
        linger_timeout: millis(limits.linger_timeout_ms),
        connect_timeout: millis(limits.connect_timeout_ms),
        turns_per_second_max: 0, // what passes does not wait
    }
}

/// Those of players, one for each server there may be; that of trunks; that of the manager's link.
fn listeners(config: &Config, seals: &Arc<Seals>, shards: usize) -> Vec<ListenerConfig<Gateway>> {
    let common = &config.common;
    let limits = hp_limits(common);
    let words = Players { words: Some(Native::new(Side::Server)) };
    let players = |at: usize| ListenerConfig {
        name: format!("front-{at}"),
        address: None,
        codec: Arc::new(words),
        channel: Arc::new(PlayersDoor(Door {
            roles: vec![Role::Hall, Role::Room],
            name: None,
            seals: Arc::clone(seals),
            lock: lock(common.sections.cluster.channel),
        })),
        limits: limits.clone(),
        link: false,
        carries: None,
        tells_blocked: true,
        door: at % shards,
    };
    let mut all: Vec<_> = (0..config.fronts_max()).map(players).collect();
    let trunks = ListenerConfig {
        name: "trunks".into(),
        address: None,
        codec: Arc::new(Trunks),
        channel: Arc::new(NoChannel), // who dials makes its own offer
        limits: trunk_limits(&limits),
        link: true,
        carries: None,
        tells_blocked: false,
        door: 0,
    };
    let manager = ListenerConfig {
        name: "manager".into(),
        codec: Arc::new(ToManager::default()),
        limits: Limits { high_water_bytes: limits.high_water_bytes, ..trunks.limits.clone() },
        ..trunks.clone()
    };
    all.extend([trunks, manager]);
    all
}

fn lock(channel: ChannelKind) -> Lock {
    match channel {
        ChannelKind::Noise => Lock::Session,
        ChannelKind::Plain => Lock::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::ServerKind;

    #[test]
    fn who_is_wanted_no_more_is_given_up_when_his_shard_can_be_told() {
        let names = ["hall-1", "room-1"].map(ServerName::from);
        let at: SocketAddr = "127.0.0.1:7350".parse().unwrap();
        let mut standing: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), at)).collect();
        let room = InnerServer { server: names[1].clone(), kind: ServerKind::Room, address: "".into() };
        for is_told in [false, true] {
            give_up_others(&mut standing, std::slice::from_ref(&room), |name| {
                assert_eq!(*name, names[0], "the other is wanted");
                is_told
            });
            assert_eq!(standing.contains_key(&names[0]), !is_told);
        }
        assert!(standing.contains_key(&names[1]));
    }
}
