//! The way to the benches: builds what is measured, in release, and hands the command line on.
//!
//! What measures is a program of its own (`crates/bench`), so that `cargo xtask ci` does not build it to start.
//!
//! - Owns: which packages a bench needs.
//! - Does not own: the options; whatever stands after `bench` is the program's.
//!
//! Read next: `crates/bench/src/bin/bench.rs`.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::cargo::{Workspace, succeed};

#[derive(Args)]
pub(crate) struct Options {
    /// What to run, and its options: `echo`, `broadcast`, `gateway`, `instructions`, `layer1`, `layer2`,
    /// `manager`, `push`, `buffers`, `workers`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// What is measured, and what measures.
const BUILDS: &[&[&str]] =
    &[&["build", "--release", "--package", "usher-bench", "--bins", "--examples"], RAW_ECHO, FRAMED_ECHO];
const RAW_ECHO: &[&str] = &["build", "--release", "--package", "usher-completion", "--example", "raw_echo"];
const FRAMED_ECHO: &[&str] =
    &["build", "--release", "--package", "usher-hpserver", "--example", "framed_echo"];
/// For `gateway`, and those of `layer2` who are behind one.
const GATEWAY: &[&str] = &["build", "--release", "--package", "usher-gateway", "--example", "framed_gateway"];
/// For `push`, from the config to the end a server as it is delivered.
const PUSH: &[&str] = &["build", "--release", "--package", "usher-push"];
/// For `buffers`: the same with a choice of ways, in a target folder of its own so that it replaces nothing.
const WAYS: &[&str] = &["--features", "buffer-ways", "--target-dir"];

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    for build in BUILDS {
        succeed(&mut workspace.cargo(build))?;
    }
    match options.words.first().and_then(|bench| bench.to_str()) {
        Some("gateway" | "layer2") => succeed(&mut workspace.cargo(GATEWAY))?,
        Some("push") => succeed(&mut workspace.cargo(PUSH))?,
        Some("buffers") => {
            succeed(workspace.cargo(RAW_ECHO).args(WAYS).arg(workspace.target.join("ways")))?;
        }
        _ => {}
    }
    let program = workspace.target.join("release").join("bench");
    succeed(Command::new(program).args(&options.words))
}
