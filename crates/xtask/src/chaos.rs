//! The demo while its servers are killed, seed after seed.
//!
//! `usher demo --chaos` kills, and judges itself by its exit code; this builds it, runs it once a seed, keeps its reports,
//! and reads them as any other program would.
//!
//! - Owns: the seeds, and what a report must say.
//! - Does not own: who is killed and what must hold (`servers/usher/src/{chaos,checks}.rs`).
//! - Invariants: the seed is said before anything else; exit code 0 only if every seed passed, and every one is run.
//! - Limits: a seed has the time that it plays and [`BESIDE`]; then it is ended, and its servers go with it.
//!
//! Read next: docs/failures.md, for what is shown by it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::cargo::{Workspace, succeed, succeed_within};
use crate::delivered::Delivered;

#[derive(Args)]
pub(crate) struct Options {
    /// The seeds, one run each.
    #[arg(long, value_name = "SEED", value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Just this seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Players.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    players: u32,
    /// How long servers are killed; everybody plays on for a while after that.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: u64,
    /// Two gateways before the halls and the room servers, which are killed too.
    #[arg(long)]
    gateway: bool,
    /// No games of workers, which are killed too; without this python3 and node are needed.
    #[arg(long)]
    without_workers: bool,
    /// Behind `--`, more for `usher demo`.
    #[arg(last = true)]
    more: Vec<OsString>,
}

/// For the arrivals, the calm at the end, and everybody's leaving.
const BESIDE: Duration = Duration::from_secs(300);

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let seeds = options.seed.map_or_else(|| options.seeds.clone(), |seed| vec![seed]);
    succeed(&mut workspace.cargo(&["build", "--release", "--package", "usher"]))?;
    let mut failed = Vec::new();
    for seed in &seeds {
        println!("\nchaos: seed {seed}, {} players, {} s", options.players, options.seconds);
        match trial(workspace, options, *seed, &[]) {
            Ok(story) => println!("chaos: seed {seed} passed: {story}"),
            Err(error) => {
                println!("chaos: seed {seed} FAILED: {error:#}");
                failed.push(seed);
            }
        }
    }
    ensure!(failed.is_empty(), "{} of {} seeds failed: {failed:?}", failed.len(), seeds.len());
    println!("\nchaos: {} seeds passed", seeds.len());
    Ok(())
}

/// Of a short one: within its time it draws each of [`SMOKE_SORTS`].
const SMOKE_SEED: u64 = 1466;
/// What a short one must have killed, so that it shows something of each.
const SMOKE_SORTS: [&str; 4] = ["gateway", "manager", "room", "worker"];

/// A short one, with gateways, of what was built.
pub(crate) fn smoke(workspace: &Workspace) -> Result<()> {
    let options = Options {
        seeds: Vec::new(),
        seed: None,
        players: 300,
        seconds: 30,
        gateway: true,
        without_workers: false,
        more: Vec::new(),
    };
    println!("{}", trial(workspace, &options, SMOKE_SEED, &SMOKE_SORTS)?);
    Ok(())
}

