//! The bell of a worker in every order of things that the memory model allows.
//!
//! Loom runs each model again and again, once for every interleaving and every value a load may see. At the end,
//! when nobody posts any more, the worker must come to everything it was left by wakes alone. What is modelled is
//! `src/signal.rs` itself, built here on loom's atomics; the list, the poll and the lines of `command.rs` that put
//! them together are written again below.
//!
//! Each rule of these lines has a model that breaks it and must fail, so that none of them passes for nothing.
//! Limits: two threads beside the worker, two posts, `PREEMPTIONS` a run: a second or two. Without the last it is
//! minutes.
//! Read next: `src/command.rs`.
#![forbid(unsafe_code)]

use loom::sync::atomic::{self, AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[path = "../src/signal.rs"]
mod signal;

use signal::Sleep;

/// How often a run may take a thread off that could have gone on.
const PREEMPTIONS: usize = 3;
/// More turns in a row than two posts could ask for.
const TURNS_MAX: usize = 8;

/// What a worker and its posters share.
struct Desk {
    sleep: Sleep,
    /// The kernel's, hence under a lock: an event that the poll has not reported.
    woken: Mutex<bool>,
    commands: Mutex<usize>,
    filled: AtomicBool,
    /// A desk of the layer above: written before a ring, looked at in a turn, ordered by nothing else.
    notes: AtomicUsize,
}

/// The steps that a model may do in the right or in a wrong way.
#[derive(Clone, Copy)]
struct Ways {
    post: fn(&Desk),
    sleeps: fn(&Desk) -> bool,
    turn: fn(&Desk, &mut usize),
}

const RIGHT: Ways = Ways { post: append_then_nudge, sleeps: say_then_look, turn: hear_then_work };

fn append_then_nudge(desk: &Desk) {
    append(desk);
    nudge(desk);
}

fn nudge_then_append(desk: &Desk) {
    nudge(desk);
    append(desk);
}

fn mark_before_the_lock(desk: &Desk) {
    desk.filled.store(true, Ordering::Release);
    *desk.commands.lock().unwrap() += 1;
    nudge(desk);
}

fn note_then_ring(desk: &Desk) {
    desk.notes.fetch_add(1, Ordering::Relaxed);
    ring(desk);
}

fn ring_then_note(desk: &Desk) {
    ring(desk);
    desk.notes.fetch_add(1, Ordering::Relaxed);
}

/// As `Inbox::fall_asleep`.
fn say_then_look(desk: &Desk) -> bool {
    desk.sleep.fall_asleep() && *desk.commands.lock().unwrap() == 0
}

fn look_then_say(desk: &Desk) -> bool {
    *desk.commands.lock().unwrap() == 0 && desk.sleep.fall_asleep()
}

fn say_and_never_look(desk: &Desk) -> bool {
    desk.sleep.fall_asleep()
}

fn hear_then_work(desk: &Desk, done: &mut usize) {
    desk.sleep.heard();
    work(desk, done);
}

fn work_then_hear(desk: &Desk, done: &mut usize) {
    work(desk, done);
    desk.sleep.heard();
}

/// As `Signal::ring`.
fn ring(desk: &Desk) {
    if desk.sleep.ring() {
        *desk.woken.lock().unwrap() = true;
    }
}

/// As `Signal::nudge`.
fn nudge(desk: &Desk) {
    if desk.sleep.is_asleep() {
        ring(desk);
    }
}

/// As `Inbox::post`, without the nudge.
fn append(desk: &Desk) {
    let mut commands = desk.commands.lock().unwrap();
    *commands += 1;
    desk.filled.store(true, Ordering::Release);
}

/// As `Inbox::is_empty` and `Inbox::take`.
fn take(desk: &Desk) -> usize {
    if !desk.filled.load(Ordering::Acquire) {
        return 0;
    }
    let mut commands = desk.commands.lock().unwrap();
    desk.filled.store(false, Ordering::Release);
    std::mem::take(&mut commands)
}

/// Takes the commands, and counts the notes by a load that may see fewer than there are, as a real desk's might.
fn work(desk: &Desk, done: &mut usize) {
    *done += take(desk);
    *done = (*done).max(desk.notes.load(Ordering::Relaxed));
}

/// A worker, and `posters` threads that leave it something `posts` times each.
fn model(ways: Ways, posters: usize, posts: usize) {
    let mut loom = loom::model::Builder::new();
    loom.preemption_bound = Some(PREEMPTIONS);
    loom.check(move || {
        let desk = desk();
        let mut done = 0;
        let threads: Vec<_> = (0..posters)
            .map(|_| {
                let desk = Arc::clone(&desk);
                thread::spawn(move || (0..posts).for_each(|_| (ways.post)(&desk)))
            })
            .collect();
        // Twice: as after a timeout, a worker may begin a turn that nobody asked for.
        serve(&desk, ways, &mut done);
        serve(&desk, ways, &mut done);
        for thread in threads {
            thread.join().unwrap();
        }
        serve_woken(&desk, ways, &mut done);
        assert_eq!(done, posters * posts, "something is stranded");
    });
}

fn desk() -> Arc<Desk> {
    Arc::new(Desk {
        sleep: Sleep::new(),
        woken: Mutex::new(false),
        commands: Mutex::new(0),
        filled: AtomicBool::new(false),
        notes: AtomicUsize::new(0),
    })
}

fn woken(desk: &Desk) -> bool {
    std::mem::take(&mut *desk.woken.lock().unwrap())
}

/// Turn after turn until the worker sleeps and is not woken. It may take some for nothing, but not for ever.
fn serve(desk: &Desk, ways: Ways, done: &mut usize) {
    for _ in 0..TURNS_MAX {
        if (ways.sleeps)(desk) && !woken(desk) {
            return;
        }
        (ways.turn)(desk, done);
    }
    panic!("something is stranded beside a worker that stays awake for it");
}

/// As `serve`, for a worker that sleeps: there is no turn before it is woken.
fn serve_woken(desk: &Desk, ways: Ways, done: &mut usize) {
    if woken(desk) {
        (ways.turn)(desk, done);
        serve(desk, ways, done);
    }
}

#[test]
fn no_command_is_stranded() {
    model(RIGHT, 2, 1);
    model(RIGHT, 1, 2);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_worker_that_does_not_look_again_strands_a_command() {
    model(Ways { sleeps: say_and_never_look, ..RIGHT }, 1, 1);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_worker_that_looks_before_it_says_so_strands_a_command() {
    model(Ways { sleeps: look_then_say, ..RIGHT }, 1, 1);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_poster_that_nudges_first_strands_its_command() {
    model(Ways { post: nudge_then_append, ..RIGHT }, 1, 1);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_mark_before_the_lock_keeps_the_worker_awake_for_nothing() {
    model(Ways { post: mark_before_the_lock, ..RIGHT }, 1, 1);
}

#[test]
fn no_ring_is_lost() {
    let rings = Ways { post: note_then_ring, ..RIGHT };
    model(rings, 2, 1);
    model(rings, 1, 2);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_ring_before_the_note_is_lost() {
    model(Ways { post: ring_then_note, ..RIGHT }, 1, 1);
}

#[test]
#[should_panic(expected = "stranded")]
fn a_turn_that_hears_after_its_work_loses_a_ring() {
    model(Ways { post: note_then_ring, turn: work_then_hear, ..RIGHT }, 1, 2);
}

/// Whoever comes after a wake that failed wakes the worker for both.
#[test]
fn a_wake_that_failed_is_tried_again() {
    let post = |desk: &Desk| {
        append(desk);
        if desk.sleep.is_asleep() && desk.sleep.ring() {
            desk.sleep.not_woken();
        }
        nudge(desk);
    };
    model(Ways { post, ..RIGHT }, 1, 1);
}
