//! The push server: what terminals and controllers say and are told.
//!
//! Why: **quotes** are worth something only while they are the latest; **instructions** must each arrive once.
//! An instruction is to a topic or to one terminal; either has a log of its own, numbered 1, 2, 3, ...
//! Invariants: a terminal knows where it stands, by [`Position`]; the server keeps no place for it. What follows
//! `Subscribed { seq: a }` is a+1, a+2, ... without a hole, but for those a [`Gap`] names.
//! Limits: [`crate::limits::TOPIC_BYTES_MAX`], [`crate::limits::QUOTE_KEY_BYTES_MAX`],
//! [`crate::limits::QUOTE_BYTES_MAX`], [`crate::limits::INSTRUCTION_BYTES_MAX`]; a name is never empty and has no
//! control characters.
//! Read next: [`super::push_lists`], what administrators say; `docs/push.md`.

use crate::payload::Payload;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Whom an instruction is for, and so whose log it stands in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Everybody subscribed to this topic.
    Topic(String),
    /// The one terminal of this name.
    Terminal(String),
}

impl To {
    /// The topic's or terminal's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Topic(name) | Self::Terminal(name) => name,
        }
    }
}

/// Where a terminal stands in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which log: another number after the server was started anew.
    pub log: u64,
    /// The last instruction it has; 0 before the first.
    pub seq: u64,
}

/// Where in a log a terminal wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// With the next new instruction.
    Now,
    /// With the oldest that is kept.
    Start,
    /// Behind the last one it has. If that is of another log, behind number 0: all of this one is new to it.
    After(Position),
}

fn now() -> Since {
    Since::Now
}

fn start() -> Since {
    Since::Start
}

/// I am this terminal. The first message of a terminal; an older connection of the same name is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalHello {
    /// Its name, at most [`crate::limits::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Higher with each connection of that name: which one is older does not depend on which is read first.
    #[serde(default)]
    pub generation: u64,
    /// Where it goes on in its own log.
    #[serde(default = "start")]
    pub since: Since,
}

/// You are not let in under that name; the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloDenied {
    /// Why.
    pub reason: HelloDenial,
}

/// Why a hello was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelloDenial {
    /// Empty, too long, or with control characters.
    BadName,
    /// The server knows as many names as it may.
    Full,
    /// A position the log has not reached.
    Ahead,
}

/// Let me hear this topic: each quote as it stands and changes, and the instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The topic.
    pub topic: String,
    /// Where it goes on in the topic's log.
    #[serde(default = "now")]
    pub since: Since,
}

/// You hear it: a topic, or (after a hello) what is for you alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Which.
    pub to: To,
    /// Its log.
    pub log: u64,
    /// The next instruction you are sent is the one after this, if no [`Gap`] says otherwise.
    pub seq: u64,
    /// The newest instruction there is now.
    pub last: u64,
}

/// You do not hear that topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeDenied {
    /// The topic.
    pub topic: String,
    /// Why.
    pub reason: SubscribeDenial,
}

/// Why somebody could not subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscribeDenial {
    /// Empty, too long, or with control characters.
    BadName,
    /// Subscribed already.
    AlreadySubscribed,
    /// This terminal has as many topics as it may.
    TooManyTopics,
    /// The server has as many topics as it may.
    TopicsFull,
    /// A position the log has not reached.
    Ahead,
}

/// Let me not hear this topic any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// The topic.
    pub topic: String,
}

/// You do not hear it any more: nothing of it follows. Also said to who did not hear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribed {
    /// The topic.
    pub topic: String,
}

/// Do this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// To whom; the log it stands in.
    pub to: To,
    /// Its number there.
    pub seq: u64,
    /// What to do; the controllers' and terminals' own affair.
    pub payload: Payload,
}

/// Instructions you missed that the log does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Of which log.
    pub to: To,
    /// The first one missed.
    pub from: u64,
    /// The last one missed.
    pub until: u64,
}

/// This stands so now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The topic.
    pub topic: String,
    /// What of it.
    pub key: String,
    /// How it stands; empty: it is withdrawn.
    pub value: Payload,
}

/// A part of what you missed is sent. Whatever is left of it follows your [`PortionTaken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortionSent {}

/// I have taken the portion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortionTaken {}

/// I am this controller. The first message of a controller; an older connection of the same name is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerHello {
    /// Its name, at most [`crate::limits::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Higher with each connection of that name.
    #[serde(default)]
    pub generation: u64,
}

/// You are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerWelcome {
    /// The last request this server has answered under that name; none: it remembers none.
    pub last_request: Option<u64>,
}

/// Pass this on, whatever happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruct {
    /// The controller's number for it, higher than all before. The same number again is the same instruction.
    pub request: u64,
    /// To whom.
    pub to: To,
    /// What to do.
    pub payload: Payload,
}

/// It stands in the log, as number `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructed {
    /// The controller's number.
    pub request: u64,
    /// The log's number.
    pub seq: u64,
}

/// It does not stand in a log, and nobody is sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructDenied {
    /// The controller's number.
    pub request: u64,
    /// Why.
    pub reason: InstructDenial,
}

/// Why an instruction was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructDenial {
    /// A topic's name that is empty, too long, or has control characters.
    BadName,
    /// Longer than this server allows.
    TooLong,
    /// Nobody of that name has been here since the server started.
    NoSuchTerminal,
    /// The server has as many topics as it may.
    TopicsFull,
    /// A number lower than the last, whose answer is not remembered.
    Stale,
}

/// This stands so now: tell whoever hears the topic. Answered only if it is denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuote {
    /// The topic.
    pub topic: String,
    /// What of it.
    pub key: String,
    /// How it stands; empty: it is withdrawn.
    pub value: Payload,
}

/// Nobody is told that quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteDenied {
    /// The topic.
    pub topic: String,
    /// What of it.
    pub key: String,
    /// Why.
    pub reason: QuoteDenial,
}

/// Why a quote was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteDenial {
    /// A topic or key that is empty, too long, or has control characters.
    BadName,
    /// Longer than this server allows.
    TooLong,
    /// The topic has as many keys as it may.
    KeysFull,
    /// The server has as many topics as it may.
    TopicsFull,
}
