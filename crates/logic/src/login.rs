//! The login server: somebody unknown becomes somebody known, and is shown to a hall.
//!
//! Why: the one visit that needs accounts, kept short, so that any number of these stand side by side.
//! A visit: `LogIn` in; the world is asked to check it; `LoggedIn` or `LogInDenied` out; closed.
//! Owns: the visits, the order of halls to try. Does not own accounts, keys or clocks: the world answers
//! [`Question::LogIn`]. The wait for a visitor's first message is the transport's deadline.
//! Invariants: a visitor gets one answer; a second message is a reason to close; while no hall is known, nobody
//! is let in.
//! Limits: those of [`crate::front`]; names and passwords by `usher_proto::limits`.
//! Read next: [`crate::front`], then [`crate::hall`].

use crate::front::{ArbitrationConfig, Caller, Front};
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::NodeConfig;
use usher_proto::limits::{HALLS_MAX, NAME_BYTES_MAX, PASSWORD_BYTES_MAX};
use usher_proto::machine::{Answer, Grant, Peer, Question};
use usher_proto::message::{
    CloseReason, Closing, Credentials, LogIn, LogInDenial, LogInDenied, LoggedIn, Message,
};
use usher_proto::{Address, ConnId, Input, Machine, Outbox, Output, ServerKind, Time};

/// What a login server is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginConfig {
    /// The server itself.
    pub node: NodeConfig,
    /// Knocks that wait for the manager.
    pub arbitration: ArbitrationConfig,
    /// Halls to name while the manager has not said which are up: the first [`HALLS_MAX`] count. Without any,
    /// clients are told Busy until it has.
    pub halls: Vec<Address>,
}

impl Default for LoginConfig {
    fn default() -> Self {
        let node = NodeConfig::new(ServerKind::Login);
        Self { node, arbitration: ArbitrationConfig::default(), halls: Vec::new() }
    }
}

/// How far a visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// Let in, not yet up.
    Admitted,
    /// Up; `LogIn` is expected.
    Expected,
    /// The world checks the credentials.
    Checking,
    /// Answered and closed; gone when the transport says so.
    Leaving,
}

/// The login machine.
#[derive(Debug)]
pub struct Login {
    front: Front,
    configured_halls: Vec<Address>,
    /// What the manager said last.
    halls: Vec<Address>,
    visits: HashMap<ConnId, Visit, FixedState>,
    logged_in: u64,
    denied: u64,
    unexpected: u64,
}

impl Login {
    /// A login server nobody has visited yet.
    pub fn new(config: LoginConfig, seed: u64) -> Self {
        let LoginConfig { node, arbitration, mut halls } = config;
        halls.truncate(HALLS_MAX);
        Self {
            front: Front::new(node, arbitration, seed),
            configured_halls: halls,
            halls: Vec::new(),
            visits: HashMap::with_hasher(FixedState::with_seed(seed)),
            logged_in: 0,
            denied: 0,
            unexpected: 0,
        }
    }

    fn serving(&self) -> u32 {
        self.visits.len() as u32
    }

    fn knock(&mut self, now: Time, peer: &Peer, caller: &Caller, out: &mut Outbox<()>) {
        let (conn, serving) = (caller.conn, self.serving());
        if *peer != Peer::Stranger {
            out.push(Output::Refuse(conn, Closing { reason: CloseReason::WrongRole }.into()));
        } else if self.known_halls().is_empty() {
            self.front.knock_without_halls(conn, out);
        } else if self.front.knock(now, caller, serving, out) {
            self.visits.insert(conn, Visit::Admitted);
        }
    }

    /// The manager's list, else the config's.
    fn known_halls(&self) -> &[Address] {
        if self.halls.is_empty() { &self.configured_halls } else { &self.halls }
    }

    fn connected(&mut self, conn: ConnId) {
        if let Some(visit) = self.visits.get_mut(&conn) {
            *visit = Visit::Expected;
        }
    }

