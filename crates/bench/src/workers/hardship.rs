//! Four workers in Python under a steady load, while one is killed every second, or stopped, or all are renewed.
//!
//! Four of five requests may be repeated: each must be answered, and what comes of it is booked here, once. The fifth must
//! not: it leaves a line in a file, of which there may be one for each, and must be one where the answer says so.
//!
//! - Invariant: the load is open: a request is made when it is due, whatever became of those before.
//! - Limit: the victims are the children of this process; python3 must be there.
//!
//! Read next: `../../workers/ledger.py`, which works.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use rustix::process::{Pid, Signal, kill_process};
use usher_proto::Payload;
use usher_proto::codec::Form;
use usher_proto::message::NotDone;
use usher_runtime::process::children_of;
use usher_workers::Workers;

use super::setting;
use crate::clock::Clock;
use crate::finding::{Finding, Goal};

const WORKERS: usize = 4;
const PER_SECOND: u64 = 500;
/// Every so many-th request must not be repeated.
const PAY_EACH: u64 = 5;
const LASTS: Duration = Duration::from_secs(60);
const LASTS_QUICK: Duration = Duration::from_secs(5);
const BLOW_EVERY: Duration = Duration::from_secs(1);
/// All four take turns, so one renewal is under way most of the time.
const RENEW_EVERY: Duration = Duration::from_secs(2);
const UP_MAX: Duration = Duration::from_secs(20);
const SETTLED_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const DOUBLE: &str = "double";
const PAY: &str = "pay";

/// What workers suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hardship {
    Killed,
    Stopped,
    Renewed,
}

impl Hardship {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Renewed => "renewed",
        }
    }

    const fn every(self) -> Duration {
        match self {
            Self::Killed | Self::Stopped => BLOW_EVERY,
            Self::Renewed => RENEW_EVERY,
        }
    }

    fn strike(self, workers: &Workers, blow: usize) -> Result<()> {
        let signal = match self {
            Self::Killed => Signal::KILL,
            Self::Stopped => Signal::STOP,
            Self::Renewed => {
                workers.reload();
                return Ok(());
            }
        };
        let victims = children_of(std::process::id());
        let victim = victims.get(blow % victims.len().max(1)).copied().map(u32::cast_signed);
        if let Some(pid) = victim.and_then(Pid::from_raw) {
            kill_process(pid, signal).context("striking a worker")?;
        }
        Ok(())
    }
}

/// What became of every request.
struct Book {
    clock: Clock,
    /// By request: answers so far.
    answers: Vec<u8>,
    wrong: u64,
    undone: [BTreeMap<&'static str, u64>; 2],
    settled: u64,
    times: [Histogram<u64>; 2],
}

impl Book {
    fn new() -> Result<Self> {
        let times = || Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).context("a histogram");
        Ok(Self {
            clock: Clock::start(),
            answers: Vec::new(),
            wrong: 0,
            undone: Default::default(),
            settled: 0,
            times: [times()?, times()?],
        })
    }

    fn hear(&mut self, number: u64, sent: u64, answer: Result<Payload, NotDone>) {
        let pays = usize::from(is_payment(number));
        self.settled += 1;
        match answer {
            Ok(body) => {
                let wanted = if is_payment(number) { number } else { 2 * number };
                self.wrong += u64::from(*body != *wanted.to_string().as_bytes());
                self.answers[number as usize] += 1;
                self.times[pays].saturating_record(self.clock.nanoseconds() - sent);
            }
            Err(why) => *self.undone[pays].entry(why.name()).or_default() += 1,
        }
    }
}

fn is_payment(number: u64) -> bool {
    number.is_multiple_of(PAY_EACH)
}

