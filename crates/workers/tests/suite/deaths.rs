//! Workers that are killed or stopped under load; requests that kill.

use crate::rig::{PATIENCE, Rig, group, is_alive, now, text, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use usher_proto::message::NotDone;

type Asked = Receiver<Result<usher_proto::Payload, NotDone>>;

fn hit(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal); // it may have ended
}

/// Four workers, one of which is hit now and then while requests go on: every repeatable one is answered with its
/// reply, once, every other with its reply or the stated error.
fn goes_on_when_workers_are_hit(signal: Signal, hits: usize) {
    let rig = Rig::good(4);
    let (mut repeatable, mut others): (Vec<Asked>, Vec<Asked>) = Default::default();
    for round in 0..hits {
        let pid = rig.pid();
        for _ in 0..50 {
            repeatable.push(rig.ask("echo", &repeatable.len().to_string()));
            others.push(rig.ask("sleep", "0.001"));
        }
        hit(pid, signal);
        for _ in 0..50 {
            repeatable.push(rig.ask("echo", &repeatable.len().to_string()));
        }
        wait_until("the worker is gone", || !is_alive(pid));
        wait_until("its death is counted", || rig.figure("deaths_total") > round as u64);
    }
    for (at, answer) in repeatable.iter().enumerate() {
        assert_eq!(text(answer), Ok(at.to_string()));
    }
    for answer in &others {
        let came = text(answer);
        assert!(matches!(came, Ok(_) | Err(NotDone::WorkerDied)), "{came:?}");
    }
    assert_eq!(rig.figure("set_aside_total"), 0);
    rig.wait_up(4);
}

#[test]
fn killed_workers_lose_nothing_that_may_be_repeated() {
    goes_on_when_workers_are_hit(Signal::KILL, 6);
}

#[test]
fn stopped_workers_lose_nothing_that_may_be_repeated() {
    goes_on_when_workers_are_hit(Signal::STOP, 2);
}

#[test]
fn what_is_not_repeatable_is_never_done_twice() {
    let mut config = group("good", 3);
    config.repeatable.clear();
    let rig = Rig::of(vec![config]);
    rig.wait_up(3);
    let mut asked = Vec::new();
    for round in 0..4 {
        let pid = rig.pid();
        for at in 0..60 {
            asked.push(rig.ask("write", &format!("effects {round}-{at}")));
        }
        hit(pid, Signal::KILL);
        wait_until("its death is counted", || rig.figure("deaths_total") > round);
        rig.wait_up(3);
    }
    let answers: Vec<_> = asked.iter().map(text).collect();
    let mut effects = BTreeMap::new();
    for line in rig.folder.lines("effects") {
        *effects.entry(line).or_insert(0) += 1;
    }
    assert!(effects.values().all(|times| *times == 1), "{effects:?}");
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(NotDone::WorkerDied))), "{answers:?}");
    assert!(effects.len() >= done, "what is answered was done");
}

#[test]
fn a_request_that_kills_is_set_aside_after_three_and_written_down() {
    let rig = Rig::good(2);
    let poison = rig.ask("poison", "bitter");
    let end = now() + PATIENCE;
    let mut others = 0;
    let came = loop {
        assert_eq!(rig.get("echo", "beside it"), Ok("beside it".into()));
        others += 1;
        if let Ok(came) = poison.try_recv() {
            break came;
        }
        assert!(now() < end);
    };
    assert_eq!(came, Err(NotDone::SetAside));
    assert!(others > 1, "others are answered meanwhile");
    assert_eq!(rig.folder.lines("poisoned").len(), 3, "no fourth was killed");
    rig.wait_figure("deaths_total", |deaths| deaths == 3);
    wait_until("it is written down", || rig.folder.lines("dead.jsonl").len() == 1);
    let letter: serde_json::Value = serde_json::from_str(&rig.folder.lines("dead.jsonl")[0]).unwrap();
    assert_eq!(letter["kind"], "poison");
    assert_eq!(letter["strikes"], 3);
    assert_eq!(letter["message"]["work"]["body"], "bitter");
    assert!(letter["bytes"].as_str().unwrap().starts_with("3006"), "{letter}");
}

#[test]
fn a_rolling_reload_under_load_loses_nothing() {
    let rig = Rig::good(3);
    let mut asked = Vec::new();
    for reload in 1..=2 {
        assert!(rig.workers.reload());
        let end = now() + PATIENCE;
        while rig.figure("reloads_total") < 3 * reload {
            assert!(now() < end);
            asked.push((rig.ask("echo", "x"), rig.ask("sleep", "0.002")));
            let (echo, sleep) = asked.last().unwrap();
            assert_eq!((text(echo), text(sleep)), (Ok("x".into()), Ok("0.002".into())));
        }
    }
    assert_eq!((rig.figure("deaths_total"), rig.figure("retried_total")), (0, 0));
    assert!(asked.len() > 6);
}

#[test]
fn a_request_that_is_late_is_dropped_when_it_is_answered() {
    let mut config = group("good", 1);
    config.deadline = Duration::from_millis(200);
    let rig = Rig::of(vec![config]);
    rig.wait_up(1);
    assert_eq!(rig.get("sleep", "0.4"), Err(NotDone::Late));
    rig.wait_figure("late_total", |late| late == 1);
    assert_eq!(rig.get("echo", "x"), Ok("x".into()));
}
