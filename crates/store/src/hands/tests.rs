//! Hands written and read, recorded and counted; and what is left after every kind of accident.
//!
//! Read next: `tests/lines.rs`, `tests/together.rs`, `tests/accidents.rs`.

mod accidents;
mod lines;
mod together;

use super::line::{self, REASON_BYTES_MAX};
use super::recorder::{Done, Recorded};
use super::{Journal, Records, Scores};
use crate::StoreError;
use crate::tests::Folder;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use usher_proto::hand::Move;
use usher_proto::{AccountId, GameId, HandId, HandRecord, RoomNo, TableNo};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
const GAME: GameId = GameId(1);

type Outcome = Result<Recorded, StoreError>;

impl Folder {
    fn journal(&self) -> PathBuf {
        self.0.join("hands.jsonl")
    }
}

fn id(table: u16, hand: u64) -> HandId {
    HandId {
        server: "room-1".into(),
        incarnation: 1_767_225_600_000,
        room: RoomNo(0),
        table: TableNo(table),
        hand,
    }
}

/// Account 1 wins so many points of account 2.
fn hand(number: u64, points: i32) -> HandRecord {
    HandRecord {
        id: id(3, number),
        game: GAME,
        rules: 1,
        seed: [number as u8; 32],
        seats: vec![AccountId(1), AccountId(2 | 1 << 63)],
        moves: vec![Move::Act { seat: 0, action: vec![0x70, 0] }, Move::Timeout, Move::Abandon { seat: 1 }],
        scores: vec![points, -points],
        reason: "abandoned".into(),
        began_unix_ms: 1_767_225_600_100,
        ended_unix_ms: 1_767_225_641_300,
    }
}

/// Someone who waits to be told.
fn asker() -> (Done, Receiver<Outcome>) {
    let (told, outcome) = channel();
    (Box::new(move |outcome| told.send(outcome).unwrap()), outcome)
}

fn told(outcome: &Receiver<Outcome>) -> Outcome {
    outcome.recv_timeout(PATIENCE).unwrap()
}

fn record(journal: &Journal, record: HandRecord) -> Outcome {
    let (done, outcome) = asker();
    journal.record(record, done).unwrap();
    told(&outcome)
}

fn totals(journal: &Journal, record_of: HandRecord) -> Vec<i64> {
    record(journal, record_of).unwrap().totals
}

fn scores(journal: &Path) -> [i64; 2] {
    let scores = Scores::open(journal).unwrap();
    [1, 2 | 1 << 63].map(|account| scores.score(AccountId(account), GAME).unwrap())
}

fn recorded(path: &Path) -> Vec<HandRecord> {
    let file = BufReader::new(fs::File::open(path).unwrap());
    Records::new(path, file).collect::<Result<_, _>>().unwrap()
}

fn written(records: &[HandRecord]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in records {
        line::write(record, &mut lines).unwrap();
    }
    lines
}

fn remove_scores(journal: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", super::scores::path_of(journal).display()));
    }
}
