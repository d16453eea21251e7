//! Hands written down and played back: the same log is the same hand, and what was altered is found.
//!
//! Read next: `usher_store::hands`.

use crate::cluster::{Cluster, Folder, usher};
use crate::wire::seat_guest;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use usher_games::{Game, GameKind, Seat};
use usher_logic::hand::make;
use usher_proto::hand::Move;
use usher_proto::message::Leave;
use usher_proto::{AccountId, GameId, HandId, HandRecord, Message, RoomNo, TableNo};
use usher_store::hands::line;

const HANDS: u64 = 40;
const JOURNAL: &str = "hands-room.jsonl";

fn replay(args: &[&str]) -> Output {
    usher().arg("replay").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A hand of random legal actions. Some end by the clock, some by a player who leaves, some as they will.
fn play(number: u64) -> HandRecord {
    let rng = &mut ChaCha8Rng::seed_from_u64(number);
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let mut game = GameKind::Gomoku.new_hand(seed).unwrap();
    let (mut moves, patience) = (Vec::new(), rng.next_u32() % 60);
    while let Some(seat) = game.to_act().iter().next() {
        moves.push(match number % 4 {
            0 if game.turn() > patience => Move::Timeout,
            1 if game.turn() > patience => Move::Abandon { seat: (rng.next_u32() % 2) as u8 },
            _ => any_action(game.as_ref(), seat, rng),
        });
        make(game.as_mut(), moves.last().unwrap()).unwrap();
    }
    let outcome = game.outcome().unwrap();
    HandRecord {
        id: id(number),
        game: GameId(GameKind::Gomoku.id()),
        rules: 1,
        seed,
        seats: vec![AccountId(5_407), AccountId(9_223_372_036_854_785_031)],
        moves,
        scores: outcome.scores,
        reason: outcome.reason.name().into(),
        began_unix_ms: 1_767_225_600_000,
        ended_unix_ms: 1_767_225_641_300,
    }
}

fn any_action(game: &dyn Game, seat: Seat, rng: &mut impl Rng) -> Move {
    let actions = game.legal_actions(seat);
    let action = actions[rng.next_u32() as usize % actions.len()].clone();
    Move::Act { seat: seat.0, action }
}

fn id(hand: u64) -> HandId {
    HandId {
        server: "room-1".into(),
        incarnation: 1_767_225_600_000,
        room: RoomNo(0),
        table: TableNo(3),
        hand,
    }
}

fn write(folder: &Folder, hands: &[HandRecord]) -> String {
    let mut lines = Vec::new();
    for hand in hands {
        line::write(hand, &mut lines).unwrap();
    }
    folder.write("hands.jsonl", text(&lines)).to_str().unwrap().into()
}

fn hands() -> Vec<HandRecord> {
    (1..=HANDS).map(play).collect()
}

#[test]
fn what_was_played_is_played_back_to_the_same_end() {
    let folder = Folder::new();
    let hands = hands();
    let file = write(&folder, &hands);
    let played = replay(&[&file]);
    assert!(played.status.success(), "{}{}", text(&played.stdout), text(&played.stderr));
    let said = text(&played.stdout);
    assert!(said.ends_with(&format!("\n{HANDS} played back: all as recorded\n")), "{said}");
    for hand in &hands {
        assert!(said.contains(&format!("hand {}\n  game    gomoku, rules 1\n", hand.id)), "{}", hand.id);
        assert!(said.contains(&format!("  ended   {}, after 41.3 s\n", hand.reason)), "{}", hand.reason);
    }
    let moves: usize = hands.iter().map(|hand| hand.moves.len()).sum();
    assert_eq!(said.lines().count(), moves + hands.len() * 6 + 1);
    let quiet = replay(&[&file, "--quiet"]);
    assert!(quiet.status.success());
    assert_eq!(text(&quiet.stdout), format!("{HANDS} played back: all as recorded\n"));
    println!("{HANDS} hands of {moves} moves came out as recorded");
}

#[test]
fn hands_of_earlier_versions_come_out_as_they_did() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/hands.jsonl");
    let played = replay(&[log.to_str().unwrap()]);
    let said = text(&played.stdout);
    assert!(played.status.success(), "{said}{}", text(&played.stderr));
    for reason in ["won", "draw", "resigned", "timed out", "abandoned"] {
        assert!(said.contains(&format!("\n  ended   {reason}, after ")), "none was {reason}: {said}");
    }
}

