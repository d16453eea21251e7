//! Room servers that are emptied while everybody plays: players go on elsewhere with their table-mates, hands are ended.
//!
//! Read next: `usher_logic::room`, `door/moving.rs`; `smoke.rs` for the seeds.

use std::ops::Range;
use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Crowd, Plan, Play};
use usher_proto::{ServerKind, Time};
use usher_sim::{Fault, Scenario, World, node};

const PLAYERS: u32 = 120;
const ROOMS: [&str; 3] = ["room-1", "room-2", "room-3"];
/// After the last arrival.
const FIRST_AT: Duration = Duration::from_secs(15);
const BEFORE_FIRST: Time = Time::from_millis(14_999);
/// For each server: longer than any hand that is played in a hurry, so that it is empty and back before the next.
const EACH: Duration = Duration::from_secs(40);

fn cluster(seed: u64) -> Scenario {
    let room = |name: &str| {
        let spec = |number| RoomSpec::new(&format!("{name}/{number}"), GameKind::Gomoku, 60);
        RoomConfig {
            node: node(ServerKind::Room, name),
            rooms: (0..2).map(spec).collect(),
            floors: 2,
            ..RoomConfig::default()
        }
    };
    let login = LoginConfig {
        node: node(ServerKind::Login, "login"),
        halls: vec!["hall".into()],
        ..LoginConfig::default()
    };
    let hall = HallConfig { node: node(ServerKind::Hall, "hall"), ..HallConfig::default() };
    let mut scenario = Scenario::new(seed).manager(manager::Config::default()).login(login).hall(hall);
    for name in ROOMS {
        scenario = scenario.room(room(name));
    }
    let think = (Duration::from_millis(20), Duration::from_millis(100));
    scenario.crowd(Config {
        players: PLAYERS,
        mix: Plan { play: Play::Game, think, ..Plan::default() }.into(),
        start_after: Duration::from_secs(5),
        rate_per_s: 20.0,
        play_for: EACH * 4,
        logins: vec!["login".into()],
        seed,
        ..Config::default()
    })
}

/// A seed a run; an unoptimised build takes the first alone.
fn seeds(all: Range<u64>) -> impl Iterator<Item = u64> {
    let seeds_max = if cfg!(debug_assertions) { 1 } else { usize::MAX };
    all.take(seeds_max).inspect(|seed| println!("seed {seed}"))
}

fn in_seat(world: &World) -> u32 {
    world.crowds().map(|crowd| crowd.progress().in_seat).sum()
}

/// One server after the other is emptied and started again. Redirects of room servers.
fn rolling_restart(seed: u64, order: fn(usize, &str) -> Fault) -> u64 {
    let mut scenario = cluster(seed);
    for (at, name) in (0..).zip(ROOMS) {
        let drains = FIRST_AT + EACH * at;
        scenario = scenario
            .fault(drains, order(at as usize, name))
            .fault(drains + EACH / 2, Fault::Restart(name.into()));
    }
    let mut world = scenario.build();
    for at in 0..=ROOMS.len() as u32 {
        // Just before each drain, and long after the last, everybody sits.
        world.run_until(BEFORE_FIRST + EACH * at);
        assert_eq!(in_seat(&world), PLAYERS, "before drain {at}");
    }
    world.run_to_end();
    let tally = world.crowds().map(Crowd::ledger).next().unwrap();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.delivery.is_whole(), "{:?}", tally.delivery);
    assert_eq!(tally.seated, u64::from(PLAYERS));
    assert!(world.hands_begun() > u64::from(PLAYERS), "{}", world.hands_begun());
    assert_eq!(world.hands() as u64, world.hands_begun(), "a hand was lost");
    println!("{} hands; redirects {:?}, drops {:?}", world.hands(), tally.redirects, tally.drops);
    tally.redirects.get(&ServerKind::Room).copied().unwrap_or(0)
}

#[test]
fn a_rolling_restart_loses_no_player_and_no_hand() {
    for seed in seeds(1..21) {
        let moved = rolling_restart(seed, |_, name| Fault::Drain(name.into()));
        assert!(moved > u64::from(PLAYERS) / 2, "only {moved} were shown the way");
    }
}

#[test]
fn so_does_one_by_the_managers_orders() {
    for seed in seeds(101..121) {
        let moved = rolling_restart(seed, |_, name| Fault::OrderDrain(name.into()));
        assert!(moved > u64::from(PLAYERS) / 2, "only {moved} were shown the way");
    }
}

#[test]
fn without_a_manager_players_find_their_way_by_the_hall() {
    let seed = 7;
    let mut world = cluster(seed)
        .fault(FIRST_AT, Fault::Crash("manager".into()))
        .fault(FIRST_AT + Duration::from_secs(1), Fault::Drain(ROOMS[0].into()))
        .fault(FIRST_AT + Duration::from_secs(4), Fault::Restart("manager".into()))
        .build();
    world.run_until(Time(0) + FIRST_AT + EACH);
    assert_eq!(in_seat(&world), PLAYERS);
    world.run_to_end();
    let tally = world.crowds().map(Crowd::ledger).next().unwrap();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.drops["draining"] > 0, "{:?}", tally.drops);
    assert_eq!(world.hands() as u64, world.hands_begun());
}
