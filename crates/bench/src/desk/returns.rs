//! Terminals that leave at random moments and come back a little later, while instructions go on at a steady rate.
//!
//! - Invariant: the same seed has the same terminals leave after the same times, if none of them is still on its way
//!   back; then another leaves in its place.
//! - Limit: [`ABSENCE_MAX_US`].
//!
//! Read next: `terminal.rs`, for what counts as lost, doubled, back.

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::floor::Floor;
use super::terminal::{Faults, Terminal};
use crate::account::Limit;
use crate::storm::{Waits, histogram, waits};

const BETWEEN_MAX_US: u64 = 10_000;
const ABSENCE_MAX_US: u64 = 10_000;
const US: u64 = 1_000;

/// What became of instructions while terminals came and went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// How often a terminal came back.
    pub returns: u64,
    /// Instructions given; each was acknowledged.
    pub instructions: u64,
    /// Of these, given to a terminal that was away.
    pub missed: u64,
    /// Never came.
    pub lost: u64,
    /// Came once more.
    pub doubled: u64,
    /// From the call of `connect` until it had all there was then.
    pub took: Waits,
}

/// Who leaves when.
struct Departures {
    random: StdRng,
    left: u32,
    next: u64,
    /// Terminals that are away, and when they come back.
    away: Vec<(usize, u64)>,
}

impl Departures {
    fn new(count: u32, seed: u64, now: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), left: count, next: now, away: Vec::new() }
    }

    fn random_ns(&mut self, us_max: u64) -> u64 {
        self.random.random_range(0..=us_max) * US
    }

    /// If it is time and somebody can: a terminal that leaves now.
    fn leaver(&mut self, terminals: &[Terminal], now: u64) -> Option<usize> {
        if self.left == 0 || self.next > now {
            return None;
        }
        let first = self.random.random_range(0..terminals.len());
        let in_turn = (first..terminals.len()).chain(0..first);
        let leaver = in_turn.into_iter().find(|index| terminals[*index].is_settled())?;
        self.left -= 1;
        self.next = now + self.random_ns(BETWEEN_MAX_US);
        let back = now + self.random_ns(ABSENCE_MAX_US);
        self.away.push((leaver, back));
        Some(leaver)
    }

    /// Terminals that come back now.
    fn comers(&mut self, now: u64) -> Vec<usize> {
        self.away.extract_if(.., |(_, back)| *back <= now).map(|(index, _)| index).collect()
    }
}

impl Floor {
    /// So many leave and come back; then waits for what is under way.
    pub(super) fn come_and_go(&mut self, count: u32, seed: u64) -> Result<Returns> {
        self.parties.returned.clear();
        self.start(Limit::Messages(u64::MAX))?;
        let mut departures = Departures::new(count, seed, self.parties.account.now());
        while self.parties.returned.len() < count as usize {
            let now = self.parties.account.now();
            self.parties.say_what_is_due(now)?;
            if let Some(index) = departures.leaver(&self.parties.terminals, now) {
                self.parties.terminals[index].go();
            }
            for index in departures.comers(now) {
                let terminal = &mut self.parties.terminals[index];
                terminal.come(self.terminals_at, self.poll.registry(), now)?;
            }
            self.turn()?;
        }
        self.finish()?;
        self.returns()
    }

    fn returns(&self) -> Result<Returns> {
        let parties = &self.parties;
        let mut times = histogram()?;
        parties.returned.iter().for_each(|time| times.saturating_record(*time));
        let Faults { lost, doubled } = parties.faults();
        Ok(Returns {
            returns: parties.returned.len() as u64,
            instructions: parties.account.slice().echoed() + lost,
            missed: parties.terminals.iter().map(Terminal::missed).sum(),
            lost,
            doubled,
            took: waits(&times),
        })
    }
}
