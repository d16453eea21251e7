//! The evening on a terminal: what is where, at any size.
//!
//! Why: a screen is a function of an [`Evening`] and a size, and nothing else.
//! Owns: the frame: title, body, messages, the typed line, the help line. The tables are drawn in `gomoku.rs`,
//! `doudizhu.rs` and, of every other game, `plain.rs`.
//! Invariants: nothing is drawn outside of its place, whatever the size; colour says nothing that is not said without.
//! Limits: below [`WIDTH_MIN`] x [`HEIGHT_MIN`] it asks for a larger window.
//! Read next: `gomoku.rs`.

use super::evening::{Evening, Focus, Inside, Screen, Voice, total_line};
use super::ink::Ink;
use super::owning::{self, waits_for};
use super::table::Table;
use super::words::{game_name, who};
use super::{doudizhu, gomoku, plain};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Paragraph, Wrap};
use usher_games::GameKind;

/// The least that fits a board and a few words beside it.
pub(super) const WIDTH_MIN: u16 = 64;
/// As above.
pub(super) const HEIGHT_MIN: u16 = 22;
/// The table's share of the width.
const TABLE_WIDTH: u16 = 38;

pub(super) fn draw(evening: &Evening, ink: Ink, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!(
            "Please make the window larger: it is {}x{}, {WIDTH_MIN}x{HEIGHT_MIN} is enough.",
            area.width, area.height
        );
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
    }
    let [title, body, typed, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Line::styled(title_of(evening), ink.title()), title);
    let is_list = matches!(evening.screen, Screen::Worlds | Screen::Rooms);
    let wide = if is_list { area.width * 3 / 5 } else { TABLE_WIDTH };
    let [left, right] = Layout::horizontal([Constraint::Length(wide), Constraint::Min(1)]).areas(body);
    match (evening.screen, &evening.inside) {
        (Screen::Worlds, _) => worlds(evening, ink, frame, left),
        (Screen::Rooms, _) => rooms(evening, ink, frame, left),
        (Screen::Room, Some(inside)) => room(evening, inside, ink, frame, left),
        _ => frame.render_widget(Paragraph::new(evening.way.as_str()).block(Block::bordered()), left),
    }
    messages(evening, ink, frame, right);
    typing(evening, ink, frame, typed);
    frame.render_widget(Line::styled(evening.help(area.width), ink.dim()), help);
}

fn title_of(evening: &Evening) -> String {
    let me = evening.me.map_or("nobody yet".into(), who);
    match (evening.screen, &evening.inside) {
        (Screen::Room, Some(inside)) => {
            let away = if inside.is_away() { " - CONNECTION LOST, trying again" } else { "" };
            let table = inside.table.as_ref();
            let at = table.map_or(" - not seated".into(), |table| format!(" - table {}", table.no));
            format!(" {} - {} people{at} - you are {me}{away}", inside.name, inside.population)
        }
        (Screen::Rooms, _) => format!(" Rooms - you are {me}"),
        _ => " Usher".into(),
    }
}

fn worlds(evening: &Evening, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::bordered().title(" choose a world ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let first = evening.world_at.saturating_sub(usize::from(inner.height).saturating_sub(1));
    let lines = evening.worlds.iter().enumerate().skip(first).map(|(at, entry)| {
        let chosen = at == evening.world_at;
        let mark = if chosen { '>' } else { ' ' };
        let text =
            format!("{mark} world {:<5} {:>7} of {} playing", entry.world.0, entry.players, entry.capacity);
        Line::styled(text, if chosen { ink.chosen() } else { Style::new() })
    });
    frame.render_widget(Text::from(lines.collect::<Vec<_>>()), inner);
}

fn rooms(evening: &Evening, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let rooms = &evening.rooms;
    let filter = rooms.filter.map_or_else(|| "all games".into(), game_name);
    let block = Block::bordered().title(format!(" rooms with space: {filter} "));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [list, totals] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(rooms.totals.len().min(4) as u16)])
            .areas(inner);
    let height = usize::from(list.height).max(1);
    let first = rooms.at.saturating_sub(height - 1);
    let line = |(at, room): (usize, &usher_proto::message::RoomEntry)| {
        let chosen = at == rooms.at;
        let mark = if chosen { '>' } else { ' ' };
        let kept = if rooms.is_kept(room) { "  your seat" } else { "" };
        let text = format!(
            "{mark} {:<16} {:<10} {:>4}/{:<4}{kept}",
            room.name,
            game_name(room.game),
            room.population,
            room.capacity
        );
        Line::styled(text, if chosen { ink.chosen() } else { Style::new() })
    };
    let lines: Vec<_> = rooms.shown().enumerate().skip(first).take(height).map(line).collect();
    let text =
        if lines.is_empty() { Text::raw("no room with space now; r looks again") } else { Text::from(lines) };
    frame.render_widget(text, list);
    let lines: Vec<_> = rooms.totals.iter().map(|total| Line::styled(total_line(total), ink.dim())).collect();
    frame.render_widget(Text::from(lines), totals);
}

