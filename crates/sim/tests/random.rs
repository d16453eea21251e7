//! A handful of random seeds, and those that have shown something.
//!
//! Why: `cargo xtask sim` runs thousands; what runs with every other test shows that it would.
//! Read next: `../src/trial.rs`.

use usher_sim::Trial;

/// Small enough for an unoptimised build.
fn trial(seed: u64) -> Trial {
    Trial::new(seed, 60, 3)
}

#[test]
fn a_handful_of_seeds_with_every_kind_of_fault() {
    let (mut faults, mut hands) = (0, 0);
    for seed in 1..=4 {
        println!("cargo xtask sim --seed {seed} --players 60 --minutes 3");
        let outcome = trial(seed).run();
        assert!(outcome.faults >= 20 && outcome.quiet_sweeps > 0, "{outcome:?}");
        (faults, hands) = (faults + outcome.faults, hands + outcome.hands);
    }
    assert!(faults >= 4 * 20 && hands > 50, "{faults} faults, {hands} hands");
}

#[test]
fn a_trial_is_the_same_each_time() {
    let first = trial(7).run();
    assert_eq!(first, trial(7).run());
    assert_ne!(first.trace, trial(8).run().trace);
}

/// Twenty plans hold every kind of fault there is; nothing that lasts outlasts the time that is for faults.
#[test]
fn plans_hold_every_kind_of_fault() {
    let plans: Vec<_> = (1..=20).map(|seed| trial(seed).scenario()).collect();
    let faults = plans.iter().flat_map(usher_sim::Scenario::faults);
    let said: Vec<_> = faults.map(|(_, fault)| format!("{fault:?}")).collect();
    let kinds = [
        "Crash",
        "Restart",
        "Skew",
        "Stop",
        "Slow",
        "Lag",
        "Partition",
        "CutLink",
        "CutPlayers",
        "CutTrunk",
        "Drain",
        "OrderDrain",
        "Replay",
        "Echo",
    ];
    for kind in kinds {
        assert!(said.iter().any(|fault| fault.starts_with(kind)), "no plan of twenty has a {kind}");
    }
    for plan in &plans {
        assert!(plan.faults().count() >= 20, "{} faults", plan.faults().count());
    }
}
