//! The three limits, one at a time and together.

use super::*;
use crate::bench::reservation;
use usher_proto::ServerKind;

fn limits(serve_max: u32, serve_per_second_max: u32, connections_max: u32) -> Admission {
    let node = NodeConfig::new(ServerKind::Login);
    Admission::new(&NodeConfig { serve_max, serve_per_second_max, connections_max, ..node })
}

fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn full(hops_left: u8) -> Decision {
    Decision::Redirect { hops_left, cause: Cause::Full }
}

const TOO_FAST: Decision = Decision::Redirect { hops_left: 3, cause: Cause::Rate };

#[test]
fn what_is_served_at_once_decides_between_serving_and_redirecting() {
    let place = reservation(1, 2);
    let cases = [
        (0, false, Decision::Serve),
        (9, false, Decision::Serve),
        (10, false, full(3)),
        (10, true, Decision::Serve),
        (11, true, Decision::Serve),
        (12, true, full(2)),
        (12, false, full(3)),
        (u32::MAX, true, full(2)),
    ];
    for (serving, reserved, expected) in cases {
        let mut admission = limits(10, 1_000_000, 12);
        let decision = admission.decide(ms(0), serving, reserved.then_some(&place));
        assert_eq!(decision, expected, "serving {serving}, reserved {reserved}");
    }
}

#[test]
fn nothing_passes_connections_max_even_where_serve_max_is_higher() {
    let mut admission = limits(100, 1_000, 5);
    assert_eq!(admission.decide(ms(0), 5, None), full(3));
}

#[test]
fn the_rate_lets_a_tenth_of_a_second_in_at_once_and_then_the_rest_evenly() {
    let mut admission = limits(1_000_000, 100, 1_000_000);
    let served_at = |admission: &mut Admission, now| {
        (0..200).take_while(|_| admission.decide(now, 0, None) == Decision::Serve).count()
    };
    assert_eq!(served_at(&mut admission, ms(0)), 10);
    assert_eq!(served_at(&mut admission, ms(9)), 0);
    assert_eq!(admission.decide(ms(9), 0, None), TOO_FAST);
    assert_eq!(served_at(&mut admission, ms(10)), 1);
    assert_eq!(served_at(&mut admission, ms(50)), 4);
    assert_eq!(served_at(&mut admission, ms(10_000)), 10, "what was not used is not saved up");
}

#[test]
fn a_low_rate_still_serves_one_at_a_time_and_a_rate_of_zero_nobody() {
    let mut one = limits(10, 1, 10);
    assert_eq!(one.decide(ms(0), 0, None), Decision::Serve);
    assert_eq!(one.decide(ms(999), 0, None), TOO_FAST);
    assert_eq!(one.decide(ms(1_000), 0, None), Decision::Serve);
    let mut none = limits(10, 0, 10);
    assert_eq!(none.decide(ms(5_000), 0, None), TOO_FAST);
    assert_eq!(none.decide(ms(5_000), 0, Some(&reservation(1, 0))), Decision::Serve);
}

#[test]
fn over_a_long_time_a_flood_is_served_at_the_rate() {
    let mut admission = limits(u32::MAX, 60, u32::MAX);
    let served = (0..10_000).filter(|&at| admission.decide(ms(at), 0, None) == Decision::Serve).count();
    assert!((599..=606).contains(&served), "{served} in ten seconds at 60 a second");
}

#[test]
fn reservations_use_up_rate_but_their_debt_is_bounded() {
    let mut admission = limits(1_000, 10, 1_000);
    for id in 0..100 {
        assert_eq!(admission.decide(ms(0), 0, Some(&reservation(id, 1))), Decision::Serve);
    }
    assert_eq!(admission.decide(ms(99), 0, None), TOO_FAST);
    assert_eq!(admission.decide(ms(100), 0, None), Decision::Serve);
    admission.check_invariants();
}

#[test]
fn a_reservation_is_good_once_and_then_as_none() {
    let mut admission = limits(10, 1_000, 20);
    let place = reservation(7, 1);
    assert_eq!(admission.decide(ms(0), 15, Some(&place)), Decision::Serve);
    assert_eq!(admission.decide(ms(0), 15, Some(&place)), full(3));
    assert_eq!(admission.decide(ms(9_999), 15, Some(&place)), full(3), "its seal may just still be good");
    assert_eq!(admission.take_redeemed(), [ReservationId(7)]);
    assert_eq!(admission.take_redeemed(), []);
    admission.decide(ms(10_000), 15, None);
    admission.check_invariants();
    assert!(admission.used.is_empty(), "nothing is remembered for ever");
}

#[test]
fn a_client_without_hops_is_told_busy() {
    let mut admission = limits(0, 0, 0);
    for (hops, expected) in [(0, Decision::Busy), (1, full(1)), (200, full(200))] {
        assert_eq!(admission.decide(ms(0), 0, Some(&reservation(1, hops))), expected);
    }
    assert_eq!(admission.take_redeemed(), [], "a place that was not given is not redeemed");
}

#[test]
fn redeemed_ids_are_taken_in_messages_of_limited_size() {
    let mut admission = limits(1, 1, u32::MAX);
    for id in 0..REDEEMED_MAX as u64 + 5 {
        admission.decide(ms(0), 0, Some(&reservation(id, 1)));
    }
    assert_eq!(admission.take_redeemed().len(), REDEEMED_MAX);
    assert_eq!(admission.take_redeemed().len(), 5);
}

#[test]
fn more_reservations_than_can_be_remembered_count_as_none() {
    let mut admission = limits(0, 0, u32::MAX);
    for id in 0..USED_MAX as u64 {
        assert_eq!(admission.decide(ms(0), 0, Some(&reservation(id, 1))), Decision::Serve);
    }
    assert_eq!(admission.decide(ms(0), 0, Some(&reservation(u64::MAX, 1))), full(3));
    admission.check_invariants();
    assert_eq!(admission.decide(ms(10_000), 0, Some(&reservation(u64::MAX, 1))), Decision::Serve);
}

#[test]
fn who_is_served_counts_for_the_rate_whether_by_reservation_or_not() {
    let mut admission = limits(100, 1_000, 100);
    admission.decide(ms(0), 0, None);
    admission.decide(ms(0), 0, Some(&reservation(1, 1)));
    admission.decide(ms(0), 100, None);
    assert_eq!(admission.served_per_second(ms(0)), 2);
    assert_eq!(admission.served_per_second(ms(60_000)), 0);
}
