//! Tries an answer: the same machines in virtual time, all sizes divided by one factor.
//!
//! Why: arithmetic knows means; whether load is spread, whether a storm ends and whether anybody is turned away
//! for good is seen only by letting them come.
//! Owns: the three evenings, their scaled-down cluster, what is seen each virtual second.
//! Invariants: as many servers as the answer says; their limits and the players are divided by the same factor.
//! In storm and spike, four of five players begin at one login server.
//! Limits: [`PATIENCE_S`] after the last arrival, then who is not seated counts as left out.
//! Read next: `crates/sim/src/world.rs`.

use super::chart::Group;
use super::sizing::{BUSY_SHARE, Servers, Sizing};
use serde::Serialize;
use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Crowd, Plan, Play};
use usher_proto::{Address, NodeConfig, ServerKind};
use usher_sim::{Scenario, World, node};

/// Servers come first, players after.
const START_S: f64 = 3.0;
const PATIENCE_S: u64 = 120;
/// A machine checks itself every so many steps; all do each virtual second anyway.
const CHECK_EACH: u32 = 64;
/// Of the players of a storm, those that begin at the first login server.
const FIRST_LOGIN_SHARE: f64 = 0.8;
/// How long a spike lasts.
const SPIKE_S: f64 = 60.0;

/// Players that begin within a span.
#[derive(Clone, Copy, Debug)]
struct Wave {
    from_s: f64,
    players: f64,
    per_second: f64,
    first_login: bool,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evening {
    Ramp,
    Storm,
    Spike,
}

impl Evening {
    pub(super) const ALL: [Self; 3] = [Self::Ramp, Self::Storm, Self::Spike];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Storm => "storm",
            Self::Spike => "spike",
        }
    }

    /// How often load is looked at, seconds.
    fn look_s(self) -> u32 {
        match self {
            Self::Ramp => 20,
            Self::Storm => 2,
            Self::Spike => 5,
        }
    }

    /// Unscaled.
    fn waves(self, sizing: &Sizing) -> Vec<Wave> {
        let (players, rates) = (f64::from(sizing.wished.players), sizing.rates);
        match self {
            Self::Ramp => {
                let seconds = 20.0 * f64::from(sizing.wished.ramp_minutes);
                let calm = (1.0 - BUSY_SHARE) / 2.0;
                let thirds = [(0.0, calm), (1.0, BUSY_SHARE), (2.0, calm)];
                let wave = |(third, share): (f64, f64)| Wave {
                    from_s: third * seconds,
                    players: share * players,
                    per_second: share * players / seconds,
                    first_login: false,
                };
                thirds.map(wave).into()
            }
            Self::Storm => at_one_login(0.0, players, rates.storm),
            Self::Spike => {
                let many = (rates.spike * SPIKE_S).min(players / 2.0);
                let before = players - many;
                let early =
                    Wave { from_s: 0.0, players: before, per_second: rates.ramp_peak, first_login: false };
                let mut waves = at_one_login(before / rates.ramp_peak + 10.0, many, rates.spike);
                waves.push(early);
                waves
            }
        }
    }
}

fn at_one_login(from_s: f64, players: f64, per_second: f64) -> Vec<Wave> {
    let shares = [(FIRST_LOGIN_SHARE, true), (1.0 - FIRST_LOGIN_SHARE, false)];
    let wave = |(share, first_login): (f64, bool)| Wave {
        from_s,
        players: share * players,
        per_second: share * per_second,
        first_login,
    };
    shares.map(wave).into()
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) evening: &'static str,
    pub(super) players: u32,
    pub(super) seated: u64,
    pub(super) failed: u64,
    /// The longest way in, from the scheduled arrival to the seat.
    pub(super) journey_max_s: f64,
    pub(super) redirects: u64,
    pub(super) busy: u64,
    /// The fullest a login, hall and room server ever was, in percent of its limit (in a second; at once).
    pub(super) peak_percent: [u32; 3],
    pub(super) reservations_leaked: u64,
    pub(super) holds: bool,
}

/// A trial under way.
struct Trial<'a> {
    sizing: &'a Sizing,
    factor: u32,
    world: World,
    groups: [Group; 3],
    admitted: [Vec<u64>; 3],
    peak: [f64; 3],
}

/// Runs one, and gives its lines.
pub(super) fn run(sizing: &Sizing, evening: Evening, factor: u32, seed: u64) -> (Outcome, [Group; 3]) {
    let waves = evening.waves(sizing);
    let mut trial = Trial::new(sizing, evening, &waves, factor, seed);
    let last = waves.iter().map(|wave| wave.from_s + wave.players / wave.per_second).fold(0.0, f64::max);
    let until_s = (START_S + last) as u64 + PATIENCE_S;
    for look in 1..=until_s / u64::from(evening.look_s()) {
        trial.world.run_for(Duration::from_secs(evening.look_s().into()));
        trial.look(evening.look_s());
        if (look * u64::from(evening.look_s())) as f64 > START_S + last && trial.is_settled() {
            break;
        }
    }
    let outcome = trial.outcome(evening);
    (outcome, trial.groups)
}

/// Never less than what one player needs.
fn scaled(number: u32, factor: u32) -> u32 {
    number.div_ceil(factor).max(2)
}

fn name(kind: &str, number: u32) -> String {
    format!("{kind}-{number}")
}

