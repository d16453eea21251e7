//! Room chat: numbers, replay, gaps, and that a stay is sent exactly its chats.

use super::house::{House, config, entered, who};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use usher_proto::limits::CHAT_BYTES_MAX;
use usher_proto::message::{
    Chat, ChatAccepted, ChatDenial, ChatDenied, ChatGap, ChatSaid, Leave, Left, TableChat, TableSaid,
};
use usher_proto::{AccountId, Message};

fn said(seq: u64, from: u64, text: &str) -> Message {
    ChatSaid { seq, from: AccountId(from), text: text.into() }.into()
}

fn chat(house: &mut House, conn: u64, text: &str) {
    house.say(conn, Chat { request: 0, text: text.into() });
}

fn seqs(heard: &[Message]) -> Vec<u64> {
    heard
        .iter()
        .filter_map(|it| if let Message::ChatSaid(said) = it { Some(said.seq) } else { None })
        .collect()
}

#[test]
fn chats_are_numbered_and_heard_by_everybody_in_the_room_only() {
    let mut house = House::open(config(2, 4));
    for (conn, room) in [(1, 0), (2, 0), (3, 1)] {
        house.arrive(conn, who(conn, 1), room);
    }
    house.say(1, Chat { request: 77, text: "hello".into() });
    assert_eq!(house.heard(1), [ChatAccepted { request: 77, seq: 1 }.into(), said(1, 1, "hello")]);
    chat(&mut house, 2, "hi");
    assert_eq!(house.heard(1), [said(2, 2, "hi")]);
    assert_eq!(seqs(&house.heard(2)), [1, 2]);
    assert_eq!(house.heard(3), []);
    chat(&mut house, 3, "alone");
    assert_eq!(seqs(&house.heard(3)), [1]);
}

#[test]
fn a_text_has_a_length() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    for (length, is_said) in [(0, false), (1, true), (CHAT_BYTES_MAX, true), (CHAT_BYTES_MAX + 1, false)] {
        house.say(1, Chat { request: 3, text: core::iter::repeat_n('x', length).collect::<String>() });
        let heard = house.heard(1);
        let denied = vec![Message::from(ChatDenied { request: 3, reason: ChatDenial::Length })];
        assert_eq!(heard != denied, is_said, "{length}");
    }
}

#[test]
fn a_stay_is_sent_what_was_said_between_entered_and_left() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    chat(&mut house, 1, "before");
    assert_eq!(house.arrive(2, who(2, 1), 0).seq, 1);
    chat(&mut house, 1, "during");
    house.say(2, Leave {});
    chat(&mut house, 1, "after");
    assert_eq!(house.heard(2), [said(2, 1, "during"), Left { seq: 2 }.into()]);
    house.heard(1);
    assert_eq!(house.figure("usher_chats_total"), 3);
}

#[test]
fn who_comes_back_hears_what_was_missed() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(2, 1), 0);
    house.sit(2);
    house.drop(2);
    for text in ["a", "b", "c"] {
        chat(&mut house, 1, text);
    }
    house.connect(3, who(2, 1));
    let heard = house.resume(3, 0, 1);
    assert_eq!(entered(&heard).seq, 1);
    assert_eq!(heard[1..3], [said(2, 1, "b"), said(3, 1, "c")]);
    chat(&mut house, 1, "d");
    assert_eq!(house.heard(3), [said(4, 1, "d")]);
}

#[test]
fn what_is_not_kept_any_more_is_named() {
    let mut config = config(1, 4);
    config.replay_max = 2;
    let mut house = House::open(config);
    house.arrive(1, who(1, 1), 0);
    for _ in 0..5 {
        chat(&mut house, 1, "x");
    }
    house.connect(2, who(2, 1));
    let heard = house.resume(2, 0, 1);
    assert_eq!(entered(&heard).seq, 3);
    assert_eq!(heard[1], ChatGap { first: 2, last: 3 }.into());
    assert_eq!(seqs(&heard), [4, 5]);
}

#[test]
fn a_number_never_said_here_begins_now() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    chat(&mut house, 1, "x");
    house.connect(2, who(2, 1));
    let heard = house.resume(2, 0, 1000);
    assert_eq!((entered(&heard).seq, heard.len()), (1, 1));
}

#[test]
fn what_is_said_at_a_table_stays_there() {
    let mut house = House::open(config(1, 6));
    for conn in 1..=4 {
        house.arrive(conn, who(conn, 1), 0);
    }
    for conn in 1..=3 {
        house.sit(conn);
    }
    (1..=4).for_each(|conn| drop(house.heard(conn)));
    house.say(2, TableChat { request: 5, text: "your turn".into() });
    let said = TableSaid { from: AccountId(2), text: "your turn".into() };
    assert_eq!(house.heard(1), [said.clone().into()]);
    assert_eq!(house.heard(2), [said.into()]);
    assert_eq!((house.heard(3), house.heard(4)), (vec![], vec![]), "another table, and no table");
    let longer = "x".repeat(CHAT_BYTES_MAX + 1);
    for (conn, text, reason) in
        [(4, "hello", ChatDenial::NotSeated), (1, "", ChatDenial::Length), (1, &longer, ChatDenial::Length)]
    {
        house.say(conn, TableChat { request: 6, text: text.into() });
        assert_eq!(house.heard(conn), [ChatDenied { request: 6, reason }.into()]);
    }
    assert_eq!(house.figure("usher_chats_total"), 1);
}

#[test]
fn one_person_says_so_much_at_once_and_so_much_in_the_long_run() {
    let mut house = House::open(config(1, 4));
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.heard(1);
    let too_fast = Message::from(ChatDenied { request: 0, reason: ChatDenial::TooFast });
    for number in 0..12 {
        if number % 2 == 0 {
            chat(&mut house, 1, "x");
        } else {
            house.say(1, TableChat { request: 0, text: "x".into() });
        }
        assert_eq!(house.heard(1).contains(&too_fast), number >= 10, "{number}");
    }
    chat(&mut house, 2, "what is it?");
    assert!(!house.heard(2).contains(&too_fast), "others may talk");
    for _ in 0..5 {
        house.pass(1_000);
        house.heard(1);
        for is_denied in [false, false, true] {
            chat(&mut house, 1, "x");
            assert_eq!(house.heard(1).contains(&too_fast), is_denied, "two a second");
        }
    }
    house.drop(1);
    house.connect(3, who(1, 1));
    house.enter(3, 0);
    chat(&mut house, 3, "x");
    assert_eq!(house.heard(3), [too_fast], "a new connection is the same person");
}
