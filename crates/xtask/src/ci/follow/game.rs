//! `docs/writing-a-game.md`: Nim in a project of its own, its tests, and the hand that the page shows.
//!
//! - Limit: from section 8 on the page is about the tree itself, where Nim is played by the end-to-end tests.

use anyhow::{Result, ensure};

use super::page::Page;
use super::project::Project;
use crate::cargo::Workspace;

pub(super) fn follow(workspace: &Workspace) -> Result<()> {
    let page = Page::read(&workspace.root, "docs/writing-a-game.md")?;
    let project = Project::make(workspace, "my-game", &page)?;
    project.cargo(workspace, &["build", "--bins"])?;
    project.cargo(workspace, &["test", "--quiet", "--bins"])?;
    let window = page.terminal("", "cargo run -q -- 7")?;
    let (typed, seen): (Vec<&str>, Vec<&str>) = window.iter().partition(|line| line.starts_with("> "));
    let typed: String = typed.iter().flat_map(|line| [&line[2..], "\n"]).collect();
    let output = project.output("my-game", &["7"], &typed)?;
    let lines: Vec<_> = output.lines().collect();
    ensure!(lines == seen, "docs/writing-a-game.md says {seen:#?}, and seen is {lines:#?}");
    Ok(())
}
