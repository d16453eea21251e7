//! A hand as one line of JSON.
//!
//! Why: a record that people, `grep` and `jq` read needs no program of ours to settle a quarrel.
//!
//! ```text
//! {"hand":"room-1/1767225600000/0/3/17","game":1,"rules":1,"seed":"64 digits","seats":[5407,9223],
//!  "moves":[{"act":[0,"70"]},{"act":[1,"71"]},"timeout",{"abandon":1}],"scores":[1,-1],"reason":"abandoned",
//!  "began_unix_ms":1767225600100,"ended_unix_ms":1767225641300}
//! ```
//!
//! Owns: the names of the fields and how a value is written. An action is hexadecimal: its layout is the game's.
//! Invariants: what was written is read as it was; fields that are not known are passed over, so that a later version
//! may add some.
//! Limits: the constants below and [`MOVES_MAX`], on the way out and on the way in; any record within them fits
//! [`LINE_BYTES_MAX`].
//! Read next: [`super::records`].

use serde::{Deserialize, Serialize};
use usher_proto::hand::{Move, Seed};
use usher_proto::limits::{ACTION_BYTES_MAX, MOVES_MAX, SEATS_MAX};
use usher_proto::{AccountId, GameId, HandId, HandRecord};
use usher_secure::hex;

/// A line, its end included.
pub const LINE_BYTES_MAX: usize = 160 * 1024;
/// How a hand ended, in bytes.
pub const REASON_BYTES_MAX: usize = 64;

/// Why a line is no record of a hand, or a record no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no JSON, or other JSON.
    #[error("{what} (column {column})")]
    Json {
        /// What is wrong.
        what: String,
        /// Where, counted from 1.
        column: usize,
    },
    /// A value that cannot be.
    #[error("{field}: {wrong}")]
    Value {
        /// Of which field.
        field: &'static str,
        /// What is wrong.
        wrong: String,
    },
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The file ends in it.
    #[error("is cut short after {0} bytes")]
    Torn(usize),
}

#[derive(Serialize, Deserialize)]
struct Line {
    hand: String,
    game: u16,
    rules: u16,
    seed: String,
    seats: Vec<u64>,
    moves: Vec<MoveOfLine>,
    scores: Vec<i32>,
    reason: String,
    began_unix_ms: u64,
    ended_unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MoveOfLine {
    Act(u8, String),
    Timeout,
    Abandon(u8),
}

/// Adds a record's line, its end included. On an error nothing was added.
pub fn write(record: &HandRecord, lines: &mut Vec<u8>) -> Result<(), LineError> {
    check(record)?;
    let line = Line::from(record);
    serde_json::to_writer(&mut *lines, &line)
        .expect("invariant: a line is numbers and texts, and memory takes it");
    lines.push(b'\n');
    Ok(())
}

/// Reads a record's line, without its end.
pub fn parse(line: &[u8]) -> Result<HandRecord, LineError> {
    let line: Line = serde_json::from_slice(line).map_err(|error| LineError::of_json(&error))?;
    let record = line.into_record()?;
    check(&record)?;
    Ok(record)
}

fn check(record: &HandRecord) -> Result<(), LineError> {
    let HandRecord { id, seats, moves, scores, reason, .. } = record;
    if !id.to_string().parse::<HandId>().is_ok_and(|read| read == *id) {
        return Err(wrong("hand", format!("\"{id}\" is no name that can be read again")));
    }
    if !(1..=SEATS_MAX).contains(&seats.len()) {
        return Err(wrong("seats", format!("are {}, not 1 to {SEATS_MAX}", seats.len())));
    }
    if scores.len() != seats.len() {
        return Err(wrong("scores", format!("are {}, seats {}", scores.len(), seats.len())));
    }
    if moves.len() > MOVES_MAX {
        return Err(wrong("moves", format!("are {}, more than {MOVES_MAX}", moves.len())));
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(wrong("reason", format!("has {} bytes, more than {REASON_BYTES_MAX}", reason.len())));
    }
    moves.iter().try_for_each(|done| check_move(done, seats.len()))
}

fn check_move(done: &Move, seats: usize) -> Result<(), LineError> {
    match done {
        Move::Act { seat, .. } | Move::Abandon { seat } if usize::from(*seat) >= seats => {
            Err(wrong("moves", format!("one is of seat {seat}, of {seats} from 0")))
        }
        Move::Act { action, .. } if action.len() > ACTION_BYTES_MAX => {
            Err(wrong("moves", format!("an action has {} bytes, more than {ACTION_BYTES_MAX}", action.len())))
        }
        _ => Ok(()),
    }
}

fn wrong(field: &'static str, wrong: String) -> LineError {
    LineError::Value { field, wrong }
}

impl LineError {
    fn of_json(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        // A line of its own is always line 1 to the parser.
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        Self::Json { what: what.into(), column: error.column() }
    }
}

impl From<&HandRecord> for Line {
    fn from(record: &HandRecord) -> Self {
        Self {
            hand: record.id.to_string(),
            game: record.game.0,
            rules: record.rules,
            seed: hex::encode(&record.seed),
            seats: record.seats.iter().map(|account| account.0).collect(),
            moves: record.moves.iter().map(MoveOfLine::from).collect(),
            scores: record.scores.clone(),
            reason: record.reason.clone(),
            began_unix_ms: record.began_unix_ms,
            ended_unix_ms: record.ended_unix_ms,
        }
    }
}

impl Line {
    fn into_record(self) -> Result<HandRecord, LineError> {
        let seed: Option<Seed> = hex::decode(&self.seed);
        Ok(HandRecord {
            id: self.hand.parse().map_err(|error| wrong("hand", format!("\"{}\" {error}", self.hand)))?,
            game: GameId(self.game),
            rules: self.rules,
            seed: seed.ok_or_else(|| wrong("seed", "is not 64 hexadecimal digits".into()))?,
            seats: self.seats.into_iter().map(AccountId).collect(),
            moves: self.moves.into_iter().map(MoveOfLine::into_move).collect::<Result<_, _>>()?,
            scores: self.scores,
            reason: self.reason,
            began_unix_ms: self.began_unix_ms,
            ended_unix_ms: self.ended_unix_ms,
        })
    }
}

impl From<&Move> for MoveOfLine {
    fn from(done: &Move) -> Self {
        match done {
            Move::Act { seat, action } => Self::Act(*seat, hex::encode(action)),
            Move::Timeout => Self::Timeout,
            Move::Abandon { seat } => Self::Abandon(*seat),
        }
    }
}

impl MoveOfLine {
    fn into_move(self) -> Result<Move, LineError> {
        Ok(match self {
            Self::Act(seat, digits) => {
                let action = hex::decode_all(&digits);
                let action = action.ok_or_else(|| wrong("moves", "an action is not hexadecimal".into()))?;
                Move::Act { seat, action }
            }
            Self::Timeout => Move::Timeout,
            Self::Abandon(seat) => Move::Abandon { seat },
        })
    }
}
