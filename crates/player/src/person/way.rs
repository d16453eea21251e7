//! From one server to the next: addresses, redirects, busy servers, the proof of an account.
//!
//! Why: the rules of `journey.rs`, for somebody who does not fail as long as there is hope: whoever is logged in
//! goes on trying, with longer waits.
//! Invariants: an address list is tried from the top on each visit; a redirect is followed with its reservation,
//! and used up when its target does not answer.
//! Limits: `rules.rs`.
//! Read next: `room.rs`.

use super::room::EMPTIED;
use super::{News, Next, Person, Phase, Proof, Step, hang_up};
use crate::rules::{BUSY_MAX, NEXT_ADDRESS_WAIT, REDIRECTS_MAX};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::limits::HALLS_MAX;
use usher_proto::machine::{Answer, ClientProof, Exchange, Question};
use usher_proto::message::{
    CloseReason, Credentials, Directory, GetDirectory, ListWorlds, LogIn, LogInDenial, LogInProof, LoggedIn,
    Redirect, Renewed, WorldEntry,
};
use usher_proto::{Address, Message, Output, ServerKind, WorldId};

/// Before the halls are tried from the top again.
const HALLS_WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(4));
/// Where a server names no wait of its own.
pub(super) const BUSY_WAIT_MS: u32 = 500;

/// Getting to a server.
impl<F: FnMut(News)> Person<F> {
    /// A visit from the top of the list of addresses.
    pub(super) fn visit(&mut self, step: &mut Step<'_>, kind: ServerKind) {
        (self.list_at, self.tries) = (0, 0);
        self.try_listed(step, kind);
    }

    pub(super) fn try_listed(&mut self, step: &mut Step<'_>, kind: ServerKind) {
        let list = self.list(kind);
        match list.get(self.list_at % list.len().max(1)).cloned() {
            Some(address) => self.dial(step, kind, address, Vec::new()),
            None => self.finish(step, "there is no server to go to"),
        }
    }

    fn list(&self, kind: ServerKind) -> &[Address] {
        match kind {
            ServerKind::Login => &self.config.logins,
            ServerKind::Hall => &self.halls,
            ServerKind::Room | ServerKind::Manager | ServerKind::Gateway => &[],
        }
    }

    pub(super) fn dial(&mut self, step: &mut Step<'_>, kind: ServerKind, to: Address, reservation: Vec<u8>) {
        hang_up(step, &mut self.conn);
        self.phase = Phase::Dialing(kind);
        self.proof = Proof::None;
        self.attempt += 1;
        self.alarm = Some(step.now + self.config.step_timeout);
        (self.tell)(News::Dialing(kind));
        let hello = self.hello(kind, reservation);
        step.out.push(Output::Dial { token: self.attempt << 1, address: to, hello });
    }

    pub(super) fn wait(
        &mut self,
        step: &mut Step<'_>,
        range: (Duration, Duration),
        next: Next,
        why: &'static str,
    ) {
        hang_up(step, &mut self.conn);
        let wait = self.dice.within(range);
        self.phase = Phase::Waiting(next);
        self.alarm = Some(step.now + wait);
        (self.tell)(News::Waiting { why, wait });
    }

    /// What is said first, by the kind of server.
    pub(super) fn greet(&mut self, step: &mut Step<'_>, kind: ServerKind) {
        self.alarm = Some(step.now + self.config.step_timeout);
        match kind {
            ServerKind::Login if self.config.world.is_none() => {
                self.phase = Phase::Listing;
                self.send(step, ListWorlds {});
            }
            ServerKind::Login => {
                self.phase = Phase::LoggingIn;
                if self.config.has_account {
                    self.ask(step, Question::ClientFirst { account: 0 });
                } else {
                    self.say_who(step, Credentials::Guest);
                }
            }
            ServerKind::Hall => {
                self.phase = Phase::Browsing;
                self.kept.clear();
                self.send(step, GetDirectory { game: None });
            }
            ServerKind::Room | ServerKind::Manager | ServerKind::Gateway => self.enter(step),
        }
    }

    fn ask(&self, step: &mut Step<'_>, question: Question) {
        step.out.push(Output::Ask { id: self.attempt << 1, question });
    }

    fn say_who(&mut self, step: &mut Step<'_>, credentials: Credentials) {
        if let Some(world) = self.config.world {
            self.send(step, LogIn { world, credentials });
        }
    }
}

/// A server that says no, or nothing.
impl<F: FnMut(News)> Person<F> {
    pub(super) fn on_refusal(&mut self, step: &mut Step<'_>, kind: ServerKind, message: Message) {
        match message {
            Message::Redirect(redirect) => self.on_redirect(step, kind, redirect),
            Message::Busy(busy) => self.on_busy(step, kind, busy.retry_after_ms),
            Message::Closing(closing) => self.on_closing(step, kind, closing.reason),
            _ => self.finish(step, "the server speaks another version of the protocol"),
        }
    }

