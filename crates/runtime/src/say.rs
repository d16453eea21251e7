//! Words for standard output, for whoever still reads it.
//!
//! Why: `usher demo | head -1` has heard enough after a line. What the command does is not cut short by that, and what
//! it was to say more is no fault.
//! Invariant: [`say!`](crate::say!) never panics, which `println!` does when nobody reads.
//! Read next: [`crate::life`], whose two lines are for programs.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write, stdout};

/// Says a line, as `println!` does.
#[macro_export]
macro_rules! say {
    () => { $crate::say::line("") };
    ($($words:tt)*) => { $crate::say::line(format_args!($($words)*)) };
}

/// Says one line.
pub fn line(text: impl Display) {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()).as_ref().map_err(io::Error::kind) {
        Ok(()) | Err(ErrorKind::BrokenPipe) => {}
        Err(why) => tracing::warn!(%why, "standard output takes nothing more"),
    }
}
