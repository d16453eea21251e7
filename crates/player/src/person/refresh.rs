//! The visit to a hall beside a room: a renewed ticket before the old one's time is over.
//!
//! Why: an evening is longer than a ticket's life.
//! Invariants: nothing that goes wrong here touches the room; there is at most one visit at a time.
//! Limits: after a visit that came to nothing the next address is tried in [`AGAIN_WAIT`].
//! Read next: `../refresh.rs`, the same visit of a simulated player.

use super::{News, Person, Phase, Step, hang_up};
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::machine::DialFailure;
use usher_proto::message::{CloseReason, GetDirectory};
use usher_proto::{Address, ConnId, Message, Output, ServerKind, Time};

const AGAIN_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

#[derive(Debug, Default)]
pub(super) struct Refresh {
    pub(super) conn: Option<ConnId>,
    /// When it is due; under way, when it is overdue.
    pub(super) alarm: Option<Time>,
    /// The hall's own term, in seconds; 0 before it said one.
    pub(super) every_s: u32,
    under_way: bool,
    attempt: u64,
    tries: usize,
}

impl Refresh {
    /// The attempt whose token this is, if it is one of a refresh.
    pub(super) fn attempt_of(token: u64) -> Option<u64> {
        (token & 1 == 1).then_some(token >> 1)
    }
}

impl<F: FnMut(News)> Person<F> {
    pub(super) fn plan_refresh(&mut self, step: &mut Step<'_>) {
        let every = Duration::from_secs(self.refresh.every_s.into());
        self.refresh.alarm = (self.phase == Phase::Inside && !every.is_zero()).then(|| step.now + every);
    }

    pub(super) fn on_refresh_timeout(&mut self, step: &mut Step<'_>) {
        if self.refresh.alarm.is_none_or(|at| at > step.now) {
            return;
        }
        if self.refresh.under_way {
            return self.refresh_missed(step);
        }
        let at = self.refresh.tries % self.halls.len().max(1);
        match self.halls.get(at).cloned() {
            Some(hall) => self.refresh_at(step, hall, Vec::new()),
            None => self.refresh.alarm = None,
        }
    }

    fn refresh_at(&mut self, step: &mut Step<'_>, hall: Address, reservation: Vec<u8>) {
        hang_up(step, &mut self.refresh.conn);
        self.refresh.under_way = true;
        self.refresh.attempt += 1;
        self.refresh.alarm = Some(step.now + self.config.step_timeout);
        let hello = self.hello(ServerKind::Hall, reservation);
        step.out.push(Output::Dial { token: self.refresh.attempt << 1 | 1, address: hall, hello });
    }

    pub(super) fn on_refresh_dialed(&mut self, step: &mut Step<'_>, attempt: u64, conn: ConnId) {
        if !self.refresh.under_way || attempt != self.refresh.attempt {
            return step.out.close(conn, CloseReason::Finished);
        }
        self.refresh.conn = Some(conn);
        step.out.send(conn, GetDirectory { game: None });
    }

    pub(super) fn on_refresh_dial_failed(&mut self, step: &mut Step<'_>, attempt: u64, why: DialFailure) {
        if !self.refresh.under_way || attempt != self.refresh.attempt {
            return;
        }
        match why {
            DialFailure::Refused(message) => self.on_refresh_message(step, message),
            DialFailure::Unreachable | DialFailure::Closed => self.refresh_missed(step),
        }
    }

    pub(super) fn on_refresh_message(&mut self, step: &mut Step<'_>, message: Message) {
        match message {
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Redirect(redirect) => {
                self.refresh.tries += 1;
                self.refresh_at(step, redirect.address, redirect.reservation.into_vec());
            }
            Message::Renewed(renewed) => {
                if let Some(ticket) = renewed.ticket {
                    self.ticket = ticket.into_vec();
                }
                self.refresh.every_s = renewed.directory_refresh_s;
            }
            Message::Directory(_) => {
                self.end_refresh(step);
                self.plan_refresh(step);
            }
            _ => self.refresh_missed(step),
        }
    }

    pub(super) fn refresh_missed(&mut self, step: &mut Step<'_>) {
        let tries = self.refresh.tries + 1;
        self.end_refresh(step);
        self.refresh.tries = tries;
        let wait = self.dice.within(AGAIN_WAIT);
        self.refresh.alarm = Some(step.now + wait);
    }

    pub(super) fn end_refresh(&mut self, step: &mut Step<'_>) {
        hang_up(step, &mut self.refresh.conn);
        (self.refresh.under_way, self.refresh.alarm, self.refresh.tries) = (false, None, 0);
    }
}
