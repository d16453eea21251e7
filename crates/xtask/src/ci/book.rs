//! The book, built by mdBook where that is here.
//!
//! Most who change a line of code have no mdBook, and its build takes minutes; so it is not asked for. What a page may link to
//! and show is checked by `tidy` in any case.

use std::process::Command;

use anyhow::Result;

use super::tools::is_there;
use crate::cargo::{Workspace, succeed};

const INSTALL: &str = "cargo install --locked --no-default-features --features search mdbook --version 0.5.4";

pub(super) fn run(workspace: &Workspace) -> Result<()> {
    if !is_there("mdbook") {
        println!("mdBook is not here, so the book was not built; it comes with `{INSTALL}`");
        return Ok(());
    }
    succeed(Command::new("mdbook").args(["build", "docs"]).current_dir(&workspace.root))
}
