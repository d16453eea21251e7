//! A Dou Dizhu player that counts how many leads its hand still needs.
//!
//! It bids by its high cards, leads what leaves the fewest leads and the lowest cards first, follows where
//! that costs none, leaves a partner's high play alone, and keeps bombs until somebody is nearly out.
//!
//! - Owns: the worth of a hand and of a play.
//! - Does not own: the rules; it plays on the state a view decodes to, which has no hand but its own.
//! - Invariant: what is chosen is one of the legal plays.
//! - Limit: each legal play is judged once, by a count that does not search.
//!
//! Read next: `legal.rs` for the plays it chooses among.

use super::action::Step;
use super::auction::BID_MAX;
use super::cards::{Cards, Rank, Ranks};
use super::combination::{Combination, Shape, Wings};
use super::{DouDizhu, legal, seats};
use crate::Rules;
use crate::game::{Action, Seat};

/// Strength from which each bid is made.
const BIDS: [(u32, u8); BID_MAX as usize] = [(12, 3), (9, 2), (6, 1)];
/// An opponent with so few cards is stopped at any price.
const NEARLY_OUT: u8 = 4;
/// A partner's play of this rank or above is left alone.
const PARTNER_IS_HIGH: Rank = Rank(9);

pub(super) fn choose(view: &[u8], seat: Seat) -> Option<Action> {
    let table = DouDizhu::from_view(view).ok().filter(|table| table.to_move == Some(seat))?;
    decide(&table, seat).map(Step::to_bytes)
}

/// What the seat does next, if its hand is known.
pub(super) fn decide(table: &DouDizhu, seat: Seat) -> Option<Step> {
    let hand = table.hands[seat.index()]?;
    Some(match table.landlord() {
        None => bid(table, &hand.ranks()),
        Some(landlord) => Player { table, seat, landlord, hand: hand.ranks() }.play(hand),
    })
}

fn bid(table: &DouDizhu, hand: &Ranks) -> Step {
    let strength = strength(hand);
    let wish = BIDS.iter().find(|&&(least, _)| strength >= least);
    let bid = wish.filter(|(_, bid)| table.auction.offers().contains(bid));
    bid.map_or(Step::Pass, |&(_, bid)| Step::Bid(bid))
}

/// High cards, and bombs.
fn strength(hand: &Ranks) -> u32 {
    Rank::all()
        .map(|rank| {
            let count = u32::from(hand.of(rank));
            let bomb = if count == 4 { 4 } else { 0 };
            bomb + count
                * match rank {
                    Rank::BIG_JOKER => 4,
                    Rank::SMALL_JOKER => 3,
                    Rank::TWO => 2,
                    Rank::ACE => 1,
                    _ => 0,
                }
        })
        .sum()
}

/// Somebody playing.
struct Player<'a> {
    table: &'a DouDizhu,
    seat: Seat,
    landlord: Seat,
    hand: Ranks,
}

impl Player<'_> {
    fn play(&self, cards: Cards) -> Step {
        let against = self.table.to_beat();
        let plays = legal::plays(&self.hand, against);
        let best = plays.iter().min_by_key(|(play, ranks)| self.price(*play, ranks, against.is_none()));
        let best = best.filter(|(play, ranks)| match against {
            None => true,
            Some(against) => self.is_worth_it(*play, ranks, against),
        });
        let picked = best.and_then(|(_, ranks)| cards.pick(ranks));
        picked.map_or(Step::Pass, Step::Play)
    }

    /// What a play costs, the cheapest first: a bomb, leads needed after it, its rank, how many cards are kept,
    /// and how low those are. A solo led to an opponent with one card is dear, and the dearer the lower it is.
    fn price(&self, play: Combination, ranks: &Ranks, leads: bool) -> (bool, u8, u8, u8, Ranks) {
        let left = self.hand.without(ranks);
        let is_gift = leads && ranks.len() == 1 && self.opponents_least() == 1;
        let rank = if is_gift { 2 * Rank::BIG_JOKER.0 - play.rank.0 } else { play.rank.0 };
        (play.doubles() && !left.is_empty(), leads_needed(&left) + u8::from(is_gift), rank, left.len(), left)
    }

    fn is_worth_it(&self, play: Combination, ranks: &Ranks, against: Combination) -> bool {
        let left = self.hand.without(ranks);
        let (before, after) = (leads_needed(&self.hand), leads_needed(&left));
        if left.is_empty() {
            true
        } else if self.is_partners() {
            after < before && against.rank < PARTNER_IS_HIGH && play.rank < Rank::ACE && !play.doubles()
        } else if self.opponents_least() <= NEARLY_OUT {
            true
        } else {
            after <= 1 || (after <= before && !play.doubles())
        }
    }

    /// Whether what lies on the table is a fellow peasant's.
    fn is_partners(&self) -> bool {
        self.seat != self.landlord && self.table.on_table.is_some_and(|(seat, _)| seat != self.landlord)
    }

    /// The fewest cards that an opponent holds.
    fn opponents_least(&self) -> u8 {
        let is_opponent = |&seat: &Seat| (seat == self.landlord) != (self.seat == self.landlord);
        seats().filter(is_opponent).map(|seat| self.table.count(seat)).min().unwrap_or(0)
    }
}

/// About how many leads it takes to play these cards if nobody else could follow: after the longest run of
/// whichever width saves most, trios carry what is left of solos and pairs.
fn leads_needed(hand: &Ranks) -> u8 {
    let runs = [(1, 5), (2, 3), (3, 2)];
    let with_run = runs.into_iter().filter_map(|(width, least)| {
        let run = longest_run(hand, width, least)?;
        Some(1 + leads_without_runs(&hand.without(&run.body())))
    });
    with_run.fold(leads_without_runs(hand), u8::min)
}

fn leads_without_runs(hand: &Ranks) -> u8 {
    let (mut light, mut trios, mut fours) = (0u8, 0u8, 0u8);
    for rank in Rank::all() {
        match hand.of(rank) {
            0 => {}
            3 => trios += 1,
            4 => fours += 1,
            _ => light += 1,
        }
    }
    let has_rocket = hand.of(Rank::SMALL_JOKER) + hand.of(Rank::BIG_JOKER) == 2;
    fours + trios + light.saturating_sub(trios + u8::from(has_rocket))
}

/// The longest body of this width, of at least so many ranks; of several the lowest.
fn longest_run(hand: &Ranks, width: u8, least: u8) -> Option<Combination> {
    let (mut longest, mut length) = (None, 0);
    for rank in Rank::all().take_while(|&rank| rank <= Rank::ACE) {
        length = if hand.of(rank) >= width { length + 1 } else { 0 };
        let is_longer = longest.is_none_or(|run: Combination| length > run.shape.length);
        if length >= least && is_longer {
            longest = Some(Combination { shape: Shape { width, length, wings: Wings::None }, rank });
        }
    }
    longest
}
