//! `docs/writing-a-game.md` shows the whole of Nim, which is small.
//!
//! That it shows no other code than ours is a rule of the tree: `cargo xtask tidy`.

const PAGE: &str = include_str!("../../../docs/writing-a-game.md");
const NIM: &str = include_str!("../src/nim.rs");
const TESTS: &str = "#[cfg(test)]\nmod tests;\n";

#[test]
fn it_shows_every_line_of_nim_once_and_in_order() {
    let mut rest = NIM;
    let blocks = PAGE.split("```rust,ignore\n").skip(1).filter_map(|block| block.split("```").next());
    for block in blocks {
        rest = rest.strip_prefix(block).unwrap_or(rest).trim_start_matches('\n');
    }
    assert_eq!(rest, "", "docs/writing-a-game.md does not show this of nim.rs: copy it again");
}

#[test]
fn nim_has_fewer_than_100_lines_of_code() {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = NIM.strip_suffix(TESTS).unwrap_or(NIM).lines().filter(is_code).count();
    println!("{lines} lines are neither blank nor a comment");
    assert!((50..100).contains(&lines), "{lines} lines");
}
