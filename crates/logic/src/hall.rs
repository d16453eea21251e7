//! The hall server: hands out the room directory and a renewed ticket.
//!
//! Why: before a player takes a long connection anywhere, somebody shows where there is room.
//! A visit: `GetDirectory` in; the manager is asked where this player still has a seat, the world to seal
//! the ticket anew; `Renewed`, then the shared `Directory` out; closed.
//! Owns: the visits and the directory. Does not own tickets: whoever knocks as a player holds a good one.
//! Invariants: a visitor gets one answer, and gets it without a manager too: rooms known are still offered
//! while the link is down, seats kept are then not named.
//! Limits: those of [`crate::front`] and of the directory; a question to the manager waits `locate_timeout`.
//! Read next: `hall/directory.rs`, then `room`.

mod directory;

use crate::front::{ArbitrationConfig, Caller, Front};
use crate::pending::Pending;
use alloc::vec::Vec;
use core::time::Duration;
use directory::Directory;
pub use directory::TOTALS_MAX;
use usher_proto::NodeConfig;
use usher_proto::limits::DIRECTORY_ROOMS_MAX;
use usher_proto::machine::{Answer, Peer, Question};
use usher_proto::message::{CloseReason, Closing, GetDirectory, Locate, Message, Renewed, SeatKept};
use usher_proto::{ConnId, Figures, GameId, Identity, Input, Machine, Outbox, Output, ServerKind, Time};
use usher_steady::SteadyMap;

/// What a hall server is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HallConfig {
    /// The server itself.
    pub node: NodeConfig,
    /// Knocks that wait for the manager.
    pub arbitration: ArbitrationConfig,
    /// Rooms in one answer, at most [`DIRECTORY_ROOMS_MAX`].
    pub directory_rooms_max: u32,
    /// How long an answer is given before it is made anew.
    pub directory_interval: Duration,
    /// When clients come back for a fresh directory; each one is told a value up to a tenth off.
    pub directory_refresh: Duration,
    /// How long the manager is given to say where a player still has a seat.
    pub locate_timeout: Duration,
    /// Room servers known; rooms of one more are not offered.
    pub servers_max: u32,
    /// Rooms known in all; a server whose rooms would be over it keeps those it said before.
    pub rooms_max: u32,
}

impl Default for HallConfig {
    fn default() -> Self {
        Self {
            node: NodeConfig::new(ServerKind::Hall),
            arbitration: ArbitrationConfig::default(),
            directory_rooms_max: DIRECTORY_ROOMS_MAX as u32,
            directory_interval: Duration::from_secs(1),
            directory_refresh: Duration::from_secs(30 * 60),
            locate_timeout: Duration::from_secs(1),
            servers_max: 1_000,
            rooms_max: 100_000,
        }
    }
}

#[derive(Debug)]
struct Visit {
    who: Identity,
    stage: Stage,
}

/// How far a visit is.
#[derive(Debug)]
enum Stage {
    /// Let in, not yet up.
    Admitted,
    /// Up; `GetDirectory` is expected.
    Expected,
    /// Waiting for what is still absent here.
    Gathering(Gathering),
    /// Answered and closed; gone when the transport says so.
    Leaving,
}

#[derive(Debug)]
struct Gathering {
    game: Option<GameId>,
    renewal: Renewal,
    seats: Option<Vec<SeatKept>>,
}

/// What the world has said about a visitor's ticket.
#[derive(Debug)]
enum Renewal {
    Asked,
    /// Sealed anew, unless the session is over.
    Answered(Option<Vec<u8>>),
}

/// The hall machine.
#[derive(Debug)]
pub struct Hall {
    front: Front,
    directory: Directory,
    refresh: Duration,
    visits: SteadyMap<ConnId, Visit>,
    located: Pending,
    answered: u64,
    locate_timeouts: u64,
    unexpected: u64,
}

impl Hall {
    /// A hall that knows no room yet.
    pub fn new(mut config: HallConfig, seed: u64) -> Self {
        config.directory_rooms_max = config.directory_rooms_max.min(DIRECTORY_ROOMS_MAX as u32);
        Self {
            directory: Directory::new(&config),
            front: Front::new(config.node, config.arbitration, seed),
            refresh: config.directory_refresh,
            visits: SteadyMap::new(seed),
            located: Pending::new(config.locate_timeout, seed),
            answered: 0,
            locate_timeouts: 0,
            unexpected: 0,
        }
    }

