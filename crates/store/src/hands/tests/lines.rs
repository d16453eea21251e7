//! A line holds what a record does, and nothing else is taken for one.

use super::*;
use crate::hands::line::{LINE_BYTES_MAX, LineError, parse, write};
use proptest::prelude::*;
use usher_proto::limits::{ACTION_BYTES_MAX, MOVES_MAX, NAME_BYTES_MAX, SEATS_MAX};

type Spoil = fn(&mut HandRecord);

const LINE: &str = "{\"hand\":\"room-1/1767225600000/0/3/17\",\"game\":1,\"rules\":1,\
    \"seed\":\"1111111111111111111111111111111111111111111111111111111111111111\",\
    \"seats\":[1,9223372036854775810],\"moves\":[{\"act\":[0,\"7000\"]},\"timeout\",{\"abandon\":1}],\
    \"scores\":[1,-1],\"reason\":\"abandoned\",\"began_unix_ms\":1767225600100,\"ended_unix_ms\":1767225641300}";

#[test]
fn a_line_reads_as_it_is_documented() {
    let mut lines = Vec::new();
    write(&hand(17, 1), &mut lines).unwrap();
    assert_eq!(String::from_utf8(lines).unwrap(), format!("{LINE}\n"));
    assert_eq!(parse(LINE.as_bytes()), Ok(hand(17, 1)));
    let later = LINE.replace("\"game\"", "\"added_later\":{\"a\":[1]},\"game\"");
    assert_eq!(parse(later.as_bytes()), Ok(hand(17, 1)));
}

#[test]
fn what_is_no_line_is_refused_and_named() {
    let cases = [
        (LINE, "", "EOF while parsing a value (column 0)"),
        ("\"scores\":[1,-1],", "", "missing field `scores` (column "),
        ("\"game\":1", "\"game\":70000", "invalid value: integer `70000`, expected u16 (column "),
        ("\"timeout\"", "\"time\"", "unknown variant `time`"),
        ("41300}", "41300}}", "trailing characters (column "),
        ("room-1/", "", "hand: \"1767225600000/0/3/17\" is no hand"),
        ("11\",", "1\",", "seed: is not 64 hexadecimal digits"),
        ("7000", "700", "moves: an action is not hexadecimal"),
        ("\"act\":[0", "\"act\":[2", "moves: one is of seat 2, of 2 from 0"),
        ("\"abandon\":1", "\"abandon\":2", "moves: one is of seat 2, of 2 from 0"),
        ("[1,9223372036854775810]", "[]", "seats: are 0, not 1 to 8"),
        ("[1,-1]", "[1,-1,0]", "scores: are 3, seats 2"),
    ];
    for (from, to, wrong) in cases {
        assert!(LINE.contains(from), "{from}");
        let error = parse(LINE.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(wrong), "{to} for {from}: {error}");
    }
}

#[test]
fn every_limit_is_kept_on_both_ways_and_the_largest_record_fits() {
    let action = vec![0xff; ACTION_BYTES_MAX];
    let mut largest = HandRecord {
        seats: vec![AccountId(u64::MAX); SEATS_MAX],
        moves: vec![Move::Act { seat: 7, action }; MOVES_MAX],
        scores: vec![i32::MIN; SEATS_MAX],
        reason: "\u{1}".repeat(REASON_BYTES_MAX),
        began_unix_ms: u64::MAX,
        ended_unix_ms: u64::MAX,
        ..hand(u64::MAX, 0)
    };
    largest.id.server = "\u{1}".repeat(NAME_BYTES_MAX).as_str().into();
    let line = written(std::slice::from_ref(&largest));
    assert!(line.len() <= LINE_BYTES_MAX, "{} bytes", line.len());
    assert_eq!(parse(line.trim_ascii_end()).as_ref(), Ok(&largest));
    let cases: [(&str, Spoil); 6] = [
        ("hand", |record| record.id.server = format!("{}n", record.id.server).into()),
        ("hand", |record| record.id.server = "".into()),
        ("seats", |record| record.seats.push(AccountId(1))),
        ("moves", |record| record.moves.push(Move::Timeout)),
        ("moves", |record| record.moves[0] = Move::Act { seat: 0, action: vec![0; ACTION_BYTES_MAX + 1] }),
        ("reason", |record| record.reason.push('.')),
    ];
    for (field, spoil) in cases {
        let mut larger = largest.clone();
        spoil(&mut larger);
        let mut lines = b"before".to_vec();
        let refused = write(&larger, &mut lines);
        assert!(matches!(&refused, Err(LineError::Value { field: of, .. }) if *of == field), "{refused:?}");
        assert_eq!(lines, b"before");
    }
    let long = format!("{}1,{}", &LINE[..LINE.len() - 1], " ".repeat(LINE_BYTES_MAX));
    let refused = Records::new(Path::new("hands"), long.as_bytes()).next().unwrap().unwrap_err();
    assert_eq!(refused.to_string(), format!("hands:1: is longer than {LINE_BYTES_MAX} bytes"));
}

