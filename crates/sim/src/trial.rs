//! A seed put to the test: a time of faults, in which nothing may become wrong, then a quiet time, in which everything
//! must become right.
//!
//! Why: a system that does nothing is safe; that it goes on must be shown too.
//! Safety, throughout: what machines check of themselves, what the shadow model checks between them, no player fails
//! for a reason that no fault explains.
//! Liveness, when all faults are over: soon nobody fails any more, and whoever did not fail sits; who
//! strolls goes home; when all is quiet the manager, the rooms and the players agree who is where, and every hall knows
//! every room; then all go home, and nothing is left of them.
//! Invariant: the same trial takes the same steps ([`Outcome::trace`]).
//! Read next: `random.rs`, then `shadow.rs`.

use crate::random::{self, SITTERS, STROLLERS};
use crate::scenario::Scenario;
use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;
use usher_player::{Crowd, Tally};
use usher_proto::{ServerKind, Time};

/// After the last fault and [`PATIENCE`].
const SEATED_WITHIN: Duration = Duration::from_secs(45);
/// After that, who strolls comes to the end of a hand and home.
const HOME_WITHIN: Duration = Duration::from_secs(120);
/// A seat that nobody came back to is kept for half a minute, and quiet is eight seconds.
const QUIET_WITHIN: Duration = Duration::from_secs(90);
/// Whoever had a fault at the very end may have given up a moment later.
const PATIENCE: Duration = Duration::from_secs(45);

/// What players fail for while servers are away; anything else no fault explains.
const EXPLAINED: &[&str] = &[
    "evicted",
    "busy",
    "redirects",
    "login_unreachable",
    "hall_unreachable",
    "room_unreachable",
    "no_room",
    "rooms_full",
    "elsewhere",
    "ticket_invalid",
    "leave_timeout",
    "chat_unanswered",
    "action_unanswered",
];

/// One seed, with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Players of all crowds together, about.
    pub players: u32,
    /// Five of six of them have faults; that all becomes right takes about the sixth.
    pub minutes: u32,
    /// Gateways, each before every hall and room server.
    pub gateways: u32,
}

/// What came of one that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Steps machines took.
    pub steps: u64,
    /// See [`World::trace`].
    pub trace: u64,
    /// Faults that happened.
    pub faults: usize,
    /// Hands that were played and written down.
    pub hands: usize,
    /// How often everything had to agree.
    pub quiet_sweeps: u64,
    /// Virtual time.
    pub took: Duration,
    /// Players who gave up, by reason.
    pub failures: BTreeMap<&'static str, u64>,
}

impl Trial {
    /// A seed of that size: every second has two gateways.
    pub fn new(seed: u64, players: u32, minutes: u32) -> Self {
        let gateways = if seed.is_multiple_of(2) { 2 } else { 0 };
        Self { seed, players, minutes, gateways }
    }

    /// Its plan.
    pub fn scenario(&self) -> Scenario {
        random::scenario(self.seed, self.players, self.minutes, self.gateways)
    }

    /// Runs it. Panics at whatever does not hold, saying what.
    pub fn run(&self) -> Outcome {
        let mut world = self.scenario().build();
        let healed = random::healed_after(self.minutes);
        world.run_until(Time(0) + healed);
        world.run_for(PATIENCE);
        let given_up = failures(&world);
        check_explained(&given_up);
        within(&mut world, SEATED_WITHIN, "whoever did not fail sits", all_sit);
        world.send_home(STROLLERS);
        within(&mut world, HOME_WITHIN, "who strolls is home", |world| crowd(world, STROLLERS).is_done());
        // Who gave up at the very end had a seat, which is kept for a while.
        within(&mut world, QUIET_WITHIN, "no seat is kept", |world| absent(world) == 0);
        let sweeps = world.quiet_sweeps();
        within(&mut world, QUIET_WITHIN, "all is quiet", |world| world.quiet_sweeps() > sweeps + 1);
        check_agreement(&world);
        assert_eq!(failures(&world), given_up, "nobody fails once all faults are over");
        for number in (SITTERS..).take(world.crowds().count()) {
            world.send_home(number);
        }
        within(&mut world, HOME_WITHIN, "all are home", |world| world.crowds().all(Crowd::is_done));
        let sweeps = world.quiet_sweeps();
        within(&mut world, QUIET_WITHIN, "all is quiet again", |world| world.quiet_sweeps() > sweeps + 1);
        check_nothing_is_left(&world);
        check_deliveries(&world);
        Outcome {
            steps: world.steps(),
            trace: world.trace(),
            faults: world.faults(),
            hands: world.hands(),
            quiet_sweeps: world.quiet_sweeps(),
            took: world.now() - Time(0),
            failures: given_up,
        }
    }
}

