//! Rooms whose games are workers': hands are played to their end and counted, however slow and forgetful workers are.
//!
//! Read next: `../src/workers.rs`; `usher_logic`'s `room/floor/asking.rs`.

use std::time::Duration;
use usher_games::{GameKind, WorkerGame};
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{After, Config, Deed, Evening, Plan, Play};
use usher_proto::ServerKind;
use usher_sim::{Fault, Scenario, Workers, World, node};

const PLAYERS: u32 = 60;
const ROOMS: [&str; 2] = ["room-1", "room-2"];

fn scenario(seed: u64, workers: Workers) -> Scenario {
    println!("seed {seed}");
    let login = LoginConfig {
        node: node(ServerKind::Login, "login"),
        halls: vec!["hall".into()],
        ..LoginConfig::default()
    };
    let game = GameKind::Worker(WorkerGame::named("nim").expect("a name"));
    let mut scenario = Scenario::new(seed).manager(manager::Config::default()).login(login);
    scenario = scenario.hall(HallConfig { node: node(ServerKind::Hall, "hall"), ..HallConfig::default() });
    for name in ROOMS {
        let rooms = vec![RoomSpec::new(name, game, PLAYERS)];
        let node = node(ServerKind::Room, name);
        scenario = scenario.room(RoomConfig { node, rooms, floors: 2, ..RoomConfig::default() });
    }
    let evening = Evening {
        hands: (1, 3),
        after: After { another_table: 35, another_room: 20, leave: 10, drop: 15 },
        back_after: Some((Duration::from_secs(2), Duration::from_secs(5))),
    };
    let think = (Duration::from_millis(50), Duration::from_millis(500));
    let plan = Plan { play: Play::Game, game, think, evening: Some(evening), ..Plan::default() };
    scenario.workers = workers;
    scenario.crowd(Config {
        players: PLAYERS,
        mix: plan.into(),
        start_after: Duration::from_secs(3),
        rate_per_s: 20.0,
        play_for: Duration::from_secs(120),
        logins: vec!["login".into()],
        reconnect_per_mille: 300,
        seed,
        ..Config::default()
    })
}

/// To the end; the hands that were written down.
fn runs_well(mut world: World) -> (usize, u64) {
    world.run_to_end();
    let tally = world.crowds().next().expect("a crowd").ledger().clone();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.delivery.is_whole(), "{:?}", tally.delivery);
    assert_eq!(tally.seated, u64::from(PLAYERS));
    assert!(tally.count(Deed::Hand) > 0);
    assert_eq!(world.figure(ServerKind::Room, "usher_hands_playing"), 0);
    (world.hands(), world.figure(ServerKind::Room, "usher_game_faults_total"))
}

#[test]
fn hands_are_played_while_answers_take_their_time() {
    for seed in 1..=8 {
        let takes_max = Duration::from_millis(40 * seed * seed); // the last are slower than a player
        let (hands, faults) = runs_well(scenario(seed, Workers { takes_max, undone_per_mille: 0 }).build());
        assert!(hands > 100 && faults == 0, "{hands} hands, {faults} faults");
    }
}

#[test]
fn where_nobody_answers_a_hand_ends_without_points_and_the_next_one_begins() {
    for seed in 11..=16 {
        let workers = Workers { takes_max: Duration::from_secs(1), undone_per_mille: 30 };
        let (hands, faults) = runs_well(scenario(seed, workers).build());
        assert!(hands as u64 > 2 * faults && faults > 5, "{hands} hands, {faults} faults");
    }
}

#[test]
fn rooms_that_crash_lose_what_was_asked_and_nothing_else() {
    for seed in 21..=26 {
        let mut scenario =
            scenario(seed, Workers { takes_max: Duration::from_secs(2), undone_per_mille: 10 });
        for (second, room) in (20..100).step_by(20).zip(ROOMS.into_iter().cycle()) {
            let after = Duration::from_secs(second);
            scenario = scenario
                .fault(after, Fault::Crash(room.into()))
                .fault(after + Duration::from_secs(3), Fault::Restart(room.into()))
                .fault(after + Duration::from_secs(8), Fault::CutPlayers(room.into(), 300));
        }
        let (hands, _) = runs_well(scenario.build());
        assert!(hands > 50, "{hands} hands");
    }
}
