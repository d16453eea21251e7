//! A game whose rules are in a worker, another process in any language: what is known of it here.
//!
//! Why: a client, a bot and a room can do without the rules, if a view says what may be done and shows the table in words.
//!
//! - View: how many actions this seat may take; each as its length and its bytes; the rest is the table, in words.
//!   Event: the length of some words on what happened, these words, and then the viewer's next view, whole.
//!   Actions are texts. All of it is UTF-8.
//! - Owns: that layout, the game's name and number. Does not own how a worker is asked (`usher-workers`).
//! - Invariants: a view that is read was packed by [`View::pack`] or could have been; one event leads to the view in it.
//! - Limits: [`NAME_BYTES_MAX`], [`ACTIONS_MAX`], [`WORDS_BYTES_MAX`], and those of every game.
//!
//! Read next: `docs/workers.md`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use rand_core::Rng;

use crate::game::{ACTION_BYTES_MAX, Action, BadView, EVENT_BYTES_MAX, Seat, VIEW_BYTES_MAX};

/// What stands before the name of a worker's game in configs and command lines.
pub const WORKER: &str = "worker:";
/// Longest name of a worker's game.
pub const NAME_BYTES_MAX: usize = 16;
/// Most actions that a view names.
pub const ACTIONS_MAX: usize = 255;
/// Longest words on what happened.
pub const WORDS_BYTES_MAX: usize = 255;
/// What an event has beside the view in it fits.
const _: () = assert!(1 + WORDS_BYTES_MAX + VIEW_BYTES_MAX <= EVENT_BYTES_MAX);
/// The first number of a worker's game; below are those of the games whose rules are here.
const FIRST_ID: u16 = 1 << 15;

/// A worker's game. Whoever knows it by name or number alone takes seats and times for the usual ones.
#[derive(Clone, Copy, Debug)]
pub struct WorkerGame {
    id: u16,
    name: [u8; NAME_BYTES_MAX],
    name_bytes: u8,
    /// Seats at a table.
    pub seats: u8,
    /// The version of its rules.
    pub rules: u16,
    /// Time to act, in milliseconds, where a room's config names none.
    pub turn_time_ms: u32,
}

impl PartialEq for WorkerGame {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for WorkerGame {}

impl WorkerGame {
    /// The game of this name: 1 to [`NAME_BYTES_MAX`] small letters, digits or hyphens.
    pub fn named(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_plain) {
            return None;
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let game = Self::numbered(FIRST_ID | number(name))?;
        Some(Self { name: bytes, name_bytes: name.len() as u8, ..game })
    }

    /// The game of this number, whose name is not known; none for numbers of games whose rules are here.
    pub const fn numbered(id: u16) -> Option<Self> {
        if id < FIRST_ID {
            return None;
        }
        let name = [0; NAME_BYTES_MAX];
        Some(Self { id, name, name_bytes: 0, seats: 2, rules: 1, turn_time_ms: 30_000 })
    }

    /// Its number: of its name, so that who knows one knows the other. Two names may have one number, and then are not
    /// both to be played in one cluster.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Its name; empty if that is not known.
    pub const fn name(&self) -> &str {
        let (name, _) = self.name.split_at(self.name_bytes as usize);
        match str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => "",
        }
    }
}

/// FNV-1a of 32 bits, folded to 15 (Fowler, Noll, Vo: <http://www.isthe.com/chongo/tech/comp/fnv/>).
fn number(name: &str) -> u16 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    ((hash >> 15 ^ hash) & 0x7fff) as u16
}

/// What one seat, or somebody who watches, may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View<'a> {
    /// What the seat may do now, each 1 to [`ACTION_BYTES_MAX`] bytes.
    pub actions: Vec<&'a str>,
    /// The table, in words.
    pub shown: &'a str,
}

impl<'a> View<'a> {
    /// The view as bytes; why it has none.
    pub fn pack(&self) -> Result<Vec<u8>, &'static str> {
        let count = u8::try_from(self.actions.len()).map_err(|_| "a view names too many actions")?;
        let mut view = Vec::from([count]);
        for action in &self.actions {
            if action.is_empty() || action.len() > ACTION_BYTES_MAX {
                return Err("an action is empty or too long");
            }
            view.push(action.len() as u8);
            view.extend(action.bytes());
        }
        view.extend(self.shown.bytes());
        if view.len() > VIEW_BYTES_MAX { Err("a view is too long") } else { Ok(view) }
    }

    /// Reads what was packed.
    pub fn read(view: &'a [u8]) -> Result<Self, BadView> {
        if view.len() > VIEW_BYTES_MAX {
            return Err(BadView);
        }
        let (&count, mut rest) = view.split_first().ok_or(BadView)?;
        let mut actions = Vec::with_capacity(count.into());
        for _ in 0..count {
            let (&length, after) = rest.split_first().ok_or(BadView)?;
            let (action, after) = after.split_at_checked(length.into()).ok_or(BadView)?;
            if action.is_empty() || action.len() > ACTION_BYTES_MAX {
                return Err(BadView);
            }
            actions.push(str::from_utf8(action).map_err(|_| BadView)?);
            rest = after;
        }
        Ok(Self { actions, shown: str::from_utf8(rest).map_err(|_| BadView)? })
    }
}

