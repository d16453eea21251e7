//! The links between servers and their manager. Players never reach a listener that speaks this.
//!
//! Why: load, presence and the directory flow up, arbitration and eviction flow down.
//! Invariants: requests carry an id and may be repeated; counts are sent as they are, never as differences;
//! a manager that has lost everything is rebuilt from [`Register`] and [`Present`].
//! Limits: [`crate::limits::PRESENT_PLAYERS_MAX`], [`crate::limits::REDEEMED_MAX`], [`crate::limits::REVOKED_MAX`] and
//! [`crate::limits::FRONTS_MAX`] entries a message.
//! Read next: `usher-logic`'s `manager`.

use super::hall::SeatKept;
use super::login::WorldEntry;
use crate::ids::{
    AccountId, Address, GameId, Generation, Identity, ReservationId, RoomNo, ServerKind, ServerName,
    SessionId, WorldId,
};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// I am here: the first message on a link, and again after every reconnect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// What I am.
    pub kind: ServerKind,
    /// My name.
    pub name: ServerName,
    /// When this process started, unix milliseconds: a restart is another incarnation.
    pub incarnation: u64,
    /// My world.
    pub world: WorldId,
    /// Where clients find me.
    pub address: Address,
    /// My clock now, unix milliseconds.
    pub clock_unix_ms: u64,
    /// What I serve at once before I redirect.
    pub serve_max: u32,
    /// What I begin to serve in a second before I redirect.
    pub serve_per_second_max: u32,
    /// Connections that nothing passes.
    pub connections_max: u32,
    /// My rooms.
    #[serde(default)]
    pub rooms: Vec<RoomReport>,
    /// How many players will be presented before this registration is complete.
    #[serde(default)]
    pub players: u32,
    /// Where gateways find me; empty: nowhere.
    #[serde(default, skip_serializing_if = "Address::is_empty")]
    pub inner: Address,
}

/// One room as its server reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomReport {
    /// Its number.
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

/// You are known. Claims and redirects may begin when all players are presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Without a [`Renew`] for so long, you are gone.
    pub lease_ms: u32,
}

/// You are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterDenied {
    /// Why, and what to do.
    pub reason: RegisterDenial,
}

/// Why a server was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterDenial {
    /// Another live server has this name.
    NameTaken,
    /// Your clock is further off than `clock_skew_max`.
    ClockSkew,
    /// The name or address is empty or too long, or there are too many rooms. (The inner address may be empty.)
    Malformed,
}

/// These players are in my rooms; after [`Register`], in as many messages as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// At most [`crate::limits::PRESENT_PLAYERS_MAX`].
    pub players: Vec<PlayerPresent>,
}

/// One player in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerPresent {
    /// Who.
    pub identity: Identity,
    /// What the room plays.
    pub game: GameId,
    /// The room.
    pub room: RoomNo,
    /// When the player entered, unix milliseconds by the room server's clock.
    pub entered_unix_ms: u64,
}

/// I live: prolongs the lease. Sent by the transport's timer, so that an overloaded server still sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// Open client connections.
    pub connections: u32,
    /// Most there ever were.
    pub connections_peak: u32,
    /// CPU used, user and system, milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// Most resident memory there ever was, KiB.
    pub rss_kib_peak: u64,
}

/// How far behind my logic is. Sent by the transport's timer with each [`Renew`], for a machine does not know what
/// waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// What waits before the logic will take so long at the pace of the last second, microseconds.
    pub logic_delay_us: u32,
}

/// How full I am: each second, or when it changed by 5 %.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// What I serve now.
    pub serving: u32,
    /// What I begin to serve a second, the longer ago the less.
    pub served_per_second: u32,
    /// Whether I am being emptied.
    pub draining: bool,
    /// Rooms whose population changed: number and population.
    pub rooms: Vec<(RoomNo, u32)>,
}

/// These reservations were used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// At most [`crate::limits::REDEEMED_MAX`].
    pub reservations: Vec<ReservationId>,
}

/// I am over my limit: who takes this client?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arbitrate {
    /// My number for this question.
    pub request: u64,
    /// Whose client it is, if that is known.
    pub session: Option<SessionId>,
    /// Further redirects this client may be given, this one included; 0 gets no answer but "nobody".
    pub hops_left: u8,
}

/// That server takes it, or nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arbitrated {
    /// The number of the question.
    pub request: u64,
    /// Where to, with the sealed place.
    #[serde(default)]
    pub to: Option<(Address, ByteBuf)>,
    /// To one of a party: the room there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomNo>,
}

