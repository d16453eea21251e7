//! The generator and the rules against a second, slower reading of the rules, written from the book alone.
//!
//! Small hands: every subset of the cards is offered against every combination there is. Whole hands: every
//! multiset of their ranks is read.
//!
//! Read next: `../legal.rs`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::super::*;
use super::combinations;

/// The kinds by their names, with the number of ranks, pairs or trios where that is part of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Solo,
    Pair,
    Trio,
    TrioWithSolo,
    TrioWithPair,
    Chain(usize),
    PairChain(usize),
    Airplane(usize),
    AirplaneWithSolos(usize),
    AirplaneWithPairs(usize),
    FourWithSolos,
    FourWithPairs,
    Bomb,
    Rocket,
}

/// The ranks of some cards, each card one entry, sorted: what they are, and the rank that counts.
fn slowly(cards: &[u8]) -> Option<(Kind, u8)> {
    let mut groups: Vec<(u8, usize)> = Vec::new();
    for &rank in cards {
        match groups.last_mut() {
            Some((last, count)) if *last == rank => *count += 1,
            _ => groups.push((rank, 1)),
        }
    }
    let counts: Vec<usize> = groups.iter().map(|&(_, count)| count).collect();
    let of_count = |wanted| groups.iter().filter(move |&&(_, count)| count == wanted).map(|&(rank, _)| rank);
    let highest = *cards.last()?;
    let is_run = highest <= 11 && groups.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
    let all_are = |wanted| counts.iter().all(|&count| count == wanted);
    let jokers = cards.iter().filter(|&&rank| rank >= 13).count();
    let fours = of_count(4).collect::<Vec<_>>();
    let trios = of_count(3).collect::<Vec<_>>();
    let pairs = of_count(2).count();
    if jokers == 2 {
        return (cards.len() == 2).then_some((Kind::Rocket, 14));
    }
    match (cards.len(), groups.len()) {
        (1, 1) => return Some((Kind::Solo, highest)),
        (2, 1) => return Some((Kind::Pair, highest)),
        (3, 1) => return Some((Kind::Trio, highest)),
        (4, 1) => return Some((Kind::Bomb, highest)),
        (4, 2) if trios.len() == 1 => return Some((Kind::TrioWithSolo, trios[0])),
        (5, 2) if trios.len() == 1 => return Some((Kind::TrioWithPair, trios[0])),
        (6, _) if fours.len() == 1 => return Some((Kind::FourWithSolos, fours[0])),
        (8, 3) if fours.len() == 1 && pairs == 2 => return Some((Kind::FourWithPairs, fours[0])),
        (_, 5..) if is_run && all_are(1) => return Some((Kind::Chain(groups.len()), highest)),
        (_, 3..) if is_run && all_are(2) => return Some((Kind::PairChain(groups.len()), highest)),
        (_, 2..) if is_run && all_are(3) => return Some((Kind::Airplane(groups.len()), highest)),
        _ => {}
    }
    if !fours.is_empty() {
        return None;
    }
    let highest_run_of_trios = |length: usize| {
        let runs = trios.windows(length).filter(|run| run[0] + length as u8 - 1 == run[length - 1]);
        runs.map(|run| run[length - 1]).filter(|&top| top <= 11).max()
    };
    let (by_four, by_five) = (cards.len() / 4, cards.len() / 5);
    if cards.len().is_multiple_of(4)
        && by_four >= 2
        && let Some(top) = highest_run_of_trios(by_four)
    {
        return Some((Kind::AirplaneWithSolos(by_four), top));
    }
    let carries_pairs = trios.len() == by_five && pairs == by_five && groups.len() == 2 * by_five;
    if cards.len().is_multiple_of(5) && by_five >= 2 && carries_pairs {
        return Some((Kind::AirplaneWithPairs(by_five), highest_run_of_trios(by_five)?));
    }
    None
}

fn named(play: Combination) -> (Kind, u8) {
    let length = usize::from(play.shape.length);
    let kind = match (play.shape.width, length, play.shape.wings) {
        (1, 1, Wings::None) => Kind::Solo,
        (1, 2, Wings::None) => Kind::Rocket,
        (1, _, Wings::None) => Kind::Chain(length),
        (2, 1, Wings::None) => Kind::Pair,
        (2, _, Wings::None) => Kind::PairChain(length),
        (3, 1, Wings::None) => Kind::Trio,
        (3, 1, Wings::Solos) => Kind::TrioWithSolo,
        (3, 1, Wings::Pairs) => Kind::TrioWithPair,
        (3, _, Wings::None) => Kind::Airplane(length),
        (3, _, Wings::Solos) => Kind::AirplaneWithSolos(length),
        (3, _, Wings::Pairs) => Kind::AirplaneWithPairs(length),
        (_, _, Wings::None) => Kind::Bomb,
        (_, _, Wings::Solos) => Kind::FourWithSolos,
        (_, _, Wings::Pairs) => Kind::FourWithPairs,
    };
    (kind, play.rank.0)
}

fn slowly_beats((kind, rank): (Kind, u8), (before, rank_before): (Kind, u8)) -> bool {
    match (kind, before) {
        (_, Kind::Rocket) => false,
        (Kind::Bomb, Kind::Bomb) => rank > rank_before,
        (Kind::Rocket | Kind::Bomb, _) => true,
        _ => kind == before && rank > rank_before,
    }
}

fn listed(ranks: &Ranks) -> Vec<u8> {
    Rank::all().flat_map(|rank| core::iter::repeat_n(rank.0, ranks.of(rank).into())).collect()
}

