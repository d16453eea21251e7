//! Hands that no shuffle deals: those of a seed, but two cards have changed places.
//!
//! Why: what somebody is told may not depend on cards they cannot see; that is shown by two hands which differ in
//! nothing else, and no two seeds give such a pair.
//! Read next: `secrecy.rs`.

use alloc::boxed::Box;
use usher_games::doudizhu::{Cards, Deal, DouDizhu};
use usher_games::{Game, GameKind};
use usher_proto::hand::Seed;

/// A seed that ends with this and two cards is a rigged one.
const MARK: &[u8] = b"rigged";

/// A seed whose hand is the same as that of every other made from this one, but that these two cards have changed places.
pub(super) fn swapped(seed: Seed, cards: [u8; 2]) -> Seed {
    let mut rigged = seed;
    let (_, mark) = rigged.split_at_mut(seed.len() - MARK.len() - cards.len());
    let (mark, swapped) = mark.split_at_mut(MARK.len());
    mark.copy_from_slice(MARK);
    swapped.copy_from_slice(&cards);
    rigged
}

/// The deal of a seed of Dou Dizhu.
pub(super) fn deal(seed: Seed) -> Deal {
    let [.., a, b] = seed;
    if seed != swapped(seed, [a, b]) {
        return Deal::new(seed);
    }
    let other = |card| {
        if card == a {
            b
        } else if card == b {
            a
        } else {
            card
        }
    };
    let swap = |cards: Cards| cards.iter().map(other).collect();
    let Deal { hands, bottom, first } = Deal::new(swapped(seed, [0, 0]));
    Deal { hands: hands.map(swap), bottom: swap(bottom), first }
}

/// As `GameKind::new_hand`, which knows nothing of rigged seeds.
pub(in crate::room) fn new_hand(kind: GameKind, seed: Seed) -> Option<Box<dyn Game>> {
    match kind {
        GameKind::DouDizhu => Some(Box::new(DouDizhu::dealt(deal(seed)))),
        _ => kind.new_hand(seed),
    }
}
