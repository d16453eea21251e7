//! Runs trials, seed after seed, on all cores: `seeds FIRST COUNT PLAYERS MINUTES GATEWAYS [all]`. Gateways: a number, or
//! `by-seed`, which is two in every second one.
//!
//! Why: `cargo xtask sim` builds and runs this, of the tree as it is and of trees with one rule less.
//! Prints every tenth second how far it is. Of the seeds that fail the lowest comes last, with its cause and how to
//! replay it; exit code 1. It stops at the first failure it meets, or, with `all`, goes on and names every one.
//! A single seed is printed with its plan.
//! Read next: `../src/trial.rs`.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "real time is measured, and nothing is decided by it")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use usher_sim::{Outcome, Trial};

const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// So many seeds are named that took longest.
const SLOWEST: usize = 10;

thread_local! {
    /// What this thread panicked with last, and where.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

#[derive(Default)]
struct Sum {
    passed: u64,
    steps: u64,
    faults: usize,
    hands: usize,
    quiet_sweeps: u64,
    failures: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, String>,
    /// Who took longest until everything was right again, and which seed that was.
    slowest: BTreeSet<(Duration, u64)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.slowest.insert((outcome.took, seed));
        if self.slowest.len() > SLOWEST {
            self.slowest.pop_first();
        }
        self.passed += 1;
        self.steps += outcome.steps;
        self.faults += outcome.faults;
        self.hands += outcome.hands;
        self.quiet_sweeps += outcome.quiet_sweeps;
        for (reason, count) in &outcome.failures {
            *self.failures.entry(reason).or_default() += count;
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(first), Some(count), Some(players), Some(minutes)) = (number(), number(), number(), number())
    else {
        eprintln!("usage: seeds FIRST COUNT PLAYERS MINUTES GATEWAYS [all]");
        return ExitCode::from(2);
    };
    let gateways = arguments.next().and_then(|text| text.parse().ok());
    let all = arguments.next().is_some_and(|word| word == "all");
    std::panic::set_hook(Box::new(|panic| PANIC.set(panic.to_string())));
    let trial = |seed| {
        let trial = Trial::new(seed, players as u32, minutes as u32);
        Trial { gateways: gateways.unwrap_or(trial.gateways), ..trial }
    };
    if count == 1 {
        for (at, fault) in trial(first).scenario().faults() {
            println!("{at:>12?} {fault:?}");
        }
    }
    let started = Instant::now();
    let sum = run(first..first + count, all, &trial);
    let took = started.elapsed().as_secs_f64();
    let done = sum.passed + sum.failed.len() as u64;
    println!(
        "sim: {done} seeds from {first}, {} steps, {} faults, {} hands, {} quiet seconds, in {took:.1} s ({:.2} seeds/s)",
        sum.steps,
        sum.faults,
        sum.hands,
        sum.quiet_sweeps,
        done as f64 / took
    );
    println!("sim: players who gave up, and why: {:?}", sum.failures);
    let slowest: Vec<_> = sum
        .slowest
        .iter()
        .rev()
        .map(|(took, seed)| format!("{seed} ({:.0} s)", took.as_secs_f64()))
        .collect();
    println!("sim: longest until all was well and home: {}", slowest.join(", "));
    for (seed, cause) in sum.failed.iter().rev() {
        println!("sim: seed {seed} FAILED: {cause}");
        let gateways = trial(*seed).gateways;
        println!(
            "     replay: cargo xtask sim --seed {seed} --players {players} --minutes {minutes} --gateways {gateways}"
        );
    }
    if sum.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(seeds: std::ops::Range<u64>, all: bool, trial: &(impl Fn(u64) -> Trial + Sync)) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let told = Mutex::new(Instant::now());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let trial = trial(seed);
            let outcome = catch_unwind(|| trial.run());
            let mut sum = sum.lock().expect("nobody panics with it");
            if let Ok(outcome) = outcome {
                sum.add(seed, &outcome);
            } else {
                let cause = PANIC.with_borrow(Clone::clone);
                println!("sim: seed {seed} fails: {}", cause.lines().last().unwrap_or_default());
                sum.failed.insert(seed, cause);
                stop.store(!all, Ordering::Relaxed);
            }
            let mut told = told.lock().expect("nobody panics with it");
            if told.elapsed() >= PROGRESS_EVERY {
                *told = Instant::now();
                println!("sim: {} passed, {} failed, {} steps", sum.passed, sum.failed.len(), sum.steps);
            }
        }
    };
    thread::scope(|scope| {
        for number in 0..thread::available_parallelism().map_or(1, usize::from) {
            let thread = thread::Builder::new().name(format!("seeds-{number}"));
            thread.spawn_scoped(scope, work).expect("threads are to be had");
        }
    });
    sum.into_inner().expect("nobody panicked with it")
}
