//! What a client shows of a hand: questions to a state that may know only a part.
//!
//! Why: a screen asks for cards and bids one by one; the layout of a view is nobody's but `view.rs`.
//! Invariant: nothing here says more than the view the state was read from.
//! Read next: `view.rs`.

use super::cards::Cards;
use super::{DouDizhu, SEATS};
use crate::game::Seat;

impl DouDizhu {
    /// Whose turn it is; nobody's when the hand is over.
    pub fn to_move(&self) -> Option<Seat> {
        self.to_move
    }

    /// What a seat holds, where that may be seen.
    pub fn hand(&self, seat: Seat) -> Option<Cards> {
        self.hands.get(seat.index()).copied().flatten()
    }

    /// The three bottom cards, once they are shown.
    pub fn bottom(&self) -> Option<Cards> {
        self.bottom
    }

    /// What lies on the table to be beaten, and whose it is.
    pub fn on_table(&self) -> Option<(Seat, Cards)> {
        self.on_table
    }

    /// What each seat said in the bidding: nothing yet, 0 for a pass, or its bid.
    pub fn bids(&self) -> [Option<u8>; SEATS] {
        let [_, bids @ ..] = self.auction.to_bytes();
        bids.map(|bid| (bid <= super::BID_MAX).then_some(bid))
    }

    /// What each peasant wins or loses as things stand: the highest bid, doubled for each bomb and rocket.
    pub fn stake_now(&self) -> i32 {
        i32::from(self.auction.highest()) << self.doublings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;
    use crate::game::Game;

    #[test]
    fn a_client_sees_its_own_cards_and_what_lies_open() {
        let mut hand = DouDizhu::new([3; 32]);
        let first = hand.to_move().unwrap();
        hand.act(first, &[super::super::BID + 3]).unwrap();
        let mine = DouDizhu::from_view(&hand.view(Some(first))).unwrap();
        assert_eq!((mine.landlord(), mine.to_move()), (Some(first), Some(first)));
        assert_eq!(mine.hand(first).map(Cards::len), Some(20));
        assert_eq!(mine.bottom(), hand.bottom());
        assert_eq!(mine.bids()[first.index()], Some(3));
        assert_eq!(mine.bids().into_iter().flatten().count(), 1);
        assert_eq!((mine.stake_now(), mine.on_table()), (3, None));
        assert!(mine.hand(Seat((first.0 + 1) % 3)).is_none());
        assert!(mine.hand(Seat(7)).is_none());
    }
}
