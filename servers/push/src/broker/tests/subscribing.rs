//! A terminal comes, hears, falls behind, leaves and comes back.
//!
//! Read next: [`super::shadow`], the same by chance.

use super::{LOG, Stage, gold, small};
use crate::config::{Limits, WRAPPING_BYTES_MAX};
use usher_proto::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};
use usher_proto::message::{
    CloseReason, Gap, HelloDenial, HelloDenied, Instruction, Port, PortionSent, PortionTaken, Position,
    Quote, Since, Subscribe, SubscribeDenial, SubscribeDenied, Subscribed, TerminalHello, To, Unsubscribe,
    Unsubscribed,
};
use usher_proto::{ConnId, Message};

fn own(name: &str) -> To {
    To::Terminal(name.into())
}

fn instruction(to: To, seq: u64) -> Message {
    Instruction { to, seq, payload: format!("do {seq}").into() }.into()
}

fn subscribed(to: To, seq: u64, last: u64) -> Message {
    Subscribed { to, log: LOG, seq, last }.into()
}

fn after(seq: u64) -> Since {
    Since::After(Position { log: LOG, seq })
}

fn portion() -> Message {
    PortionSent {}.into()
}

/// A stage on which so many instructions were given to the topic, and its controller.
fn with_gold(limits: Limits, count: u64) -> (Stage, ConnId) {
    let mut stage = Stage::with(limits);
    let controller = stage.controller("desk");
    for seq in 1..=count {
        stage.instruct(controller, seq, gold(), &format!("do {seq}"));
    }
    (stage, controller)
}

#[test]
fn a_hello_is_taken_once_and_by_a_good_name() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let hello = |name: &str, since| TerminalHello { name: name.into(), generation: 0, since };
    let cases = [
        ("t1", Since::Start, None),
        ("t1", Since::Now, None),
        ("t1", after(0), None),
        ("t1", after(1), Some(HelloDenial::Ahead)),
        ("", Since::Start, Some(HelloDenial::BadName)),
        ("a\nb", Since::Start, Some(HelloDenial::BadName)),
        (&long, Since::Start, Some(HelloDenial::BadName)),
        (&long[1..], Since::Start, None),
    ];
    for (name, since, denied) in cases {
        let mut stage = Stage::new();
        let conn = stage.connect(Port::Terminals);
        stage.say(conn, hello(name, since));
        let (answer, reason) = match denied {
            None => (subscribed(own(name), 0, 0), None),
            Some(reason) => (HelloDenied { reason }.into(), Some(CloseReason::Finished)),
        };
        assert_eq!((stage.heard(conn), stage.reason(conn)), (vec![answer], reason), "{name}");
        if denied.is_none() {
            stage.say(conn, hello(name, since));
            assert_eq!(stage.reason(conn), Some(CloseReason::Unexpected), "a second hello");
        }
    }
}

#[test]
fn who_has_not_said_hello_may_say_nothing_else() {
    let unsubscribe = Unsubscribe { topic: "gold".into() };
    let subscribe = Subscribe { topic: "gold".into(), since: Since::Now };
    let messages: [Message; 3] = [subscribe.into(), unsubscribe.into(), PortionTaken {}.into()];
    for message in messages {
        let mut stage = Stage::new();
        let conn = stage.connect(Port::Terminals);
        stage.say(conn, message.clone());
        assert_eq!(stage.reason(conn), Some(CloseReason::Unexpected));
        stage.say(conn, message);
        stage.leave(conn);
        assert_eq!(stage.heard(conn), []);
    }
}

#[test]
fn a_newer_connection_of_a_name_takes_its_place() {
    let mut stage = Stage::new();
    let older = stage.hearer("t1", "gold");
    let newer = stage.hearer("t1", "gold");
    assert_eq!(stage.reason(older), Some(CloseReason::Replaced));
    let controller = stage.controller("desk");
    stage.instruct(controller, 1, own("t1"), "do 1");
    stage.leave(older);
    stage.instruct(controller, 2, own("t1"), "do 2");
    assert_eq!(stage.heard(older), []);
    assert_eq!(stage.heard(newer), [instruction(own("t1"), 1), instruction(own("t1"), 2)]);
    assert_eq!(stage.broker.counts().terminals, 1);
}

