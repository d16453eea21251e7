//! A person's client as a pure machine: it goes where its person wishes, and tells what happens.
//!
//! Why: a person decides what a simulated player leaves to dice (the room, the seat, the move); how to follow a
//! redirect, wait for a busy server and come back after a lost connection is the same for both.
//! Owns: the way from the login to the hall, into a room and back, for one player; its ticket.
//! Does not own: the table and what a move is (whoever shows them follows [`News::Heard`]); the password (asked of
//! the world, as `proof.rs` does).
//! Invariants: one connection for the way and one for a refresh; after [`News::Ended`] there is none. Whatever a wish
//! is, at any time, it is done or answered with [`News::NotNow`].
//! Limits: `rules.rs`; a seat that was lost is tried for [`AWAY_MAX`], now and then where the hall says that it is; then the
//! hall is shown.
//! Read next: `person/way.rs`, `person/room.rs`, `person/refresh.rs`.

mod refresh;
mod room;
#[cfg(test)]
mod tests;
mod way;

use self::refresh::Refresh;
use crate::dice::Dice;
use crate::turn::role_of;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::machine::{DialFailure, Hello};
use usher_proto::message::{CloseReason, Directory, Entered, Leave, SeatKept, WorldEntry};
use usher_proto::{
    AccountId, Address, ConnId, GameId, Input, Machine, Message, Outbox, Output, RoomNo, ServerKind, Time,
    WorldId,
};

/// How long a lost room is tried before the hall is asked again; as long as a room keeps a seat by default.
pub const AWAY_MAX: Duration = Duration::from_secs(60);
/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Who the person is and where the way begins.
#[derive(Clone, Debug)]
pub struct PersonConfig {
    /// Login servers, in the order they are tried.
    pub logins: Vec<Address>,
    /// Whether to prove an account (number 0 of the world's list); a guest otherwise.
    pub has_account: bool,
    /// The world chosen; without one the person is asked, if there are several.
    pub world: Option<WorldId>,
    /// Nobody answers for so long: the server counts as silent.
    pub step_timeout: Duration,
    /// The jitter of waits comes from here.
    pub seed: u64,
}

/// What a person may wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Into this world, of those that were shown.
    Choose(WorldId),
    /// A fresh list of rooms, while in none.
    Browse,
    /// Into this room.
    Enter(Place),
    /// Say this to the room: a chat, [`usher_proto::message::Sit`], an action.
    Say(Message),
    /// Out of the room, and back to the list.
    Leave,
}

/// A room, by its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its server is.
    pub address: Address,
    /// Its number there.
    pub room: RoomNo,
    /// What is played in it.
    pub game: GameId,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A server of this kind is dialled.
    Dialing(ServerKind),
    /// Another try after this, because of that.
    Waiting {
        /// Why.
        why: &'static str,
        /// How long.
        wait: Duration,
    },
    /// The worlds there are, to choose one of.
    Worlds(Vec<WorldEntry>),
    /// The person is this account now.
    LoggedIn(AccountId),
    /// The rooms there are.
    Rooms {
        /// As the hall shows them.
        directory: Directory,
        /// Where a seat is kept.
        kept: Vec<SeatKept>,
    },
    /// Inside a room.
    Entered {
        /// Which.
        place: Place,
        /// What its server said.
        entered: Entered,
        /// The same room as before a lost connection, and how long that was away.
        away: Option<Duration>,
    },
    /// The room could not be entered.
    Denied(&'static str),
    /// The room, or somebody in it, said this.
    Heard(Message),
    /// The room's connection is gone; it is tried again.
    Lost(&'static str),
    /// Out of the room, as wished.
    Left,
    /// What was wished cannot be done now.
    NotNow,
    /// It is over, for this reason.
    Ended(&'static str),
}

/// Where on the way a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Waiting(Next),
    Dialing(ServerKind),
    /// Asking which worlds there are.
    Listing,
    /// Between worlds; no connection is held.
    ChoosingWorld,
    LoggingIn,
    Browsing,
    /// In the hall's list; no connection is held.
    Choosing,
    Entering,
    Inside,
    Leaving,
    Done,
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A visit from the top of the list.
    Visit(ServerKind),
    /// The address of the list that the visit has come to.
    Try(ServerKind),
    /// The room, again.
    Room,
}

/// What was said last in a proof.
#[derive(Debug, Default)]
enum Proof {
    #[default]
    None,
    First(String),
    Final(String),
}

/// One person's client; drive it as any [`Machine`]. `tell` hears what happens, in order.
pub struct Person<F> {
    config: PersonConfig,
    tell: F,
    dice: Dice,
    phase: Phase,
    /// When the answer is overdue, or the wait over.
    alarm: Option<Time>,
    conn: Option<ConnId>,
    attempt: u64,
    /// How far down the list of addresses this visit has come, and its redirects and misses.
    list_at: usize,
    tries: usize,
    /// Busy answers in a row; visits of halls in a row to which no hall answered.
    busies: u8,
    logged_in_again: bool,
    /// The worlds it chooses from.
    worlds: Vec<WorldEntry>,
    /// The world that a login of another one is asked about.
    wanted_world: Option<WorldId>,
    proof: Proof,
    ticket: Vec<u8>,
    session_key: [u8; 32],
    halls: Vec<Address>,
    kept: Vec<SeatKept>,
    /// The room it goes to, or is in.
    place: Option<Place>,
    /// The last chat seen there.
    last_seq: Option<u64>,
    /// The last hand at its table that it knows is over; the one before the first that it saw, until then.
    last_hand: Option<u64>,
    /// Since when its connection is gone, and how often it was tried since.
    away_since: Option<Time>,
    comebacks: u32,
    /// How often it was sent on to another room since it was in one.
    returns: u8,
    refresh: Refresh,
    going: bool,
}

/// One step: the time, and where its effects go.
struct Step<'a> {
    now: Time,
    out: &'a mut Outbox<Wish>,
}

