//! Which rooms are offered, in which order, and what is not taken.

use super::*;
use alloc::format;
use alloc::vec;
use usher_proto::RoomNo;

fn room(no: u16, game: u16, population: u32, capacity: u32) -> RoomReport {
    RoomReport {
        room: RoomNo(no),
        name: format!("room {no}").into(),
        game: GameId(game),
        population,
        capacity,
    }
}

fn said(server: &str, rooms: Vec<RoomReport>) -> RoomsOf {
    RoomsOf { server: server.into(), address: format!("{server}:1").as_str().into(), rooms }
}

fn directory(rooms: Vec<RoomReport>) -> Directory {
    let mut directory = Directory::new(&HallConfig::default());
    directory.replace(said("room-1", rooms));
    directory.check_invariants();
    directory
}

fn ask(directory: &mut Directory, game: Option<u16>) -> Answer {
    let message = directory.answer(Time(0), game.map(GameId));
    directory.check_invariants();
    match &*message {
        Message::Directory(answer) => answer.clone(),
        other => panic!("{other:?}"),
    }
}

fn numbers(answer: &Answer) -> Vec<u16> {
    answer.rooms.iter().map(|it| it.room.0).collect()
}

#[test]
fn fullest_first_below_four_fifths_then_the_emptiest_of_the_rest() {
    let populations = [0, 99, 79, 80, 100, 50, 101, 90];
    let rooms =
        populations.iter().enumerate().map(|(no, &population)| room(no as u16, 1, population, 100)).collect();
    assert_eq!(numbers(&ask(&mut directory(rooms), None)), [2, 5, 0, 3, 7, 1]);
}

#[test]
fn fullness_is_a_part_and_not_a_count() {
    let rooms =
        vec![room(0, 1, 10, 1_000), room(1, 1, 3, 10), room(2, 1, 0, 0), room(3, 1, u32::MAX / 2, u32::MAX)];
    assert_eq!(numbers(&ask(&mut directory(rooms), None)), [3, 1, 0]);
}

#[test]
fn equally_full_rooms_keep_the_order_of_server_and_room() {
    let mut directory = directory(vec![room(0, 1, 5, 10), room(1, 1, 5, 10)]);
    directory.replace(said("room-0", vec![room(0, 1, 5, 10)]));
    let answer = ask(&mut directory, None);
    let order: Vec<_> = answer.rooms.iter().map(|it| (&*it.address.0, it.room.0)).collect();
    assert_eq!(order, [("room-0:1", 0), ("room-1:1", 0), ("room-1:1", 1)]);
}

#[test]
fn a_game_is_filtered_and_totals_name_every_game_full_rooms_too() {
    let mut directory = directory(vec![room(0, 1, 10, 10), room(1, 1, 2, 10), room(2, 2, 3, 6)]);
    assert_eq!(numbers(&ask(&mut directory, Some(1))), [1]);
    assert_eq!(numbers(&ask(&mut directory, Some(2))), [2]);
    assert!(numbers(&ask(&mut directory, Some(9))).is_empty());
    let totals =
        |game, rooms, population, capacity| GameTotal { game: GameId(game), rooms, population, capacity };
    for game in [None, Some(1), Some(9)] {
        assert_eq!(ask(&mut directory, game).totals, [totals(1, 2, 12, 20), totals(2, 1, 3, 6)]);
    }
}

#[test]
fn made_up_games_share_one_answer() {
    let mut directory = directory(vec![room(0, 1, 1, 10)]);
    let first = directory.answer(Time(0), Some(GameId(1_000)));
    for game in 1_001..5_000 {
        assert!(Arc::ptr_eq(&first, &directory.answer(Time(0), Some(GameId(game)))));
    }
    directory.check_invariants();
}

#[test]
fn an_answer_holds_so_many_rooms_and_games() {
    let rooms = (0..900).map(|no| room(no, no, 1, 10)).collect();
    let answer = ask(&mut directory(rooms), None);
    assert_eq!(answer.rooms.len(), 200);
    assert_eq!(answer.totals.len(), TOTALS_MAX);
}

#[test]
fn what_is_over_a_limit_is_not_taken_and_counted() {
    let config = HallConfig { servers_max: 2, rooms_max: 4, ..HallConfig::default() };
    let mut directory = Directory::new(&config);
    let rooms = |count| (0..count).map(|no| room(no, 1, 1, 10)).collect::<Vec<_>>();
    for (server, count, known, refused) in [
        ("a", 2, 2, 0),
        ("b", 2, 4, 0),
        ("c", 0, 4, 1),
        ("b", 3, 4, 2),
        ("a", 1, 3, 2),
        ("b", 3, 4, 2),
        ("a", ROOMS_MAX as u16 + 1, 4, 3),
    ] {
        directory.replace(said(server, rooms(count)));
        directory.check_invariants();
        assert_eq!((directory.rooms(), directory.refused()), (known, refused), "{server} {count}");
    }
}
