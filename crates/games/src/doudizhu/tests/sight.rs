//! Who sees what: views and events hold nothing hidden, and strange ones are refused.

use alloc::vec;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::super::*;
use super::{act, bots_step, cards, play, seed, with_landlord};
use crate::BadView;
use crate::GameKind;

/// The same hand as far as this viewer can tell, with every card that it cannot see dealt anew; `kept` stay
/// with the seat to move.
fn redealt(hand: &DouDizhu, viewer: Option<Seat>, kept: Cards, rng: &mut impl Rng) -> DouDizhu {
    let mut other = hand.clone();
    let shown = hand.bottom.filter(|_| hand.landlord().is_some()).unwrap_or_default();
    let mut hidden: Vec<u8> = Vec::new();
    let mut places: Vec<(&mut Cards, u8)> = Vec::new();
    for (held, seat) in other.hands.iter_mut().zip(seats()) {
        let Some(held) = held.as_mut().filter(|_| viewer != Some(seat)) else { continue };
        let stays = if hand.to_move == Some(seat) { kept } else { Cards::NONE };
        let goes = held.without(shown).without(stays);
        *held = held.without(goes);
        hidden.extend(goes.iter());
        places.push((held, goes.len()));
    }
    if let Some(bottom) = other.bottom.as_mut().filter(|_| shown.is_empty()) {
        hidden.extend(bottom.iter());
        *bottom = Cards::NONE;
        places.push((bottom, BOTTOM));
    }
    for last in (1..hidden.len()).rev() {
        hidden.swap(last, rng.next_u32() as usize % (last + 1));
    }
    for (place, count) in places {
        let dealt = hidden.split_off(hidden.len() - usize::from(count));
        *place = place.with(dealt.into_iter().collect());
    }
    assert!(other.is_coherent());
    other
}

#[test]
fn what_is_hidden_changes_neither_views_nor_events() {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let mut differed = 0;
    for number in 0..60 {
        let mut hand = DouDizhu::new(seed(number));
        while let Some(seat) = hand.to_move {
            let step = bots_step(&hand);
            let played = if let Step::Play(cards) = step { cards } else { Cards::NONE };
            let before = hand.clone();
            let events = hand.act(seat, &step.to_bytes()).expect("legal");
            for viewer in seats().map(Some).chain([None]) {
                let mut other = redealt(&before, viewer, played, rng);
                differed += u32::from(other != before);
                assert_eq!(other.view(viewer), before.view(viewer));
                let told = other.act(seat, &step.to_bytes());
                let shows_bottom = before.landlord().is_none() && hand.landlord().is_some();
                if hand.to_move.is_some() && !shows_bottom {
                    assert_eq!(told.as_ref(), Ok(&events));
                }
            }
        }
    }
    assert!(differed > 5000, "{differed}");
}

#[test]
fn a_view_has_the_viewers_hand_until_the_end_shows_all() {
    let mut hand = with_landlord(3, ["33344455566677789", "", ""], "TJQ");
    let known = |hand: &DouDizhu, viewer| {
        let seen = DouDizhu::from_view(&hand.view(viewer)).expect("its own view");
        seen.hands.map(|hand| hand.is_some())
    };
    assert_eq!(known(&hand, Some(Seat(1))), [false, true, false]);
    assert_eq!(known(&hand, None), [false; 3]);
    assert_eq!(known(&hand, Some(Seat(7))), [false; 3]);
    play(&mut hand, "33344455566677789TJQ");
    assert_eq!(known(&hand, None), [true; 3]);
    assert_eq!(DouDizhu::from_view(&hand.view(None)), Ok(hand));
}

#[test]
fn the_layout_is_as_documented() {
    let mut hand = with_landlord(2, ["33TT", "JJ55", "QQ6"], "22b");
    hand.abandon(Seat(2));
    play(&mut hand, "TT");
    let view = hand.view(Some(Seat(1)));
    assert_eq!((VIEW_BYTES, view.len()), (67, 67));
    assert_eq!(view[..9], [1, 0, 2, 0, 0, 0b100, 0, 1, 0]);
    let tens = cards("TT").to_bytes();
    assert_eq!((&view[9..16], &view[16..23], &view[23..37]), (&tens[..], &tens[..], &[0; 14][..]));
    assert_eq!(view[37..44], cards("22b").to_bytes());
    assert_eq!(view[44..51], [0; 7]);
    assert_eq!(view[51..58], hand.hands[1].expect("known").to_bytes());
    assert_eq!(view[58..], [0, 0, 0, 0, 0, 0, 0, 0, 5]);
    let bidding = DouDizhu::new(seed(1)).view(None);
    assert_eq!(bidding[2..5], [255; 3]);
    assert_eq!((bidding[8], &bidding[9..]), (255, &[0; 58][..]));
}

