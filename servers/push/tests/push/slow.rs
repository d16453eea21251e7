//! A terminal that does not read: of quotes it has the latest when it reads again; over instructions it is closed,
//! and has them all when it is back.
//!
//! Read next: `usher_hpserver`, for what counts as slow.

use crate::rig::{Peer, Server, Setup, until};
use std::collections::BTreeMap;
use usher_proto::Message;
use usher_proto::message::{Port, PortionTaken, Since, Subscribe, Subscribed, TerminalHello, To};
use usher_push::client::Positions;

const KEYS: u64 = 4;
/// More than the kernel's buffers hold.
const QUOTES: u64 = 60_000;
/// Instructions given between two looks.
const BATCH: u64 = 100;
const INSTRUCTIONS_MAX: u64 = 100_000;

fn setup() -> Server {
    let terminals = "high_water_bytes = 65536\n";
    let rest = "[limits]\nlog_entries_max = 1000000\nlog_bytes_max = 200000000\n";
    Setup { terminals, rest, ..Setup::default() }.start()
}

/// Hears the topic, and then nothing more.
fn deaf(server: &Server, name: &str) -> (Peer, Positions) {
    let mut terminal = server.connect(Port::Terminals);
    terminal.say(TerminalHello { name: name.into(), generation: 0, since: Since::Start });
    terminal.say(Subscribe { topic: "gold".into(), since: Since::Now });
    let mut positions = Positions::default();
    terminal.await_said("the topic", |message| {
        positions.note(message).unwrap();
        matches!(message, Message::Subscribed(Subscribed { to: To::Topic(_), .. })).then_some(())
    });
    (terminal, positions)
}

#[test]
fn of_quotes_the_latest_waits_and_nothing_overtakes() {
    let server = setup();
    let (mut slow, _) = deaf(&server, "slow");
    let mut quick = server.hearer("quick", "gold");
    let mut controller = server.controller("desk");
    let value = |number: u64| format!("{number:0>200}");
    for number in 1..=QUOTES {
        controller.quote("gold", &format!("key {}", number % KEYS), &value(number));
        if number % BATCH == 0 {
            let last = |message: &Message| match message {
                Message::Quote(quote) => (*quote.value == *value(number).as_bytes()).then_some(()),
                _ => None,
            };
            quick.await_said("the last of a batch", last);
        }
    }
    controller.instruct(1, &To::Topic("another".into()), "behind all quotes");
    let mut heard: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = 0;
    let is_last =
        |heard: &BTreeMap<_, _>| heard.len() as u64 == KEYS && heard.values().all(|it| *it > QUOTES - KEYS);
    while !is_last(&heard) {
        let Message::Quote(quote) = slow.hear() else { panic!("no quote") };
        let number = std::str::from_utf8(&quote.value).unwrap().parse().unwrap();
        let before = heard.insert(quote.key, number);
        assert!(before.is_none_or(|before| before < number), "{before:?} came before {number}");
        count += 1;
    }
    println!("the slow terminal was sent {count} of {QUOTES} quotes, and has the latest of each key");
    assert!(count < QUOTES, "nothing was left out");
    assert_eq!(server.counters(Port::Terminals).closed["slow_consumer"], 0);
}

#[test]
fn over_instructions_it_is_closed_and_back_it_has_each_exactly_once() {
    let server = setup();
    let (mut slow, mut positions) = deaf(&server, "slow");
    let mut controller = server.controller("desk");
    let gold = To::Topic("gold".into());
    let payload = "x".repeat(1_000);
    let mut given = 0;
    while server.counters(Port::Terminals).closed["slow_consumer"] == 0 {
        assert!(given < INSTRUCTIONS_MAX, "it does not read, and is still there after {given} instructions");
        for _ in 0..BATCH {
            given += 1;
            assert_eq!(controller.instruct(given, &gold, &payload), given);
        }
    }
    let mut heard = 0;
    while let Ok(message) = slow.0.hear() {
        positions.note(&message).unwrap();
        heard += u64::from(matches!(message, Message::Instruction(_)));
    }
    assert!(heard < given);
    let missed = given - heard;
    let mut administrator = server.administrator();
    until("it has left the list", || (administrator.counts().terminals == 0).then_some(()));
    let mut back = server.terminal("slow");
    back.say(Subscribe { topic: "gold".into(), since: positions.since(&gold, Since::Now) });
    while heard < given {
        let message = back.hear();
        positions.note(&message).unwrap();
        match message {
            Message::Instruction(_) => heard += 1,
            Message::PortionSent(_) => back.say(PortionTaken {}),
            Message::Subscribed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    println!("closed after {given} instructions; back, it was sent the {missed} it had missed");
    assert_eq!(administrator.counts().gaps_total, 0);
}
