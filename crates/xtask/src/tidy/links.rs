//! Links in the documentation that lead nowhere.
//!
//! - Owns: relative links, and their anchors into Markdown files.
//! - Does not own: links out of the tree; whether those live is not ours to say at build time.
//! - Limits: links in code are not links; `<a href>` is not read.
//!
//! Read next: `tree.rs` for what is in the tree.

use super::{File, Finding, Tree};

const RULE: &str = "link";

/// Every relative link of the book and of the documents at the root.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let documents =
        tree.with_extension("md").filter(|file| file.path.starts_with("docs/") || !file.path.contains('/'));
    documents
        .flat_map(|file| {
            let prose = prose_of(&file.text);
            let found = prose.lines().enumerate().flat_map(|(index, line)| {
                targets(line).into_iter().filter_map(move |target| {
                    let fault = fault(tree, file, target)?;
                    Some(Finding::new(file, index + 1, RULE, format!("`{target}`: {fault}")))
                })
            });
            found.collect::<Vec<_>>()
        })
        .collect()
}

/// What is wrong with a link, if anything.
fn fault(tree: &Tree, from: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let Some(path) = resolve(&from.path, path) else {
        return Some("leads out of the tree: link to something in it".into());
    };
    if !tree.holds(&path) {
        return Some(format!("there is no {path}: mend the link or remove it"));
    }
    let (anchor, file) = (anchor?, tree.find(&path)?);
    let known = !file.has_extension("md") || anchors(&file.text).any(|one| one == anchor);
    (!known).then(|| format!("{path} has no heading for `#{anchor}`: mend the anchor"))
}

/// The path a link means, from the root; none if it leaves the tree.
pub(super) fn resolve(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "" => return None,
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The targets of `[text](target "title")` and `[label]: target` in a line of prose.
pub(super) fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    inline
        .chain(definition.map(|(_, target)| target))
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>'))
        .collect()
}

/// The text without its code: fenced blocks are blank, and so is what stands between backticks.
pub(super) fn prose_of(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        if !fenced && !is_fence {
            prose.extend(line.split('`').step_by(2));
        }
        fenced ^= is_fence;
        prose.push('\n');
    }
    prose
}

/// The anchors a page's headings get: lower case, punctuation dropped, spaces to hyphens, repeats numbered.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut fenced = false;
    let mut seen: Vec<String> = Vec::new();
    let mut anchors = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug = slug(title.trim());
        let repeats = seen.iter().filter(|one| **one == slug).count();
        anchors.push(if repeats == 0 { slug.clone() } else { format!("{slug}-{repeats}") });
        seen.push(slug);
    }
    anchors.into_iter()
}

fn slug(title: &str) -> String {
    title
        .chars()
        .filter_map(|char| match char {
            ' ' => Some('-'),
            '-' | '_' => Some(char),
            _ => char.is_alphanumeric().then(|| char.to_ascii_lowercase()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Finding> {
        let wire = "# Wire\n\n## 2. Frames, `u16`\n\n## Twice\n\n## Twice\n\n```\n## No heading\n```\n";
        links(&Tree::of(&[
            ("README.md", "[book](docs/a.md)"),
            ("docs/a.md", text),
            ("docs/wire.md", wire),
            ("docs/adr/0001.md", ""),
            ("crates/games/src/lib.rs", "[not prose](nowhere)"),
        ]))
    }

    #[test]
    fn links_that_lead_somewhere() {
        let cases = [
            "[a](wire.md) and [b](./adr/0001.md)",
            "[a](../README.md) [b](../crates/games/src/lib.rs) [c](../crates/games/) [d](adr) [e](..)",
            "[a](wire.md#wire) [b](wire.md#2-frames-u16) [c](wire.md#twice-1)",
            "# Here\n[a](#here)",
            "[a](https://example.org/b) <mailto:a@b> [c](mailto:a@b)",
            "[a](wire.md \"a title\") [b](<wire.md>) ![c](wire.md)",
            "[a][b]\n\n[b]: wire.md",
            "`[a](nowhere)`\n```\n[a](nowhere)\n```\n",
        ];
        for text in cases {
            assert_eq!(check(text), [], "{text}");
        }
    }

    #[test]
    fn links_that_lead_nowhere() {
        let cases = [
            ("a\n[a](nowhere.md)", 2),
            ("[a](../wire.md)", 1),
            ("[a](../../README.md)", 1),
            ("[a](/README.md)", 1),
            ("[a](wire.md#none)", 1),
            ("[a](wire.md#no-heading)", 1),
            ("[a](#none)", 1),
            ("![a](a.png)", 1),
            ("[a][b]\n\n[b]: nowhere.md", 3),
            ("```\n```\n[a](nowhere)", 3),
        ];
        for (text, line) in cases {
            let lines: Vec<usize> = check(text).iter().map(|finding| finding.line).collect();
            assert_eq!(lines, [line], "{text}");
        }
    }
}
