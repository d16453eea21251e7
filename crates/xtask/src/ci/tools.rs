//! Programs that the checks need and Cargo cannot bring: found, installed, or named with the command that installs them.
//!
//! Who runs Usher looks at it through a browser, Prometheus and systemd; who writes a worker does it in Python or JavaScript.
//! Whether those take what Usher gives them is asked of themselves, so they have to be here.
//!
//! - Owns: which programs, and the Debian package of each.
//! - Does not own: what is asked of them; that is the suite `outside` of the end-to-end tests, and those of the workers.
//! - Invariant: what is there already is left alone, and only root installs anything.
//!
//! Read next: `servers/usher/tests/e2e/outside/mod.rs`.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::cargo::succeed;

/// A program, and the Debian package that brings it.
const TOOLS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("promtool", "prometheus"),
    ("systemd-analyze", "systemd"),
    ("python3", "python3"),
    ("node", "nodejs"),
];

/// Afterwards all of them are there.
pub(super) fn provide() -> Result<()> {
    if !missing(is_there).is_empty() && is_root() && is_there("apt-get") {
        install(&missing(is_there))?;
    }
    let packages = missing(is_there);
    if packages.is_empty() {
        println!("chromium, promtool, systemd-analyze, python3 and node are there");
        return Ok(());
    }
    bail!("programs are missing: run `sudo {}`, or get them otherwise", command_line(&packages))
}

fn missing(is_there: impl Fn(&str) -> bool) -> BTreeSet<&'static str> {
    TOOLS.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect()
}

pub(super) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The owner of one's own process.
fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

fn install(packages: &BTreeSet<&str>) -> Result<()> {
    println!("{}", command_line(packages));
    succeed(Command::new("apt-get").arg("update").arg("-q"))?;
    let mut command = Command::new("apt-get");
    command.args(["install", "-qy", "--no-install-recommends"]).args(packages);
    succeed(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn command_line(packages: &BTreeSet<&str>) -> String {
    let packages: Vec<_> = packages.iter().copied().collect();
    format!("apt-get install --no-install-recommends {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_by_its_package() {
        assert!(missing(|_| true).is_empty());
        let packages = missing(|program| !matches!(program, "chromedriver" | "promtool" | "node"));
        let wanted = "apt-get install --no-install-recommends chromium-driver nodejs prometheus";
        assert_eq!(command_line(&packages), wanted);
        assert!(is_there("sh") && !is_there("a program of this name"));
    }
}
