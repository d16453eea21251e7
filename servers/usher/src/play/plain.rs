//! The table of a game that has no screen of its own, in the game's words: how it stands, and what may be done.
//!
//! Why: a new game can be played as soon as it has rules. What is typed is a word of the list that is shown.
//! Read next: `usher_games::Rules`, whose words they are.

use super::evening::printable;
use super::table::Table;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};
use usher_games::{Action, GameKind};

pub(super) fn draw(kind: GameKind, table: &Table, frame: &mut Frame<'_>, area: Rect) {
    let Ok(shown) = kind.show(&table.view) else { return };
    let mut text = shown.lines().map(printable).collect::<Vec<_>>().join("\n");
    if table.is_my_turn() {
        let words: Vec<_> = moves(kind, table).map(|(word, _)| printable(&word)).collect();
        text = format!("{text}\n\nyou may: {}", words.join("  "));
    }
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), area);
}

/// What the person may do, and how it is typed.
fn moves(kind: GameKind, table: &Table) -> impl Iterator<Item = (String, Action)> {
    let actions = kind.legal_actions(&table.view, table.seat).unwrap_or_default();
    actions.into_iter().map(move |action| (kind.describe(&action), action))
}

/// Whether a word of the list begins so.
pub(super) fn begins_move(kind: GameKind, table: &Table, typed: &str) -> bool {
    let begins = |word: &str| word.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed));
    moves(kind, table).any(|(word, _)| begins(&word))
}

/// The action that was typed.
pub(super) fn action(kind: GameKind, table: &Table, text: &str) -> Result<Action, String> {
    let typed = moves(kind, table).find(|(word, _)| word.eq_ignore_ascii_case(text));
    typed.map(|(_, action)| action).ok_or_else(|| format!("`{text}` is none of what you may do"))
}
