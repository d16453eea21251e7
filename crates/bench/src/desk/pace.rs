//! When the n-th of something is due, at a steady rate.
//!
//! Read next: `parties.rs`, `quotes.rs`.

const SECOND_NS: u64 = 1_000_000_000;

/// Counts what was due since its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: u32,
    started: u64,
    done: u64,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, started: 0, done: 0 }
    }

    /// The first is due now.
    pub(super) fn start(&mut self, now: u64) {
        (self.started, self.done) = (now, 0);
    }

    /// When the next one is, or was, due.
    pub(super) fn next(&self) -> u64 {
        self.started + self.done * SECOND_NS / u64::from(self.per_second)
    }

    pub(super) fn advance(&mut self) {
        self.done += 1;
    }

    /// Nanoseconds between two.
    pub(super) fn interval(&self) -> u64 {
        SECOND_NS / u64::from(self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_drift() {
        let mut pace = Pace::new(3);
        pace.start(100);
        let mut due = || {
            let due = pace.next();
            pace.advance();
            due
        };
        assert_eq!([due(), due(), due(), due()], [100, 333_333_433, 666_666_766, 1_000_000_100]);
    }
}
