//! Code that a page shows and the tree does not hold.
//!
//! A block of Rust is made of pieces, with a blank line between; each must stand in a Rust file that the page links to.
//! So what a page shows is what is built and tested, and a reader finds the rest of it.
//!
//! - Owns: blocks of Rust in `docs/`.
//! - Does not own: the order of blocks, or whether a file is shown whole; a page that promises that has a test of its own, or is
//!   followed by `cargo xtask ci --only follow`.
//! - Limit: indentation is not compared, as pieces of a file are indented more than those of a page.
//!
//! Read next: `links.rs`, which says what a link is.

use super::links::{prose_of, resolve, targets};
use super::{File, Finding, Tree};

const RULE: &str = "shown";
const OPENS: &str = "```rust";

/// Every block of Rust in the book.
pub(super) fn code_is_ours(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("md")
        .filter(|file| file.path.starts_with("docs/"))
        .flat_map(|file| page(tree, file))
        .collect()
}

fn page(tree: &Tree, file: &File) -> Vec<Finding> {
    let prose = prose_of(&file.text);
    let paths = prose.lines().flat_map(targets).filter_map(|target| resolve(&file.path, target));
    let linked = paths.filter_map(|path| tree.find(&path)).filter(|file| file.has_extension("rs"));
    let linked: Vec<_> = linked.map(|file| without_indent(&file.text)).collect();
    let mut findings = Vec::new();
    for (line, opened, block) in blocks(&file.text) {
        if opened != "```rust,ignore" {
            let mend = "mark it `rust,ignore`, as the tests of the book do not build it";
            findings.push(Finding::new(file, line, RULE, mend));
        }
        for piece in block.split("\n\n") {
            let piece = without_indent(piece.trim_matches('\n'));
            if !linked.iter().any(|text| text.contains(&piece)) {
                let first = piece.trim_start().lines().next().unwrap_or_default();
                let mend = format!("`{first}` ... is in no file that the page links to: copy it again");
                findings.push(Finding::new(file, line, RULE, mend));
            }
        }
    }
    findings
}

/// The blocks: the line each is opened on, how, and what is in it.
fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line.starts_with("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let inside = inside.collect::<Vec<_>>().join("\n");
            if line.starts_with(OPENS) {
                blocks.push((index + 1, line, inside));
            }
        }
    }
    blocks
}

fn without_indent(text: &str) -> String {
    text.lines().map(str::trim_start).fold("\n".into(), |all, line| all + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[
            ("docs/a.md", page),
            ("README.md", "```rust\nnot looked at\n```"),
            ("src/lib.rs", "fn one() {\n    two();\n}\n\nfn two() {}\n"),
            ("src/other.rs", "fn three() {}\n"),
        ]);
        code_is_ours(&tree).into_iter().map(|finding| (finding.line, finding.mend)).collect()
    }

    #[test]
    fn what_stands_in_a_linked_file_may_be_shown() {
        let cases = [
            "no code, and no link",
            "[a](../src/lib.rs)\n```rust,ignore\nfn one() {\n    two();\n}\n```",
            "[a](../src/lib.rs)\n```rust,ignore\nfn two() {}\n\ntwo();\n```",
            "[a](../src/lib.rs) [b](../src/other.rs)\n```rust,ignore\nfn three() {}\n\nfn two() {}\n```",
            "```sh\nfn four() {}\n```",
            "```text\n```rust\n```",
        ];
        for page in cases {
            assert_eq!(check(page), [], "{page}");
        }
    }

    #[test]
    fn what_stands_nowhere_may_not() {
        let missing =
            |code: &str| format!("`{code}` ... is in no file that the page links to: copy it again");
        let cases = [
            ("[a](../src/lib.rs)\n```rust,ignore\nfn four() {}\n```", 2, missing("fn four() {}")),
            (
                "[a](../src/lib.rs)\n\n```rust,ignore\nfn two() {}\n\nfn three() {}\n```",
                3,
                missing("fn three() {}"),
            ),
            ("[a](../src/lib.rs)\n```rust,ignore\nfn two() {}\nfn two() {}\n```", 2, missing("fn two() {}")),
            ("[a](../src/lib.rs)\n```rust,ignore\nfn two()\n```", 2, missing("fn two()")),
            ("```sh\n```\n```rust,ignore\nfn two() {}\n```", 3, missing("fn two() {}")),
        ];
        for (page, line, mend) in cases {
            assert_eq!(check(page), [(line, mend)], "{page}");
        }
        let unmarked = check("[a](../src/lib.rs)\n```rust\nfn two() {}\n```");
        assert!(unmarked.len() == 1 && unmarked[0].1.starts_with("mark it `rust,ignore`"), "{unmarked:?}");
    }
}
