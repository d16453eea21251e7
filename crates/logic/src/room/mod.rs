//! The room server: where people stay, talk and play.
//!
//! Why two machines: a room must be on one thread, and one thread is not enough for every room. So the server
//! is sharded: shard 0 is the [`Door`] (knocks, claims, the link, who is where), shards 1 to `floors` are
//! [`Floor`]s, each with some of the rooms (chat, tables, hands). A connection begins at the door, is handed
//! to its room's floor when the manager granted its claim, and handed back when its player leaves.
//! Owns: [`RoomServer`], [`RoomConfig`], and [`RoomNote`], all that door and floors tell each other.
//! Does not own: the rules of a game (`usher-games`), presence (the manager), accounts and tickets.
//! Relies on: what one shard tells and hands over to another arrives in the order it was said.
//! Invariants: a place is held at the door from claim to leaving, so no room has more people than seats; a
//! stay is named by its connection, so that news of an older stay never ends a newer one.
//! Limits: [`RoomConfig`]; a full room names others, too many claims are answered Busy.
//! Read next: [`Door`], then [`Floor`].

mod door;
mod floor;
#[cfg(test)]
mod tests;

pub use door::Door;
pub use floor::Floor;

use crate::hand::Guard;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::GameKind;
use usher_proto::NodeConfig;
use usher_proto::limits::ROOMS_MAX;
use usher_proto::message::Enter;
use usher_proto::{
    AccountId, ConnId, Figures, GameId, Generation, GroupId, Identity, Input, Machine, Outbox, RoomNo,
    ServerKind, ShardId, Time,
};

/// The shard every connection begins at.
pub const DOOR: ShardId = ShardId(0);

/// Nanoseconds from any fixed moment, never going back: read before and after, it says how long something took.
pub type Stopwatch = fn() -> u64;

/// What the world lends a room server.
#[derive(Clone, Copy, Debug)]
pub struct Tools {
    /// Keeps a fault in one table's game at its table.
    pub guard: Guard,
    /// Measures what each room costs. Nothing is decided by it: a world without time lends one that stands still.
    pub stopwatch: Stopwatch,
}

/// What door and floors both count; a figure has one help.
const EVICTED: &str = "Stays and connections ended for a newer login of their account, or by the operator.";
const REPLACED: &str = "Connections closed for a newer one of the same login.";

/// One room as its config describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSpec {
    /// Its name, for people.
    pub name: String,
    /// What is played in it.
    pub game: GameKind,
    /// People it lets in; there is a seat for each.
    pub capacity: u32,
    /// Time to act; the game's own where there is none.
    pub turn_time: Option<Duration>,
}

impl RoomSpec {
    /// A room with the game's own time to act.
    pub fn new(name: &str, game: GameKind, capacity: u32) -> Self {
        Self { name: name.into(), game, capacity, turn_time: None }
    }

    /// Its tables: a seat for everybody it lets in.
    pub fn tables(&self) -> u32 {
        self.capacity.div_ceil(u32::from(self.game.seats()))
    }

    fn turn_time(&self) -> Duration {
        self.turn_time.unwrap_or(Duration::from_millis(u64::from(self.game.turn_time_ms())))
    }
}

/// A room server's facts and limits, the same for all its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// What every server has.
    pub node: NodeConfig,
    /// The rooms, by number; at most [`ROOMS_MAX`].
    pub rooms: Vec<RoomSpec>,
    /// Shards that rooms are spread over, at least 1; the door is one more.
    pub floors: u16,
    /// How long a seat is kept for a player whose connection is gone.
    pub seat_grace: Duration,
    /// Chats kept in each room for those who come back.
    pub replay_max: u32,
    /// How long it is gathered up who came and went before those are told who asked; zero: nobody is told.
    pub presence_interval: Duration,
    /// What one person may say in a room, and at a table, in the long run; zero: as much as anybody's connection may.
    pub chats_per_second_max: u32,
    /// Rest between two hands at a table.
    pub next_hand_delay: Duration,
    /// Claims and releases that may wait for the manager; over it, who wants to enter is told Busy.
    pub claims_pending_max: u32,
    /// How long somebody waits for the manager's verdict before being told Busy; well below the time after which
    /// a client takes silence for a failure.
    pub claim_timeout: Duration,
    /// How long somebody may stay at the door, in no room, before being closed with `Idle`. Counts from the
    /// knock, and anew from leaving a room.
    pub door_timeout: Duration,
}

impl Default for RoomConfig {
    /// The design's defaults, without a room.
    fn default() -> Self {
        Self {
            node: NodeConfig::new(ServerKind::Room),
            rooms: Vec::new(),
            floors: 1,
            seat_grace: Duration::from_secs(60),
            replay_max: 100,
            presence_interval: Duration::from_secs(1),
            chats_per_second_max: 2,
            next_hand_delay: Duration::from_secs(3),
            claims_pending_max: 8192,
            claim_timeout: Duration::from_secs(10),
            door_timeout: Duration::from_secs(30),
        }
    }
}

