//! `bench push`: the push server from a controller's write to a terminal's read, as it is delivered.
//!
//! An instruction to a terminal that answers the last one's arrival is a ping-pong, whose way back is within the load:
//! so it is measured by the bare loop's, with as many connections. There each message is a write, for there is one a
//! connection; a controller's instructions share one, so that it may write together what is due together. Both ways
//! are measured: they differ by a factor, because each write wakes the server and is acknowledged. Beside itself with
//! logs of one entry, the server shows what logs cost.
//!
//! - Owns: the list of cases.
//! - Invariant: an instruction that does not arrive once, in order, and acknowledged, fails the case.
//! - Limit: one worker, its stages inline, as in `deploy/local/push.toml`.
//!
//! Read next: `desk.rs`, the load; `bout.rs`; `push/stalled.rs`, `push/reconnects.rs`.

mod reconnects;
pub(crate) mod server;
mod stalled;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bout::{Bout, Goals};
use crate::cases::{self, Case as _, Choice};
use crate::contest::Metric;
use crate::finding::{self, Goal};
use crate::journal::Journal;
use crate::plan::Plan;
use crate::report;
use crate::station::{Engine, Programs, Station};
use crate::traffic::{Traffic, Writes};

const TOGETHER: Traffic = Traffic::Instructions(Writes::Together);
const SINGLY: Traffic = Traffic::Instructions(Writes::Singly);
const PAIRS: usize = 15;
const BY_BARE: Goals = &[(Metric::P99, Goal::AtMost(1.5))];

/// Latency, throughput and CPU of the push server; a terminal that does not read; terminals that come and go.
///
/// A case is `ENGINE/instruction/OPPONENT`, `ENGINE/stalled` or `ENGINE/reconnects`. `instruction`: 100 terminals, one
/// instruction of 64 bytes in flight to each, beside opponent `bare` (a ping-pong over 100 connections with the bare
/// loop of that kind), `log-1` (the same server with logs of one entry) or `self` (the noise); the controller writes
/// at once what terminals are free for, and with `instruction-singly` each instruction by itself. `stalled`: at half of
/// the measured capacity, with and without a terminal that subscribes to quotes and never reads. `reconnects`: 1,000
/// returns of terminals at random moments, what was lost or came twice. Ratios are ours by theirs.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
    /// The engines to measure; may be given several times [default: uring].
    #[arg(long = "engine", value_name = "ENGINE")]
    engines: Vec<Kind>,
    /// Pairs of slices for each case; up to twice as many if an interval stays wide [default: 15].
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// A smoke: 3 pairs of half a second, 100 returns. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Uring,
    Mio,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Instruction(Bout),
    Stalled(Engine),
    Reconnects(Engine),
}

impl cases::Case for Case {
    fn name(&self) -> String {
        match self {
            Self::Instruction(bout) => bout.name(),
            Self::Stalled(engine) => format!("{engine}/stalled"),
            Self::Reconnects(engine) => format!("{engine}/reconnects"),
        }
    }
}

impl Case {
    fn all(engines: &[Engine]) -> Vec<Self> {
        engines.iter().copied().flat_map(Self::on).collect()
    }

    fn on(engine: Engine) -> Vec<Self> {
        let ours = Station::Push(engine, server::Logs::Default);
        let bout = |theirs| Bout::new(ours, theirs, TOGETHER);
        let bare = Station::Bare(engine, 1);
        vec![
            Self::Instruction(bout(bare).wanting(BY_BARE)),
            Self::Instruction(bout(Station::Push(engine, server::Logs::OfOne))),
            Self::Instruction(bout(ours)),
            Self::Instruction(Bout::new(ours, bare, SINGLY)),
            Self::Stalled(engine),
            Self::Reconnects(engine),
        ]
    }
}

impl Options {
    fn engines(&self) -> Vec<Engine> {
        let of = |kind: &Kind| match kind {
            Kind::Uring => Engine::Uring,
            Kind::Mio => Engine::Mio,
        };
        if self.engines.is_empty() { vec![Engine::Uring] } else { self.engines.iter().map(of).collect() }
    }

    fn cases(&self) -> Vec<Case> {
        Case::all(&self.engines()).into_iter().filter(|case| self.choice.holds(case)).collect()
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan::quick(self.pairs) } else { Plan::new(self.pairs.unwrap_or(PAIRS)) }
    }

    fn estimate(&self, cases: &[Case]) -> String {
        let contests = cases.iter().filter(|case| matches!(case, Case::Instruction(_))).count();
        let others = cases.iter().map(|case| match case {
            Case::Instruction(_) => 0,
            Case::Stalled(_) => stalled::seconds(self.quick, self.pairs),
            Case::Reconnects(_) => reconnects::seconds(self.quick),
        });
        let minutes = others.sum::<u64>() as f64 / 60.0;
        let contests = self.plan().estimate(&vec![TOGETHER; contests]);
        format!("contests: {contests}; the other cases: about {minutes:.1} minutes")
    }
}

/// Runs the chosen cases; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    let cases = options.cases();
    let programs = Programs::locate()?;
    let mut summary = report::Summary::default();
    let result = options.choice.run("push", &cases, &options.estimate(&cases), |case, journal| match *case {
        Case::Instruction(bout) => contest(&programs, options.plan(), &bout, &mut summary, journal),
        Case::Stalled(engine) => finding::report(
            &case.name(),
            &stalled::run(&programs, engine, options.quick, options.pairs)?,
            journal,
        ),
        Case::Reconnects(engine) => {
            finding::report(&case.name(), &reconnects::run(&programs, engine, options.quick)?, journal)
        }
    });
    print!("{summary}");
    result
}

fn contest(
    programs: &Programs,
    plan: Plan,
    bout: &Bout,
    summary: &mut report::Summary,
    journal: &mut Journal,
) -> Result<()> {
    let contest = plan.compete(programs, [bout.ours, bout.theirs], bout.traffic)?;
    println!("{}", report::describe(bout, &contest)?);
    report::record(journal, bout, &contest)?;
    summary.add(bout, &contest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(engines: &[Kind], parts: &[&str]) -> Vec<String> {
        let engines = engines.to_vec();
        let options = Options { choice: Choice::of(parts), engines, pairs: None, quick: true };
        options.cases().iter().map(cases::Case::name).collect()
    }

    #[test]
    fn uring_unless_told() {
        let expected = [
            "uring/instruction/bare",
            "uring/instruction/log-1",
            "uring/instruction/self",
            "uring/instruction-singly/bare",
            "uring/stalled",
            "uring/reconnects",
        ];
        assert_eq!(names(&[], &[]), expected);
        assert_eq!(names(&[], &["stalled"]), ["uring/stalled"]);
        assert_eq!(names(&[Kind::Mio, Kind::Uring], &["reconnects"]), ["mio/reconnects", "uring/reconnects"]);
    }

    #[test]
    fn only_the_bare_loop_sets_a_goal() {
        let wanting: Vec<_> = Case::on(Engine::Mio)
            .into_iter()
            .filter(|case| matches!(case, Case::Instruction(bout) if !bout.goals.is_empty()))
            .collect();
        assert_eq!(wanting.len(), 1);
        assert!(matches!(wanting[0], Case::Instruction(Bout { theirs: Station::Bare(Engine::Mio, 1), .. })));
    }
}
