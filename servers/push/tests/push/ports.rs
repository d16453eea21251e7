//! Three kinds of client on three ports with three codecs, and what goes from one to the other.
//!
//! Read next: [`super::lines`].

use crate::rig::{Lines, Setup, until};
use serde_json::json;
use usher_proto::Message;
use usher_proto::limits::INSTRUCTION_BYTES_MAX;
use usher_proto::message::{
    Instruction, Port, PortionSent, PortionTaken, Position, Quote, Since, Subscribe, To,
};

fn gold() -> To {
    To::Topic("gold".into())
}

#[test]
fn a_controller_reaches_a_topic_and_a_terminal_and_an_administrator_sees_it() {
    let server = Setup::default().start();
    let [mut t1, mut t2] = ["t1", "t2"].map(|name| server.hearer(name, "gold"));
    let mut controller = server.controller("desk");
    controller.quote("gold", "ask", "7");
    assert_eq!(controller.instruct(1, &gold(), "all of you"), 1);
    assert_eq!(controller.instruct(2, &To::Terminal("t2".into()), "you alone"), 1);
    let quote = Message::from(Quote { topic: "gold".into(), key: "ask".into(), value: "7".into() });
    let all = Message::from(Instruction { to: gold(), seq: 1, payload: "all of you".into() });
    for terminal in [&mut t1, &mut t2] {
        assert_eq!([terminal.hear(), terminal.hear()], [quote.clone(), all.clone()]);
    }
    let alone = Instruction { to: To::Terminal("t2".into()), seq: 1, payload: "you alone".into() };
    assert_eq!(t2.hear(), alone.into());
    let mut administrator = server.administrator();
    let clients = administrator.clients();
    let seen: Vec<_> = clients.iter().map(|it| (it.port, it.name.as_deref(), it.topics.len())).collect();
    let online = [
        (Port::Terminals, Some("t1"), 1),
        (Port::Terminals, Some("t2"), 1),
        (Port::Controllers, Some("desk"), 0),
        (Port::Administrators, None, 0),
    ];
    assert_eq!(seen, online);
    let counts = administrator.counts();
    assert_eq!((counts.instructions_total, counts.quotes, counts.log_entries), (2, 1, 2));
    drop(t1);
    until("t1 has left the list", || (administrator.counts().terminals == 1).then_some(()));
}

#[test]
fn the_largest_instruction_passes_and_a_terminals_frames_are_shorter() {
    let rest =
        format!("[limits]\ninstruction_bytes_max = {INSTRUCTION_BYTES_MAX}\nown_log_bytes_max = 65536\n");
    let server = Setup { rest: &rest, ..Setup::default() }.start();
    let mut terminal = server.hearer("t1", "gold");
    let mut controller = server.controller("desk");
    let payload = "x".repeat(INSTRUCTION_BYTES_MAX);
    controller.instruct(1, &gold(), &payload);
    let Message::Instruction(said) = terminal.hear() else { panic!("no instruction") };
    assert_eq!(said.payload.len(), INSTRUCTION_BYTES_MAX);
    terminal.0.write(&[4, 1]).unwrap(); // the header of a frame of 1,025 bytes
    server.until_closed(Port::Terminals, "bad_frame", 1);
}

#[test]
fn any_port_may_speak_either_codec() {
    let json = "codec = \"json\"\n";
    let server = Setup { terminals: json, controllers: json, ..Setup::default() }.start();
    let mut terminal = Lines::connect(server.address(Port::Terminals));
    let mut controller = Lines::connect(server.address(Port::Controllers));
    assert_eq!(
        controller.ask(r#"{"controller_hello":{"name":"desk"}}"#)["controller_welcome"],
        json!({"last_request": null})
    );
    let own = terminal.ask(r#"{"terminal_hello":{"name":"t1"}}"#);
    assert_eq!(own["subscribed"]["to"], json!({"terminal": "t1"}));
    assert_eq!(terminal.ask(r#"{"subscribe":{"topic":"gold"}}"#)["subscribed"]["seq"], 0);
    controller.type_in("{\"set_quote\":{\"topic\":\"gold\",\"key\":\"ask\",\"value\":\"7\"}}\n");
    let answer = controller.ask(r#"{"instruct":{"request":1,"to":{"topic":"gold"},"payload":"sell"}}"#);
    assert_eq!(answer, json!({"instructed": {"request": 1, "seq": 1}}));
    assert_eq!(terminal.read(), Some(json!({"quote": {"topic": "gold", "key": "ask", "value": "7"}})));
    let said = json!({"instruction": {"to": {"topic": "gold"}, "seq": 1, "payload": "sell"}});
    assert_eq!(terminal.read(), Some(said));
}

#[test]
fn a_long_absence_is_made_good_in_portions_below_the_high_water_mark() {
    let terminals = "high_water_bytes = 9000\n";
    let rest = "[limits]\nportion_bytes_max = 4000\ninstruction_bytes_max = 4000\nlog_bytes_max = 2000000\n";
    let server = Setup { terminals, rest, ..Setup::default() }.start();
    let mut controller = server.controller("desk");
    let payload = "x".repeat(500);
    for request in 1..=2_000 {
        controller.instruct(request, &gold(), &payload);
    }
    let mut terminal = server.terminal("t1");
    let since = Since::After(Position::default());
    terminal.say(Subscribe { topic: "gold".into(), since });
    let (mut next, mut portions, mut in_portion) = (1, 0, 0);
    while next <= 2_000 || in_portion > 0 {
        match terminal.hear() {
            Message::Instruction(said) => {
                assert_eq!(said.seq, next);
                next += 1;
                in_portion += said.payload.len();
            }
            Message::PortionSent(PortionSent {}) => {
                assert!(in_portion <= 4_500, "a portion of {in_portion} bytes");
                (portions, in_portion) = (portions + 1, 0);
                terminal.say(PortionTaken {});
            }
            Message::Subscribed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(portions > 200, "{portions} portions");
    assert_eq!(controller.instruct(2_001, &gold(), "new"), 2_001);
    assert_eq!(terminal.hear(), Instruction { to: gold(), seq: 2_001, payload: "new".into() }.into());
}