/// Runs until it is so, which must be soon.
fn within(world: &mut World, span: Duration, what: &str, is_so: impl Fn(&World) -> bool) {
    let deadline = world.now() + span;
    while !is_so(world) {
        if world.now() >= deadline {
            let crowds: Vec<_> = world.crowds().map(Crowd::progress).collect();
            panic!("{what}: not within {span:?}; at {:?}: {crowds:?}", world.now());
        }
        world.run_for(Duration::from_millis(500));
    }
}

fn crowd(world: &World, number: usize) -> &Crowd<Tally> {
    world.crowds().nth(number).expect("a crowd of the plan")
}

fn failures(world: &World) -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for (reason, count) in world.crowds().flat_map(|crowd| &crowd.ledger().failures) {
        *all.entry(*reason).or_default() += count;
    }
    all
}

fn absent(world: &World) -> u64 {
    world.figure(ServerKind::Room, "usher_players_absent")
}

fn check_explained(failures: &BTreeMap<&'static str, u64>) {
    let unexplained: Vec<_> = failures.iter().filter(|(reason, _)| !EXPLAINED.contains(reason)).collect();
    assert!(unexplained.is_empty(), "no fault explains that players failed: {unexplained:?}");
}

/// Strollers are seldom all in their seats; each has had one.
fn all_sit(world: &World) -> bool {
    world.crowds().enumerate().all(|(number, crowd)| {
        let progress = crowd.progress();
        let at_ease = if number == STROLLERS { progress.settled } else { progress.in_seat + progress.done };
        at_ease == progress.players
    })
}

/// What players, rooms and the manager say of who is where is the same, and every hall knows every room.
fn check_agreement(world: &World) {
    let seated: u64 = world.crowds().map(|crowd| u64::from(crowd.progress().in_seat)).sum();
    let places = world.figure(ServerKind::Manager, "usher_presence_places");
    assert_eq!(places, seated, "the manager knows of every seat, and of no other");
    let halls = world.servers(ServerKind::Hall);
    let known = world.figure(ServerKind::Hall, "usher_directory_servers");
    let rooms = world.servers(ServerKind::Room);
    assert_eq!(known, halls * rooms, "every hall knows every room server");
    let gateways = world.servers(ServerKind::Gateway);
    let fronts = world.figure(ServerKind::Gateway, "usher_gateway_fronts");
    assert_eq!(fronts, gateways * (halls + rooms), "every gateway stands before every hall and room server");
}

fn check_nothing_is_left(world: &World) {
    let left_over = [
        (ServerKind::Login, "usher_serving"),
        (ServerKind::Hall, "usher_serving"),
        (ServerKind::Room, "usher_serving"),
        (ServerKind::Gateway, "usher_serving"),
        (ServerKind::Room, "usher_places_held"),
        (ServerKind::Room, "usher_claims_pending"),
        (ServerKind::Room, "usher_releases_pending"),
        (ServerKind::Room, "usher_evictions_pending"),
        (ServerKind::Manager, "usher_presence_places"),
        (ServerKind::Manager, "usher_reservations_outstanding"),
    ];
    for (kind, figure) in left_over {
        assert_eq!(world.figure(kind, figure), 0, "{figure} of the {}s", kind.as_str());
    }
    assert_eq!(world.figure(ServerKind::Room, "usher_game_faults_total"), 0, "no game failed");
}

fn check_deliveries(world: &World) {
    for crowd in world.crowds() {
        let delivery = &crowd.ledger().delivery;
        assert!(delivery.is_whole(), "what was said was not heard once, in order: {delivery:?}");
    }
}
