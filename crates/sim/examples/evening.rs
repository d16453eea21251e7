//! An evening of a whole cluster in virtual time: what a step of a machine costs, and a player in memory.
//!
//! `cargo run --release -p usher-sim --example evening -- --players 100000 --rooms 5`
//!
//! In four hours each player logs in, enters a room, sits down, plays three hands of Nim, fetches a fresh directory
//! every 30 minutes, stands up and leaves. Players arrive within the first 20 minutes and leave within the last; a rest
//! of 80 minutes between two hands spreads the three over the evening. Nobody fails, or the run does.
//!
//! - Owns: the plan of the evening, the reading of clock and memory. The machines and the world are as everywhere.
//! - Limits: one thread; a directory names 16 rooms and not 200 (a player looks at no more).
//!
//! Read next: `../src/scenario.rs`.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Deed, Plan, Play};
use usher_proto::{Address, NodeConfig, ServerKind};
use usher_sim::{Scenario, World, node};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// It looks through its whole heap each ten thousand slow allocations, which of gigabytes takes longer than all the rest.
const ALLOCATOR_PATIENCE: (&str, &str) = ("MIMALLOC_GENERIC_COLLECT", "1000000");
const FRONTS: u32 = 8;
const ROOM_CAPACITY: u32 = 400;
/// More than its players: who comes last still finds a room with space in the directory.
const ROOMS_A_SERVER: u32 = 60;
const ARRIVE_WITHIN_S: u32 = 20 * 60;
const PLAY_FOR: Duration = Duration::from_secs(199 * 60);
const LEAVE_WITHIN: Duration = Duration::from_secs(20 * 60);
const REST: Duration = Duration::from_secs(80 * 60);
/// Nobody talks.
const NEVER: Duration = Duration::from_secs(1_000_000 * 3600);
const HANDS: u64 = 3;
const REPORT_EACH: Duration = Duration::from_secs(20 * 60);
const REPORTS_MAX: u32 = 15;
const STEPS_A_PLAYER_MIN: u64 = 80;

struct Arguments {
    players: u32,
    rooms: u32,
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments { players: 100_000, rooms: 5 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok().filter(|number| *number > 0)?;
        match word.as_str() {
            "--players" => found.players = number,
            "--rooms" => found.rooms = number,
            _ => return None,
        }
    }
    Some(found)
}

/// The allocator reads its options before anything else runs.
fn begin_anew() -> std::io::Error {
    let (name, value) = ALLOCATOR_PATIENCE;
    let Ok(program) = std::env::current_exe() else { return std::io::Error::last_os_error() };
    Command::new(program).args(std::env::args_os().skip(1)).env(name, value).exec()
}

fn main() -> ExitCode {
    if std::env::var_os(ALLOCATOR_PATIENCE.0).is_none() {
        eprintln!("evening: {}", begin_anew());
        return ExitCode::FAILURE;
    }
    let Some(arguments) = arguments() else {
        eprintln!("usage: evening [--players N] [--rooms SERVERS]");
        return ExitCode::from(2);
    };
    let clock = now();
    let mut world = scenario(&arguments).build();
    let mut reports = 0;
    while !world.crowds().all(usher_player::Crowd::is_done) {
        world.run_for(REPORT_EACH);
        reports += 1;
        assert!(reports <= REPORTS_MAX, "the evening does not end");
        report(&world, arguments.players, clock);
    }
    judge(&world, arguments.players)
}

