//! What the simulated cluster writes down of its hands, and checks as it does.
//!
//! Invariants: a hand is written down once; its scores sum to zero; its seed and moves, played back, come to what it says.
//! Limit: every name of a hand is kept, for a run's time.
//! Read next: `usher_proto::hand`.

use hashbrown::{HashMap, HashSet};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use usher_games::{GameKind, Seat};
use usher_proto::hand::{HandId, HandRecord, Move, Seed};
use usher_proto::{AccountId, GameId};

/// A hand's chance.
pub(crate) fn seed(dice: &mut ChaCha8Rng) -> Seed {
    let mut seed = [0; 32];
    dice.fill_bytes(&mut seed);
    seed
}

/// Hands that ended, and what everybody has won and lost.
#[derive(Debug, Default)]
pub(crate) struct Results {
    hands: HashSet<HandId, foldhash::fast::FixedState>,
    scores: HashMap<(AccountId, GameId), i64, foldhash::fast::FixedState>,
}

impl Results {
    /// Counts a hand; the scores of its seats from then on.
    pub(crate) fn record(&mut self, record: &HandRecord) -> Vec<i64> {
        assert!(self.hands.insert(record.id.clone()), "{} was recorded twice", record.id);
        assert_eq!(record.scores.iter().sum::<i32>(), 0, "points came from nowhere: {record:?}");
        check(record);
        for (account, score) in record.seats.iter().zip(&record.scores) {
            *self.scores.entry((*account, record.game)).or_default() += i64::from(*score);
        }
        record.seats.iter().map(|account| self.score(*account, record.game)).collect()
    }

    pub(crate) fn score(&self, account: AccountId, game: GameId) -> i64 {
        self.scores.get(&(account, game)).copied().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.hands.len()
    }
}

fn check(record: &HandRecord) {
    let kind = GameKind::from_id(record.game.0).expect("a game there is");
    let mut game = kind.new_hand(record.seed);
    for done in &record.moves {
        let done = match done {
            Move::Act { seat, action } => game.act(Seat(*seat), action),
            Move::Timeout => Ok(game.timeout()),
            Move::Abandon { seat } => Ok(game.abandon(Seat(*seat))),
        };
        assert!(done.is_ok(), "{} does not play back: {done:?}", record.id);
    }
    let outcome = game.outcome().unwrap_or_else(|| panic!("{} was not over", record.id));
    assert_eq!((&outcome.scores, outcome.reason.name()), (&record.scores, &*record.reason), "{}", record.id);
}
