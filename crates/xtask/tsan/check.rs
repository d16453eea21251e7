//! Shows that ThreadSanitizer works here: a race that it must find, and locks that it must not take for one.
//!
//! `cargo xtask tsan` runs it before any suite, for a sanitizer that is silently off would find everything clean,
//! and one that does not know the standard library's locks would drown us in reports.
//!
//! - `check race` writes one word from two threads. `check clean` uses each thing that `seams.rs` is about, often
//!   enough that threads wait for each other.
//! - Built by `rustc` alone; no package knows it, and no product holds a race.
//!
//! Read next: `seams.rs`.

use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

const THREADS: usize = 4;
const TIMES: usize = 10_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("race") => race(),
        Some("clean") => {
            mutexes();
            condvars();
            onces();
            arcs();
            channels();
        }
        _ => panic!("usage: check race|clean"),
    }
}

fn race() {
    static mut WORD: u64 = 0;
    let word = &raw mut WORD as usize;
    let write = move || {
        for _ in 0..TIMES {
            // SAFETY: none: this is the race that must be found.
            unsafe { *(word as *mut u64) += 1 };
        }
    };
    let threads = [thread::spawn(write), thread::spawn(write)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Also scopes: the sum is read plainly after the last of them.
fn mutexes() {
    let mut sum = Mutex::new(0);
    let add = || (0..TIMES).for_each(|_| *sum.lock().unwrap() += 1);
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(add))));
    assert_eq!(*sum.get_mut().unwrap(), THREADS * TIMES);
}

/// Two threads take turns.
fn condvars() {
    let (turn, bell) = (Mutex::new(0), Condvar::new());
    let play = |mine: usize| {
        let mut turn = turn.lock().unwrap();
        for _ in 0..TIMES / 10 {
            while *turn % 2 != mine {
                turn = if mine == 0 {
                    bell.wait(turn).unwrap()
                } else {
                    bell.wait_timeout(turn, Duration::from_secs(1)).unwrap().0
                };
            }
            *turn += 1;
            bell.notify_all();
        }
    };
    thread::scope(|scope| (0..2).for_each(|mine| drop(scope.spawn(move || play(mine)))));
}

fn onces() {
    for _ in 0..TIMES / 100 {
        let once = OnceLock::new();
        let look = || assert_eq!(once.get_or_init(|| vec![1; 16])[3], 1);
        thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(look))));
    }
}

/// The last of two owners frees what the other has read.
fn arcs() {
    for _ in 0..TIMES / 100 {
        let one = Arc::new(vec![1; 16]);
        let other = Arc::clone(&one);
        let thread = thread::spawn(move || assert_eq!(other[3], 1));
        drop(one);
        thread.join().unwrap();
    }
}

fn channels() {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || (0..TIMES / 10).for_each(|_| sender.send(vec![1]).unwrap()));
        }
        drop(sender);
        assert_eq!(receiver.iter().map(|sent| sent.len()).sum::<usize>(), THREADS * TIMES / 10);
    });
}
