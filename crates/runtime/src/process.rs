//! What the operating system says of this process: memory, CPU, open files; and of others: whose children run.
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

/// The fields of `proc_pid_stat(5)` from the third on, the state; the second is a name, which may hold blanks.
fn after_name(stat: &str) -> &str {
    stat.rsplit(')').next().unwrap_or_default()
}

/// utime + stime: fields 14 and 15.
fn cpu_ticks(stat: &str) -> u64 {
    after_name(stat).split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
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

/// The children of a process that have not ended, in the order of their numbers; none where `/proc` is not to be had.
pub fn children_of(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: Vec<u32> = pids.filter(|pid| parent_of(*pid) == Some(parent)).collect();
    children.sort_unstable();
    children
}

/// Whether there is such a process, and it has not ended: one that nobody has waited for yet has.
pub fn is_running(pid: u32) -> bool {
    parent_of(pid).is_some()
}

/// Whose child a process is that has not ended.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = after_name(&stat).split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    fields.next()?.parse().ok().filter(|_| !has_ended)
}

/// How many connections fit under the limit of open files.
pub fn connections_possible() -> u64 {
    raise_file_limit().saturating_sub(FILES_RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    use std::process::{Command, Stdio};

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

    #[test]
    fn a_child_runs_until_it_is_killed_and_is_a_zombie_until_it_is_waited_for() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (own, pid) = (std::process::id(), child.id());
        assert!(children_of(own).contains(&pid) && is_running(pid));
        assert!(children_of(pid).is_empty());
        child.kill().unwrap();
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), ended).unwrap();
        assert!(!is_running(pid));
        assert!(fs::exists(format!("/proc/{pid}")).unwrap(), "nobody has waited for it");
        assert!(!children_of(own).contains(&pid));
        child.wait().unwrap();
        assert!(!is_running(pid));
    }
}
