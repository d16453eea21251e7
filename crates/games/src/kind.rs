//! The list of games: the number each has on the wire, and how a hand of it begins.
//!
//! Everything that must choose by game is here, in one `match` a question, so that the compiler names every
//! place a new game has to answer.
//!
//! Invariant: an id, once given, is never used for another game.
//!
//! Read next: `gomoku.rs`, `doudizhu.rs`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::doudizhu::{self, DouDizhu};
use crate::game::{BadView, Game};
use crate::gomoku::{self, Gomoku};

/// A game that can be played at a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum GameKind {
    /// Five in a row on 15 x 15, two seats.
    Gomoku = 1,
    /// One landlord against two peasants with 54 cards, three seats.
    DouDizhu = 2,
}

impl GameKind {
    /// Every game there is, by id.
    pub const ALL: &'static [Self] = &[Self::Gomoku, Self::DouDizhu];

    /// The game's number on the wire and in tables of results.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The game with this number, if there is one.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.id() == id)
    }

    /// The game's name in configs, logs and command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gomoku => "gomoku",
            Self::DouDizhu => "doudizhu",
        }
    }

    /// The game with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The version of its rules: records of hands name it, and it grows when the same moves may come to something else.
    pub const fn rules(self) -> u16 {
        match self {
            Self::Gomoku | Self::DouDizhu => 1,
        }
    }

    /// Seats at a table. A hand needs all of them taken.
    pub const fn seats(self) -> u8 {
        match self {
            Self::Gomoku => 2,
            Self::DouDizhu => 3,
        }
    }

    /// Time to act, in milliseconds, where a room's config names none.
    pub const fn turn_time_ms(self) -> u32 {
        match self {
            Self::Gomoku => 30_000,
            Self::DouDizhu => 20_000,
        }
    }

    /// Starts a hand. All its chance (who is first, what is dealt) comes from `seed`, which therefore stays
    /// with the server.
    pub fn new_hand(self, seed: [u8; 32]) -> Box<dyn Game> {
        match self {
            Self::Gomoku => Box::new(Gomoku::new(seed)),
            Self::DouDizhu => Box::new(DouDizhu::new(seed)),
        }
    }

    /// An action in the words of those who play, for people. Bytes that are none are shown as they are.
    pub fn describe(self, action: &[u8]) -> String {
        match self {
            Self::Gomoku => gomoku::describe(action),
            Self::DouDizhu => doudizhu::describe(action),
        }
    }

    /// What a client does with an event: brings its `view` of the hand up to date. The result is, byte for
    /// byte, the view the server would send now. On an error the view is as it was; ask for a new one.
    pub fn apply(self, view: &mut Vec<u8>, event: &[u8]) -> Result<(), BadView> {
        *view = match self {
            Self::Gomoku => {
                let mut hand = Gomoku::from_view(view)?;
                hand.apply(event)?;
                hand.to_view()
            }
            Self::DouDizhu => {
                let mut hand = DouDizhu::from_view(view)?;
                hand.apply(event)?;
                hand.to_view()
            }
        };
        Ok(())
    }
}

impl fmt::Display for GameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back_to_their_game() {
        for &kind in GameKind::ALL {
            assert_eq!(GameKind::from_id(kind.id()), Some(kind));
            assert_eq!(GameKind::from_name(kind.name()), Some(kind));
            assert!(usize::from(kind.seats()) <= crate::SEATS_MAX);
            assert_eq!(kind.new_hand([0; 32]).kind(), kind);
        }
        assert_eq!(GameKind::from_id(0), None);
        assert_eq!(GameKind::from_id(u16::MAX), None);
        assert_eq!(GameKind::from_name("Gomoku"), None);
    }

    #[test]
    fn games_keep_their_numbers() {
        assert_eq!(GameKind::ALL.iter().map(|kind| kind.id()).collect::<Vec<_>>(), [1, 2]);
    }
}
