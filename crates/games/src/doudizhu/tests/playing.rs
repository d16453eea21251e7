//! Bidding, leading, passing, and what a hand is worth.

use super::super::*;
use super::{act, cards, play, stacked, try_act, with_landlord};

/// Out with one play; nobody else can have played.
const AIRPLANE: &str = "33344455566677789";

fn score(hand: &DouDizhu) -> [i32; 3] {
    let outcome = hand.outcome().expect("the hand is over");
    assert_eq!((outcome.reason, outcome.left), (EndReason::Won, Seats::NONE));
    outcome.scores.try_into().expect("three seats")
}

#[test]
fn the_landlord_takes_the_bottom_which_all_see_and_leads() {
    let mut hand = stacked(["3", "4", "5"], "22b");
    act(&mut hand, Step::Bid(1));
    assert_eq!(try_act(&mut hand, Step::Bid(1)), Err(Illegal::TooLow));
    let events = try_act(&mut hand, Step::Bid(3)).expect("higher");
    assert_eq!(hand.landlord(), Some(Seat(1)));
    assert_eq!(hand.to_act(), Seats::one(Seat(1)));
    assert_eq!([0, 1, 2].map(|seat| hand.count(Seat(seat))), [17, 20, 17]);
    let bottom: Vec<u8> = cards("22b").iter().collect();
    let told = [&[1, ACTED, 1, BID + 3][..], &bottom].concat();
    assert_eq!(events, [Event::public(told)]);
}

#[test]
fn if_all_pass_nobody_wins_and_all_is_shown() {
    let mut hand = stacked(["3", "4", "5"], "22b");
    play(&mut hand, "- - -");
    let draw = Outcome { scores: alloc::vec![0; 3], reason: EndReason::Draw, left: Seats::NONE };
    assert_eq!(hand.outcome(), Some(draw));
    assert_eq!((hand.turn(), hand.to_act()), (3, Seats::NONE));
    assert_eq!(DouDizhu::from_view(&hand.view(None)), Ok(hand));
}

#[test]
fn a_refusal_says_why_and_changes_nothing() {
    let bidding = stacked(["3", "4", "5"], "22b");
    let leading = with_landlord(3, ["3456778", "459", "3TT"], "22b");
    let mut following = leading.clone();
    play(&mut following, "77");
    let mut over = stacked(["3", "4", "5"], "22b");
    play(&mut over, "- - -");
    let solo = |text: &str| cards(text).iter().collect::<Vec<u8>>();
    let cases: [(&DouDizhu, u8, Vec<u8>, Illegal); 15] = [
        (&over, 0, alloc::vec![PASS], Illegal::Over),
        (&over, 3, alloc::vec![PASS], Illegal::NoSuchSeat),
        (&bidding, 3, alloc::vec![PASS], Illegal::NoSuchSeat),
        (&bidding, 1, alloc::vec![PASS], Illegal::NotYourTurn),
        (&bidding, 0, alloc::vec![], Illegal::Malformed),
        (&bidding, 0, alloc::vec![BID], Illegal::Malformed),
        (&bidding, 0, alloc::vec![0, 0], Illegal::Malformed),
        (&bidding, 0, solo("3"), Illegal::NotNow),
        (&leading, 0, alloc::vec![BID + 3], Illegal::NotNow),
        (&leading, 0, alloc::vec![PASS], Illegal::MustLead),
        (&leading, 0, solo("2").iter().map(|card| card + 3).collect(), Illegal::NotHeld),
        (&leading, 0, solo("34"), Illegal::NoCombination),
        (&following, 1, solo("9"), Illegal::TooLow),
        (&following, 1, solo("77"), Illegal::NotHeld),
        (&following, 0, solo("8"), Illegal::NotYourTurn),
    ];
    for (hand, seat, action, why) in cases {
        let mut tried = hand.clone();
        assert_eq!(tried.act(Seat(seat), &action), Err(why), "seat {seat}, {action:?}");
        assert_eq!(&tried, hand);
    }
}

#[test]
fn after_two_passes_whoever_played_last_leads_anything() {
    let mut hand = with_landlord(2, ["33TT", "JJ55", "QQ6"], "22b");
    play(&mut hand, "TT JJ - -");
    assert_eq!((hand.to_act(), hand.to_beat()), (Seats::one(Seat(1)), None));
    play(&mut hand, "55 QQ 22");
    assert_eq!(hand.to_act(), Seats::one(Seat(1)));
    let low = hand.legal_actions(Seat(1));
    assert!(low.contains(&alloc::vec![PASS]));
    play(&mut hand, "- -");
    assert_eq!((hand.to_act(), hand.to_beat()), (Seats::one(Seat(0)), None));
    play(&mut hand, "3");
}

#[test]
fn any_cards_of_the_ranks_are_accepted() {
    let hand = with_landlord(1, ["3333", "4", "5"], "22b");
    for card in 0..4 {
        assert!(hand.clone().act(Seat(0), &[card]).is_ok());
        assert!(hand.legal_actions(Seat(0)).contains(&alloc::vec![card]) == (card == 0));
    }
}

#[test]
fn a_landlord_unanswered_makes_a_spring() {
    for bid in 1..=3 {
        let mut hand = with_landlord(bid, [AIRPLANE, "", ""], "TJQ");
        play(&mut hand, "33344455566677789TJQ");
        let stake = i32::from(bid) * 2;
        assert_eq!(score(&hand), [2 * stake, -stake, -stake]);
    }
}

#[test]
fn an_answer_spoils_the_spring() {
    let mut hand = with_landlord(3, ["333444555666789TJ", "K", ""], "QQb");
    play(&mut hand, "J K - b - - QQ - - 333444555666789T");
    assert_eq!(score(&hand), [6, -3, -3]);
}

#[test]
fn a_landlord_who_only_led_is_sprung() {
    let mut hand = with_landlord(2, ["J", "333344455566689TA", ""], "22b");
    play(&mut hand, "J 3333 - - 44455566689T - - A");
    let stake = 2 * 2 * 2;
    assert_eq!(score(&hand), [-2 * stake, stake, stake], "one bomb, one spring");
    let mut hand = with_landlord(2, ["J", "333344455566689TA", ""], "22b");
    play(&mut hand, "J A - 2 3333 - - 44455566689T");
    assert_eq!(score(&hand), [-8, 4, 4], "one bomb, and the landlord played twice");
}

#[test]
fn each_bomb_and_the_rocket_double() {
    let mut hand = with_landlord(1, ["3333444455556666s", "T", "7777"], "b89");
    play(&mut hand, "8 T - 3333 - 7777 sb - - 4444 - - 5555 - - 6666 - - 9");
    assert_eq!(score(&hand), [128, -64, -64], "six times");
}
