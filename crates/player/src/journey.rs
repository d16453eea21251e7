//! A player's steps from login to its seat and out again, and what it does when a server says no.
//!
//! Why: this is the client's half of redirection; written once, followed by every simulated client.
//! The way: login -> hall -> room -> seat -> (play) -> stand -> leave. Redirected: there, with the reservation; no answer
//! there: the next address of the list it had before, without it; none of the halls answers: a new login, once. Busy: again
//! after the wait; so is a login that names no hall. Room full: another of that server on the same connection, then the hall.
//! Shown out by a room server that is being emptied: to the room that it names, with the reservation. Connection lost while
//! seated: the same server again, for the seat that is kept there; if it does not answer, the hall, for that seat or any other.
//! Limits: `rules.rs`; beyond them the player fails, with the reason.
//! Read next: `play.rs`, `evening.rs` (which also leads out).

use crate::addresses::AddressNo;
use crate::alarms::Alarm;
use crate::delivery::Stay;
use crate::directory;
use crate::ledger::{Ledger, Step};
use crate::mix::Change;
use crate::play::plan_drop;
use crate::player::{HALLS_KEPT_MAX, Next, Phase, Place, Player};
use crate::rules::{BUSY_MAX, NEXT_ADDRESS_WAIT, REDIRECTS_MAX, RETURN_WAIT, RETURNS_MAX};
use crate::turn::{Errand, Shared, Turn};
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{
    CloseReason, Directory, EnterDenial, Entered, LogInDenial, LoggedIn, Redirect, Renewed, RoomEntry,
    SeatNo, Sit, WhoIsHere,
};
use usher_proto::{Message, RoomNo, ServerKind, TableNo};

/// Getting to a server.
impl Player {
    /// A visit from the top of its list of addresses.
    pub(crate) fn visit<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind) {
        self.list_at = 0;
        self.tries = 0;
        self.try_listed(turn, kind);
    }

    pub(crate) fn try_listed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind) {
        let list = self.list(turn, kind);
        match list.get(usize::from(self.list_at) % list.len().max(1)) {
            Some(&address) => self.dial(turn, kind, address, Vec::new()),
            None => self.fail(turn, unreachable(kind)),
        }
    }

    /// The addresses it knows of servers of this kind. (Of rooms: the one it goes to.)
    fn list<'a, L>(&'a self, turn: &'a Turn<'_, L>, kind: ServerKind) -> &'a [AddressNo] {
        match kind {
            ServerKind::Login => &turn.shared.logins,
            ServerKind::Hall => &self.halls,
            ServerKind::Room | ServerKind::Manager | ServerKind::Gateway => &[],
        }
    }

    pub(crate) fn dial_room<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        match self.place {
            Some(place) => self.dial(turn, ServerKind::Room, place.address, Vec::new()),
            None => self.visit(turn, ServerKind::Hall),
        }
    }

    fn dial<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        kind: ServerKind,
        address: AddressNo,
        reservation: Vec<u8>,
    ) {
        turn.hang_up(&mut self.conn);
        self.phase = Phase::Dialing(kind);
        (self.full_rooms, self.others, self.proof) = (0, Vec::new(), None);
        self.attempt = self.attempt.wrapping_add(1);
        turn.alarm_overdue(Alarm::Journey);
        turn.dial(Errand::Journey, self.attempt, address, self.hello(kind, reservation));
    }

    pub(crate) fn wait<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        range: (Duration, Duration),
        next: Next,
    ) {
        turn.hang_up(&mut self.conn);
        self.phase = Phase::Waiting(next);
        turn.alarm_within(Alarm::Journey, range);
    }
}

/// A server that says no, or nothing.
impl Player {
    pub(crate) fn on_refusal<L: Ledger>(
        &mut self,
        turn: &mut Turn<'_, L>,
        kind: ServerKind,
        message: Message,
    ) {
        match message {
            Message::Redirect(redirect) => self.on_redirect(turn, kind, redirect),
            Message::Busy(busy) => self.on_busy(turn, kind, busy.retry_after_ms),
            Message::Closing(closing) => self.on_closing(turn, kind, closing.reason),
            Message::Refused(_) => self.fail(turn, "protocol_version"),
            _ => self.fail(turn, "unexpected_message"),
        }
    }