#[test]
fn an_older_connection_that_is_heard_later_does_not_take_the_place_of_a_newer_one() {
    let mut stage = Stage::new();
    let hello = |generation| TerminalHello { name: "t1".into(), generation, since: Since::Start };
    let replaced = Some(CloseReason::Replaced);
    let [first, second, third] = [2, 1, 2].map(|generation| {
        let conn = stage.connect(Port::Terminals);
        stage.say(conn, hello(generation));
        conn
    });
    assert_eq!([first, second, third].map(|conn| stage.reason(conn)), [replaced, replaced, None]);
    assert_eq!(stage.heard(second), []);
    stage.leave(third);
    let back = stage.connect(Port::Terminals);
    stage.say(back, hello(1));
    assert_eq!(stage.reason(back), None, "nobody has the name now");
}

#[test]
fn a_terminal_that_is_away_and_was_never_instructed_makes_room() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    let terminals = ["a", "b", "c"].map(|name| stage.terminal(name));
    stage.instruct(controller, 1, own("a"), "do");
    let refused = stage.terminal("d");
    assert_eq!(stage.heard(refused), [HelloDenied { reason: HelloDenial::Full }.into()]);
    for conn in terminals {
        stage.leave(conn);
    }
    for (name, is_let_in) in [("d", true), ("e", true), ("f", false)] {
        let conn = stage.terminal(name);
        assert_eq!(stage.reason(conn).is_none(), is_let_in, "{name}");
    }
    let back = stage.terminal("a");
    let said = [
        subscribed(own("a"), 0, 1),
        Instruction { to: own("a"), seq: 1, payload: "do".into() }.into(),
        portion(),
    ];
    assert_eq!(stage.heard(back), said, "what waits for a terminal is kept");
}

#[test]
fn where_a_subscription_goes_on() {
    let gap = |from, until| Message::from(Gap { to: gold(), from, until });
    let other = Since::After(Position { log: LOG - 1, seq: 99 });
    let seqs =
        |range: std::ops::RangeInclusive<u64>| range.map(|seq| instruction(gold(), seq)).collect::<Vec<_>>();
    // Of seven instructions the last five are kept.
    let cases = [
        (Since::Now, 7, vec![]),
        (after(7), 7, vec![]),
        (after(6), 6, seqs(7..=7)),
        (after(2), 2, seqs(3..=7)),
        (after(1), 1, [vec![gap(2, 2)], seqs(3..=7)].concat()),
        (after(0), 0, [vec![gap(1, 2)], seqs(3..=7)].concat()),
        (other, 0, [vec![gap(1, 2)], seqs(3..=7)].concat()),
        (Since::Start, 2, seqs(3..=7)),
    ];
    let limits = || Limits { portion_bytes_max: 100_000, ..small() };
    for (since, seq, missed) in cases {
        let (mut stage, controller) = with_gold(limits(), 7);
        let conn = stage.terminal("t1");
        stage.heard(conn);
        stage.say(conn, Subscribe { topic: "gold".into(), since });
        let mut said = vec![subscribed(gold(), seq, 7)];
        if !missed.is_empty() {
            said.extend(missed);
            said.push(portion());
        }
        assert_eq!(stage.heard(conn), said, "{since:?}");
        stage.instruct(controller, 8, gold(), "do 8");
        assert_eq!(stage.heard(conn), [instruction(gold(), 8)], "{since:?}: new ones come at once");
    }
}

