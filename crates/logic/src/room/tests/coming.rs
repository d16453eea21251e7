//! Who came and who went, as the room is told.
//!
//! Read next: `../floor/comings.rs`.

use super::house::{House, config, who};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{Leave, Presence};
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
fn whoever_enters_is_told_who_is_there_and_the_others_a_moment_later() {
    let mut house = house(4);
    house.connect(1, who(1, 1));
    house.enter(1, 0);
    house.connect(2, who(2, 1));
    let heard = house.enter(2, 0);
    assert!(heard.contains(&came(&[1, 2], 2).into()), "{heard:?}");
    house.pass(999);
    assert_eq!(told(&mut house, 1), []);
    house.pass(1);
    assert_eq!(told(&mut house, 1), [came(&[1, 2], 2)]);
    assert_eq!(told(&mut house, 2), [came(&[1, 2], 2)]);
    house.say(2, Leave {});
    house.pass(1_000);
    assert_eq!(told(&mut house, 1), [Presence { came: vec![], left: vec![AccountId(2)], population: 1 }]);
    house.pass(10_000);
    assert_eq!(told(&mut house, 1), [], "nobody came or went");
}

/// 400 who come within an interval are told so in one message each, beside the list each is given at the door.
#[test]
fn a_storm_of_newcomers_is_told_in_a_few_messages_each() {
    const STORM: u64 = 400;
    let mut house = house(STORM as u32);
    for account in 1..=STORM {
        house.connect(account, who(account, 1));
        house.enter(account, 0);
        house.now_ms += 2;
    }
    house.pass(1_000);
    let messages: usize = (1..=STORM).map(|conn| told(&mut house, conn).len()).sum();
    assert_eq!(messages, STORM as usize, "and the first were told while they came in");
}
