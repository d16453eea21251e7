//! What wakes a load when the next message is due.
//!
//! A timer of its own, because a poll's timeout counts milliseconds: at 500 messages a second that is half of the
//! time between two.
//!
//! - Invariant: it ticks no earlier than a message is due whose time counts from before its start.
//!
//! Read next: `audience/room.rs`, `desk/floor.rs`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::io::{Errno, read};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

pub(crate) struct Metronome {
    timer: OwnedFd,
}

impl Metronome {
    /// At rest; its ticks will be events with this token.
    pub(crate) fn new(poll: &Poll, token: Token) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// The first tick comes after one interval.
    pub(crate) fn start(&self, interval: Duration) -> io::Result<()> {
        self.set(Timespec {
            tv_sec: interval.as_secs().cast_signed(),
            tv_nsec: interval.subsec_nanos().into(),
        })
    }

    pub(crate) fn stop(&self) -> io::Result<()> {
        self.set(Timespec { tv_sec: 0, tv_nsec: 0 })
    }

    /// Takes the ticks that came; there may be none.
    pub(crate) fn take_ticks(&self) -> io::Result<()> {
        match read(&self.timer, &mut [0; 8]) {
            Err(error) if error != Errno::AGAIN => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn set(&self, interval: Timespec) -> io::Result<()> {
        let times = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mio::Events;

    use super::*;

    #[test]
    fn it_ticks_until_it_is_stopped() {
        let mut poll = Poll::new().unwrap();
        let metronome = Metronome::new(&poll, Token(7)).unwrap();
        let mut events = Events::with_capacity(8);
        let mut poll = |timeout| {
            poll.poll(&mut events, Some(timeout)).unwrap();
            metronome.take_ticks().unwrap();
            events.iter().map(|event| event.token().0).collect::<Vec<_>>()
        };
        metronome.start(Duration::from_millis(1)).unwrap();
        assert_eq!(poll(Duration::from_secs(20)), [7]);
        assert_eq!(poll(Duration::from_secs(20)), [7]);
        metronome.stop().unwrap();
        poll(Duration::ZERO);
        assert_eq!(poll(Duration::from_millis(20)), [0; 0]);
    }
}
