//! At a table: sitting, playing, standing up, on the room's connection.
//!
//! Why: no second socket, so no state to reconcile between two.
//! Invariants: an action names hand and turn; one that is not for the current turn changes nothing and is
//! answered with the table's state. What a seat may not see is not in what it is sent.
//! Limits: [`crate::limits::ACTION_BYTES_MAX`], [`crate::limits::EVENT_BYTES_MAX`],
//! [`crate::limits::VIEW_BYTES_MAX`], [`crate::limits::SEATS_MAX`]; the game defines the bytes.
//! Read next: `usher-games`.

use super::room::SeatNo;
use crate::ids::{AccountId, TableNo};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

/// Let me sit down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sit {
    /// At this table; any with a free seat otherwise.
    #[serde(default)]
    pub table: Option<TableNo>,
    /// In this seat; any free one otherwise.
    #[serde(default)]
    pub seat: Option<u8>,
}

/// You sit; a [`TableState`] follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// Where.
    pub at: SeatNo,
}

/// You do not sit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitDenied {
    /// Why.
    pub reason: SitDenial,
}

/// Why somebody could not sit down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SitDenial {
    /// Not in a room.
    NotInside,
    /// Sitting already: stand up first.
    AlreadySeated,
    /// That seat, or every seat of that table, is taken.
    Taken,
    /// There is no such table or seat.
    NoSuchSeat,
    /// The table's owner lets nobody else sit down.
    Closed,
}

/// Let me stand up. In the middle of a hand that gives the hand up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {}

/// You stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stood {
    /// Where you sat; nowhere if you did not sit.
    pub from: Option<SeatNo>,
    /// Whether the table's owner wished it.
    #[serde(default)]
    pub dismissed: bool,
}

/// A table as one seat may see it. Sent on sitting down, when a hand starts, on coming back, and to who acted
/// on an old turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// The table.
    pub table: TableNo,
    /// Which hand is played at it: 1, 2, ...; 0 before the first.
    pub hand: u64,
    /// Whether that hand is still played.
    pub playing: bool,
    /// The number of actions taken in it.
    pub turn: u32,
    /// Who sits where.
    pub seats: Vec<Option<AccountId>>,
    /// Whose turn it is.
    pub to_act: Option<u8>,
    /// How long that seat still has, in milliseconds.
    pub turn_left_ms: u32,
    /// The game as this seat may see it, in the game's own layout.
    pub view: ByteBuf,
    /// What each of those who sit there has won and lost at this game so far, where that is known.
    #[serde(default)]
    pub scores: Vec<Option<i64>>,
    /// The seat of the table's owner; nobody's while nobody sits.
    #[serde(default)]
    pub owner: Option<u8>,
    /// What the owner has laid down.
    #[serde(default)]
    pub rules: TableRules,
    /// The seats that are ready for the next hand: seat `s` is bit `s`.
    #[serde(default)]
    pub ready: u8,
}

/// I do this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// In this hand.
    pub hand: u64,
    /// On this turn.
    pub turn: u32,
    /// The action, in the game's own layout.
    pub action: ByteBuf,
}

/// A seat did this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// In this hand.
    pub hand: u64,
    /// On this turn; the next is one more.
    pub turn: u32,
    /// Which seat.
    pub seat: u8,
    /// The action as you may see it, in the game's own layout.
    pub action: ByteBuf,
    /// Whose turn it is now; nobody's when the hand is over.
    pub to_act: Option<u8>,
}

/// Your action was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActDenied {
    /// The hand you named.
    pub hand: u64,
    /// The turn you named.
    pub turn: u32,
    /// Why.
    pub reason: ActDenial,
}

/// Why an action was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActDenial {
    /// You do not sit at a table.
    NotSeated,
    /// That turn is over, or not yet; a [`TableState`] follows.
    Stale,
    /// It is somebody else's turn.
    NotYourTurn,
    /// The game does not allow it; its own reason.
    Illegal(String),
}

