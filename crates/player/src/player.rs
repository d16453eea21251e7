//! One simulated player: where on its way it is, and what it holds.
//!
//! Why: the whole way of a real client in one state machine - login, hall, room, seat, play, out - so that
//! servers meet what they will meet.
//! Owns: [`Phase`] and the player's memory; what ends it. The steps are in `journey.rs`, logging in to an
//! account in `proof.rs`, playing in `play.rs`, what comes after some hands in `evening.rs`, the visit for a fresh
//! directory in `refresh.rs`.
//! Invariants: at most one connection for the journey and one for a refresh; a player that is done holds
//! neither, and no alarm; it fails at most once.
//! Limits: a ticket, a hand in play, one stay; a few hundred bytes.
//! Read next: `journey.rs`.

use crate::addresses::AddressNo;
use crate::alarms::Alarm;
use crate::delivery::Stay;
use crate::evening::Course;
use crate::journey::unreachable;
use crate::ledger::{Ledger, Step};
use crate::play::Hand;
use crate::proof::Proof;
use crate::refresh::Visit;
use crate::turn::{Errand, Turn, role_of};
use alloc::boxed::Box;
use alloc::vec::Vec;
use usher_proto::limits::HALLS_MAX;
use usher_proto::machine::{DialFailure, Hello};
use usher_proto::message::{Enter, GetDirectory, SeatNo};
use usher_proto::{AccountId, ConnId, Message, RoomNo, ServerKind, Time};

/// Where on its way a player is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its scheduled arrival has not come.
    #[default]
    Away,
    /// It waits, to do this next.
    Waiting(Next),
    /// It connects to a server of this kind.
    Dialing(ServerKind),
    /// It waits for session and ticket.
    LoggingIn,
    /// It waits for the directory.
    Browsing,
    /// It waits to be let into a room.
    Entering,
    /// It is in a room and waits for a seat.
    Sitting,
    /// It is in its seat.
    Playing,
    /// It wants out of its seat.
    Standing,
    /// It stands in the room, and will sit down elsewhere.
    Strolling,
    /// It wants out of the room.
    Leaving,
    /// It is done.
    Done,
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A visit from the top: the first address of the list.
    Visit(ServerKind),
    /// The address of the list it has come to.
    Try(ServerKind),
    /// Back to the room it was in.
    Resume,
    /// Any room of the server at whose door it is.
    AnyRoom,
}

/// A room of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: AddressNo,
    pub(crate) room: RoomNo,
}

/// One player.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of its past that are true side by side, not states")]
pub(crate) struct Player {
    pub(crate) phase: Phase,
    /// Which kind of the mix it is of.
    pub(crate) kind: u8,
    pub(crate) conn: Option<ConnId>,
    pub(crate) attempt: u16,
    /// How far down the list of addresses this visit has come.
    pub(crate) list_at: u8,
    /// Redirects and misses of this visit.
    pub(crate) tries: u8,
    /// Busy answers since its last login or seat.
    pub(crate) busies: u8,
    /// Returns to the hall since the last seat.
    pub(crate) returns: u8,
    /// It has logged in again since the last seat: its ticket was refused, or no hall answered.
    pub(crate) logged_in_again: bool,
    /// Its time to leave came while it could not.
    pub(crate) going: bool,
    /// It has had a seat.
    pub(crate) seated_once: bool,
    /// It was in a seat and lost its connection, willingly or not.
    pub(crate) cut_off: bool,
    /// When the last timed step ended, and which steps were timed.
    pub(crate) step_from: Time,
    pub(crate) steps_timed: u8,
    pub(crate) account: AccountId,
    pub(crate) proof: Option<Box<Proof>>,
    pub(crate) ticket: Vec<u8>,
    pub(crate) session_key: [u8; 32],
    pub(crate) halls: Vec<AddressNo>,
    pub(crate) refresh_s: u32,
    /// The room where the hall says it still has a seat.
    pub(crate) kept: Option<Place>,
    /// The room it goes to, or is in.
    pub(crate) place: Option<Place>,
    /// A server that did not answer.
    pub(crate) avoid: Option<AddressNo>,
    /// Full rooms met on this connection, and the others that their server named and are not tried yet.
    pub(crate) full_rooms: u8,
    pub(crate) others: Vec<RoomNo>,
    pub(crate) stay: Option<(Place, Stay)>,
    pub(crate) seat: Option<SeatNo>,
    /// Its last chat's number, and since when the answer is awaited.
    pub(crate) chats: u32,
    pub(crate) chat_sent: Option<Time>,
    pub(crate) hand: Option<Box<Hand>>,
    pub(crate) course: Course,
    pub(crate) visit: Visit,
}