impl<F: FnMut(News)> Person<F> {
    /// A person who has yet to set out.
    pub fn new(config: PersonConfig, tell: F) -> Self {
        Self {
            dice: Dice::new(config.seed),
            config,
            tell,
            phase: Phase::Away,
            alarm: Some(Time::default()),
            conn: None,
            attempt: 0,
            list_at: 0,
            tries: 0,
            busies: 0,
            logged_in_again: false,
            worlds: Vec::new(),
            wanted_world: None,
            proof: Proof::None,
            ticket: Vec::new(),
            session_key: [0; 32],
            halls: Vec::new(),
            kept: Vec::new(),
            place: None,
            last_seq: None,
            last_hand: None,
            away_since: None,
            comebacks: 0,
            returns: 0,
            refresh: Refresh::default(),
            going: false,
        }
    }

    fn on_wish(&mut self, step: &mut Step<'_>, wish: Wish) {
        match (self.phase, wish) {
            (Phase::ChoosingWorld, Wish::Choose(world)) => self.choose_world(step, world),
            (Phase::Choosing, Wish::Browse) => self.visit(step, ServerKind::Hall),
            (Phase::Choosing, Wish::Enter(place)) => self.set_out_for(step, place),
            (Phase::Inside, Wish::Say(message)) => self.send(step, message),
            (Phase::Inside, Wish::Leave) => self.leave(step),
            // On the way back to a room: the list, instead.
            (phase, Wish::Leave) if self.is_on_the_way_back(phase) => {
                self.forget_room();
                self.visit(step, ServerKind::Hall);
            }
            _ => (self.tell)(News::NotNow),
        }
    }

    /// Or on the way to a room for the first time.
    fn is_on_the_way_back(&self, phase: Phase) -> bool {
        match phase {
            Phase::Waiting(Next::Room) | Phase::Dialing(ServerKind::Room) | Phase::Entering => true,
            Phase::Waiting(_) | Phase::Dialing(_) | Phase::Browsing => self.away_since.is_some(),
            _ => false,
        }
    }

    fn on_timeout(&mut self, step: &mut Step<'_>) {
        if self.alarm.is_some_and(|at| at <= step.now) {
            self.alarm = None;
            match self.phase {
                Phase::Away => self.visit(step, ServerKind::Login),
                Phase::Waiting(Next::Visit(kind)) => self.visit(step, kind),
                Phase::Waiting(Next::Try(kind)) => self.try_listed(step, kind),
                Phase::Waiting(Next::Room) => self.dial_room(step),
                Phase::Leaving if self.going => self.finish(step, "left"),
                _ => self.lost(step, "no answer"),
            }
        }
        self.on_refresh_timeout(step);
    }

    fn on_message(&mut self, step: &mut Step<'_>, message: Message) {
        match (self.phase, message) {
            (_, Message::Ping(_) | Message::Pong(_)) => {}
            (_, message) if message.is_refusal() => {
                if let Some(kind) = self.dealing_with() {
                    self.on_refusal(step, kind, message);
                }
            }
            (Phase::Listing, Message::Worlds(worlds)) => self.on_worlds(step, worlds.worlds),
            (Phase::LoggingIn, Message::LoggedIn(granted)) => self.on_logged_in(step, granted),
            (Phase::LoggingIn, Message::LogInChallenge(challenge)) => {
                self.on_challenge(step, challenge.server_first);
            }
            (Phase::LoggingIn, Message::LogInDenied(denied)) => self.on_login_denied(step, denied.reason),
            (Phase::Browsing, Message::Renewed(renewed)) => self.on_renewed(step, renewed),
            (Phase::Browsing, Message::Directory(directory)) => self.on_directory(step, directory),
            (Phase::Entering, Message::Entered(entered)) => self.on_entered(step, entered),
            (Phase::Entering, Message::EnterDenied(denied)) => self.on_enter_denied(step, denied.reason),
            (Phase::Leaving, Message::Left(_)) => self.on_left(step),
            (Phase::Inside | Phase::Leaving, message) => self.hear(message),
            _ => self.finish(step, "a server said something unexpected"),
        }
    }

