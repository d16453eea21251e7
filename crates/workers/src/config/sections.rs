//! `[workers]` as parsed, with its defaults.
//!
//! Why: what a file says and what is made of it are two things: only here is a key known to be absent.
//! Owns: field names, units and defaults. Does not own checks: those are [`Section::check`]'s.
//! Invariants: what is printed of a section is a section that is as good, with its defaults written out.
//! Read next: `deploy/workers/workers.toml`, where every default is written out.

use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;
use toml::Spanned;
use usher_proto::codec::Form;

/// `[workers]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// A worker that says nothing for so long is asked whether it lives; unanswered three times, it is ended.
    pub heartbeat_ms: u64,
    /// Where requests are written down that ended too many workers, relative to the config file.
    pub dead_letters: PathBuf,
    /// `[[workers.groups]]`.
    #[serde(serialize_with = "with_defaults")]
    pub groups: Vec<GroupSection>,
}

fn with_defaults<S: Serializer>(groups: &[GroupSection], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(groups.iter().cloned().map(GroupSection::with_defaults))
}

impl Default for Section {
    fn default() -> Self {
        Self { heartbeat_ms: 1_000, dead_letters: "dead-letters.jsonl".into(), groups: Vec::new() }
    }
}

/// `[[workers.groups]]`: workers that are alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSection {
    /// What it is called in logs and figures.
    pub name: String,
    /// The program and its arguments; relative paths are from the config file's folder, where it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// With a command: how many of them; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Spanned<usize>>,
    /// With a command: how the workers are spoken to; in JSON if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Spanned<Format>>,
    /// Instead of a command: where hosts are that keep such workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// With hosts: what proves this process to them, relative to the config file; `workers-NAME.key` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<Spanned<PathBuf>>,
    /// The games whose rules they have.
    #[serde(default)]
    pub games: Vec<String>,
    /// The kinds of work that come to them from elsewhere; all that nobody else does if there are none.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// The kinds of work that may be given to another worker if one ends while it has it.
    #[serde(default)]
    pub repeatable: Vec<String>,
    /// Requests that one worker may have.
    #[serde(default = "in_flight_max")]
    pub in_flight_max: usize,
    /// Requests that may wait for a worker.
    #[serde(default = "queue_max")]
    pub queue_max: usize,
    /// How long a request may take.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
}

impl GroupSection {
    /// Its command's number of workers, and how they are spoken to.
    pub(super) fn children(&self) -> (usize, Format) {
        let instances = self.instances.as_ref().map_or(1, |it| *it.get_ref());
        (instances, self.format.as_ref().map(|it| *it.get_ref()).unwrap_or_default())
    }

    fn with_defaults(self) -> Self {
        if self.command.is_empty() {
            return self;
        }
        let (instances, format) = self.children();
        let unwritten = 0..0;
        Self {
            instances: Some(Spanned::new(unwritten.clone(), instances)),
            format: Some(Spanned::new(unwritten, format)),
            ..self
        }
    }
}

fn in_flight_max() -> usize {
    16
}

fn queue_max() -> usize {
    4_096
}

fn deadline_ms() -> u64 {
    10_000
}

/// How workers are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// In JSON.
    #[default]
    Json,
    /// In MessagePack.
    Msgpack,
}

impl From<Format> for Form {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Msgpack => Self::MessagePack,
        }
    }
}