/// I am being emptied: which other server takes these table-mates of mine into one room of that game? Answered by one
/// [`Arbitrated`] for each, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArbitrateParty {
    /// My number for the first of them; the others have the numbers after it.
    pub request: u64,
    /// What they play.
    pub game: GameId,
    /// Whose clients they are; at least one, at most [`crate::limits::SEATS_MAX`].
    pub sessions: Vec<SessionId>,
}

/// May this player enter this room of mine?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// My number for this question; asked again with the same number after a reconnect.
    pub request: u64,
    /// Who.
    pub identity: Identity,
    /// What the room plays.
    pub game: GameId,
    /// The room.
    pub room: RoomNo,
}

/// The verdict on a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The number of the question.
    pub request: u64,
    /// The answer.
    pub verdict: Verdict,
}

/// Whether a player may enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes: presence says so from now on.
    Granted,
    /// A later login of this account has been seen.
    Superseded,
    /// This session is in another room of this game.
    Elsewhere {
        /// Where its server is.
        address: Address,
        /// Its number there.
        room: RoomNo,
    },
}

/// This player has left this room of mine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// My number for this request.
    pub request: u64,
    /// Who.
    pub identity: Identity,
    /// What the room plays.
    pub game: GameId,
    /// The room.
    pub room: RoomNo,
}

/// Presence says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The number of the request.
    pub request: u64,
}

/// Show out this account's logins that are older than this one. Repeated after a reconnect until
/// acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evict {
    /// In this world.
    pub world: WorldId,
    /// This account.
    pub account: AccountId,
    /// Logins with a lower generation go.
    pub below: Generation,
}

/// Done: no login of that account below that generation is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evicted {
    /// In this world.
    pub world: WorldId,
    /// That account.
    pub account: AccountId,
    /// That generation.
    pub below: Generation,
}

/// Every login of these accounts so far is over, by an operator's word. The manager says so when it hears of it, and
/// all of it to whoever registers; a server after [`Register`], to a manager that may know nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Account, and the first generation that is good again; at most [`crate::limits::REVOKED_MAX`].
    pub logins: Vec<(AccountId, Generation)>,
}

/// Where does this player still have a seat?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// My number for this question.
    pub request: u64,
    /// Who.
    pub identity: Identity,
}

/// There.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The number of the question.
    pub request: u64,
    /// At most one room a game.
    pub seats: Vec<SeatKept>,
}

/// The rooms of one server, for halls: all of them, replacing what was said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomsOf {
    /// The server.
    pub server: ServerName,
    /// Where it is.
    pub address: Address,
    /// Its rooms.
    pub rooms: Vec<RoomReport>,
}

/// That server's rooms are not to be offered: it is suspect, draining or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomsGone {
    /// The server.
    pub server: ServerName,
}

/// The halls of a login's world that take clients, in the order clients should try them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halls {
    /// At most [`crate::limits::HALLS_MAX`].
    pub addresses: Vec<Address>,
}

/// The worlds that let players in, for logins: all of them, replacing what was said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldsUp {
    /// By number; at most [`crate::limits::WORLDS_MAX`].
    pub worlds: Vec<WorldEntry>,
}

/// I stand before these servers, each reached at an address of mine: all of them, replacing what was said before. A
/// gateway's alone; after [`Register`], and on each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// At most [`crate::limits::FRONTS_MAX`].
    pub servers: Vec<Front>,
}

/// A server that a gateway stands before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Front {
    /// The server.
    pub server: ServerName,
    /// Where clients find it, at the gateway.
    pub address: Address,
}

/// The servers of your world that a gateway may stand before, for gateways: all of them, replacing what was said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// By name; at most [`crate::limits::FRONTS_MAX`]. In a larger world a gateway's config says which are its own.
    pub servers: Vec<InnerServer>,
}

/// A server that lets gateways in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerServer {
    /// The server.
    pub server: ServerName,
    /// What it is.
    pub kind: ServerKind,
    /// Where gateways find it.
    pub address: Address,
}

/// Clients find you there: at a gateway that stands before you, or again where you said yourself. Until the manager says
/// so on a link, it is where you said yourself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// There.
    pub address: Address,
}

/// Empty yourself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainOrder {}

/// Tell this to every player in your rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The text; at most [`crate::limits::ANNOUNCEMENT_BYTES_MAX`].
    pub text: String,
}
