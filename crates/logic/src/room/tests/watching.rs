//! Those who watch: a trick late, no more than a spectator may see, and gone when they sit or leave.
//!
//! Read next: `../floor/watch.rs`.

use super::house::{House, config, who};
use crate::room::RoomSpec;
use alloc::vec;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use usher_games::gomoku::RESIGN;
use usher_games::{GameKind, Seat, bot};
use usher_proto::message::{
    Act, Acted, HandEnded, Leave, Sit, TableState, Unwatch, Unwatched, Watch, WatchDenial, WatchDenied,
    Watching,
};
use usher_proto::{Message, TableNo};

const TABLE: TableNo = TableNo(0);

/// Connections 1 and 2 play at table 0; 3 and 4 stand in the room.
fn playing() -> (House, u64) {
    let mut house = House::open(config(1, 8));
    for conn in 1..=4 {
        house.arrive(conn, who(conn, 1), 0);
    }
    house.sit(1);
    let heard = house.sit(2);
    let state = states(&heard).pop().expect("a hand");
    house.heard(1);
    (house, u64::from(state.to_act.expect("somebody begins")) + 1)
}

fn states(heard: &[Message]) -> Vec<TableState> {
    heard
        .iter()
        .filter_map(|it| if let Message::TableState(it) = it { Some(it.clone()) } else { None })
        .collect()
}

fn turns(heard: &[Message]) -> Vec<u32> {
    let turn = |it: &Message| if let Message::Acted(Acted { turn, .. }) = it { Some(*turn) } else { None };
    heard.iter().filter_map(turn).collect()
}

fn place(house: &mut House, conn: u64, turn: u32, cell: u8) {
    house.say(conn, Act { hand: 1, turn, action: vec![cell].into() });
    house.heard(conn);
}

#[test]
fn a_watcher_sees_a_hand_from_its_beginning_one_trick_late() {
    let mut house = House::open(config(1, 8));
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), 0);
    }
    house.say(3, Watch { table: TABLE });
    let heard = house.heard(3);
    assert_eq!(heard[0], Watching { table: TABLE }.into());
    assert!(!states(&heard)[0].playing);
    house.sit(1);
    let black = u64::from(states(&house.sit(2)).pop().unwrap().to_act.unwrap()) + 1;
    let shown = states(&house.heard(3)).pop().unwrap();
    assert!(shown.playing && !shown.view.is_empty());
    place(&mut house, black, 0, 112);
    assert_eq!(turns(&house.heard(3)).len(), 0, "the first move is the trick that is just over");
    place(&mut house, 3 - black, 1, 113);
    assert_eq!(turns(&house.heard(3)), [0]);
    house.say(black, Act { hand: 1, turn: 2, action: vec![RESIGN].into() });
    let heard = house.heard(3);
    assert_eq!(turns(&heard), [1, 2]);
    assert!(matches!(heard.last(), Some(Message::HandEnded(HandEnded { hand: 1, .. }))));
}

#[test]
fn who_comes_in_the_middle_sees_nothing_that_is_not_a_trick_old() {
    let (mut house, black) = playing();
    place(&mut house, black, 0, 0);
    house.say(3, Watch { table: TABLE });
    let first = states(&house.heard(3)).pop().unwrap();
    assert!(first.playing && first.view.is_empty() && first.to_act.is_none());
    place(&mut house, 3 - black, 1, 1);
    assert_eq!(house.heard(3), []);
    place(&mut house, black, 2, 2);
    let heard = house.heard(3);
    assert_eq!((turns(&heard), states(&heard)[0].turn), (vec![], 2), "as it was before that move");
    house.say(4, Watch { table: TABLE });
    assert_eq!(states(&house.heard(4))[0].turn, 2, "as the other watcher has it");
    place(&mut house, 3 - black, 3, 3);
    assert_eq!((turns(&house.heard(3)), turns(&house.heard(4))), (vec![2], vec![2]));
}

