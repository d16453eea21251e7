//! Nim: a hand move by move, what is refused, and who wins by the theory.
//!
//! Read next: `../../tests/every_game.rs`, what holds for every game.

use alloc::collections::BTreeMap;

use super::*;

fn hand(seat: u8, heaps: [u8; HEAPS as usize]) -> Nim {
    Nim { turn: 0, seat: Seat(seat), end: None, heaps }
}

#[test]
fn a_hand_is_played_to_its_end() {
    let mut nim = hand(1, [3, 4, 0, 1]);
    for (turn, (seat, action, left)) in (0..).zip([
        (1, [1, 3], [3, 1, 0, 1]),
        (0, [0, 2], [1, 1, 0, 1]),
        (1, [3, 1], [1, 1, 0, 0]),
        (0, [0, 1], [0, 1, 0, 0]),
        (1, [1, 1], [0, 0, 0, 0]),
    ]) {
        assert_eq!((nim.turn(), nim.to_act(), nim.outcome()), (turn, Seats::one(Seat(seat)), None));
        let told = nim.act(Seat(seat), &action).unwrap();
        assert_eq!((told[0].bytes.as_slice(), nim.heaps), (&[seat, action[0], action[1]][..], left));
    }
    let won = Outcome { scores: vec![1, -1], reason: EndReason::Won, left: Seats::NONE };
    assert_eq!(nim.outcome(), Some(won), "seat 1 took the last stone");
    assert_eq!(nim.view(None), [5, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn what_is_no_move_is_refused() {
    for (seat, action, why) in [
        (2, &[0, 1][..], Illegal::NoSuchSeat),
        (1, &[0, 1], Illegal::NotYourTurn),
        (0, &[], Illegal::Malformed),
        (0, &[0], Illegal::Malformed),
        (0, &[0, 0], Illegal::Malformed),
        (0, &[0, 1, 0], Illegal::Malformed),
        (0, &[HEAPS, 1], Illegal::OffBoard),
        (0, &[0, 4], Illegal::OffBoard),
        (0, &[2, 1], Illegal::OffBoard),
    ] {
        let mut nim = hand(0, [3, 4, 0, 1]);
        assert_eq!(nim.act(Seat(seat), action), Err(why), "{seat} {action:?}");
        assert_eq!(nim, hand(0, [3, 4, 0, 1]));
    }
}

#[test]
fn who_is_late_or_leaves_has_lost() {
    let mut late = hand(1, [3, 4, 0, 1]);
    assert_eq!(late.timeout(), [Event::public(vec![1, TIMED_OUT])]);
    let timed_out = Outcome { scores: vec![1, -1], reason: EndReason::TimedOut, left: Seats::NONE };
    assert_eq!(late.outcome(), Some(timed_out));
    let mut gone = hand(1, [3, 4, 0, 1]);
    assert_eq!(gone.abandon(Seat(0)), [Event::public(vec![0, ABANDONED])], "though seat 1 was to move");
    let abandoned = Outcome { scores: vec![-1, 1], reason: EndReason::Abandoned, left: Seats::one(Seat(0)) };
    assert_eq!(gone.outcome(), Some(abandoned));
}

#[test]
fn hands_differ_in_heaps_and_in_who_begins() {
    let hands: Vec<_> = (0..100).map(|seed| Nim::new([seed; 32])).collect();
    let stones = || hands.iter().flat_map(|hand| hand.heaps);
    assert_eq!((stones().min(), stones().max()), (Some(HEAP_MAX - 4), Some(HEAP_MAX)));
    assert_eq!(Nim::new([7; 32]).view(None), [0, 0, 0, 7, 6, 9, 9], "another deal needs another VERSION");
    assert!(hands.iter().any(|hand| hand.seat == Seat(0)) && hands.iter().any(|hand| hand.seat == Seat(1)));
}

#[test]
fn an_event_that_does_not_follow_is_refused() {
    let events: [&[u8]; 8] =
        [&[], &[0], &[0, 0, 1], &[1, 0, 4], &[1, 0, 1, 1], &[0, TIMED_OUT], &[2, ABANDONED], &[9, 0, 1]];
    for event in events {
        assert_eq!(hand(1, [3, 4, 0, 1]).apply(event), Err(BadView), "{event:?}");
    }
    let mut followed = hand(1, [3, 4, 0, 1]);
    assert_eq!(followed.apply(&[0, ABANDONED]), Ok(()));
    assert_eq!(followed.apply(&[0, ABANDONED]), Err(BadView), "it is over");
}

#[test]
fn a_spoilt_view_is_refused() {
    let good = [7, 1, 0, 3, 4, 0, 1];
    assert_eq!(Nim::from_view(&good).map(|nim| nim.to_view()), Ok(good.into()));
    for (offset, byte, why) in [
        (0, 255, "there is no turn after it"),
        (1, 2, "no such seat"),
        (2, 1, "won with stones on the table"),
        (2, 6, "no such end"),
        (5, HEAP_MAX + 1, "more stones than were dealt"),
    ] {
        let mut view = good;
        view[offset] = byte;
        assert_eq!(Nim::from_view(&view), Err(BadView), "{why}");
    }
    assert_eq!(Nim::from_view(&[7, 1, 0, 0, 0, 0, 0]), Err(BadView), "not over without stones");
    assert_eq!(Nim::from_view(&good[..6]), Err(BadView));
}

#[test]
fn moves_are_said_in_the_words_they_are_typed_in() {
    let said = [&[0, 3][..], &[3, 10], &[4, 1], &[]].map(Nim::describe);
    assert_eq!(said, ["a3", "d10", "[04, 01]", "[]"]);
    let told = [&[1, 0, 3][..], &[1, TIMED_OUT], &[1, ABANDONED]].map(Nim::tell);
    assert_eq!(told, ["played a3", "ran out of time", "left"]);
    assert!(hand(0, [3, 4, 0, 1]).show().starts_with("heap a: 3\nheap b: 4\n"));
}

/// Whether the seat to move can win, found by trying everything.
fn can_win(nim: &Nim, known: &mut BTreeMap<[u8; HEAPS as usize], bool>) -> bool {
    if let Some(&known) = known.get(&nim.heaps) {
        return known;
    }
    let seat = nim.seat;
    let can = nim.legal_actions(seat).iter().any(|action| {
        let mut next = nim.clone();
        next.act(seat, action).unwrap();
        match next.outcome() {
            Some(outcome) => outcome.scores[seat.index()] > 0,
            None => !can_win(&next, known),
        }
    });
    known.insert(nim.heaps, can);
    can
}

/// Bouton's theorem, for misère play: who leaves heaps whose binary sum without carries is 0 wins, but with no heap
/// above one stone, who leaves an odd number of stones. (C. L. Bouton, Nim, a game with a complete mathematical theory,
/// 1901.)
#[test]
fn small_heaps_are_won_by_whom_the_theory_names() {
    let known = &mut BTreeMap::new();
    let (mut won, mut lost) = (0, 0);
    for number in 1..4 * 4 * 5 * 6_u32 {
        let heaps = [number % 4, number / 4 % 4, number / 16 % 5, number / 80].map(|stones| stones as u8);
        let by_theory = match heaps.iter().max() {
            Some(0 | 1) => heaps.iter().sum::<u8>() % 2 == 0,
            _ => heaps.into_iter().fold(0, |sum, stones| sum ^ stones) != 0,
        };
        assert_eq!(can_win(&hand(0, heaps), known), by_theory, "{heaps:?}");
        *if by_theory { &mut won } else { &mut lost } += 1;
    }
    assert!(won > 0 && lost > 0);
}
