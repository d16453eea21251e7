//! The whole cluster and its players in virtual time, with delays by chance and servers that die.
//!
//! Why: the machines' own tests see one machine at a time; here they all meet.
//! Every test prints its seed before it runs it: the last one printed is the one that failed, and
//! `USHER_SIM_SEED=7 cargo test --release -p usher-sim --test smoke NAME` repeats that one alone.
//! Read next: `../src/scenario.rs`.

use std::ops::Range;
use std::time::Duration;
use usher_games::GameKind;
use usher_logic::hall::HallConfig;
use usher_logic::login::LoginConfig;
use usher_logic::manager::{self, HallsOrder};
use usher_logic::room::{RoomConfig, RoomSpec};
use usher_player::{Accounts, After, Config, Crowd, Deed, Evening, Mix, Plan, Play, Tally};
use usher_proto::{NodeConfig, ServerKind, Time};
use usher_sim::{Fault, Scenario, World, node};

const RATE_PER_S: u32 = 500;
/// After the last arrival, and while everybody plays.
const CRASH_AT: Duration = Duration::from_millis(12_001);
const BEFORE_CRASH: Time = Time::from_millis(12_000);
const RESTART_AT: Duration = Duration::from_secs(24);
/// Longer after the crash than a directory may still name the dead server.
const LATECOMERS_AT: Duration = Duration::from_millis(20_001);
const BEFORE_LATECOMERS: Time = Time::from_millis(20_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn room(name: &str) -> RoomConfig {
    let spec = |number| RoomSpec::new(&format!("{name}/{number}"), GameKind::Gomoku, 400);
    let rooms = (0..3).map(spec).collect();
    RoomConfig { node: node(ServerKind::Room, name), rooms, floors: 2, ..RoomConfig::default() }
}

/// One manager, two logins and halls of which the first is too small for the rate, two room servers either of
/// which has seats for all.
fn cluster(seed: u64) -> Scenario {
    let small =
        |kind, name: &str| NodeConfig { serve_per_second_max: RATE_PER_S * 6 / 10, ..node(kind, name) };
    let halls = vec!["hall-1".into(), "hall-2".into()];
    let login = |node| LoginConfig { node, halls: halls.clone(), ..LoginConfig::default() };
    let hall = |node| HallConfig { node, ..HallConfig::default() };
    Scenario::new(seed)
        .manager(manager::Config { halls_order: HallsOrder::Name, ..manager::Config::default() })
        .login(login(small(ServerKind::Login, "login-1")))
        .login(login(node(ServerKind::Login, "login-2")))
        .hall(hall(small(ServerKind::Hall, "hall-1")))
        .hall(hall(node(ServerKind::Hall, "hall-2")))
        .room(room("room-1"))
        .room(room("room-2"))
}

fn crowd(players: u32, play: Play, seed: u64) -> Config {
    Config {
        players,
        mix: Plan { play, chat_interval: seconds(5), ..Plan::default() }.into(),
        start_after: seconds(3),
        rate_per_s: RATE_PER_S.into(),
        play_for: seconds(30),
        logins: vec!["login-1".into(), "login-2".into()],
        seed,
        ..Config::default()
    }
}

/// The seeds of a test, each printed before it is run; an unoptimised build takes the first alone.
fn seeds(all: Range<u64>) -> impl Iterator<Item = u64> {
    let only = std::env::var("USHER_SIM_SEED").ok();
    let only = only.map(|seed| seed.parse().expect("USHER_SIM_SEED is a number"));
    let seeds_max = if cfg!(debug_assertions) { 1 } else { usize::MAX };
    let seeds: Vec<u64> = only.map_or_else(|| all.take(seeds_max).collect(), |seed| vec![seed]);
    seeds.into_iter().inspect(|seed| println!("USHER_SIM_SEED={seed}"))
}

fn tallies(world: &World) -> impl Iterator<Item = &Tally> {
    world.crowds().map(Crowd::ledger)
}

/// Players in a seat now, of the first crowd.
fn in_seat(world: &World) -> u32 {
    world.crowds().next().map_or(0, |crowd| crowd.progress().in_seat)
}

/// Nobody failed, everything said was heard once and in order, and nothing is left behind.
fn check_the_end(world: &World) {
    for tally in tallies(world) {
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    }
    check_what_is_left(world);
}

fn check_what_is_left(world: &World) {
    for tally in tallies(world) {
        assert!(tally.delivery.is_whole(), "{:?}", tally.delivery);
    }
    let left_over = [
        (ServerKind::Login, "usher_serving"),
        (ServerKind::Hall, "usher_serving"),
        (ServerKind::Room, "usher_serving"),
        (ServerKind::Room, "usher_places_held"),
        (ServerKind::Manager, "usher_presence_places"),
        (ServerKind::Manager, "usher_reservations_outstanding"),
    ];
    for (kind, figure) in left_over {
        assert_eq!(world.figure(kind, figure), 0, "{figure} of the {}s", kind.as_str());
    }
}

/// A crash of a room server while all play, and its return. The trace of the run.
fn crash_run(seed: u64, players: u32, play: Play, check_each: u32) -> u64 {
    let latecomers = Config { start_after: LATECOMERS_AT, ..crowd(20, play, seed + 1) };
    let mut scenario = cluster(seed)
        .crowd(crowd(players, play, seed))
        .crowd(latecomers)
        .fault(CRASH_AT, Fault::Crash("room-1".into()))
        .fault(RESTART_AT, Fault::Restart("room-1".into()));
    scenario.check_each = check_each;
    let mut world = scenario.build();

    world.run_until(BEFORE_CRASH);
    assert_eq!(world.crowds().next().map(|crowd| crowd.progress().settled), Some(players));
    let places = |world: &World| {
        let held = world.figure(ServerKind::Room, "usher_places_held");
        (held, world.figure(ServerKind::Manager, "usher_presence_places"))
    };
    let all = u64::from(players);
    assert_eq!(places(&world), (all, all), "every place is known to its server and to the manager");

    world.run_until(BEFORE_LATECOMERS);
    assert_eq!(in_seat(&world), players, "all are seated again while the server is still away");
    assert_eq!(places(&world), (all, all));

    world.run_to_end();
    check_the_end(&world);
    let tally = tallies(&world).next().expect("a crowd");
    assert_eq!(tally.seated, all);
    assert!(tally.drops["closed"] > 0 && tally.reconnects >= tally.drops["closed"], "{tally:?}");
    assert!(tally.redirects[&ServerKind::Login] > 0 && tally.redirects[&ServerKind::Hall] > 0);
    if play == Play::Chat {
        assert!(tally.delivery.expected > all);
        for sums in tally.rooms.values() {
            assert!(sums.acknowledged <= sums.seq_max, "nothing is acknowledged twice");
        }
    }
    world.trace()
}

#[test]
fn a_thousand_players_outlive_a_room_server() {
    for seed in seeds(1..4) {
        // To check a machine after every one of its steps takes ten times as long, so one seed does.
        crash_run(seed, 1000, Play::Chat, if seed == 1 { 1 } else { 64 });
    }
}

#[test]
fn two_hundred_players_with_every_step_checked() {
    for seed in seeds(100..104) {
        crash_run(seed, 200, if seed % 2 == 0 { Play::Game } else { Play::Chat }, 1);
    }
}

/// Somebody sends recorded first frames again, to the server they were for and to the other, while all play.
#[test]
fn recorded_first_frames_get_nobody_in_and_nobody_out() {
    for seed in seeds(200..204) {
        let replay = |name: &str| Fault::Replay(name.into(), 1000);
        let steady = Config { reconnect_per_mille: 0, ..crowd(200, Play::Game, seed) };
        let mut world = cluster(seed)
            .crowd(steady)
            .fault(CRASH_AT, replay("room-1"))
            .fault(CRASH_AT, replay("room-2"))
            .build();
        let claims =
            |world: &World| world.figure(ServerKind::Manager, "usher_claims_total{verdict=\"granted\"}");
        world.run_until(BEFORE_CRASH);
        assert_eq!((in_seat(&world), claims(&world)), (200, 200));
        world.run_until(BEFORE_LATECOMERS);
        assert_eq!((in_seat(&world), claims(&world)), (200, 200), "no claim reached the manager");
        let shown_out = ["usher_replaced_total", "usher_idle_closed_total"];
        let shown_out: u64 = shown_out.iter().map(|name| world.figure(ServerKind::Room, name)).sum();
        assert!(shown_out >= 100, "{shown_out} of 2000 replays came as far as the door");
        world.run_to_end();
        check_the_end(&world);
        let tally = tallies(&world).next().expect("a crowd");
        assert!(tally.drops.is_empty() && tally.reconnects == 0, "{tally:?}");
    }
}

/// In a game for three that goes on without who left, players drop, come back, and leave at different times.
#[test]
fn three_at_a_table_play_on() {
    for seed in seeds(50..54) {
        let mut threes = room("room-3");
        threes.rooms.iter_mut().for_each(|room| room.game = GameKind::DouDizhu);
        let plan = Plan { play: Play::Game, game: GameKind::DouDizhu, ..Plan::default() };
        let players = Config {
            mix: plan.into(),
            reconnect_per_mille: 300,
            leave_within: seconds(20),
            play_for: seconds(60),
            ..crowd(300, Play::Game, seed)
        };
        let mut world = cluster(seed).room(threes).crowd(players).build();
        world.run_to_end();
        check_the_end(&world);
        let hands = |what: &str| world.figure(ServerKind::Room, &format!("usher_hands_{what}_total"));
        assert!(hands("ended") > 100 && hands("ended") == hands("started"), "{} hands", hands("ended"));
        assert!(tallies(&world).all(|tally| tally.seated == 300 && tally.reconnects > 50));
    }
}

/// Everybody plays a few hands at a time, and then goes elsewhere, home, or away for a moment.
fn evening(game: GameKind, after: After) -> Plan {
    let evening = Evening { hands: (2, 4), after, back_after: Some((seconds(5), seconds(20))) };
    Plan { play: Play::Game, game, chat_interval: seconds(10), evening: Some(evening), ..Plan::default() }
}

/// Both games at once, and everything that players do between hands.
fn evenings(seed: u64) -> Scenario {
    let threes = |name| {
        let mut threes = room(name);
        threes.rooms.iter_mut().for_each(|room| room.game = GameKind::DouDizhu);
        threes
    };
    let after = After { another_table: 40, another_room: 30, leave: 20, drop: 10 };
    let kinds = vec![
        (50, evening(GameKind::Gomoku, after)),
        (45, evening(GameKind::DouDizhu, after)),
        (5, Plan { chat_interval: seconds(5), ..Plan::default() }),
    ];
    let players = Config {
        mix: Mix::new(kinds).expect("shares"),
        play_for: seconds(480),
        leave_within: seconds(20),
        ..crowd(300, Play::Game, seed)
    };
    let mut scenario = cluster(seed).room(threes("room-3")).room(threes("room-4")).crowd(players);
    scenario.check_each = 16;
    scenario.time_max = seconds(1200);
    scenario
}

/// Every hand was written down, and everything was done between them.
fn check_evenings(world: &World) {
    let tally = tallies(world).next().expect("a crowd");
    println!("{} hands, {:?}, {} chats heard", world.hands(), tally.deeds, tally.delivery.received);
    assert_eq!(tally.seated, 300);
    assert_eq!(world.figure(ServerKind::Room, "usher_game_faults_total"), 0);
    assert!(world.hands() > 1000 && tally.count(Deed::Hand) > 2000, "{} hands", world.hands());
    for deed in [Deed::Table, Deed::Room, Deed::Drop, Deed::Leave, Deed::Return] {
        assert!(tally.count(deed) > 40, "{deed:?} of {:?}", tally.deeds);
    }
}

#[test]
fn whole_evenings_of_both_games() {
    for seed in seeds(70..74) {
        let mut world = evenings(seed).build();
        world.run_to_end();
        check_the_end(&world);
        check_evenings(&world);
        assert!(tallies(&world).all(|tally| tally.drops.is_empty()), "nobody lost a connection");
        let ended = world.figure(ServerKind::Room, "usher_hands_ended_total");
        assert_eq!(world.hands() as u64, ended, "every hand that ended was written down");
    }
}

/// Servers die and connections break whatever players are at: standing up, strolling, at the door, away.
#[test]
fn evenings_go_on_whatever_breaks() {
    for seed in seeds(80..88) {
        let mut scenario = evenings(seed);
        for (at, name) in (0..).zip(["room-1", "room-3", "room-2", "room-4", "manager", "hall-1", "room-1"]) {
            let cut = |fault| Fault::CutPlayers(fault, 300);
            let at = seconds(30 + 50 * at) + Duration::from_millis(seed * 37 % 1000);
            scenario = scenario
                .fault(at, cut(name.into()))
                .fault(at + seconds(7), Fault::CutLink(name.into()))
                .fault(at + seconds(15), Fault::Crash(name.into()))
                .fault(at + seconds(30), Fault::Restart(name.into()));
        }
        let mut world = scenario.build();
        world.run_to_end();
        check_the_end(&world);
        check_evenings(&world);
        assert!(tallies(&world).all(|tally| tally.drops["closed"] > 100 && tally.reconnects > 100));
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in seeds(7..8) {
        let first = crash_run(seed, 200, Play::Chat, 64);
        assert_eq!(first, crash_run(seed, 200, Play::Chat, 64), "the same seed, the same steps");
        assert_ne!(first, crash_run(seed + 1, 200, Play::Chat, 64), "another seed, others");
    }
}

#[test]
fn nobody_is_thrown_out_while_the_manager_is_away_and_newcomers_sit_soon_after() {
    for seed in seeds(20..24) {
        let newcomers = Config { start_after: seconds(13), ..crowd(300, Play::Game, seed + 1) };
        let mut world = cluster(seed)
            .crowd(crowd(300, Play::Chat, seed))
            .crowd(newcomers)
            .fault(seconds(8), Fault::Crash("manager".into()))
            .fault(seconds(14), Fault::Restart("manager".into()))
            .build();
        world.run_until(Time::from_millis((14 + 5) * 1000));
        for crowd in world.crowds() {
            assert_eq!(
                crowd.progress().settled,
                300,
                "five seconds after the manager is back, all are seated"
            );
        }
        world.run_to_end();
        check_the_end(&world);
        assert!(tallies(&world).all(|tally| tally.drops.is_empty()), "nobody lost a connection");
    }
}

#[test]
fn links_that_break_while_players_arrive_cost_nobody_anything() {
    let cut = ["room-1", "login-1", "hall-1", "room-2", "hall-2", "room-1", "login-2"];
    for seed in seeds(30..34) {
        let mut scenario = cluster(seed).crowd(crowd(400, Play::Chat, seed));
        for (number, name) in (0..).zip(cut) {
            let after = Duration::from_millis(3200 + 150 * number + seed % 100);
            scenario = scenario.fault(after, Fault::CutLink(name.into()));
        }
        let mut world = scenario.build();
        world.run_to_end();
        check_the_end(&world);
        assert!(tallies(&world).all(|tally| tally.drops.is_empty()), "nobody lost a connection");
    }
}

#[test]
fn whose_connection_is_cut_has_its_own_seat_again() {
    for seed in seeds(60..64) {
        let play = if seed % 2 == 0 { Play::Game } else { Play::Chat };
        let mut world = cluster(seed)
            .crowd(crowd(300, play, seed))
            .fault(seconds(10), Fault::CutPlayers("room-1".into(), 500))
            .fault(Duration::from_millis(10_100 + seed), Fault::CutPlayers("room-2".into(), 500))
            .fault(seconds(15), Fault::CutPlayers("room-1".into(), 1000))
            .build();
        world.run_until(Time::from_millis(20_000));
        assert_eq!(in_seat(&world), 300);
        let cut = tallies(&world).map(|tally| tally.drops["closed"]).sum::<u64>();
        assert!(cut > 150, "{cut}");
        let room = |figure| world.figure(ServerKind::Room, figure);
        assert_eq!(tallies(&world).map(|tally| tally.reconnects).sum::<u64>(), room("usher_returned_total"));
        assert!(room("usher_returned_total") >= cut, "everyone came back to the place that was kept");
        assert_eq!(room("usher_entered_total"), 300, "and nobody entered a second time");
        assert_eq!(room("usher_seats_given_up_total"), 0);
        let directories = world.figure(ServerKind::Hall, "usher_directories_total");
        assert_eq!(directories, 300, "nobody went back by way of a hall");
        world.run_to_end();
        check_the_end(&world);
    }
}

#[test]
fn every_kind_of_server_may_die_while_players_arrive() {
    let dying = ["room-1", "hall-1", "login-2", "manager"];
    for seed in seeds(40..43) {
        let mut scenario =
            cluster(seed).crowd(Config { reconnect_per_mille: 200, ..crowd(600, Play::Chat, seed) });
        for (number, name) in (0..).zip(dying) {
            let after = Duration::from_millis(3300 + 250 * number + seed % 10 * 20);
            scenario = scenario
                .fault(after, Fault::Crash(name.into()))
                .fault(after + seconds(3), Fault::Restart(name.into()));
        }
        scenario.check_each = 16;
        let mut world = scenario.build();
        world.run_to_end();
        check_the_end(&world);
        assert!(tallies(&world).all(|tally| tally.seated == 600));
    }
}

#[test]
fn of_two_logins_of_an_account_the_later_one_stays() {
    for seed in seeds(50..55) {
        let first = Config { accounts: Accounts::Numbered(|number| number), ..crowd(200, Play::Chat, seed) };
        let start_after = Duration::from_millis(3000 + seed % 5 * 300);
        let second = Config { start_after, seed: seed + 1, ..first.clone() };
        let mut world = cluster(seed).crowd(first).crowd(second).build();
        world.run_to_end();
        check_what_is_left(&world);
        let evicted: u64 =
            tallies(&world).map(|tally| tally.failures.get("evicted").copied().unwrap_or(0)).sum();
        let failed: u64 = tallies(&world).map(Tally::failed).sum();
        assert_eq!((evicted, failed), (200, 200), "of each two, one is evicted, and says so");
    }
}