/// The hand is over. Told to who comes back to a seat, too, if it was not known there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandEnded {
    /// Which.
    pub hand: u64,
    /// Points by seat; they sum to zero.
    pub scores: Vec<i32>,
    /// Why it ended, in the game's own words.
    pub reason: Box<str>,
    /// What each seat has won and lost at this game so far, this hand included, if that is kept.
    #[serde(default)]
    pub totals: Vec<i64>,
    /// Its chance: what was dealt can be checked now.
    #[serde(default)]
    pub seed: Option<Box<ByteArray<32>>>,
    /// Seats whose players left before the end: seat `s` is bit `s`.
    #[serde(default)]
    pub left: u8,
    /// Who played it, by seat: somebody else may sit there by now.
    #[serde(default)]
    pub seats: Vec<AccountId>,
}

/// What somebody at your table has won and lost at this game so far. Said when it is known, after sitting down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// Who sits there.
    pub at: SeatNo,
    /// The points.
    pub score: i64,
}

/// Somebody sat down at your table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerSat {
    /// Where.
    pub at: SeatNo,
    /// Who.
    pub account: AccountId,
}

/// Somebody stood up from your table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerStood {
    /// From where.
    pub at: SeatNo,
    /// Who.
    pub account: AccountId,
}

/// Say something to those who sit at my table. It is not numbered, and not kept for who is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableChat {
    /// The client's number for it, which a [`super::ChatDenied`] names.
    pub request: u32,
    /// The text, at most [`crate::limits::CHAT_BYTES_MAX`].
    pub text: String,
}

/// Somebody said something at your table; you hear yourself, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSaid {
    /// Who.
    pub from: AccountId,
    /// What.
    pub text: String,
}

/// Let me watch a table of my room: as a spectator sees it, and one trick late. It ends with [`Unwatch`], by sitting down
/// and by watching another; a denied one changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Which.
    pub table: TableNo,
}

/// You watch. A [`TableState`] follows; its view is empty until the hand may be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// Which.
    pub table: TableNo,
}

/// You do not watch it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchDenied {
    /// Why.
    pub reason: WatchDenial,
}

/// Why somebody may not watch a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchDenial {
    /// There is no such table.
    NoSuchTable,
    /// Sitting at one: stand up first.
    Seated,
    /// Not in a room.
    NotInside,
    /// As many watch it as may.
    Full,
    /// The table's owner lets nobody watch.
    Private,
}

/// I have seen enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwatch {}

/// You do not watch any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwatched {
    /// What you watched; nothing if you did not.
    pub table: Option<TableNo>,
}

/// What the owner of a table has laid down for it. The owner is who sat down first; when the owner stands up, the next one
/// round the table, of those who are here if anybody is. When the last one stands up, the rules are the usual ones again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRules {
    /// When a hand begins.
    #[serde(default)]
    pub begin: HandBegin,
    /// Whether nobody else may sit down.
    #[serde(default)]
    pub closed: bool,
    /// Whether nobody may watch.
    #[serde(default)]
    pub private: bool,
}

/// When the next hand begins, once every seat is taken by somebody whose connection is there and the rest after the last
/// hand is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandBegin {
    /// At once.
    #[default]
    AtOnce,
    /// When everybody is ready.
    AllReady,
    /// When the owner is ready.
    OwnerReady,
}

/// I am ready for the next hand, or not any more. That holds until a hand begins or the rules change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Which of the two.
    pub ready: bool,
}

/// Somebody at your table, perhaps you, is ready, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerReady {
    /// Who sits there.
    pub at: SeatNo,
    /// Which of the two.
    pub ready: bool,
}

/// This is how it is to be at my table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTableRules {
    /// All the rules.
    pub rules: TableRules,
}

/// Your table has these rules and this owner from now on. Nobody is ready any more if the rules are others than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRuled {
    /// Which table.
    pub table: TableNo,
    /// The owner's seat.
    pub owner: Option<u8>,
    /// All the rules.
    pub rules: TableRules,
}

/// Have whoever sits in this seat of my table stand up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismiss {
    /// Which seat.
    pub seat: u8,
}

/// What you wished for your table is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDenied {
    /// Why.
    pub reason: TableDenial,
}

/// Why something was not done at a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableDenial {
    /// You do not sit at a table.
    NotSeated,
    /// The table is somebody else's.
    NotOwner,
    /// Nobody sits there.
    NoSuchSeat,
    /// Whoever sits there is playing a hand.
    HandPlayed,
    /// As many tables of the room are closed as may be.
    TooManyClosed,
}
