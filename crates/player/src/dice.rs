//! The crowd's chance: one seeded generator for all of its players.
//!
//! Why: a generator for each player would be most of a player's memory.
//! Invariant: the same seed and the same inputs give the same draws.
//! Read next: `rules.rs`.

use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

#[derive(Debug)]
pub(crate) struct Dice(pub(crate) ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number of the range, its end included.
    pub(crate) fn among(&mut self, (from, to): (u32, u32)) -> u32 {
        from + self.below(u64::from(to.saturating_sub(from)) + 1) as u32
    }

    /// A span within the range.
    pub(crate) fn within(&mut self, (from, to): (Duration, Duration)) -> Duration {
        let spread = to.saturating_sub(from).as_nanos() as u64;
        from + Duration::from_nanos(self.below(spread))
    }

    /// A span around the mean: half to one and a half of it.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        self.within((mean / 2, mean + mean / 2))
    }
}