#[test]
fn a_spoilt_view_is_refused() {
    let mut hand = with_landlord(2, ["33TT", "JJ55", "QQ6"], "22b");
    play(&mut hand, "TT JJ");
    let good = hand.view(Some(Seat(1)));
    assert!(DouDizhu::from_view(&good).is_ok());
    let spoilt: &[(usize, u8, &str)] = &[
        (0, 1, "the seat to be beaten is to move"),
        (0, 3, "no such seat to move"),
        (0, 255, "over with nobody out"),
        (1, 3, "no such seat bid first"),
        (2, 255, "later seats bid before the first"),
        (3, 3, "somebody else is landlord"),
        (2, 4, "no such bid"),
        (5, 0b100, "who left is to move"),
        (5, 0b1000, "no such seat left"),
        (6, 15, "too many bombs"),
        (7, 0, "a landlord who did not play, and cards of his"),
        (7, 3, "more plays than cards"),
        (8, 0, "cards of somebody else to be beaten"),
        (8, 255, "cards to be beaten of nobody"),
        (9, 1, "no combination"),
        (23, 1, "a card played that nobody misses"),
        (37, 1, "a bottom of four"),
        (43, 0b0100_0000, "a card there is not"),
        (44, 1, "another's hand"),
        (51, 0, "cards missing from the hand"),
        (65, 1, "a turn beyond any hand"),
        (66, 200, "a turn beyond any hand"),
    ];
    for &(offset, byte, why) in spoilt {
        let mut view = good.clone();
        assert_ne!(view[offset], byte, "{why}");
        view[offset] = byte;
        assert_eq!(DouDizhu::from_view(&view), Err(BadView), "{why}");
    }
    for length in 0..VIEW_BYTES {
        assert_eq!(DouDizhu::from_view(&good[..length]), Err(BadView));
    }
}

#[test]
fn a_client_refuses_events_that_cannot_be() {
    let mut hand = with_landlord(3, ["33TT", "JJ55", "QQ6"], "22b");
    play(&mut hand, "T");
    let view = hand.view(Some(Seat(1)));
    let jack = cards("J").iter().next().expect("one");
    let two = cards("2").iter().next().expect("one");
    let cases: [(&str, Vec<u8>); 12] = [
        ("empty", vec![]),
        ("nobody's", vec![1]),
        ("no step", vec![1, ACTED]),
        ("a step cut short", vec![1, ACTED, 2, jack]),
        ("a step too many", vec![1, ACTED, 1, jack, 1, PASS]),
        ("out of turn", vec![2, ACTED, 1, PASS]),
        ("a bid in play", vec![1, ACTED, 1, BID + 3]),
        ("a card that is the landlord's", vec![1, ACTED, 1, two]),
        ("no such cause", vec![1, 7, 1, jack]),
        ("no such seat", vec![3, ABANDONED]),
        ("leaving on turn, nothing done", vec![1, ABANDONED]),
        ("a late seat that does nothing", vec![1, TIMED_OUT]),
    ];
    for (what, event) in cases {
        let mut followed = view.clone();
        assert_eq!(GameKind::DouDizhu.apply(&mut followed, &event), Err(BadView), "{what}");
        assert_eq!(followed, view, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Views and events with some bytes changed, in the middle of a hand: refused or understood, never a panic.
    #[test]
    fn spoilt_bytes_are_survived(
        number in 0u64..1000,
        turns in 0u32..60,
        at_view in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        at_event in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        gone in 0u8..4,
    ) {
        let mut hand = DouDizhu::new(seed(number));
        while hand.turn() < turns && hand.to_move.is_some() {
            let step = bots_step(&hand);
            act(&mut hand, step);
        }
        let mut view = hand.view(seats().nth((number % 4) as usize));
        hand.abandon(Seat(gone));
        let Some(seat) = hand.to_move else { return Ok(()) };
        let step = bots_step(&hand);
        let mut event = hand.act(seat, &step.to_bytes()).expect("legal").swap_remove(0).bytes;
        for (at, byte) in at_view {
            let offset = at.index(view.len());
            view[offset] = byte;
        }
        for (at, byte) in at_event {
            let offset = at.index(event.len());
            event[offset] = byte;
        }
        for seat in seats() {
            let _ = bot::choose(&view, seat);
        }
        let before = view.clone();
        if GameKind::DouDizhu.apply(&mut view, &event).is_ok() {
            prop_assert!(DouDizhu::from_view(&view).is_ok());
        } else {
            prop_assert_eq!(view, before);
        }
    }
}
