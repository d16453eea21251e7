//! Plans drawn by a seed: a whole cluster, five crowds of players, and faults of every kind.
//!
//! Why: what nobody thinks of to write down, dice come upon.
//! The cluster: a manager; three logins and three halls, of which the first are too small for the rush; four room servers,
//! of which any one may be away and there are seats for all. With gateways, each before every hall and room server and a
//! little too small to be the only one. Every clock is off, within what is allowed.
//! The crowds: who sit all night; who change tables, rooms, leave, come back and drop; who log in twice and more to the
//! same few accounts, at the same moment; who come late and all at once.
//! Invariants: the same seed draws the same plan; every fault is over when [`healed_after`] has passed.
//! Read next: `trial.rs`, which runs them.

use crate::fault::Fault;
use crate::scenario::{Scenario, node};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;
use usher_games::GameKind;
use usher_logic::gateway::GatewayConfig;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Accounts, After, Config, Evening, Mix, Plan, Play};
use usher_proto::{Address, NodeConfig, ServerKind, ServerName};

/// Which crowd is which, by its number.
pub(crate) const SITTERS: usize = 0;
pub(crate) const STROLLERS: usize = 1;

/// The fewest faults of a plan; each may be two or three lines of it.
const FAULTS_MIN: u64 = 20;
const FAULTS_MAX: u64 = 90;
/// The first fault comes after that.
const CALM: Duration = Duration::from_secs(8);
/// No fault lasts longer.
const LASTS_MAX: Duration = Duration::from_secs(20);
/// As far as clocks are off when all is well: two servers differ by less than is allowed.
const SKEW_MAX_MS: u64 = 800;
/// Accounts that several log in to.
const SHARED_ACCOUNTS: u32 = 16;
/// Everybody goes on until told to go home.
const ALL_NIGHT: Duration = Duration::from_secs(24 * 3600);

/// When the last fault begins.
fn faults_until(minutes: u32) -> Duration {
    Duration::from_secs(50 * u64::from(minutes)).max(CALM * 2)
}