#[test]
fn one_hand_is_found_by_its_name_and_printed_for_people() {
    let folder = Folder::new();
    let mut hand = play(4);
    hand.moves.splice(.., [(0, 112), (1, 0)].map(|(seat, cell)| Move::Act { seat, action: vec![cell] }));
    let begins = GameKind::Gomoku.new_hand(hand.seed).unwrap().to_act().iter().next().unwrap();
    if begins == Seat(1) {
        hand.moves.reverse();
    }
    hand.moves.push(Move::Timeout);
    hand.scores = if begins == Seat(0) { vec![-1, 1] } else { vec![1, -1] };
    let file = write(&folder, &[play(1), hand.clone(), play(3)]);
    let played = replay(&[&file, "--hand", &hand.id.to_string()]);
    let [moves, scores] = match begins {
        Seat(0) => ["       1  seat 0  h8\n       2  seat 1  a15\n", "0: -1  1: +1"],
        _ => ["       1  seat 1  a15\n       2  seat 0  h8\n", "0: +1  1: -1"],
    };
    let wanted = format!(
        "hand room-1/1767225600000/0/3/4\n  game    gomoku, rules 1\n  \
         seats   0: 5407  1: 9223372036854785031\n{moves}       3  the clock ran out\n  \
         ended   timed out, after 41.3 s\n  scores  {scores}\n\n1 played back: all as recorded\n"
    );
    assert_eq!(text(&played.stdout), wanted);
    assert!(played.status.success());
    let missing = replay(&[&file, "--hand", "room-1/1767225600000/0/3/99"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(text(&missing.stdout), format!("{file}: there is no hand room-1/1767225600000/0/3/99\n"));
}

#[test]
fn a_hand_whose_rules_are_a_workers_is_printed_and_not_judged() {
    let reversi = GameKind::from_name("worker:reversi").unwrap();
    let act = |seat, action: &str| Move::Act { seat, action: action.into() };
    let hand = HandRecord {
        id: id(7),
        game: GameId(reversi.id()),
        rules: 3,
        moves: vec![act(0, "d3"), act(1, "\u{1b}[2J"), Move::Abandon { seat: 1 }],
        scores: vec![1, -1],
        reason: "abandoned".into(),
        ..play(1)
    };
    let folder = Folder::new();
    let alone = write(&folder, std::slice::from_ref(&hand));
    let printed = replay(&[&alone]);
    let wanted = format!(
        "hand room-1/1767225600000/0/3/7\n  game    a worker's, number {}, rules 3\n  \
         seats   0: 5407  1: 9223372036854785031\n       1  seat 0  d3\n       2  seat 1  \\u{{1b}}[2J\n       \
         3  seat 1  left the table\n  ended   abandoned, after 41.3 s\n  scores  0: +1  1: -1\n  \
         not played back: its rules are a worker's\n\n1 not played back: their rules are a worker's\n",
        reversi.id()
    );
    assert_eq!(text(&printed.stdout), wanted);
    assert!(printed.status.success());
    let found = replay(&[&alone, "--quiet", "--hand", &hand.id.to_string()]);
    assert_eq!(text(&found.stdout), "1 not played back: their rules are a worker's\n");
    assert!(found.status.success());

    let altered = HandRecord { scores: vec![100, -100], ..play(2) };
    for (other, judged, code) in [(play(1), "all as recorded", 0), (altered, "1 not as recorded", 1)] {
        let both = replay(&[&write(&folder, &[other, hand.clone()]), "--quiet"]);
        let said = format!("1 played back: {judged}\n1 not played back: their rules are a worker's\n");
        assert!(text(&both.stdout).ends_with(&said), "{}", text(&both.stdout));
        assert_eq!(both.status.code(), Some(code));
    }
}

#[test]
fn a_hand_that_was_altered_is_named_and_the_others_are_not() {
    type Alter = fn(&mut HandRecord);
    let cases: [(Alter, &str); 7] = [
        (|hand| hand.scores = hand.scores.iter().map(|score| score * 100).collect(), "the scores are ["),
        (|hand| hand.scores.reverse(), "the scores are ["),
        (|hand| hand.reason = "won more than that".into(), "the reason is \""),
        (|hand| drop(hand.moves.pop()), "the hand is not over after move "),
        (|hand| hand.moves.push(Move::Timeout), "the hand is over before move "),
        (|hand| hand.moves.insert(1, hand.moves[0].clone()), "move 2 of "),
        (|hand| hand.reason = "fault".into(), "the game does not fail"),
    ];
    let folder = Folder::new();
    for (alter, difference) in cases {
        let mut hands = hands();
        let altered = hands.iter_mut().find(|hand| hand.scores != [0, 0] && hand.moves.len() > 1).unwrap();
        alter(altered);
        let said = format!("hand {}: {difference}", altered.id);
        let file = write(&folder, &hands);
        let quiet = replay(&[&file, "--quiet"]);
        assert_eq!(quiet.status.code(), Some(1));
        let lines: Vec<_> = text(&quiet.stdout).lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with(&said), "wanted {said}: {lines:?}");
        assert_eq!(lines[1], format!("{HANDS} played back: 1 not as recorded"));
        let printed = replay(&[&file]);
        assert_eq!(printed.status.code(), Some(1));
        assert!(text(&printed.stdout).contains(&format!("  NOT AS RECORDED: {difference}")));
    }
}

#[test]
fn a_file_that_cannot_be_played_ends_with_2_and_names_the_line() {
    let folder = Folder::new();
    let good = fs::read_to_string(write(&folder, &[play(1), play(2)])).unwrap();
    let file = folder.0.join("hands.jsonl").to_str().unwrap().to_owned();
    let cases = [
        (good.clone() + "not a hand\n", format!("{file}:3: expected ident")),
        (good.clone() + "{\"hand\":", format!("{file}:3: is cut short after 8 bytes")),
        (
            good.replacen("\"game\":1,", "\"game\":77,", 1),
            format!("{file}:1: game: 77 is none that this program knows"),
        ),
        (good.replacen("/3/2", "/3", 1), format!("{file}:2: hand: \"room-1/1767225600000/0/3\" is no hand")),
    ];
    for (lines, wrong) in cases {
        folder.write("hands.jsonl", &lines);
        let ended = replay(&[&file]);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {wrong}")), "wanted {wrong}: {said}");
    }
    let folder = folder.0.to_str().unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["--help"], 0),
        (&[], 2),
        (&["/nowhere/hands.jsonl"], 2),
        (&[folder], 2),
        (&["-", "--hand", "seventeen"], 2),
    ];
    for (args, code) in cases {
        let ended = replay(args);
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", text(&ended.stderr));
        assert_ne!(ended.stderr.is_empty(), code == 2, "{args:?}");
    }
}

