//! Many accounts at once, all or none.
//!
//! Why: a list from elsewhere is taken over whole, or its first wrong line is named and nothing has happened.
//! Owns: the form of the list: a line an account, `name,password`; the name ends at the first comma, the rest of
//! the line is the password. Empty lines and lines that begin with `#` are skipped.
//! Invariants: one transaction; Ctrl-C before its end leaves everything as it was.
//! Limits: a line of [`LINE_BYTES_MAX`]; there is no limit to their number.
//! Read next: `test_players.rs`, for accounts that nobody has a password of.

use super::{DatabaseArgs, check_absent, test_players, usage};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use usher_runtime::signals::{self, StopRequested};
use usher_runtime::{clock, say};
use usher_secure::scram::Verifier;
use usher_secure::{os_rng, private_file};
use usher_store::{Change, Database, Import};
use zeroize::Zeroizing;

/// A name, a comma, a password.
const LINE_BYTES_MAX: u64 = 1_024;

/// What `import` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher account import people.csv --accounts accounts.db\n  \
    usher account import --test-players 5000 --keys players.keys --accounts accounts.db\n\n\
    Exit codes: 0 all were added, 1 none was, 2 bad usage.")]
pub(super) struct ImportArgs {
    /// Lines of name,password; only its owner may read it
    #[arg(value_name = "FILE", required_unless_present = "test_players", conflicts_with = "test_players")]
    file: Option<PathBuf>,
    /// Make so many accounts for a load test instead: no passwords, ready client keys
    #[arg(long, value_name = "N", requires = "keys", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    test_players: Option<u32>,
    /// Write their keys to this new file, for `client-sim --accounts`
    #[arg(long, value_name = "FILE", requires = "test_players")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let stops = signals::listen().context("cannot listen for signals")?;
    if let (Some(count), Some(keys)) = (args.test_players, &args.keys) {
        check_absent(keys)?;
        let mut database = args.database.open_or_create()?;
        let progress = Progress::new(u64::from(count), stops);
        test_players::make(&mut database, count, keys, &mut |done| progress.at(done))?;
        say!("{count} test accounts; their keys are in {}", keys.display());
        return Ok(());
    }
    let file = args.file.as_deref().expect("invariant: clap wants a file or --test-players");
    let accounts = read(file)?;
    let mut database = args.database.open_or_create()?;
    import(&mut database, file, &accounts, &Progress::new(accounts.len() as u64, stops))?;
    say!("{} accounts added", accounts.len());
    Ok(())
}

struct Line {
    number: usize,
    name: String,
    password: Zeroizing<String>,
}

fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = private_file::open(path).map_err(usage)?;
    let mut reader = BufReader::new(file);
    let mut accounts = Vec::new();
    for number in 1.. {
        let mut text = Zeroizing::new(String::new());
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut text);
        let wrong = |what: &str| usage(anyhow!("{}:{number}: {what}", path.display()));
        match read {
            Ok(0) => break,
            Ok(_) if text.len() as u64 == LINE_BYTES_MAX => bail!(wrong("is too long for name,password")),
            Ok(_) => {}
            Err(error) => bail!(wrong(&error.to_string())),
        }
        let line = text.trim_end_matches(['\n', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, password) = line.split_once(',').ok_or_else(|| wrong("expected name,password"))?;
        let password = Zeroizing::new(password.to_owned());
        accounts.push(Line { number, name: name.to_owned(), password });
    }
    if accounts.is_empty() {
        bail!(usage(anyhow!("{}: there is no account in it", path.display())));
    }
    Ok(accounts)
}

fn import(
    database: &mut Database,
    path: &Path,
    accounts: &[Line],
    progress: &Progress,
) -> anyhow::Result<()> {
    let iterations = database.iterations();
    let import = database.import()?;
    for (done, line) in accounts.iter().enumerate() {
        progress.at(done as u64)?;
        add(&import, iterations, line).with_context(|| format!("{}:{}", path.display(), line.number))?;
    }
    progress.at(accounts.len() as u64)?;
    Ok(import.commit()?)
}

fn add(import: &Import<'_>, iterations: u32, line: &Line) -> anyhow::Result<()> {
    let verifier = Verifier::of_password(&line.password, iterations, &mut os_rng())
        .map_err(|_| anyhow!("a password has 1 to 128 bytes and nothing that SASLprep refuses"))?;
    Ok(import.change(&Change::Add { name: line.name.clone(), verifier }, clock::unix_ms())?)
}

/// A bar, where there is a terminal; and whether to stop.
struct Progress {
    bar: ProgressBar,
    stops: Receiver<StopRequested>,
}

impl Progress {
    fn new(of: u64, stops: Receiver<StopRequested>) -> Self {
        let style = ProgressStyle::with_template("  {bar:40} {pos} of {len} accounts, {eta} left");
        let bar = ProgressBar::new(of);
        bar.set_style(style.expect("invariant: the template is a constant"));
        Self { bar, stops }
    }

    /// So many are done; an error if somebody wants an end.
    fn at(&self, done: u64) -> anyhow::Result<()> {
        if self.stops.try_recv().is_ok() {
            bail!("stopped; nothing was changed");
        }
        self.bar.set_position(done);
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