pub(super) fn run(what: Hardship, quick: bool) -> Result<Vec<Finding>> {
    let folder = std::env::temp_dir().join(format!("usher-hardship-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let found = suffer(what, if quick { LASTS_QUICK } else { LASTS }, &folder.join("paid"));
    fs::remove_dir_all(&folder)?;
    found
}

fn suffer(what: Hardship, lasts: Duration, paid: &Path) -> Result<Vec<Finding>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &Path| path.display().to_string();
    let sdk = here.join("../workers/sdk");
    let command = vec!["python3".into(), text(&here.join("workers/ledger.py")), text(&sdk), text(paid)];
    let mut group = setting::group(command, WORKERS, Form::Json);
    group.repeatable = vec![DOUBLE.into()];
    let workers = setting::start(group)?;
    until(UP_MAX, "four workers are up", || Ok(children_of(std::process::id()).len() == WORKERS))?;
    let book = Arc::new(Mutex::new(Book::new()?));
    let asked = drive(&workers, &book, what, lasts)?;
    until(SETTLED_MAX, "every request is settled", || Ok(lock(&book).settled == asked))?;
    let figures = workers.figures();
    workers.stop();
    let lines = fs::read_to_string(paid).context("what was paid")?;
    let figure =
        |name: &str| figures.value(&format!("usher_workers_{name}_total{{group=\"bench\"}}")).unwrap_or(0);
    let suffered = match what {
        Hardship::Killed | Hardship::Stopped => ("workers that ended", figure("deaths")),
        Hardship::Renewed => ("workers that were renewed", figure("reloads")),
    };
    findings(&lock(&book), asked, &lines, suffered)
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes every request when it is due; how many there were.
fn drive(workers: &Workers, book: &Arc<Mutex<Book>>, what: Hardship, lasts: Duration) -> Result<u64> {
    let clock = lock(book).clock;
    let (began, interval) = (clock.nanoseconds(), 1_000_000_000 / PER_SECOND);
    let (mut number, mut blows) = (0, 0);
    loop {
        let time = Duration::from_nanos(clock.nanoseconds() - began);
        if time >= lasts {
            return Ok(number);
        }
        if time >= what.every() * (blows + 1) {
            what.strike(workers, blows as usize)?;
            blows += 1;
        }
        while number * interval <= time.as_nanos() as u64 {
            ask(workers, book, number);
            number += 1;
        }
        thread::sleep(Duration::from_nanos(interval / 2));
    }
}

fn ask(workers: &Workers, book: &Arc<Mutex<Book>>, number: u64) {
    let sent = {
        let mut book = lock(book);
        book.answers.push(0);
        book.clock.nanoseconds()
    };
    let kind = if is_payment(number) { PAY } else { DOUBLE };
    let book = Arc::clone(book);
    let hear = move |answer| lock(&book).hear(number, sent, answer);
    workers.work(setting::ask(kind, number.to_string().into()), Box::new(hear));
}

fn until(most: Duration, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let clock = Clock::start();
    while !is_so()? {
        if Duration::from_nanos(clock.nanoseconds()) > most {
            bail!("not within {} s: {what}", most.as_secs());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

fn findings(
    book: &Book,
    asked: u64,
    paid: &str,
    (suffered, times): (&'static str, u64),
) -> Result<Vec<Finding>> {
    ensure!(book.wrong == 0, "{} answers were wrong", book.wrong);
    let mut lines: Vec<u64> = paid.lines().map(str::parse).collect::<Result<_, _>>()?;
    let made = lines.len();
    lines.sort_unstable();
    lines.dedup();
    let twice = made - lines.len();
    let of = |pays: bool| (0..asked).filter(move |number| is_payment(*number) == pays);
    let answered = |number: &u64| book.answers[*number as usize];
    let lost = of(false).filter(|number| answered(number) == 0).count();
    let doubled = (0..asked).filter(|number| answered(number) > 1).count();
    let paid_for_nothing =
        of(true).filter(|number| answered(number) > 0 && lines.binary_search(number).is_err()).count();
    let told = book.undone[1].values().sum::<u64>();
    let unknown =
        of(true).count() as u64 - of(true).filter(|number| answered(number) > 0).count() as u64 - told;
    let count = |name, value: u64| Finding::new(name, value as f64, "count");
    let none = |name, value: u64| count(name, value).with(Goal::AtMost(0.0));
    let ms = |name, times: &Histogram<u64>, quantile| {
        Finding::new(name, times.value_at_quantile(quantile) as f64 / 1e6, "ms")
    };
    let [repeated, payments] = &book.times;
    Ok(vec![
        count("requests", asked),
        count(suffered, times).with(Goal::AtLeast(1.0)),
        none("repeatable, not answered", lost as u64),
        none("answered twice", doubled as u64),
        none("payments without an answer", unknown),
        count("payments told not to be done", told),
        none("payments made twice", twice as u64),
        none("payments said to be made and not made", paid_for_nothing as u64),
        ms("repeatable, p50", repeated, 0.5),
        ms("repeatable, p99", repeated, 0.99),
        ms("repeatable, the longest", repeated, 1.0),
        ms("payments, p50", payments, 0.5),
        ms("payments, p99", payments, 0.99),
        ms("payments, the longest", payments, 1.0),
    ])
}
