//! An administrator at `nc`: lines of JSON, good and bad.
//!
//! Read next: `usher_runtime::codec`.

use crate::rig::{Lines, Setup};
use serde_json::{Value, json};
use usher_proto::Message;
use usher_proto::message::{CloseReason, Instruction, Port, To};

#[test]
fn a_session_by_hand() {
    let server = Setup::default().start();
    let mut controller = server.controller("desk");
    controller.instruct(1, &To::Topic("gold".into()), "do");
    let mut terminal = server.hearer("t1", "gold");
    let mut nc = server.administrator();
    let listed = nc.ask(r#"{"list_clients":{"port":"terminals"}}"#);
    let client = &listed["clients"]["clients"][0];
    assert_eq!(
        (&client["name"], &client["topics"], &client["behind"]),
        (&json!("t1"), &json!(["gold"]), &json!(false))
    );
    assert!(client["since_unix_ms"].as_u64().unwrap() > 1_500_000_000_000);
    assert!(client["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    let topics = nc.ask(r#"{"list_topics":{}}"#);
    let topic = &topics["topics"]["topics"][0];
    assert_eq!((&topic["topic"], &topic["subscribers"]), (&json!("gold"), &json!(1)));
    assert_eq!(
        (&topic["log"]["entries"], &topic["log"]["bytes"], &topic["log"]["last"]),
        (&json!(1), &json!(2), &json!(1))
    );
    let number = client["client"].as_u64().unwrap();
    let closed = nc.ask(&format!("{{\"close_client\":{{\"client\":{number}}}}}"));
    assert_eq!(closed, json!({"client_closed": {"client": number}}));
    assert_eq!(terminal.last_word(), Some(CloseReason::ClosedByAdministrator));
    assert_eq!(
        nc.ask(r#"{"forget":{"to":{"topic":"gold"}}}"#),
        json!({"forgotten": {"to": {"topic": "gold"}}})
    );
    assert_eq!(
        nc.ask(r#"{"forget":{"to":{"topic":"gold"}}}"#),
        json!({"denied": {"reason": "no_such_topic"}})
    );
    assert_eq!(nc.ask(r#"{"ping":{}}"#), json!({"pong": {}}));
}

#[test]
fn a_wrong_line_is_answered_and_the_session_goes_on() {
    let server = Setup::default().start();
    let mut nc = server.administrator();
    let cases = [
        ("hello", "expected value"),
        ("{\"get_counts\":{}", "EOF while parsing"),
        ("{\"get_counts\":{}} {}", "trailing characters"),
        ("{\"get_count\":{}}", "there is no message `get_count`; say one of: ping, pong, list_clients"),
        ("{\"instruct\":{}}", "may not be said by this peer"),
        ("{\"close_client\":{}}", "missing field `client`"),
        ("{\"list_topics\":null}", "invalid type: null"),
        ("[1,2]", "invalid type"),
        ("\u{0}", "expected value"),
    ];
    for (line, wanted) in cases {
        let why = nc.ask(line)["not_understood"]["why"].as_str().unwrap_or_default().to_string();
        assert!(why.contains(wanted), "`{line}` is answered with `{why}`");
    }
    nc.type_in("\n  \r\n\n");
    assert_eq!(nc.counts().administrators, 1, "empty lines are let by");
    nc.type_in("{\"get_counts\":{}}\r\n{\"get_");
    assert!(nc.read().unwrap()["counts"].is_object());
    nc.type_in("counts\":{}}\n");
    assert!(nc.read().unwrap()["counts"].is_object(), "a line may come in pieces");
}

#[test]
fn a_line_over_its_limit_ends_the_session_whether_it_ends_or_not() {
    let server = Setup { administrators: "message_bytes_max = 300\n", ..Setup::default() }.start();
    for end in ["", "\n"] {
        let mut nc = server.administrator();
        let longest = format!("{{\"get_counts\":{{}}}}{}", " ".repeat(283));
        assert!(nc.ask(&longest)["counts"].is_object());
        nc.type_in(&format!("{longest} {end}"));
        assert_eq!(nc.read(), Some(json!({"closing": {"reason": "bad_frame"}})));
        assert_eq!(nc.read(), None);
    }
    server.until_closed(Port::Administrators, "bad_frame", 2);
}

#[test]
fn bytes_that_are_no_text_are_numbers_in_json() {
    let server = Setup { terminals: "codec = \"json\"\n", ..Setup::default() }.start();
    let mut terminal = Lines::connect(server.address(Port::Terminals));
    terminal.ask(r#"{"terminal_hello":{"name":"t1"}}"#);
    let mut controller = server.controller("desk");
    let to = To::Terminal("t1".into());
    controller.say(usher_proto::message::Instruct { request: 1, to, payload: vec![0xff, 0].into() });
    controller.await_said("an answer", |it| matches!(it, Message::Instructed(_)).then_some(()));
    let said: Instruction = serde_json::from_value(terminal.read().unwrap()["instruction"].clone()).unwrap();
    assert_eq!(&*said.payload, [0xff, 0]);
}

#[test]
fn every_answer_is_one_line_whatever_names_there_are() {
    let server = Setup::default().start();
    let name = "\"{\\";
    let mut controller = server.controller(name);
    controller.instruct(1, &To::Topic(name.into()), "do");
    let mut nc = server.administrator();
    let said: Value = nc.ask(r#"{"list_topics":{}}"#);
    assert_eq!(said["topics"]["topics"][0]["topic"], name);
    assert_eq!(nc.clients()[0].name.as_deref(), Some(name));
}
