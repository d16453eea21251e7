//! `docs/tutorial.md` begins with this server, whole.
//!
//! That it shows no other code than ours is a rule of the tree: `cargo xtask tidy`.
#![forbid(unsafe_code)]

const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");
const ECHO: &str = include_str!("../src/main.rs");

#[test]
fn it_begins_with_the_echo_server_as_it_is() {
    let first = TUTORIAL.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(first, Some(ECHO), "copy servers/echo/src/main.rs into docs/tutorial.md again");
    assert!(ECHO.lines().count() < 80, "the smallest server has become large");
}
