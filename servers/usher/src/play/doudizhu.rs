//! A hand of Dou Dizhu: own cards, what lies on the table, what it is played for.
//!
//! Read next: `words.rs`, which names cards.

use super::ink::Ink;
use super::table::Table;
use super::words::{cards_name, who};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use usher_games::doudizhu::DouDizhu;
use usher_games::{Rules, Seat};

pub(super) fn draw(table: &Table, ink: Ink, frame: &mut Frame<'_>, area: Rect) {
    let Ok(hand) = DouDizhu::from_view(&table.view) else { return };
    let mut lines = vec![Line::raw(""), played_for(&hand, ink)];
    if let Some(bottom) = hand.bottom() {
        lines.push(Line::styled(format!("bottom cards: {}", cards_name(bottom)), ink.dim()));
    }
    lines.push(Line::raw(""));
    lines.push(on_table(table, &hand, ink));
    lines.push(Line::raw(""));
    for (seat, sitter) in (0..).zip(&table.seats) {
        let seat = Seat(seat);
        let Some(cards) = hand.hand(seat) else { continue };
        let name = if seat == table.seat { "your".into() } else { sitter.map_or("their".into(), who) };
        let style = if seat == table.seat { ink.mine() } else { Style::new() };
        lines.push(Line::raw(format!("{name} cards ({}):", cards.len())));
        lines.push(Line::styled(cards_name(cards), style));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}

fn played_for(hand: &DouDizhu, ink: Ink) -> Line<'static> {
    if hand.landlord().is_some() {
        return Line::raw(format!("stake: {} for each peasant", hand.stake_now()));
    }
    let highest = hand.bids().into_iter().flatten().max().unwrap_or(0);
    match hand.to_move() {
        None => Line::raw("nobody bid"),
        Some(_) => Line::styled(format!("bidding: {highest} so far; bid 1-3, or p"), ink.title()),
    }
}

fn on_table(table: &Table, hand: &DouDizhu, ink: Ink) -> Line<'static> {
    match hand.on_table() {
        Some((seat, cards)) => {
            let name = match table.sitter(seat.0) {
                _ if seat == table.seat => "you".into(),
                Some(account) => who(account),
                None => format!("seat {}", seat.0 + 1),
            };
            Line::styled(format!("on the table: {}  (by {name})", cards_name(cards)), ink.title())
        }
        None if hand.landlord().is_some() && hand.to_move().is_some() => {
            Line::raw("nothing to beat: who moves leads")
        }
        None => Line::raw(""),
    }
}

/// What a seat is, what it bid, how many cards it has.
pub(super) fn role(table: &Table, seat: u8) -> String {
    let Ok(hand) = DouDizhu::from_view(&table.view) else { return String::new() };
    let cards = hand.count(Seat(seat));
    let what = match hand.landlord() {
        Some(landlord) if landlord == Seat(seat) => "landlord",
        Some(_) => "peasant",
        None => match hand.bids()[usize::from(seat).min(2)] {
            None => "",
            Some(0) => "passed",
            Some(1) => "bid 1",
            Some(2) => "bid 2",
            Some(_) => "bid 3",
        },
    };
    format!("{what:<9}{cards:>2} cards")
}
