//! A storm of logins: how evenly arbitration spreads it over the login servers.
//!
//! Why: after an outage everybody comes at once, and most clients try the same server first. Outstanding reservations
//! count as load so that a report which is a moment old sends nobody to a server that is about to be full.
//! The plan: ten login servers, the clients of one storm, 80 % of whom start at the first; the others start anywhere
//! else. The storm rises in five steps from half of the cluster's rate to nine tenths of it. The first server is the
//! *door*: it takes half of what the others take, for whoever is at its limit redirects and so stays there.
//! Owns: plan and measure. Does not own: any rule.
//! Limits: what comes after the ticket is as large as it need be, and not measured.
//! Read next: `chart.rs`, which draws it; `usher_logic::manager`.

mod chart;

use crate::fault::Fault;
use crate::scenario::{Scenario, node};
use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Plan, Play};
use usher_proto::{Address, NodeConfig, ServerKind, Time};

const LOGINS: u32 = 10;
const HALLS: u32 = 8;
const ROOM_SERVERS: u32 = 8;
const ROOMS_A_SERVER: u32 = 10;
const ROOM_CAPACITY: u32 = 20_000;
/// Of a hundred, so many start at the door.
const DOOR_SHARE: f64 = 0.8;
/// Arrivals by the cluster's rate, step by step: with the places kept for who is on the way, a load of 0.5 to 0.9.
const STEPS: [f64; 5] = [0.36, 0.43, 0.5, 0.57, 0.64];
/// Before the first arrives, everybody has registered and reported.
const CALM: Duration = Duration::from_secs(3);
/// How far clients are away, one way, at most.
const CLIENT_DELAY_MAX: Duration = Duration::from_millis(350);
const WINDOW: Duration = Duration::from_secs(1);

/// A storm, before it breaks.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Who comes, all in all.
    pub logins: u32,
    /// Over which time.
    pub within: Duration,
    /// Whether outstanding reservations are load, as they should be.
    pub counts_reservations: bool,
    /// All chance comes from here.
    pub seed: u64,
}

/// One second of it.
#[derive(Clone, Debug)]
pub struct Window {
    /// Clients served in it and places kept at its end, by server; the door is the first.
    pub loads: Vec<u64>,
}

/// What came of a storm.
#[derive(Clone, Debug)]
pub struct Course {
    /// Second by second, the first step's first.
    pub windows: Vec<Window>,
    /// Clients that all servers together may begin to serve in a second.
    pub rate_max: f64,
    /// Most that a server other than the door may.
    pub server_rate_max: u32,
    /// Clients redirected, and those told that nobody has a place.
    pub redirects: u64,
    /// As above.
    pub nobody: u64,
    /// Steps machines took.
    pub steps: u64,
}

impl Window {
    fn total(&self) -> u64 {
        self.loads.iter().sum()
    }

    /// The most loaded server, by the mean.
    pub fn unevenness(&self) -> f64 {
        let max = self.loads.iter().max().copied().unwrap_or(0);
        max as f64 * self.loads.len() as f64 / self.total().max(1) as f64
    }
}

impl Course {
    /// Windows in which the whole cluster had between half and nine tenths of the load it takes.
    pub fn busy(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|window| (0.5..=0.9).contains(&(window.total() as f64 / self.rate_max)))
    }

    /// The most uneven of the busy windows.
    pub fn unevenness(&self) -> f64 {
        self.busy().map(Window::unevenness).fold(0.0, f64::max)
    }

    /// Load by server over time, as a picture.
    pub fn svg(&self, title: &str) -> String {
        chart::svg(self, title)
    }
}

impl Storm {
    /// Lets it break.
    pub fn run(self) -> Course {
        let mut world = self.scenario().build();
        world.run_until(Time(0) + CALM);
        let mut before = vec![0; LOGINS as usize];
        let mut windows = Vec::new();
        while world.now() < Time(0) + CALM + self.within {
            world.run_for(WINDOW);
            let served = world.figures(ServerKind::Login, "usher_admitted_total");
            let kept = world.view().map(|view| &view.servers[..]).unwrap_or_default();
            let loads = (0..).zip(&served).map(|(number, (_, served))| {
                let name = login(number).0;
                let kept =
                    kept.iter().find(|server| server.name.0 == name).map_or(0, |server| server.reserved);
                served - before[number as usize] + u64::from(kept)
            });
            windows.push(Window { loads: loads.collect() });
            before = served.into_iter().map(|(_, served)| served).collect();
        }
        Course {
            windows,
            rate_max: self.rate_max(),
            server_rate_max: self.server_rate_max(),
            redirects: world.figure(ServerKind::Manager, "usher_redirects_decided_total{kind=\"login\"}"),
            nobody: world.figure(ServerKind::Manager, "usher_redirects_nobody_total"),
            steps: world.steps(),
        }
    }