    /// The kind of server it deals with now.
    fn dealing_with(&self) -> Option<ServerKind> {
        match self.phase {
            Phase::Dialing(kind) => Some(kind),
            Phase::Listing | Phase::LoggingIn => Some(ServerKind::Login),
            Phase::Browsing => Some(ServerKind::Hall),
            Phase::Entering | Phase::Inside | Phase::Leaving => Some(ServerKind::Room),
            Phase::Away | Phase::Waiting(_) | Phase::ChoosingWorld | Phase::Choosing | Phase::Done => None,
        }
    }

    /// Goodbye: out of the room, so that nobody waits for the seat, then the end.
    fn go_home(&mut self, step: &mut Step<'_>) {
        self.going = true;
        match self.phase {
            Phase::Inside => {
                self.leave(step);
                self.alarm = Some(step.now + GOODBYE_MAX);
            }
            Phase::Leaving => self.alarm = Some(step.now + GOODBYE_MAX),
            _ => self.finish(step, "left"),
        }
    }

    fn leave(&mut self, step: &mut Step<'_>) {
        self.phase = Phase::Leaving;
        self.alarm = Some(step.now + self.config.step_timeout);
        self.send(step, Leave {});
    }

    /// The end, good or bad.
    fn finish(&mut self, step: &mut Step<'_>, why: &'static str) {
        if self.phase == Phase::Done {
            return;
        }
        hang_up(step, &mut self.conn);
        self.end_refresh(step);
        self.phase = Phase::Done;
        self.alarm = None;
        (self.tell)(News::Ended(why));
        step.out.push(Output::Drained);
    }

    fn send(&mut self, step: &mut Step<'_>, message: impl Into<Message>) {
        if let Some(conn) = self.conn {
            step.out.send(conn, message);
        }
    }

    fn hello(&self, kind: ServerKind, reservation: Vec<u8>) -> Hello {
        let is_known = kind != ServerKind::Login;
        let ticket = if is_known { self.ticket.clone() } else { Vec::new() };
        let session_key = if is_known { self.session_key } else { [0; 32] };
        Hello { role: role_of(kind), ticket, reservation, session_key }
    }

    fn on_dialed(&mut self, step: &mut Step<'_>, token: u64, conn: ConnId) {
        if let Some(attempt) = Refresh::attempt_of(token) {
            return self.on_refresh_dialed(step, attempt, conn);
        }
        match self.phase {
            Phase::Dialing(kind) if token == self.attempt << 1 => {
                self.conn = Some(conn);
                self.greet(step, kind);
            }
            _ => step.out.close(conn, CloseReason::Finished),
        }
    }

    fn on_dial_failed(&mut self, step: &mut Step<'_>, token: u64, why: DialFailure) {
        if let Some(attempt) = Refresh::attempt_of(token) {
            return self.on_refresh_dial_failed(step, attempt, why);
        }
        match (self.phase, why) {
            (Phase::Dialing(kind), DialFailure::Refused(message)) if token == self.attempt << 1 => {
                self.on_refusal(step, kind, message);
            }
            (Phase::Dialing(kind), _) if token == self.attempt << 1 => self.missed(step, kind),
            _ => {}
        }
    }
}

/// Closes a connection and forgets it; what still comes on it is nobody's.
fn hang_up(step: &mut Step<'_>, conn: &mut Option<ConnId>) {
    if let Some(conn) = conn.take() {
        step.out.close(conn, CloseReason::Finished);
    }
}

impl<F: FnMut(News)> Machine for Person<F> {
    type Note = Wish;

    fn handle(&mut self, now: Time, input: Input<Wish>, out: &mut Outbox<Wish>) {
        let step = &mut Step { now, out };
        match input {
            Input::Timeout => self.on_timeout(step),
            Input::Told { note, .. } => self.on_wish(step, note),
            Input::Dialed { token, conn } => self.on_dialed(step, token, conn),
            Input::DialFailed { token, why } => self.on_dial_failed(step, token, why),
            Input::Message { conn, message } if self.conn == Some(conn) => self.on_message(step, message),
            Input::Message { conn, message } if self.refresh.conn == Some(conn) => {
                self.on_refresh_message(step, message);
            }
            Input::Disconnected { conn } if self.conn == Some(conn) => {
                self.conn = None;
                self.lost(step, "closed");
            }
            Input::Disconnected { conn } if self.refresh.conn == Some(conn) => {
                self.refresh.conn = None;
                self.refresh_missed(step);
            }
            Input::Answer { id, answer } if id == self.attempt << 1 => self.on_answer(step, answer),
            Input::Drain => self.go_home(step),
            _ => {} // what comes on connections it let go of; and it has no door, link or shards
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        self.alarm.into_iter().chain(self.refresh.alarm).min()
    }

    fn check_invariants(&self) {
        let holds = self.conn.is_some() || self.refresh.conn.is_some();
        assert!(self.phase != Phase::Done || !holds, "who is done holds no connection");
        assert!(self.phase != Phase::Inside || self.conn.is_some(), "who is inside has a connection");
        let chooses = matches!(self.phase, Phase::Choosing | Phase::ChoosingWorld);
        assert!(!chooses || self.conn.is_none(), "who chooses holds none");
    }
}
