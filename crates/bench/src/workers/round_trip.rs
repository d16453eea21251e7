//! A host with a request in flight to its worker, beside a bare ping-pong of the same sizes: CPU, pair by pair.
//!
//! Both are up; slices alternate as in every contest. Beside it the bare one meets itself, which is the noise.
//!
//! - Invariant: only one of the two has traffic at a time.
//!
//! Read next: `host.rs`, `ping.rs`; `../contest.rs`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use usher_proto::Message;
use usher_proto::message::{Work, Worked};
use usher_runtime::codec::{Native, Side};

use super::host;
use crate::child::Child;
use crate::contest::{Side as Who, order};
use crate::finding::{Finding, Goal};
use crate::interval::Interval;
use crate::process;
use crate::slice::Slice;
use crate::station::Programs;

const PAIRS: usize = 15;
const SLICE: Duration = Duration::from_secs(2);
const READY_MAX: Duration = Duration::from_secs(30);
const LATE_MAX: Duration = Duration::from_secs(30);
/// Host's CPU a request, by the ping-pong's.
const CPU_RATIO_MAX: f64 = 2.0;

/// A process that obeys, and what its slices cost it.
struct Party {
    child: Child,
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
}

impl Party {
    fn start(program: &Path, arguments: &[String], slice: Duration) -> Result<Self> {
        let mut child = Child::start(program, arguments)?;
        ensure!(child.line(READY_MAX)? == "ready", "{} is not ready", program.display());
        let mut party = Self { child, cpu_us: Vec::new(), per_second: Vec::new() };
        party.slice(slice)?;
        party.cpu_us.clear();
        party.per_second.clear();
        Ok(party)
    }

    fn slice(&mut self, time: Duration) -> Result<()> {
        let before = process::on_cpu_ns(self.child.pid())?;
        self.child.say(&format!("run {}", time.as_millis()))?;
        let slice: Slice = self.child.answer(time + LATE_MAX)?;
        ensure!(slice.messages > 0, "nothing came back");
        let spent = process::on_cpu_ns(self.child.pid())? - before;
        self.cpu_us.push(spent as f64 / 1e3 / slice.echoed() as f64);
        self.per_second.push(slice.throughput());
        Ok(())
    }
}

fn ratio(ours: &[f64], theirs: &[f64]) -> Interval {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    Interval::of_median(&ratios)
}

pub(super) fn run(
    programs: &Programs,
    (json, in_flight): (bool, usize),
    pairs: Option<usize>,
    quick: bool,
) -> Result<Vec<Finding>> {
    let slice = if quick { SLICE / 4 } else { SLICE };
    let pairs = pairs.unwrap_or(if quick { 3 } else { PAIRS }).max(1);
    let host = [format!("--in-flight={in_flight}")];
    let form = json.then(|| "--json".to_owned());
    let host: Vec<_> = host.into_iter().chain(form).collect();
    let [request, reply] = sizes(json)?;
    let ping = [format!("--request={request}"), format!("--reply={reply}")];
    let mut ours = Party::start(&programs.beside("work_host"), &host, slice)?;
    let mut theirs = Party::start(&programs.beside("unix_ping"), &ping, slice)?;
    let mut again = Party::start(&programs.beside("unix_ping"), &ping, slice)?;
    for pair in 0..pairs {
        for side in order(pair) {
            match side {
                Who::Ours => ours.slice(slice)?,
                Who::Peer => theirs.slice(slice)?,
            }
        }
        again.slice(slice)?;
    }
    let cpu = Interval::of_median(&ours.cpu_us);
    let by_bare = ratio(&ours.cpu_us, &theirs.cpu_us);
    let by_bare = Finding::within("host CPU a request, by a ping-pong's", by_bare, "ratio");
    let is_judged = in_flight == 1 && !json;
    Ok(vec![
        Finding::new("a request", request as f64, "bytes"),
        Finding::new("an answer", reply as f64, "bytes"),
        if is_judged { by_bare.with(Goal::AtMost(CPU_RATIO_MAX)) } else { by_bare },
        Finding::within("a ping-pong by itself", ratio(&again.cpu_us, &theirs.cpu_us), "ratio"),
        Finding::within("host CPU a request", cpu, "us"),
        Finding::within("ping-pong CPU a round trip", Interval::of_median(&theirs.cpu_us), "us"),
        Finding::new("requests a second a core of the host", 1e6 / cpu.value, "1/s"),
        Finding::within("requests a second", Interval::of_median(&ours.per_second), "1/s"),
        Finding::within("ping-pongs a second", Interval::of_median(&theirs.per_second), "1/s"),
    ])
}

/// What a request and its answer are on the wire, in bytes.
fn sizes(json: bool) -> Result<[usize; 2]> {
    let codec = Native { form: host::form(json), ..Native::new(Side::ToWorkers) };
    let body = host::body();
    let (id, left_ms, kind) = (host::ID_LIKE, host::LEFT_MS_LIKE, host::KIND.into());
    let work: Message = Work { id, left_ms, kind, key: None, body: body.clone() }.into();
    let worked: Message = Worked { id, body }.into();
    let bytes = [work, worked].map(|message| codec.frames(&message).len());
    ensure!(bytes.iter().all(|bytes| *bytes > 0), "a request fits no frame");
    Ok(bytes)
}
