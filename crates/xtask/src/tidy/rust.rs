//! Rules for Rust sources: where `unsafe` may be, what a file begins with, how long it gets, what is left in.
//!
//! - Owns: those rules.
//! - Does not own: who depends on whom (`arrows.rs`), what pure crates use (`pure.rs`).
//! - Limits: [`HEAD_LINES_MAX`], [`FILE_LINES_MAX`].
//!
//! Read next: `lexer.rs` for what counts as code.

use super::lexer::{lines_with_word, split};
use super::{File, Finding, Tree};

/// Longest module head.
const HEAD_LINES_MAX: usize = 20;
/// Longest file. Over 400 lines of code ask which two nouns it is; at 800 this asks.
const FILE_LINES_MAX: usize = 800;
/// Folders where `unsafe` may stand.
const UNSAFE_PLACES: &[&str] = &["crates/completion/src/sys/", "crates/xtask/tsan/"];
/// The root whose macro exports a function to libFuzzer, which `forbid` would refuse.
const FUZZER: &str = "crates/fuzz/src/main.rs";
/// Single files where it may, which nothing that is shipped uses (`docs/adr/0006-bare-peers-may-be-unsafe.md`).
const UNSAFE_FILES: &[&str] =
    &["crates/bench/src/bin/bare_uring.rs", "crates/bench/examples/patient_ring.rs"];
/// Marks of work that was put off.
const PUT_OFF: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// All `unsafe` is in one folder, small enough to be read whole.
pub(super) fn unsafe_has_its_place(tree: &Tree) -> Vec<Finding> {
    let in_place = |path: &str| UNSAFE_PLACES.iter().any(|place| path.starts_with(place));
    let outside = |file: &&File| !in_place(&file.path) && !UNSAFE_FILES.contains(&file.path.as_str());
    let mend = "move it to crates/completion/src/sys, the one place for `unsafe`, or do without";
    tree.rust().filter(outside).flat_map(|file| in_code(file, "unsafe", "unsafe", mend)).collect()
}

/// The compiler is asked to refuse what the rule above looks for.
pub(super) fn unsafe_is_forbidden_at_roots(tree: &Tree) -> Vec<Finding> {
    let roots = tree.rust().filter(|file| is_root(file) && file.path != FUZZER);
    roots
        .filter_map(|file| {
            let denies =
                file.path == "crates/completion/src/lib.rs" || UNSAFE_FILES.contains(&file.path.as_str());
            let level = if denies { "deny" } else { "forbid" };
            let wanted = format!("#![{level}(unsafe_code)]");
            let there = split(&file.text).code.contains(&wanted);
            (!there).then(|| Finding::new(file, 1, "forbid", format!("add `{wanted}` after the head")))
        })
        .collect()
}

/// Roots of libraries and binaries; tests and examples have the workspace's `deny`.
fn is_root(file: &File) -> bool {
    let path = &file.path;
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.contains("/src/bin/")
}

/// A file says what it is before it says anything else.
pub(super) fn heads(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter_map(|file| {
            let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
            let mend = match lines {
                0 => "begin with a `//!` head: what it is, why, what it owns, its limits, what to read next"
                    .into(),
                1..=HEAD_LINES_MAX => return None,
                _ => format!(
                    "shorten the head from {lines} to {HEAD_LINES_MAX} lines; the book has room for more"
                ),
            };
            Some(Finding::new(file, 1, "head", mend))
        })
        .collect()
}

/// A test that does not run says why.
pub(super) fn no_bare_ignore(tree: &Tree) -> Vec<Finding> {
    let mend = "say why: `#[ignore = \"reason\"]`, or run it";
    tree.rust()
        .flat_map(|file| {
            let code = split(&file.text).code;
            let bare = code.lines().enumerate().filter(|(_, line)| line.contains("#[ignore]"));
            bare.map(|(index, _)| Finding::new(file, index + 1, "ignore", mend)).collect::<Vec<_>>()
        })
        .collect()
}

/// What is not done is an issue, where it can be found, and no mark in a file.
pub(super) fn no_work_left_behind(tree: &Tree) -> Vec<Finding> {
    let mend = "do it, or open an issue and remove the mark";
    let of_rust = tree.rust().flat_map(|file| {
        let comments = split(&file.text).comments;
        let marks = PUT_OFF.iter().flat_map(|mark| lines_with_word(&comments, mark).collect::<Vec<_>>());
        let marks = marks.map(|line| Finding::new(file, line, "put-off", mend)).collect::<Vec<_>>();
        [marks, in_code(file, "todo!", "put-off", mend), in_code(file, "unimplemented!", "put-off", mend)]
            .concat()
    });
    let of_configs = tree.with_extension("toml").flat_map(|file| {
        let marks = PUT_OFF.iter().flat_map(|mark| lines_with_word(&file.text, mark));
        marks.map(|line| Finding::new(file, line, "put-off", mend)).collect::<Vec<_>>()
    });
    of_rust.chain(of_configs).collect()
}

/// A file is one noun.
pub(super) fn lengths(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter_map(|file| {
            let lines = file.text.lines().count();
            let mend = format!("{lines} lines are over {FILE_LINES_MAX}: which two nouns is it? Split it");
            (lines > FILE_LINES_MAX).then(|| Finding::new(file, FILE_LINES_MAX + 1, "length", mend))
        })
        .collect()
}