#[test]
fn what_was_missed_comes_in_portions_and_nothing_new_overtakes_it() {
    // A portion has room for two instructions.
    let limits = Limits { portion_bytes_max: 2 * WRAPPING_BYTES_MAX, ..small() };
    let (mut stage, controller) = with_gold(limits, 5);
    let conn = stage.terminal("t1");
    stage.heard(conn);
    stage.say(conn, Subscribe { topic: "gold".into(), since: Since::Start });
    let [first, second, third] = [1, 2, 3].map(|seq| instruction(gold(), seq));
    assert_eq!(stage.heard(conn), [subscribed(gold(), 0, 5), first, second, portion()]);
    stage.instruct(controller, 6, gold(), "do 6");
    assert_eq!(stage.heard(conn), [], "it has not taken the portion");
    stage.say(conn, PortionTaken {});
    assert_eq!(stage.heard(conn), [third, instruction(gold(), 4), portion()]);
    assert_eq!(stage.broker.counts().behind, 1);
    stage.say(conn, PortionTaken {});
    assert_eq!(stage.heard(conn), [instruction(gold(), 5), instruction(gold(), 6), portion()]);
    stage.instruct(controller, 7, gold(), "do 7");
    assert_eq!(stage.heard(conn), [instruction(gold(), 7)], "it has everything before");
    stage.say(conn, PortionTaken {});
    assert_eq!((stage.heard(conn), stage.broker.counts().behind), (vec![], 0));
    stage.say(conn, PortionTaken {});
    assert_eq!(stage.reason(conn), Some(CloseReason::Unexpected), "there was no portion");
}

#[test]
fn a_terminal_that_takes_its_time_is_told_of_the_gap_that_came_meanwhile() {
    let limits = Limits { portion_bytes_max: 1, ..small() };
    let (mut stage, controller) = with_gold(limits, 3);
    let conn = stage.terminal("t1");
    stage.say(conn, Subscribe { topic: "gold".into(), since: Since::Start });
    stage.heard(conn);
    for seq in 4..=9 {
        stage.instruct(controller, seq, gold(), &format!("do {seq}"));
    }
    let mut said = Vec::new();
    while stage.broker.counts().behind > 0 {
        stage.say(conn, PortionTaken {});
        said.extend(stage.heard(conn));
    }
    said.retain(|message| *message != portion());
    let gap = Gap { to: gold(), from: 2, until: 4 };
    assert_eq!(said, [vec![gap.into()], (5..=9).map(|seq| instruction(gold(), seq)).collect()].concat());
    assert_eq!(stage.broker.counts().gaps_total, 1);
}

#[test]
fn one_portion_is_out_at_a_time_whatever_is_asked_for() {
    let limits = Limits { portion_bytes_max: 1, ..small() };
    let (mut stage, controller) = with_gold(limits, 1);
    stage.instruct(controller, 2, To::Topic("iron".into()), "do 1");
    stage.quote(controller, "lead", "k", "v");
    let conn = stage.terminal("t1");
    stage.heard(conn);
    for topic in ["gold", "iron", "lead"] {
        stage.say(conn, Subscribe { topic: topic.into(), since: Since::Start });
    }
    let portions = |said: &[Message]| said.iter().filter(|message| **message == portion()).count();
    let said = stage.heard(conn);
    assert_eq!((said.len(), portions(&said)), (5, 1), "{said:?}");
    for _ in 0..2 {
        stage.say(conn, PortionTaken {});
        let said = stage.heard(conn);
        assert_eq!((said.len(), portions(&said)), (2, 1), "{said:?}");
    }
    stage.say(conn, PortionTaken {});
    assert_eq!((stage.heard(conn), stage.broker.counts().behind), (vec![], 0));
}

#[test]
fn quotes_as_they_stand_come_first_and_then_as_they_change() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    stage.quote(controller, "gold", "ask", "7");
    stage.quote(controller, "gold", "bid", "6");
    stage.quote(controller, "gold", "ask", "8");
    let conn = stage.terminal("t1");
    stage.heard(conn);
    stage.say(conn, Subscribe { topic: "gold".into(), since: Since::Now });
    stage.quote(controller, "gold", "bid", "5");
    stage.quote(controller, "gold", "ask", "");
    stage.quote(controller, "gold", "ask", "");
    stage.quote(controller, "iron", "ask", "1");
    let quote = |key: &str, value: &str| -> Message {
        Quote { topic: "gold".into(), key: key.into(), value: value.into() }.into()
    };
    let said = [
        subscribed(gold(), 0, 0),
        quote("ask", "8"),
        quote("bid", "6"),
        portion(),
        quote("bid", "5"),
        quote("ask", ""),
    ];
    assert_eq!(stage.heard(conn), said);
    assert_eq!(stage.broker.counts().quotes, 2, "a withdrawn key is gone");
}

