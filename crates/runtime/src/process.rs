//! What the operating system says of this process: memory, CPU, open files.
//!
//! Why: a server that may open fewer files than its config needs must say so at the start and not at three in
//! the morning; figures of memory and CPU are the kernel's, not estimates.
//! Read next: [`crate::server`].

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// Files that a process needs besides its connections: epoll, wakers, listeners, logs, libraries.
pub const FILES_RESERVED: u64 = 100;

/// CPU and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time, milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// The most there ever was, KiB.
    pub rss_kib_peak: u64,
}

/// The usage of this process; zeros where `/proc` is not to be had.
pub fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Usage {
        cpu_ms: cpu_ticks(&stat) * 1000 / rustix::param::clock_ticks_per_second(),
        rss_kib: kib(&status, "VmRSS:"),
        rss_kib_peak: kib(&status, "VmHWM:"),
    }
}

fn kib(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// utime + stime: fields 14 and 15 of `proc_pid_stat(5)`, counted after the name, which may hold blanks.
fn cpu_ticks(stat: &str) -> u64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Raises the soft limit of open files to the hard one. Gives how many files this process may open.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the soft limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Makes the kernel kill this process when its parent dies. To be called first thing by a child that must not
/// outlive its parent.
pub fn die_with_parent() {
    let killed = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    if let Err(error) = killed {
        tracing::warn!(%error, "this process would outlive its parent");
    }
}

/// How many connections fit under the limit of open files.
pub fn connections_possible() -> u64 {
    raise_file_limit().saturating_sub(FILES_RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_process_are_read() {
        let usage = usage();
        assert!(usage.rss_kib > 0 && usage.rss_kib_peak >= usage.rss_kib);
    }

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_ticks(stat), 300);
        assert_eq!(cpu_ticks(""), 0);
    }
}
