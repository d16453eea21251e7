//! What cards are, and what beats what, by example.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::*;
use super::{combinations, ranks, read};

fn shape(width: u8, length: u8, wings: Wings) -> Shape {
    Shape { width, length, wings }
}

#[test]
fn every_kind_is_read() {
    let cases = [
        ("3", 1, 1, Wings::None, '3'),
        ("b", 1, 1, Wings::None, 'b'),
        ("22", 2, 1, Wings::None, '2'),
        ("AAA", 3, 1, Wings::None, 'A'),
        ("sb", 1, 2, Wings::None, 'b'),
        ("7777", 4, 1, Wings::None, '7'),
        ("34567", 1, 5, Wings::None, '7'),
        ("3456789TJQKA", 1, 12, Wings::None, 'A'),
        ("334455", 2, 3, Wings::None, '5'),
        ("5566778899TTJJQQKKAA", 2, 10, Wings::None, 'A'),
        ("KKKAAA", 3, 2, Wings::None, 'A'),
        ("333444555666777888", 3, 6, Wings::None, '8'),
        ("3334", 3, 1, Wings::Solos, '3'),
        ("222b", 3, 1, Wings::Solos, '2'),
        ("33344", 3, 1, Wings::Pairs, '3'),
        ("333444A2", 3, 2, Wings::Solos, '4'),
        ("333444AA", 3, 2, Wings::Solos, '4'),
        ("333444AAKK", 3, 2, Wings::Pairs, '4'),
        ("33344455566677789TJQ", 3, 5, Wings::Solos, '7'),
        ("33344455566677889922", 3, 4, Wings::Pairs, '6'),
        ("333345", 4, 1, Wings::Solos, '3'),
        ("333344", 4, 1, Wings::Solos, '3'),
        ("33334b", 4, 1, Wings::Solos, '3'),
        ("33334455", 4, 1, Wings::Pairs, '3'),
    ];
    for (text, width, length, wings, top) in cases {
        let found = read(text).unwrap_or_else(|| panic!("{text} is nothing"));
        assert_eq!(found.shape, shape(width, length, wings), "{text}");
        assert_eq!(ranks(&top.to_string()).of(found.rank), 1, "{text}");
    }
}

#[test]
fn what_is_no_play_is_none() {
    let cases = [
        ("nothing", ""),
        ("no pair", "34"),
        ("a chain of four", "3456"),
        ("a chain with a two", "TJQKA2"),
        ("two pairs in a row", "3344"),
        ("a pair chain with twos", "QQKKAA22"),
        ("trios in a row with twos", "AAA222"),
        ("trios apart", "333555"),
        ("trios apart with wings", "33355578"),
        ("a trio with two solos", "33345"),
        ("a trio and its fourth", "3333444"),
        ("the fourth as a wing", "33334445"),
        ("a bomb as four solos", "3334445556667777"),
        ("a bomb as two pairs", "33334444"),
        ("a bomb as two pairs of wings", "3334446666"),
        ("both jokers as solos of a four", "3333sb"),
        ("both jokers as wings", "333444sb"),
        ("wings of two kinds", "333444566"),
        ("a four with a pair and two solos", "33334456"),
        ("three fours", "333344445555"),
    ];
    for (what, text) in cases {
        assert_eq!(read(text), None, "{what}");
    }
}

#[test]
fn cards_that_could_be_two_things_are_one() {
    let cases = [
        ("four trios, not three that carry one", "333444555666", shape(3, 4, Wings::None), '6'),
        ("the highest body", "3334445556667778", shape(3, 4, Wings::Solos), '7'),
        ("the highest five of six trios", "33344455566677788899", shape(3, 5, Wings::Solos), '8'),
        ("three trios carry one apart", "333444555777", shape(3, 3, Wings::Solos), '5'),
        ("three trios carry twos", "QQQKKKAAA222", shape(3, 3, Wings::Solos), 'A'),
        ("a trio as wings of a higher body", "333555666777", shape(3, 3, Wings::Solos), '7'),
    ];
    for (what, text, shape, top) in cases {
        let found = read(text).unwrap_or_else(|| panic!("{what}: {text} is nothing"));
        assert_eq!(found.shape, shape, "{what}");
        assert_eq!(ranks(&top.to_string()).of(found.rank), 1, "{what}");
    }
}

#[test]
fn higher_beats_lower_of_its_shape_and_bombs_beat_the_rest() {
    let cases = [
        ("4", "3", true),
        ("3", "4", false),
        ("3", "3", false),
        ("2", "A", true),
        ("s", "2", true),
        ("b", "s", true),
        ("44", "3", false),
        ("45678", "34567", true),
        ("456789", "34567", false),
        ("4443", "3335", true),
        ("44433", "3335", false),
        ("555666", "333444", true),
        ("333A", "4445", false),
        ("333444AA", "333444KQ", false),
        ("444433", "333355", true),
        ("44443355", "33336677", true),
        ("3333", "2", true),
        ("3333", "22244", true),
        ("3333", "4444", false),
        ("4444", "3333", true),
        ("3333", "444456", true),
        ("444456", "3333", false),
        ("sb", "2222", true),
        ("2222", "sb", false),
        ("sb", "3456789TJQKA", true),
    ];
    for (mine, theirs, wins) in cases {
        let (Some(one), Some(other)) = (read(mine), read(theirs)) else { panic!("{mine}, {theirs}") };
        assert_eq!(one.beats(other), wins, "{mine} after {theirs}");
    }
}

#[test]
fn beating_is_a_strict_order_and_whole_within_a_shape() {
    let all = combinations();
    for &one in &all {
        assert!(!one.beats(one));
        let beaten: Vec<_> = all.iter().copied().filter(|&other| one.beats(other)).collect();
        for &other in &beaten {
            assert!(!other.beats(one));
            assert!(all.iter().all(|&third| !other.beats(third) || one.beats(third)));
        }
        for &alike in all.iter().filter(|other| other.shape == one.shape && other.rank != one.rank) {
            assert!(one.beats(alike) != alike.beats(one));
        }
    }
}

#[test]
fn shapes_are_as_many_as_the_table_says() {
    assert_eq!(Shape::all().count(), 10 + 9 + 6 + 1 + 5 + 1 + 4 + 1);
    assert!(Shape::all().all(|shape| (1..=HAND_MAX).contains(&shape.cards())));
}