fn in_code(file: &File, word: &str, rule: &'static str, mend: &str) -> Vec<Finding> {
    let code = split(&file.text).code;
    lines_with_word(&code, word).map(|line| Finding::new(file, line, rule, mend)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    /// For each file, the lines that are found.
    fn check(rule: Rule, cases: &[(&str, &str, &[usize])]) {
        for (path, text, lines) in cases {
            let found: Vec<usize> =
                rule(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect();
            assert_eq!(&found, lines, "{path}: {text}");
        }
    }

    #[test]
    fn unsafe_words() {
        check(
            unsafe_has_its_place,
            &[
                ("crates/hpserver/src/lib.rs", "a\nunsafe { b }\n// unsafe", &[2]),
                ("crates/completion/src/sys/mio.rs", "unsafe { b }", &[]),
                ("crates/completion/src/pool.rs", "unsafe fn a() {}", &[1]),
                ("crates/completion/src/lib.rs", "#![deny(unsafe_code)]\nlet a = \"unsafe\";", &[]),
                ("crates/fuzz/src/main.rs", "unsafe {}", &[1]),
                ("crates/xtask/tsan/a.rs", "unsafe {}", &[]),
                ("crates/xtask/src/tsan/a.rs", "unsafe {}", &[1]),
                ("crates/bench/src/bin/bare_uring.rs", "unsafe { b }", &[]),
                ("crates/bench/examples/patient_ring.rs", "unsafe { b }", &[]),
                ("crates/bench/src/bin/bare_mio.rs", "unsafe { b }", &[1]),
                ("crates/bench/src/bin/bare_uring/a.rs", "unsafe { b }", &[1]),
                ("crates/bench/examples/a.rs", "unsafe { b }", &[1]),
                ("crates/bench/src/lib.rs", "unsafe { b }", &[1]),
                ("other/crates/bench/src/bin/bare_uring.rs", "unsafe { b }", &[1]),
            ],
        );
    }

    #[test]
    fn unsafe_at_roots() {
        check(
            unsafe_is_forbidden_at_roots,
            &[
                ("crates/games/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]", &[]),
                ("crates/games/src/lib.rs", "//! #![forbid(unsafe_code)]", &[1]),
                ("crates/games/src/lib.rs", "#![deny(unsafe_code)]", &[1]),
                ("crates/completion/src/lib.rs", "#![deny(unsafe_code)]", &[]),
                ("servers/usher/src/main.rs", "fn main() {}", &[1]),
                ("servers/usher/src/bin/a.rs", "fn main() {}", &[1]),
                ("servers/usher/src/up.rs", "fn a() {}", &[]),
                ("crates/fuzz/src/lib.rs", "", &[1]),
                ("crates/fuzz/src/main.rs", "", &[]),
                ("crates/bench/src/bin/bare_uring.rs", "#![deny(unsafe_code)]", &[]),
                ("crates/bench/src/bin/bare_uring.rs", "#![allow(unsafe_code)]", &[1]),
                ("crates/bench/src/bin/bare_mio.rs", "#![deny(unsafe_code)]", &[1]),
            ],
        );
    }

    #[test]
    fn heads_and_their_length() {
        let longest = "//! a\n".repeat(HEAD_LINES_MAX);
        let longer = "//! a\n".repeat(HEAD_LINES_MAX + 1);
        check(
            heads,
            &[
                ("crates/a/src/lib.rs", "//! A.\nfn a() {}", &[]),
                ("crates/a/src/b.rs", &longest, &[]),
                ("crates/a/src/b.rs", &longer, &[1]),
                ("crates/a/tests/b.rs", "fn a() {}\n//! A.", &[1]),
                ("crates/a/examples/b.rs", "", &[1]),
            ],
        );
    }

    #[test]
    fn ignored_tests() {
        check(
            no_bare_ignore,
            &[
                ("a.rs", "#[test]\n#[ignore]\nfn a() {}", &[2]),
                ("a.rs", "#[test]\n#[ignore = \"needs two machines\"]\nfn a() {}", &[]),
                ("a.rs", "// #[ignore]", &[]),
            ],
        );
    }

    #[test]
    fn marks_of_work_put_off() {
        check(
            no_work_left_behind,
            &[
                ("a.rs", "a();\n// TODO: b", &[2]),
                ("a.rs", "/* FIXME */ let a = 1; // XXX", &[1, 1]),
                ("a.rs", "fn a() { todo!() }", &[1]),
                ("a.rs", "fn a() { unimplemented!() }", &[1]),
                ("a.rs", "let a = \"TODO\"; // TODOS", &[]),
                ("a.toml", "a = 1\n# HACK", &[2]),
                ("a.md", "TODO", &[]),
            ],
        );
    }

    #[test]
    fn lengths_of_files() {
        check(
            lengths,
            &[
                ("a.rs", &"a\n".repeat(FILE_LINES_MAX), &[]),
                ("a.rs", &"a\n".repeat(FILE_LINES_MAX + 1), &[FILE_LINES_MAX + 1]),
            ],
        );
    }
}