impl<'a> Trial<'a> {
    fn new(sizing: &'a Sizing, evening: Evening, waves: &[Wave], factor: u32, seed: u64) -> Self {
        let mut scenario = Scenario::new(seed).manager(manager::Config::default());
        scenario.check_each = CHECK_EACH;
        for servers in sizing.fronts() {
            for number in 1..=servers.count {
                scenario = with_server(scenario, servers, number, factor);
            }
        }
        let logins = sizing.fronts()[0].count;
        for (number, wave) in waves.iter().enumerate() {
            scenario = with_wave(scenario, wave, number as u32, logins, factor, seed);
        }
        let colours = ["#c0392b", "#2c7a4b", "#2457a6"];
        let texts = ["visits a second by the limit", "visits a second by the limit", "people by the limit"];
        let [logins, halls, rooms] = sizing.fronts();
        let step_s = evening.look_s();
        let group = |servers: &Servers, at: usize| Group {
            step_s,
            name: format!("{} {} servers: {}", servers.count, servers.kind, texts[at]),
            colour: colours[at],
            lines: vec![Vec::new(); servers.count as usize],
        };
        let admitted = [logins, halls, rooms].map(|servers| vec![0; servers.count as usize]);
        Self {
            sizing,
            factor,
            world: scenario.build(),
            groups: [group(logins, 0), group(halls, 1), group(rooms, 2)],
            admitted,
            peak: [0.0; 3],
        }
    }

    /// Each server's load in the seconds that are over.
    fn look(&mut self, look_s: u32) {
        for (kind, servers) in self.sizing.fronts().into_iter().enumerate() {
            for at in 0..servers.count as usize {
                let name = name(servers.kind, at as u32 + 1);
                let load = if servers.kind == "room" {
                    let serving = self.world.figure_of(&name, "usher_serving");
                    serving as f64 / f64::from(scaled(servers.serve_max, self.factor))
                } else {
                    let total = self.world.figure_of(&name, "usher_admitted_total");
                    let before = std::mem::replace(&mut self.admitted[kind][at], total);
                    let limit = scaled(servers.serve_per_second_max, self.factor);
                    total.saturating_sub(before) as f64 / f64::from(limit * look_s)
                };
                self.groups[kind].lines[at].push(load);
                self.peak[kind] = self.peak[kind].max(load);
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.world.crowds().all(|crowd| {
            let progress = crowd.progress();
            progress.settled == progress.players
        })
    }

    fn outcome(&self, evening: Evening) -> Outcome {
        let ledgers: Vec<_> = self.world.crowds().map(Crowd::ledger).collect();
        let players = self.world.crowds().map(|crowd| crowd.progress().players).sum::<u32>();
        let seated = ledgers.iter().map(|tally| tally.seated).sum();
        let failed = ledgers.iter().map(|tally| tally.failed()).sum();
        let journey_max = ledgers.iter().map(|tally| tally.journey_max).max().unwrap_or_default();
        let leaked = self.world.figure(ServerKind::Manager, "usher_reservations_leaked");
        Outcome {
            evening: evening.name(),
            players,
            seated,
            failed,
            journey_max_s: journey_max.as_secs_f64(),
            redirects: ledgers.iter().flat_map(|tally| tally.redirects.values()).sum(),
            busy: ledgers.iter().flat_map(|tally| tally.busy.values()).sum(),
            peak_percent: self.peak.map(|peak| (peak * 100.0).round() as u32),
            reservations_leaked: leaked,
            holds: seated == u64::from(players) && failed == 0 && leaked == 0,
        }
    }
}

fn with_server(scenario: Scenario, servers: &Servers, number: u32, factor: u32) -> Scenario {
    let serve_max = scaled(servers.serve_max, factor);
    let limits = |kind| NodeConfig {
        serve_max,
        serve_per_second_max: scaled(servers.serve_per_second_max, factor),
        connections_max: serve_max + serve_max.div_ceil(4),
        ..node(kind, &name(servers.kind, number))
    };
    match servers.kind {
        "login" => scenario.login(LoginConfig { node: limits(ServerKind::Login), ..LoginConfig::default() }),
        "hall" => scenario.hall(HallConfig { node: limits(ServerKind::Hall), ..HallConfig::default() }),
        _ => {
            let rooms = vec![RoomSpec::new(&name("rooms", number), GameKind::Gomoku, serve_max)];
            scenario.room(RoomConfig { node: limits(ServerKind::Room), rooms, ..RoomConfig::default() })
        }
    }
}

fn with_wave(scenario: Scenario, wave: &Wave, number: u32, logins: u32, factor: u32, seed: u64) -> Scenario {
    let players = (wave.players / f64::from(factor)).round() as u32;
    // Who does not begin at the first begins at any other, by its own list.
    let first = |group: u32| if wave.first_login { 0 } else { group };
    let groups = if wave.first_login { 1 } else { logins.clamp(1, 8) };
    (0..groups).fold(scenario, |scenario, group| {
        let share = players / groups + u32::from(group < players % groups);
        if share == 0 {
            return scenario;
        }
        let order = (0..logins).map(|at| (at + first(group)) % logins + 1);
        scenario.crowd(Config {
            players: share,
            first_index: number * 1_000_000 + group * 100_000,
            mix: Plan { play: Play::Idle, ..Plan::default() }.into(),
            start_after: Duration::from_secs_f64(START_S + wave.from_s),
            rate_per_s: wave.per_second / f64::from(factor) / f64::from(groups),
            play_for: Duration::from_secs(24 * 3600),
            logins: order.map(|login| Address::from(name("login", login))).collect(),
            reconnect_per_mille: 0,
            seed: seed.wrapping_add(u64::from(number * 10 + group)),
            ..Config::default()
        })
    })
}
