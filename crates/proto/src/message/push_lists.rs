//! The push server: what an administrator asks, and is told.
//!
//! Why: who is connected and what is kept must be seen by whoever answers for it, without a tool.
//! Invariants: a list is given a page at a time, in order; `more` says that there is another page behind it.
//! Limits: [`crate::limits::LISTED_MAX`] entries a page.
//! Read next: `docs/push.md`, a session by hand.

use super::push::To;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A port of the push server, by who connects there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// Who is told quotes and instructions.
    Terminals,
    /// Who sends them.
    Controllers,
    /// Who looks after the server.
    Administrators,
}

/// Who is connected?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListClients {
    /// On this port; on all of them otherwise.
    #[serde(default)]
    pub port: Option<Port>,
    /// The page that begins behind this client.
    #[serde(default)]
    pub after: u64,
}

/// These are connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// In the order they came.
    pub clients: Vec<ClientEntry>,
    /// Whether others came after the last of these.
    pub more: bool,
}

/// One connected client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEntry {
    /// Its number, never used again while the server runs.
    pub client: u64,
    /// Where it came in.
    pub port: Port,
    /// What it is called; an administrator has no name, and nobody has one before the hello.
    pub name: Option<String>,
    /// Its far end.
    pub address: String,
    /// Since when, unix milliseconds.
    pub since_unix_ms: u64,
    /// The topics it hears.
    pub topics: Vec<String>,
    /// Whether it is still being sent what it missed.
    pub behind: bool,
}

/// Which topics are there?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTopics {
    /// The page that begins behind this topic.
    #[serde(default)]
    pub after: String,
}

/// These topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topics {
    /// By name.
    pub topics: Vec<TopicEntry>,
    /// Whether there are others behind the last of these.
    pub more: bool,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicEntry {
    /// Its name.
    pub topic: String,
    /// Terminals that hear it.
    pub subscribers: u64,
    /// Keys that have a value.
    pub quotes: u64,
    /// Its log.
    pub log: LogEntry,
}

/// How a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number.
    pub log: u64,
    /// Instructions it holds.
    pub entries: u64,
    /// Their payloads, in bytes.
    pub bytes: u64,
    /// The newest; 0 before the first.
    pub last: u64,
}

/// Which terminals does the server know, connected or not?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTerminals {
    /// The page that begins behind this terminal.
    #[serde(default)]
    pub after: String,
}

/// These terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminals {
    /// By name.
    pub terminals: Vec<TerminalEntry>,
    /// Whether there are others behind the last of these.
    pub more: bool,
}

/// One terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalEntry {
    /// Its name.
    pub terminal: String,
    /// Its number while it is connected.
    pub client: Option<u64>,
    /// The log of what is for it alone.
    pub log: LogEntry,
}

/// How does the server stand?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetCounts {}

/// So.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Terminals connected.
    pub terminals: u64,
    /// Controllers connected.
    pub controllers: u64,
    /// Administrators connected.
    pub administrators: u64,
    /// Terminals known, connected or not.
    pub terminals_known: u64,
    /// Terminals that are still being sent what they missed.
    pub behind: u64,
    /// Topics.
    pub topics: u64,
    /// Keys that have a value, over all topics.
    pub quotes: u64,
    /// Instructions kept, over all logs.
    pub log_entries: u64,
    /// Their payloads, in bytes.
    pub log_bytes: u64,
    /// Instructions taken since the start.
    pub instructions_total: u64,
    /// Quotes taken since the start.
    pub quotes_total: u64,
    /// Instructions sent out of a log since the start.
    pub replayed_total: u64,
    /// Gaps told since the start.
    pub gaps_total: u64,
    /// What was asked for and denied since the start.
    pub denied_total: u64,
}

/// Close this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseClient {
    /// Its number in a list.
    pub client: u64,
}

/// It is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientClosed {
    /// Its number.
    pub client: u64,
}

/// Forget a topic nobody hears, or a terminal that is away, with its log: it makes room for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// Which.
    pub to: To,
}

/// It is forgotten. Should it come back, its log has another number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Which.
    pub to: To,
}

/// That was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Why.
    pub reason: Denial,
}

/// Why an administrator's wish was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// No client of that number is connected.
    NoSuchClient,
    /// There is no such topic.
    NoSuchTopic,
    /// No terminal of that name is known.
    NoSuchTerminal,
    /// Somebody hears the topic, or the terminal is connected.
    InUse,
}
