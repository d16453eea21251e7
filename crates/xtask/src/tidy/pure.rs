//! The pure crates: no standard library, and dependencies from a short list without default features.
//!
//! A machine that cannot name a clock, a socket or a thread cannot use one; that is what lets the simulator
//! run the same code by the million.
//!
//! - Owns: which crates are pure, and what they may be built on.
//! - Invariant: `proto` alone may use std, behind its feature `codec`, which no pure crate turns on but for its tests.
//!
//! Read next: `arrows.rs`.

use super::lexer::{lines_with_word, split};
use super::manifest::{Dependency, Package, inherited, packages};
use super::{File, Finding, Tree};

const RULE: &str = "pure";

/// The crates machines are made of.
pub(super) const PURE: &[&str] = &["steady", "proto", "games", "logic", "player"];

/// What they may be built on, besides each other; all of it without default features.
const ALLOWED: &[&str] = &["serde", "serde_bytes", "hashbrown", "foldhash", "rand_core", "rand_chacha"];
/// What `proto` may have besides, if optional.
const ALLOWED_FOR_CODEC: &[&str] = &["rmp-serde", "serde_json", "thiserror"];
/// Features that would bring the standard library in.
const IMPURE_FEATURES: &[&str] = &["std", "default", "codec"];
const STD_FOR_CODEC: &str = "#[cfg(feature = \"codec\")]";

/// `#![no_std]` at the root, and no way back to std.
pub(super) fn roots(tree: &Tree) -> Vec<Finding> {
    PURE.iter().flat_map(|name| root_of(tree, name)).collect()
}

fn root_of(tree: &Tree, name: &str) -> Vec<Finding> {
    let folder = format!("crates/{name}/src/");
    let mut findings: Vec<Finding> = tree
        .rust()
        .filter(|file| file.path.starts_with(&folder))
        .flat_map(|file| {
            extern_std(file)
                .filter(|&line| !(name == "proto" && is_for_codec(file, line)))
                .map(|line| {
                    Finding::new(file, line, RULE, "remove `extern crate std`: machines use core and alloc")
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let root = tree.find(&format!("{folder}lib.rs"));
    findings.extend(
        root.filter(|file| !split(&file.text).code.contains("#![no_std]"))
            .map(|file| Finding::new(file, 1, RULE, "add `#![no_std]`: this crate is part of a machine")),
    );
    findings
}

fn extern_std(file: &File) -> impl Iterator<Item = usize> + use<> {
    let code = split(&file.text).code;
    lines_with_word(&code, "extern crate std").collect::<Vec<_>>().into_iter()
}

/// The attribute stands on the line before, or on the same one.
fn is_for_codec(file: &File, line: usize) -> bool {
    let lines: Vec<&str> = file.text.lines().collect();
    let same = lines[line - 1].trim_start().starts_with(STD_FOR_CODEC);
    same || line >= 2 && lines[line - 2].trim() == STD_FOR_CODEC
}

/// Only what is on the list, and of that only the part without std.
pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let inherited = inherited(tree);
    let packages = packages(tree).0;
    let pure = packages.iter().filter(|package| PURE.contains(&package.name.as_str()));
    pure.flat_map(|package| {
        let outside = package.dependencies().into_iter();
        outside
            .filter_map(|dependency| {
                let mend = fault(package, &dependency, &inherited)?;
                Some(Finding::new(package.file, package.file.line_starting(&dependency.name), RULE, mend))
            })
            .collect::<Vec<_>>()
    })
    .collect()
}

fn fault(package: &Package<'_>, dependency: &Dependency, inherited: &[Dependency]) -> Option<String> {
    let name = dependency.name.as_str();
    if package.name == "proto" && ALLOWED_FOR_CODEC.contains(&name) {
        let optional = dependency.flag("optional") == Some(true);
        return (!optional).then(|| format!("make `{name}` optional, behind the feature `codec`"));
    }
    if let Some(feature) = dependency.features().find(|feature| IMPURE_FEATURES.contains(feature)) {
        return Some(format!("drop the feature `{feature}` of `{name}`: it brings std"));
    }
    if dependency.of_project().is_some() {
        return None;
    }
    if !ALLOWED.contains(&name) {
        return Some(format!(
            "`{name}` is not on the list of pure crates [{}]: do without",
            ALLOWED.join(", ")
        ));
    }
    let is_inherited = dependency.flag("workspace") == Some(true);
    let source = if is_inherited { inherited.iter().find(|entry| entry.name == name)? } else { dependency };
    let lean =
        source.flag("default-features") == Some(false) && !source.features().any(|feature| feature == "std");
    (!lean).then(|| {
        format!("take `{name}` with `default-features = false` and without `std`, in the root table too")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pure_root() {
        let cases = [
            ("logic", "#![no_std]\nextern crate alloc;", 0),
            ("logic", "//! `#![no_std]`\n", 1),
            ("logic", "#![no_std]\nextern crate std;", 1),
            ("logic", "#![no_std]\n// extern crate std", 0),
            ("logic", "#![no_std]\n#[cfg(feature = \"codec\")]\nextern crate std;", 1),
            ("proto", "#![no_std]\n#[cfg(feature = \"codec\")]\nextern crate std;", 0),
            ("proto", "#![no_std]\n#[cfg(feature = \"codec\")] extern crate std;", 0),
            ("proto", "#![no_std]\nextern crate std;", 1),
            ("hpserver", "use std::io;", 0),
        ];
        for (name, text, count) in cases {
            let path = format!("crates/{name}/src/lib.rs");
            let findings = roots(&Tree::of(&[(&path, text)]));
            assert_eq!(findings.len(), count, "{name}: {text}: {findings:?}");
        }
        let deep = Tree::of(&[("crates/games/src/a/b.rs", "extern crate std;")]);
        assert_eq!(roots(&deep).len(), 1);
    }

    #[test]
    fn pure_dependencies() {
        let root = "[workspace.dependencies]\n\
            serde = { version = \"1\", default-features = false, features = [\"derive\"] }\n\
            foldhash = { version = \"1\", default-features = false, features = [\"std\"] }\n\
            hashbrown = \"1\"\nthiserror = \"2\"\nbytes = \"1\"";
        let cases = [
            ("logic", "serde.workspace = true", 0),
            ("logic", "usher-proto.workspace = true", 0),
            ("logic", "usher-proto = { workspace = true, features = [\"codec\"] }", 1),
            ("logic", "serde = { workspace = true, features = [\"std\"] }", 1),
            ("logic", "hashbrown.workspace = true", 1),
            ("logic", "foldhash.workspace = true", 1),
            ("logic", "rand_core = \"1\"", 1),
            ("logic", "rand_core = { version = \"1\", default-features = false }", 0),
            ("logic", "bytes.workspace = true", 1),
            ("logic", "thiserror = { workspace = true, optional = true }", 1),
            ("proto", "thiserror = { workspace = true, optional = true }", 0),
            ("proto", "thiserror.workspace = true", 1),
            ("hpserver", "bytes.workspace = true", 0),
        ];
        for (name, entry, count) in cases {
            let text = format!("[package]\nname = \"usher-{name}\"\n[dependencies]\n{entry}\n");
            let tree = Tree::of(&[("Cargo.toml", root), ("crates/x/Cargo.toml", &text)]);
            let findings = dependencies(&tree);
            assert_eq!(findings.len(), count, "{name}: {entry}: {findings:?}");
            assert!(findings.iter().all(|finding| finding.line == 4));
        }
    }
}
