//! systemd's own checker reads the units.

use super::run;
use crate::cluster::Folder;
use crate::deploy::path;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is open still is what servers need: sockets of the internet and one to systemd. In tenths.
const EXPOSURE_MAX: u32 = 13;
const UNITS: [&str; 7] = [
    "usher-manager.service",
    "usher-login@.service",
    "usher-hall@.service",
    "usher-room@.service",
    "usher-gateway@.service",
    "usher-push@.service",
    "usher-workers@.service",
];

/// The units as they are deployed, but for where the program is.
fn units(folder: &Folder) -> Vec<PathBuf> {
    let from = path("deploy/systemd");
    let common = folder.0.join("usher-.service.d");
    fs::create_dir_all(&common).unwrap();
    fs::copy(from.join("usher-.service.d/common.conf"), common.join("common.conf")).unwrap();
    let unit = |name: &&str| {
        let text = fs::read_to_string(from.join(name)).unwrap();
        folder.write(name, &text.replace("/usr/local/bin/usher", env!("CARGO_BIN_EXE_usher")))
    };
    UNITS.iter().map(unit).collect()
}

fn asked(arguments: &[&str], unit: &Path) -> String {
    let output = run(Command::new("systemd-analyze").args(arguments).arg(unit), b"");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{}: {said}", unit.display());
    said
}

#[test]
#[ignore = "needs systemd-analyze: cargo xtask ci --only tools --only outside"]
fn systemd_finds_nothing_to_mend_in_the_units_and_little_that_is_open() {
    let folder = Folder::new();
    for unit in units(&folder) {
        assert_eq!(asked(&["verify", "--recursive-errors=no"], &unit), "", "{}", unit.display());
        let said = asked(&["security", "--offline=true", "--no-pager"], &unit);
        let (_, level) = said.rsplit_once(".service: ").expect("a verdict");
        let level = level.split(' ').next().unwrap();
        println!("{}: {level}", unit.file_name().unwrap().display());
        let tenths: u32 = level.replace('.', "").parse().unwrap();
        assert!(tenths <= EXPOSURE_MAX, "{}: {level}", unit.display());
    }
}

#[test]
#[ignore = "needs systemd-analyze: cargo xtask ci --only tools --only outside"]
fn a_unit_without_what_all_have_in_common_would_be_seen() {
    let folder = Folder::new();
    let units = units(&folder);
    fs::remove_dir_all(folder.0.join("usher-.service.d")).unwrap();
    let said = asked(&["security", "--offline=true", "--no-pager"], &units[0]);
    assert!(said.contains("UNSAFE"), "{said}");
}
