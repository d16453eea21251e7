//! What the kernel counts for a whole network namespace: connections that found a listener's backlog full.
//!
//! - Limit: everybody in the namespace is counted; a bench that judges by it has the machine to itself.
//!
//! Read next: `layer1/storm.rs`.

use std::fs;

use anyhow::{Context, Result};

const PATH: &str = "/proc/net/netstat";

/// Counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlogs {
    /// Handshakes that ended before a full backlog.
    pub(crate) overflows: u64,
    /// Those, and all others that a listener could not take.
    pub(crate) drops: u64,
}

impl Backlogs {
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).with_context(|| format!("reading {PATH}"))?;
        Self::parse(&text).with_context(|| format!("{PATH} does not count what listeners dropped"))
    }

    /// Two lines belong together, names above and numbers below; both begin with the protocol.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, numbers) = (lines.next()?, lines.next()?);
        let number = |wanted: &str| {
            let mut columns = names.split(' ').zip(numbers.split(' '));
            columns.find(|(name, _)| *name == wanted)?.1.parse().ok()
        };
        Some(Self { overflows: number("ListenOverflows")?, drops: number("ListenDrops")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let text = "TcpExt: TW ListenOverflows ListenDrops\nTcpExt: 9 17 23\nIpExt: InOctets\nIpExt: 5\n";
        assert_eq!(Backlogs::parse(text), Some(Backlogs { overflows: 17, drops: 23 }));
        assert_eq!(Backlogs::parse("TcpExt: TW\nTcpExt: 9\n"), None);
        assert_eq!(Backlogs::parse(""), None);
    }

    #[test]
    fn this_kernel_counts() {
        let counted = Backlogs::read().unwrap();
        assert!(counted.drops >= counted.overflows);
    }
}
