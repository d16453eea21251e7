//! Who came and who went, as the room is told.
//!
//! Read next: `../floor/comings.rs`.

use super::house::{House, config, who};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{Leave, Presence, WhoIsHere};
use usher_proto::{AccountId, Message};

fn house(capacity: u32) -> House {
    let mut config = config(1, capacity);
    config.presence_interval = Duration::from_secs(1);
    House::open(config)
}

fn told(house: &mut House, conn: u64) -> Vec<Presence> {
    let heard = house.heard(conn).into_iter();
    heard.filter_map(|it| if let Message::Presence(said) = it { Some(said) } else { None }).collect()
}

fn came(accounts: &[u64], population: u32) -> Presence {
    Presence { came: accounts.iter().copied().map(AccountId).collect(), left: vec![], population }
}

#[test]
fn whoever_asks_is_told_who_is_there_and_a_moment_later_who_came_and_went() {
    let mut house = house(4);
    house.arrive(1, who(1, 1), 0);
    house.say(1, WhoIsHere {});
    assert_eq!(told(&mut house, 1), [came(&[1], 1)]);
    house.arrive(2, who(2, 1), 0);
    house.pass(999);
    assert_eq!(told(&mut house, 1), []);
    house.pass(1);
    assert_eq!(told(&mut house, 1), [came(&[1, 2], 2)]);
    assert_eq!(told(&mut house, 2), [], "who did not ask is told nothing");
    house.say(1, WhoIsHere {});
    assert_eq!(told(&mut house, 1), [], "it is told already");
    house.say(2, Leave {});
    house.pass(1_000);
    assert_eq!(told(&mut house, 1), [Presence { came: vec![], left: vec![AccountId(2)], population: 1 }]);
    house.pass(10_000);
    assert_eq!(told(&mut house, 1), [], "nobody came or went");
    house.say(1, Leave {});
    house.arrive(3, who(3, 1), 0);
    house.pass(1_000);
    assert_eq!(told(&mut house, 1), [], "whoever left is told nothing more");
}

#[test]
fn who_was_named_and_goes_in_the_same_moment_is_said_to_have_gone() {
    let mut house = house(4);
    house.arrive(1, who(1, 1), 0);
    house.pass(1_000);
    house.arrive(2, who(2, 1), 0);
    house.say(1, WhoIsHere {});
    assert_eq!(told(&mut house, 1), [came(&[1, 2], 2)]);
    house.say(2, Leave {});
    house.pass(1_000);
    assert_eq!(told(&mut house, 1), [Presence { came: vec![], left: vec![AccountId(2)], population: 1 }]);
}

/// 400 who come within an interval, and all want to know, are told so in one message each, beside the first list.
#[test]
fn a_storm_of_newcomers_is_told_in_a_few_messages_each() {
    const STORM: u64 = 400;
    let mut house = house(STORM as u32);
    for account in 1..=STORM {
        house.arrive(account, who(account, 1), 0);
        house.say(account, WhoIsHere {});
        house.now_ms += 2;
    }
    house.pass(1_000);
    let messages: usize = (1..=STORM).map(|conn| told(&mut house, conn).len()).sum();
    assert_eq!(messages, 2 * STORM as usize);
}