    fn heard(&mut self, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        if self.front.uplink.is_link(conn) {
            return self.heard_from_manager(conn, message, out);
        }
        match (self.visits.get(&conn), message) {
            (None | Some(Visit::Leaving), _) => {}
            (Some(Visit::Expected), Message::LogIn(log_in)) => self.log_in(conn, log_in, out),
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    fn heard_from_manager(&mut self, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        match message {
            Message::Arbitrated(answer) => self.front.arbitrated(answer, out),
            Message::Halls(halls) => {
                self.halls = halls.addresses;
                self.halls.truncate(HALLS_MAX);
            }
            Message::RegisterDenied(_) => self.front.link_down(out),
            Message::DrainOrder(_) => self.front.drain(),
            Message::Registered(_) | Message::Closing(_) => {}
            _ => out.close(conn, CloseReason::Unexpected),
        }
    }

    fn log_in(&mut self, conn: ConnId, log_in: LogIn, out: &mut Outbox<()>) {
        let LogIn { world, credentials } = log_in;
        if world != self.front.node().world {
            self.deny(conn, LogInDenial::NoSuchWorld, out);
        } else if !is_well_formed(&credentials) {
            self.deny(conn, LogInDenial::Malformed, out);
        } else {
            self.visits.insert(conn, Visit::Checking);
            // A visit asks once and connection numbers are not used again: the number of one is that of both.
            out.push(Output::Ask { id: conn.0, question: Question::LogIn { world, credentials } });
        }
    }

    fn answered(&mut self, conn: ConnId, answer: Answer, out: &mut Outbox<()>) {
        if self.visits.get(&conn) != Some(&Visit::Checking) {
            return;
        }
        match answer {
            Answer::LogIn(Ok(grant)) => self.grant(conn, grant, out),
            Answer::LogIn(Err(reason)) => self.deny(conn, reason, out),
            Answer::Ticket(_) | Answer::Reservation(_) => {}
        }
    }

    fn grant(&mut self, conn: ConnId, grant: Grant, out: &mut Outbox<()>) {
        self.logged_in += 1;
        let Grant { identity, session_key, ticket, ticket_ttl } = grant;
        let logged_in = LoggedIn {
            identity,
            session_key: session_key.into(),
            ticket: ticket.into(),
            ticket_ttl_s: u32::try_from(ticket_ttl.as_secs()).unwrap_or(u32::MAX),
            halls: self.known_halls().to_vec(),
        };
        out.send(conn, logged_in);
        self.close(conn, CloseReason::Finished, out);
    }

    fn deny(&mut self, conn: ConnId, reason: LogInDenial, out: &mut Outbox<()>) {
        self.denied += 1;
        out.send(conn, LogInDenied { reason });
        self.close(conn, CloseReason::Finished, out);
    }

    fn close(&mut self, conn: ConnId, reason: CloseReason, out: &mut Outbox<()>) {
        self.unexpected += u64::from(reason == CloseReason::Unexpected);
        self.visits.insert(conn, Visit::Leaving);
        out.close(conn, reason);
    }
}

impl Machine for Login {
    type Note = ();

    fn handle(&mut self, now: Time, input: Input<()>, out: &mut Outbox<()>) {
        match input {
            Input::Knock { conn, peer, reservation, address } => {
                self.knock(now, &peer, &Caller { conn, session: None, address, reservation }, out);
            }
            Input::Connected { conn, peer: _ } => self.connected(conn),
            Input::Message { conn, message } => self.heard(conn, message, out),
            Input::Disconnected { conn } => {
                self.visits.remove(&conn);
                self.front.disconnected(conn, out);
            }
            Input::LinkUp { conn } => self.front.link_up(now, conn, out),
            Input::LinkDown => self.front.link_down(out),
            Input::Answer { id, answer } => self.answered(ConnId(id), answer, out),
            Input::Drain => self.front.drain(),
            Input::Timeout
            | Input::Dialed { .. }
            | Input::DialFailed { .. }
            | Input::HandedOver { .. }
            | Input::Told { .. } => {}
        }
        self.front.end_step(now, self.serving(), out);
    }

    fn next_timeout(&self) -> Option<Time> {
        self.front.next_timeout()
    }

    fn check_invariants(&self) {
        self.front.check_invariants(self.serving());
        assert!(self.halls.len() <= HALLS_MAX && self.configured_halls.len() <= HALLS_MAX);
    }

    fn figures(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        self.front.figures(visit);
        visit("usher_serving", u64::from(self.serving()));
        visit("usher_logins_total{result=\"granted\"}", self.logged_in);
        visit("usher_logins_total{result=\"denied\"}", self.denied);
        visit("usher_unexpected_total", self.unexpected);
    }
}

fn is_well_formed(credentials: &Credentials) -> bool {
    match credentials {
        Credentials::Guest => true,
        Credentials::Named { name, password } => {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && (1..=PASSWORD_BYTES_MAX).contains(&password.len())
        }
    }
}

#[cfg(test)]
mod tests;