    fn on_redirect(&mut self, step: &mut Step<'_>, kind: ServerKind, redirect: Redirect) {
        if kind == ServerKind::Room {
            self.on_shown_out(step, redirect);
        } else if self.may_try_again(kind) {
            self.dial(step, kind, redirect.address, redirect.reservation.into_vec());
        } else {
            self.hopeless(step, kind);
        }
    }

    /// Counts a redirect or a miss of this visit; false when there were too many.
    pub(super) fn may_try_again(&mut self, kind: ServerKind) -> bool {
        self.tries += 1;
        self.tries <= usize::from(REDIRECTS_MAX) + self.list(kind).len()
    }

    /// No answer, or the connection broke before what was wanted came.
    pub(super) fn missed(&mut self, step: &mut Step<'_>, kind: ServerKind) {
        if kind == ServerKind::Room {
            return self.come_back_later(step);
        }
        if !self.may_try_again(kind) {
            return self.hopeless(step, kind);
        }
        self.list_at += 1;
        self.wait(step, NEXT_ADDRESS_WAIT, Next::Try(kind), "no answer");
    }

    /// None of the servers of this kind helps; who is logged in waits for better times.
    fn hopeless(&mut self, step: &mut Step<'_>, kind: ServerKind) {
        match kind {
            ServerKind::Login => self.finish(step, "no login server answers"),
            _ if self.away_since.is_some() => self.come_back_later(step),
            _ => self.wait(step, HALLS_WAIT, Next::Visit(ServerKind::Hall), "no hall answers"),
        }
    }

    pub(super) fn on_busy(&mut self, step: &mut Step<'_>, kind: ServerKind, retry_after_ms: u32) {
        self.busies += 1;
        if kind == ServerKind::Login && self.busies >= BUSY_MAX {
            return self.finish(step, "the servers are busy; try again later");
        }
        let after = Duration::from_millis(retry_after_ms.into());
        let next = if kind == ServerKind::Room { Next::Room } else { Next::Visit(kind) };
        self.wait(step, (after, after + after / 2), next, "busy");
    }

    fn on_closing(&mut self, step: &mut Step<'_>, kind: ServerKind, reason: CloseReason) {
        match reason {
            CloseReason::NoTicket | CloseReason::TicketExpired | CloseReason::TicketInvalid
                if !self.logged_in_again =>
            {
                self.logged_in_again = true;
                self.visit(step, ServerKind::Login);
            }
            // Before it is in, by somebody who only repeats its first frame and will not get further.
            CloseReason::Replaced if matches!(self.phase, Phase::Dialing(_) | Phase::Entering) => {
                hang_up(step, &mut self.conn);
                self.lost(step, reason.as_str());
            }
            CloseReason::Evicted | CloseReason::Replaced => {
                self.finish(step, "this account has logged in elsewhere, or was shown out");
            }
            CloseReason::HandshakeFailed if kind == ServerKind::Login => {
                if self.may_try_again(kind) {
                    return self.wait(step, NEXT_ADDRESS_WAIT, Next::Try(kind), "another login key");
                }
                self.finish(step, "the login server does not prove the login key; see --login-key");
            }
            CloseReason::WrongChannel => {
                self.finish(step, "one end speaks in clear and the other does not; see --login-key");
            }
            CloseReason::Draining | CloseReason::ServerStopping if kind == ServerKind::Room => {
                self.give_room_up(step, EMPTIED);
            }
            CloseReason::Finished
            | CloseReason::Idle
            | CloseReason::ConnectionsFull
            | CloseReason::PingTimeout
            | CloseReason::SlowConsumer
            | CloseReason::RateLimited
            | CloseReason::Draining
            | CloseReason::ServerStopping
            | CloseReason::Unreachable => {
                hang_up(step, &mut self.conn);
                self.lost(step, reason.as_str());
            }
            _ => self.finish(step, reason.as_str()),
        }
    }

    /// The connection is of no use any more: closed, or silent.
    pub(super) fn lost(&mut self, step: &mut Step<'_>, why: &'static str) {
        match self.phase {
            Phase::Leaving if self.going => self.finish(step, "left"),
            Phase::Leaving => self.on_left(step),
            Phase::Inside => {
                self.away_since = Some(step.now);
                self.comebacks = 0;
                self.end_refresh(step);
                (self.tell)(News::Lost(why));
                self.come_back_later(step);
            }
            _ => {
                if let Some(kind) = self.dealing_with() {
                    self.missed(step, kind);
                }
            }
        }
    }
}

/// At the login.
impl<F: FnMut(News)> Person<F> {
    /// One world is no choice; one that was chosen before is gone to, if it is there.
    pub(super) fn on_worlds(&mut self, step: &mut Step<'_>, worlds: Vec<WorldEntry>) {
        hang_up(step, &mut self.conn);
        self.busies = 0;
        self.worlds = worlds;
        let wanted = self.wanted_world.take();
        match (wanted, self.worlds.as_slice()) {
            (_, []) => self.finish(step, "there is no world to play in"),
            (Some(world), _) => self.choose_world(step, world),
            (None, [only]) => {
                let world = only.world;
                self.choose_world(step, world);
            }
            (None, several) => {
                let several = several.to_vec();
                self.phase = Phase::ChoosingWorld;
                self.alarm = None;
                (self.tell)(News::Worlds(several));
            }
        }
    }

