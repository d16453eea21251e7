//! The one place where a server reads the time.
//!
//! Why: machines are given [`Time`], a number that starts at zero; tickets need the wall clock; layer 2 needs
//! `Instant`s. All three come from one pair of readings taken at the start.
//! Invariants: [`Clock::now`] never goes back; the wall clock is read anew each time it is asked for, so a
//! corrected clock is seen.
//! Read next: [`crate::host`].

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};
use usher_proto::Time;

/// A process's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// When this clock was started, unix milliseconds.
    pub started_unix_ms: u64,
}

impl Clock {
    /// Starts at zero now.
    #[allow(clippy::disallowed_methods)] // this is the owner that clippy.toml speaks of
    pub fn start() -> Self {
        Self { start: Instant::now(), started_unix_ms: unix_ms() }
    }

    /// The machine's time.
    pub fn now(&self) -> Time {
        Time(u64::try_from(instant().saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX))
    }

    /// When `time` is, for layer 2.
    pub fn instant_at(&self, time: Time) -> Instant {
        self.start + (time - Time::default())
    }
}

/// Now, for deadlines.
#[allow(clippy::disallowed_methods)] // this is the owner that clippy.toml speaks of
pub fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds since it was first asked, for measuring how long something took.
pub fn stopwatch() -> u64 {
    static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(instant);
    u64::try_from(FIRST_ASKED.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock, unix milliseconds.
#[allow(clippy::disallowed_methods)] // this is the owner that clippy.toml speaks of
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
