//! Real worker processes, good and bad: each has its stated answer, and nobody else is the worse for it.
//!
//! Needs `python3` in the path: the workers are `worker.py`.
//! Read next: `rig.rs`.

mod deaths;
mod hostile;
mod hosts;
mod limits;
mod lives;
mod rig;
