//! What keys do.
//!
//! Why: one place that says it, screen by screen; the help line at the foot is made here too, so that it cannot say
//! something else.
//! Invariants: Ctrl-C always quits. What gives up a hand is asked twice, by the same key.
//! Limits: a chat has [`CHAT_BYTES_MAX`] bytes; a move [`MOVE_CHARS_MAX`] characters, more than any hand of cards.
//! Read next: `evening.rs`.

use super::evening::{Evening, Focus, Inside, Rooms, Screen, Sure, Voice};
use super::table::Table;
use super::words::{action_name, cell, doudizhu_action, gomoku_action};
use super::{owning, plain};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use usher_games::doudizhu::DouDizhu;
use usher_games::{GameKind, Rules, bot, gomoku};
use usher_player::person::{Place, Wish};
use usher_proto::TableNo;
use usher_proto::limits::CHAT_BYTES_MAX;
use usher_proto::message::{Act, Chat, Sit, Stand, TableChat};
use usher_secure::os_rng;

const MOVE_CHARS_MAX: usize = 60;
/// What is said after this is for the table alone.
const TO_THE_TABLE: &str = "/t ";

/// What a key asks for beyond what it changed.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Nothing,
    Quit,
    Wish(Wish),
}

impl Evening {
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Asked {
        let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_ctrl && key.code == KeyCode::Char('c') {
            return Asked::Quit;
        }
        if is_ctrl {
            return Asked::Nothing;
        }
        let sure = self.sure.take();
        match self.screen {
            Screen::Way => self.way_key(key.code),
            Screen::Worlds => self.worlds_key(key.code),
            Screen::Rooms => self.rooms_key(key.code),
            Screen::Room if self.focus == Focus::Chat => self.chat_key(key.code),
            Screen::Room => self.table_key(key.code, sure),
        }
    }

    fn way_key(&self, code: KeyCode) -> Asked {
        match code {
            KeyCode::Char('q') => Asked::Quit,
            KeyCode::Esc if self.me.is_some() => Asked::Wish(Wish::Leave),
            _ => Asked::Nothing,
        }
    }

