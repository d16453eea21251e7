//! The rules of Dou Dizhu, and what the tests of them share.
//!
//! Cards are written by rank: `3456789TJQKA2`, `s` and `b` for the jokers.
//!
//! Read next: `tests/reading.rs`, then `tests/brute_force.rs`, which holds the rules against slower ones.

mod bots;
mod brute_force;
mod playing;
mod reading;
mod sight;
mod trustee;

use alloc::vec::Vec;

use super::cards::Deal;
use super::*;

const LETTERS: &str = "3456789TJQKA2sb";

fn ranks(text: &str) -> Ranks {
    let mut ranks = Ranks::NONE;
    for letter in text.chars() {
        let rank = LETTERS.find(letter).expect("a rank");
        ranks.add(Rank(rank as u8), 1);
    }
    ranks
}

/// Cards of the deck of these ranks, the lowest suits first.
fn cards(text: &str) -> Cards {
    Cards::DECK.pick(&ranks(text)).expect("the deck has them")
}

fn read(text: &str) -> Option<Combination> {
    Combination::read(&ranks(text))
}

/// Every combination there is.
fn combinations() -> Vec<Combination> {
    Shape::all().flat_map(|shape| shape.tops().map(move |rank| Combination { shape, rank })).collect()
}

/// Hands with these cards among theirs, and a bottom of these; the rest goes round. Seat 0 bids first.
fn stacked(wished: [&str; SEATS], bottom: &str) -> DouDizhu {
    let mut rest = Cards::DECK;
    let mut take = |text: &str| {
        let taken = rest.pick(&ranks(text)).expect("cards are there once");
        rest = rest.without(taken);
        taken
    };
    let bottom = take(bottom);
    let mut hands = wished.map(take);
    let mut seat = Seat(0);
    for card in rest.iter() {
        while hands[seat.index()].len() == DEALT {
            seat = next(seat);
        }
        let hand = &mut hands[seat.index()];
        *hand = hand.with(Cards::one(card));
        seat = next(seat);
    }
    assert_eq!(bottom.len(), BOTTOM);
    DouDizhu::dealt(Deal { hands, bottom, first: Seat(0) })
}

/// Such a hand in which seat 0 became landlord for so much.
fn with_landlord(bid: u8, wished: [&str; SEATS], bottom: &str) -> DouDizhu {
    let mut hand = stacked(wished, bottom);
    act(&mut hand, Step::Bid(bid));
    while hand.landlord().is_none() {
        act(&mut hand, Step::Pass);
    }
    hand
}

fn try_act(hand: &mut DouDizhu, step: Step) -> Result<Vec<Event>, Illegal> {
    let seat = hand.to_move.expect("somebody is to move");
    hand.act(seat, &step.to_bytes())
}

fn act(hand: &mut DouDizhu, step: Step) {
    try_act(hand, step).unwrap_or_else(|why| panic!("{step:?}: {why}"));
}

/// What the seat to move plays, by rank; `-` is a pass.
fn step(hand: &DouDizhu, text: &str) -> Step {
    if text == "-" {
        return Step::Pass;
    }
    let seat = hand.to_move.expect("somebody is to move");
    let held = hand.hands[seat.index()].expect("the server knows");
    Step::Play(held.pick(&ranks(text)).unwrap_or_else(|| panic!("{seat} does not hold {text}")))
}

/// Plays, one after the other.
fn play(hand: &mut DouDizhu, texts: &str) {
    for text in texts.split_whitespace() {
        let step = step(hand, text);
        act(hand, step);
    }
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

/// What the bot does for the seat to move.
fn bots_step(hand: &DouDizhu) -> Step {
    let seat = hand.to_move.expect("somebody is to move");
    let action = bot::choose(&hand.view(Some(seat)), seat).expect("it is its turn");
    Step::read(&action).expect("an action")
}