    fn on_redirect<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind, redirect: Redirect) {
        let now = turn.now;
        turn.ledger().redirected(kind, now);
        if kind == ServerKind::Room {
            return self.on_shown_out(turn, redirect);
        }
        match turn.number(&redirect.address) {
            _ if !self.may_try_again(turn, kind) => self.fail(turn, "redirects"),
            Some(address) => self.dial(turn, kind, address, redirect.reservation.into_vec()),
            None => self.missed(turn, kind),
        }
    }

    /// Its room's server is being emptied, and another one keeps a place for it and for its table-mates.
    fn on_shown_out<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, redirect: Redirect) {
        let is_going = matches!(self.turning_to(), None | Some(Change::Leave));
        if is_going && matches!(self.phase, Phase::Standing | Phase::Leaving) {
            turn.hang_up(&mut self.conn);
            return self.lost_on_the_way_out(turn, CloseReason::Draining.as_str());
        }
        let place = turn.number(&redirect.address).zip(redirect.room);
        let Some((address, room)) = place.filter(|_| self.may_try_again(turn, ServerKind::Room)) else {
            return self.avoid_server(turn);
        };
        self.put_play_down(turn);
        self.place = Some(Place { address, room });
        self.dial(turn, ServerKind::Room, address, redirect.reservation.into_vec());
    }

    /// Counts a redirect or a miss of this visit; false when there were too many.
    fn may_try_again<L>(&mut self, turn: &Turn<'_, L>, kind: ServerKind) -> bool {
        self.tries = self.tries.saturating_add(1);
        usize::from(self.tries) <= usize::from(REDIRECTS_MAX) + self.list(turn, kind).len()
    }

    /// No answer, or the connection broke before what was wanted came.
    pub(crate) fn missed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind) {
        if kind == ServerKind::Room {
            return self.avoid_server(turn);
        }
        if !self.may_try_again(turn, kind) {
            return match kind {
                // Halls move, and gateways before them; a login names those that there are now.
                ServerKind::Hall => self.log_in_again(turn, unreachable(kind)),
                _ => self.fail(turn, unreachable(kind)),
            };
        }
        self.list_at = self.list_at.wrapping_add(1);
        self.wait(turn, NEXT_ADDRESS_WAIT, Next::Try(kind));
    }

    /// The room's server did not answer, or is being emptied: any other is better.
    pub(crate) fn avoid_server<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.avoid = self.place.map(|place| place.address);
        self.return_to_hall(turn, unreachable(ServerKind::Room));
    }

    /// Comes back after what it was told, with jitter; to a room by way of the hall, for a fresh directory.
    fn on_busy<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind, retry_after_ms: u32) {
        turn.ledger().busy(kind);
        self.busies += 1;
        if self.busies >= BUSY_MAX {
            return self.fail(turn, "busy");
        }
        let retry_after = Duration::from_millis(retry_after_ms.into());
        let next = if kind == ServerKind::Room { ServerKind::Hall } else { kind };
        self.wait(turn, (retry_after, retry_after + retry_after / 2), Next::Visit(next));
    }

    fn on_closing<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind, reason: CloseReason) {
        match reason {
            CloseReason::NoTicket | CloseReason::TicketExpired | CloseReason::TicketInvalid => {
                self.log_in_again(turn, reason.as_str());
            }
            CloseReason::HandshakeFailed if kind == ServerKind::Login => self.not_proven(turn, reason),
            CloseReason::Finished
            | CloseReason::Idle
            | CloseReason::ConnectionsFull
            | CloseReason::PingTimeout
            | CloseReason::SlowConsumer
            | CloseReason::Draining
            | CloseReason::ServerStopping
            | CloseReason::Unreachable => self.turned_away(turn, kind, reason),
            // Before it is in, by somebody who only repeats its first frame and will not get further.
            CloseReason::Replaced if matches!(self.phase, Phase::Dialing(_) | Phase::Entering) => {
                self.turned_away(turn, kind, reason);
            }
            _ => self.fail(turn, reason.as_str()),
        }
    }

    /// That login server has another key than the one believed in; whoever dials knows others perhaps.
    fn not_proven<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: CloseReason) {
        if !self.may_try_again(turn, ServerKind::Login) {
            return self.fail(turn, reason.as_str());
        }
        self.wait(turn, NEXT_ADDRESS_WAIT, Next::Try(ServerKind::Login));
    }

    fn turned_away<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, kind: ServerKind, reason: CloseReason) {
        // The connection may be up (a message) or never have been (a refused dial).
        turn.hang_up(&mut self.conn);
        match (self.phase, reason) {
            (Phase::Dialing(_), _) => self.missed(turn, kind),
            (
                Phase::Sitting | Phase::Playing | Phase::Strolling,
                CloseReason::Draining | CloseReason::ServerStopping,
            ) => {
                self.note_drop(turn, reason.as_str());
                self.avoid_server(turn);
            }
            _ => self.lost(turn, reason.as_str()),
        }
    }

    fn log_in_again<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        if self.logged_in_again {
            return self.fail(turn, reason);
        }
        self.logged_in_again = true;
        self.visit(turn, ServerKind::Login);
    }

    /// A room that cannot be had: a fresh directory, after a moment.
    pub(crate) fn return_to_hall<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        self.put_play_down(turn);
        self.returns += 1;
        if self.returns > RETURNS_MAX {
            return self.fail(turn, reason);
        }
        self.wait(turn, RETURN_WAIT, Next::Visit(ServerKind::Hall));
    }
}

