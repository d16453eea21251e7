//! Into a room, out of it, and back after a lost connection.
//!
//! Why: a seat is kept for a while; a client that comes back by itself within that time has lost nothing.
//! Invariants: the last chat seen is named when a room is entered again, and only then.
//! Limits: [`super::AWAY_MAX`], over which waits between two tries grow to [`COMEBACK_WAIT_MAX`]; sent from room to room
//! [`RETURNS_MAX`] times, it is back at the list.
//! Read next: `refresh.rs`.

use super::way::BUSY_WAIT_MS;
use super::{AWAY_MAX, News, Next, Person, Phase, Place, Step, hang_up};
use crate::rules::{RETURN_WAIT, RETURNS_MAX};
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{CloseReason, Enter, EnterDenial, Entered, Redirect};
use usher_proto::{Address, Message, RoomNo, ServerKind};

/// Before the first try to come back.
const COMEBACK_WAIT: Duration = Duration::from_millis(200);
/// The longest pause between two.
const COMEBACK_WAIT_MAX: Duration = Duration::from_secs(2);

/// Each so many tries to come back the hall is asked instead: its server may be found elsewhere by now.
const COMEBACKS_A_QUESTION: u32 = 5;

/// Why a room is given up that was all right.
pub(super) const EMPTIED: &str = "its server is being emptied";

impl<F: FnMut(News)> Person<F> {
    pub(super) fn set_out_for(&mut self, step: &mut Step<'_>, place: Place) {
        self.turn_to(place);
        self.dial_room(step);
    }

    fn turn_to(&mut self, place: Place) {
        if self.place.as_ref() != Some(&place) {
            (self.last_seq, self.last_hand) = (None, None);
        }
        self.place = Some(place);
    }

    pub(super) fn dial_room(&mut self, step: &mut Step<'_>) {
        match &self.place {
            Some(place) => {
                let address = place.address.clone();
                self.dial(step, ServerKind::Room, address, Vec::new());
            }
            None => self.visit(step, ServerKind::Hall),
        }
    }

    pub(super) fn forget_room(&mut self) {
        (self.place, self.last_seq, self.last_hand, self.away_since) = (None, None, None, None);
        self.returns = 0;
    }

    pub(super) fn enter(&mut self, step: &mut Step<'_>) {
        let Some(Place { room, game, .. }) = self.place else { return };
        self.phase = Phase::Entering;
        self.send(step, Enter { game, room: Some(room), last_seq: self.last_seq, last_hand: self.last_hand });
    }

    pub(super) fn on_entered(&mut self, step: &mut Step<'_>, entered: Entered) {
        let Some(place) = self.place.as_mut() else { return };
        place.room = entered.room;
        let place = place.clone();
        self.phase = Phase::Inside;
        self.alarm = None;
        (self.busies, self.tries, self.returns, self.logged_in_again) = (0, 0, 0, false);
        self.last_seq = Some(entered.seq);
        let away = self.away_since.take().map(|since| step.now - since);
        (self.tell)(News::Entered { place, entered, away });
        self.plan_refresh(step);
    }

    pub(super) fn on_enter_denied(&mut self, step: &mut Step<'_>, reason: EnterDenial) {
        match reason {
            EnterDenial::Elsewhere { address, room } => self.on_elsewhere(step, address, room),
            EnterDenial::Busy => self.on_busy(step, ServerKind::Room, BUSY_WAIT_MS),
            EnterDenial::Superseded => self.finish(step, "this account has logged in elsewhere"),
            EnterDenial::Full(_) => self.give_room_up(step, "the room is full"),
            EnterDenial::NoSuchRoom => self.give_room_up(step, "the room is gone"),
            EnterDenial::Draining => self.give_room_up(step, EMPTIED),
            EnterDenial::AlreadyInside => self.give_room_up(step, "already inside"),
        }
    }

