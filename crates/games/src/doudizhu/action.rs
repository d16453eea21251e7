//! What a seat does on its turn, and its bytes.
//!
//! - Pass, in the bidding or in play: [`PASS`]. A bid of 1, 2 or 3: 61, 62, 63.
//! - A play: the numbers of its cards, each once, in ascending order.
//! - Invariant: a step has one spelling.
//! - Limit: 20 bytes, a whole hand.
//!
//! Read next: `event.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::auction::BID_MAX;
use super::cards::{CARDS, Cards, Rank};

/// The action of passing.
pub const PASS: u8 = 255;
/// The action of bidding is this and the bid.
pub const BID: u8 = 60;

const BID_LOWEST: u8 = BID + 1;
const BID_HIGHEST: u8 = BID + BID_MAX;

/// An action that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Pass,
    Bid(u8),
    Play(Cards),
}

impl Step {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] => None,
            [PASS] => Some(Self::Pass),
            &[bid @ BID_LOWEST..=BID_HIGHEST] => Some(Self::Bid(bid - BID)),
            cards => {
                let is_ascending = cards.windows(2).all(|pair| pair[0] < pair[1]);
                let are_cards = cards.iter().all(|&card| card < CARDS);
                (is_ascending && are_cards).then(|| Self::Play(cards.iter().copied().collect()))
            }
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Pass => vec![PASS],
            Self::Bid(bid) => vec![BID + bid],
            Self::Play(cards) => cards.iter().collect(),
        }
    }
}

/// In the words of those who play; cards by rank, for suits say nothing.
pub(crate) fn describe(action: &[u8]) -> String {
    match Step::read(action) {
        None => format!("{action:02x?}"),
        Some(Step::Pass) => "pass".into(),
        Some(Step::Bid(bid)) => format!("bid {bid}"),
        Some(Step::Play(cards)) => {
            let ranks: Vec<_> = cards.iter().map(|card| Rank::of(card).name()).collect();
            ranks.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_said_in_the_words_of_players() {
        for (bytes, said) in [
            (&[PASS][..], "pass"),
            (&[62], "bid 2"),
            (&[0, 1, 28, 47, 51, 52, 53], "3 3 10 A 2 joker JOKER"),
            (&[54], "[36]"),
        ] {
            assert_eq!(describe(bytes), said);
        }
    }

    #[test]
    fn a_step_has_one_spelling() {
        let cards = [0, 7, 53].into_iter().collect();
        for (bytes, step) in [
            (&[PASS][..], Some(Step::Pass)),
            (&[61], Some(Step::Bid(1))),
            (&[63], Some(Step::Bid(3))),
            (&[0, 7, 53], Some(Step::Play(cards))),
            (&[], None),
            (&[54], None),
            (&[60], None),
            (&[64], None),
            (&[PASS, PASS], None),
            (&[7, 0], None),
            (&[7, 7], None),
            (&[7, 61], None),
        ] {
            assert_eq!(Step::read(bytes), step, "{bytes:?}");
            if let Some(step) = step {
                assert_eq!(step.to_bytes(), bytes);
            }
        }
    }
}