#[test]
fn a_wrong_line_ends_the_reading_with_its_number() {
    let mut lines = written(&[hand(1, 1), hand(2, 1)]);
    lines.extend(b"{\"hand\":1}\n");
    lines.extend(written(&[hand(3, 1)]));
    let mut records = Records::new(Path::new("some/hands.jsonl"), lines.as_slice());
    assert_eq!(records.by_ref().take(2).map(Result::unwrap).collect::<Vec<_>>(), [hand(1, 1), hand(2, 1)]);
    let error = records.next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("some/hands.jsonl:3: invalid type: integer `1`"), "{error}");
    assert!(records.next().is_none());
}

fn any_move(seats: u8) -> impl Strategy<Value = Move> {
    let action = prop::collection::vec(any::<u8>(), 0..=ACTION_BYTES_MAX);
    prop_oneof![
        4 => (0..seats, action).prop_map(|(seat, action)| Move::Act { seat, action }),
        1 => Just(Move::Timeout),
        1 => (0..seats).prop_map(|seat| Move::Abandon { seat }),
    ]
}

fn any_record() -> impl Strategy<Value = HandRecord> {
    let of_seats = |seats: u8| {
        let count = usize::from(seats);
        let id = ("\\PC{1,8}", any::<u64>(), any::<u16>(), any::<u16>(), any::<u64>());
        let id = id.prop_map(|(server, incarnation, room, table, hand)| HandId {
            server: server.as_str().into(),
            incarnation,
            room: RoomNo(room),
            table: TableNo(table),
            hand,
        });
        let accounts = prop::collection::vec(any::<u64>().prop_map(AccountId), count);
        let played =
            (prop::collection::vec(any_move(seats), 0..80), prop::collection::vec(any::<i32>(), count));
        (id, any::<(u16, u16, [u8; 32])>(), accounts, played, "\\PC{0,16}", any::<[u64; 2]>())
    };
    (1..=SEATS_MAX as u8).prop_flat_map(of_seats).prop_map(
        |(id, (game, rules, seed), seats, (moves, scores), reason, [began_unix_ms, ended_unix_ms])| {
            HandRecord {
                id,
                game: GameId(game),
                rules,
                seed,
                seats,
                moves,
                scores,
                reason,
                began_unix_ms,
                ended_unix_ms,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(any_record(), 1..4)) {
        let lines = written(&records);
        prop_assert_eq!(lines.split_inclusive(|byte| *byte == b'\n').count(), records.len());
        let read: Vec<_> = Records::new(Path::new("hands"), lines.as_slice()).map(Result::unwrap).collect();
        prop_assert_eq!(read, records);
    }

    /// Bytes from anywhere, and lines with a wrong byte, are refused or are records; what is taken can be written.
    #[test]
    fn strange_lines_are_survived(
        record in any_record(),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        strange in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut line = written(&[record]);
        for (at, byte) in spoilt {
            let at = at.index(line.len());
            line[at] = byte;
        }
        for bytes in [line, strange] {
            if let Ok(read) = parse(&bytes) {
                prop_assert_eq!(parse(written(std::slice::from_ref(&read)).trim_ascii_end()), Ok(read));
            }
        }
    }
}