    fn serving(&self) -> u32 {
        self.visits.len() as u32
    }

    fn knock(&mut self, now: Time, peer: &Peer, mut caller: Caller, out: &mut Outbox<()>) {
        let (conn, serving) = (caller.conn, self.serving());
        let refusal = match *peer {
            Peer::Player(who) if self.front.uplink.is_over(&who) => CloseReason::Evicted,
            Peer::Player(who) if who.world == self.front.node().world => {
                caller.session = Some(who.session);
                if self.front.knock(now, &caller, serving, out) {
                    self.visits.insert(conn, Visit { who, stage: Stage::Admitted });
                }
                return;
            }
            Peer::Player(_) => CloseReason::WrongWorld,
            Peer::Stranger => CloseReason::NoTicket,
            Peer::Server(_) => CloseReason::WrongRole,
        };
        out.push(Output::Refuse(conn, Closing { reason: refusal }.into()));
    }

    fn connected(&mut self, conn: ConnId) {
        if let Some(visit) = self.visits.get_mut(&conn) {
            visit.stage = Stage::Expected;
        }
    }

    fn heard(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        if self.front.uplink.is_link(conn) {
            return self.heard_from_manager(now, conn, message, out);
        }
        match (self.visits.get(&conn).map(|it| &it.stage), message) {
            (None | Some(Stage::Leaving), _) => {}
            (Some(Stage::Expected), Message::GetDirectory(wanted)) => self.gather(now, conn, &wanted, out),
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    fn heard_from_manager(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        match message {
            Message::Arbitrated(answer) => self.front.arbitrated(answer, out),
            Message::Located(located) => {
                if let Some((conn, ())) = self.located.answered(located.request) {
                    self.learn(now, conn, |it| it.seats = Some(located.seats), out);
                }
            }
            Message::RoomsOf(said) => self.directory.replace(said),
            Message::RoomsGone(said) => self.directory.remove(&said.server),
            Message::RegisterDenied(_) => self.link_down(now, out),
            Message::DrainOrder(_) => self.front.drain(),
            Message::Revoked(said) => self.front.uplink.revoked(now, &said),
            // A hall never says where it is itself.
            Message::Registered(_) | Message::Placed(_) | Message::Closing(_) => {}
            _ => out.close(conn, CloseReason::Unexpected),
        }
    }

    fn gather(&mut self, now: Time, conn: ConnId, wanted: &GetDirectory, out: &mut Outbox<()>) {
        let Some(visit) = self.visits.get_mut(&conn) else { return };
        let mut gathering = Gathering { game: wanted.game, renewal: Renewal::Asked, seats: None };
        if self.front.uplink.is_up() {
            let request = self.front.uplink.next_request();
            self.located.insert(now, request, conn, ());
            self.front.uplink.send(Locate { request, identity: visit.who }, out);
        } else {
            gathering.seats = Some(Vec::new());
        }
        visit.stage = Stage::Gathering(gathering);
        // A visit asks once and connection numbers are not used again: the number of one is that of both.
        out.push(Output::Ask { id: conn.0, question: Question::RenewTicket { conn } });
    }

    /// Takes what has arrived for a visit, and answers it when that was the last.
    fn learn(&mut self, now: Time, conn: ConnId, news: impl FnOnce(&mut Gathering), out: &mut Outbox<()>) {
        let Some(Visit { stage: Stage::Gathering(gathering), .. }) = self.visits.get_mut(&conn) else {
            return;
        };
        news(gathering);
        let (Renewal::Answered(ticket), Some(seats)) = (&mut gathering.renewal, &mut gathering.seats) else {
            return;
        };
        let (ticket, seats) = (ticket.take().map(Into::into), core::mem::take(seats));
        let game = gathering.game;
        let refresh = self.front.jittered(self.refresh, 10);
        let directory_refresh_s = u32::try_from(refresh.as_secs()).unwrap_or(u32::MAX);
        out.send(conn, Renewed { ticket, directory_refresh_s, seats });
        out.push(Output::SendShared(conn, self.directory.answer(now, game)));
        self.answered += 1;
        self.close(conn, CloseReason::Finished, out);
    }

    fn link_up(&mut self, now: Time, conn: ConnId, out: &mut Outbox<()>) {
        self.locate_no_more(now, out);
        self.directory.link_up(now);
        self.front.link_up(now, conn, out);
    }

    fn link_down(&mut self, now: Time, out: &mut Outbox<()>) {
        self.front.link_down(out);
        self.directory.link_down();
        self.locate_no_more(now, out);
    }

    /// Nobody will say where these players have seats: they are answered without.
    fn locate_no_more(&mut self, now: Time, out: &mut Outbox<()>) {
        for conn in self.located.take_all() {
            self.learn(now, conn, |it| it.seats = Some(Vec::new()), out);
        }
    }

    fn disconnected(&mut self, now: Time, conn: ConnId, out: &mut Outbox<()>) {
        if self.front.uplink.is_link(conn) {
            return self.link_down(now, out);
        }
        self.visits.remove(&conn);
        self.located.forget(conn);
        self.front.disconnected(conn, out);
    }

    fn close(&mut self, conn: ConnId, reason: CloseReason, out: &mut Outbox<()>) {
        self.unexpected += u64::from(reason == CloseReason::Unexpected);
        self.located.forget(conn);
        if let Some(visit) = self.visits.get_mut(&conn) {
            visit.stage = Stage::Leaving;
        }
        out.close(conn, reason);
    }

    fn end_step(&mut self, now: Time, out: &mut Outbox<()>) {
        while let Some(conn) = self.located.pop_expired(now) {
            self.locate_timeouts += 1;
            self.learn(now, conn, |it| it.seats = Some(Vec::new()), out);
        }
        self.directory.forget_unconfirmed(now);
        self.front.end_step(now, self.serving(), out);
    }
}

impl Machine for Hall {
    type Note = ();

    fn handle(&mut self, now: Time, input: Input<()>, out: &mut Outbox<()>) {
        match input {
            Input::Knock { conn, peer, reservation, address } => {
                self.knock(now, &peer, Caller { conn, session: None, address, reservation }, out);
            }
            Input::Connected { conn, peer: _ } => self.connected(conn),
            Input::Message { conn, message } => self.heard(now, conn, message, out),
            Input::Disconnected { conn } => self.disconnected(now, conn, out),
            Input::LinkUp { conn } => self.link_up(now, conn, out),
            Input::LinkDown => self.link_down(now, out),
            Input::Answer { id, answer: Answer::Ticket(ticket) } => {
                self.learn(now, ConnId(id), |it| it.renewal = Renewal::Answered(ticket), out);
            }
            Input::Drain => self.front.drain(),
            Input::Answer { .. }
            | Input::Timeout
            | Input::DrainServer { .. }
            | Input::Revoke { .. }
            | Input::Announce { .. }
            | Input::Dialed { .. }
            | Input::DialFailed { .. }
            | Input::HandedOver { .. }
            | Input::Told { .. } => {}
        }
        self.end_step(now, out);
    }

    fn next_timeout(&self) -> Option<Time> {
        [self.front.next_timeout(), self.located.next_timeout(), self.directory.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn check_invariants(&self) {
        self.front.check_invariants(self.serving());
        self.located.check_invariants();
        self.directory.check_invariants();
        let gathering = |it: &&Visit| matches!(&it.stage, Stage::Gathering(it) if it.seats.is_none());
        assert_eq!(self.visits.values().filter(gathering).count(), self.located.len());
    }

    fn figures(&self, figures: &mut Figures) {
        self.front.figures(figures);
        let (servers, rooms) = (self.directory.servers() as u64, self.directory.rooms() as u64);
        figures.gauge("usher_serving", "Visitors being served.", self.serving().into());
        figures.counter("usher_directories_total", "Visitors who were given the directory.", self.answered);
        figures.counter(
            "usher_locate_timeouts_total",
            "Visitors who were given the directory before the manager had said where they sit.",
            self.locate_timeouts,
        );
        figures.counter("usher_unexpected_total", "Connections closed for what they said.", self.unexpected);
        figures.gauge("usher_directory_servers", "Room servers in the directory.", servers);
        figures.gauge("usher_directory_rooms", "Rooms in the directory.", rooms);
        figures.counter(
            "usher_directory_refused_total",
            "Reports of a server's rooms that did not fit the directory.",
            self.directory.refused(),
        );
    }
}

#[cfg(test)]
mod tests;
