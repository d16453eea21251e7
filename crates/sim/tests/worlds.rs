//! Two worlds under one manager, each with its own servers and its own players.
//!
//! Why: what keeps worlds apart is spread over every machine; here all of them meet.
//! Read next: `smoke.rs`.

use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Crowd, Plan, Play};
use usher_proto::{NodeConfig, ServerKind, Time, WorldId};
use usher_sim::{Scenario, World, node};

const PLAYERS: u32 = 120;
/// Seats of the first world: fewer than come to it.
const SEATS: u32 = 80;

fn at(world: u16, kind: ServerKind, number: u32) -> NodeConfig {
    let node = node(kind, &format!("w{world}-{}-{number}", kind.as_str()));
    NodeConfig { world: WorldId(world), serve_per_second_max: 60, ..node }
}

/// Two of each kind of server, with seats for so many.
fn with_world(mut scenario: Scenario, world: u16, seats: u32) -> Scenario {
    for number in 1..=2 {
        let login = LoginConfig { node: at(world, ServerKind::Login, number), ..LoginConfig::default() };
        let hall = HallConfig { node: at(world, ServerKind::Hall, number), ..HallConfig::default() };
        let rooms = vec![RoomSpec::new(&format!("w{world}/{number}"), GameKind::Gomoku, seats / 2)];
        let node = NodeConfig { serve_max: seats / 2, ..at(world, ServerKind::Room, number) };
        let room = RoomConfig { node, rooms, ..RoomConfig::default() };
        scenario = scenario.login(login).hall(hall).room(room);
    }
    scenario
}

fn crowd(world: u16, seed: u64) -> Config {
    Config {
        players: PLAYERS,
        mix: Plan { play: Play::Idle, ..Plan::default() }.into(),
        start_after: Duration::from_secs(3),
        rate_per_s: 100.0,
        play_for: Duration::from_secs(20),
        logins: (1..=2).map(|number| format!("w{world}-login-{number}").as_str().into()).collect(),
        world: WorldId(world),
        seed,
        ..Config::default()
    }
}

/// People in the rooms of a world, by the list of servers that the manager shows.
fn people(world: &World, of: u16) -> u32 {
    let view = world.view().expect("the manager shows the cluster");
    let rooms = view.servers.iter().filter(|server| server.kind == "room" && server.world == WorldId(of));
    rooms.map(|server| server.serving).sum()
}

#[test]
fn a_full_world_leaves_its_players_out_and_the_other_as_it_is() {
    for seed in 1..=5 {
        println!("seed {seed}");
        let scenario = Scenario::new(seed).manager(manager::Config::default());
        let scenario = with_world(with_world(scenario, 1, SEATS), 2, 4 * PLAYERS);
        let mut world = scenario.crowd(crowd(1, seed)).crowd(crowd(2, seed + 100)).build();
        world.run_until(Time(0) + Duration::from_secs(18));
        assert!(people(&world, 1) <= SEATS);
        assert_eq!(people(&world, 2), PLAYERS, "its own players, and nobody of the full one");
        let crowds: Vec<_> = world.crowds().map(Crowd::ledger).collect();
        assert!(crowds[0].seated <= u64::from(SEATS), "{:?}", crowds[0]);
        assert!(crowds[0].seated > 0 && crowds[1].failures.is_empty());
        assert_eq!(crowds[1].seated, u64::from(PLAYERS));
        assert!(crowds[1].redirects[&ServerKind::Login] > 0, "redirects there were, within the world");
    }
}
