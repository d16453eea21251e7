//! The rules of the tree that no compiler knows, each a function from the tree to what breaks it.
//!
//! A rule that is only written down is forgotten; a rule that is a check is kept. Each finding says what to
//! do about it, so that nobody needs to know the rules by heart.
//!
//! - Owns: the list of rules.
//! - Does not own: formatting and lints (rustfmt, clippy), or taste (reviewers).
//! - Invariant: rules read a [`Tree`] and nothing else, so that each is tested on a tree of two files.
//! - Limit: rules read text and manifests; they expand no macro and resolve no name.
//!
//! Read next: `tidy/tree.rs`, then any rule: `arrows`, `pure`, `rust`, `links`, `shown`, `named`, `chapters`.

mod arrows;
mod chapters;
mod lexer;
mod links;
mod manifest;
mod named;
mod pure;
mod rust;
mod shown;
mod tree;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use self::tree::{File, Tree};

/// Something that breaks a rule, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    mend: String,
}

impl Finding {
    /// `line` counts from 1.
    fn new(file: &File, line: usize, rule: &'static str, mend: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, rule, mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.mend)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[Rule] = &[
    manifest::lints_are_inherited,
    arrows::arrows,
    pure::roots,
    pure::dependencies,
    rust::unsafe_has_its_place,
    rust::unsafe_is_forbidden_at_roots,
    rust::heads,
    rust::no_bare_ignore,
    rust::no_work_left_behind,
    rust::lengths,
    links::links,
    shown::code_is_ours,
    named::names_are_somebodys,
    chapters::pages_are_chapters,
];

pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    println!("tidy: {} rules hold over {} files", RULES.len(), tree.files.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compiler_s() {
        let file = File { path: "crates/a/src/lib.rs".into(), text: String::new() };
        let finding = Finding::new(&file, 3, "head", "say what it is");
        assert_eq!(finding.to_string(), "crates/a/src/lib.rs:3: head: say what it is");
    }
}
