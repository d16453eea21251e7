//! Each kind of bad worker has its stated answer, and requests of others go on.

use crate::rig::{Rig, group, is_alive, text, wait_until};
use usher_proto::message::NotDone;

/// A request does that to one of two workers; what comes of it, and others' requests are answered all the while.
fn suffers(kind: &str) -> (Rig, Result<String, NotDone>) {
    let rig = Rig::good(2);
    let bad = rig.ask(kind, "x");
    let others: Vec<_> = (0..50).map(|at| rig.ask("echo", &at.to_string())).collect();
    for (at, answer) in others.iter().enumerate() {
        assert_eq!(text(answer), Ok(at.to_string()), "beside {kind}");
    }
    let came = text(&bad);
    (rig, came)
}

/// It lost its worker, which is replaced.
fn loses_its_worker(kind: &str) {
    let (rig, came) = suffers(kind);
    assert_eq!(came, Err(NotDone::WorkerDied), "{kind}");
    rig.wait_figure("deaths_total", |deaths| deaths == 1);
    rig.wait_up(2);
    assert_eq!(rig.get("echo", "again"), Ok("again".into()));
}

#[test]
fn rubbish_ends_the_worker_that_says_it() {
    loses_its_worker("rubbish");
}

/// The length of a frame has 16 bits: more than 65,535 cannot be said, and nothing is kept ahead of what comes.
#[test]
fn a_frame_that_never_comes_is_ended_by_heartbeats() {
    loses_its_worker("endless");
}

#[test]
fn who_never_reads_is_ended_by_heartbeats() {
    loses_its_worker("deaf");
}

#[test]
fn who_loops_for_ever_is_ended_by_heartbeats() {
    loses_its_worker("loop");
}

#[test]
fn who_forks_and_exits_leaves_nobody_behind() {
    let rig = Rig::good(1);
    let pid = rig.pid();
    let group = || {
        let stats = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        let pgrp = |stat: String| stat.rsplit(')').next()?.split_whitespace().nth(2)?.parse::<i32>().ok();
        stats.filter_map(pgrp).filter(|pgrp| *pgrp == pid).count()
    };
    assert_eq!(group(), 1);
    assert_eq!(rig.get("fork", ""), Err(NotDone::WorkerDied));
    wait_until("the group is gone", || group() == 0);
    assert_eq!(rig.get("echo", "again"), Ok("again".into()));
    assert!(!is_alive(pid));
}

#[test]
fn who_says_too_much_that_was_not_asked_is_ended() {
    loses_its_worker("flood");
}

#[test]
fn who_leaves_its_group_is_ended_all_the_same() {
    loses_its_worker("group");
}

#[test]
fn who_answers_twice_is_heard_once() {
    let (rig, came) = suffers("twice");
    assert_eq!(came, Ok("x".into()));
    rig.wait_figure("stray_total", |stray| stray == 1);
    assert_eq!(rig.figure("deaths_total"), 0);
}

#[test]
fn who_answers_for_another_is_not_heard() {
    let rig = Rig::good(2);
    // The other worker holds one, whose number is near.
    let held: Vec<_> = (0..2).map(|_| rig.ask("sleep", "0.3")).collect();
    wait_until("both have one", || rig.figure("in_flight") == 2);
    let theft = rig.ask("stranger", "mine");
    assert_eq!(text(&theft), Ok("mine".into()));
    assert!(held.iter().all(|answer| text(answer) == Ok("0.3".into())));
    rig.wait_figure("stray_total", |stray| stray > 50);
    assert_eq!(rig.figure("deaths_total"), 0);
}

#[test]
fn who_says_nothing_is_not_given_anything() {
    let mut config = group("silent", 1);
    config.deadline = std::time::Duration::from_millis(300);
    let rig = Rig::of(vec![config]);
    assert_eq!(rig.get("echo", "x"), Err(NotDone::Late));
    assert_eq!((rig.figure("up"), rig.figure("in_flight")), (0, 0));
}

#[test]
fn who_swallows_a_request_is_late_and_goes_on() {
    let mut config = group("good", 1);
    config.deadline = std::time::Duration::from_millis(300);
    let rig = Rig::of(vec![config]);
    rig.wait_up(1);
    assert_eq!(rig.get("swallow", "x"), Err(NotDone::Late));
    assert_eq!(rig.get("echo", "x"), Ok("x".into()));
}
