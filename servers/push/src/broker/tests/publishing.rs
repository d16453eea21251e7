//! Controllers: every instruction is answered once and for all, every wrong quote is denied.
//!
//! Read next: [`super::super::controller`].

use super::{Stage, gold};
use usher_proto::Message;
use usher_proto::limits::{NAME_BYTES_MAX, QUOTE_KEY_BYTES_MAX, TOPIC_BYTES_MAX};
use usher_proto::message::{
    CloseReason, ControllerHello, ControllerWelcome, HelloDenial, HelloDenied, Instruct, InstructDenial,
    InstructDenied, Instructed, Instruction, Port, QuoteDenial, QuoteDenied, SetQuote, To,
};

fn instructed(request: u64, seq: u64) -> Message {
    Instructed { request, seq }.into()
}

fn denied(request: u64, reason: InstructDenial) -> Message {
    InstructDenied { request, reason }.into()
}

#[test]
fn each_log_has_its_own_numbers() {
    let mut stage = Stage::new();
    let [t1, t2] = ["t1", "t2"].map(|name| stage.hearer(name, "gold"));
    let controller = stage.controller("desk");
    let steps = [
        (gold(), 1, 1, 1),
        (To::Topic("iron".into()), 1, 0, 0),
        (To::Terminal("t1".into()), 1, 1, 0),
        (gold(), 2, 1, 1),
        (To::Terminal("t1".into()), 2, 1, 0),
        (To::Terminal("t2".into()), 1, 0, 1),
    ];
    for (request, (to, seq, by_t1, by_t2)) in (10..).zip(steps) {
        assert_eq!(stage.instruct(controller, request, to.clone(), "do"), instructed(request, seq));
        let said = Message::from(Instruction { to, seq, payload: "do".into() });
        for (conn, count) in [(t1, by_t1), (t2, by_t2)] {
            assert_eq!(stage.heard(conn), vec![said.clone(); count]);
        }
    }
    assert_eq!(stage.broker.counts().instructions_total, 6);
}

#[test]
fn the_same_request_is_the_same_instruction_on_any_connection() {
    let mut stage = Stage::new();
    let terminal = stage.hearer("t1", "gold");
    let first = stage.controller("desk");
    for request in [1, 2, 5] {
        stage.instruct(first, request, gold(), "do");
    }
    assert_eq!(
        stage.instruct(first, 6, To::Terminal("who".into()), "do"),
        denied(6, InstructDenial::NoSuchTerminal)
    );
    stage.heard(terminal);
    stage.leave(first);
    let second = stage.connect(Port::Controllers);
    stage.say(second, ControllerHello { name: "desk".into(), generation: 0 });
    assert_eq!(stage.heard(second), [ControllerWelcome { last_request: Some(6) }.into()]);
    // Three answers are remembered.
    let cases = [
        (1, denied(1, InstructDenial::Stale)),
        (2, instructed(2, 2)),
        (3, denied(3, InstructDenial::Stale)),
        (5, instructed(5, 3)),
        (6, denied(6, InstructDenial::NoSuchTerminal)),
    ];
    for (request, answer) in cases {
        assert_eq!(stage.instruct(second, request, gold(), "do"), answer);
    }
    assert_eq!(stage.heard(terminal), [], "nothing was sent twice");
    assert_eq!(stage.instruct(second, 7, gold(), "do"), instructed(7, 4));
    let stranger = stage.controller("another desk");
    assert_eq!(stage.instruct(stranger, 1, gold(), "do"), instructed(1, 5), "each has its own numbers");
}

#[test]
fn a_newer_connection_of_a_controller_takes_its_place() {
    let mut stage = Stage::new();
    let late = stage.connect(Port::Controllers);
    let first = stage.connect(Port::Controllers);
    for (conn, generation) in [(first, 5), (late, 4)] {
        stage.say(conn, ControllerHello { name: "desk".into(), generation });
    }
    assert_eq!((stage.reason(first), stage.reason(late)), (None, Some(CloseReason::Replaced)));
    stage.leave(first);
    let older = stage.controller("desk");
    let newer = stage.controller("desk");
    assert_eq!((stage.reason(older), stage.reason(newer)), (Some(CloseReason::Replaced), None));
    stage.say(older, Instruct { request: 1, to: gold(), payload: "do".into() });
    assert_eq!((stage.heard(older), stage.broker.counts().instructions_total), (vec![], 0));
    stage.leave(older);
    let another = stage.controller("another desk");
    let refused = stage.connect(Port::Controllers);
    stage.say(refused, ControllerHello { name: "a third".into(), generation: 0 });
    assert_eq!(
        stage.heard(refused),
        [HelloDenied { reason: HelloDenial::Full }.into()],
        "both are connected"
    );
    stage.instruct(newer, 1, gold(), "do");
    stage.leave(newer);
    stage.leave(another);
    stage.controller("a third");
    let forgotten = stage.connect(Port::Controllers);
    stage.say(forgotten, ControllerHello { name: "desk".into(), generation: 0 });
    assert_eq!(stage.heard(forgotten), [ControllerWelcome { last_request: None }.into()], "and is told so");
}

