//! A hand that is over, written down: who sat where, what the chance was, what was done, what came of it.
//!
//! Why: the same seed and the same moves give the same hand, so this is all that is needed to settle a quarrel over
//! one, to play it back, and to count it once however often it is told.
//! Owns: the record and its name, and what is said of a hand that failed. Does not own how a hand is played
//! (`usher-games`) nor where records lie (`usher-store`).
//! Invariants: a hand's name is never given to another one; the seed is in nobody's hands before the hand is over.
//! Read next: `usher-logic`'s `room`, which makes them.

use crate::ids::{AccountId, GameId, RoomNo, ServerName, TableNo};
use crate::limits::NAME_BYTES_MAX;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// Why a hand ended whose game failed.
pub const FAULT: &str = "fault";

/// What a hand's chance is made of: 256 bits that nobody can guess.
pub type Seed = [u8; 32];

/// Which hand, of all that were ever played in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandId {
    /// The room server.
    pub server: ServerName,
    /// When its process started, unix milliseconds.
    pub incarnation: u64,
    /// The room there.
    pub room: RoomNo,
    /// The table in it.
    pub table: TableNo,
    /// The hand at that table: 1, 2, ...
    pub hand: u64,
}

impl fmt::Display for HandId {
    /// `SERVER/INCARNATION/ROOM/TABLE/HAND`, in numbers but for the first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, incarnation, room, table, hand } = self;
        write!(f, "{}/{incarnation}/{}/{}/{hand}", server.0, room.0, table.0)
    }
}

impl FromStr for HandId {
    type Err = BadHandId;

    /// What `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, BadHandId> {
        let mut parts = text.rsplitn(5, '/');
        let [hand, table, room, incarnation, server] = [(); 5].map(|()| parts.next().unwrap_or_default());
        let id = Self {
            server: server.into(),
            incarnation: incarnation.parse().map_err(|_| BadHandId)?,
            room: RoomNo(room.parse().map_err(|_| BadHandId)?),
            table: TableNo(table.parse().map_err(|_| BadHandId)?),
            hand: hand.parse().map_err(|_| BadHandId)?,
        };
        let length = id.server.0.len();
        let is_named = (1..=NAME_BYTES_MAX).contains(&length);
        // A number has more than one spelling (`+1`, `01`), a hand one name.
        (is_named && id.to_string() == text).then_some(id).ok_or(BadHandId)
    }
}

/// A text that is no hand's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHandId;

impl fmt::Display for BadHandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no hand: SERVER/INCARNATION/ROOM/TABLE/HAND, in numbers but for the first")
    }
}

impl core::error::Error for BadHandId {}

/// One thing that moved a hand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// A seat acted.
    Act {
        /// Which.
        seat: u8,
        /// How, in the game's own layout.
        action: Vec<u8>,
    },
    /// The clock of those to act ran out.
    Timeout,
    /// A seat's player left.
    Abandon {
        /// Which.
        seat: u8,
    },
}

/// A hand that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandRecord {
    /// Its name.
    pub id: HandId,
    /// What was played.
    pub game: GameId,
    /// By which version of the game's rules.
    pub rules: u16,
    /// Its chance.
    pub seed: Seed,
    /// Who sat where when it began, by seat.
    pub seats: Vec<AccountId>,
    /// All that happened, in order.
    pub moves: Vec<Move>,
    /// Points won and lost, by seat; they sum to zero.
    pub scores: Vec<i32>,
    /// How it ended, in the game's own words, or [`FAULT`].
    pub reason: String,
    /// When it began, unix milliseconds.
    pub began_unix_ms: u64,
    /// When it ended, unix milliseconds.
    pub ended_unix_ms: u64,
}

impl HandRecord {
    /// The seats whose players left before the end: seat `s` is bit `s`.
    pub fn left(&self) -> u8 {
        self.moves.iter().fold(0, |left, it| match it {
            Move::Abandon { seat } => left | 1 << seat,
            Move::Act { .. } | Move::Timeout => left,
        })
    }
}

/// A hand that came to nothing, for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandFailure {
    /// Which.
    pub hand: HandId,
    /// Whether it had begun, and so ended as a [`FAULT`]; else no worker opened it.
    pub had_begun: bool,
    /// Why, in the words of the game or of who was asked for it.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_hand_and_has_one_spelling() {
        let (room, table, hand) = (RoomNo(2), TableNo(3), u64::MAX);
        let id = HandId { server: "room-1".into(), incarnation: 1_767_225_600_000, room, table, hand };
        assert_eq!(id.to_string(), "room-1/1767225600000/2/3/18446744073709551615");
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        let slashed = HandId { server: "a/b".into(), ..id };
        assert_eq!(slashed.to_string().parse(), Ok(slashed));
        let longest = alloc::format!("{}/1/2/3/4", "n".repeat(NAME_BYTES_MAX));
        assert!(longest.parse::<HandId>().is_ok());
        let wrong = ["", "a", "a/1/2/3", "/1/2/3/4", "a/1/2/3/", "a/1/2/3/+4", "a/01/2/3/4", "a/1/65536/3/4"];
        for text in wrong.into_iter().chain([" a/1/2/3/4 ", "a/1/2/3/4/", &alloc::format!("n{longest}")]) {
            assert_eq!(text.parse::<HandId>(), Err(BadHandId), "{text:?}");
        }
    }
}
