//! Pages that are in no chapter of the book.
//!
//! mdBook leaves out what `docs/SUMMARY.md` does not name, and says nothing.
//!
//! - Owns: every page of `docs/` is in the summary, once.
//! - Does not own: that what the summary names is there; `links.rs` sees to that.

use super::links::{resolve, targets};
use super::{Finding, Tree};

const RULE: &str = "chapters";
const SUMMARY: &str = "docs/SUMMARY.md";

pub(super) fn pages_are_chapters(tree: &Tree) -> Vec<Finding> {
    let Some(summary) = tree.find(SUMMARY) else { return Vec::new() };
    let chapters = summary.text.lines().flat_map(targets).filter_map(|target| resolve(SUMMARY, target));
    let chapters: Vec<_> = chapters.collect();
    let pages =
        tree.with_extension("md").filter(|page| page.path.starts_with("docs/") && page.path != SUMMARY);
    pages
        .filter_map(|page| match chapters.iter().filter(|chapter| **chapter == page.path).count() {
            1 => None,
            0 => Some(Finding::new(page, 1, RULE, format!("give it its line in {SUMMARY}"))),
            _ => Some(Finding::new(page, 1, RULE, format!("name it once in {SUMMARY}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_one_line() {
        let tree = Tree::of(&[
            ("README.md", ""),
            (
                "docs/SUMMARY.md",
                "- [One](one.md)\n  - [Two](sub/two.md)\n- [Three](three.md)\n- [Again](three.md)\n",
            ),
            ("docs/one.md", ""),
            ("docs/sub/two.md", ""),
            ("docs/three.md", ""),
            ("docs/four.md", ""),
        ]);
        let found: Vec<_> = pages_are_chapters(&tree).into_iter().map(|it| (it.path, it.mend)).collect();
        let wanted = [
            ("docs/three.md", "name it once in docs/SUMMARY.md"),
            ("docs/four.md", "give it its line in docs/SUMMARY.md"),
        ];
        assert_eq!(found, wanted.map(|(path, mend)| (path.to_owned(), mend.to_owned())));
    }

    #[test]
    fn a_tree_without_a_book_has_no_chapters() {
        assert_eq!(pages_are_chapters(&Tree::of(&[("docs/one.md", "")])), []);
    }
}