fn scenario(arguments: &Arguments) -> Scenario {
    let Arguments { players, rooms } = *arguments;
    let names = |kind: &'static str| move |number: u32| Address::from(format!("{kind}-{number}"));
    let large = |kind, name: Address| NodeConfig {
        serve_max: 50_000,
        serve_per_second_max: 50_000,
        connections_max: 100_000,
        ..node(kind, &name.0)
    };
    let halls: Vec<Address> = (0..FRONTS).map(names("hall")).collect();
    let mut scenario = Scenario::new(1).manager(manager::Config::default());
    for login in (0..FRONTS).map(names("login")) {
        let node = large(ServerKind::Login, login);
        scenario = scenario.login(LoginConfig { node, halls: halls.clone(), ..LoginConfig::default() });
    }
    for hall in halls {
        let node = large(ServerKind::Hall, hall);
        scenario = scenario.hall(HallConfig { node, directory_rooms_max: 16, ..HallConfig::default() });
    }
    for room in (0..rooms).map(names("room")) {
        let spec = |number| RoomSpec::new(&format!("{room}/{number}"), GameKind::Nim, ROOM_CAPACITY);
        let specs = (0..ROOMS_A_SERVER).map(spec).collect();
        let node = large(ServerKind::Room, room.clone());
        let config = RoomConfig { node, rooms: specs, next_hand_delay: REST, ..RoomConfig::default() };
        scenario = scenario.room(config);
    }
    for crowd in 0..rooms {
        scenario = scenario.crowd(self::crowd(crowd, players, rooms));
    }
    // Checks are for tests: here it is counted what the machines do.
    (scenario.check_each, scenario.sweep_each) = (u32::MAX, Duration::from_secs(3600));
    scenario.time_max = Duration::from_secs(6 * 3600);
    scenario
}

/// One of as many crowds as there are room servers; each starts at a login server of its own.
fn crowd(number: u32, players: u32, crowds: u32) -> Config {
    let plan = Plan { play: Play::Game, game: GameKind::Nim, chat_interval: NEVER, ..Plan::default() };
    let first = players * number / crowds;
    let count = players * (number + 1) / crowds - first;
    let login = |at: u32| Address::from(format!("login-{}", (number + at) % FRONTS));
    Config {
        players: count,
        first_index: first,
        mix: plan.into(),
        start_after: Duration::from_secs(3),
        rate_per_s: f64::from(count) / f64::from(ARRIVE_WITHIN_S),
        play_for: PLAY_FOR,
        leave_within: LEAVE_WITHIN,
        logins: (0..FRONTS).map(login).collect(),
        reconnect_per_mille: 0,
        seed: u64::from(number) + 1,
        ..Config::default()
    }
}

fn report(world: &World, players: u32, clock: Instant) {
    let seconds = clock.elapsed().as_secs_f64();
    let steps = world.steps();
    let peak = resident_peak_kib();
    println!(
        "{:>3} min: {steps} steps, {:.1} a player; {seconds:.1} s, {:.0} steps/s, {:.2} us a step; {:.2} GiB, {} bytes a player",
        world.now().as_millis() / 60_000,
        steps as f64 / f64::from(players),
        steps as f64 / seconds,
        seconds * 1e6 / steps as f64,
        peak as f64 / (1024.0 * 1024.0),
        peak * 1024 / u64::from(players),
    );
}

/// Everybody had an evening.
fn judge(world: &World, players: u32) -> ExitCode {
    let tallies: Vec<_> = world.crowds().map(|crowd| crowd.ledger().clone()).collect();
    let sum = |of: fn(&usher_player::Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (seated, failed) = (sum(|tally| tally.seated), sum(usher_player::Tally::failed));
    let (hands, refreshes) = (sum(|tally| tally.count(Deed::Hand)), sum(|tally| tally.refreshes));
    let players = u64::from(players);
    let each = |count: u64| count as f64 / players as f64;
    println!(
        "{seated} of {players} seated, {failed} failed; a player: {:.2} hands, {:.2} refreshes",
        each(hands),
        each(refreshes)
    );
    // A table that lacks a player waits; the last ones in a room may be alone.
    let is_whole = seated == players
        && failed == 0
        && hands * 100 >= players * HANDS * 99
        && world.steps() >= players * STEPS_A_PLAYER_MIN;
    if is_whole {
        return ExitCode::SUCCESS;
    }
    for tally in tallies.iter().filter(|tally| tally.failed() > 0) {
        println!("{:?}", tally.failures);
    }
    ExitCode::FAILURE
}

fn resident_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[allow(clippy::disallowed_methods)] // what virtual time costs is measured in real time
fn now() -> Instant {
    Instant::now()
}
