//! Torn lines, broken lines, lost scores, full disks, kills: what was acknowledged is there, and counts once.

use super::*;
use crate::hands::file::JournalFile;
use crate::hands::journal::Counters;
use crate::hands::recorder::{Ask, Recorder};
use crate::hands::scores::path_of;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A journal of these bytes, private as it should be.
fn lay(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn said(path: &Path) -> String {
    Journal::open(path).unwrap_err().to_string()
}

#[test]
fn a_line_torn_at_any_byte_is_cut_off_and_the_next_is_whole() {
    let folder = Folder::new("hands-torn");
    let path = folder.journal();
    let (before, last) = (written(&[hand(1, 1), hand(2, 1)]), written(&[hand(3, 1)]));
    for scores_are_kept in [false, true] {
        for torn in 0..last.len() {
            lay(&path, &before);
            if !scores_are_kept {
                remove_scores(&path);
            }
            drop(Journal::open(&path).unwrap());
            OpenOptions::new().append(true).open(&path).unwrap().write_all(&last[..torn]).unwrap();
            if !scores_are_kept {
                remove_scores(&path);
            }
            let journal = Journal::open(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), before, "torn after {torn} bytes");
            if torn % 50 == 0 && !scores_are_kept {
                assert_eq!(totals(&journal, hand(4, 1)), [3, -3], "torn after {torn} bytes");
                assert_eq!(recorded(&path), [hand(1, 1), hand(2, 1), hand(4, 1)]);
            }
        }
    }
    for torn in 0..last.len() {
        lay(&path, &last[..torn]);
        remove_scores(&path);
        drop(Journal::open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"", "torn after {torn} bytes");
    }
}

