//! Starts, ends, reloads.

use crate::rig::{GROUP, PATIENCE, Rig, group, is_alive, script, text, wait_until, walk};
use std::fs;
use std::sync::mpsc::channel;
use usher_proto::codec::Form;
use usher_proto::machine::Played;
use usher_proto::message::{NotDone, Play};
use usher_workers::config::Members;
use usher_workers::{Ask, Workers};

#[test]
fn workers_answer_and_end_with_whoever_started_them() {
    let rig = Rig::good(2);
    assert_eq!(rig.get("echo", "hello"), Ok("hello".into()));
    assert_eq!(rig.get("fail", ""), Err(NotDone::Failed("as asked".into())));
    let large = "x".repeat(120_000);
    assert_eq!(rig.get("echo", &large), Ok(large.clone()));
    let too_large = rig.get("echo", &large.repeat(3));
    assert!(matches!(too_large, Err(NotDone::Failed(_))), "{too_large:?}");
    let pid = rig.pid();
    assert!(is_alive(pid));
    rig.workers.stop();
    wait_until("no worker is left", || !is_alive(pid));
}

#[test]
fn a_hand_is_played_by_one_worker_as_long_as_it_lives() {
    let rig = Rig::good(3);
    let whose = |played| match played {
        Played::Look(look) => look.views[0].shown.clone(),
        other => panic!("{other:?}"),
    };
    for table in 0..8 {
        let first = whose(rig.play(walk(table, 0)));
        assert!((1..5).all(|moves| whose(rig.play(walk(table, moves))) == first));
    }
    let unknown = rig.play(Play { game: "chess".into(), ..walk(0, 0) });
    assert_eq!(unknown, Played::Undone(NotDone::NoWorker));
}

/// A worker may want a new life after so many requests.
#[test]
fn what_a_worker_says_before_it_exits_is_heard() {
    let rig = Rig::good(1);
    for at in 0..5 {
        rig.wait_up(1);
        assert_eq!(rig.get("last", &at.to_string()), Ok(at.to_string()));
        rig.wait_figure("deaths_total", |deaths| deaths == at + 1);
    }
}

#[test]
fn a_worker_that_does_not_know_a_kind_stays() {
    let rig = Rig::good(1);
    let pid = rig.pid();
    assert_eq!(rig.get("nobody", ""), Err(NotDone::NoWorker));
    assert_eq!(rig.pid(), pid);
}

#[test]
fn a_worker_that_says_so_gets_a_new_life_and_loses_nothing() {
    let rig = Rig::good(1);
    let pid = rig.pid();
    let held = rig.ask("sleep", "0.1");
    let leaves = rig.ask("leave", "bye");
    let once: Vec<_> = (0..20).map(|at| rig.ask("once", &at.to_string())).collect();
    assert_eq!((text(&held), text(&leaves)), (Ok("0.1".into()), Ok("bye".into())));
    assert!(once.iter().enumerate().all(|(at, answer)| text(answer) == Ok(at.to_string())));
    assert_ne!(rig.pid(), pid);
    assert_eq!(rig.figure("deaths_total"), 0);
}

#[test]
fn a_reload_brings_new_code() {
    let rig = Rig::good(2);
    assert_eq!(rig.get("version", ""), Ok("none".into()));
    let before = [rig.pid(), rig.pid()];
    fs::write(rig.folder.0.join("version"), "2").unwrap();
    assert!(rig.workers.reload());
    rig.wait_figure("reloads_total", |reloads| reloads == 2);
    assert_eq!(rig.get("version", ""), Ok("2".into()));
    assert!(before.iter().all(|pid| !is_alive(*pid)));
    assert_eq!((rig.figure("deaths_total"), rig.figure("retried_total")), (0, 0));
}

#[test]
fn drained_they_answer_what_they_have() {
    let rig = Rig::good(1);
    let slow = rig.ask("sleep", "0.2");
    let waits = rig.ask("echo", "after");
    wait_until("both are taken", || rig.figure("in_flight") == 2);
    rig.workers.drain();
    let late = rig.ask("echo", "too late");
    assert_eq!(text(&late), Err(NotDone::NoWorker));
    assert_eq!((text(&slow), text(&waits)), (Ok("0.2".into()), Ok("after".into())));
    wait_until("it is drained", || rig.workers.is_drained());
}

#[test]
fn stopped_it_tells_everybody_who_waits() {
    let rig = Rig::good(1);
    let waiting: Vec<_> = (0..20).map(|_| rig.ask("sleep", "0.01")).collect();
    let Rig { workers, folder: _folder } = rig;
    workers.stop();
    for answer in &waiting {
        let came = text(answer);
        let may_come = matches!(came, Ok(_) | Err(NotDone::NoWorker | NotDone::WorkerDied));
        assert!(may_come, "{came:?}");
    }
}

#[test]
fn who_ends_at_once_is_started_ever_more_slowly_and_shown() {
    let rig = Rig::of(vec![group("exit", 1)]);
    rig.wait_figure("crash_looping", |looping| looping == 1);
    // Four pauses of 100, 200, 400 and 800 ms at least lie before the fifth death: no start was for free.
    let starts = rig.folder.lines("starts").len();
    assert!((5..8).contains(&starts), "{starts} starts");
    assert_eq!(rig.figure("up"), 0);
}

#[test]
fn who_speaks_another_version_is_not_taken() {
    let rig = Rig::of(vec![group("newer", 1)]);
    rig.wait_figure("deaths_total", |deaths| deaths >= 2);
    assert_eq!(rig.figure("up"), 0);
    assert_eq!(rig.folder.lines("denied")[0], "this host speaks version 1");
}

#[test]
fn a_worker_may_speak_messagepack() {
    let mut packed = group("good", 1);
    let (command, form) = (script("packed.py", ""), Form::MessagePack);
    packed.members = Members::Children { command, instances: 1, form };
    let rig = Rig::of(vec![packed]);
    rig.wait_up(1);
    for body in [b"text".to_vec(), b"\xff\x00 no text".to_vec(), vec![7; 60_000]] {
        let (done, answer) = channel();
        let (group, kind) = (GROUP.into(), "echo".into());
        let ask = Ask { group, kind, key: Some("a key".into()), body: body.clone().into(), deadline: None };
        rig.workers.work(ask, Box::new(move |came| drop(done.send(came))));
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap().unwrap()[..], body);
    }
    assert_eq!(rig.figure("deaths_total"), 0);
}

#[test]
fn a_program_that_is_not_there_is_a_worker_that_ends() {
    let mut nowhere = group("good", 1);
    if let Members::Children { command, .. } = &mut nowhere.members {
        *command = vec!["./no-such-program".into()];
    }
    let rig = Rig::of(vec![nowhere]);
    rig.wait_figure("deaths_total", |deaths| deaths >= 2);
    let waits = rig.ask("echo", "x");
    drop(rig.workers);
    assert_eq!(text(&waits), Err(NotDone::NoWorker));
}

#[test]
fn a_worker_that_does_not_mind_an_end_is_killed() {
    is_gone_after(Workers::stop);
    is_gone_after(Workers::kill);
}

fn is_gone_after(end: fn(Workers)) {
    let rig = Rig::good(1);
    let pid = rig.pid();
    let deaf = rig.ask("deaf", "");
    wait_until("it has the request", || rig.figure("in_flight") == 1);
    let Rig { workers, folder } = rig;
    end(workers);
    assert_eq!(text(&deaf), Err(NotDone::WorkerDied), "nobody knows whether it is done");
    assert!(!is_alive(pid));
    drop(folder);
}
