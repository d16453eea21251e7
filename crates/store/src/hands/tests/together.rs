//! Many askers, one journal: each hand once, in one order, with few syncs; and nobody waits.

use super::*;
use crate::hands::{BATCH_MAX, Counts, Full, QUEUE_MAX};
use std::collections::BTreeSet;
use std::sync::mpsc::sync_channel;

#[test]
fn a_hand_is_on_the_disk_and_counted_when_its_asker_is_told() {
    let folder = Folder::new("hands-told");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    let reader = journal.scores().unwrap();
    assert_eq!(reader.score(AccountId(1), GAME).unwrap(), 0);
    let mut sum = 0;
    for (number, points) in (1..).zip([5, -2, 0, i32::MAX, i32::MAX]) {
        let (told, seen) = channel();
        let on_told = path.clone();
        let done = move |outcome: Outcome| told.send((outcome.unwrap(), recorded(&on_told).len())).unwrap();
        journal.record(hand(number, points), Box::new(done)).unwrap();
        let (told, lines) = seen.recv_timeout(PATIENCE).unwrap();
        sum += i64::from(points);
        assert_eq!((told.totals, lines), (vec![sum, -sum], number as usize));
        assert_eq!(reader.score(AccountId(1), GAME).unwrap(), sum);
    }
    assert_eq!(reader.score(AccountId(1), GameId(2)).unwrap(), 0);
    let other_game = HandRecord { game: GameId(2), ..hand(6, 7) };
    assert_eq!(totals(&journal, other_game), [7, -7]);
    assert_eq!(scores(&path), [sum, -sum]);
    assert_eq!(journal.counts(), Counts { recorded: 6, refused: 0, failed: 0, batches: 6 });
}

#[test]
fn the_same_hand_told_again_changes_nothing() {
    let folder = Folder::new("hands-again");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(totals(&journal, hand(1, 5)), [5, -5]);
    assert_eq!(totals(&journal, hand(1, 5)), [5, -5]);
    assert_eq!(totals(&journal, hand(1, 900)), [5, -5]);
    assert_eq!(totals(&journal, hand(2, 1)), [6, -6]);
    drop(journal);
    remove_scores(&path);
    drop(Journal::open(&path).unwrap());
    assert_eq!(scores(&path), [6, -6]);
}

#[test]
fn an_account_in_two_seats_has_both_scores() {
    let folder = Folder::new("hands-two-seats");
    let journal = Journal::open(&folder.journal()).unwrap();
    let both = HandRecord { seats: vec![AccountId(1); 2], scores: vec![3, -1], ..hand(1, 0) };
    assert_eq!(totals(&journal, both), [2, 2]);
}

#[test]
fn hands_of_many_threads_come_out_once_each_in_one_order_with_few_syncs() {
    const THREADS: u16 = 4;
    const EACH: u64 = 500;
    let folder = Folder::new("hands-many");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    std::thread::scope(|scope| {
        for table in 0..THREADS {
            let journal = &journal;
            scope.spawn(move || {
                let (told, outcomes) = channel();
                for number in 1..=EACH {
                    let mut record = HandRecord { id: id(table, number), ..hand(number, 1) };
                    loop {
                        let told = told.clone();
                        let done = move |outcome: Outcome| told.send((number, outcome.is_ok())).unwrap();
                        let Err(Full(back)) = journal.record(record, Box::new(done)) else {
                            break;
                        };
                        record = *back;
                        std::thread::yield_now();
                    }
                }
                for number in 1..=EACH {
                    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), (number, true), "table {table}");
                }
                assert!(outcomes.try_recv().is_err());
            });
        }
    });
    let records = recorded(&path);
    let ids: BTreeSet<_> = records.iter().map(|record| record.id.clone()).collect();
    assert_eq!((records.len(), ids.len()), (2_000, 2_000));
    for table in (0..THREADS).map(TableNo) {
        let of_table = records.iter().filter(|record| record.id.table == table);
        assert!(of_table.map(|record| record.id.hand).eq(1..=EACH), "{table:?}");
    }
    assert_eq!(scores(&path), [2_000, -2_000]);
    let Counts { recorded, failed, batches, .. } = journal.counts();
    assert_eq!((recorded, failed), (2_000, 0));
    assert!(batches < 1_000 && batches >= 2_000 / BATCH_MAX as u64, "{batches} syncs for 2,000 hands");
    println!("{batches} syncs for 2,000 hands");
}

#[test]
fn a_full_queue_hands_the_hand_back_and_what_was_taken_is_recorded() {
    let folder = Folder::new("hands-full");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    let (at_work, is_at_work) = channel();
    let (let_go, may_go) = sync_channel::<()>(0);
    let stalls = move |_: Outcome| {
        at_work.send(()).unwrap();
        may_go.recv_timeout(PATIENCE).unwrap();
    };
    journal.record(hand(1, 1), Box::new(stalls)).unwrap();
    is_at_work.recv_timeout(PATIENCE).unwrap();
    let waiting = 2..2 + QUEUE_MAX as u64;
    let askers = waiting.clone().map(|number| {
        let (done, outcome) = asker();
        journal.record(hand(number, 1), done).unwrap();
        outcome
    });
    let askers: Vec<_> = askers.collect();
    let beyond = hand(waiting.end, 1);
    let Err(Full(back)) = journal.record(beyond.clone(), asker().0) else { panic!("there was room") };
    assert_eq!((*back, journal.counts().refused), (beyond.clone(), 1));
    let_go.send(()).unwrap();
    let sum = waiting.end.cast_signed();
    for outcome in &askers {
        told(outcome).unwrap();
    }
    assert_eq!(totals(&journal, beyond), [sum, -sum]);
    assert!(recorded(&path).iter().map(|record| record.id.hand).eq(1..=waiting.end));
}

#[test]
fn what_was_taken_is_recorded_before_the_journal_is_dropped() {
    let folder = Folder::new("hands-dropped");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    let askers = (1..=100).map(|number| {
        let (done, outcome) = asker();
        journal.record(hand(number, 1), done).unwrap();
        outcome
    });
    let askers: Vec<_> = askers.collect();
    drop(journal);
    for outcome in askers {
        outcome.try_recv().unwrap().unwrap();
    }
    assert_eq!((recorded(&path).len(), scores(&path)), (100, [100, -100]));
}

#[test]
fn a_hand_beyond_its_limits_fails_alone() {
    let folder = Folder::new("hands-beyond");
    let path = folder.journal();
    let journal = Journal::open(&path).unwrap();
    let beyond = HandRecord { reason: "r".repeat(REASON_BYTES_MAX + 1), ..hand(2, 1) };
    let outcomes = [hand(1, 1), beyond, hand(3, 1)].map(|record_of| {
        let (done, outcome) = asker();
        journal.record(record_of, done).unwrap();
        outcome
    });
    let outcomes = outcomes.map(|outcome| told(&outcome));
    assert!(
        matches!(&outcomes[1], Err(StoreError::NotRecorded { what, .. }) if what.starts_with("reason: "))
    );
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(recorded(&path), [hand(1, 1), hand(3, 1)]);
}
