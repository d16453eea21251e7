//! A seated player's visit to a hall, beside its connection to the room: a fresh directory, a renewed ticket.
//!
//! Why: a ticket must outlive a long evening, and a player wants to see what else is going on.
//! Owns: the second connection. Invariants: nothing that goes wrong here touches the seat; there is at most
//! one visit at a time.
//! Limits: [`REFRESH_TRIES_MAX`] tries in a row, then the next term is waited for.
//! Read next: `journey.rs`, the same visit on the way in.

use crate::addresses::AddressNo;
use crate::alarms::Alarm;
use crate::ledger::Ledger;
use crate::player::{Phase, Player};
use crate::rules::{NEXT_ADDRESS_WAIT, REFRESH_TRIES_MAX};
use crate::turn::{Errand, Turn};
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::machine::DialFailure;
use usher_proto::message::{GetDirectory, Renewed};
use usher_proto::{ConnId, Message, ServerKind};

#[derive(Debug, Default)]
pub(crate) struct Visit {
    pub(crate) conn: Option<ConnId>,
    under_way: bool,
    attempt: u16,
    tries: u8,
}

impl Player {
    /// The visit is due; or, while one is under way, overdue.
    pub(crate) fn on_refresh_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if self.phase != Phase::Playing {
            return;
        }
        if self.visit.under_way {
            return self.refresh_missed(turn, NEXT_ADDRESS_WAIT);
        }
        let at = usize::from(self.visit.tries) % self.halls.len().max(1);
        if let Some(&hall) = self.halls.get(at) {
            self.refresh_at(turn, hall, Vec::new());
        }
    }

    fn refresh_at<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, hall: AddressNo, reservation: Vec<u8>) {
        turn.hang_up(&mut self.visit.conn);
        self.visit.under_way = true;
        self.visit.attempt = self.visit.attempt.wrapping_add(1);
        turn.alarm_overdue(Alarm::Refresh);
        turn.dial(Errand::Refresh, self.visit.attempt, hall, self.hello(ServerKind::Hall, reservation));
    }

    /// Whether the connection was still wanted.
    pub(crate) fn on_refresh_dialed<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        attempt: u16,
        conn: ConnId,
    ) -> bool {
        if !self.is_refreshing(attempt) {
            return false;
        }
        self.visit.conn = Some(conn);
        turn.hold(conn, Errand::Refresh);
        let game = Some(self.game(turn));
        turn.send(conn, GetDirectory { game });
        true
    }

    fn is_refreshing(&self, attempt: u16) -> bool {
        self.visit.under_way && self.visit.conn.is_none() && attempt == self.visit.attempt
    }

    pub(crate) fn on_refresh_dial_failed<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        attempt: u16,
        why: DialFailure,
    ) {
        if !self.is_refreshing(attempt) {
            return;
        }
        match why {
            DialFailure::Refused(message) => self.on_refresh_message(turn, message),
            DialFailure::Unreachable | DialFailure::Closed => self.refresh_missed(turn, NEXT_ADDRESS_WAIT),
        }
    }

    pub(crate) fn on_refresh_message<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, message: Message) {
        match message {
            Message::Redirect(redirect) => {
                let now = turn.now;
                turn.ledger().redirected(ServerKind::Hall, now);
                self.visit.tries += 1;
                match turn.number(&redirect.address) {
                    Some(hall) if self.visit.tries < REFRESH_TRIES_MAX => {
                        self.refresh_at(turn, hall, redirect.reservation.into_vec());
                    }
                    _ => self.refresh_missed(turn, NEXT_ADDRESS_WAIT),
                }
            }
            Message::Busy(busy) => {
                turn.ledger().busy(ServerKind::Hall);
                let retry_after = Duration::from_millis(busy.retry_after_ms.into());
                self.refresh_missed(turn, (retry_after, retry_after + retry_after / 2));
            }
            Message::Renewed(renewed) => self.on_refresh_renewed(renewed),
            Message::Directory(_) => self.on_refreshed(turn),
            _ => self.refresh_missed(turn, NEXT_ADDRESS_WAIT),
        }
    }

    fn on_refresh_renewed(&mut self, renewed: Renewed) {
        if let Some(ticket) = renewed.ticket {
            self.ticket = ticket.into_vec();
        }
        self.refresh_s = renewed.directory_refresh_s;
    }

    fn on_refreshed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        turn.ledger().refreshed();
        self.visit.tries = 0;
        self.wait_for_refresh(turn);
    }

    pub(crate) fn on_refresh_disconnected<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.visit.conn = None;
        self.refresh_missed(turn, NEXT_ADDRESS_WAIT);
    }

    /// Again in a moment; after too many misses, not before the next term.
    fn refresh_missed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, wait: (Duration, Duration)) {
        self.visit.tries += 1;
        if self.visit.tries >= REFRESH_TRIES_MAX {
            self.visit.tries = 0;
            return self.wait_for_refresh(turn);
        }
        self.hang_up_refresh(turn);
        turn.alarm_within(Alarm::Refresh, wait);
    }

    fn wait_for_refresh<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.hang_up_refresh(turn);
        turn.alarm(Alarm::Refresh, Duration::from_secs(self.refresh_s.max(1).into()));
    }

    /// The seat is gone, and with it the reason for the visit.
    pub(crate) fn end_refresh<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.hang_up_refresh(turn);
        turn.clear(Alarm::Refresh);
    }

    fn hang_up_refresh<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        turn.hang_up(&mut self.visit.conn);
        self.visit.under_way = false;
    }
}
