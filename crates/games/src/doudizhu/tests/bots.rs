//! A thousand hands between bots: they end, nothing is lost on the way, and both sides win some.

use alloc::vec;

use super::super::*;
use super::{act, bots_step, seed, stacked, with_landlord};

/// Every card is with somebody, played, or in a bottom that nobody took.
fn all_cards(hand: &DouDizhu) -> Cards {
    let kept = hand.bottom.filter(|_| hand.landlord().is_none());
    let places = hand.hands.into_iter().flatten().chain(hand.played).chain(kept);
    let (sum, all) = places.fold((0, Cards::NONE), |(sum, all), cards| (sum + cards.len(), all.with(cards)));
    assert_eq!(sum, CARDS);
    all
}

#[test]
fn a_thousand_hands_end_with_every_card_and_point_accounted_for() {
    let (mut passed_out, mut landlord_won, mut turns) = (0, 0, 0);
    for number in 0..1000 {
        let mut hand = DouDizhu::new(seed(number));
        while hand.to_move.is_some() {
            let step = bots_step(&hand);
            act(&mut hand, step);
            assert_eq!(all_cards(&hand), Cards::DECK);
        }
        let outcome = hand.outcome().expect("it ended");
        assert_eq!(outcome.scores.iter().sum::<i32>(), 0);
        turns += hand.turn();
        match hand.landlord() {
            None => passed_out += 1,
            Some(landlord) => landlord_won += u32::from(outcome.scores[landlord.index()] > 0),
        }
    }
    let figures = alloc::format!("{passed_out} passed out, {landlord_won} for the landlord, {turns} turns");
    assert!(passed_out < 100, "{figures}");
    let played = 1000 - passed_out;
    assert!((played / 4..3 * played / 4).contains(&landlord_won), "{figures}");
}

#[test]
fn the_same_seed_and_actions_give_the_same_hand() {
    for number in 0..50 {
        let (mut one, mut other) = (DouDizhu::new(seed(number)), DouDizhu::new(seed(number)));
        while let Some(seat) = one.to_move {
            let action = bots_step(&one).to_bytes();
            assert_eq!(one.act(seat, &action), other.act(seat, &action));
            assert_eq!(one, other);
        }
        assert_ne!(DouDizhu::new(seed(number)), DouDizhu::new(seed(number + 1)));
    }
}

#[test]
fn it_bids_by_its_high_cards() {
    let cases = [
        (["sb222", "", ""], Step::Bid(3)),
        (["bAAA22", "s", ""], Step::Bid(2)),
        (["22AA", "sb", ""], Step::Bid(1)),
        (["3456789TJQK", "sb", "2222AAAA"], Step::Pass),
    ];
    for (wished, bid) in cases {
        assert_eq!(bots_step(&stacked(wished, "445")), bid, "{wished:?}");
    }
}

#[test]
fn it_plays_the_low_and_many_first_keeps_bombs_and_finishes() {
    let lead = |hand: &str| {
        let mut table = with_landlord(3, ["", "", ""], "345");
        table.hands[0] = Some(super::cards(hand));
        bot::decide(&table, Seat(0))
    };
    for (hand, led) in
        [("34567K", "34567"), ("33347K", "3334"), ("46666", "4"), ("6666", "6666"), ("33", "33")]
    {
        assert_eq!(lead(hand), Some(Step::Play(super::cards(led))), "{hand}");
    }
}

#[test]
fn it_plays_on_its_turn_alone_and_only_a_view() {
    let hand = DouDizhu::new(seed(3));
    let seat = hand.to_move.expect("somebody bids");
    let view = hand.view(Some(seat));
    assert!(bot::choose(&view, seat).is_some());
    assert_eq!(bot::choose(&view, next(seat)), None);
    assert_eq!(bot::choose(&view[1..], seat), None);
    assert_eq!(bot::choose(&hand.view(None), seat), None, "a spectator has no hand to play");
    assert_ne!(view, vec![0; VIEW_BYTES]);
}
