//! The pages that teach, followed to the letter: their blocks into empty projects, which are built, tested and tried out.
//!
//! Why: a page whose code is ours may still leave a line out, or promise what does not happen. Somebody who has nothing but the
//! page finds that out first; this is that somebody.
//!
//! - Owns: what is tried of each page, and what it says should come of it.
//! - Does not own: that the code is the tree's own; `tidy` sees to that.
//! - Invariant: nothing reaches a project but what stands on its page, and the tree's `Cargo.lock`.
//! - Limit: what a page does in the tree itself (a cluster to play in, a busy shard) is left to the tests of those.
//!
//! Read next: `follow/page.rs`, `follow/tutorial.rs`.

mod game;
mod page;
mod project;
mod tutorial;

use std::time::Duration;

use anyhow::Result;

use crate::cargo::Workspace;

/// Nothing here takes so long, unless it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(workspace: &Workspace) -> Result<()> {
    tutorial::follow(workspace)?;
    game::follow(workspace)
}