    /// The room's server is being emptied; another one keeps a place, in the room it names.
    pub(super) fn on_shown_out(&mut self, step: &mut Step<'_>, redirect: Redirect) {
        if self.phase == Phase::Leaving {
            return self.lost(step, CloseReason::Draining.as_str());
        }
        let Redirect { address, reservation, room } = redirect;
        let there = self.place.as_ref().zip(room).map(|(place, room)| Place { room, ..place.clone() });
        let Some(place) = there.filter(|_| self.may_try_again(ServerKind::Room)) else {
            return self.give_room_up(step, EMPTIED);
        };
        self.forget_room();
        self.end_refresh(step);
        (self.tell)(News::Denied("its server is being emptied: going to another room of the game"));
        self.place = Some(Place { address: address.clone(), ..place });
        self.dial(step, ServerKind::Room, address, reservation.into_vec());
    }

    /// There, at once; whoever is sent on from there waits before each further try.
    fn on_elsewhere(&mut self, step: &mut Step<'_>, address: Address, room: RoomNo) {
        let Some(Place { game, .. }) = self.place else { return };
        self.returns += 1;
        match self.returns {
            1 => {
                (self.tell)(News::Denied("you have a seat in another room of this game: going there"));
                self.set_out_for(step, Place { address, room, game });
            }
            2..=RETURNS_MAX => {
                self.turn_to(Place { address, room, game });
                self.wait(step, RETURN_WAIT, Next::Room, "sent on to another room");
            }
            _ => self.give_room_up(step, "sent from room to room"),
        }
    }

    /// Not this room: the list, after a moment.
    pub(super) fn give_room_up(&mut self, step: &mut Step<'_>, why: &'static str) {
        self.forget_room();
        self.end_refresh(step);
        (self.tell)(News::Denied(why));
        self.wait(step, RETURN_WAIT, Next::Visit(ServerKind::Hall), why);
    }

    /// The room did not answer, or its connection is gone: again in a moment, there or where the hall says that the seat is,
    /// for as long as it may be kept. Who never was inside does not insist.
    pub(super) fn come_back_later(&mut self, step: &mut Step<'_>) {
        let Some(since) = self.away_since else {
            return self.give_room_up(step, "its server does not answer");
        };
        if step.now - since >= AWAY_MAX {
            self.away_since = None; // the hall says whether the seat is kept
            return self.wait(step, RETURN_WAIT, Next::Visit(ServerKind::Hall), "the room does not answer");
        }
        let wait = COMEBACK_WAIT * 2_u32.pow(self.comebacks.min(4));
        let wait = wait.min(COMEBACK_WAIT_MAX);
        self.comebacks += 1;
        let asks = self.comebacks.is_multiple_of(COMEBACKS_A_QUESTION);
        let next = if asks { Next::Visit(ServerKind::Hall) } else { Next::Room };
        self.wait(step, (wait / 2, wait), next, "connection lost");
    }

    /// The room it was in, if the hall says that a seat is kept there.
    pub(super) fn kept_where_it_was(&self) -> Option<Place> {
        let place = self.place.as_ref()?;
        let kept = self.kept.iter().find(|seat| seat.game == place.game)?;
        Some(Place { address: kept.address.clone(), room: kept.room, game: kept.game })
    }

    pub(super) fn hear(&mut self, message: Message) {
        match &message {
            Message::ChatSaid(said) => self.last_seq = self.last_seq.max(Some(said.seq)),
            Message::ChatGap(gap) => self.last_seq = self.last_seq.max(Some(gap.last)),
            Message::Seated(_) => self.last_hand = None,
            Message::TableState(state) => {
                self.last_hand.get_or_insert(state.hand.saturating_sub(1));
            }
            Message::HandEnded(ended) => self.last_hand = Some(ended.hand),
            _ => {}
        }
        (self.tell)(News::Heard(message));
    }

    pub(super) fn on_left(&mut self, step: &mut Step<'_>) {
        hang_up(step, &mut self.conn);
        self.end_refresh(step);
        self.forget_room();
        if self.going {
            return self.finish(step, "left");
        }
        (self.tell)(News::Left);
        self.visit(step, ServerKind::Hall);
    }
}