fn room(evening: &Evening, inside: &Inside, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let Some(table) = &inside.table else {
        let text = format!(
            "You stand in {}.\n\n{} is played here.\ns: sit down where somebody waits\n4 s: sit down at table 4\nTab: say something",
            inside.name,
            game_name(inside.place.game)
        );
        let block = Block::bordered().title(" no table ");
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).block(block), area);
    };
    let block = Block::bordered().title(owning::title(table, evening.me));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let people = table.seats.len().min(3) as u16;
    let [status, seats, game] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(people), Constraint::Min(1)])
            .areas(inner);
    frame.render_widget(status_line(evening, table, ink), status);
    frame.render_widget(Text::from(seat_lines(evening, table, ink)), seats);
    match table.kind {
        Some(GameKind::Gomoku) => gomoku::draw(table, evening.cursor, ink, frame, game),
        Some(GameKind::DouDizhu) => doudizhu::draw(table, ink, frame, game),
        Some(kind) => plain::draw(kind, table, frame, game),
        None => frame.render_widget("this client does not know the game", game),
    }
}

/// Whose turn it is and how long, or what came of the hand.
fn status_line(evening: &Evening, table: &Table, ink: Ink) -> Line<'static> {
    let clock = table.turn_left(evening.now).map_or(String::new(), |left| format!(", {} s", left.as_secs()));
    if table.is_my_turn() {
        return Line::styled(format!("your turn{clock}"), ink.mine());
    }
    match (&table.outcome, table.playing) {
        (Some(outcome), _) => Line::styled(outcome.clone(), ink.mine()),
        (None, true) => {
            let name = table.to_act.and_then(|seat| table.sitter(seat)).map_or("the next".into(), who);
            Line::raw(format!("{name} is to move{clock}"))
        }
        (None, false) if table.seats.iter().any(Option::is_none) => {
            Line::raw("waiting for somebody to sit down")
        }
        (None, false) => Line::raw(waits_for(table)),
    }
}

fn seat_lines(evening: &Evening, table: &Table, ink: Ink) -> Vec<Line<'static>> {
    let lines = table.seats.iter().zip(0..).map(|(sitter, seat)| {
        let is_mine = seat == table.seat.0;
        let name = match sitter {
            _ if is_mine => "you".into(),
            Some(account) => who(*account),
            None => "free".into(),
        };
        let mark = match table.playing {
            true if table.to_act == Some(seat) => '>',
            false if table.is_ready(seat) => '+',
            _ => ' ',
        };
        let role = match table.kind {
            Some(GameKind::Gomoku) => gomoku::role(table, seat),
            Some(GameKind::DouDizhu) => doudizhu::role(table, seat),
            _ => String::new(),
        };
        let score = table.scores.get(usize::from(seat)).copied().flatten();
        let score = score.map_or(String::new(), |score| format!("  {score:+}"));
        let text = format!("{mark}{} {name:<11}{role}{score}", seat + 1);
        Line::styled(text, if is_mine && evening.me.is_some() { ink.mine() } else { Style::new() })
    });
    lines.collect()
}

/// The latest lines at the bottom, long ones wrapped.
fn messages(evening: &Evening, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::bordered().title(" what was said and what happened ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inner.width).max(1), usize::from(inner.height));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for said in evening.said.iter().rev() {
        let style = match said.voice {
            Voice::Chat => Style::new(),
            Voice::Mine => ink.mine(),
            Voice::Event => ink.dim(),
            Voice::Warning | Voice::Operator => ink.warning(),
        };
        let mark = match said.voice {
            Voice::Chat | Voice::Mine => "",
            Voice::Event => "* ",
            Voice::Warning | Voice::Operator => "! ",
        };
        let wrapped = wrapped(&format!("{mark}{}", said.text), width);
        lines.extend(wrapped.into_iter().rev().map(|text| Line::styled(text, style)));
        if lines.len() >= height {
            break;
        }
    }
    lines.truncate(height);
    lines.reverse();
    frame.render_widget(Text::from(lines), inner);
}

/// A text cut into lines of so many columns, between words where that is possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let columns = |text: &str| Span::raw(text).width();
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let line = lines.last_mut().expect("invariant: there is always a last line");
        if columns(line) + columns(word.trim_end()) <= width {
            line.push_str(word);
            continue;
        }
        let mut line = String::new();
        for char in word.chars() {
            let is_full = columns(&line) + columns(char.encode_utf8(&mut [0; 4])) > width;
            if is_full && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(char);
        }
        lines.push(line);
    }
    if lines.len() > 1 && lines[0].is_empty() {
        lines.remove(0);
    }
    lines
}

/// The typed line, its end in sight; below a list, what is going on meanwhile.
fn typing(evening: &Evening, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    match evening.screen {
        Screen::Rooms => return frame.render_widget(evening.way.as_str(), area),
        Screen::Way | Screen::Worlds => return,
        Screen::Room => {}
    }
    let prompt = match evening.focus {
        Focus::Chat => "say> ",
        Focus::Table => "> ",
    };
    let room = usize::from(area.width).saturating_sub(prompt.len() + 1);
    let mut shown = evening.line.as_str();
    while Span::raw(shown).width() > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let line = Line::from(vec![Span::styled(prompt, ink.title()), Span::raw(shown)]);
    let end = area.x + line.width() as u16;
    frame.render_widget(line, area);
    frame.set_cursor_position(Position::new(end.min(area.right().saturating_sub(1)), area.y));
}

#[cfg(test)]
mod unit {
    use super::wrapped;

    #[test]
    fn long_lines_are_cut_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh ", "ij"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("四五六", 4), ["四五", "六"]);
        assert_eq!(wrapped("四", 1), ["四"], "narrower than a letter is as good as it gets");
    }
}
