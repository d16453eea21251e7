//! Several processes of players, led by one.
//!
//! Why: a process may open only so many files; 50,000 players need several.
//! Owns: starting the parts, reading their lines, adding up their outcomes. A part says its progress as one JSON
//! line each [`LOOK_EVERY`], and at its end its [`Outcome`] as the last.
//! Invariants: parts die with the process that leads them; a part that ends without an outcome is an error.
//! Read next: `outcome`.

use crate::args::SimArgs;
use crate::outcome::Outcome;
use crate::progress::{LOOK_EVERY, Now};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use usher_runtime::clock;
use usher_runtime::signals::StopRequested;

/// One line of progress.
pub fn progress_line(now: Now) -> Value {
    json!({ "seated": now.seated, "done": now.done, "redirects": now.redirects, "failed": now.failed })
}

fn progress_of(line: &str) -> Option<Now> {
    let value: Value = serde_json::from_str(line).ok()?;
    let field = |name| value.get(name).and_then(Value::as_u64);
    Some(Now {
        seated: field("seated")?,
        done: field("done")?,
        redirects: field("redirects")?,
        failed: field("failed")?,
    })
}

enum Word {
    Progress(usize, Now),
    Ended(usize, Option<Box<Outcome>>),
}

/// Starts `parts` processes, shows their progress and adds up what they met.
pub fn lead(
    args: &SimArgs,
    parts: u32,
    stops: &Receiver<StopRequested>,
    mut show: impl FnMut(Now),
) -> anyhow::Result<Outcome> {
    let (sender, words) = channel();
    let mut children = Vec::new();
    for part in 0..parts {
        children.push(start(args, part, parts, &sender)?);
    }
    let mut latest = vec![Now::default(); children.len()];
    let (mut sum, mut ended, mut shown_at) = (Outcome::default(), 0, clock::instant());
    while ended < children.len() {
        if stops.try_recv().is_ok() {
            children.iter().for_each(interrupt);
        }
        match words.recv_timeout(LOOK_EVERY) {
            Ok(Word::Progress(part, now)) => latest[part] = now,
            Ok(Word::Ended(_, Some(outcome))) => {
                ended += 1;
                sum.add(*outcome);
            }
            Ok(Word::Ended(part, None)) => bail!("player process {part} ended without an outcome"),
            Err(_) => {}
        }
        if clock::instant() >= shown_at + LOOK_EVERY {
            shown_at = clock::instant();
            let mut now = Now::default();
            for part in &latest {
                now.add(*part);
            }
            show(now);
        }
    }
    for mut child in children {
        child.wait().context("cannot wait for a player process")?;
    }
    Ok(sum)
}

fn interrupt(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // A part that has ended already cannot be interrupted, and need not be.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn start(args: &SimArgs, part: u32, parts: u32, words: &Sender<Word>) -> anyhow::Result<Child> {
    let share = |all: u32| all / parts + u32::from(part < all % parts);
    let from: u32 = (0..part).map(|part| args.players / parts + u32::from(part < args.players % parts)).sum();
    let mut command = Command::new(std::env::current_exe().context("cannot find my own executable")?);
    if let Some(subcommand) = std::env::args().nth(1).filter(|word| !word.starts_with('-')) {
        command.arg(subcommand); // `usher client-sim`
    }
    command
        .args(["--players", &share(args.players).to_string(), "--part-from", &from.to_string()])
        .args(["--rate", &(args.rate / f64::from(parts)).to_string()])
        .args(what_they_do(args))
        .args(["--seconds", &args.seconds.to_string(), "--seed", &args.seed.to_string()])
        .args(["--world", &args.world.to_string()])
        .args(["--reconnect-per-mille", &args.reconnect_per_mille.to_string(), "--die-with-parent"])
        .args(args.accounts.iter().flat_map(|path| [OsStr::new("--accounts"), path.as_os_str()]))
        .arg("--login")
        .args(&args.login)
        .args(args.login_key.iter().map(|key| format!("--login-key={key}")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().context("cannot start a player process")?;
    let stdout = child.stdout.take().expect("invariant: standard output is piped");
    let words = words.clone();
    std::thread::Builder::new()
        .name(format!("part-{part}"))
        .spawn(move || listen(part as usize, stdout, &words))?;
    Ok(child)
}

/// The mix, or what all do.
fn what_they_do(args: &SimArgs) -> [OsString; 2] {
    match &args.mix {
        Some(path) => ["--mix".into(), path.into()],
        None => ["--play".into(), args.play.to_string().into()],
    }
}

fn listen(part: usize, stdout: ChildStdout, words: &Sender<Word>) {
    let mut last = None;
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Some(now) = progress_of(&line) else {
            last = serde_json::from_str(&line).ok().map(Box::new);
            continue;
        };
        if words.send(Word::Progress(part, now)).is_err() {
            return;
        }
    }
    // Nobody listens any more when the leading process has given up.
    let _ = words.send(Word::Ended(part, last));
}
