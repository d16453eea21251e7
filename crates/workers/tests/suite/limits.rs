//! Long answers, and many long requests: each is answered, here and behind a host.

use crate::hosts::{Host, at};
use crate::rig::{Rig, group, text, wait_until};
use std::fs;
use usher_proto::limits::WORK_BYTES_MAX;
use usher_proto::machine::Played;
use usher_proto::message::{Deed, NotDone, Play};

fn act(action: &str) -> Play {
    Play {
        game: "walk".into(),
        hand: "room/1/7".into(),
        seats: 2,
        seed: [0; 32].into(),
        moves: Vec::new(),
        next: Some(Deed::Act { seat: 0, action: action.into() }),
    }
}

fn long_answers_are_answered(rig: &Rig) {
    let too_long = NotDone::Failed("its answer is too long".into());
    let large = |bytes: usize| rig.get("large", &bytes.to_string()).map(|body| body.len());
    assert_eq!(large(WORK_BYTES_MAX), Ok(WORK_BYTES_MAX));
    for bytes in [WORK_BYTES_MAX + 1, 200_000, 2 * WORK_BYTES_MAX] {
        assert_eq!(large(bytes), Err(too_long.clone()), "{bytes}");
    }
    assert_eq!(rig.get("fail", &"why".repeat(100)), Err(NotDone::Failed("why".repeat(43)[..128].into())));
    assert_eq!(rig.play(act("large")), Played::Undone(too_long));
    assert_eq!(rig.play(act("refuse")), Played::Refused("no".repeat(64)));
    assert_eq!((rig.figure("deaths_total"), rig.figure("late_total")), (0, 0));
}

#[test]
fn an_answer_that_is_too_long_has_failed() {
    long_answers_are_answered(&Rig::good(1));
}

#[test]
fn an_answer_that_is_too_long_has_failed_behind_a_host() {
    let host = Host::start();
    let rig = Rig::of(vec![at(&[&host], &host.key("room-1"))]);
    rig.wait_up(1);
    long_answers_are_answered(&rig);
}

#[test]
fn who_is_busy_has_as_many_long_requests_as_it_may() {
    const REQUESTS: usize = 200;
    let mut config = group("good", 1);
    config.in_flight_max = REQUESTS;
    let rig = Rig::of(vec![config]);
    rig.wait_up(1);
    let busy = rig.ask("hold", "go on");
    let long = "x".repeat(WORK_BYTES_MAX);
    let asked: Vec<_> = (1..REQUESTS).map(|_| rig.ask("echo", &long)).collect();
    wait_until("it has them all, or has been lost", || {
        rig.figure("in_flight") == REQUESTS as u64 || rig.figure("deaths_total") > 0
    });
    fs::write(rig.folder.0.join("go on"), "").unwrap();
    assert_eq!(text(&busy), Ok("go on".into()));
    assert!(asked.iter().all(|answer| text(answer).is_ok_and(|body| body == long)));
    assert_eq!(rig.figure("deaths_total"), 0);
}
