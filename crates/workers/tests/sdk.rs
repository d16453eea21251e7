//! The SDKs and the games that come with them: their own tests, and what their workers say to a host.
//!
//! Why: they are not Rust, and are held to what Rust's side says all the same. A hand is asked for of two workers, one of
//! which hears of it only now and then: it must have come to the same.
//! Needs `python3` and `node`. Read next: `docs/workers.md`.
#![forbid(unsafe_code)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use usher_games::EndReason;
use usher_games::worker::View;
use usher_proto::Message;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::message::{Deed, Look, Play, PlayHand, Sight, Speaker};

const DEADLINE: Duration = Duration::from_secs(30);

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_there(program: &str, error: &std::io::Error) {
    assert_ne!(
        error.kind(),
        ErrorKind::NotFound,
        "{program} is missing: `cargo xtask ci --only tools` installs it"
    );
}

/// Runs a file of tests in its own language.
fn run(program: &str, arguments: &[&str], file: &str) {
    let mut command = Command::new(program);
    command.args(arguments).arg(here(file)).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().inspect_err(|error| is_there(program, error)).unwrap();
    let [said, logged] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{file}\n{said}\n{logged}");
}

#[test]
fn the_python_sdk_passes_its_tests() {
    run("python3", &[], "sdk/tests/test_usher_worker.py");
}

#[test]
fn the_javascript_sdk_passes_its_tests() {
    run("node", &["--test"], "sdk/tests/usher_worker.test.mjs");
}

#[test]
fn the_games_pass_their_tests() {
    run("python3", &[], "examples/tests/test_rps.py");
    run("python3", &[], "examples/tests/test_pile.py");
    run("node", &["--test"], "examples/tests/reversi.test.mjs");
}

/// A worker and the host's end of its socket.
struct Worker {
    child: Child,
    host: UnixStream,
    asked: u64,
}

impl Worker {
    fn start(program: &str, file: &str) -> Self {
        let (host, theirs) = UnixStream::pair().unwrap();
        host.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut command = Command::new(program);
        command.arg(here(file)).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", here("sdk"));
        let child = command.stdin(OwnedFd::from(theirs)).spawn();
        let child = child.inspect_err(|error| is_there(program, error)).unwrap();
        let mut worker = Self { child, host, asked: 0 };
        let hello = worker.hear();
        assert!(matches!(&hello, Message::WorkerHello(hello) if hello.version == 1), "{hello:?}");
        worker
    }

    fn hear(&mut self) -> Message {
        let speaker = |it| matches!(it, Speaker::Worker | Speaker::Anyone);
        let mut unfinished = Unfinished::default();
        loop {
            let mut length = [0; 2];
            self.host.read_exact(&mut length).unwrap();
            let mut packet = vec![0; u16::from_be_bytes(length).into()];
            self.host.read_exact(&mut packet).unwrap();
            if let Some(message) = codec::decode(Form::Json, speaker, &mut unfinished, &packet).unwrap() {
                return message;
            }
        }
    }

    fn ask(&mut self, play: &Play) -> Message {
        self.asked += 1;
        let asked = PlayHand { id: self.asked, left_ms: 1000, play: Box::new(play.clone()) };
        let mut frames = Vec::new();
        codec::encode(Form::Json, &asked.into(), |header, body| {
            frames.extend(((header.len() + body.len()) as u16).to_be_bytes());
            frames.extend([&header[..], body].concat());
        })
        .unwrap();
        self.host.write_all(&frames).unwrap();
        self.hear()
    }

    fn look(&mut self, play: &Play) -> Look {
        match self.ask(play) {
            Message::HandPlayed(played) if played.id == self.asked => *played.look,
            other => panic!("{play:?} was answered {other:?}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A move that somebody may make now: mostly an action, now and then a clock that runs out or a player who leaves.
fn next_deed(look: &Look, left: &mut Vec<u8>, rng: &mut ChaCha8Rng) -> Deed {
    let seat = look.to_act[0];
    match rng.next_u32() % 24 {
        0 => Deed::Timeout,
        1 if !left.contains(&seat) => {
            left.push(seat);
            Deed::Abandon { seat }
        }
        _ => {
            let actions = &look.views[usize::from(seat)].actions;
            Deed::Act { seat, action: actions[rng.next_u32() as usize % actions.len()].clone() }
        }
    }
}

fn check(look: &Look, seats: u8) {
    assert_eq!(look.views.len(), usize::from(seats) + 1);
    for Sight { actions, shown } in &look.views {
        let actions = actions.iter().map(String::as_str).collect();
        assert_eq!(View { actions, shown }.pack().err(), None);
    }
    assert_eq!(look.to_act.is_empty(), look.end.is_some());
    if let Some(end) = &look.end {
        assert!(EndReason::from_name(&end.reason).is_some(), "{end:?}");
        assert_eq!((end.scores.len(), end.scores.iter().sum::<i32>()), (usize::from(seats), 0));
    }
}

/// Plays hands with a worker that has them and one that mostly has not.
fn play_hands(program: &str, file: &str, game: &str, seats: u8) {
    let [mut one, mut other] = [(); 2].map(|()| Worker::start(program, file));
    for number in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let hand = format!("room-1/1/2/3/{number}");
        let seed = [number as u8; 32].into();
        let mut play = Play { game: game.into(), hand, seats, seed, moves: Vec::new(), next: None };
        let (mut look, mut left) = (one.look(&play), Vec::new());
        while look.end.is_none() {
            check(&look, seats);
            let wrong = Deed::Act { seat: look.to_act[0], action: "no such thing".into() };
            let refused = one.ask(&Play { next: Some(wrong), ..play.clone() });
            assert!(matches!(&refused, Message::PlayRefused(_)), "{refused:?}");
            play.next = Some(next_deed(&look, &mut left, &mut rng));
            look = one.look(&play);
            if rng.next_u32().is_multiple_of(4) {
                assert_eq!(other.look(&play), look, "hand {number} goes on otherwise elsewhere");
            }
            play.moves.extend(play.next.take());
        }
        check(&look, seats);
        play.next = play.moves.pop();
        assert_eq!(other.look(&play), look, "hand {number} ends otherwise elsewhere");
    }
}

#[test]
fn a_hand_of_reversi_goes_on_at_another_worker() {
    play_hands("node", "examples/reversi.mjs", "reversi", 2);
}

#[test]
fn a_tournament_goes_on_at_another_worker() {
    play_hands("python3", "examples/rps.py", "rps", 4);
}

#[test]
fn the_game_of_the_page_goes_on_at_another_worker() {
    play_hands("python3", "examples/pile.py", "pile", 2);
}