#[test]
fn a_broken_line_in_the_middle_is_named_and_nothing_is_cut() {
    let folder = Folder::new("hands-broken");
    let path = folder.journal();
    let mut bytes = written(&[hand(1, 1), hand(2, 1), hand(3, 1)]);
    let second = written(&[hand(1, 1)]).len();
    bytes[second + 1] = b'X';
    bytes.extend(b"{\"hand\":\"torn");
    lay(&path, &bytes);
    let error = said(&path);
    assert!(error.starts_with(&format!("{}:2: ", path.display())), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // Counted from where the scores are, named by the line of the file.
    lay(&path, &written(&[hand(1, 1)]));
    remove_scores(&path);
    drop(Journal::open(&path).unwrap());
    lay(&path, &bytes);
    assert_eq!(said(&path), error);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_alone() {
    let folder = Folder::new("hands-foreign");
    let path = folder.journal();
    for text in ["a secret without an end of line", "{\"other\":1}", "key = 1\nvalue = 2\nno end"] {
        lay(&path, text.as_bytes());
        let error = said(&path);
        assert!(error.starts_with(&format!("{}:1: ", path.display())), "{error}");
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    }
    let endless = vec![b'x'; line::LINE_BYTES_MAX];
    lay(&path, &[written(&[hand(1, 1)]), endless].concat());
    assert!(said(&path).ends_with(&format!(":2: is longer than {} bytes", line::LINE_BYTES_MAX)));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = Folder::new("hands-unopened");
    let path = folder.journal();
    assert!(said(Path::new("/nowhere/hands.jsonl")).starts_with("/nowhere/hands.jsonl: "));
    assert!(said(&folder.0).starts_with(&format!("{}: ", folder.0.display())));
    let journal = Journal::open(&path).unwrap();
    assert_eq!(said(&path), StoreError::Locked(path.clone()).to_string());
    for entry in fs::read_dir(&folder.0).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
    drop(journal);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(said(&path).ends_with(&format!("`chmod 600 {}`", path.display())));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let scores = path_of(&path);
    rusqlite::Connection::open(&scores).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(said(&path).contains("is of schema 2, this program knows 1"), "{}", said(&path));
    remove_scores(&path);
    lay(&scores, "no database at all".repeat(100).as_bytes());
    assert!(said(&path).contains("holds no scores"), "{}", said(&path));
    remove_scores(&path);
    assert!(Scores::open(&path).unwrap_err().to_string().contains("holds no scores"));
}

#[test]
fn scores_that_are_removed_are_summed_anew() {
    let folder = Folder::new("hands-rebuilt");
    let path = folder.journal();
    let hands: Vec<_> = (1..=3_000).map(|number| hand(number, (number % 7) as i32 - 2)).collect();
    let sum: i64 = hands.iter().map(|hand| i64::from(hand.scores[0])).sum();
    lay(&path, &written(&hands));
    for _ in 0..2 {
        let journal = Journal::open(&path).unwrap();
        assert_eq!(scores(&path), [sum, -sum]);
        assert_eq!(totals(&journal, hand(1, 100)), [sum, -sum]);
        drop(journal);
        remove_scores(&path);
    }
}

#[test]
fn ended_between_the_sync_and_the_commit_a_hand_is_counted_at_the_next_start() {
    let folder = Folder::new("hands-between");
    let path = folder.journal();
    let older = folder.0.join("older.db");
    let journal = Journal::open(&path).unwrap();
    assert_eq!(totals(&journal, hand(1, 1)), [1, -1]);
    drop(journal); // its last connection: all is in the one file now
    fs::copy(path_of(&path), &older).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(totals(&journal, hand(2, 10)), [11, -11]);
    assert_eq!(totals(&journal, hand(3, 100)), [111, -111]);
    drop(journal);
    fs::copy(&older, path_of(&path)).unwrap();
    assert_eq!(scores(&path), [1, -1]);
    let journal = Journal::open(&path).unwrap();
    assert_eq!(scores(&path), [111, -111]);
    assert_eq!(totals(&journal, hand(3, 100)), [111, -111]);
}

#[test]
fn a_journal_that_is_not_the_one_that_was_counted_is_refused() {
    let folder = Folder::new("hands-other");
    let path = folder.journal();
    lay(&path, &written(&[hand(1, 1), hand(2, 1)]));
    drop(Journal::open(&path).unwrap());
    let shorter = written(&[hand(1, 1)]);
    let other: Vec<_> = (1_000..1_020).map(|number| HandRecord { rules: 100, ..hand(number, 1) }).collect();
    for bytes in [Vec::new(), shorter, written(&other)] {
        lay(&path, &bytes);
        let error = said(&path);
        assert!(error.contains("is not the file whose hands were counted"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    remove_scores(&path);
    drop(Journal::open(&path).unwrap());
    assert_eq!(scores(&path), [20, -20]);
}

/// Records as the thread does.
fn record_now(recorder: &mut Recorder, hands: &[HandRecord]) -> Vec<Outcome> {
    let (told, outcomes) = channel();
    let ask = |record: &HandRecord| {
        let told = told.clone();
        Ask { record: record.clone(), done: Box::new(move |outcome| told.send(outcome).unwrap()) }
    };
    recorder.record(hands.iter().map(ask).collect());
    outcomes.try_iter().collect()
}

#[test]
fn a_disk_that_says_no_fails_its_batch_and_leaves_no_piece_behind() {
    let folder = Folder::new("hands-no-disk");
    let path = folder.journal();
    let counters = Arc::new(Counters::default());
    let mut recorder = Recorder::open(&path, Arc::clone(&counters)).unwrap();
    assert!(record_now(&mut recorder, &[hand(1, 1)])[0].is_ok());
    // A file that was opened to read takes neither a write nor a cut.
    let good = std::mem::replace(&mut recorder.file.file, File::open(&path).unwrap());
    for _ in 0..2 {
        let outcomes = record_now(&mut recorder, &[hand(2, 10), hand(3, 10)]);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::NotRecorded { .. }))));
        assert_eq!(outcomes.len(), 2);
    }
    // As much of a batch as the disk still took: more than the next one covers.
    let batch = written(&[hand(2, 10), hand(3, 10)]);
    let piece = &batch[..batch.len() - 1];
    OpenOptions::new().append(true).open(&path).unwrap().write_all(piece).unwrap();
    recorder.file.file = good;
    for (number, total) in [(3, 101), (4, 201)] {
        let outcomes = record_now(&mut recorder, &[hand(number, 100)]);
        assert_eq!(outcomes[0].as_ref().unwrap().totals, [total, -total]);
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(length, recorder.file.end(), "a piece is left behind");
    }
    assert_eq!(recorded(&path), [hand(1, 1), hand(3, 100), hand(4, 100)]);
    let counts = [&counters.recorded, &counters.failed, &counters.batches];
    let counts = counts.map(|counter| counter.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(counts, [3, 4, 5]);
}

#[test]
fn scores_that_say_no_leave_the_hand_recorded_and_are_caught_up_with() {
    let folder = Folder::new("hands-no-scores");
    let path = folder.journal();
    let mut recorder = Recorder::open(&path, Arc::default()).unwrap();
    assert!(record_now(&mut recorder, &[hand(1, 1)])[0].is_ok());
    let scores_of = rusqlite::Connection::open(path_of(&path)).unwrap();
    scores_of.execute_batch("ALTER TABLE sums RENAME TO away").unwrap();
    for number in [2, 3] {
        let outcomes = record_now(&mut recorder, &[hand(number, 10)]);
        assert!(matches!(&outcomes[..], [Err(StoreError::NotCounted { .. })]), "{outcomes:?}");
    }
    scores_of.execute_batch("ALTER TABLE away RENAME TO sums").unwrap();
    let outcomes = record_now(&mut recorder, &[hand(4, 100)]);
    assert_eq!(outcomes[0].as_ref().unwrap().totals, [121, -121]);
    assert_eq!(recorded(&path).len(), 4);
    drop(recorder);
    remove_scores(&path);
    drop(Journal::open(&path).unwrap());
    assert_eq!(scores(&path), [121, -121]);
}

#[test]
fn a_last_line_without_its_end_is_no_line_yet() {
    let folder = Folder::new("hands-endless");
    let path = folder.journal();
    let bytes = written(&[hand(1, 1), hand(2, 1)]);
    lay(&path, &bytes[..bytes.len() - 1]);
    let mut file = JournalFile::open(&path).unwrap();
    assert_eq!(file.end() as usize, written(&[hand(1, 1)]).len());
    assert_eq!(file.cut().unwrap() as usize, written(&[hand(2, 1)]).len() - 1);
    assert_eq!(file.cut().unwrap(), 0);
}

/// Where the child of the next test records; not a test of its own.
const VICTIM: &str = "USHER_STORE_HANDS_VICTIM";

#[test]
fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let path = Path::new(&path);
    let journal = Journal::open(path).unwrap();
    let begun = recorded(path).len() as u64;
    for batch in 0.. {
        let askers = (1..=20).map(|number| {
            let (done, outcome) = asker();
            journal.record(hand(begun + batch * 20 + number, 1), done).unwrap();
            outcome
        });
        askers.collect::<Vec<_>>().iter().for_each(|outcome| drop(told(outcome).unwrap()));
        println!("acknowledged {}", begun + (batch + 1) * 20);
    }
}

#[test]
fn killed_in_the_middle_of_it_what_was_acknowledged_is_there_and_counts_once() {
    let folder = Folder::new("hands-killed");
    let path = folder.journal();
    let mut acknowledged = 0;
    for round in 0..5_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hands::tests::accidents::victim", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let numbers = lines.filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse::<u64>().ok());
        acknowledged = numbers.take(1 + round * 3).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let journal = Journal::open(&path).unwrap();
        let there = recorded(&path).len() as u64;
        assert!(there >= acknowledged, "{there} of {acknowledged} in round {round}");
        assert_eq!(scores(&path), [there.cast_signed(), -there.cast_signed()], "round {round}");
        drop(journal);
    }
    println!("killed 5 times, {acknowledged} acknowledged hands all there");
}