/// One run; each of these sorts must have been killed in it.
fn trial(workspace: &Workspace, options: &Options, seed: u64, sorts: &[&str]) -> Result<String> {
    let folder = workspace.target.join("chaos");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let report = folder.join(format!("seed-{seed}.json"));
    if report.exists() {
        std::fs::remove_file(&report).with_context(|| format!("removing {}", report.display()))?;
    }
    let mut command = Command::new(workspace.target.join("release").join("usher"));
    command
        .args(["demo", "--chaos", &seed.to_string(), "--players", &options.players.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .args(options.gateway.then_some("--gateway"))
        .args((!options.without_workers).then_some("--workers"))
        .args(&options.more)
        .arg("--json")
        .arg(&report);
    let ended = succeed_within(&mut command, Duration::from_secs(options.seconds) + BESIDE);
    let judged = read(&report).and_then(|report| report.judge(sorts));
    match (ended, judged) {
        (Ok(()), judged) => judged,
        (Err(ended), Ok(story)) => bail!("{ended:#}, but the report is good: {story}"),
        (Err(ended), Err(judged)) => bail!("{judged:#} ({ended:#})"),
    }
}

fn read(report: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(report).with_context(|| format!("reading {}", report.display()))?;
    serde_json::from_str(&text).context("the report is not as its contract says")
}

#[derive(Deserialize)]
struct Report {
    players: u64,
    seated: u64,
    failed: u64,
    reconnects: u64,
    delivered: Delivered,
    kills: Vec<Kill>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Kill {
    name: String,
    whole_s: Option<f64>,
}

impl Kill {
    /// A server is called by its sort and a number, a worker `SERVER/worker`.
    fn sort(&self) -> &str {
        match self.name.rsplit_once('/') {
            Some((_, sort)) => sort,
            None => self.name.split('-').next().unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Check {
    what: String,
    holds: bool,
    found: String,
}

impl Report {
    fn judge(&self, sorts: &[&str]) -> Result<String> {
        let Self { players, seated, failed, reconnects, delivered, kills, checks } = self;
        if let Some(Check { what, found, .. }) = checks.iter().find(|check| !check.holds) {
            bail!("not so: {what} ({found})");
        }
        ensure!(!checks.is_empty(), "nothing was checked");
        ensure!(seated == players && *failed == 0, "{seated} of {players} seated, {failed} failed");
        delivered.judge()?;
        ensure!(!kills.is_empty(), "nobody was killed");
        if let Some(kill) = kills.iter().find(|kill| kill.whole_s.is_none()) {
            bail!("the cluster was never whole again after {} was killed", kill.name);
        }
        if let Some(sort) = sorts.iter().find(|sort| !kills.iter().any(|kill| kill.sort() == **sort)) {
            bail!("no {sort} was killed: the time was too short for this seed, or there was none");
        }
        Ok(format!(
            "{} killed, {seated} of {players} seated, 0 failed, {reconnects} times somebody came back, {delivered}, {} \
             checks hold",
            kills.len(),
            checks.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "players": 300, "seated": 300, "failed": 0, "reconnects": 150, "seed": 1,
            "delivered": { "expected": 70, "received": 70, "duplicated": 0, "out_of_order": 0 },
            "kills": [{ "at_s": 2.5, "name": "room-1", "pid": 7, "away_s": 1.0, "whole_s": 0.4 }],
            "checks": [{ "what": "nobody failed", "holds": true, "found": "0 failed" }]
        })
    }

    fn judged(report: Value) -> Result<String> {
        serde_json::from_value::<Report>(report)?.judge(&[])
    }

    #[test]
    fn each_figure_is_judged() {
        judged(good()).unwrap();
        let cases = [
            ("/seated", json!(299), "299 of 300 seated"),
            ("/failed", json!(1), "300 of 300 seated, 1 failed"),
            ("/delivered/expected", json!(0), "delivered.expected is 0"),
            ("/delivered/received", json!(69), "delivered.received is 69"),
            ("/delivered/duplicated", json!(1), "delivered.duplicated is 1"),
            ("/delivered/out_of_order", json!(1), "delivered.out_of_order is 1"),
            ("/kills", json!([]), "nobody was killed"),
            ("/kills/0/whole_s", Value::Null, "never whole again after room-1"),
            ("/checks/0/holds", json!(false), "not so: nobody failed (0 failed)"),
            ("/checks", json!([]), "nothing was checked"),
            ("/kills", Value::Null, "invalid type"),
        ];
        for (field, value, said) in cases {
            let mut report = good();
            *report.pointer_mut(field).unwrap() = value;
            let error = judged(report).unwrap_err().to_string();
            assert!(error.contains(said), "{field}: {error}");
        }
    }

    #[test]
    fn a_short_one_must_have_killed_one_of_each_sort() {
        let names = ["room-2", "manager", "room-1/worker", "gateway-1", "hall-2"];
        let judged = |names: &[&str]| {
            let mut report = good();
            let kill = |name: &&str| json!({ "name": name, "whole_s": 0.4 });
            report["kills"] = names.iter().map(kill).collect();
            serde_json::from_value::<Report>(report).unwrap().judge(&SMOKE_SORTS)
        };
        judged(&names).unwrap();
        for (left_out, sort) in [(0, "room"), (1, "manager"), (2, "worker"), (3, "gateway")] {
            let mut names = names.to_vec();
            names.remove(left_out);
            let error = judged(&names).unwrap_err().to_string();
            assert!(error.starts_with(&format!("no {sort} was killed")), "{error}");
        }
    }
}
