//! Who becomes landlord, and for how much.
//!
//! Each seat speaks once, in turn: it passes or bids more than those before it, up to three. Three ends it at
//! once; after the third seat the highest bidder is landlord. If all pass there is none.
//!
//! - Owns: the bids and whose turn it is to bid. Does not own: cards.
//! - Invariant: seats speak in order from the first; each bid is above those before it.
//!
//! Read next: `../doudizhu.rs`.

use core::ops::RangeInclusive;

use super::{SEATS, next};
use crate::game::Seat;

/// The highest bid.
pub const BID_MAX: u8 = 3;
const SILENT: u8 = 255;

/// The bidding of a hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Auction {
    first: Seat,
    /// By order of speaking, not by seat; 0 is a pass.
    bids: [u8; SEATS],
    spoken: u8,
}

impl Auction {
    pub(super) fn new(first: Seat) -> Self {
        Self { first, bids: [0; SEATS], spoken: 0 }
    }

    /// The highest bid so far; 0 if there is none.
    pub(super) fn highest(self) -> u8 {
        self.bids.into_iter().max().unwrap_or(0)
    }

    /// What may be bid now, besides passing.
    pub(super) fn offers(self) -> RangeInclusive<u8> {
        self.highest() + 1..=BID_MAX
    }

    /// Whose turn it is to bid; nobody's when the bidding is over.
    pub(super) fn speaker(self) -> Option<Seat> {
        let goes_on = usize::from(self.spoken) < SEATS && self.highest() < BID_MAX;
        goes_on.then(|| self.seat_after(self.spoken))
    }

    /// Who won the bidding, once it is over.
    pub(super) fn landlord(self) -> Option<Seat> {
        let highest = self.highest();
        let place =
            (0..self.spoken).find(|&place| highest > 0 && self.bids[usize::from(place)] == highest)?;
        self.speaker().is_none().then(|| self.seat_after(place))
    }

    /// The seat whose turn it is bids, or passes with 0.
    pub(super) fn speak(&mut self, bid: u8) {
        self.bids[usize::from(self.spoken)] = bid;
        self.spoken += 1;
    }

    /// The first seat, then what each said, by seat: 255 for nothing yet, 0 for a pass, or the bid.
    pub(super) fn to_bytes(self) -> [u8; 1 + SEATS] {
        let mut bytes = [SILENT; 1 + SEATS];
        bytes[0] = self.first.0;
        for place in 0..self.spoken {
            bytes[1 + self.seat_after(place).index()] = self.bids[usize::from(place)];
        }
        bytes
    }

    /// The bidding that these bytes are, if it can have gone so.
    pub(super) fn from_bytes(bytes: [u8; 1 + SEATS]) -> Option<Self> {
        let mut auction = Self::new(Seat(bytes[0]));
        if auction.first.index() >= SEATS {
            return None;
        }
        while let Some(seat) = auction.speaker() {
            match bytes[1 + seat.index()] {
                SILENT => break,
                bid if bid == 0 || auction.offers().contains(&bid) => auction.speak(bid),
                _ => return None,
            }
        }
        (auction.to_bytes() == bytes).then_some(auction)
    }

    fn seat_after(self, places: u8) -> Seat {
        (0..places).fold(self.first, |seat, _| next(seat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bid_wins_and_three_ends_it() {
        let cases: [(&[u8], Option<u8>, Option<u8>); 8] = [
            (&[], Some(2), None),
            (&[0], Some(0), None),
            (&[1, 2], Some(1), None),
            (&[3], None, Some(2)),
            (&[0, 3], None, Some(0)),
            (&[1, 0, 0], None, Some(2)),
            (&[1, 0, 2], None, Some(1)),
            (&[0, 0, 0], None, None),
        ];
        for (bids, speaker, landlord) in cases {
            let mut auction = Auction::new(Seat(2));
            for &bid in bids {
                assert!(bid == 0 || auction.offers().contains(&bid));
                auction.speak(bid);
            }
            assert_eq!(auction.speaker(), speaker.map(Seat), "{bids:?}");
            assert_eq!(auction.landlord(), landlord.map(Seat), "{bids:?}");
            assert_eq!(Auction::from_bytes(auction.to_bytes()), Some(auction));
        }
    }

    #[test]
    fn bids_that_cannot_have_been_made_are_refused() {
        let cases = [
            [3, 255, 255, 255],
            [0, 255, 1, 255],
            [0, 4, 255, 255],
            [0, 2, 2, 255],
            [0, 2, 1, 255],
            [0, 3, 0, 255],
            [1, 1, 255, 255],
        ];
        for bytes in cases {
            assert_eq!(Auction::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