/// A server's good answers.
impl Player {
    pub(crate) fn on_logged_in<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, granted: LoggedIn) {
        if !self.is_proven(turn, &granted) {
            return self.fail(turn, "server_not_proven");
        }
        if granted.halls.is_empty() {
            return self.on_busy(turn, ServerKind::Login, BUSY_WAIT_MS);
        }
        self.time_step(turn, Step::Login);
        self.busies = 0;
        self.account = granted.identity.account;
        self.ticket = granted.ticket.into_vec();
        self.session_key = granted.session_key.into_vec().try_into().unwrap_or_default();
        self.halls = granted.halls.iter().take(HALLS_KEPT_MAX).filter_map(|hall| turn.number(hall)).collect();
        self.visit(turn, ServerKind::Hall);
    }

    pub(crate) fn on_login_denied<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: LogInDenial) {
        let reason = match reason {
            LogInDenial::WrongCredentials => "wrong_credentials",
            LogInDenial::NoGuests => "no_guests",
            LogInDenial::NoSuchWorld => "no_such_world",
            LogInDenial::Malformed => "malformed_credentials",
            LogInDenial::Disabled => "account_disabled",
            LogInDenial::TryLater { retry_after_ms } => {
                return self.on_busy(turn, ServerKind::Login, retry_after_ms);
            }
        };
        self.fail(turn, reason);
    }

    pub(crate) fn on_renewed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, renewed: Renewed) {
        if let Some(ticket) = renewed.ticket {
            self.ticket = ticket.into_vec();
        }
        self.refresh_s = renewed.directory_refresh_s;
        let game = self.game(turn);
        let kept = renewed.seats.iter().find(|seat| seat.game == game);
        self.kept =
            kept.and_then(|seat| Some(Place { address: turn.number(&seat.address)?, room: seat.room }));
    }

    pub(crate) fn on_directory<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, directory: &Directory) {
        self.time_step(turn, Step::Hall);
        let kept = self.kept.filter(|kept| self.avoid != Some(kept.address));
        match kept.or_else(|| self.choose(turn, directory)) {
            Some(place) => {
                self.place = Some(place);
                self.dial_room(turn);
            }
            None => self.return_to_hall(turn, "no_room"),
        }
    }

    fn choose<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, directory: &Directory) -> Option<Place> {
        let game = self.game(turn);
        let Shared { addresses, dice, .. } = &mut *turn.shared;
        let silent = self.avoid.map(|address| addresses.text(address));
        let left = self.tired_of().map(|place| (addresses.text(place.address), place.room));
        let avoid =
            |room: &RoomEntry| Some(&room.address) == silent || Some((&room.address, room.room)) == left;
        let room = directory::choose(&directory.rooms, game, avoid, dice)?;
        Some(Place { address: turn.number(&room.address)?, room: room.room })
    }

    pub(crate) fn on_entered<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, entered: &Entered) {
        let Some(place) = self.place.as_mut() else { return };
        place.room = entered.room;
        let place = *place;
        self.time_step(turn, Step::Enter);
        self.course.population = entered.population;
        match &mut self.stay {
            // A room that has said less than was heard there has begun anew: its server has.
            Some((stayed, stay))
                if *stayed == place && entered.seat.is_some() && entered.seq >= stay.last() =>
            {
                stay.go_on(entered.seq);
            }
            _ => {
                self.settle_stay(turn, None);
                self.stay = Some((place, Stay::new(entered.seq)));
                // A seat that another login of the account had there has hands of its own.
                (self.course.since_hand, self.course.last_hand) = (None, None);
            }
        }
        if let (Some(conn), true) = (self.conn, self.plan(&turn.shared.config).looks) {
            turn.send(conn, WhoIsHere {});
        }
        match entered.seat {
            Some(seat) => self.on_seated(turn, seat),
            None => self.sit(turn, None),
        }
    }

    pub(crate) fn on_enter_denied<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: EnterDenial) {
        match reason {
            EnterDenial::Full(others) => self.on_full(turn, others),
            EnterDenial::Elsewhere { address, room } => match turn.number(&address) {
                Some(address) => self.on_elsewhere(turn, Place { address, room }),
                None => self.return_to_hall(turn, "elsewhere"),
            },
            EnterDenial::NoSuchRoom => self.return_to_hall(turn, "no_such_room"),
            EnterDenial::Draining => self.avoid_server(turn),
            EnterDenial::Busy => self.on_busy(turn, ServerKind::Room, BUSY_WAIT_MS),
            EnterDenial::Superseded => self.fail(turn, CloseReason::Evicted.as_str()),
            EnterDenial::AlreadyInside => self.fail(turn, "already_inside"),
        }
    }

    /// Tries the rooms that the full one's server named, one after the other on the same connection.
    fn on_full<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, others: Vec<RoomNo>) {
        if self.full_rooms == 0 {
            self.others = others;
        }
        self.full_rooms = self.full_rooms.saturating_add(1);
        if self.others.is_empty() {
            return self.return_to_hall(turn, "rooms_full");
        }
        let at = turn.shared.dice.below(self.others.len() as u64) as usize;
        let room = self.others.swap_remove(at);
        if let Some(place) = self.place.as_mut() {
            place.room = room;
        }
        self.enter(turn);
    }

    /// Presence says this session is in that room: there, unless its server is the one that went silent. Where
    /// it has stayed before it is tried again all the same, for no other room lets it in.
    fn on_elsewhere<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, place: Place) {
        let here = self.place.is_some_and(|here| here.address == place.address);
        self.returns += 1;
        if self.stay.as_ref().is_some_and(|(stayed, _)| *stayed == place) {
            self.avoid = None;
        }
        if self.returns > RETURNS_MAX || self.avoid == Some(place.address) {
            return self.return_to_hall(turn, "elsewhere");
        }
        self.place = Some(place);
        if here { self.enter(turn) } else { self.dial_room(turn) }
    }

    /// Asks for a seat at this table, or at any.
    pub(crate) fn sit<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, table: Option<TableNo>) {
        let Some(conn) = self.conn else { return };
        self.phase = Phase::Sitting;
        turn.alarm_overdue(Alarm::Journey);
        (self.course.since_hand, self.course.last_hand) = (None, None);
        turn.send(conn, Sit { table, seat: None });
    }

    pub(crate) fn on_seated<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, seat: SeatNo) {
        self.phase = Phase::Playing;
        self.seat = Some(seat);
        (self.busies, self.returns, self.tries, self.avoid, self.logged_in_again) = (0, 0, 0, None, false);
        turn.clear(Alarm::Journey);
        if core::mem::take(&mut self.cut_off) {
            turn.ledger().reconnected();
        }
        self.on_first_seat(turn);
        self.settle_down(turn, seat);
        self.take_play_up(turn);
        if self.going {
            self.stand(turn);
        }
    }

    fn on_first_seat<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if core::mem::replace(&mut self.seated_once, true) {
            return;
        }
        self.time_step(turn, Step::Sit);
        let journey = turn.now - turn.shared.config.scheduled(turn.index);
        let (index, now) = (turn.index, turn.now);
        turn.ledger().journey(journey);
        turn.ledger().seated(index, now);
        turn.shared.settled += 1;
        plan_drop(turn);
    }
}

/// Where a server names no wait of its own.
const BUSY_WAIT_MS: u32 = 500;

/// The reason of a failure where nobody answered.
pub(crate) fn unreachable(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Login => "login_unreachable",
        ServerKind::Hall => "hall_unreachable",
        ServerKind::Room | ServerKind::Manager | ServerKind::Gateway => "room_unreachable",
    }
}