    /// To the logins of that world. Nobody goes to another world but by choice, so it stays chosen.
    pub(super) fn choose_world(&mut self, step: &mut Step<'_>, world: WorldId) {
        let Some(entry) = self.worlds.iter().find(|entry| entry.world == world) else {
            return self.finish(step, "there is no such world");
        };
        if !entry.logins.is_empty() {
            self.config.logins.clone_from(&entry.logins);
        }
        self.config.world = Some(world);
        self.visit(step, ServerKind::Login);
    }

    pub(super) fn on_answer(&mut self, step: &mut Step<'_>, answer: Answer) {
        if self.phase != Phase::LoggingIn {
            return;
        }
        match answer {
            Answer::ClientFirst(Some(client_first)) => {
                self.proof = Proof::First(client_first.clone());
                self.say_who(step, Credentials::Scram { client_first });
            }
            Answer::ClientFinal(Some(ClientProof { client_final, server_final })) => {
                self.proof = Proof::Final(server_final);
                self.send(step, LogInProof { client_final });
            }
            _ => self.finish(step, "the login server asked for a proof that cannot be given"),
        }
    }

    pub(super) fn on_challenge(&mut self, step: &mut Step<'_>, server_first: String) {
        match core::mem::take(&mut self.proof) {
            Proof::First(client_first) => {
                let exchange = Exchange { client_first, server_first };
                self.ask(step, Question::ClientFinal { account: 0, exchange });
            }
            _ => self.finish(step, "a server said something unexpected"),
        }
    }

    pub(super) fn on_logged_in(&mut self, step: &mut Step<'_>, granted: LoggedIn) {
        let is_proven = match core::mem::take(&mut self.proof) {
            Proof::Final(expected) => granted.server_final.as_deref() == Some(expected.as_str()),
            Proof::None | Proof::First(_) => !self.config.has_account,
        };
        if !is_proven {
            return self
                .finish(step, "the login server does not know the password: it is not who it should be");
        }
        if granted.halls.is_empty() {
            return self.on_busy(step, ServerKind::Login, BUSY_WAIT_MS);
        }
        self.busies = 0;
        self.ticket = granted.ticket.into_vec();
        self.session_key = granted.session_key.into_vec().try_into().unwrap_or_default();
        self.halls = granted.halls.iter().take(HALLS_MAX).cloned().collect();
        (self.tell)(News::LoggedIn(granted.identity.account));
        self.visit(step, ServerKind::Hall);
    }

    pub(super) fn on_login_denied(&mut self, step: &mut Step<'_>, reason: LogInDenial) {
        let why = match reason {
            LogInDenial::WrongCredentials => "wrong name or password",
            LogInDenial::NoGuests => "guests are not let in here; use --name",
            // The login is of another world; it knows whose logins let in to this one.
            LogInDenial::NoSuchWorld if self.worlds.is_empty() => {
                self.wanted_world = self.config.world.take();
                return self.visit(step, ServerKind::Login);
            }
            LogInDenial::NoSuchWorld => "there is no such world here",
            LogInDenial::Malformed => "that is no name or password",
            LogInDenial::Disabled => "this account is disabled",
            LogInDenial::TryLater { retry_after_ms } => {
                return self.on_busy(step, ServerKind::Login, retry_after_ms);
            }
        };
        self.finish(step, why);
    }
}

/// At the hall.
impl<F: FnMut(News)> Person<F> {
    pub(super) fn on_renewed(&mut self, step: &mut Step<'_>, renewed: Renewed) {
        if let Some(ticket) = renewed.ticket {
            self.ticket = ticket.into_vec();
        }
        self.refresh.every_s = renewed.directory_refresh_s;
        self.kept = renewed.seats;
        self.plan_refresh(step);
    }

    /// The visit is over. Who was on the way back to a room where a seat is kept goes there.
    pub(super) fn on_directory(&mut self, step: &mut Step<'_>, directory: Directory) {
        hang_up(step, &mut self.conn);
        (self.busies, self.logged_in_again) = (0, false);
        self.phase = Phase::Choosing;
        self.alarm = None;
        let kept = self.kept_where_it_was();
        if kept.is_none() && self.away_since.is_some() {
            return self.come_back_later(step); // its server may be silent to all, and come back with the seat
        }
        (self.tell)(News::Rooms { directory, kept: self.kept.clone() });
        match kept {
            Some(place) => self.set_out_for(step, place),
            None if self.place.is_some() => {
                self.forget_room();
                (self.tell)(News::Denied("the seat was not kept"));
            }
            None => {}
        }
    }
}
