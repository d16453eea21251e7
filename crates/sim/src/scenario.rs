//! The plan of a run: which servers, which players, what goes wrong when.
//!
//! Why: a run is its scenario and its seed; both fit into a test's few lines.
//! Owns: the plan and the making of machines from it, at the start and at each restart.
//! Read next: `world.rs`.

use crate::fault::Fault;
use crate::machine::{AnyMachine, TOOLS};
use crate::process::Process;
use crate::workers::Workers;
use crate::world::Standing;
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;
use usher_logic::gateway::{Gateway, GatewayConfig};
use usher_logic::hall::{Hall, HallConfig};
use usher_logic::login::{Login, LoginConfig};
use usher_logic::manager::{self, Manager};
use usher_logic::room::{RoomConfig, RoomServer};
use usher_player::{Config as CrowdConfig, Crowd, Tally};
use usher_proto::{Address, NodeConfig, ServerKind, ServerName, ShardId, Time};

/// The wall clock at the world's time zero.
const UNIX_MS_AT_START: u64 = 1_700_000_000_000;

/// One process of the plan.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Manager(manager::Config),
    Login(LoginConfig),
    Hall(HallConfig),
    Room(RoomConfig),
    Gateway(GatewayConfig),
    Crowd(CrowdConfig),
}

/// A run, before it begins.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(crate) seed: u64,
    pub(crate) plans: Vec<Plan>,
    pub(crate) faults: Vec<(Time, Fault)>,
    pub(crate) skews: Vec<(ServerName, i64)>,
    /// Who has the rules of games that are not here.
    pub workers: Workers,
    /// The run has failed if it is not over by then.
    pub time_max: Duration,
    /// A machine checks itself after every so many of its steps (and at each sweep anyway).
    pub check_each: u32,
    /// How often everything is swept: all machines, and what must hold between them.
    pub sweep_each: Duration,
}

/// A server's own facts, by the name it has in the cluster and on the network.
pub fn node(kind: ServerKind, name: &str) -> NodeConfig {
    NodeConfig { name: name.into(), address: name.into(), ..NodeConfig::new(kind) }
}

impl Scenario {
    /// Nobody, yet, but a manager.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            plans: Vec::new(),
            faults: Vec::new(),
            skews: Vec::new(),
            workers: Workers::default(),
            time_max: Duration::from_secs(600),
            check_each: 1,
            sweep_each: Duration::from_secs(1),
        }
    }

    /// With the manager.
    pub fn manager(self, config: manager::Config) -> Self {
        self.with(Plan::Manager(config))
    }

    /// With a login server.
    pub fn login(self, config: LoginConfig) -> Self {
        self.with(Plan::Login(config))
    }

    /// With a hall server.
    pub fn hall(self, config: HallConfig) -> Self {
        self.with(Plan::Hall(config))
    }

    /// With a room server.
    pub fn room(self, config: RoomConfig) -> Self {
        self.with(Plan::Room(config))
    }

    /// With a gateway, before every server whose config has an inner address.
    pub fn gateway(self, config: GatewayConfig) -> Self {
        self.with(Plan::Gateway(config))
    }

    /// With players.
    pub fn crowd(self, config: CrowdConfig) -> Self {
        self.with(Plan::Crowd(config))
    }

    /// With something that goes wrong, so long after the start.
    pub fn fault(mut self, after: Duration, fault: Fault) -> Self {
        self.faults.push((Time(0) + after, fault));
        self
    }

    /// Every process of the plan.
    pub(crate) fn names(&self) -> impl Iterator<Item = ServerName> {
        self.plans.iter().enumerate().map(|(number, plan)| plan.name(number))
    }

    /// With a wall clock that is so many milliseconds ahead, or behind, from the start.
    pub fn skew(mut self, name: ServerName, skew_ms: i64) -> Self {
        self.skews.push((name, skew_ms));
        self
    }

    /// What goes wrong, and how long after the start, in the order of the plan.
    pub fn faults(&self) -> impl Iterator<Item = (Duration, &Fault)> {
        self.faults.iter().map(|(at, fault)| (*at - Time(0), fault))
    }

    /// Ready to run.
    pub fn build(self) -> World {
        World::new(self)
    }

    fn with(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }
}

