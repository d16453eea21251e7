//! What administrators see and do.
//!
//! Read next: [`super::super::lists`].

use super::{LOG, Stage, gold, small};
use crate::config::Limits;
use usher_proto::limits::LISTED_MAX;
use usher_proto::message::{
    ClientClosed, ClientEntry, Clients, CloseClient, CloseReason, Denial, Denied, Forget, Forgotten,
    GetCounts, ListClients, ListTerminals, ListTopics, LogEntry, NotUnderstood, Port, Position, Since,
    Subscribe, Subscribed, TerminalEntry, Terminals, To, TopicEntry, Topics,
};
use usher_proto::{ConnId, Message};

fn ask(stage: &mut Stage, administrator: ConnId, message: impl Into<Message>) -> Message {
    stage.say(administrator, message);
    stage.heard(administrator).pop().expect("an administrator is always answered")
}

#[test]
fn who_is_connected_on_which_port_since_when_and_with_which_topics() {
    let mut stage = Stage::new();
    let terminal = stage.hearer("t1", "iron");
    stage.say(terminal, Subscribe { topic: "gold".into(), since: Since::Now });
    stage.controller("desk");
    let administrator = stage.connect(Port::Administrators);
    let entry = |client, port, name: Option<&str>, topics: &[&str]| ClientEntry {
        client,
        port,
        name: name.map(Into::into),
        address: "127.0.0.1:9".into(),
        since_unix_ms: 1_000 + client,
        topics: topics.iter().map(|topic| (*topic).into()).collect(),
        behind: false,
    };
    let all = [
        entry(1, Port::Terminals, Some("t1"), &["gold", "iron"]),
        entry(2, Port::Controllers, Some("desk"), &[]),
        entry(3, Port::Administrators, None, &[]),
    ];
    let cases = [
        (None, 0, all.to_vec()),
        (None, 2, all[2..].to_vec()),
        (Some(Port::Terminals), 0, all[..1].to_vec()),
        (Some(Port::Controllers), 0, all[1..2].to_vec()),
        (Some(Port::Controllers), 2, vec![]),
    ];
    for (port, after, clients) in cases {
        let said = ask(&mut stage, administrator, ListClients { port, after });
        assert_eq!(said, Clients { clients, more: false }.into());
    }
}

#[test]
fn topics_and_terminals_with_their_logs() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    let t1 = stage.hearer("t1", "gold");
    let t2 = stage.terminal("t2");
    stage.leave(t2);
    for request in 1..=7 {
        stage.instruct(controller, request, gold(), "1234");
    }
    stage.instruct(controller, 8, To::Terminal("t2".into()), "12345");
    stage.quote(controller, "iron", "k", "v");
    let administrator = stage.connect(Port::Administrators);
    let log = |entries, bytes, last| LogEntry { log: LOG, entries, bytes, last };
    let topic =
        |name: &str, subscribers, quotes, log| TopicEntry { topic: name.into(), subscribers, quotes, log };
    let topics = vec![topic("gold", 1, 0, log(5, 20, 7)), topic("iron", 0, 1, log(0, 0, 0))];
    let terminal = |name: &str, client, log| TerminalEntry { terminal: name.into(), client, log };
    let terminals = vec![terminal("t1", Some(2), log(0, 0, 0)), terminal("t2", None, log(1, 5, 1))];
    let said = ask(&mut stage, administrator, ListTopics { after: String::new() });
    assert_eq!(said, Topics { topics: topics.clone(), more: false }.into());
    let said = ask(&mut stage, administrator, ListTopics { after: "gold".into() });
    assert_eq!(said, Topics { topics: topics[1..].to_vec(), more: false }.into());
    let said = ask(&mut stage, administrator, ListTerminals { after: String::new() });
    assert_eq!(said, Terminals { terminals: terminals.clone(), more: false }.into());
    let Message::Counts(counts) = ask(&mut stage, administrator, GetCounts {}) else { panic!("no counts") };
    assert_eq!((counts.terminals, counts.controllers, counts.administrators), (1, 1, 1));
    assert_eq!((counts.terminals_known, counts.topics, counts.quotes), (2, 2, 1));
    assert_eq!((counts.log_entries, counts.log_bytes, counts.instructions_total), (6, 25, 8));
    assert_eq!(stage.reason(t1), None);
}

