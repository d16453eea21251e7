//! The workers of the cluster, as its room servers meet them: slow at times, and now and then of no help.
//!
//! Why: a table whose rules are elsewhere waits for answers, and what comes meanwhile is what goes wrong.
//! Owns: how long an answer takes and whether there is one. A worker's game is played by the rules of the game of its
//! name (`usher_logic::stand_in`). Does not own how workers are kept; that is `usher-workers`, and no machine's.
//! Invariant: every question is answered, within `takes` and once.
//! Read next: `world/outputs.rs`.

use crate::network::delay_within;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::time::Duration;
use usher_games::{GameKind, WorkerGame};
use usher_logic::stand_in;
use usher_proto::hand::{FAULT, HandRecord};
use usher_proto::machine::Played;
use usher_proto::message::{Deed, NotDone, Play};

/// How workers are.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// The longest an answer takes.
    pub takes_max: Duration,
    /// Of a thousand questions, those that nobody can answer.
    pub undone_per_mille: u32,
}

impl Default for Workers {
    fn default() -> Self {
        Self { takes_max: Duration::from_millis(20), undone_per_mille: 0 }
    }
}

impl Workers {
    /// What is said of a hand, and after how long.
    pub(crate) fn play(self, play: &Play, dice: &mut ChaCha8Rng) -> (Played, Duration) {
        let is_undone = dice.next_u32() % 1000 < self.undone_per_mille;
        let played = match GameKind::from_name(&play.game) {
            Some(kind) if !is_undone => stand_in::play(kind, play),
            _ => Played::Undone(NotDone::NoWorker),
        };
        (played, delay_within(self.takes_max, dice))
    }
}

/// Panics if a hand's moves do not lead to what its record says.
pub(crate) fn check(game: WorkerGame, record: &HandRecord) {
    let is_it = |kind: &&GameKind| WorkerGame::named(kind.name()) == Some(game);
    let kind = *GameKind::ALL.iter().find(is_it).expect("a worker's game has the name of one that is here");
    let mut moves: Vec<_> = record.moves.iter().filter_map(Deed::of).collect();
    let next = moves.pop();
    let (name, hand) = (kind.name().into(), record.id.to_string());
    let play = Play { game: name, hand, seats: kind.seats(), seed: record.seed.into(), moves, next };
    let Played::Look(look) = stand_in::play(kind, &play) else { panic!("no such hand: {record:?}") };
    match look.end {
        Some(end) => {
            assert_eq!((&end.scores, &end.reason), (&record.scores, &record.reason), "{}", record.id);
        }
        None => assert_eq!(record.reason, FAULT, "{} is not over", record.id),
    }
}