impl Plan {
    pub(crate) fn name(&self, number: usize) -> ServerName {
        match self {
            Self::Manager(_) => "manager".into(),
            Self::Login(config) => config.node.name.clone(),
            Self::Hall(config) => config.node.name.clone(),
            Self::Room(config) => config.node.name.clone(),
            Self::Gateway(config) => config.node.name.clone(),
            Self::Crowd(_) => ServerName::from(format!("crowd-{number}")),
        }
    }

    /// Clients it is sent at once, at most: what a manager may keep places for.
    pub(crate) fn places_max(&self) -> Option<u32> {
        let node = match self {
            Self::Login(config) => &config.node,
            Self::Hall(config) => &config.node,
            Self::Room(config) => &config.node,
            Self::Manager(_) | Self::Gateway(_) | Self::Crowd(_) => return None,
        };
        Some(node.serve_max.min(node.serve_per_second_max))
    }

    /// A process of this plan that is born now.
    pub(crate) fn start(&self, number: usize, now: Time, skew_ms: i64, seed: u64) -> Process {
        let started_unix_ms = unix_ms(now, skew_ms);
        let node = |node: &NodeConfig| NodeConfig { started_unix_ms, ..node.clone() };
        let name = self.name(number);
        let (kind, machines) = match self {
            Self::Manager(config) => {
                let config = manager::Config { started_unix_ms, ..*config };
                (Some(ServerKind::Manager), vec![AnyMachine::Manager(Box::new(Manager::new(config, seed)))])
            }
            Self::Login(config) => {
                let config = LoginConfig { node: node(&config.node), ..config.clone() };
                (Some(ServerKind::Login), vec![AnyMachine::Login(Box::new(Login::new(config, seed)))])
            }
            Self::Hall(config) => {
                let config = HallConfig { node: node(&config.node), ..config.clone() };
                (Some(ServerKind::Hall), vec![AnyMachine::Hall(Box::new(Hall::new(config, seed)))])
            }
            Self::Room(config) => {
                let config = Arc::new(RoomConfig { node: node(&config.node), ..config.clone() });
                let shard = |shard| RoomServer::new(&config, ShardId(shard), seed, TOOLS);
                let room = |machine| AnyMachine::Room(Box::new(machine));
                (Some(ServerKind::Room), (0..config.shards()).map(shard).map(room).collect())
            }
            Self::Gateway(config) => {
                let config = GatewayConfig { node: node(&config.node), ..config.clone() };
                (Some(ServerKind::Gateway), vec![AnyMachine::Gateway(Box::new(Gateway::new(config)))])
            }
            Self::Crowd(config) => {
                let crowd = Crowd::new(config.clone(), Tally::default());
                (None, vec![AnyMachine::Crowd(Box::new(crowd))])
            }
        };
        let address = kind.map(|_| Address(name.0.clone()));
        let standing = match self {
            Self::Gateway(config) => Some(Standing::new(config.node.connections_max)),
            _ => None,
        };
        Process { standing, skew_ms, ..Process::new(name, kind, address, now, machines) }
    }

    /// Where gateways find the server, if it lets them in.
    pub(crate) fn inner(&self) -> Option<&Address> {
        let node = match self {
            Self::Hall(config) => &config.node,
            Self::Room(config) => &config.node,
            _ => return None,
        };
        Some(&node.inner).filter(|inner| !inner.is_empty())
    }
}

/// A wall clock that is so far off.
pub(crate) fn unix_ms(now: Time, skew_ms: i64) -> u64 {
    (UNIX_MS_AT_START + now.as_millis()).saturating_add_signed(skew_ms)
}
