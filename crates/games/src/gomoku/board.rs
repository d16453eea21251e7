//! A 15 x 15 board of stones, and how long a line runs through a cell.
//!
//! Both the rules and the bot count lines, so the counting is here once.
//!
//! - Owns: cells and the four directions.
//! - Does not own: whose turn it is, or what a line is worth.
//! - Invariant: a line never wraps from one edge to the other.
//!
//! Read next: `../gomoku.rs`.

/// Cells along one side.
pub const SIDE: u8 = 15;
/// Cells on the board; a cell's number is `row * SIDE + column`, from the top left.
pub const CELLS: u8 = SIDE * SIDE;
/// Stones in a row that win; more win too.
pub const ROW_TO_WIN: u8 = 5;

/// Right, down, and the two diagonals, as (rows, columns).
pub(super) const DIRECTIONS: [(i8, i8); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// A colour of stone. Black moves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stone {
    /// Moves first.
    Black,
    /// Moves second.
    White,
}

impl Stone {
    /// The opponent's colour.
    pub const fn other(self) -> Self {
        match self {
            Self::Black => Self::White,
            Self::White => Self::Black,
        }
    }
}

/// The line through one cell in one direction, if a stone of the asker's colour lay there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Stones in a row, the one asked about included.
    pub(super) length: u8,
    /// How many of its two ends could grow.
    pub(super) open_ends: u8,
}

/// The stones on the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board([Option<Stone>; CELLS as usize]);

impl Board {
    pub(super) const EMPTY: Self = Self([None; CELLS as usize]);

    /// What lies on this cell; nothing beyond the last cell.
    pub fn at(&self, cell: u8) -> Option<Stone> {
        self.0.get(usize::from(cell)).copied().flatten()
    }

    /// The empty cells, in order.
    pub fn empty_cells(&self) -> impl Iterator<Item = u8> {
        (0..CELLS).filter(|&cell| self.at(cell).is_none())
    }

    pub(super) fn put(&mut self, cell: u8, stone: Stone) {
        self.0[usize::from(cell)] = Some(stone);
    }

    pub(super) fn line(&self, cell: u8, stone: Stone, (down, right): (i8, i8)) -> Line {
        let (ahead, ahead_open) = self.run(cell, stone, (down, right));
        let (behind, behind_open) = self.run(cell, stone, (-down, -right));
        Line { length: 1 + ahead + behind, open_ends: u8::from(ahead_open) + u8::from(behind_open) }
    }

    /// Whether the stone on this cell is part of a winning row.
    pub(super) fn wins(&self, cell: u8, stone: Stone) -> bool {
        DIRECTIONS.iter().any(|&direction| self.line(cell, stone, direction).length >= ROW_TO_WIN)
    }

    /// Stones of this colour from the cell (exclusive) on, and whether the cell after them is empty.
    fn run(&self, cell: u8, stone: Stone, direction: (i8, i8)) -> (u8, bool) {
        let mut length = 0;
        let mut here = cell;
        while let Some(next) = step(here, direction) {
            match self.at(next) {
                Some(found) if found == stone => length += 1,
                found => return (length, found.is_none()),
            }
            here = next;
        }
        (length, false)
    }
}

/// The neighbour of a cell, if the board goes on there.
pub(super) fn step(cell: u8, (down, right): (i8, i8)) -> Option<u8> {
    let row = (cell / SIDE).checked_add_signed(down)?;
    let column = (cell % SIDE).checked_add_signed(right)?;
    (row < SIDE && column < SIDE).then_some(row * SIDE + column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_ends_at_its_edges() {
        assert_eq!(step(0, (0, -1)), None);
        assert_eq!(step(0, (-1, 0)), None);
        assert_eq!(step(14, (0, 1)), None);
        assert_eq!(step(14, (1, -1)), Some(28));
        assert_eq!(step(224, (1, 1)), None);
        assert_eq!(step(112, (1, 1)), Some(128));
    }

    #[test]
    fn a_line_knows_its_length_and_its_open_ends() {
        let mut board = Board::EMPTY;
        for cell in [16, 17, 18] {
            board.put(cell, Stone::Black);
        }
        let row = (0, 1);
        assert_eq!(board.line(19, Stone::Black, row), Line { length: 4, open_ends: 2 });
        assert_eq!(board.line(15, Stone::Black, row), Line { length: 4, open_ends: 1 });
        board.put(19, Stone::White);
        assert_eq!(board.line(15, Stone::Black, row), Line { length: 4, open_ends: 0 });
        assert_eq!(board.line(15, Stone::White, row), Line { length: 1, open_ends: 0 });
    }
}
