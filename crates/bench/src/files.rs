//! How many files a process may have open: as many as it can get, or no more than a number.
//!
//! - Invariant: the hard limit stays as it is.
//!
//! Read next: `load.rs`, which needs many; `layer1/direct.rs`, which needs few.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Without it the connections say what is wrong, so a refusal is no error here.
pub(crate) fn allow_most() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// For this process and those it starts from now on.
pub(crate) fn allow_at_most(files: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(files, |maximum| maximum.min(files));
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), ..limit })?)
}