#[test]
fn standard_input_is_read_and_a_reader_may_stop() {
    let folder = Folder::new();
    let file = write(&folder, &hands());
    let piped = |command: &mut Command| {
        let input = Stdio::from(File::open(&file).unwrap());
        command
            .args(["replay", "-"])
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let all = piped(&mut usher()).wait_with_output().unwrap();
    assert!(all.status.success() && text(&all.stdout).ends_with("all as recorded\n"));
    let mut stopped = piped(&mut usher());
    drop(stopped.stdout.take());
    let stopped = stopped.wait_with_output().unwrap();
    assert!(stopped.status.success() && stopped.stderr.is_empty(), "{}", text(&stopped.stderr));
    fs::write(&file, "{}\n").unwrap();
    let broken = piped(&mut usher()).wait_with_output().unwrap();
    assert!(text(&broken.stderr).starts_with("error: standard input:1: missing field `hand`"));
}

#[test]
fn what_a_room_server_writes_down_is_told_counted_and_plays_back() {
    let mut cluster = Cluster::one_of_each();
    let [mut goes, mut stays] = [(); 2].map(|()| seat_guest(cluster.address("login")));
    let is_playing = |message: &Message| {
        if let Message::TableState(table) = message { table.playing.then_some(()) } else { None }
    };
    goes.await_said("a hand", is_playing);
    goes.say(Leave {});
    let ended = stays.await_said("its end", |message| match message {
        Message::HandEnded(ended) => Some(ended.clone()),
        _ => None,
    });
    assert_eq!((&*ended.reason, ended.seed.is_some()), ("abandoned", true));
    assert_eq!(ended.totals, ended.scores.iter().map(|score| i64::from(*score)).collect::<Vec<_>>());
    let journal = cluster.folder.0.join(JOURNAL);
    let journal = journal.to_str().unwrap();
    let played = replay(&[journal]);
    assert!(played.status.success(), "{}", text(&played.stderr));
    println!("{}", text(&played.stdout));
    assert!(text(&played.stdout).contains("abandoned"));

    cluster.server("room").kill();
    let played = replay(&[journal, "--quiet"]);
    assert!(played.status.success(), "a killed server leaves whole lines: {}", text(&played.stderr));
}
