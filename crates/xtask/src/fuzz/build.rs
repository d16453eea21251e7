//! The fuzzer, built so that libFuzzer sees which code an input reaches.
//!
//! - Owns: the flags, and what is said when a tool is missing.
//! - Invariant: everything is built in a folder of its own, so that no other build is thrown away for it.
//! - Limit: the standard library is not instrumented.
//!
//! Read next: `crates/fuzz/src/main.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{Workspace, ask_rustc, host, succeed};

/// Edges as counters, their places in the code, and what values are compared with.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
const ADDRESSES: &str = "-Zsanitizer=address";

pub(super) struct Fuzzer {
    pub(super) program: PathBuf,
    /// Where it is built, and where its finds go.
    pub(super) folder: PathBuf,
}

impl Fuzzer {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        check_cxx()?;
        let host = host()?;
        let folder = workspace.target.join("fuzz");
        let mut flags = COVERAGE.to_vec();
        if brings_sanitizer(Path::new(ask_rustc(&["--print", "target-libdir"])?.trim()))? {
            flags.push(ADDRESSES);
        } else {
            println!(
                "fuzz: this toolchain brings no AddressSanitizer for {host}: panics are found, and no more"
            );
        }
        // With the target named, the flags are not for build scripts.
        let mut command =
            workspace.cargo(&["build", "--package", "usher-fuzz", "--bins", "--profile", "fuzz"]);
        command.args(["--target", &host, "--target-dir"]).arg(&folder);
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).env("RUSTC_BOOTSTRAP", "1");
        succeed(&mut command).context("building the fuzzer")?;
        Ok(Self { program: folder.join(host).join("fuzz/usher-fuzz"), folder })
    }
}

/// libFuzzer is built from its sources.
fn check_cxx() -> Result<()> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let tried = Command::new(&compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        bail!(
            "libFuzzer is built by a C++ compiler, and `{}` does not run: install one (on Debian and Ubuntu the \
             package `g++`), or name it in CXX",
            compiler.display()
        );
    }
    Ok(())
}

fn brings_sanitizer(libraries: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(libraries).with_context(|| format!("reading {}", libraries.display()))?;
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("_rt.asan.a")))
}
