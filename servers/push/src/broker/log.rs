//! One log: the instructions of a topic, or of one terminal, numbered 1, 2, 3, ...
//!
//! Why: a terminal that was away gets what it missed from here; the server keeps no place for it.
//! Invariants: numbers have no holes and are never used again under the same log number; the newest instruction is
//! always held.
//! Limits: [`LogLimits`]; at either the oldest instruction goes, and who still wanted it is told of a gap.
//! Read next: [`super::replay`], which reads logs.

use std::collections::VecDeque;
use usher_proto::Payload;
use usher_proto::message::{LogEntry, Since};

/// What a log may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLimits {
    pub(super) entries_max: usize,
    pub(super) bytes_max: usize,
}

/// A position that the log has not reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ahead;

/// The instructions that are kept.
#[derive(Debug)]
pub(super) struct Log {
    /// Which log this is.
    pub(super) number: u64,
    /// The number of the oldest one held; of the next one, if none is.
    first: u64,
    entries: VecDeque<Payload>,
    bytes: usize,
}

impl Log {
    pub(super) fn new(number: u64) -> Self {
        Self { number, first: 1, entries: VecDeque::new(), bytes: 0 }
    }

    /// The newest; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    /// The oldest one held.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Holds one more; its number.
    pub(super) fn append(&mut self, payload: Payload, limits: LogLimits) -> u64 {
        self.bytes += payload.len();
        self.entries.push_back(payload);
        while self.entries.len() > limits.entries_max
            || (self.bytes > limits.bytes_max && self.entries.len() > 1)
        {
            let oldest = self.entries.pop_front().expect("invariant: one was just held");
            self.bytes -= oldest.len();
            self.first += 1;
        }
        self.last()
    }

    /// One that is held.
    pub(super) fn get(&self, seq: u64) -> Option<&Payload> {
        self.entries.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    /// The last instruction that somebody has who wants to go on there.
    pub(super) fn seq_at(&self, since: Since) -> Result<u64, Ahead> {
        match since {
            Since::Now => Ok(self.last()),
            Since::Start => Ok(self.first - 1),
            Since::After(position) if position.log != self.number => Ok(0),
            Since::After(position) if position.seq > self.last() => Err(Ahead),
            Since::After(position) => Ok(position.seq),
        }
    }

    /// Nothing was ever in it.
    pub(super) fn is_unused(&self) -> bool {
        self.last() == 0
    }

    pub(super) fn entry(&self) -> LogEntry {
        LogEntry {
            log: self.number,
            entries: self.entries.len() as u64,
            bytes: self.bytes as u64,
            last: self.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::message::Position;

    const LIMITS: LogLimits = LogLimits { entries_max: 3, bytes_max: 10 };

    fn log(lengths: &[usize]) -> Log {
        let mut log = Log::new(7);
        for (index, length) in lengths.iter().enumerate() {
            assert_eq!(log.append(vec![b'x'; *length].into(), LIMITS), index as u64 + 1);
        }
        log
    }

    #[test]
    fn the_oldest_go_at_either_limit_and_the_newest_stays() {
        let cases: [(&[usize], u64, u64, usize); 6] = [
            (&[], 1, 0, 0),
            (&[4, 4], 1, 2, 8),
            (&[0, 0, 0, 0], 2, 4, 0),
            (&[4, 4, 4], 2, 3, 8),
            (&[1, 1, 9], 2, 3, 10),
            (&[4, 4, 99], 3, 3, 99),
        ];
        for (lengths, first, last, bytes) in cases {
            let log = log(lengths);
            assert_eq!((log.first(), log.last(), log.bytes), (first, last, bytes), "{lengths:?}");
            assert_eq!(log.get(first.wrapping_sub(1)), None);
            assert_eq!((first..=last).filter(|seq| log.get(*seq).is_some()).count(), log.entries.len());
            assert_eq!(log.get(last + 1), None);
        }
    }

    #[test]
    fn who_comes_back_goes_on_where_it_stood() {
        let log = log(&[1; 5]);
        let after = |number, seq| Since::After(Position { log: number, seq });
        let cases = [
            (Since::Now, Ok(5)),
            (Since::Start, Ok(2)),
            (after(7, 0), Ok(0)),
            (after(7, 4), Ok(4)),
            (after(7, 5), Ok(5)),
            (after(7, 6), Err(Ahead)),
            (after(7, u64::MAX), Err(Ahead)),
            (after(6, 99), Ok(0)),
        ];
        for (since, seq) in cases {
            assert_eq!(log.seq_at(since), seq, "{since:?}");
        }
        assert!(!log.is_unused() && Log::new(1).is_unused());
    }
}