    /// Of all servers, so that the steps' mean is the storm.
    fn rate_max(&self) -> f64 {
        let mean = STEPS.iter().sum::<f64>() / STEPS.len() as f64;
        f64::from(self.logins) / self.within.as_secs_f64() / mean
    }

    fn server_rate_max(&self) -> u32 {
        (self.rate_max() / (f64::from(LOGINS) - 0.5)).ceil() as u32
    }

    fn scenario(&self) -> Scenario {
        let config =
            manager::Config { counts_reservations: self.counts_reservations, ..manager::Config::default() };
        let mut scenario = Scenario::new(self.seed).manager(config);
        for number in 0..LOGINS {
            scenario = scenario.login(self.login(number));
        }
        for number in 0..HALLS {
            let node = large(ServerKind::Hall, &hall(number));
            scenario = scenario.hall(HallConfig { node, directory_rooms_max: 16, ..HallConfig::default() });
        }
        for number in 0..ROOM_SERVERS {
            let name = Address::from(format!("room-{number}"));
            let spec = |room| RoomSpec::new(&format!("{name}/{room}"), GameKind::Gomoku, ROOM_CAPACITY);
            let rooms = (0..ROOMS_A_SERVER).map(spec).collect();
            let node = large(ServerKind::Room, &name);
            scenario = scenario.room(RoomConfig { node, rooms, ..RoomConfig::default() });
        }
        for (step, level) in (0..).zip(STEPS) {
            for number in 0..LOGINS {
                scenario = scenario.crowd(self.crowd(step, level, number));
            }
        }
        let crowds: Vec<_> = scenario.names().filter(|name| name.0.starts_with("crowd-")).collect();
        for name in crowds {
            let far = Fault::Lag { name, delay_max: CLIENT_DELAY_MAX, lasts: 2 * self.within };
            scenario = scenario.fault(Duration::ZERO, far);
        }
        (scenario.check_each, scenario.sweep_each) = (u32::MAX, Duration::from_secs(3600));
        scenario
    }

    fn login(&self, number: u32) -> LoginConfig {
        let rate = self.server_rate_max();
        let serve_per_second_max = if number == 0 { rate / 2 } else { rate };
        let node = NodeConfig { serve_per_second_max, ..large(ServerKind::Login, &login(number)) };
        LoginConfig { node, halls: (0..HALLS).map(hall).collect(), ..LoginConfig::default() }
    }

    /// Who starts at this login server in this step.
    fn crowd(&self, step: u32, level: f64, number: u32) -> Config {
        let share = if number == 0 { DOOR_SHARE } else { (1.0 - DOOR_SHARE) / f64::from(LOGINS - 1) };
        let length = self.within / STEPS.len() as u32;
        let rate_per_s = self.rate_max() * level * share;
        let plan = Plan { play: Play::Idle, game: GameKind::Gomoku, ..Plan::default() };
        Config {
            players: (rate_per_s * length.as_secs_f64()) as u32,
            mix: plan.into(),
            start_after: CALM + length * step,
            rate_per_s,
            play_for: self.within,
            logins: (0..LOGINS).map(|at| login((number + at) % LOGINS)).collect(),
            reconnect_per_mille: 0,
            seed: self.seed << 16 | u64::from(step) << 8 | u64::from(number),
            ..Config::default()
        }
    }
}

fn login(number: u32) -> Address {
    Address::from(format!("login-{number}"))
}

fn hall(number: u32) -> Address {
    Address::from(format!("hall-{number}"))
}

fn large(kind: ServerKind, name: &Address) -> NodeConfig {
    NodeConfig {
        serve_max: 200_000,
        serve_per_second_max: 200_000,
        connections_max: 250_000,
        ..node(kind, &name.0)
    }
}
