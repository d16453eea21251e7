//! Being in a room: entering, chatting, leaving.
//!
//! Why: the long connection of a player; the tables of [`super::table`] use the same one.
//! Invariants: the chats of a room are numbered 1, 2, 3, ... without gaps; a stay that began with
//! `Entered { seq: a }` and ended with `Left { seq: b }` was sent exactly the chats a+1 ..= b, in order.
//! Limits: [`crate::limits::CHAT_BYTES_MAX`] a text, [`crate::limits::ANNOUNCEMENT_BYTES_MAX`] an announcement.
//! Read next: [`super::table`].

use crate::ids::{AccountId, Address, GameId, RoomNo, TableNo};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Let me into a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enter {
    /// The game.
    pub game: GameId,
    /// The room; any room of this game with space otherwise.
    #[serde(default)]
    pub room: Option<RoomNo>,
    /// Coming back: the last chat seen, so that the rest can be replayed.
    #[serde(default)]
    pub last_seq: Option<u64>,
    /// Coming back to a seat: the last hand there that is known to be over, so that a later one's end can be told.
    #[serde(default)]
    pub last_hand: Option<u64>,
}

/// You are in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The room.
    pub room: RoomNo,
    /// Its name.
    pub name: String,
    /// The next chat you are sent is the one after this.
    pub seq: u64,
    /// People in it now, you among them.
    pub population: u32,
    /// The seat that was kept for you; a [`super::TableState`] follows.
    #[serde(default)]
    pub seat: Option<SeatNo>,
}

/// A seat of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeatNo {
    /// The table.
    pub table: TableNo,
    /// The seat at it, from 0.
    pub seat: u8,
}

/// You are not in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterDenied {
    /// Why.
    pub reason: EnterDenial,
}

/// Why somebody was not let into a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnterDenial {
    /// It is full; these rooms of the same game and server have space.
    Full(Vec<RoomNo>),
    /// There is no such room here.
    NoSuchRoom,
    /// You are in a room of this game already: that one.
    Elsewhere {
        /// Where its server is.
        address: Address,
        /// Its number there.
        room: RoomNo,
    },
    /// A later login of this account has taken over.
    Superseded,
    /// You are in a room on this connection already: leave it first.
    AlreadyInside,
    /// This server is being emptied.
    Draining,
    /// More people are waiting for an answer than this server lets wait.
    Busy,
}

/// Tell me who is in the room, and from now on who comes and goes, as long as I am in it by this connection. Asking again
/// changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoIsHere {}

/// Who came into the room and who went. First everybody who is there; from then on what changed, gathered up for a
/// moment: what is known already may be said again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// They are here; with those who went at most [`crate::limits::PRESENCE_MAX`], and more messages follow.
    #[serde(default)]
    pub came: Vec<AccountId>,
    /// They are not.
    #[serde(default)]
    pub left: Vec<AccountId>,
    /// How many are here now.
    pub population: u32,
}

/// Let me out of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {}

/// You are out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The last chat you were sent.
    pub seq: u64,
}

/// Say something to the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The client's number for it; the acknowledgement names it.
    pub request: u32,
    /// The text.
    pub text: String,
}

/// It was said, as number `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAccepted {
    /// The client's number.
    pub request: u32,
    /// The room's number.
    pub seq: u64,
}

/// It was not said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatDenied {
    /// The client's number.
    pub request: u32,
    /// Why.
    pub reason: ChatDenial,
}

/// Why a chat was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatDenial {
    /// Empty, or longer than [`crate::limits::CHAT_BYTES_MAX`].
    Length,
    /// Not in a room.
    NotInside,
    /// Not at a table.
    NotSeated,
    /// More than the room lets one person say in so short a time.
    TooFast,
}

/// Somebody said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSaid {
    /// The room's number for it.
    pub seq: u64,
    /// Who.
    pub from: AccountId,
    /// What.
    pub text: String,
}

/// Chats that were said while you were away and are not kept any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatGap {
    /// The first one missed.
    pub first: u64,
    /// The last one missed.
    pub last: u64,
}

/// The operator says something to everybody who is in a room. It has no number, is not kept, and is not said again to who
/// comes later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The text; at most [`crate::limits::ANNOUNCEMENT_BYTES_MAX`].
    pub text: String,
}
