//! Every play a hand has: to lead, or against what lies on the table.
//!
//! Plays that differ in suits alone are one play here, so a full hand has hundreds of them and no millions.
//!
//! - Owns: the enumeration. Does not own: what a play is; each one is read back before it is offered.
//! - Invariants: complete, and none twice: cards have one reading, and each reading is made once.
//! - Limit: with five trios to carry five solos, some hundreds of plays; wings are chosen from ranks, not cards.
//!
//! Read next: `bot.rs`, which chooses among them.

use alloc::vec::Vec;

use super::cards::{RANKS, Rank, Ranks};
use super::combination::{Combination, Shape, Wings};

/// Every play of this hand; with `against`, those that beat it.
pub fn plays(hand: &Ranks, against: Option<Combination>) -> Vec<(Combination, Ranks)> {
    let mut found = Vec::new();
    let held = hand.len();
    for shape in Shape::all().filter(|shape| shape.cards() <= held) {
        for rank in shape.tops() {
            let play = Combination { shape, rank };
            if against.is_none_or(|against| play.beats(against)) {
                Search { hand, play, found: &mut found }.run();
            }
        }
    }
    found
}

/// The search for the ways to make one combination.
struct Search<'a> {
    hand: &'a Ranks,
    play: Combination,
    found: &'a mut Vec<(Combination, Ranks)>,
}

impl Search<'_> {
    fn run(&mut self) {
        let body = self.play.body();
        if Rank::all().all(|rank| body.of(rank) <= self.hand.of(rank)) {
            self.carry(body, 0, self.play.shape.wings_count());
        }
    }

    /// Adds so many wings of this rank and higher ones, in every way.
    fn carry(&mut self, cards: Ranks, rank: u8, wings: u8) {
        if wings == 0 {
            if Combination::read(&cards) == Some(self.play) {
                self.found.push((self.play, cards));
            }
            return;
        }
        if rank == RANKS {
            return;
        }
        let here = Rank(rank);
        for (count, taken) in self.choices(here).take_while(|&(_, taken)| taken <= wings) {
            let mut more = cards;
            more.add(here, count);
            self.carry(more, rank + 1, wings - taken);
        }
    }

    /// How many cards of a rank may be carried, and how many wings those are.
    fn choices(&self, rank: Rank) -> impl Iterator<Item = (u8, u8)> + use<> {
        let held = if self.play.has_in_body(rank) { 0 } else { self.hand.of(rank) };
        let (size, wings_max) = match self.play.shape.wings {
            Wings::None => (0, 0),
            Wings::Solos => (1, held.min(3)),
            Wings::Pairs => (2, u8::from(held >= 2)),
        };
        (0..=wings_max).map(move |wings| (wings * size, wings))
    }
}
