//! The workers that a bench keeps: one group, nothing else.
//!
//! Read next: `host.rs`, `hardship.rs`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use usher_proto::Payload;
use usher_proto::codec::Form;
use usher_workers::config::{Config, GroupConfig, Members};
use usher_workers::{Ask, Launcher, Workers};

const GROUP: &str = "bench";
/// Unanswered three times, a worker that was stopped is ended.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// So many workers started so, with the limits that a config has if it says nothing.
pub(super) fn group(command: Vec<String>, instances: usize, form: Form) -> GroupConfig {
    GroupConfig {
        name: GROUP.into(),
        members: Members::Children { command, instances, form },
        games: Vec::new(),
        kinds: Vec::new(),
        repeatable: Vec::new(),
        in_flight_max: 16,
        queue_max: 4_096,
        deadline: Duration::from_secs(10),
    }
}

/// Starts them, through the program that calls this: its main obeys.
pub(super) fn start(group: GroupConfig) -> Result<Workers> {
    let folder = PathBuf::from(".");
    let config = Config {
        name: GROUP.into(),
        heartbeat: HEARTBEAT,
        dead_letters: std::env::temp_dir().join(format!("usher-bench-letters-{}.jsonl", std::process::id())),
        folder,
        groups: vec![group],
    };
    Workers::start(&config, Launcher::own())
}

/// Work of that kind.
pub(super) fn ask(kind: &str, body: Payload) -> Ask {
    Ask { group: GROUP.into(), kind: kind.into(), key: None, body, deadline: None }
}
