//! Clocks that run out and players who leave, at every step of a hand.

use super::super::*;
use super::{bots_step, play, seed, step, with_landlord};

#[test]
fn a_late_seat_passes_where_it_may_and_leads_its_lowest_card_where_it_must() {
    let mut hand = with_landlord(3, ["33TT", "4", "5"], "22b");
    let lowest: Vec<u8> = hand.hands[0].expect("known").iter().take(1).collect();
    assert_eq!(hand.timeout(), [Event::public(alloc::vec![0, TIMED_OUT, 1, lowest[0]])]);
    assert_eq!(hand.timeout(), [Event::public(alloc::vec![1, TIMED_OUT, 1, PASS])]);
    assert_eq!((hand.turn(), hand.to_act()), (3, Seats::one(Seat(2))));
    let mut bidding = DouDizhu::new(seed(1));
    for _ in 0..3 {
        bidding.timeout();
    }
    assert_eq!(bidding.outcome().map(|outcome| outcome.reason), Some(EndReason::Draw));
}

#[test]
fn a_seat_that_was_left_never_has_to_act_and_the_hand_goes_on() {
    let mut hand = with_landlord(3, ["33TTJ", "44", "55"], "22b");
    assert_eq!(hand.abandon(Seat(1)), [Event::public(alloc::vec![1, ABANDONED])]);
    assert_eq!(hand.abandon(Seat(1)), [], "it left before");
    let led = step(&hand, "J");
    let events = hand.act(Seat(0), &led.to_bytes()).expect("legal");
    let told = [&[0, ACTED, 1][..], &led.to_bytes(), &[1, PASS]].concat();
    assert_eq!(events, [Event::public(told)]);
    assert_eq!(hand.to_act(), Seats::one(Seat(2)));
    play(&mut hand, "-");
    assert_eq!(hand.to_act(), Seats::one(Seat(0)));
}

#[test]
fn when_all_have_left_the_hand_ends_at_once() {
    let mut longest = 0;
    for number in 0..200 {
        let mut hand = DouDizhu::new(seed(number));
        for _ in 0..number % 40 {
            if hand.to_move.is_some() {
                let step = bots_step(&hand);
                super::act(&mut hand, step);
            }
        }
        let was_over = hand.to_move.is_none();
        for seat in seats() {
            let told = hand.abandon(seat);
            longest = told.iter().map(|event| event.bytes.len()).fold(longest, usize::max);
        }
        let outcome = hand.outcome().expect("nobody is left to act");
        assert_eq!(outcome.left.is_empty(), was_over);
    }
    assert!((100..200).contains(&longest), "{longest} bytes");
}

#[test]
fn whenever_somebody_is_late_or_leaves_the_hand_ends() {
    type Trouble = fn(&mut DouDizhu, Seat) -> Vec<Event>;
    let troubles: [(Trouble, bool); 2] =
        [(|hand, _| hand.timeout(), false), (|hand, seat| hand.abandon(seat), true)];
    for number in 0..8 {
        for (trouble, leaves) in troubles {
            for (at, seat) in (0..40).flat_map(|at| seats().map(move |seat| (at, seat))) {
                let mut hand = DouDizhu::new(seed(number));
                while hand.to_move.is_some() {
                    if hand.turn() == at {
                        assert_eq!(trouble(&mut hand, seat).len(), 1);
                        assert_eq!(hand.turn(), at + 1);
                    } else {
                        let step = bots_step(&hand);
                        super::act(&mut hand, step);
                    }
                }
                let outcome = hand.outcome().expect("it ended");
                assert_eq!(outcome.scores.iter().sum::<i32>(), 0);
                let left = if leaves && hand.turn() > at { Seats::one(seat) } else { Seats::NONE };
                assert_eq!(outcome.left, left);
            }
        }
    }
}
