//! The worst of the first seeds, each of full size: those that failed once, and the one that took longest to get well.
//!
//! Why: what chance has found once need not be found by chance again. A seed's plan changes when `random.rs` does; what it
//! showed is then held by the unit tests of what was wrong, which some name.
//! Read next: `../src/trial.rs`; `random.rs`, for seeds that are nothing special.

use usher_sim::Trial;

/// Of the time before there were gateways.
fn run(seed: u64) {
    run_with(seed, 0);
}

fn run_with(seed: u64, gateways: u32) {
    println!("cargo xtask sim --seed {seed} --gateways {gateways}");
    let outcome = Trial { seed, players: 300, minutes: 10, gateways }.run();
    assert!(outcome.faults >= 20 && outcome.hands > 100 && outcome.quiet_sweeps > 0, "{outcome:?}");
}

/// It took half a minute longer than the others: who gave up had seats that were kept.
#[test]
fn seed_11_takes_longest() {
    run(11);
}

/// A bot that took over another login's seat counted its hands on from its own.
#[test]
fn seed_133_a_seat_that_is_taken_over_has_hands_of_its_own() {
    run(133);
}

/// A slow process took up nothing at all, and what waited there lost its order.
#[test]
fn seed_269_a_slow_manager_is_slow_and_no_more() {
    run(269);
}

/// A server whose lease had ended was sent as many clients again (`a_place_kept_at_a_server_that_is_gone_...`).
#[test]
fn seed_294_places_are_kept_by_name() {
    run(294);
}

/// The first frame of a player was repeated until its own knock was the oldest of its like and went
/// (`who_is_crowded_out_before_it_is_in_comes_again_...`).
#[test]
fn seeds_781_1410_and_1861_who_is_crowded_out_comes_again() {
    [781, 1410, 1861].into_iter().for_each(run);
}

/// As above, by replays that met a lagging player.
#[test]
fn seeds_3164_and_3307_who_is_crowded_out_comes_again() {
    [3164, 3307].into_iter().for_each(run);
}

/// A room that was started again, where another login of the account already sat
/// (`a_room_that_has_begun_anew_is_another_stay`).
#[test]
fn seed_3598_a_room_that_has_begun_anew_is_another_stay() {
    run(3598);
}

/// The lease of a login ended although its renewal was in a slow manager's own queue, after a silence of a whole lease: the
/// manager was right, and the shadow model wrong.
#[test]
fn seed_1000_a_lease_may_end_while_its_renewal_waits_to_be_read() {
    run(1000);
}

/// A hall whose link was cut for a tenth of a second named a server that the others were just told is gone: until a lease
/// later, as it should. The shadow model did not know of so short a cut.
#[test]
fn seed_7333_a_new_link_forgets_after_a_lease() {
    run(7333);
}

/// A player's first frame came to a room server on a trunk that the server had seen end, and was served for nobody.
#[test]
fn seed_37_with_gateways_nothing_comes_from_a_trunk_that_is_over() {
    run_with(37, 2);
}

/// A partition broke a trunk; what was said on it afterwards arrived before its end did, so that something was missing in
/// between.
#[test]
fn seeds_26_and_207_with_gateways_what_breaks_ends_before_it_goes_on() {
    run_with(26, 2);
    run_with(207, 2);
}
