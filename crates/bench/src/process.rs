//! What the kernel says of a process: CPU, memory and open files, from `/proc`.
//!
//! Two clocks, because neither does alone: `schedstat` counts nanoseconds and knows no user and system; `stat` knows
//! them and counts ticks of 10 ms. A short slice is measured by the first, a whole contest is divided by the second.
//!
//! - Limit: a thread that ended is no longer in `schedstat`; the servers measured here keep theirs.
//!
//! Read next: `contest.rs`.

use std::fs;

use anyhow::{Context, Result};

/// Memory, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) resident_peak: u64,
}

/// CPU time since the start, in ticks of [`tick_us`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_status(&text).with_context(|| format!("{path} is not as proc(5) says"))
}

pub(crate) fn ticks(pid: u32) -> Result<Ticks> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_stat(&text).with_context(|| format!("{path} is not as proc(5) says"))
}

/// Time on a processor of all its threads, nanoseconds.
pub(crate) fn on_cpu_ns(pid: u32) -> Result<u64> {
    let folder = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
    let mut sum = 0;
    for thread in threads {
        let path = thread?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        sum += parse_schedstat(&text).with_context(|| format!("{} is not as expected", path.display()))?;
    }
    Ok(sum)
}

/// Files it has open, sockets and rings among them.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?.count())
}

/// How many it may have open now (the soft limit).
pub(crate) fn descriptors_max(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/limits");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_limits(&text).with_context(|| format!("{path} is not as proc(5) says"))
}

pub(crate) fn tick_us() -> f64 {
    1e6 / rustix::param::clock_ticks_per_second() as f64
}

fn parse_status(text: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, resident_peak: bytes("VmHWM:")? })
}

fn parse_limits(text: &str) -> Option<u64> {
    let limits = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limits.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15, counted after the name, which may hold blanks and brackets.
fn parse_stat(text: &str) -> Option<Ticks> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(Ticks { user: fields.next()?.parse().ok()?, system: fields.next()?.parse().ok()? })
}

/// The first of three numbers: time on the processor, time waiting for one, turns.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status() {
        let text =
            "Name:\tbare mio\nVmPeak:\t  9000 kB\nVmHWM:\t    2500 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        let expected = Memory { resident: 2048 * 1024, resident_peak: 2500 * 1024 };
        assert_eq!(parse_status(text), Some(expected));
        assert_eq!(parse_status("Name:\tx\n"), None);
    }

    #[test]
    fn limits() {
        let text =
            "Limit         Soft Limit   Hard Limit   Units\nMax open files    1024     20000   files\n";
        assert_eq!(parse_limits(text), Some(1024));
        assert_eq!(parse_limits("Max open files  unlimited  unlimited  files\n"), None);
    }

    #[test]
    fn stat_with_a_trap_in_the_name() {
        let text =
            "77 (a) b (c) S 1 77 77 0 -1 4194304 100 0 0 0 12 34 0 0 20 0 2 0 5 1000 2 18446744073709551615";
        assert_eq!(parse_stat(text), Some(Ticks { user: 12, system: 34 }));
        assert_eq!(parse_stat("77 (a) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn schedstat() {
        assert_eq!(parse_schedstat("123456789 42 7\n"), Some(123_456_789));
        assert_eq!(parse_schedstat("\n"), None);
    }

    #[test]
    fn this_process_is_read() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 0 && memory.resident_peak >= memory.resident / 2);
        assert!(on_cpu_ns(pid).unwrap() > 0);
        ticks(pid).unwrap();
        assert!(descriptors(pid).unwrap() as u64 <= descriptors_max(pid).unwrap());
    }
}