impl RoomConfig {
    /// Shards this server needs: the door and its floors.
    pub fn shards(&self) -> u16 {
        self.floors + 1
    }

    /// The shard a room is on.
    pub fn floor_of(&self, room: RoomNo) -> ShardId {
        ShardId(room.0 % self.floors + 1)
    }

    fn numbered(&self) -> impl Iterator<Item = (RoomNo, &RoomSpec)> {
        self.rooms.iter().enumerate().map(|(no, spec)| (RoomNo(no as u16), spec))
    }

    fn rooms_of(&self, shard: ShardId) -> impl Iterator<Item = (RoomNo, &RoomSpec)> {
        self.numbered().filter(move |&(no, _)| self.floor_of(no) == shard)
    }

    /// Panics on numbers no machine can work with; whoever reads the config file refuses them by name.
    fn check(&self) {
        assert!(self.floors >= 1, "a room server needs a floor");
        assert!(self.rooms.len() <= ROOMS_MAX, "more than {ROOMS_MAX} rooms");
        let too_many = self.rooms.iter().any(|spec| spec.tables() > 1 << u16::BITS);
        assert!(!too_many, "a room with more tables than there are numbers for");
        let too_fast = self.rooms.iter().any(|spec| spec.turn_time().is_zero());
        assert!(!too_fast, "a room with no time to act");
    }
}

/// What somebody who comes back to a room has seen of it, as their `Enter` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last chat.
    pub chat: Option<u64>,
    /// The last hand at their table that they know is over.
    pub hand: Option<u64>,
}

impl From<&Enter> for Seen {
    fn from(enter: &Enter) -> Self {
        Self { chat: enter.last_seq, hand: enter.last_hand }
    }
}

/// What door and floors tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomNote {
    /// Door to floor, with the connection: it may enter.
    Enter {
        /// Who.
        identity: Identity,
        /// Where.
        room: RoomNo,
        /// What who comes back has seen already.
        seen: Seen,
    },
    /// Door to floor: who sits or stands there under an older login goes.
    Evict {
        /// Whose.
        account: AccountId,
        /// Where.
        room: RoomNo,
        /// Logins with a lower generation.
        below: Generation,
    },
    /// Door to floor: empty yourself.
    Drain,
    /// Floor to door, with the connection: its player left the room.
    Left {
        /// Who.
        identity: Identity,
        /// Which room.
        room: RoomNo,
        /// The last chat sent.
        seq: u64,
    },
    /// Floor to door, with the connection: its player is to be shown to another server's room.
    ShownOut {
        /// Who.
        identity: Identity,
        /// Which room.
        room: RoomNo,
        /// The last chat sent.
        seq: u64,
    },
    /// Floor to door: whoever was shown out since this was last said belongs together.
    PartyIsComplete {
        /// Where they were.
        room: RoomNo,
    },
    /// Floor to door: a player is not in the room any more.
    Gone {
        /// Who.
        identity: Identity,
        /// Which room.
        room: RoomNo,
        /// The connection of the stay that ended.
        conn: ConnId,
    },
    /// Floor to door: a connection is gone.
    Dropped {
        /// Which.
        conn: ConnId,
    },
}

/// One shard of a room server.
#[derive(Debug)]
pub enum RoomServer {
    /// Shard 0.
    Door(Box<Door>),
    /// Any other.
    Floor(Box<Floor>),
}

impl RoomServer {
    /// Shard `shard` of the server; all shards get the same config and seed.
    pub fn new(config: &Arc<RoomConfig>, shard: ShardId, seed: u64, tools: Tools) -> Self {
        config.check();
        if shard == DOOR {
            Self::Door(Box::new(Door::new(config, seed)))
        } else {
            Self::Floor(Box::new(Floor::new(config, shard, seed, tools)))
        }
    }
}

impl Machine for RoomServer {
    type Note = RoomNote;

    fn handle(&mut self, now: Time, input: Input<RoomNote>, out: &mut Outbox<RoomNote>) {
        match self {
            Self::Door(door) => door.handle(now, input, out),
            Self::Floor(floor) => floor.handle(now, input, out),
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Door(door) => door.next_timeout(),
            Self::Floor(floor) => floor.next_timeout(),
        }
    }

    fn check_invariants(&self) {
        match self {
            Self::Door(door) => door.check_invariants(),
            Self::Floor(floor) => floor.check_invariants(),
        }
    }

    fn figures(&self, figures: &mut Figures) {
        match self {
            Self::Door(door) => door.figures(figures),
            Self::Floor(floor) => floor.figures(figures),
        }
    }
}

/// A game's number as messages carry it.
fn game_id(kind: GameKind) -> GameId {
    GameId(kind.id())
}

/// Everybody who is in a room by a connection.
fn group_of(room: RoomNo) -> GroupId {
    GroupId(u64::from(room.0))
}
