//! A visit to a hall server: the room directory and a renewed ticket.
//!
//! Why: a player needs to see where there is room before taking a long connection anywhere.
//! Limits: [`crate::limits::DIRECTORY_ROOMS_MAX`] rooms an answer, fullest first below 80 %.
//! Read next: [`super::room`].

use crate::ids::{Address, GameId, RoomNo};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Show me the rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetDirectory {
    /// Of this game only; all games otherwise.
    #[serde(default)]
    pub game: Option<GameId>,
}

/// The rooms with space, and how many people play what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Rooms with space.
    pub rooms: Vec<RoomEntry>,
    /// Every game's totals, full rooms included.
    pub totals: Vec<GameTotal>,
}

/// One room with space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEntry {
    /// Where its server is.
    pub address: Address,
    /// Its number there.
    pub room: RoomNo,
    /// Its name.
    pub name: Arc<str>,
    /// What is played in it.
    pub game: GameId,
    /// People in it.
    pub population: u32,
    /// People it has seats for.
    pub capacity: u32,
}

/// How many people play one game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GameTotal {
    /// The game.
    pub game: GameId,
    /// Its rooms.
    pub rooms: u32,
    /// The people in them.
    pub population: u32,
    /// The people they have seats for.
    pub capacity: u32,
}

/// The rest of a hall visit, for this player alone; sent before [`Directory`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// The same session, sealed anew. Absent when the session may not be prolonged.
    #[serde(default)]
    pub ticket: Option<ByteBuf>,
    /// Come back for a fresh directory after this, jittered already, in seconds.
    pub directory_refresh_s: u32,
    /// The rooms where this player still has a seat.
    #[serde(default)]
    pub seats: Vec<SeatKept>,
}

/// A room where a player still has a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatKept {
    /// Where its server is.
    pub address: Address,
    /// Its number there.
    pub room: RoomNo,
    /// What is played in it.
    pub game: GameId,
}
