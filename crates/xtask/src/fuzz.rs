//! Fuzzing of all that takes strangers' bytes: libFuzzer over the targets of `crates/fuzz`, on the stable toolchain.
//!
//! What coverage needs is stable; `RUSTC_BOOTSTRAP=1` adds AddressSanitizer, if the toolchain brings it.
//!
//! - Owns: how the fuzzer is built and run, and where its finds go: all in `fuzz` of the target folder. `corpus` there
//!   keeps what reached new code, from run to run; `crashes` what a target did not survive.
//! - Does not own: the targets; which there are is read from the folder of their sources.
//! - Invariant: the committed corpus is read and never written.
//! - Limits: one input of [`INPUT_BYTES_MAX`], [`INPUT_S_MAX`] and [`MEMORY_MB_MAX`]; beyond them it is a crash.
//!
//! Read next: `fuzz/build.rs`, `fuzz/progress.rs`, then `crates/fuzz/src/lib.rs`.

mod build;
mod progress;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::error::ErrorKind;

use self::build::Fuzzer;
use self::progress::Outcome;
use crate::cargo::{Workspace, succeed};

#[derive(Args)]
pub(crate) struct Options {
    /// Fuzz just this target; all of them one after the other, if none is named.
    target: Option<String>,
    /// How long, for each target.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Run the target once over this file and stop.
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Print the targets and stop.
    #[arg(long)]
    list: bool,
}

/// Of one input.
const INPUT_BYTES_MAX: u32 = 8192;
const INPUT_S_MAX: u32 = 10;
const MEMORY_MB_MAX: u32 = 1024;

struct Target {
    name: String,
    /// The first line of its head.
    what: String,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut targets = targets(workspace)?;
    if options.list {
        for Target { name, what } in &targets {
            println!("{name:12} {what}");
        }
        return Ok(());
    }
    if let Some(name) = &options.target {
        targets.retain(|target| target.name == *name);
        if targets.is_empty() {
            let message = format!("there is no target `{name}`; `cargo xtask fuzz --list` prints them\n");
            clap::Error::raw(ErrorKind::InvalidValue, message).exit();
        }
    }
    let fuzzer = Fuzzer::build(workspace)?;
    match &options.replay {
        Some(file) => replay(&fuzzer, &targets[0].name, file),
        None => fuzz(workspace, &fuzzer, &targets, options.seconds),
    }
}

fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let folder = workspace.root.join("crates/fuzz/src/targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("//! ").to_owned();
        targets.push(Target { name, what });
    }
    targets.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(targets)
}

/// All of the targets, whatever comes of each.
fn fuzz(workspace: &Workspace, fuzzer: &Fuzzer, targets: &[Target], seconds: u32) -> Result<()> {
    let mut crashed = Vec::new();
    for Target { name, .. } in targets {
        if !fuzz_one(workspace, fuzzer, name, seconds)? {
            crashed.push(name.as_str());
        }
    }
    if !crashed.is_empty() {
        bail!("fuzz: {} of {} targets crashed: {}", crashed.len(), targets.len(), crashed.join(", "));
    }
    println!("fuzz: nothing was found in {seconds} s of each target ({})", targets.len());
    Ok(())
}

/// Whether nothing was found.
fn fuzz_one(workspace: &Workspace, fuzzer: &Fuzzer, name: &str, seconds: u32) -> Result<bool> {
    let found = folder(&fuzzer.folder.join("corpus").join(name))?;
    let crashes = folder(&fuzzer.folder.join("crashes").join(name))?;
    let mut command = fuzzer.command(name);
    command
        .args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .args([format!("-timeout={INPUT_S_MAX}"), format!("-rss_limit_mb={MEMORY_MB_MAX}")])
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args(["-print_final_stats=1", "-reload=0"])
        .arg(found)
        .arg(workspace.root.join("crates/fuzz/corpus").join(name))
        .stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let said = child.stderr.take().expect("invariant: it was piped");
    let outcome = progress::follow(name, seconds, said)?;
    let status = child.wait()?;
    if status.success() {
        println!("{name}: {}", outcome.figures());
        return Ok(true);
    }
    report(name, &outcome, &status.to_string());
    Ok(false)
}

fn report(name: &str, outcome: &Outcome, status: &str) {
    println!("{}", outcome.said);
    println!("{name}: CRASHED ({status}) after {}", outcome.figures());
    match &outcome.artifact {
        Some(file) => println!("  its bytes:  {file}\n  to replay:  cargo xtask fuzz {name} --replay {file}"),
        None => println!("  no bytes were written: the fuzzer itself failed"),
    }
}

fn replay(fuzzer: &Fuzzer, name: &str, file: &Path) -> Result<()> {
    let file = fs::canonicalize(file).with_context(|| format!("looking for {}", file.display()))?;
    succeed(fuzzer.command(name).arg(&file).env("RUST_BACKTRACE", "1"))?;
    println!("fuzz: {name} survives {}", file.display());
    Ok(())
}

fn folder(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    Ok(path.to_owned())
}

impl Fuzzer {
    /// The fuzzer for one target; what it tries is to be added.
    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("USHER_FUZZ_TARGET", target).current_dir(&self.folder);
        command
    }
}
