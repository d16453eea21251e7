//! Gateways before every hall and room: players come through them, and when one goes, by another, to their seats.
//!
//! Read next: `../src/world/gateways.rs`; `usher_logic::gateway`; `random.rs` for what chance makes of it.

use std::time::Duration;
use usher_games::GameKind;
use usher_logic::gateway::GatewayConfig;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Crowd, Plan, Play, Tally};
use usher_proto::{NodeConfig, ServerKind, Time};
use usher_sim::{Fault, Scenario, World, node};

const PLAYERS: u32 = 120;
const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];
const ROOMS: [&str; 3] = ["room-1", "room-2", "room-3"];
const HALLS: [&str; 2] = ["hall-1", "hall-2"];
/// After the last arrival.
const FAULT_AT: Duration = Duration::from_secs(15);
const BEFORE_FAULT: Time = Time::from_millis(14_999);

fn inner(kind: ServerKind, name: &str) -> NodeConfig {
    NodeConfig { inner: format!("{name}/inner").as_str().into(), ..node(kind, name) }
}

fn cluster(seed: u64) -> Scenario {
    println!("seed {seed}");
    let login = LoginConfig {
        node: node(ServerKind::Login, "login"),
        halls: HALLS.map(Into::into).into(),
        ..LoginConfig::default()
    };
    let mut scenario = Scenario::new(seed).manager(manager::Config::default()).login(login);
    for name in HALLS {
        let node = inner(ServerKind::Hall, name);
        scenario = scenario.hall(HallConfig { node, ..HallConfig::default() });
    }
    for name in ROOMS {
        let spec = |number| RoomSpec::new(&format!("{name}/{number}"), GameKind::Gomoku, 60);
        let node = inner(ServerKind::Room, name);
        let rooms = (0..2).map(spec).collect();
        scenario = scenario.room(RoomConfig { node, rooms, floors: 2, ..RoomConfig::default() });
    }
    for name in GATEWAYS {
        let node = node(ServerKind::Gateway, name);
        scenario = scenario.gateway(GatewayConfig { node, ..GatewayConfig::default() });
    }
    scenario.crowd(Config {
        players: PLAYERS,
        mix: Plan { play: Play::Game, ..Plan::default() }.into(),
        start_after: Duration::from_secs(5),
        rate_per_s: 20.0,
        play_for: Duration::from_secs(60),
        logins: vec!["login".into()],
        seed,
        ..Config::default()
    })
}

fn in_seat(world: &World) -> u32 {
    world.crowds().map(|crowd| crowd.progress().in_seat).sum()
}

fn serving(world: &World) -> [u64; 2] {
    GATEWAYS.map(|name| world.figure_of(name, "usher_serving"))
}

fn tally(world: &World) -> &Tally {
    world.crowds().map(Crowd::ledger).next().expect("there is a crowd")
}

/// Everybody sits, through both gateways; then something goes wrong.
fn seated(scenario: Scenario) -> World {
    let mut world = scenario.build();
    world.run_until(BEFORE_FAULT);
    assert_eq!(in_seat(&world), PLAYERS);
    let served = serving(&world);
    assert_eq!(served.iter().sum::<u64>(), u64::from(PLAYERS), "nobody comes by himself: {served:?}");
    assert!(served.iter().all(|players| *players > 10), "by both: {served:?}");
    let placed = world.figure(ServerKind::Manager, "usher_servers_placed");
    assert_eq!(placed, (HALLS.len() + ROOMS.len()) as u64);
    world
}

/// To its end, with nobody and nothing lost.
fn goes_well(world: &mut World) {
    world.run_to_end();
    let tally = tally(world);
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.delivery.is_whole(), "{:?}", tally.delivery);
    assert_eq!(tally.seated, u64::from(PLAYERS));
    assert_eq!(world.figure(ServerKind::Gateway, "usher_serving"), 0);
}

#[test]
fn everybody_comes_through_a_gateway() {
    let mut world = seated(cluster(1));
    goes_well(&mut world);
    assert!(tally(&world).drops.is_empty(), "{:?}", tally(&world).drops);
}

#[test]
fn who_came_through_a_gateway_that_dies_comes_back_through_the_other_to_his_seat() {
    let mut world = seated(cluster(2).fault(FAULT_AT, Fault::Crash(GATEWAYS[0].into())));
    let [lost, _] = serving(&world);
    let given_up = world.figure(ServerKind::Room, "usher_seats_given_up_total");
    world.run_for(Duration::from_secs(10));
    assert_eq!(in_seat(&world), PLAYERS);
    assert_eq!(serving(&world)[1], u64::from(PLAYERS));
    let returned = world.figure(ServerKind::Room, "usher_returned_total");
    assert!(returned >= lost, "{returned} of {lost} took up the seats that were kept");
    assert_eq!(world.figure(ServerKind::Room, "usher_seats_given_up_total"), given_up);
    goes_well(&mut world);
}

#[test]
fn a_gateway_is_emptied_by_either_word_and_its_players_come_back_through_the_other() {
    for (seed, order) in [(3, Fault::Drain(GATEWAYS[0].into())), (4, Fault::OrderDrain(GATEWAYS[0].into()))] {
        let mut world = seated(cluster(seed).fault(FAULT_AT, order));
        world.run_for(Duration::from_secs(10));
        assert_eq!(world.servers(ServerKind::Gateway), 1, "it has ended");
        assert_eq!((in_seat(&world), serving(&world)[1]), (PLAYERS, PLAYERS.into()));
        assert!(tally(&world).drops.contains_key("draining"), "{:?}", tally(&world).drops);
        goes_well(&mut world);
    }
}

#[test]
fn a_trunk_that_breaks_takes_its_players_along_and_no_others() {
    let cut = Fault::CutTrunk { gateway: GATEWAYS[0].into(), server: ROOMS[0].into() };
    let cut_other = Fault::CutTrunk { gateway: GATEWAYS[1].into(), server: ROOMS[0].into() };
    let mut world = seated(cluster(5).fault(FAULT_AT, cut).fault(FAULT_AT, cut_other));
    let there = world.figure_of(ROOMS[0], "usher_serving");
    assert!(there > 0);
    world.run_for(Duration::from_millis(30));
    assert_eq!(world.figure_of(ROOMS[0], "usher_serving"), 0, "its connections are over");
    let drops: u64 = tally(&world).drops.values().sum();
    assert_eq!(drops, there, "and those alone: {:?}", tally(&world).drops);
    world.run_for(Duration::from_secs(10));
    assert_eq!(in_seat(&world), PLAYERS);
    goes_well(&mut world);
}