impl Player {
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(crate) fn is_seated(&self) -> bool {
        self.phase == Phase::Playing
    }

    /// How many connections it holds.
    pub(crate) fn connections(&self) -> usize {
        usize::from(self.conn.is_some()) + usize::from(self.visit.conn.is_some())
    }

    /// The kind of server it deals with now.
    fn dealing_with(&self) -> Option<ServerKind> {
        match self.phase {
            Phase::Dialing(kind) => Some(kind),
            Phase::LoggingIn => Some(ServerKind::Login),
            Phase::Browsing => Some(ServerKind::Hall),
            Phase::Entering
            | Phase::Sitting
            | Phase::Playing
            | Phase::Standing
            | Phase::Strolling
            | Phase::Leaving => Some(ServerKind::Room),
            Phase::Away | Phase::Waiting(_) | Phase::Done => None,
        }
    }

    /// Its scheduled arrival has come.
    pub(crate) fn arrive<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let scheduled = turn.shared.config.scheduled(turn.index);
        self.step_from = scheduled;
        self.kind = turn.shared.config.mix.draw(&mut turn.shared.dice);
        let now = turn.now;
        turn.ledger().arrived(now - scheduled, now);
        self.visit(turn, ServerKind::Login);
    }

    pub(crate) fn on_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, alarm: Alarm) {
        match alarm {
            Alarm::Journey => self.on_journey_alarm(turn),
            Alarm::Move => self.on_move_alarm(turn),
            Alarm::Chat => self.on_chat_alarm(turn),
            Alarm::Drop => self.on_drop_alarm(turn),
            Alarm::Refresh => self.on_refresh_alarm(turn),
            Alarm::Patience => self.on_patience_alarm(turn),
            Alarm::Leave => self.on_leave_alarm(turn),
        }
    }

    fn on_journey_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        match self.phase {
            Phase::Waiting(Next::Visit(kind)) => self.visit(turn, kind),
            Phase::Waiting(Next::Try(kind)) => self.try_listed(turn, kind),
            Phase::Waiting(Next::Resume) => self.dial_room(turn),
            Phase::Waiting(Next::AnyRoom) => self.enter_any_room(turn),
            Phase::Strolling => self.sit_elsewhere(turn),
            Phase::Standing | Phase::Leaving => self.fail(turn, "leave_timeout"),
            _ => self.lost(turn, "timeout"),
        }
    }

    /// Whether the connection was still wanted.
    pub(crate) fn on_dialed<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        attempt: u16,
        conn: ConnId,
    ) -> bool {
        let Phase::Dialing(kind) = self.phase else { return false };
        if attempt != self.attempt {
            return false;
        }
        self.conn = Some(conn);
        turn.hold(conn, Errand::Journey);
        match kind {
            ServerKind::Login => self.log_in(turn, conn),
            ServerKind::Hall => self.browse(turn, conn),
            ServerKind::Room | ServerKind::Manager | ServerKind::Gateway => self.enter(turn),
        }
        true
    }

    pub(crate) fn on_dial_failed<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        attempt: u16,
        why: DialFailure,
    ) {
        let Phase::Dialing(kind) = self.phase else { return };
        if attempt != self.attempt {
            return;
        }
        match why {
            DialFailure::Refused(message) => self.on_refusal(turn, kind, message),
            DialFailure::Unreachable | DialFailure::Closed => self.missed(turn, kind),
        }
    }

    pub(crate) fn on_disconnected<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.conn = None;
        self.lost(turn, "closed");
    }

    /// The connection is of no use any more: the server closed it, said so, or is silent.
    pub(crate) fn lost<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        match self.phase {
            Phase::Standing | Phase::Leaving => self.lost_on_the_way_out(turn, reason),
            Phase::Playing => {
                self.note_drop(turn, reason);
                self.resume_later(turn);
            }
            // Its server may well live: only a dial that fails says otherwise.
            Phase::Sitting | Phase::Strolling => self.lost_without_a_seat(turn, reason),
            Phase::Entering => self.return_to_hall(turn, unreachable(ServerKind::Room)),
            _ => {
                if let Some(kind) = self.dealing_with() {
                    self.missed(turn, kind);
                }
            }
        }
    }

    pub(crate) fn lost_without_a_seat<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        self.note_drop(turn, reason);
        self.return_to_hall(turn, unreachable(ServerKind::Room));
    }

    /// It was in a room, and its connection ended without its doing.
    pub(crate) fn note_drop<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        turn.ledger().dropped(reason);
        self.cut_off = true;
    }

    pub(crate) fn on_message<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, message: Message) {
        match (self.phase, message) {
            (_, Message::Ping(_) | Message::Pong(_)) => {}
            (_, message) if message.is_refusal() => {
                if let Some(kind) = self.dealing_with() {
                    self.on_refusal(turn, kind, message);
                }
            }
            (Phase::LoggingIn, Message::LoggedIn(granted)) => self.on_logged_in(turn, granted),
            (Phase::LoggingIn, Message::LogInChallenge(challenge)) => self.on_challenge(turn, challenge),
            (Phase::LoggingIn, Message::LogInDenied(denied)) => self.on_login_denied(turn, denied.reason),
            (Phase::Browsing, Message::Renewed(renewed)) => self.on_renewed(turn, renewed),
            (Phase::Browsing, Message::Directory(directory)) => self.on_directory(turn, &directory),
            (Phase::Entering, Message::Entered(entered)) => self.on_entered(turn, &entered),
            (Phase::Entering, Message::EnterDenied(denied)) => self.on_enter_denied(turn, denied.reason),
            (Phase::Sitting, Message::Seated(seated)) => self.on_seated(turn, seated.at),
            (Phase::Sitting, Message::SitDenied(denied)) => self.on_sit_denied(turn, denied.reason),
            (Phase::Standing, Message::Stood(_)) => self.on_stood(turn),
            (Phase::Leaving, Message::Left(left)) => self.on_left(turn, left.seq),
            (
                Phase::Sitting | Phase::Playing | Phase::Standing | Phase::Strolling | Phase::Leaving,
                message,
            ) => self.on_room_message(turn, message),
            _ => self.fail(turn, "unexpected_message"),
        }
    }

    /// Times a step, the first time it is taken.
    pub(crate) fn time_step<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, step: Step) {
        let bit = 1 << step as u8;
        if self.steps_timed & bit == 0 {
            self.steps_timed |= bit;
            let took = turn.now - self.step_from;
            turn.ledger().step(step, took);
            self.step_from = turn.now;
        }
    }

    /// Ends the stay, if there is one, and reports what was received in it.
    pub(crate) fn settle_stay<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, left: Option<u64>) {
        if let Some((_, stay)) = self.stay.take() {
            let delivery = stay.end(left);
            turn.ledger().delivery(&delivery);
        }
    }

    pub(crate) fn fail<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        if !self.is_done() {
            turn.ledger().failed(reason);
            self.finish(turn);
        }
    }

    /// The end, good or bad.
    pub(crate) fn finish<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.settle_stay(turn, None);
        turn.hang_up(&mut self.conn);
        turn.hang_up(&mut self.visit.conn);
        turn.shared.alarms.clear_all(turn.index);
        turn.shared.settled += u32::from(!self.seated_once);
        turn.shared.finished += 1;
        *self = Self { phase: Phase::Done, seated_once: self.seated_once, ..Self::default() };
    }
}