/// What a viewer is told of a change: words on it, and the next view. Of words that are too long the beginning.
pub fn event(words: &str, view: &[u8]) -> Vec<u8> {
    let words = beginning(words, WORDS_BYTES_MAX);
    [&[words.len() as u8], words.as_bytes(), view].concat()
}

/// So many bytes of a text at most, up to the end of a character.
pub fn beginning(text: &str, bytes_max: usize) -> &str {
    let end = (0..=text.len().min(bytes_max)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn read_event(event: &[u8]) -> Result<(&str, &[u8]), BadView> {
    let (&length, rest) = event.split_first().ok_or(BadView)?;
    let (words, view) = rest.split_at_checked(length.into()).ok_or(BadView)?;
    Ok((str::from_utf8(words).map_err(|_| BadView)?, view))
}

pub(crate) fn legal_actions(view: &[u8], _seat: Seat) -> Result<Vec<Action>, BadView> {
    Ok(View::read(view)?.actions.into_iter().map(|action| action.as_bytes().into()).collect())
}

pub(crate) fn apply(view: &mut Vec<u8>, event: &[u8]) -> Result<(), BadView> {
    let (_, next) = read_event(event)?;
    View::read(next)?;
    *view = next.into();
    Ok(())
}

pub(crate) fn describe(action: &[u8]) -> String {
    str::from_utf8(action).map_or_else(|_| format!("{action:02x?}"), String::from)
}

pub(crate) fn tell(event: &[u8]) -> String {
    read_event(event).map_or_else(|_| "did something".into(), |(words, _)| words.into())
}

pub(crate) fn show(view: &[u8]) -> Result<String, BadView> {
    Ok(View::read(view)?.shown.into())
}

/// Any legal action.
pub(crate) fn choose(view: &[u8], _seat: Seat, rng: &mut dyn Rng) -> Option<Action> {
    let actions = View::read(view).ok()?.actions;
    let at = rng.next_u32().checked_rem(actions.len() as u32)?;
    Some(actions[at as usize].as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_name_is_a_number() {
        let game = WorkerGame::named("reversi").unwrap();
        assert_eq!(game.name(), "reversi");
        assert_eq!(WorkerGame::numbered(game.id()), Some(game));
        assert_ne!(WorkerGame::named("rps"), Some(game));
        let longest = "abcdefghijklmn-9";
        assert_eq!(WorkerGame::named(longest).unwrap().name(), longest);
        for wrong in ["", "Reversi", "re versi", "ü", "abcdefghijklmn-90"] {
            assert_eq!(WorkerGame::named(wrong), None, "{wrong}");
        }
        assert_eq!(WorkerGame::numbered(3), None);
        assert_eq!([number("reversi"), number("rps")].map(|it| it < FIRST_ID), [true; 2]);
    }

    #[test]
    fn a_view_is_read_as_it_was_packed_and_refused_wherever_it_is_cut() {
        let view = View { actions: vec!["d3", "pass"], shown: "" };
        let bytes = view.pack().unwrap();
        assert_eq!(bytes, b"\x02\x02d3\x04pass");
        assert_eq!(View::read(&bytes), Ok(view));
        for cut in 0..bytes.len() {
            assert_eq!(View::read(&bytes[..cut]), Err(BadView), "cut at {cut}");
        }
        let shown = View { actions: vec![], shown: "●○\nblack wins" };
        assert_eq!(View::read(&shown.pack().unwrap()), Ok(shown));
        for wrong in [&[1, 0][..], &[0, 0xff], &[1, 1, 0xff], &[1, 65]] {
            assert_eq!(View::read(wrong), Err(BadView));
        }
    }

    #[test]
    fn what_has_no_place_in_a_view_is_said() {
        let long = "x".repeat(VIEW_BYTES_MAX);
        assert!(View { actions: vec![], shown: &long[1..] }.pack().is_ok());
        for view in [
            View { actions: vec![], shown: &long },
            View { actions: vec![""], shown: "" },
            View { actions: vec![&long[..=ACTION_BYTES_MAX]], shown: "" },
            View { actions: vec!["a"; ACTIONS_MAX + 1], shown: "" },
        ] {
            assert!(view.pack().is_err());
        }
    }

    #[test]
    fn an_event_leads_to_the_view_in_it() {
        let next = View { actions: vec!["c4"], shown: "board" }.pack().unwrap();
        let mut view = vec![0];
        let told = event("played d3", &next);
        assert_eq!(tell(&told), "played d3");
        assert_eq!(apply(&mut view, &told), Ok(()));
        assert_eq!(view, next);
        for cut in 0..told.len() {
            let before = view.clone();
            if apply(&mut view, &told[..cut]).is_err() {
                assert_eq!(view, before);
            }
        }
        let longest = event(&"ü".repeat(WORDS_BYTES_MAX), &next);
        assert_eq!(tell(&longest).len(), WORDS_BYTES_MAX - 1, "cut between two letters");
        assert_eq!(apply(&mut view, &longest), Ok(()));
    }
}