#[test]
fn long_lists_come_in_pages() {
    let mut stage = Stage::with(Limits { topics_max: 100, ..small() });
    let controller = stage.controller("desk");
    for number in 0..LISTED_MAX + 3 {
        stage.quote(controller, &format!("topic {number:03}"), "k", "v");
    }
    let administrator = stage.connect(Port::Administrators);
    let mut after = String::new();
    for (length, last) in [(LISTED_MAX, false), (3, true)] {
        let Message::Topics(page) = ask(&mut stage, administrator, ListTopics { after }) else {
            panic!("no page")
        };
        assert_eq!((page.topics.len(), page.more), (length, !last));
        after = page.topics.last().unwrap().topic.clone();
    }
    for _ in 0..LISTED_MAX {
        stage.connect(Port::Terminals);
    }
    for (port, more) in [(None, true), (Some(Port::Terminals), false)] {
        let said = ask(&mut stage, administrator, ListClients { port, after: 0 });
        let Message::Clients(page) = said else { panic!("no page") };
        assert_eq!((page.clients.len(), page.more), (LISTED_MAX, more));
    }
}

#[test]
fn an_administrator_closes_a_client_even_itself() {
    let mut stage = Stage::new();
    let terminal = stage.hearer("t1", "gold");
    let administrator = stage.connect(Port::Administrators);
    let wrong = ask(&mut stage, administrator, CloseClient { client: 9 });
    assert_eq!(wrong, Denied { reason: Denial::NoSuchClient }.into());
    for (client, conn) in [(1, terminal), (2, administrator)] {
        assert_eq!(ask(&mut stage, administrator, CloseClient { client }), ClientClosed { client }.into());
        assert_eq!(stage.reason(conn), Some(CloseReason::ClosedByAdministrator));
    }
    assert_eq!(stage.broker.counts().terminals, 0);
}

#[test]
fn what_is_forgotten_comes_back_under_another_number() {
    let mut stage = Stage::new();
    let controller = stage.controller("desk");
    let terminal = stage.hearer("t1", "gold");
    stage.instruct(controller, 1, gold(), "do");
    stage.instruct(controller, 2, To::Terminal("t1".into()), "do");
    let administrator = stage.connect(Port::Administrators);
    let [topic, own] = [gold(), To::Terminal("t1".into())];
    let denied = |reason| Message::from(Denied { reason });
    for (to, reason) in [
        (topic.clone(), Denial::InUse),
        (own.clone(), Denial::InUse),
        (To::Topic("who".into()), Denial::NoSuchTopic),
        (To::Terminal("who".into()), Denial::NoSuchTerminal),
    ] {
        assert_eq!(ask(&mut stage, administrator, Forget { to }), denied(reason));
    }
    stage.leave(terminal);
    for to in [topic, own] {
        assert_eq!(ask(&mut stage, administrator, Forget { to: to.clone() }), Forgotten { to }.into());
    }
    stage.instruct(controller, 3, gold(), "do");
    let back = stage.terminal("t1");
    stage.heard(back);
    let had = Since::After(Position { log: LOG, seq: 1 });
    stage.say(back, Subscribe { topic: "gold".into(), since: had });
    assert_eq!(stage.heard(back)[0], Subscribed { to: gold(), log: LOG + 2, seq: 0, last: 1 }.into());
}

#[test]
fn a_line_that_was_not_understood_is_sent_back_and_a_wrong_port_is_not_served() {
    let mut stage = Stage::new();
    let administrator = stage.connect(Port::Administrators);
    let wrong = NotUnderstood { why: "no".into() };
    assert_eq!(ask(&mut stage, administrator, wrong.clone()), wrong.into());
    assert_eq!(stage.reason(administrator), None);
    stage.say(administrator, Subscribe { topic: "gold".into(), since: Since::Now });
    assert_eq!(stage.reason(administrator), Some(CloseReason::Unexpected));
}
