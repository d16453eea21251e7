//! The rules of Gomoku, case by case.
//!
//! Read next: `../../tests/every_game.rs`, which holds for whatever a game's rules are.

use alloc::vec::Vec;

use super::board::DIRECTIONS;
use super::*;
use crate::GameKind;

/// A hand in which these cells were played in turn.
pub(super) fn played(black: Seat, cells: &[u8]) -> Gomoku {
    let mut hand = Gomoku::with_black(black);
    for &cell in cells {
        let seat = hand.to_move().unwrap();
        hand.act(seat, &[cell]).unwrap();
    }
    hand
}

/// All cells in an order that fills the board without five in a row: a slanted weave of pairs.
pub(super) fn drawn_order() -> Vec<u8> {
    let is_black = |cell: &u8| (cell % SIDE + 2 * (cell / SIDE)) % 4 < 2;
    let (black, white): (Vec<u8>, Vec<u8>) = (0..CELLS).partition(is_black);
    assert_eq!(black.len(), white.len() + 1);
    let mut cells = Vec::new();
    for (turn, &cell) in black.iter().enumerate() {
        cells.push(cell);
        cells.extend(white.get(turn));
    }
    cells
}

fn ended(hand: &Gomoku) -> Option<(Vec<i32>, EndReason)> {
    hand.outcome().map(|outcome| (outcome.scores, outcome.reason))
}

/// The five cells of a line from here on, if all are on the board.
fn line(from: u8, direction: (i8, i8)) -> Option<Vec<u8>> {
    let mut cells = vec![from];
    while cells.len() < usize::from(ROW_TO_WIN) {
        cells.push(board::step(*cells.last()?, direction)?);
    }
    Some(cells)
}

/// Cells for the opponent: apart from each other and from the line.
fn elsewhere(line: &[u8]) -> impl Iterator<Item = u8> {
    (0..CELLS)
        .step_by(2)
        .filter(|cell| (cell / SIDE).is_multiple_of(2) && cell % 4 < 2 && !line.contains(cell))
}

#[test]
fn every_line_of_five_wins_with_its_fifth_stone() {
    let mut lines = 0;
    for from in 0..CELLS {
        for cells in DIRECTIONS.iter().filter_map(|&direction| line(from, direction)) {
            lines += 1;
            for fifth in 0..cells.len() {
                let mut mine = cells.clone();
                let winning = mine.remove(fifth);
                let mut hand = Gomoku::with_black(Seat(0));
                for (&cell, other) in mine.iter().zip(elsewhere(&cells)) {
                    hand.act(Seat(0), &[cell]).unwrap();
                    hand.act(Seat(1), &[other]).unwrap();
                }
                assert_eq!(ended(&hand), None);
                hand.act(Seat(0), &[winning]).unwrap();
                assert_eq!(ended(&hand), Some((vec![1, -1], EndReason::Won)), "{cells:?} by {winning}");
            }
        }
    }
    // 11 starts in each of 15 rows and 15 columns, 11 x 11 on each diagonal.
    assert_eq!(lines, 2 * 11 * 15 + 2 * 11 * 11);
}

