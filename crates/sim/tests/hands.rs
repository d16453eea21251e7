//! Ten thousand hands of Dou Dizhu between bots, through the whole cluster, in seconds.
//!
//! Why: what is rare in a hand is met in thousands of them. The world checks each hand as it is written down: points
//! and cards come from nowhere and go nowhere, and its seed and moves come to the same again.
//! Read next: `../src/results.rs`, which checks.

use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager;
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Config, Deed, Plan, Play, Step};
use usher_proto::ServerKind;
use usher_sim::{Scenario, World, node};

const SEED: u64 = 1;
const HANDS: usize = 10_000;
const PLAYERS: u32 = 300;
/// Long enough for that many, at a table for each three.
const PLAY_FOR: Duration = Duration::from_secs(240);

fn world() -> World {
    let rooms = vec![RoomSpec::new("Dou Dizhu", GameKind::DouDizhu, PLAYERS)];
    let next_hand_delay = Duration::from_millis(100);
    let room =
        RoomConfig { node: node(ServerKind::Room, "room"), rooms, next_hand_delay, ..RoomConfig::default() };
    let login = LoginConfig {
        node: node(ServerKind::Login, "login"),
        halls: vec!["hall".into()],
        ..LoginConfig::default()
    };
    let think = (Duration::from_millis(10), Duration::from_millis(100));
    let plan = Plan { play: Play::Game, game: GameKind::DouDizhu, think, ..Plan::default() };
    let players = Config {
        players: PLAYERS,
        mix: Plan { chat_interval: Duration::from_secs(3600), ..plan }.into(),
        start_after: Duration::from_secs(2),
        play_for: PLAY_FOR,
        logins: vec!["login".into()],
        reconnect_per_mille: 200,
        seed: SEED,
        ..Config::default()
    };
    let mut scenario = Scenario::new(SEED)
        .manager(manager::Config::default())
        .login(login)
        .hall(HallConfig { node: node(ServerKind::Hall, "hall"), ..HallConfig::default() })
        .room(room)
        .crowd(players);
    scenario.time_max = PLAY_FOR * 2;
    scenario.check_each = 64;
    scenario.build()
}

#[test]
fn ten_thousand_hands_of_dou_dizhu_and_every_card_and_point_of_each() {
    let mut world = world();
    world.run_to_end();
    let (hands, tally) = (world.hands(), world.crowds().next().expect("a crowd").ledger().clone());
    println!("{hands} hands, {} moves by bots", tally.steps[&Step::Action]);
    assert!(hands >= HANDS, "{hands} hands of {HANDS}");
    assert_eq!(hands as u64, world.figure(ServerKind::Room, "usher_hands_ended_total"));
    assert_eq!(world.figure(ServerKind::Room, "usher_game_faults_total"), 0);
    assert_eq!((tally.seated, tally.failed()), (u64::from(PLAYERS), 0), "{:?}", tally.failures);
    assert!(tally.count(Deed::Hand) as usize > 2 * HANDS && tally.reconnects > 0);
}
