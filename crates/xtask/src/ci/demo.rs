//! The demo as an end-to-end test: the released `usher`, a thousand players, and its report judged; then fewer of them
//! through gateways.
//!
//! `usher demo` judges itself by its exit code; this reads the report as any other program would, so that a
//! mistake in that judgement, or in the report's contract, shows.
//!
//! - Owns: what a good report of a small run says.
//! - Limit: [`DEADLINE`]; after it the demo is killed, and its servers go with it.
//!
//! Read next: the report's contract, in `docs/architecture.md`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::cargo::{Workspace, succeed_within};
use crate::delivered::Delivered;

const PLAYERS: u64 = 1_000;
const PLAYERS_BEHIND_GATEWAYS: u64 = 300;
const DEADLINE: Duration = Duration::from_secs(180);

pub(super) fn run(workspace: &Workspace) -> Result<()> {
    demo(workspace, PLAYERS, &[])?;
    demo(workspace, PLAYERS_BEHIND_GATEWAYS, &["--rate", "300", "--seconds", "3", "--gateway"])
}

fn demo(workspace: &Workspace, players: u64, more: &[&str]) -> Result<()> {
    let usher = workspace.target.join("release").join("usher");
    let report = workspace.target.join("ci-demo.json");
    remove_if_there(&report)?;
    let mut command = Command::new(&usher);
    command
        .args(["demo", "--players", &players.to_string(), "--json"])
        .arg(&report)
        .args(more)
        .current_dir(&workspace.root);
    succeed_within(&mut command, DEADLINE)?;
    let text = std::fs::read_to_string(&report).with_context(|| format!("reading {}", report.display()))?;
    judge(&text, players)
}

/// A report of an earlier run must not be taken for this one's.
fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Report {
    players: u64,
    seated: u64,
    failed: u64,
    redirects: Redirects,
    delivered: Delivered,
}

#[derive(Deserialize)]
struct Redirects {
    login: u64,
    hall: u64,
}

fn judge(text: &str, asked: u64) -> Result<()> {
    let report: Report = serde_json::from_str(text).context("the report is not as its contract says")?;
    let Report { players, seated, failed, redirects, delivered } = &report;
    ensure!(*players == asked, "players is {players}, asked for {asked}");
    ensure!(seated == players, "seated is {seated} of {players}");
    ensure!(*failed == 0, "failed is {failed}");
    ensure!(redirects.login > 0, "redirects.login is 0: nobody was shown to another login server");
    ensure!(redirects.hall > 0, "redirects.hall is 0: nobody was shown to another hall");
    delivered.judge()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "players": 1000, "seated": 1000, "failed": 0, "elapsed_s": 4.1, "journeys_per_s": 1000.0,
            "redirects": { "login": 162, "hall": 128, "refused_busy": 0 },
            "steps": { "login": { "count": 1000, "p50": 0, "p90": 0, "p99": 0, "max": 0 } },
            "delivered": { "expected": 70, "received": 70, "duplicated": 0, "out_of_order": 0 },
            "errors": {}, "seed": 1, "servers": []
        })
    }

    #[test]
    fn a_good_report_passes() {
        judge(&good().to_string(), PLAYERS).unwrap();
    }

    #[test]
    fn each_figure_is_judged() {
        let cases = [
            ("/players", 999),
            ("/seated", 999),
            ("/failed", 1),
            ("/redirects/login", 0),
            ("/redirects/hall", 0),
            ("/delivered/expected", 0),
            ("/delivered/received", 69),
            ("/delivered/received", 71),
            ("/delivered/duplicated", 1),
            ("/delivered/out_of_order", 1),
        ];
        for (field, value) in cases {
            let mut report = good();
            *report.pointer_mut(field).unwrap() = json!(value);
            let name = field[1..].replace('/', ".");
            let error = judge(&report.to_string(), PLAYERS).unwrap_err().to_string();
            assert!(error.starts_with(&name), "{field} = {value}: {error}");
        }
    }

    #[test]
    fn a_missing_field_or_a_broken_file_fails() {
        let mut report = good();
        report.as_object_mut().unwrap().remove("delivered");
        assert!(judge(&report.to_string(), PLAYERS).is_err());
        assert!(judge("{", PLAYERS).is_err());
    }
}
