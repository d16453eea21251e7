//! How a crowd is to behave: how many, how fast, for how long, in which mix.
//!
//! Why: plain numbers, so that a command line and a scenario of the simulator fill in the same form.
//! Owns: the form and its defaults. Does not own: the client rules, which are the same for every crowd
//! (`rules.rs`).
//! Limits: none of its own; a crowd's memory grows with `players`.
//! Read next: `mix.rs`, then `crowd.rs`.

use crate::mix::{Mix, Plan};
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::{Address, Time, WorldId};

/// Who the players are.
#[derive(Clone, Copy, Debug)]
pub enum Accounts {
    /// Nobody in particular, each of them.
    Guests,
    /// The account of this number in the world's list, by the player's own (`first_index` + index).
    Numbered(fn(u32) -> u32),
}

/// A crowd.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many players.
    pub players: u32,
    /// The number of the first one: crowds of several processes count on.
    pub first_index: u32,
    /// When the first one is scheduled, after the start of the crowd's world.
    pub start_after: Duration,
    /// Arrivals a second; player i is scheduled at i / rate, whatever became of the others.
    pub rate_per_s: f64,
    /// What they do once seated, by kinds.
    pub mix: Mix,
    /// How long they go on after the last of the crowd was seated or failed.
    pub play_for: Duration,
    /// Over which time their leaving is spread.
    pub leave_within: Duration,
    /// Login servers, in the order each player tries them.
    pub logins: Vec<Address>,
    /// Who they are.
    pub accounts: Accounts,
    /// The world they choose.
    pub world: WorldId,
    /// So many of a thousand players drop their room connection once and come back on their ticket.
    pub reconnect_per_mille: u32,
    /// Nobody answers for so long: the step has failed. (Connect timeouts are the transport's.)
    pub step_timeout: Duration,
    /// All chance of the crowd comes from here.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            players: 5000,
            first_index: 0,
            start_after: Duration::ZERO,
            rate_per_s: 1000.0,
            mix: Plan::default().into(),
            play_for: Duration::from_secs(10),
            leave_within: Duration::from_secs(1),
            logins: Vec::new(),
            accounts: Accounts::Guests,
            world: WorldId(1),
            reconnect_per_mille: 20,
            step_timeout: Duration::from_secs(30),
            seed: 1,
        }
    }
}

impl Config {
    /// The account of the player of this index; a guest has none.
    pub(crate) fn account(&self, index: u32) -> Option<u32> {
        match self.accounts {
            Accounts::Guests => None,
            Accounts::Numbered(of) => Some(of(self.first_index + index)),
        }
    }

    /// When the player of this index is to arrive.
    pub(crate) fn scheduled(&self, index: u32) -> Time {
        let spacing = f64::from(index) / self.rate_per_s;
        Time::default() + self.start_after + Duration::try_from_secs_f64(spacing).unwrap_or(NEVER)
    }
}

/// Later than any run lasts: where a rate of nothing puts everybody but the first.
const NEVER: Duration = Duration::from_secs(3600 * 24 * 365);

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn arrivals_are_spaced_by_the_rate_alone() {
        let config = Config { rate_per_s: 250.0, ..Config::default() };
        for (index, millis) in [(0, 0), (1, 4), (250, 1000), (1000, 4000)] {
            assert_eq!(config.scheduled(index), Time::from_millis(millis));
        }
    }
}