/// Every choice of ranks from these.
fn choices(ranks: &Ranks) -> Vec<Ranks> {
    let mut all = alloc::vec![Ranks::NONE];
    for rank in Rank::all() {
        let more = |&chosen: &Ranks| {
            (0..=ranks.of(rank)).map(move |count| {
                let mut chosen = chosen;
                chosen.add(rank, count);
                chosen
            })
        };
        all = all.iter().flat_map(more).collect();
    }
    all
}

/// Some cards that are this combination.
fn example(play: Combination) -> Cards {
    let mut ranks = play.body();
    let mut left = play.shape.wings_count();
    for rank in Rank::all().filter(|&rank| !play.has_in_body(rank)) {
        let size = if play.shape.wings == Wings::Pairs { 2 } else { 1 };
        if left > 0 {
            ranks.add(rank, size);
            left -= 1;
        }
    }
    assert_eq!(Combination::read(&ranks), Some(play));
    Cards::DECK.pick(&ranks).expect("the deck has them")
}

/// Seat 0 to move with these cards, against those.
fn situation(hand: Cards, against: Option<Cards>) -> DouDizhu {
    let mut table = super::with_landlord(3, [""; SEATS], "345");
    table.hands[0] = Some(hand);
    table.on_table = against.map(|cards| (Seat(1), cards));
    table
}

/// Up to eight cards, mostly of a few ranks, so that they are worth something together.
fn small_hand() -> impl Strategy<Value = Cards> {
    let near = (0u8..13, 2u8..6).prop_flat_map(|(low, ranks)| {
        let cards: Vec<u8> = (low * 4..(low * 4 + ranks * 4).min(CARDS)).collect();
        let most = cards.len().min(8);
        prop::sample::subsequence(cards, 0..=most)
    });
    let any = prop::collection::vec(0..CARDS, 0..=2);
    (near, any).prop_map(|(near, any)| near.into_iter().chain(any).take(8).collect())
}

/// A whole hand of 20, of few ranks.
fn whole_hand() -> impl Strategy<Value = Cards> {
    let ranks = prop::sample::subsequence((0..RANKS).collect::<Vec<_>>(), 6..=9);
    (ranks, any::<u64>()).prop_map(|(ranks, chance)| {
        let cards = Cards::DECK.iter().filter(|&card| ranks.contains(&Rank::of(card).0));
        let mut cards: Vec<u8> = cards.collect();
        let mut chance = chance;
        while cards.len() > usize::from(HAND_MAX) {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            cards.swap_remove((chance >> 33) as usize % cards.len());
        }
        cards.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of every subset of a small hand against every combination: accepted is what the slow rules allow, and
    /// what is generated are the accepted ones, each once.
    #[test]
    fn small_hands_have_exactly_the_legal_plays(hand in small_hand()) {
        let held: Vec<u8> = hand.iter().collect();
        let subsets: Vec<Cards> = (1u32..1 << held.len())
            .map(|chosen| (0..held.len()).filter(|at| chosen >> at & 1 == 1).map(|at| held[at]).collect())
            .collect();
        for against in combinations().into_iter().map(Some).chain([None]) {
            let table = situation(hand, against.map(example));
            let mut accepted = BTreeSet::new();
            for &cards in &subsets {
                let fits = slowly(&listed(&cards.ranks())).is_some_and(|play| {
                    against.is_none_or(|against| slowly_beats(play, named(against)))
                });
                let action = Step::Play(cards).to_bytes();
                prop_assert_eq!(table.check(Seat(0), &action).is_ok(), fits, "{:?} after {:?}", cards, against);
                if fits {
                    accepted.insert(cards.ranks());
                }
            }
            let offered = table.legal_actions(Seat(0));
            let plays: Vec<Ranks> = offered
                .iter()
                .filter_map(|action| match Step::read(action) {
                    Some(Step::Play(cards)) => Some(cards.ranks()),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(plays.iter().copied().collect::<BTreeSet<_>>(), accepted);
            prop_assert_eq!(plays.len() + usize::from(against.is_some()), offered.len());
            prop_assert_eq!(plays.iter().collect::<BTreeSet<_>>().len(), plays.len());
        }
    }

    /// Whole hands have the plays that the slow rules find in them, each read alike and offered once.
    #[test]
    fn whole_hands_have_exactly_the_plays_there_are(hand in whole_hand()) {
        every_choice_is_read_alike(&hand.ranks());
    }
}

/// Hands made of trios in a row, where readings meet.
#[test]
fn rows_of_trios_have_exactly_the_plays_there_are() {
    let hands = [
        "33344455566677789TJQ",
        "333444555666",
        "3334445556667778",
        "33344455566677788899",
        "JJJQQQKKKAAA222sb",
        "33334444555566667777",
    ];
    for hand in hands {
        every_choice_is_read_alike(&super::ranks(hand));
    }
}

/// The shapes that cards could have.
fn shapes(cards: &Ranks) -> Vec<Shape> {
    let fits = |shape: &Shape| shape.tops().any(|rank| Combination { shape: *shape, rank }.is_made_of(cards));
    Shape::all().filter(|shape| shape.cards() == cards.len() && fits(shape)).collect()
}

fn every_choice_is_read_alike(hand: &Ranks) {
    let mut there = BTreeSet::new();
    for cards in choices(hand) {
        let play = slowly(&listed(&cards));
        assert_eq!(Combination::read(&cards).map(named), play, "{cards:?}");
        assert!(
            shapes(&cards).len() < 2 || play.is_some_and(|(kind, _)| kind == Kind::Airplane(4)),
            "{cards:?}"
        );
        there.extend(play.map(|play| (cards, play)));
    }
    let offered = plays(hand, None);
    assert_eq!(offered.len(), there.len());
    assert_eq!(offered.into_iter().map(|(play, cards)| (cards, named(play))).collect::<BTreeSet<_>>(), there);
}
