//! Long answers: each request is answered all the same, here and behind a host.

use crate::hosts::{Host, at};
use crate::rig::Rig;
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
    let large = |bytes: usize| rig.get("large", &bytes.to_string());
    assert_eq!(large(WORK_BYTES_MAX).map(|body| body.len()), Ok(WORK_BYTES_MAX));
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
