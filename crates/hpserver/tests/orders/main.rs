//! The pieces that threads share, in many orders of things: shuttle decides at every step who is next.
//!
//! `alarm`, `lane` and `places` are the sources themselves, built here on shuttle's locks and atomics; the few lines
//! of `timer` and `fabric` that put them together are written again. Each other module is one promise of theirs.
//!
//! Each rule has a variant that breaks it and must fail, so that none of them passes for nothing. Where the rule is
//! inside a source, the variant is a sketch of it with that rule left out; the sketch with every rule passes.
//!
//! Limits: `SCHEDULES` of each kind a model, drawn from one seed, so a failure is there again the next time. Shuttle
//! knows no reordering of memory; the sources use locks, and atomics that are sequentially consistent.
#![forbid(unsafe_code)]

#[path = "../../src/alarm.rs"]
mod alarm;
#[allow(dead_code, unreachable_pub, reason = "how long anything waits is not modelled")]
#[path = "../../src/delays.rs"]
mod delays;
#[allow(dead_code, reason = "what nobody waits for or holds is not modelled")]
#[path = "../../src/lane.rs"]
mod lane;
#[path = "../../src/pace.rs"]
mod pace;
#[allow(dead_code, reason = "what nobody waits for is not modelled")]
#[path = "../../src/places.rs"]
mod places;

/// The layer's clock.
mod timer {
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
    }
}

mod holding;
mod waiting;
mod waking;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
    sync,
};

const SEED: u64 = 7;
const SCHEDULES: usize = 4_000;
/// How often the schedule of a run changes its mind about who goes first.
const CHANGES: usize = 3;

/// A model in many orders: first anybody may be next at any step, then few overtake at the worst moments.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let model = sync::Arc::new(model);
    let again = sync::Arc::clone(&model);
    Runner::new(RandomScheduler::new_from_seed(SEED, SCHEDULES), Config::new()).run(move || model());
    Runner::new(PctScheduler::new_from_seed(SEED, CHANGES, SCHEDULES), Config::new()).run(move || again());
}

/// What one thread does alone, in the only order there is.
fn alone(steps: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random_with_seed(steps, SEED, 1);
}
