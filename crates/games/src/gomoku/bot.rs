//! A Gomoku player that looks one move ahead.
//!
//! It wins where it can, stops a four or an open three, and else extends what it has near other stones. That
//! is enough to end hands in tens of moves, at a few microseconds a move, so that ten thousand of them load a
//! server and not the machine that simulates them.
//!
//! - Owns: the worth of a cell.
//! - Does not own: the rules; it plays on the state a view decodes to.
//! - Invariant: a stronger threat outweighs any sum of weaker ones in four directions.
//!
//! Read next: `board.rs` for how lines are counted.

use alloc::vec;

use rand_core::Rng;

use super::board::{DIRECTIONS, Line, step};
use super::{Board, CELLS, Gomoku, ROW_TO_WIN, SIDE, Stone};
use crate::Rules;
use crate::game::{Action, Seat};

const CENTRE: u8 = CELLS / 2;
/// How far from the centre a hand begins, so that hands differ.
const OPENING_SPREAD: u8 = 2;

pub(super) fn choose(view: &[u8], seat: Seat, rng: &mut dyn Rng) -> Option<Action> {
    let hand = Gomoku::from_view(view).ok().filter(|hand| hand.to_move() == Some(seat))?;
    let cell = match hand.last() {
        None => opening(rng),
        Some(_) => best(hand.board(), hand.stone_of(seat), rng)?,
    };
    Some(vec![cell])
}

fn opening(rng: &mut dyn Rng) -> u8 {
    let first = CENTRE - OPENING_SPREAD * SIDE - OPENING_SPREAD;
    let mut offset = || below(rng, 2 * OPENING_SPREAD + 1);
    first + offset() * SIDE + offset()
}

/// The most valuable empty cell; among equals, each as likely as the others.
fn best(board: &Board, mine: Stone, rng: &mut dyn Rng) -> Option<u8> {
    let mut best = None;
    let mut worth_max = 0;
    let mut equals = 0;
    for cell in board.empty_cells() {
        let worth = if has_neighbour(board, cell) { worth(board, cell, mine) } else { 0 };
        if best.is_none() || worth > worth_max {
            (best, worth_max, equals) = (Some(cell), worth, 1);
        } else if worth == worth_max {
            equals += 1;
            if below(rng, equals) == 0 {
                best = Some(cell);
            }
        }
    }
    best
}

fn has_neighbour(board: &Board, cell: u8) -> bool {
    DIRECTIONS.iter().any(|&(down, right)| {
        [(down, right), (-down, -right)]
            .into_iter()
            .any(|direction| step(cell, direction).is_some_and(|next| board.at(next).is_some()))
    })
}

/// What a stone here would gain, and what it would deny the opponent, in every direction. Of two threats of
/// one rank the mover's own comes first: it is a move ahead.
fn worth(board: &Board, cell: u8, mine: Stone) -> u64 {
    DIRECTIONS
        .iter()
        .map(|&direction| {
            let gained = rank(board.line(cell, mine, direction));
            let denied = rank(board.line(cell, mine.other(), direction));
            weight(2 * gained + 1) + weight(2 * denied)
        })
        .sum()
}

/// In powers of 5 a level outweighs all below it: `4 * (5^(n-1) + 5^(n-2))` is less than `5^n`.
fn weight(level: u32) -> u64 {
    5u64.pow(level)
}

/// How strong a line is.
fn rank(line: Line) -> u32 {
    match (line.length, line.open_ends) {
        (ROW_TO_WIN.., _) => 6,
        (_, 0) => 0,
        (4, 2) => 5,
        (4, _) | (3, 2) => 4,
        (3, _) | (2, 2) => 3,
        (2, _) => 2,
        _ => 1,
    }
}

/// A number below `limit`. The bias of a remainder is no matter among at most 225 cells.
fn below(rng: &mut dyn Rng, limit: u8) -> u8 {
    (rng.next_u32() % u32::from(limit)) as u8
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::tests::{drawn_order, played};
    use super::*;

    fn cell(row: u8, column: u8) -> u8 {
        row * SIDE + column
    }

    /// Seat 0 plays the first list, seat 1 the second; what does seat 0 play next?
    fn answer(black: &[u8], white: &[u8], seed: u64) -> u8 {
        assert_eq!(black.len(), white.len());
        let cells: Vec<u8> = black.iter().zip(white).flat_map(|(&mine, &theirs)| [mine, theirs]).collect();
        let hand = played(Seat(0), &cells);
        choose(&hand.to_view(), Seat(0), &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()[0]
    }

    #[test]
    fn it_sees_what_must_be_played() {
        let row = |row, columns: &[u8]| columns.iter().map(|&column| cell(row, column)).collect::<Vec<_>>();
        let cases = [
            ("wins", row(7, &[3, 4, 5, 6]), row(0, &[0, 3, 6, 9]), row(7, &[2, 7])),
            ("wins in a gap", row(7, &[3, 4, 6, 7]), row(0, &[0, 3, 6, 9]), row(7, &[5])),
            ("wins, not blocks", row(7, &[3, 4, 5, 6]), row(9, &[3, 4, 5, 6]), row(7, &[2, 7])),
            ("blocks a four", row(7, &[3, 4, 5, 10]), row(9, &[0, 1, 2, 3]), row(9, &[4])),
            ("blocks an open three", row(3, &[0, 1, 12]), row(9, &[6, 7, 8]), row(9, &[5, 9])),
            ("makes an open four", row(7, &[5, 6, 7]), row(0, &[0, 3, 6]), row(7, &[4, 8])),
        ];
        for (what, black, white, right) in cases {
            for seed in 0..20 {
                let played = answer(&black, &white, seed);
                assert!(right.contains(&played), "{what}: played {played}, not one of {right:?}");
            }
        }
    }

    #[test]
    fn it_plays_on_its_turn_alone_and_only_a_view() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let view = Gomoku::with_black(Seat(0)).to_view();
        assert!(choose(&view, Seat(0), rng).is_some());
        assert_eq!(choose(&view, Seat(1), rng), None);
        assert_eq!(choose(&view[1..], Seat(0), rng), None);
    }

    #[test]
    fn it_takes_the_last_cell() {
        let cells = drawn_order();
        let (last, before) = cells.split_last().unwrap();
        let hand = played(Seat(0), before);
        let chosen = choose(&hand.to_view(), Seat(0), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(chosen, Some(vec![*last]));
    }
}
