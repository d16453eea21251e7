//! The journals of a cluster that has ended, read to their last line.
//!
//! Why: what was played is what is written down, and a server that was killed may leave no line that is broken, twice
//! there, or counted otherwise than it was played.
//! Owns: the reading of all of them. Does not own a journal's lines and sums (`usher_store::hands`).
//! Invariants: a journal that cannot be read is an error; nothing is written.
//! Read next: `checks`.

use anyhow::{Context, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use usher_proto::GameId;
use usher_proto::hand::{FAULT, Move};
use usher_store::Scores;
use usher_store::hands::Records;

/// What is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) hands: u64,
    /// The seats of those hands.
    pub(crate) seats: u64,
    /// How many of them ended because their game failed.
    pub(crate) faults: u64,
    /// In how many others somebody acted, by game.
    pub(crate) played: BTreeMap<GameId, u64>,
}

/// Reads every `hands-NAME.jsonl` of a folder. An error names what is wrong with one.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Written> {
    let mut written = Written::default();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let is_of_hands = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"hands-"));
        if is_of_hands && path.extension().is_some_and(|extension| extension == "jsonl") {
            read_one(&path, &mut written)?;
        }
    }
    Ok(written)
}

fn read_one(path: &Path, written: &mut Written) -> anyhow::Result<()> {
    let (mut names, mut sums) = (BTreeSet::new(), BTreeMap::new());
    for record in Records::new(path, BufReader::new(File::open(path)?)) {
        let record = record?;
        let sum: i64 = record.scores.iter().map(|&score| i64::from(score)).sum();
        ensure!(sum == 0, "the scores of hand {} come to {sum:+}", record.id);
        for (&account, &score) in record.seats.iter().zip(&record.scores) {
            *sums.entry((account, record.game)).or_insert(0) += i64::from(score);
        }
        written.hands += 1;
        written.seats += record.seats.len() as u64;
        if record.reason == FAULT {
            written.faults += 1;
        } else if record.moves.iter().any(|it| matches!(it, Move::Act { .. })) {
            *written.played.entry(record.game).or_default() += 1;
        }
        let name = record.id.to_string();
        ensure!(names.insert(record.id), "hand {name} is there twice");
    }
    if sums.is_empty() {
        return Ok(());
    }
    let scores = Scores::open(path)?;
    for ((account, game), sum) in sums {
        let counted = scores.score(account, game)?;
        ensure!(counted == sum, "account {account} won {sum:+} in game {game}, and is counted {counted:+}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use usher_proto::{AccountId, HandId, HandRecord, RoomNo, TableNo};
    use usher_store::Journal;
    use usher_store::hands::line;

    fn hand(hand: u64, scores: [i32; 2]) -> HandRecord {
        let id = HandId { server: "room".into(), incarnation: 1, room: RoomNo(0), table: TableNo(0), hand };
        HandRecord {
            id,
            game: GameId(1),
            rules: 1,
            seed: [0; 32],
            seats: vec![AccountId(1), AccountId(2)],
            moves: vec![Move::Act { seat: 0, action: b"x".to_vec() }],
            scores: scores.into(),
            reason: "won".into(),
            began_unix_ms: 1,
            ended_unix_ms: 2,
        }
    }

    /// What is read where these were recorded, and a line was added by other means.
    fn read_of(name: &str, recorded: &[HandRecord], added: Option<&HandRecord>) -> Result<Written, String> {
        let folder = std::env::temp_dir().join(format!("usher-journals-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("hands-room.jsonl");
        let journal = Journal::open(&path).unwrap();
        fs::write(folder.join("other.jsonl"), "no hand\n").unwrap();
        let (told, are_told) = channel();
        for record in recorded {
            let told = told.clone();
            journal.record(record.clone(), Box::new(move |it| told.send(it.is_ok()).unwrap())).unwrap();
            assert_eq!(are_told.recv_timeout(Duration::from_secs(60)), Ok(true));
        }
        drop(journal);
        let mut lines = Vec::new();
        if let Some(record) = added {
            line::write(record, &mut lines).unwrap();
        }
        File::options().append(true).open(&path).unwrap().write_all(&lines).unwrap();
        let read = read(&folder).map_err(|error| error.to_string());
        fs::remove_dir_all(&folder).unwrap();
        read
    }

    #[test]
    fn what_was_recorded_is_there_once_and_adds_up() {
        let fault = HandRecord { reason: FAULT.into(), ..hand(3, [0, 0]) };
        let of_another_game = HandRecord { game: GameId(2), ..hand(4, [0, 0]) };
        let nobody_acted = HandRecord { moves: vec![Move::Timeout], ..hand(5, [1, -1]) };
        let recorded = [hand(1, [1, -1]), hand(2, [-2, 2]), fault, of_another_game, nobody_acted];
        let played = BTreeMap::from([(GameId(1), 2), (GameId(2), 1)]);
        let written = Written { hands: 5, seats: 10, faults: 1, played };
        assert_eq!(read_of("good", &recorded, None), Ok(written));
        assert_eq!(read_of("none", &[], None), Ok(Written::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let recorded = [hand(1, [1, -1]), hand(2, [1, 1])];
        let unequal = read_of("unequal", &recorded, None);
        assert_eq!(unequal, Err("the scores of hand room/1/0/0/2 come to +2".into()));
        let twice = read_of("twice", &recorded[..1], Some(&recorded[0]));
        assert_eq!(twice, Err("hand room/1/0/0/1 is there twice".into()));
        let uncounted = read_of("uncounted", &recorded[..1], Some(&hand(3, [-3, 3])));
        assert_eq!(uncounted, Err("account 1 won -2 in game 1, and is counted +1".into()));
    }
}
