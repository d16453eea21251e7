//! `docs/tutorial.md` shows what is built and run here, and nothing else.
//!
//! A block of code there is made of pieces, with a blank line between; each must stand in one of the files below.
#![forbid(unsafe_code)]

const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");
const ECHO: &str = include_str!("../src/main.rs");
const FILES: [&str; 7] = [
    ECHO,
    include_str!("../examples/lines/main.rs"),
    include_str!("../examples/lines/lines.rs"),
    include_str!("../examples/chat/main.rs"),
    include_str!("../examples/chat/chat.rs"),
    include_str!("../examples/chat/frames.rs"),
    include_str!("../examples/chat/tests.rs"),
];

fn blocks() -> impl Iterator<Item = &'static str> {
    TUTORIAL.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// Pieces of a file are indented more than those of a page.
fn without_indent(text: &str) -> String {
    text.lines().map(str::trim_start).fold("\n".into(), |all, line| all + line + "\n")
}

#[test]
fn it_begins_with_the_echo_server_as_it_is() {
    assert_eq!(blocks().next(), Some(ECHO), "copy servers/echo/src/main.rs into docs/tutorial.md again");
    assert!(ECHO.lines().count() < 80, "the smallest server has become large");
}

#[test]
fn it_shows_no_code_but_ours() {
    let files: Vec<_> = FILES.into_iter().map(without_indent).collect();
    for piece in blocks().flat_map(|block| block.split("\n\n")) {
        let piece = without_indent(piece.trim_matches('\n'));
        let found = files.iter().any(|file| file.contains(&piece));
        assert!(found, "docs/tutorial.md shows what is in no file of servers/echo:\n{piece}");
    }
    let opened = TUTORIAL.lines().filter(|line| line.starts_with("```rust")).count();
    assert_eq!(opened, blocks().count(), "code is marked `rust,ignore`, or it is not looked at");
}