/// What a player says first, by the kind of server.
impl Player {
    pub(crate) fn hello(&self, kind: ServerKind, reservation: Vec<u8>) -> Hello {
        let is_known = kind != ServerKind::Login;
        let ticket = if is_known { self.ticket.clone() } else { Vec::new() };
        let session_key = if is_known { self.session_key } else { [0; 32] };
        Hello { role: role_of(kind), ticket, reservation, session_key }
    }

    fn log_in<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, conn: ConnId) {
        self.phase = Phase::LoggingIn;
        turn.alarm_overdue(Alarm::Journey);
        self.introduce(turn, conn);
    }

    fn browse<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, conn: ConnId) {
        self.phase = Phase::Browsing;
        self.kept = None;
        turn.alarm_overdue(Alarm::Journey);
        let game = Some(self.game(turn));
        turn.send(conn, GetDirectory { game });
    }

    pub(crate) fn enter<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let (Some(conn), Some(place)) = (self.conn, self.place) else { return };
        self.phase = Phase::Entering;
        turn.alarm_overdue(Alarm::Journey);
        let same = self.stay.as_ref().filter(|(stayed, _)| *stayed == place);
        let last_seq = same.map(|(_, stay)| stay.last());
        let last_hand = same.and(self.course.last_hand);
        let game = self.game(turn);
        turn.send(conn, Enter { game, room: Some(place.room), last_seq, last_hand });
    }
}

/// Hall addresses a player keeps of those a login server named.
pub(crate) const HALLS_KEPT_MAX: usize = HALLS_MAX;

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_player_is_a_few_hundred_bytes() {
        assert!(size_of::<Player>() <= 448, "{} bytes", size_of::<Player>());
    }
}
