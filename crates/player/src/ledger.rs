//! What a crowd tells its observer: times, counts, reasons.
//!
//! Why: client-sim wants percentiles, the simulator plain sums; the players should know of neither.
//! Owns: the trait and [`Tally`], the plain sums. Does not own: histograms, reports.
//! Invariants: a player is counted in at most one of `seated` (once, at its first seat) and, once, in
//! `failed`; it may be in both when it failed later. A failure is in no time.
//! Limits: a tally holds one entry a failure reason and one a room.
//! Read next: `crowd.rs`.

use crate::delivery::Delivery;
use alloc::collections::BTreeMap;
use core::time::Duration;
use usher_proto::{Address, RoomNo, ServerKind, Time};

/// The timed parts of a player's way: first attempts only, redirects included, each from the end of the one
/// before (the first from the scheduled arrival). What comes after the first seat is timed each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the ticket.
    Login,
    /// To the room directory.
    Hall,
    /// Into a room.
    Enter,
    /// Into a seat.
    Sit,
    /// While playing: from a move (where only talked, from a chat) to its acknowledgement.
    Action,
    /// Out of a seat, each time.
    Stand,
    /// Out of a room, each time.
    Leave,
}

impl Step {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 7] =
        [Self::Login, Self::Hall, Self::Enter, Self::Sit, Self::Action, Self::Stand, Self::Leave];

    /// The step as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Hall => "hall",
            Self::Enter => "enter",
            Self::Sit => "sit",
            Self::Action => "action",
            Self::Stand => "stand",
            Self::Leave => "leave",
        }
    }
}

/// What players did of their own accord, each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Played a hand to its end, in a seat.
    Hand,
    /// Sat down at another table of the same room.
    Table,
    /// Sat down in another room of the game.
    Room,
    /// Dropped the connection, to come back.
    Drop,
    /// Left before everybody did.
    Leave,
    /// Sat down again after that, by a new login.
    Return,
}

/// Where a crowd reports to. Every call is one event; nothing is said twice.
pub trait Ledger {
    /// A step took so long.
    fn step(&mut self, step: Step, took: Duration);
    /// From its scheduled arrival to its first seat a player took so long.
    fn journey(&mut self, took: Duration);
    /// This player (by index in its crowd) has its first seat, now.
    fn seated(&mut self, index: u32, now: Time);
    /// A server of this kind redirected a player, now.
    fn redirected(&mut self, by: ServerKind, now: Time);
    /// A server of this kind had no room for a player now.
    fn busy(&mut self, by: ServerKind);
    /// A player gave up, for this reason.
    fn failed(&mut self, reason: &'static str);
    /// A player sets out, now: so long after its scheduled arrival is how late the load generator is.
    fn arrived(&mut self, late: Duration, now: Time);
    /// A stay in a room is over; this was received in it.
    fn delivery(&mut self, delivery: &Delivery);
    /// A chat of ours was acknowledged as number `seq` of this room.
    fn acknowledged(&mut self, address: &Address, room: RoomNo, seq: u64);
    /// A player in a room lost its connection without wanting to.
    fn dropped(&mut self, reason: &'static str);
    /// A player whose connection was gone is in a seat again.
    fn reconnected(&mut self);
    /// A seated player fetched a fresh directory and ticket.
    fn refreshed(&mut self);
    /// A player in a room was told something by the operator.
    fn announced(&mut self);
    /// A player did this.
    fn did(&mut self, deed: Deed);
}

/// What was acknowledged in one room: without strangers in it, and when every acknowledgement arrived, the
/// counts of all processes sum to the highest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomSums {
    /// Chats acknowledged to their senders.
    pub acknowledged: u64,
    /// The highest number among them.
    pub seq_max: u64,
}

/// A ledger of plain sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often each step was taken.
    pub steps: BTreeMap<Step, u64>,
    /// The longest journey.
    pub journey_max: Duration,
    /// Players seated at least once.
    pub seated: u64,
    /// When the last of them was.
    pub seated_last: Time,
    /// Redirects, by kind of server.
    pub redirects: BTreeMap<ServerKind, u64>,
    /// Times a server was busy, by kind.
    pub busy: BTreeMap<ServerKind, u64>,
    /// Players failed, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// The latest arrival after its schedule.
    pub arrival_late_max: Duration,
    /// Everything received, summed over all stays that ended.
    pub delivery: Delivery,
    /// By room.
    pub rooms: BTreeMap<(Address, RoomNo), RoomSums>,
    /// Connections lost, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    /// Players back in a seat after their connection was gone.
    pub reconnects: u64,
    /// Fresh directories fetched while seated.
    pub refreshes: u64,
    /// Announcements heard, by each player.
    pub announcements: u64,
    /// What players did, and how often.
    pub deeds: BTreeMap<Deed, u64>,
}

impl Tally {
    /// How often players did this.
    pub fn count(&self, deed: Deed) -> u64 {
        self.deeds.get(&deed).copied().unwrap_or(0)
    }

    /// Players failed, for whatever reason.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Ledger for Tally {
    fn step(&mut self, step: Step, _took: Duration) {
        *self.steps.entry(step).or_default() += 1;
    }

    fn journey(&mut self, took: Duration) {
        self.journey_max = self.journey_max.max(took);
    }

    fn seated(&mut self, _index: u32, now: Time) {
        self.seated += 1;
        self.seated_last = now;
    }

    fn redirected(&mut self, by: ServerKind, _now: Time) {
        *self.redirects.entry(by).or_default() += 1;
    }

    fn busy(&mut self, by: ServerKind) {
        *self.busy.entry(by).or_default() += 1;
    }

    fn failed(&mut self, reason: &'static str) {
        *self.failures.entry(reason).or_default() += 1;
    }

    fn arrived(&mut self, late: Duration, _now: Time) {
        self.arrival_late_max = self.arrival_late_max.max(late);
    }

    fn delivery(&mut self, delivery: &Delivery) {
        self.delivery.add(delivery);
    }

    fn acknowledged(&mut self, address: &Address, room: RoomNo, seq: u64) {
        let sums = self.rooms.entry((address.clone(), room)).or_default();
        sums.acknowledged += 1;
        sums.seq_max = sums.seq_max.max(seq);
    }

    fn dropped(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_default() += 1;
    }

    fn reconnected(&mut self) {
        self.reconnects += 1;
    }

    fn refreshed(&mut self) {
        self.refreshes += 1;
    }

    fn announced(&mut self) {
        self.announcements += 1;
    }

    fn did(&mut self, deed: Deed) {
        *self.deeds.entry(deed).or_default() += 1;
    }
}