/// When all faults are over.
pub(crate) fn healed_after(minutes: u32) -> Duration {
    faults_until(minutes) + LASTS_MAX + Duration::from_secs(5)
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    fn among(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    fn time(&mut self, from: Duration, to: Duration) -> Duration {
        Duration::from_millis(self.among(from.as_millis() as u64, to.as_millis() as u64))
    }

    fn skew_ms(&mut self, max_ms: u64) -> i64 {
        0i64.saturating_add_unsigned(self.below(2 * max_ms + 1)).saturating_sub_unsigned(max_ms)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// Each of them by a coin; at least one.
    fn some_of(&mut self, all: &[ServerName]) -> Vec<ServerName> {
        let some: Vec<_> = all.iter().filter(|_| self.below(3) == 0).cloned().collect();
        if some.is_empty() { vec![self.one_of(all).clone()] } else { some }
    }
}

/// A plan for so many players, whose faults take five of six of so many minutes.
pub(crate) fn scenario(seed: u64, players: u32, minutes: u32, gateways: u32) -> Scenario {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut scenario = cluster(Scenario::new(seed), players, gateways);
    let servers: Vec<ServerName> = scenario.names().collect();
    for name in &servers {
        scenario = scenario.skew(name.clone(), dice.skew_ms(SKEW_MAX_MS));
    }
    for crowd in crowds(&mut dice, seed, players, minutes) {
        scenario = scenario.crowd(crowd);
    }
    scenario.check_each = 64;
    scenario.time_max = Duration::from_secs(60 * u64::from(minutes) + 1200);
    let everybody: Vec<ServerName> = scenario.names().collect();
    let gateways = (1..=gateways).map(gateway).collect();
    Faults { dice, servers, gateways, everybody, until: faults_until(minutes), healed: healed_after(minutes) }
        .add(scenario)
}

fn gateway(number: u32) -> ServerName {
    format!("gateway-{number}").as_str().into()
}

fn cluster(scenario: Scenario, players: u32, gateways: u32) -> Scenario {
    let inner = |name: &str| {
        let inner = (gateways > 0).then(|| Address::from(format!("{name}/inner").as_str()));
        inner.unwrap_or_default()
    };
    let door = |kind, name: &str, part: u32| {
        let serve_max = (players / 15).max(8);
        NodeConfig {
            serve_max,
            connections_max: serve_max / 4 * 5,
            serve_per_second_max: (players / part).max(8),
            ..node(kind, name)
        }
    };
    let halls: Vec<_> = ["hall-1", "hall-2", "hall-3"].map(Into::into).into();
    let mut scenario = scenario.manager(manager::Config::default());
    for (name, part) in [("login-1", 30), ("login-2", 10), ("login-3", 10)] {
        let node = door(ServerKind::Login, name, part);
        scenario = scenario.login(LoginConfig { node, halls: halls.clone(), ..LoginConfig::default() });
    }
    for (name, part) in [("hall-1", 30), ("hall-2", 10), ("hall-3", 10)] {
        let node = NodeConfig { inner: inner(name), ..door(ServerKind::Hall, name, part) };
        scenario = scenario.hall(HallConfig { node, ..HallConfig::default() });
    }
    let servers = [
        ("room-1", GameKind::Gomoku, 35),
        ("room-2", GameKind::Gomoku, 35),
        ("room-3", GameKind::DouDizhu, 25),
        ("room-4", GameKind::DouDizhu, 25),
    ];
    for (name, game, percent) in servers {
        let spec =
            |number| RoomSpec::new(&format!("{name}/{number}"), game, (players * percent / 100).max(6));
        scenario = scenario.room(RoomConfig {
            node: NodeConfig { inner: inner(name), ..node(ServerKind::Room, name) },
            rooms: (0..2).map(spec).collect(),
            floors: 2,
            seat_grace: Duration::from_secs(30),
            ..RoomConfig::default()
        });
    }
    for number in 1..=gateways {
        let serve_max = (players * 6 / 10).max(8);
        let node = node(ServerKind::Gateway, &gateway(number).0);
        let node = NodeConfig { serve_max, connections_max: serve_max / 4 * 5, ..node };
        scenario = scenario.gateway(GatewayConfig { node, ..GatewayConfig::default() });
    }
    scenario
}

/// In the order of the constants above.
fn crowds(dice: &mut Dice, seed: u64, players: u32, minutes: u32) -> Vec<Config> {
    let until = faults_until(minutes);
    let part = |percent: u32| (players * percent / 100).max(1);
    let both = |evening| {
        let plan = |game| Plan {
            play: Play::Game,
            game,
            chat_interval: Duration::from_secs(15),
            evening,
            ..Plan::default()
        };
        Mix::new(vec![(60, plan(GameKind::Gomoku)), (40, plan(GameKind::DouDizhu))]).expect("shares")
    };
    let evening = Evening {
        hands: (1, 3),
        after: After { another_table: 35, another_room: 30, leave: 20, drop: 15 },
        back_after: Some((Duration::from_secs(5), Duration::from_secs(15))),
    };
    let crowd = |number: u64, players, mix| Config {
        players,
        mix,
        play_for: ALL_NIGHT,
        leave_within: Duration::from_secs(10),
        logins: vec!["login-1".into(), "login-2".into(), "login-3".into()],
        reconnect_per_mille: 200,
        seed: seed.wrapping_mul(8).wrapping_add(number),
        ..Config::default()
    };
    let chat: Mix = Plan { chat_interval: Duration::from_secs(10), ..Plan::default() }.into();
    let shared = Accounts::Numbered(|number| number % SHARED_ACCOUNTS);
    let rate = |dice: &mut Dice| dice.among(u64::from(players / 20).max(2), u64::from(players).max(4)) as f64;
    let mut crowds = vec![
        Config {
            start_after: Duration::from_secs(3),
            rate_per_s: rate(dice),
            ..crowd(0, part(40), both(None))
        },
        Config {
            start_after: Duration::from_secs(4),
            rate_per_s: rate(dice),
            ..crowd(1, part(25), both(Some(evening)))
        },
        Config { start_after: dice.time(CALM, until), rate_per_s: 1e6, ..crowd(2, part(15), both(None)) },
    ];
    for number in 3..5 {
        let start_after = dice.time(Duration::from_secs(3), until);
        let rate_per_s = *dice.one_of(&[5.0, 100.0, 1e6]);
        crowds.push(Config {
            start_after,
            rate_per_s,
            accounts: shared,
            ..crowd(number, part(10), chat.clone())
        });
    }
    crowds
}

/// What is drawn from when faults are planned.
struct Faults {
    dice: Dice,
    servers: Vec<ServerName>,
    gateways: Vec<ServerName>,
    everybody: Vec<ServerName>,
    until: Duration,
    healed: Duration,
}

impl Faults {
    fn add(mut self, mut scenario: Scenario) -> Scenario {
        for _ in 0..self.dice.among(FAULTS_MIN, FAULTS_MAX) {
            let at = self.dice.time(CALM, self.until);
            for (after, fault) in self.draw() {
                scenario = scenario.fault((at + after).min(self.healed), fault);
            }
        }
        for name in std::mem::take(&mut self.servers) {
            scenario = scenario.fault(self.healed, Fault::Restart(name));
        }
        scenario
    }

    /// One of every kind, each as likely; with what undoes it.
    fn draw(&mut self) -> Vec<(Duration, Fault)> {
        let dice = &mut self.dice;
        let now = Duration::ZERO;
        let name = dice.one_of(&self.servers).clone();
        let lasts = dice.time(Duration::from_millis(300), LASTS_MAX);
        match dice.below(if self.gateways.is_empty() { 11 } else { 14 }) {
            0 | 1 => vec![(now, Fault::Crash(name.clone())), (lasts, Fault::Restart(name))],
            2 => {
                let skew_ms = dice.skew_ms(10_000);
                let own = dice.skew_ms(SKEW_MAX_MS);
                let moment = Duration::from_millis(1);
                vec![
                    (now, Fault::Crash(name.clone())),
                    (now, Fault::Skew(name.clone(), skew_ms)),
                    (moment, Fault::Restart(name.clone())),
                    (lasts, Fault::Crash(name.clone())),
                    (lasts, Fault::Skew(name.clone(), own)),
                    (lasts + moment, Fault::Restart(name)),
                ]
            }
            3 => vec![(now, Fault::Stop(name, lasts))],
            4 => {
                // A manager that is late for seconds gives leases up that were renewed: it is for the operator to know.
                // What all say to all goes through a gateway.
                let is_busy = &*name.0 == "manager" || self.gateways.contains(&name);
                let step_max = if is_busy { 500 } else { 20_000 };
                let step = Duration::from_micros(dice.among(50, step_max));
                vec![(now, Fault::Slow { name, step, lasts: lasts / 2 })]
            }
            5 => {
                let name = dice.one_of(&self.everybody).clone();
                let delay_max = dice.time(Duration::from_millis(10), Duration::from_millis(600));
                vec![(now, Fault::Lag { name, delay_max, lasts })]
            }
            6 | 7 => {
                let one = dice.some_of(&self.everybody);
                let rest: Vec<_> =
                    self.everybody.iter().filter(|name| !one.contains(name)).cloned().collect();
                let other = if dice.below(2) == 0 { rest } else { dice.some_of(&rest) };
                vec![(now, Fault::Partition { one, other, lasts, breaks: dice.below(2) == 0 })]
            }
            8 => vec![(now, Fault::CutLink(name))],
            9 => vec![(now, Fault::CutPlayers(name, dice.among(50, 1000) as u32))],
            10 => {
                let room = format!("room-{}", dice.among(1, 4));
                let count = dice.among(20, 400) as u32;
                vec![
                    (now, Fault::Replay(room.as_str().into(), count)),
                    (now, Fault::Echo(room.as_str().into(), lasts)),
                ]
            }
            _ => self.draw_gateways(lasts),
        }
    }

    /// A gateway is hit: it dies, it is emptied, or it loses a server.
    fn draw_gateways(&mut self, lasts: Duration) -> Vec<(Duration, Fault)> {
        let dice = &mut self.dice;
        let gateway = dice.one_of(&self.gateways).clone();
        let first = match dice.below(4) {
            0 => Fault::Crash(gateway.clone()),
            1 => Fault::Drain(gateway.clone()),
            2 => Fault::OrderDrain(gateway.clone()),
            _ => {
                let server = ["hall-1", "hall-2", "hall-3", "room-1", "room-2", "room-3", "room-4"];
                let server = (*dice.one_of(&server)).into();
                return vec![(Duration::ZERO, Fault::CutTrunk { gateway, server })];
            }
        };
        vec![(Duration::ZERO, first), (lasts, Fault::Restart(gateway))]
    }
}
