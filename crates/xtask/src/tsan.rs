//! The suites whose code shares memory between threads, under ThreadSanitizer, on the stable toolchain.
//!
//! Apart from `ci`, as it builds everything once more. `RUSTC_BOOTSTRAP=1` lets a stable compiler instrument.
//! Its standard library is not instrumented; what that hides is said to the sanitizer by `tsan/seams.rs`, and the
//! few reports that remain are suppressed in `tsan-suppressions.txt`, each with its reason.
//!
//! - Owns: the list of suites, and how they are built and run.
//! - Does not own: the tests.
//! - Invariant: no suite runs before `check` has shown that a race is found and that a lock is not taken for one.
//! - Limits: `x86_64` Linux, where the compiler brings the sanitizer and a linker that knows `--wrap`. What the
//!   kernel writes is invisible: with `io_uring`, bytes that it delivers, and what happened before a completion
//!   only because of the kernel. Races between our own threads are seen with either engine.
//!
//! Read next: `tsan/toolchain.rs`, then `../tsan/check.rs`.

mod toolchain;

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use self::toolchain::Toolchain;
use crate::cargo::{Workspace, succeed};

#[derive(Args)]
pub(crate) struct Options {
    /// Run just this suite; may be given several times. The order stays that of the list.
    #[arg(long, value_name = "SUITE", value_parser = PossibleValuesParser::new(SUITES.iter().map(|suite| suite.name)))]
    only: Vec<String>,
}

struct Suite {
    name: &'static str,
    package: &'static str,
    target: &'static [&'static str],
}

const SUITES: &[Suite] = &[
    Suite { name: "completion", package: "usher-completion", target: &["--lib"] },
    Suite { name: "conformance", package: "usher-completion", target: &["--test", "conformance"] },
    Suite { name: "churn", package: "usher-completion", target: &["--test", "churn"] },
    Suite { name: "hpserver", package: "usher-hpserver", target: &["--lib"] },
    Suite { name: "suite", package: "usher-hpserver", target: &["--test", "suite"] },
];

/// How a program ends that ran to its end and had races.
const FOUND: i32 = 66;
const SUPPRESSIONS: &str = "crates/xtask/tsan-suppressions.txt";

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sanitizer = Sanitizer::prepare(workspace)?;
    let chosen =
        |suite: &&Suite| options.only.is_empty() || options.only.iter().any(|name| name == suite.name);
    let mut passed = 0;
    for suite in SUITES.iter().filter(chosen) {
        println!("\n==> tsan {}: {} {}", suite.name, suite.package, suite.target.join(" "));
        sanitizer.test(suite).with_context(|| format!("suite `{}` failed", suite.name))?;
        passed += 1;
    }
    println!("tsan: {passed} of {} suites were run and are clean", SUITES.len());
    Ok(())
}

/// A toolchain that was seen to find a race, and where it builds.
struct Sanitizer<'a> {
    workspace: &'a Workspace,
    toolchain: Toolchain,
    /// Put before each program that is run.
    runner: &'static [&'static str],
}

/// On a kernel that spreads addresses wider than the sanitizer's maps allow, a program runs with fixed ones.
const RUNNERS: &[&[&str]] = &[&[], &["setarch", "-R"]];

impl<'a> Sanitizer<'a> {
    fn prepare(workspace: &'a Workspace) -> Result<Self> {
        let folder = workspace.target.join("tsan");
        let sources = workspace.root.join("crates/xtask/tsan");
        let toolchain = Toolchain::prepare(&sources, &folder)?;
        for runner in RUNNERS {
            let sanitizer = Sanitizer { workspace, toolchain: toolchain.clone(), runner };
            if sanitizer.check()? {
                return Ok(sanitizer);
            }
        }
        bail!("the sanitizer finds no room for its maps, even by `setarch -R`: lower vm.mmap_rnd_bits to 28")
    }

    /// That it finds what is there and nothing else; `false`: it cannot even start.
    fn check(&self) -> Result<bool> {
        let race = self.check_run("race")?;
        let said = String::from_utf8_lossy(&race.stderr);
        if said.contains("unexpected memory mapping") {
            return Ok(false);
        }
        if race.status.code() != Some(FOUND) || !said.contains("data race") {
            bail!("a race went unseen, so no suite would tell anything: {}\n{said}", race.status);
        }
        let clean = self.check_run("clean")?;
        if !clean.status.success() {
            let said = String::from_utf8_lossy(&clean.stderr);
            bail!(
                "locks are taken for races; tsan/seams.rs does not fit this toolchain: {}\n{said}",
                clean.status
            );
        }
        println!("tsan: a race is found, and locks are not taken for one");
        Ok(true)
    }

    fn check_run(&self, what: &str) -> Result<Output> {
        let program = self.toolchain.check();
        let words: Vec<_> =
            self.runner.iter().map(AsRef::as_ref).chain([program.as_os_str(), what.as_ref()]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("TSAN_OPTIONS", self.options());
        command.output().with_context(|| format!("starting {command:?}"))
    }

    fn test(&self, suite: &Suite) -> Result<()> {
        let toolchain = &self.toolchain;
        let mut command = self.workspace.cargo(&["test", "--no-fail-fast", "--package", suite.package]);
        command.args(suite.target).args(["--target", toolchain.host()]);
        command.arg("--target-dir").arg(toolchain.folder());
        if !self.runner.is_empty() {
            command.arg("--config").arg(format!("target.{}.runner={:?}", toolchain.host(), self.runner));
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", toolchain.flags().join("\u{1f}"));
        // What is printed would be gathered behind a lock that the library takes where nobody sees it.
        command.env("RUST_TEST_NOCAPTURE", "1");
        succeed(command.env("RUSTC_BOOTSTRAP", "1").env("TSAN_OPTIONS", self.options()))
    }

    fn options(&self) -> String {
        format!("suppressions='{}' exitcode={FOUND}", self.workspace.root.join(SUPPRESSIONS).display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line that suppresses stands under one that says why, and names none of our functions.
    #[test]
    fn a_suppression_has_a_reason_and_is_not_ours() {
        let mut before = "";
        for line in include_str!("../tsan-suppressions.txt").lines() {
            if !line.starts_with('#') && !line.is_empty() {
                assert!(before.len() > "# ".len() && before.starts_with("# "), "{line}: say why, above it");
                assert!(line.starts_with("race:") && !line.contains("usher"), "{line}");
            }
            before = line;
        }
    }

    #[test]
    fn suite_names_differ() {
        for (index, suite) in SUITES.iter().enumerate() {
            assert!(SUITES[..index].iter().all(|other| other.name != suite.name), "{}", suite.name);
        }
    }
}