    fn worlds_key(&mut self, code: KeyCode) -> Asked {
        match code {
            KeyCode::Up => self.world_at = self.world_at.saturating_sub(1),
            KeyCode::Down => self.world_at = (self.world_at + 1).min(self.worlds.len().saturating_sub(1)),
            KeyCode::Char('q') | KeyCode::Esc => return Asked::Quit,
            KeyCode::Enter => {
                let Some(world) = self.worlds.get(self.world_at).map(|entry| entry.world) else {
                    return Asked::Nothing;
                };
                self.screen = Screen::Way;
                return Asked::Wish(Wish::Choose(world));
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn rooms_key(&mut self, code: KeyCode) -> Asked {
        let last = self.rooms.shown().count().saturating_sub(1);
        match code {
            KeyCode::Up => self.rooms.at = self.rooms.at.saturating_sub(1),
            KeyCode::Down => self.rooms.at = (self.rooms.at + 1).min(last),
            KeyCode::PageUp => self.rooms.at = self.rooms.at.saturating_sub(10),
            KeyCode::PageDown => self.rooms.at = (self.rooms.at + 10).min(last),
            KeyCode::Home => self.rooms.at = 0,
            KeyCode::End => self.rooms.at = last,
            KeyCode::Char('g') => self.rooms.next_filter(),
            KeyCode::Char('r') => return Asked::Wish(Wish::Browse),
            KeyCode::Char('q') | KeyCode::Esc => return Asked::Quit,
            KeyCode::Enter => {
                let Some(room) = self.rooms.shown().nth(self.rooms.at) else { return Asked::Nothing };
                let (address, room, game) = (room.address.clone(), room.room, room.game);
                return Asked::Wish(Wish::Enter(Place { address, room, game }));
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn chat_key(&mut self, code: KeyCode) -> Asked {
        match code {
            KeyCode::Esc | KeyCode::Tab => self.turn_to(Focus::Table),
            KeyCode::Backspace => drop(self.line.pop()),
            KeyCode::Char(char) if self.line.len() + char.len_utf8() <= CHAT_BYTES_MAX => {
                self.line.push(char);
            }
            KeyCode::Enter if !self.line.trim().is_empty() => {
                self.chats += 1;
                let (request, text) = (self.chats, std::mem::take(&mut self.line));
                let said = match text.strip_prefix(TO_THE_TABLE) {
                    Some(text) => TableChat { request, text: text.into() }.into(),
                    None => Chat { request, text }.into(),
                };
                return Asked::Wish(Wish::Say(said));
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn turn_to(&mut self, focus: Focus) {
        self.focus = focus;
        self.line.clear();
    }

    fn table_key(&mut self, code: KeyCode, sure: Option<Sure>) -> Asked {
        let kind = self.seated().and_then(|table| table.kind);
        match code {
            KeyCode::Tab => self.turn_to(Focus::Chat),
            KeyCode::Backspace => drop(self.line.pop()),
            KeyCode::Esc if !self.line.is_empty() => self.line.clear(),
            KeyCode::Esc => return self.once_sure(Sure::Leave, sure, Asked::Wish(Wish::Leave)),
            KeyCode::Left | KeyCode::Right | KeyCode::Up | KeyCode::Down
                if kind == Some(GameKind::Gomoku) =>
            {
                self.line.clear();
                self.cursor = moved(self.cursor, code);
            }
            KeyCode::Char('?') => self.hint(),
            KeyCode::Enter => return self.enter(),
            KeyCode::Char(' ') if kind == Some(GameKind::Gomoku) && !self.is_number() => return self.enter(),
            KeyCode::Char(char) if self.is_move_char(kind, char) => {
                if self.line.chars().count() < MOVE_CHARS_MAX {
                    self.line.push(char);
                }
                if let (Some(GameKind::Gomoku), Some(cell)) = (kind, cell(&self.line)) {
                    self.cursor = cell;
                }
            }
            KeyCode::Char('q') => return self.once_sure(Sure::Quit, sure, Asked::Quit),
            KeyCode::Char('u') if kind.is_some() => {
                return self.once_sure(Sure::Stand, sure, Asked::Wish(Wish::Say(Stand {}.into())));
            }
            KeyCode::Char('r') if kind == Some(GameKind::Gomoku) => return self.resign(sure),
            KeyCode::Char('s') if kind.is_none() => return self.sit(),
            KeyCode::Char(letter) => return self.owning_key(letter).unwrap_or(Asked::Nothing),
            _ => {}
        }
        Asked::Nothing
    }

    /// Whether a character belongs to a move, and to no command.
    fn is_move_char(&self, kind: Option<GameKind>, char: char) -> bool {
        match kind {
            None => char.is_ascii_digit(),
            Some(GameKind::Gomoku) => {
                char.is_ascii_digit() || ('a'..='o').contains(&char.to_ascii_lowercase())
            }
            Some(GameKind::DouDizhu) => "0123456789tTjJqQkKaAsSbBpP".contains(char),
            Some(kind) => char.is_ascii_digit() || self.is_plain_move_char(kind, char),
        }
    }

    /// On one's turn, whatever a move may go on with. Where a command is as likely, the game's words decide.
    fn is_plain_move_char(&self, kind: GameKind, char: char) -> bool {
        let Some(table) = self.seated().filter(|table| table.is_my_turn()) else { return false };
        let may_be_command = self.line.is_empty() || (char == owning::DISMISS && self.is_number());
        !may_be_command || plain::begins_move(kind, table, &format!("{}{char}", self.line))
    }

    /// Whether what was typed so far may be the number of a seat.
    fn is_number(&self) -> bool {
        let typed = self.line.trim_end();
        !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit())
    }

    fn seated(&self) -> Option<&Table> {
        self.inside.as_ref()?.table.as_ref()
    }

    /// In the middle of a hand, only what is asked for twice is done.
    fn once_sure(&mut self, what: Sure, sure: Option<Sure>, asked: Asked) -> Asked {
        let gives_up = self.seated().is_some_and(|table| table.playing);
        if !gives_up || sure == Some(what) {
            return asked;
        }
        self.sure = Some(what);
        self.note(Voice::Warning, "that gives the hand up; press it again if you mean it");
        Asked::Nothing
    }

    fn sit(&mut self) -> Asked {
        let table = (!self.line.is_empty()).then(|| self.line.parse());
        self.line.clear();
        let Ok(table) = table.transpose() else {
            self.note(Voice::Warning, "there is no table of that number");
            return Asked::Nothing;
        };
        Asked::Wish(Wish::Say(Sit { table: table.map(TableNo), seat: None }.into()))
    }

    fn resign(&mut self, sure: Option<Sure>) -> Asked {
        let Some(table) = self.seated().filter(|table| table.is_my_turn()) else {
            self.note(Voice::Warning, "giving up is possible on your turn");
            return Asked::Nothing;
        };
        let asked = Asked::Wish(act(table, vec![gomoku::RESIGN]));
        self.once_sure(Sure::Resign, sure, asked)
    }

    /// Does what was typed, or plays where the cursor is.
    fn enter(&mut self) -> Asked {
        let Some(table) = self.seated() else { return self.sit() };
        let typed = match (table.kind, self.line.trim()) {
            (Some(GameKind::Gomoku), "") => Ok(vec![self.cursor]),
            (Some(_), "") => return Asked::Nothing,
            (Some(GameKind::Gomoku), text) => gomoku_action(text),
            (Some(GameKind::DouDizhu), text) => match DouDizhu::from_view(&table.view) {
                Ok(hand) => doudizhu_action(text, &hand, table.seat),
                Err(_) => Err("no hand is played yet".into()),
            },
            (Some(kind), text) => plain::action(kind, table, text),
            (None, _) => Err("this client does not know the game; there is a newer one perhaps".into()),
        };
        let asked = match typed {
            _ if !table.playing => Err("no hand is played yet".into()),
            _ if !table.is_my_turn() => Err("it is not your turn".into()),
            Ok(action) => Ok(act(table, action)),
            Err(why) => Err(why),
        };
        self.line.clear();
        match asked {
            Ok(wish) => Asked::Wish(wish),
            Err(why) => {
                self.note(Voice::Warning, why);
                Asked::Nothing
            }
        }
    }

    /// Types what a bot would do; the person may take it back.
    fn hint(&mut self) {
        let Some(table) = self.seated().filter(|table| table.is_my_turn()) else {
            return self.note(Voice::Warning, "there is a hint on your turn");
        };
        let Some(kind) = table.kind else { return };
        let Some(action) = bot::choose(kind, &table.view, table.seat, &mut os_rng()) else { return };
        self.line = action_name(kind, &action);
        if let (GameKind::Gomoku, Some(cell)) = (kind, cell(&self.line)) {
            self.cursor = cell;
        }
    }
}

/// The line at the foot: what keys do now.
impl Evening {
    /// As many of them as the width has room for; what matters most comes first.
    pub(super) fn help(&self, width: u16) -> String {
        let mut line = String::new();
        for key in self.keys() {
            let gap = if line.is_empty() { "" } else { "  " };
            if line.len() + gap.len() + key.len() > usize::from(width) {
                break;
            }
            line += gap;
            line += key;
        }
        line
    }

    fn keys(&self) -> Vec<&'static str> {
        let said = match (self.screen, self.focus, self.seated()) {
            (Screen::Way, ..) => &["q quit"][..],
            (Screen::Worlds, ..) => &["up/down choose", "Enter go there", "q quit"],
            (Screen::Rooms, ..) => &["up/down choose", "Enter go in", "g game", "r look again", "q quit"],
            (Screen::Room, Focus::Chat, _) => {
                &["type and Enter to say it", "/t first: to the table alone", "Tab back to the table"]
            }
            (Screen::Room, _, None) => {
                &["s sit (a number first: that table)", "Tab chat", "Esc rooms", "q quit"]
            }
            (Screen::Room, _, Some(table)) => return keys_at(table),
        };
        said.to_vec()
    }
}

fn keys_at(table: &Table) -> Vec<&'static str> {
    let plays: &[_] = match table.kind {
        Some(GameKind::Gomoku) => &["arrows or h8, Enter", "? hint", "r give up"],
        Some(GameKind::DouDizhu) => &["cards or a bid, Enter", "p pass", "? hint"],
        Some(_) => &["a move, Enter", "? hint"],
        None => &[],
    };
    let quits = match table.kind {
        Some(GameKind::Gomoku) | None => "q quit",
        Some(_) => "Ctrl-C quit", // q may be part of a move
    };
    let always = ["u stand", "Tab chat", "Esc rooms", quits];
    let (owns, always) = (owning::keys(table), always.to_vec());
    if table.playing { [plays.to_vec(), always, owns].concat() } else { [owns, always].concat() }
}

impl Rooms {
    /// All games, then each of those there are, and round.
    fn next_filter(&mut self) {
        let games: Vec<_> = self.totals.iter().map(|total| total.game).collect();
        self.filter = match self.filter {
            None => games.first().copied(),
            Some(game) => games.iter().skip_while(|it| **it != game).nth(1).copied(),
        };
        self.at = 0;
    }
}

fn act(table: &Table, action: Vec<u8>) -> Wish {
    Wish::Say(Act { hand: table.hand, turn: table.turn, action: action.into() }.into())
}

fn moved(cursor: u8, code: KeyCode) -> u8 {
    let (row, column) = (cursor / gomoku::SIDE, cursor % gomoku::SIDE);
    let last = gomoku::SIDE - 1;
    let (row, column) = match code {
        KeyCode::Left => (row, column.saturating_sub(1)),
        KeyCode::Right => (row, (column + 1).min(last)),
        KeyCode::Up => (row.saturating_sub(1), column),
        _ => ((row + 1).min(last), column),
    };
    row * gomoku::SIDE + column
}

/// Whether the room's connection is there.
impl Inside {
    pub(super) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }
}
