//! A host and its workers: logic in another process, in any language.
//!
//! Why: rules may be written in whatever their author likes, and may crash without anybody's playing the worse for it.
//! A host is a room server, or a program that keeps workers on another machine; to the room server that one is itself a
//! worker.
//! Invariants: a request has a number that is never given again on a connection; it is answered once, by [`HandPlayed`],
//! [`PlayRefused`], [`Worked`] or [`Undone`] with that number, and what comes after its time is dropped. A hand is sent
//! whole, so that any worker can go on with it.
//! Limits: [`crate::limits::WORK_BYTES_MAX`], [`crate::limits::WORK_KIND_BYTES_MAX`],
//! [`crate::limits::WORK_KEY_BYTES_MAX`], [`crate::limits::NAME_BYTES_MAX`]; of a game's views and words as of any game's.
//! Read next: `docs/workers.md`.

use crate::hand::Move;
use crate::payload::Payload;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// The version of what stands here.
pub const WORKER_VERSION: u16 = 1;

fn yes() -> bool {
    true
}

/// I can work. The first message of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerHello {
    /// Which version it speaks: [`WORKER_VERSION`].
    pub version: u16,
    /// What it calls itself, for logs; at most [`crate::limits::NAME_BYTES_MAX`].
    #[serde(default)]
    pub name: String,
}

/// I have something to do. The first message of a room server to workers on another machine, which answer it with their
/// [`WorkerHello`]; a process is started by its host and hears nothing of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHello {
    /// Which version it speaks: [`WORKER_VERSION`].
    pub version: u16,
}

/// You cannot; the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerDenied {
    /// Why.
    pub why: String,
}

/// Say what comes of this hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayHand {
    /// The request's number.
    pub id: u64,
    /// How long it still has, in milliseconds.
    pub left_ms: u32,
    /// The hand.
    pub play: Box<Play>,
}

/// A hand so far, and what is to be done in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// What is played, by its name.
    pub game: String,
    /// Which hand: the same text for each of its moves and for no other hand, `TABLE/HAND`.
    pub hand: String,
    /// Seats at the table.
    pub seats: u8,
    /// The hand's chance. Nobody at the table knows it before the hand is over.
    pub seed: ByteArray<32>,
    /// All that was done, in order. The same seed and the same moves are to come to the same hand.
    pub moves: Vec<Deed>,
    /// What is done now; nothing when the hand begins.
    #[serde(default)]
    pub next: Option<Deed>,
}

/// One thing that moves a hand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A seat acts.
    Act {
        /// Which.
        seat: u8,
        /// How, in the game's own words.
        action: String,
    },
    /// The clock of those to act ran out.
    Timeout,
    /// A seat's player left.
    Abandon {
        /// Which.
        seat: u8,
    },
}

impl Deed {
    /// The move in words; none if its action is no text, which no worker's game takes.
    pub fn of(done: &Move) -> Option<Self> {
        Some(match done {
            Move::Act { seat, action } => {
                Self::Act { seat: *seat, action: core::str::from_utf8(action).ok()?.into() }
            }
            Move::Timeout => Self::Timeout,
            Move::Abandon { seat } => Self::Abandon { seat: *seat },
        })
    }
}

/// That is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandPlayed {
    /// The request's number.
    pub id: u64,
    /// The hand as it is now.
    pub look: Box<Look>,
}

/// A hand as it is after what was done last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// What happened, for everybody.
    #[serde(default)]
    pub words: String,
    /// The seats that may act now; none exactly when the hand is over.
    pub to_act: Vec<u8>,
    /// What each seat may see and do, by seat; and then what somebody may see who watches.
    pub views: Vec<Sight>,
    /// Whether nothing on the table waits for an answer: those who watch see a hand from one such moment to the next.
    #[serde(default = "yes")]
    pub between_tricks: bool,
    /// How it ended, if it is over.
    #[serde(default)]
    pub end: Option<HandEnd>,
}

/// What one viewer may see and do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// What may be done, each in the game's own words.
    #[serde(default)]
    pub actions: Vec<String>,
    /// The table, in words.
    #[serde(default)]
    pub shown: String,
}

/// The end of a hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandEnd {
    /// Points by seat; they sum to zero.
    pub scores: Vec<i32>,
    /// `won`, `draw`, `resigned`, `timed out` or `abandoned`.
    pub reason: String,
}

/// The seat may not do that; the hand is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayRefused {
    /// The request's number.
    pub id: u64,
    /// Why, for the player.
    pub why: String,
}

/// Do this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The request's number.
    pub id: u64,
    /// How long it still has, in milliseconds.
    pub left_ms: u32,
    /// What kind of work.
    pub kind: String,
    /// What it is about: requests of one key go to one worker where that can be, so it is the first to look for what it
    /// may have kept of it. Two workers may have requests of one key at once.
    #[serde(default)]
    pub key: Option<String>,
    /// The rest, in a layout of the kind's own.
    pub body: Payload,
}

/// It is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worked {
    /// The request's number.
    pub id: u64,
    /// What came of it.
    pub body: Payload,
}

/// It is not done, or nobody can say whether it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The request's number.
    pub id: u64,
    /// Why.
    pub why: NotDone,
}

/// I take nothing more: what I have I answer, and what crosses with this is [`NotDone::NoWorker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLeaving {}

/// Why a request was not answered by what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotDone {
    /// The worker says that it cannot, and why. It was not tried again.
    Failed(String),
    /// The worker ended while it had the request, which must not be repeated: it may be done or not.
    WorkerDied,
    /// There was no answer in time: it may be done or not.
    Late,
    /// As many workers ended while they had it as may; it was set aside.
    SetAside,
    /// As many wait as may; it was not given to anybody.
    Full,
    /// Nobody does this kind of work here, or nobody is to do any more.
    NoWorker,
}

impl NotDone {
    /// The reason as logs and metrics write it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::WorkerDied => "worker_died",
            Self::Late => "late",
            Self::SetAside => "set_aside",
            Self::Full => "full",
            Self::NoWorker => "no_worker",
        }
    }
}

impl fmt::Display for NotDone {
    /// The reason, and the worker's own words if it has any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "{}: {why}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}
