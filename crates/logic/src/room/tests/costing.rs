//! What each room costs: whose time, whose messages, how many.

use super::house::{House, config, who};
use crate::room::RoomConfig;
use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use usher_proto::message::{Act, Chat, Leave, WhoIsHere};

/// Every reading a millisecond later: a call into a room takes as much. For one test alone.
fn ticking() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(1_000_000, Ordering::Relaxed)
}

/// A room's time in milliseconds, messages received, messages sent, since `before`.
fn cost(house: &House, room: u16, before: [u64; 3]) -> [u64; 3] {
    let of = |name: &str| house.figure(&format!("usher_room_{name}_total{{room=\"{room}\"}}"));
    let now = [of("logic_seconds") / 1_000_000, of("messages_received"), of("messages_sent")];
    core::array::from_fn(|at| now[at] - before[at])
}

fn people(house: &House, room: u16) -> [u64; 3] {
    ["players", "players_seated", "hands_playing"]
        .map(|name| house.figure(&format!("usher_room_{name}{{room=\"{room}\"}}")))
}

fn chat(house: &mut House, conn: u64) {
    house.say(conn, Chat { request: 0, text: "hello".into() });
}

/// Rooms 0 and 2 are on one floor, room 1 is on the other.
#[test]
fn each_room_pays_for_itself() {
    let mut house = House::timed(config(3, 4), ticking);
    for (conn, room) in [(1, 0), (2, 0), (3, 0), (4, 2), (5, 1)] {
        house.arrive(conn, who(conn, 1), room);
    }
    // Each was let in by a call that sent `Entered`.
    assert_eq!([0, 1, 2].map(|room| cost(&house, room, [0; 3])), [[3, 0, 3], [1, 0, 1], [1, 0, 1]]);
    assert_eq!([0, 1, 2].map(|room| people(&house, room)), [[3, 0, 0], [1, 0, 0], [1, 0, 0]]);

    let before = [0, 1, 2].map(|room| cost(&house, room, [0; 3]));
    chat(&mut house, 1); // accepted, and said to three
    chat(&mut house, 1);
    chat(&mut house, 4); // accepted, and said to one
    house.enter(2, 1); // denied: it is inside already
    let since = |house: &House| [0, 1, 2].map(|room| cost(house, room, before[usize::from(room)]));
    assert_eq!(since(&house), [[3, 3, 9], [0; 3], [1, 1, 2]]);

    house.say(3, Leave {}); // answered by the door
    chat(&mut house, 1); // accepted, and said to two
    assert_eq!(since(&house), [[5, 5, 12], [0; 3], [1, 1, 2]]);

    house.drain();
    let [busy, ..] = since(&house);
    assert_eq!(
        (busy, people(&house, 0)),
        ([6, 5, 12], [0; 3]),
        "a drain is a call; last words are layer 2's"
    );
    assert_eq!(since(&house)[1], [1, 0, 0]);
}

#[test]
fn what_is_sent_is_what_is_heard() {
    let presence_interval = Duration::from_secs(1);
    let mut house = House::open(RoomConfig { presence_interval, ..config(1, 8) });
    let mut heard = 0;
    for conn in 1..=5 {
        house.connect(conn, who(conn, 1));
        heard += house.enter(conn, 0).len();
    }
    house.say(1, WhoIsHere {});
    house.say(5, WhoIsHere {});
    (1..=4).for_each(|conn| heard += house.sit(conn).len());
    assert_eq!(people(&house, 0), [5, 4, 2]);
    house.pass(1000); // who looks on is told who came
    house.drop(5); // and is not there to be told what follows
    house.drop(2); // absent: hears nothing, and keeps its seat
    chat(&mut house, 3);
    house.pass(1000);
    assert_eq!(people(&house, 0), [4, 4, 2]);
    house.say(3, Act { hand: 99, turn: 0, action: [0].as_slice().to_vec().into() });
    house.connect(6, who(2, 1));
    heard += house.resume(6, 0, 0).len(); // comes back to its seat, and to the chat it missed
    chat(&mut house, 6);
    house.pass(120_000); // clocks run out, hands end and begin
    heard += (1..=6).map(|conn| house.heard(conn).len()).sum::<usize>();
    assert_eq!(cost(&house, 0, [0; 3])[2], heard as u64);
}
