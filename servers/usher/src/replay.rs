//! `usher replay`: plays recorded hands back, prints them, and says which come out otherwise than was recorded.
//!
//! Why: a player who doubts a result is shown the hand; and who changed a game's rules is told by old hands.
//! Owns: the command and how a hand is printed. Does not own a journal's lines (`usher_store::hands`), nor how an action
//! reads (`usher_games`).
//! Invariants: exit codes are 0 every hand came out as recorded, 1 one did not, 2 bad usage or a broken file. Nothing is
//! written to the file, so a server may be appending to it.
//! Limit: a hand whose rules are a worker's is printed as it was recorded, and not played back.
//! Read next: `usher_logic::playback`, which plays a hand.

use anyhow::anyhow;
use clap::Args;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use usher_games::GameKind;
use usher_logic::playback::{self, End, Playback};
use usher_proto::hand::Move;
use usher_proto::{HandId, HandRecord};
use usher_store::StoreError;
use usher_store::hands::Records;

/// What `replay` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher replay deploy/local/hands-room-1.jsonl --quiet\n  \
    usher replay hands.jsonl --hand room-1/1767225600000/0/3/17\n\n\
    A hand whose rules are a worker's is printed as it was recorded, and not played back.\n\n\
    Exit codes: 0 every hand came out as recorded, 1 one did not or is not there, 2 bad usage or a broken file.")]
pub(crate) struct ReplayArgs {
    /// A room server's journal of hands, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the hand of this name: SERVER/INCARNATION/ROOM/TABLE/HAND
    #[arg(long, value_name = "ID")]
    hand: Option<HandId>,
    /// Print no hands, only the names of those that come out otherwise
    #[arg(long)]
    quiet: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs) -> ExitCode {
    let mut out = BufWriter::new(stdout().lock());
    let ended = replay(args, &mut out).and_then(|good| Ok(out.flush().map(|()| good)?));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let of_output = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if of_output == Some(ErrorKind::BrokenPipe) {
                return ExitCode::SUCCESS; // whoever reads may stop reading
            }
            let _ = out.flush();
            eprintln!("error: {error:#}");
            if of_output.is_some() { ExitCode::FAILURE } else { ExitCode::from(2) }
        }
    }
}

/// True if every hand came out as recorded. An `io::Error` is of the output alone.
fn replay(args: &ReplayArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let (name, reader) = open(&args.file)?;
    let mut records = Records::new(&name, reader);
    let mut tally = Tally::default();
    while let Some(record) = records.next() {
        let record = record?;
        if args.hand.as_ref().is_some_and(|wanted| *wanted != record.id) {
            continue;
        }
        let line = records.position().lines;
        let kind = GameKind::from_id(record.game.0).ok_or_else(|| {
            anyhow!("{}:{line}: game: {} is none that this program knows", name.display(), record.game)
        })?;
        let playback = play(kind, &record);
        tally.count(playback.as_ref());
        show(args.quiet, kind, &record, playback.as_ref(), out)?;
        if args.hand.is_some() {
            break; // told again, it would not count again
        }
    }
    match &args.hand {
        Some(hand) if tally == Tally::default() => {
            writeln!(out, "{}: there is no hand {hand}", name.display())?;
            Ok(false)
        }
        _ => {
            tally.say(out)?;
            Ok(tally.different == 0)
        }
    }
}

/// Plays a hand, if its rules are here.
fn play(kind: GameKind, record: &HandRecord) -> Option<Playback> {
    if let GameKind::Worker(_) = kind {
        return None;
    }
    Some(playback::play(record, usher_room::guard, || kind.new_hand(record.seed)))
}

/// What became of the hands.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    played: u64,
    /// Of those.
    different: u64,
    not_played: u64,
}

impl Tally {
    fn count(&mut self, playback: Option<&Playback>) {
        match playback {
            Some(playback) => {
                self.played += 1;
                self.different += u64::from(playback.difference.is_some());
            }
            None => self.not_played += 1,
        }
    }

    fn say(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { played, different, not_played } = self;
        match (played, different) {
            (0, _) if *not_played > 0 => {}
            (_, 0) => writeln!(out, "{played} played back: all as recorded")?,
            _ => writeln!(out, "{played} played back: {different} not as recorded")?,
        }
        match not_played {
            0 => Ok(()),
            _ => writeln!(out, "{not_played} not played back: their rules are a worker's"),
        }
    }
}

fn open(path: &Path) -> Result<(PathBuf, Box<dyn BufRead>), StoreError> {
    if path == Path::new("-") {
        return Ok(("standard input".into(), Box::new(stdin().lock())));
    }
    let file = File::open(path).map_err(|source| StoreError::Io { file: path.into(), source })?;
    Ok((path.into(), Box::new(BufReader::new(file))))
}

fn show(
    quiet: bool,
    kind: GameKind,
    record: &HandRecord,
    playback: Option<&Playback>,
    out: &mut impl Write,
) -> io::Result<()> {
    let difference = playback.and_then(|playback| playback.difference.as_ref());
    if quiet {
        return match difference {
            Some(difference) => writeln!(out, "hand {}: {difference}", record.id),
            None => Ok(()),
        };
    }
    writeln!(out, "hand {}", record.id)?;
    match kind {
        GameKind::Worker(game) => write!(out, "  game    a worker's, number {}", game.id())?,
        kind => write!(out, "  game    {kind}")?,
    }
    writeln!(out, ", rules {}", record.rules)?;
    writeln!(out, "  seats   {}", by_seat(&record.seats))?;
    let tried = playback.map_or(record.moves.len(), |playback| playback.tried);
    for (number, done) in (1..).zip(&record.moves).take(tried) {
        writeln!(out, "  {number:>6}  {}", in_words(kind, done))?;
    }
    if let Some(Playback { end: End::Failed(said), .. }) = playback {
        writeln!(out, "  failed  {said}")?;
    }
    let seconds = record.ended_unix_ms.saturating_sub(record.began_unix_ms) as f64 / 1_000.0;
    writeln!(out, "  ended   {}, after {seconds:.1} s", record.reason)?;
    let scores: Vec<_> = record.scores.iter().map(|score| format!("{score:+}")).collect();
    writeln!(out, "  scores  {}", by_seat(&scores))?;
    match (playback, difference) {
        (None, _) => writeln!(out, "  not played back: its rules are a worker's")?,
        (_, Some(difference)) => writeln!(out, "  NOT AS RECORDED: {difference}")?,
        _ => {}
    }
    writeln!(out)
}

fn by_seat(values: &[impl std::fmt::Display]) -> String {
    let each = values.iter().enumerate().map(|(seat, value)| format!("{seat}: {value}"));
    each.collect::<Vec<_>>().join("  ")
}

fn in_words(kind: GameKind, done: &Move) -> String {
    match (done, kind) {
        // Words of a player's own: they move no cursor and change no colour.
        (Move::Act { seat, action }, GameKind::Worker(_)) => {
            format!("seat {seat}  {}", kind.describe(action).escape_debug())
        }
        (Move::Act { seat, action }, _) => format!("seat {seat}  {}", kind.describe(action)),
        (Move::Timeout, _) => "the clock ran out".into(),
        (Move::Abandon { seat }, _) => format!("seat {seat}  left the table"),
    }
}