#[test]
fn what_looks_like_a_line_and_what_is_more_than_one() {
    type Case = (&'static str, &'static [u8], &'static [u8], Option<[i32; 2]>);
    let cases: [Case; 6] = [
        ("four is not enough", &[0, 1, 2, 3], &[30, 32, 34], None),
        ("a row does not wrap", &[12, 13, 14, 15, 16], &[60, 62, 64, 90], None),
        ("a falling diagonal does not wrap", &[11, 27, 43, 59, 75], &[0, 2, 4, 6], None),
        ("a gap is no line", &[0, 1, 2, 4, 5], &[30, 32, 34, 36], None),
        ("six win too", &[0, 1, 2, 4, 5, 3], &[30, 32, 34, 36, 38], Some([1, -1])),
        ("white wins as black does", &[0, 2, 4, 6, 8], &[30, 31, 32, 33, 34], Some([-1, 1])),
    ];
    for (what, black, white, scores) in cases {
        let mut hand = Gomoku::with_black(Seat(0));
        for turn in 0..black.len().max(white.len()) {
            for (seat, cells) in [(Seat(0), black), (Seat(1), white)] {
                if let Some(&cell) = cells.get(turn) {
                    hand.act(seat, &[cell]).unwrap();
                }
            }
        }
        assert_eq!(hand.outcome().map(|outcome| outcome.scores), scores.map(Vec::from), "{what}");
    }
}

#[test]
fn a_full_board_is_a_draw() {
    let cells = drawn_order();
    let (last, before) = cells.split_last().unwrap();
    let mut hand = played(Seat(1), before);
    assert_eq!(ended(&hand), None);
    hand.act(Seat(1), &[*last]).unwrap();
    assert_eq!(ended(&hand), Some((vec![0, 0], EndReason::Draw)));
    assert_eq!((hand.turn(), hand.to_act()), (225, Seats::NONE));
    assert_eq!(Gomoku::from_view(&hand.to_view()), Ok(hand));
}

#[test]
fn whoever_gives_up_is_late_or_leaves_has_lost() {
    type Case = (&'static str, fn(&mut Gomoku) -> Vec<Event>, [u8; 2], [i32; 2], EndReason);
    let start = || played(Seat(0), &[112]);
    let cases: [Case; 4] = [
        ("resigns", |h| h.act(Seat(1), &[RESIGN]).unwrap(), [1, RESIGN], [1, -1], EndReason::Resigned),
        ("is late", Gomoku::timeout, [1, TIMED_OUT], [1, -1], EndReason::TimedOut),
        ("leaves on turn", |h| h.abandon(Seat(1)), [1, ABANDONED], [1, -1], EndReason::Abandoned),
        ("leaves off turn", |h| h.abandon(Seat(0)), [0, ABANDONED], [-1, 1], EndReason::Abandoned),
    ];
    for (what, end, event, scores, reason) in cases {
        let mut hand = start();
        assert_eq!(end(&mut hand), [Event::public(event.to_vec())], "{what}");
        assert_eq!(ended(&hand), Some((scores.to_vec(), reason)), "{what}");
        assert_eq!((hand.turn(), hand.to_act()), (2, Seats::NONE), "{what}");
        assert_eq!(hand.timeout(), [], "{what}: over is over");
        assert_eq!(hand.abandon(Seat(0)), [], "{what}: over is over");
    }
    assert_eq!(start().abandon(Seat(2)), []);
    let mut left = start();
    left.abandon(Seat(0));
    assert_eq!(left.outcome().map(|outcome| outcome.left), Some(Seats::one(Seat(0))));
}

#[test]
fn a_refusal_says_why_and_changes_nothing() {
    let going = played(Seat(0), &[112]);
    let mut over = going.clone();
    over.timeout();
    let cases: [(&Gomoku, u8, &[u8], Illegal); 10] = [
        (&over, 1, &[0], Illegal::Over),
        (&over, 2, &[0], Illegal::NoSuchSeat),
        (&going, 2, &[0], Illegal::NoSuchSeat),
        (&going, 255, &[0], Illegal::NoSuchSeat),
        (&going, 0, &[0], Illegal::NotYourTurn),
        (&going, 0, &[RESIGN], Illegal::NotYourTurn),
        (&going, 1, &[], Illegal::Malformed),
        (&going, 1, &[0, 0], Illegal::Malformed),
        (&going, 1, &[225], Illegal::OffBoard),
        (&going, 1, &[112], Illegal::Occupied),
    ];
    for (hand, seat, action, why) in cases {
        let mut tried = hand.clone();
        assert_eq!(tried.act(Seat(seat), action), Err(why), "seat {seat}, {action:?}");
        assert_eq!(&tried, hand);
    }
}

#[test]
fn a_client_refuses_events_that_cannot_be() {
    let hand = played(Seat(0), &[112]);
    let cases: [&[u8]; 8] =
        [&[], &[1], &[1, 0, 0], &[0, 5], &[1, 112], &[0, TIMED_OUT], &[2, ABANDONED], &[1, 225]];
    for event in cases {
        let mut client = hand.clone();
        assert_eq!(client.apply(event), Err(BadView), "{event:?}");
        assert_eq!(client, hand);
    }
}

#[test]
fn the_seed_decides_who_is_black_and_black_begins() {
    let first = (0..64).filter(|&byte| Gomoku::new([byte; 32]).black == Seat(0)).count();
    assert!((16..48).contains(&first), "seat 0 was black in {first} hands of 64");
    for seed in 0..8 {
        let hand = Gomoku::new([seed; 32]);
        assert_eq!(hand.to_move(), Some(hand.black));
        assert_eq!(hand.stone_of(hand.black), Stone::Black);
        assert_eq!(hand, Gomoku::new([seed; 32]));
    }
}

#[test]
fn actions_are_described_as_players_write_them() {
    let cases: [(&[u8], &str); 8] = [
        (&[112], "h8"),
        (&[0], "a15"),
        (&[14], "o15"),
        (&[210], "a1"),
        (&[224], "o1"),
        (&[RESIGN], "resign"),
        (&[225], "[e1]"),
        (&[], "[]"),
    ];
    for (action, words) in cases {
        assert_eq!(GameKind::Gomoku.describe(action), words);
    }
}