#[test]
fn what_cannot_be_instructed() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    for topic in ["w", "x", "y", "z"] {
        stage.quote(controller, topic, "k", "v");
    }
    let long = "x".repeat(TOPIC_BYTES_MAX + 1);
    let topic = |name: &str| To::Topic(name.into());
    let cases = [
        (topic("w"), 16, None),
        (topic("w"), 17, Some(InstructDenial::TooLong)),
        (topic(""), 1, Some(InstructDenial::BadName)),
        (topic("\t"), 1, Some(InstructDenial::BadName)),
        (topic(&long), 1, Some(InstructDenial::BadName)),
        (topic("new"), 1, Some(InstructDenial::TopicsFull)),
        (To::Terminal("nobody".into()), 1, Some(InstructDenial::NoSuchTerminal)),
    ];
    for (request, (to, bytes, reason)) in (1..).zip(cases) {
        let answer = stage.instruct(controller, request, to, &"x".repeat(bytes));
        assert_eq!(answer, reason.map_or(instructed(request, 1), |reason| denied(request, reason)));
    }
    assert_eq!(stage.broker.counts().instructions_total, 1);
}

#[test]
fn an_unused_topic_makes_room_for_a_new_one() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    for topic in ["w", "x", "y"] {
        stage.quote(controller, topic, "k", "v");
    }
    stage.hearer("t1", "z");
    assert_eq!(stage.instruct(controller, 1, gold(), "do"), denied(1, InstructDenial::TopicsFull));
    stage.quote(controller, "y", "k", "");
    assert_eq!(stage.instruct(controller, 2, gold(), "do"), instructed(2, 1));
    assert_eq!(stage.broker.counts().topics, 4);
}

#[test]
fn what_cannot_be_quoted() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    for (topic, key) in [("gold", "ask"), ("gold", "bid"), ("x", "k"), ("y", "k"), ("z", "k")] {
        stage.quote(controller, topic, key, "v");
    }
    let (long_topic, long_key) = ("x".repeat(TOPIC_BYTES_MAX + 1), "x".repeat(QUOTE_KEY_BYTES_MAX + 1));
    let cases = [
        ("gold", "ask", "12345678", None),
        ("gold", "ask", "123456789", Some(QuoteDenial::TooLong)),
        ("gold", "third", "v", Some(QuoteDenial::KeysFull)),
        ("new", "k", "v", Some(QuoteDenial::TopicsFull)),
        ("new", "k", "", None),
        ("", "k", "v", Some(QuoteDenial::BadName)),
        ("gold", "", "v", Some(QuoteDenial::BadName)),
        (&long_topic, "k", "v", Some(QuoteDenial::BadName)),
        ("gold", &long_key, "", Some(QuoteDenial::BadName)),
    ];
    for (topic, key, value, reason) in cases {
        stage.quote(controller, topic, key, value);
        let denial = reason.map(|reason| QuoteDenied { topic: topic.into(), key: key.into(), reason }.into());
        assert_eq!(stage.heard(controller), Vec::from_iter(denial), "{topic} {key} {value}");
    }
    stage.quote(controller, "gold", "bid", "");
    stage.quote(controller, "gold", "third", "v");
    assert_eq!(stage.heard(controller), [], "a withdrawn key makes room");
}

#[test]
fn a_controller_says_who_it_is_first_and_once() {
    let quote = SetQuote { topic: "gold".into(), key: "k".into(), value: "v".into() };
    let instruct = Instruct { request: 1, to: gold(), payload: "do".into() };
    let messages: [Message; 2] = [quote.into(), instruct.into()];
    for message in messages {
        let mut stage = Stage::new();
        let conn = stage.connect(Port::Controllers);
        stage.say(conn, message);
        assert_eq!((stage.reason(conn), stage.broker.counts().topics), (Some(CloseReason::Unexpected), 0));
    }
    let mut stage = Stage::new();
    let conn = stage.controller("desk");
    stage.say(conn, ControllerHello { name: "desk".into(), generation: 0 });
    assert_eq!(stage.reason(conn), Some(CloseReason::Unexpected));
    let conn = stage.connect(Port::Controllers);
    stage.say(conn, ControllerHello { name: "x".repeat(NAME_BYTES_MAX + 1), generation: 0 });
    assert_eq!(stage.heard(conn), [HelloDenied { reason: HelloDenial::BadName }.into()]);
    assert_eq!(stage.reason(conn), Some(CloseReason::Finished));
}
