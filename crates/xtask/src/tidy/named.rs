//! Names of tests and settings that a page gives and no code has.
//!
//! A page that says "this test shows it" is worth something only as long as there is that test.
//!
//! - Owns: names in backticks of small letters, figures and at least three underscores, in `docs/`.
//! - Does not own: metrics (`usher_...`), whose names are put together where they are served.
//! - Limit: any Rust or TOML file may have the name, as any whole word.
//!
//! Read next: `shown.rs`, for code that a page shows.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

const RULE: &str = "named";
const UNDERSCORES_MIN: usize = 3;

pub(super) fn names_are_somebodys(tree: &Tree) -> Vec<Finding> {
    let known: BTreeSet<&str> =
        tree.rust().chain(tree.with_extension("toml")).flat_map(|file| words(&file.text)).collect();
    let pages = tree.with_extension("md").filter(|file| file.path.starts_with("docs/"));
    pages.flat_map(|page| unknown(page, &known)).collect()
}

fn unknown(page: &File, known: &BTreeSet<&str>) -> Vec<Finding> {
    let lines = page.text.lines().enumerate();
    let named =
        lines.flat_map(|(index, line)| line.split('`').skip(1).step_by(2).map(move |name| (index, name)));
    named
        .filter(|(_, name)| is_long_name(name) && !known.contains(name))
        .map(|(index, name)| {
            let mend = format!("nothing is called `{name}`: name what there is now");
            Finding::new(page, index + 1, RULE, mend)
        })
        .collect()
}

fn is_long_name(name: &str) -> bool {
    let is_of_code = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    name.chars().all(is_of_code)
        && name.matches('_').count() >= UNDERSCORES_MIN
        && !name.starts_with("usher_")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').filter(|word| is_long_name(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str) -> Vec<usize> {
        let tree = Tree::of(&[
            ("docs/a.md", page),
            ("README.md", "`no_page_of_the_book`"),
            ("src/lib.rs", "#[test]\nfn nobody_waits_for_a_page() {}\n"),
            ("deploy/a.toml", "rates_of_a_peer_max = 1\n"),
        ]);
        names_are_somebodys(&tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn what_there_is_may_be_named() {
        assert_eq!(check("`nobody_waits_for_a_page`, `rates_of_a_peer_max`"), [0; 0]);
        assert_eq!(
            check("`a_short_name`, no_code_at_all_here, `usher_not_to_be_found_total`, `a b_c_d_e`"),
            [0; 0]
        );
    }

    #[test]
    fn what_there_is_not_may_not() {
        assert_eq!(check("a\n`nobody_waits_for_a` and `nobody_waits_for_a_page`\n\n`of_a_peer_max`"), [2, 4]);
    }
}
