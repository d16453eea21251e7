//! What the simulated cluster writes down of its hands, and checks as it does.
//!
//! Invariants: a hand is written down once; its scores sum to zero; its seed and moves, played back, come to what it says,
//! and of cards every one is somewhere, once.
//! Limit: every name of a hand is kept, for a run's time.
//! Read next: `usher_proto::hand`, `usher_logic::playback`.

use crate::workers;
use hashbrown::{HashMap, HashSet};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use usher_games::GameKind;
use usher_games::doudizhu::{CARDS, Cards, DEALT, SET_BYTES};
use usher_logic::hand::unguarded;
use usher_logic::playback::play;
use usher_proto::hand::{HandId, HandRecord, Seed};
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
    if let GameKind::Worker(game) = kind {
        return workers::check(game, record);
    }
    let playback = play(record, unguarded, || kind.new_hand(record.seed));
    assert_eq!(playback.difference, None, "{}", record.id);
    if let (GameKind::DouDizhu, Some(hand)) = (kind, &playback.hand) {
        check_cards(&hand.seen_from_outside().expect("unguarded"), &record.id);
    }
}

/// What each seat played, then the bottom, then what each holds: three sets, one, three, in a view of Dou Dizhu.
const SETS: std::ops::Range<usize> = 16..16 + 7 * SET_BYTES;

/// After a hand everybody sees everything. The bottom is with the landlord, or still on the table if there is none.
fn check_cards(view: &[u8], hand: &HandId) {
    let set = |bytes: &[u8]| Cards::from_bytes(bytes.try_into().expect("a set")).expect("cards");
    let sets: Vec<_> = view[SETS].chunks(SET_BYTES).map(set).collect();
    let with_seats = || sets[..3].iter().chain(&sets[4..]);
    let nobody_took_it = with_seats().map(|set| set.len()).sum::<u8>() == 3 * DEALT;
    let all: Vec<_> = with_seats().chain(nobody_took_it.then_some(&sets[3])).copied().collect();
    assert_eq!(all.iter().map(|set| set.len()).sum::<u8>(), CARDS, "{hand}");
    assert_eq!(all.into_iter().fold(Cards::NONE, Cards::with), Cards::DECK, "{hand}");
}
