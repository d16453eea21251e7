//! A hand of Gomoku as 64 bytes, and back.
//!
//! | offset | what |
//! |---|---|
//! | 0 | the seat that plays black |
//! | 1 | the seat to move; 255 when the hand is over |
//! | 2 | 0 while it lasts, else the number of the [`EndReason`] |
//! | 3 | the winner's seat; 255 for none |
//! | 4 | the cell played last; 255 for none |
//! | 5, 6 | the turn, big-endian |
//! | 7..64 | the cells, four to a byte, lowest bits first: 0 empty, 1 black, 2 white |
//!
//! Invariant: reading is strict. A view is taken only if writing what was read gives the same bytes, so two
//! views of one state are equal.

use alloc::vec::Vec;

use super::{Board, CELLS, End, Gomoku, Stone};
use crate::game::{BadView, EndReason, Game, Seat};

const CELLS_AT: usize = 7;
const CELLS_PER_BYTE: u8 = 4;
const NONE: u8 = 255;

/// Length of a view.
pub const VIEW_BYTES: usize = CELLS_AT + CELLS.div_ceil(CELLS_PER_BYTE) as usize;

/// The hand as anybody may see it.
pub(super) fn write(hand: &Gomoku) -> Vec<u8> {
    let mut view = Vec::with_capacity(VIEW_BYTES);
    view.extend([
        hand.black.0,
        hand.to_move().map_or(NONE, |seat| seat.0),
        hand.end.map_or(0, |end| end.reason.id()),
        hand.end.and_then(|end| end.winner).map_or(NONE, |seat| seat.0),
        hand.last.unwrap_or(NONE),
    ]);
    view.extend((hand.turn() as u16).to_be_bytes());
    view.resize(VIEW_BYTES, 0);
    for cell in 0..CELLS {
        let (byte, shift) = place_of(cell);
        view[byte] |= bits_of(hand.board.at(cell)) << shift;
    }
    view
}

/// The hand a view shows.
pub(super) fn read(view: &[u8]) -> Result<Gomoku, BadView> {
    if view.len() != VIEW_BYTES || view[0] > 1 {
        return Err(BadView);
    }
    let mut hand = Gomoku::with_black(Seat(view[0]));
    hand.end = read_end(view[2], view[3])?;
    hand.last = read_last(view[4])?;
    hand.board = read_board(view)?;
    hand.stones = CELLS - hand.board.empty_cells().count() as u8;
    if is_coherent(&hand) && write(&hand) == view { Ok(hand) } else { Err(BadView) }
}

/// Stones alternate, and the last one played is where it is said to be.
fn is_coherent(hand: &Gomoku) -> bool {
    let black = (0..CELLS).filter(|&cell| hand.board.at(cell) == Some(Stone::Black)).count();
    let newest = if hand.stones.is_multiple_of(2) { Stone::White } else { Stone::Black };
    let last = hand.last.map_or(hand.stones == 0, |cell| hand.board.at(cell) == Some(newest));
    black == usize::from(hand.stones.div_ceil(2)) && last
}

fn place_of(cell: u8) -> (usize, u8) {
    (CELLS_AT + usize::from(cell / CELLS_PER_BYTE), cell % CELLS_PER_BYTE * 2)
}

fn bits_of(stone: Option<Stone>) -> u8 {
    match stone {
        None => 0,
        Some(Stone::Black) => 1,
        Some(Stone::White) => 2,
    }
}

fn read_board(view: &[u8]) -> Result<Board, BadView> {
    let mut board = Board::EMPTY;
    for cell in 0..CELLS {
        let (byte, shift) = place_of(cell);
        match view[byte] >> shift & 3 {
            0 => {}
            1 => board.put(cell, Stone::Black),
            2 => board.put(cell, Stone::White),
            _ => return Err(BadView),
        }
    }
    Ok(board)
}

fn read_last(byte: u8) -> Result<Option<u8>, BadView> {
    match byte {
        NONE => Ok(None),
        cell if cell < CELLS => Ok(Some(cell)),
        _ => Err(BadView),
    }
}

fn read_end(reason: u8, winner: u8) -> Result<Option<End>, BadView> {
    let reason = match reason {
        0 => return if winner == NONE { Ok(None) } else { Err(BadView) },
        id => EndReason::from_id(id).ok_or(BadView)?,
    };
    match (reason, winner) {
        (EndReason::Draw, NONE) => Ok(Some(End { reason, winner: None })),
        (EndReason::Draw, _) | (_, 2..) => Err(BadView),
        (_, seat) => Ok(Some(End { reason, winner: Some(Seat(seat)) })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::played;
    use super::*;
    use crate::Rules;

    #[test]
    fn the_layout_is_as_documented() {
        let view = played(Seat(1), &[0, 224, 5]).to_view();
        assert_eq!(VIEW_BYTES, 64);
        assert_eq!(view[..8], [1, 0, 0, 255, 5, 0, 3, 0b01]);
        assert_eq!(view[8], 0b0100);
        assert_eq!(view[9..63], [0; 54]);
        assert_eq!(view[63], 0b10);
    }

    #[test]
    fn a_spoilt_view_is_refused() {
        let good = played(Seat(1), &[0, 224, 5]).to_view();
        assert!(Gomoku::from_view(&good).is_ok());
        let spoilt: &[(usize, u8, &str)] = &[
            (0, 2, "no such seat is black"),
            (1, 1, "the wrong seat to move"),
            (2, 6, "no such end"),
            (2, 1, "won by nobody"),
            (3, 0, "a winner while it lasts"),
            (4, 224, "a last cell of the wrong colour"),
            (4, 7, "an empty last cell"),
            (4, 230, "a last cell off the board"),
            (6, 4, "the wrong turn"),
            (7, 0b11, "a stone of no colour"),
            (9, 0b01, "a black stone too many"),
            (63, 0b1010, "a stone beyond the board"),
        ];
        for &(offset, byte, why) in spoilt {
            let mut view = good.clone();
            view[offset] = byte;
            assert_eq!(Gomoku::from_view(&view), Err(BadView), "{why}");
        }
        for length in 0..VIEW_BYTES {
            assert_eq!(Gomoku::from_view(&good[..length]), Err(BadView));
        }
    }
}