/// What a watcher is told leads, event by event, to what a spectator sees at the end; and the cards of nobody are in it
/// before that.
#[test]
fn a_hand_of_dou_dizhu_is_watched_to_its_end() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut config = config(1, 6);
    config.rooms[0] = RoomSpec::new("cards", GameKind::DouDizhu, 6);
    let mut house = House::open(config);
    for conn in 1..=4 {
        house.arrive(conn, who(conn, 1), 0);
    }
    house.say(4, Watch { table: TABLE });
    let mut views: Vec<Option<Vec<u8>>> = vec![None; 3];
    let mut turn = 0;
    let mut to_act = None;
    for conn in 1..=3 {
        house.sit(conn);
    }
    house.say(1, Act { hand: 9, turn: 9, action: vec![].into() }); // stale: the state again
    house.say(2, Act { hand: 9, turn: 9, action: vec![].into() });
    house.say(3, Act { hand: 9, turn: 9, action: vec![].into() });
    let mut watched: Option<Vec<u8>> = None;
    let mut is_over = false;
    for _ in 0..400 {
        for conn in 1..=3 {
            for message in house.heard(conn) {
                match message {
                    Message::TableState(state) if state.playing => {
                        views[conn as usize - 1] = Some(state.view.to_vec());
                        (turn, to_act) = (state.turn, state.to_act);
                    }
                    Message::Acted(acted) => {
                        let view = views[conn as usize - 1].as_mut().expect("shown first");
                        if !acted.action.is_empty() {
                            GameKind::DouDizhu.apply(view, &acted.action).unwrap();
                        }
                        (turn, to_act) = (acted.turn + 1, acted.to_act);
                    }
                    _ => {}
                }
            }
        }
        for message in house.heard(4) {
            match message {
                Message::TableState(state) if state.playing => watched = Some(state.view.to_vec()),
                Message::Acted(acted) if !acted.action.is_empty() => {
                    GameKind::DouDizhu.apply(watched.as_mut().expect("shown first"), &acted.action).unwrap();
                }
                Message::HandEnded(_) => is_over = true,
                _ => {}
            }
        }
        if is_over {
            break;
        }
        let Some(seat) = to_act else { break };
        let view = views[usize::from(seat)].clone().expect("a view");
        let action = bot::choose(GameKind::DouDizhu, &view, Seat(seat), &mut rng).expect("something to do");
        house.say(u64::from(seat) + 1, Act { hand: 1, turn, action: action.into() });
    }
    assert!(is_over, "the hand came to its end");
    let record = &house.records.hands[0];
    let mut game = GameKind::DouDizhu.new_hand(record.seed).unwrap();
    for done in &record.moves {
        let usher_proto::hand::Move::Act { seat, action } = done else { panic!("{done:?}") };
        game.act(Seat(*seat), action).unwrap();
    }
    assert_eq!(watched, Some(game.view(None)));
}

#[test]
fn watching_ends_by_word_by_sitting_and_with_the_stay() {
    let (mut house, black) = playing();
    house.say(3, Unwatch {});
    assert_eq!(house.heard(3), [Unwatched { table: None }.into()]);
    house.say(1, Watch { table: TABLE });
    assert_eq!(house.heard(1), [WatchDenied { reason: WatchDenial::Seated }.into()]);
    house.say(3, Watch { table: TableNo(99) });
    assert_eq!(house.heard(3), [WatchDenied { reason: WatchDenial::NoSuchTable }.into()]);
    for conn in 3..=4 {
        house.say(conn, Watch { table: TABLE });
    }
    house.say(3, Unwatch {});
    assert_eq!(house.heard(3).last(), Some(&Unwatched { table: Some(TABLE) }.into()));
    house.say(4, Sit { table: Some(TableNo(1)), seat: None });
    house.heard(4);
    house.arrive(5, who(5, 1), 0);
    house.say(5, Watch { table: TABLE });
    house.say(5, Leave {});
    house.arrive(6, who(6, 1), 0);
    house.say(6, Watch { table: TABLE });
    house.drop(6);
    for turn in 0..4 {
        place(&mut house, if turn % 2 == 0 { black } else { 3 - black }, turn, turn as u8);
    }
    for conn in 3..=5 {
        assert_eq!(turns(&house.heard(conn)).len(), 0, "{conn}");
    }
}

#[test]
fn a_table_has_so_many_watchers() {
    let mut house = House::open(config(1, 70));
    for conn in 1..=65 {
        house.arrive(conn, who(conn, 1), 0);
        house.say(conn, Watch { table: TABLE });
        let is_in = house.heard(conn)[0] == Watching { table: TABLE }.into();
        assert_eq!(is_in, conn <= 64, "{conn}");
    }
}

#[test]
fn a_denied_watch_leaves_the_one_there_is() {
    let (mut house, black) = playing();
    house.say(3, Watch { table: TABLE });
    house.heard(3);
    house.say(3, Watch { table: TableNo(99) });
    assert_eq!(house.heard(3), [WatchDenied { reason: WatchDenial::NoSuchTable }.into()]);
    place(&mut house, black, 0, 0);
    place(&mut house, 3 - black, 1, 1);
    place(&mut house, black, 2, 2);
    assert!(!states(&house.heard(3)).is_empty(), "it still watches");
    house.say(3, Unwatch {});
    assert_eq!(house.heard(3).last(), Some(&Unwatched { table: Some(TABLE) }.into()));
}
