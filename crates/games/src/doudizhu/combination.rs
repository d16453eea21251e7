//! What cards may be played together, and what beats what.
//!
//! Fourteen kinds of play are one idea: a *body* of so many consecutive ranks, of each of them so many cards,
//! and perhaps *wings*, which are carried and never compared.
//!
//! | width | length | wings | |
//! |---|---|---|---|
//! | 1 | 1; 5..=12 | | solo; chain |
//! | 1 | 2, the jokers | | rocket |
//! | 2 | 1; 3..=10 | | pair; pair chain |
//! | 3 | 1; 2..=6 | none, solos or pairs, one a trio | trio, with solo, with pair; airplane, with wings |
//! | 4 | 1 | none | bomb |
//! | 4 | 1 | solos or pairs, two | four with two |
//!
//! - Invariants: cards have one reading or none ([`Combination::read`] says which); `beats` is a strict order.
//! - Limit: 20 cards, the most anybody holds.
//!
//! Read next: `legal.rs`.

use core::ops::RangeInclusive;

use super::cards::{BOTTOM, DEALT, Rank, Ranks};

/// The most cards in a hand.
pub const HAND_MAX: u8 = DEALT + BOTTOM;

/// What a body carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wings {
    /// Nothing.
    None,
    /// Cards of any other ranks, equal ones too; but no four alike and not both jokers.
    Solos,
    /// Pairs of different other ranks.
    Pairs,
}

impl Wings {
    /// Cards of one wing.
    const fn size(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Solos => 1,
            Self::Pairs => 2,
        }
    }
}

/// A kind of play. Only plays of one shape can be compared, bomb and rocket apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Cards of each rank of the body.
    pub width: u8,
    /// Ranks of the body.
    pub length: u8,
    /// What it carries.
    pub wings: Wings,
}

impl Shape {
    /// Four of a rank: beats all but a higher bomb and the rocket.
    pub const BOMB: Self = Self::bare(4, 1);
    /// The two jokers, the only run of two: beats all.
    pub const ROCKET: Self = Self::bare(1, 2);

    const fn bare(width: u8, length: u8) -> Self {
        Self { width, length, wings: Wings::None }
    }

    /// Every shape that a hand may have, in the order in which cards are read: without wings first.
    pub fn all() -> impl Iterator<Item = Self> {
        const LENGTHS: [(u8, Wings, &[RangeInclusive<u8>]); 8] = [
            (1, Wings::None, &[1..=2, 5..=12]),
            (2, Wings::None, &[1..=1, 3..=10]),
            (3, Wings::None, &[1..=6]),
            (4, Wings::None, &[1..=1]),
            (3, Wings::Solos, &[1..=5]),
            (4, Wings::Solos, &[1..=1]),
            (3, Wings::Pairs, &[1..=4]),
            (4, Wings::Pairs, &[1..=1]),
        ];
        LENGTHS.into_iter().flat_map(|(width, wings, lengths)| {
            lengths.iter().cloned().flatten().map(move |length| Self { width, length, wings })
        })
    }

    /// How many wings: one for each trio, two for a four.
    pub const fn wings_count(self) -> u8 {
        match (self.width, self.wings) {
            (_, Wings::None) => 0,
            (4, _) => 2 * self.length,
            _ => self.length,
        }
    }

    /// How many cards, wings included.
    pub const fn cards(self) -> u8 {
        self.width * self.length + self.wings_count() * self.wings.size()
    }

    /// The ranks that may be the highest of the body: for more than one rank, none above the ace.
    pub fn tops(self) -> impl DoubleEndedIterator<Item = Rank> {
        let tops = match (self.width, self.length) {
            (1, 1) => 0..=Rank::BIG_JOKER.0,
            (1, 2) => Rank::BIG_JOKER.0..=Rank::BIG_JOKER.0,
            (_, 1) => 0..=Rank::TWO.0,
            (_, length) => length - 1..=Rank::ACE.0,
        };
        tops.map(Rank)
    }
}

/// A play: its shape, and how high it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Combination {
    /// What kind of play.
    pub shape: Shape,
    /// The highest rank of its body.
    pub rank: Rank,
}

impl Combination {
    /// What cards of these ranks are, played together; `None` if they may not be.
    ///
    /// Where they could be several things: a play without wings comes before one with (four trios in a row
    /// are no three trios with wings), and of several bodies it is the highest. Wings are never of a rank of
    /// the body, never four of a rank and never both jokers: bomb and rocket are not carried.
    pub fn read(ranks: &Ranks) -> Option<Self> {
        let cards = ranks.len();
        Shape::all().filter(|shape| shape.cards() == cards).find_map(|shape| {
            let mut plays = shape.tops().rev().map(|rank| Self { shape, rank });
            plays.find(|play| play.is_made_of(ranks))
        })
    }

    /// Whether this may follow that.
    pub fn beats(self, that: Self) -> bool {
        match (self.shape, that.shape) {
            (_, Shape::ROCKET) => false,
            (Shape::ROCKET, _) => true,
            (mine, theirs) if mine == theirs => self.rank > that.rank,
            (mine, _) => mine == Shape::BOMB,
        }
    }

    /// Whether it doubles what is played for.
    pub fn doubles(self) -> bool {
        matches!(self.shape, Shape::BOMB | Shape::ROCKET)
    }

    /// Whether a rank is one of the body.
    pub(super) fn has_in_body(self, rank: Rank) -> bool {
        rank <= self.rank && rank.0 + self.shape.length > self.rank.0
    }

    /// The cards of the body.
    pub(super) fn body(self) -> Ranks {
        let mut body = Ranks::NONE;
        for rank in Rank::all().filter(|&rank| self.has_in_body(rank)) {
            body.add(rank, self.shape.width);
        }
        body
    }

    /// Whether the ranks, as many as the shape has, are this body and fit wings.
    pub(super) fn is_made_of(self, ranks: &Ranks) -> bool {
        let fits = |rank| match (self.has_in_body(rank), self.shape.wings, ranks.of(rank)) {
            (true, _, count) => count == self.shape.width,
            (false, Wings::None, count) => count == 0,
            (false, Wings::Solos, count) => count < 4,
            (false, Wings::Pairs, count) => count == 0 || count == 2,
        };
        let jokers = ranks.of(Rank::SMALL_JOKER) + ranks.of(Rank::BIG_JOKER);
        Rank::all().all(fits) && (jokers < 2 || self.shape == Shape::ROCKET)
    }
}
