//! What strangers' bytes are fed to, and what must hold whatever they are.
//!
//! Why: tests try what their author thought of. `cargo xtask fuzz` tries what reaches new code, for as long as
//! it is let; each target here says what may not happen. What it found lives on as a named test beside the code that
//! was wrong.
//! Owns: the targets, what they start from (`corpus/`, made by `examples/seeds.rs`), keys that are no secret.
//! Does not own: the fuzzer, nor how it is built: that is `crates/xtask/src/fuzz.rs`.
//! Invariants: a target is a function of its bytes that panics if something is wrong; it touches no disk, resolves no
//! name and keeps nothing. Without `--cfg fuzzing` this is a crate like any other: its tests replay the corpus.
//! Limits: allocations are counted for the process, so targets run one at a time.
//! Read next: `targets.rs`, then `targets/frames.rs`.
#![forbid(unsafe_code)]

pub mod assembly;
pub mod fixed;
pub mod targets;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

/// Counts, for the targets that hold what is allocated against what came.
#[global_allocator]
pub static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