#[test]
fn what_cannot_be_subscribed_to() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    for (request, topic) in ["w", "x", "y", "z"].into_iter().enumerate() {
        stage.instruct(controller, request as u64, To::Topic(topic.into()), "do");
    }
    let conn = stage.hearer("t1", "w");
    let long = "x".repeat(TOPIC_BYTES_MAX + 1);
    let cases = [
        ("w", Since::Now, SubscribeDenial::AlreadySubscribed),
        ("", Since::Now, SubscribeDenial::BadName),
        ("\u{7f}", Since::Now, SubscribeDenial::BadName),
        (&long, Since::Now, SubscribeDenial::BadName),
        ("new", Since::Now, SubscribeDenial::TopicsFull),
        ("x", after(2), SubscribeDenial::Ahead),
    ];
    let mut denials = 0;
    let mut deny = |stage: &mut Stage, topic: &str, since, reason| {
        stage.say(conn, Subscribe { topic: topic.into(), since });
        assert_eq!(stage.heard(conn), [SubscribeDenied { topic: topic.into(), reason }.into()]);
        denials += 1;
        assert_eq!(stage.broker.counts().denied_total, denials);
    };
    for (topic, since, reason) in cases {
        deny(&mut stage, topic, since, reason);
    }
    for topic in ["x", "y"] {
        stage.say(conn, Subscribe { topic: topic.into(), since: Since::Now });
    }
    stage.heard(conn);
    deny(&mut stage, "z", Since::Now, SubscribeDenial::TooManyTopics);
    assert_eq!(stage.reason(conn), None, "it may go on");
}

#[test]
fn nothing_follows_an_unsubscribed() {
    let (mut stage, controller) = with_gold(Limits { portion_bytes_max: 1, ..small() }, 3);
    let conn = stage.terminal("t1");
    stage.say(conn, Subscribe { topic: "gold".into(), since: Since::Start });
    stage.heard(conn);
    for topic in ["gold", "gold", "never heard of"] {
        stage.say(conn, Unsubscribe { topic: topic.into() });
        assert_eq!(stage.heard(conn), [Unsubscribed { topic: topic.into() }.into()]);
    }
    stage.instruct(controller, 4, gold(), "do 4");
    stage.quote(controller, "gold", "k", "v");
    stage.say(conn, PortionTaken {});
    assert_eq!(stage.heard(conn), []);
    stage.say(conn, Subscribe { topic: "gold".into(), since: after(4) });
    let quote = Quote { topic: "gold".into(), key: "k".into(), value: "v".into() };
    assert_eq!(stage.heard(conn), [subscribed(gold(), 4, 4), quote.into(), portion()]);
}

#[test]
fn a_drain_waits_for_who_is_behind_and_for_nobody_else() {
    let (mut stage, controller) = with_gold(Limits { portion_bytes_max: 1, ..small() }, 2);
    let done = stage.hearer("t1", "gold");
    let nameless = stage.connect(Port::Terminals);
    let administrator = stage.connect(Port::Administrators);
    let behind = stage.terminal("t2");
    stage.say(behind, Subscribe { topic: "gold".into(), since: Since::Start });
    stage.drain();
    let draining = Some(CloseReason::Draining);
    for conn in [controller, done, nameless] {
        assert_eq!(stage.reason(conn), draining);
        stage.leave(conn);
    }
    let late = stage.connect(Port::Terminals);
    assert_eq!(stage.reason(late), draining);
    stage.leave(late);
    stage.say(behind, PortionTaken {});
    assert_eq!((stage.reason(behind), stage.reason(administrator)), (None, None));
    assert!(!stage.broker.is_drained());
    stage.say(behind, PortionTaken {});
    assert_eq!((stage.reason(behind), stage.reason(administrator)), (draining, draining));
    assert!(stage.broker.is_drained());
    let last = stage.heard(behind);
    assert_eq!(last[last.len() - 2..], [instruction(gold(), 2), portion()]);
}

#[test]
fn a_drain_ends_when_who_is_behind_leaves() {
    let (mut stage, _) = with_gold(small(), 2);
    let behind = stage.terminal("t2");
    stage.say(behind, Subscribe { topic: "gold".into(), since: Since::Start });
    stage.drain();
    assert!(!stage.broker.is_drained());
    stage.leave(behind);
    assert!(stage.broker.is_drained());
}
