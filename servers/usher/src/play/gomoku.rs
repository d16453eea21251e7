//! A Gomoku board: X is black, O is white, (X) was played last, [ ] is the cursor.
//!
//! Read next: `doudizhu.rs`.

use super::ink::Ink;
use super::table::Table;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use usher_games::gomoku::{Gomoku, SIDE, Stone};
use usher_games::{Rules, Seat};

pub(super) fn draw(table: &Table, cursor: u8, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let Ok(hand) = Gomoku::from_view(&table.view) else { return };
    let columns: String = ('a'..='o').flat_map(|column| [' ', column]).collect();
    let mut lines = vec![Line::styled(format!("  {columns}"), ink.dim())];
    lines.extend((0..SIDE).map(|row| row_line(&hand, table.seat, row, cursor, ink)));
    frame.render_widget(Text::from(lines), area);
}

fn row_line(hand: &Gomoku, mine: Seat, row: u8, cursor: u8, ink: Ink) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{:>2}", SIDE - row), ink.dim())];
    for column in 0..=SIDE {
        let cell = |column: u8| row * SIDE + column;
        spans.push(Span::raw(between(hand, row, column, cursor)));
        if column == SIDE {
            break;
        }
        let stone = hand.board().at(cell(column));
        let style = if stone == Some(hand.stone_of(mine)) { ink.mine() } else { Style::new() };
        let letter = match stone {
            None => ".",
            Some(Stone::Black) => "X",
            Some(Stone::White) => "O",
        };
        spans.push(Span::styled(letter, style));
    }
    Line::from(spans)
}

/// What stands before a column: a bracket of one of its neighbours, the cursor's before the last stone's.
fn between(hand: &Gomoku, row: u8, column: u8, cursor: u8) -> &'static str {
    let right = (column < SIDE).then(|| row * SIDE + column);
    let left = column.checked_sub(1).map(|column| row * SIDE + column);
    match (left, right) {
        (Some(cell), _) if cell == cursor => "]",
        (_, Some(cell)) if cell == cursor => "[",
        (Some(cell), _) if hand.last() == Some(cell) => ")",
        (_, Some(cell)) if hand.last() == Some(cell) => "(",
        _ => " ",
    }
}

/// What a seat plays.
pub(super) fn role(table: &Table, seat: u8) -> String {
    let stone = Gomoku::from_view(&table.view).ok().map(|hand| hand.stone_of(Seat(seat)));
    match stone {
        Some(Stone::Black) => "X black".into(),
        Some(Stone::White) => "O white".into(),
        None => String::new(),
    }
}
