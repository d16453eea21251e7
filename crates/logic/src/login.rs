//! The login server: somebody unknown becomes somebody known, and is shown to a hall.
//!
//! Why: the one visit that needs accounts, kept short, so that any number of these stand side by side.
//! A visit: `LogIn` in; the world makes a challenge; `LogInChallenge` out; `LogInProof` in; the world checks it;
//! `LoggedIn` or `LogInDenied` out; closed. A guest is let in, or not, at once. Or a question: `ListWorlds` in,
//! `Worlds` out; closed, so that nobody who cannot decide keeps a place.
//! A login server belongs to one world and lets in to that alone; it lists all, with the logins of each.
//! Owns: the visits, the order of halls to try, who has to wait after wrong passwords. Does not own accounts,
//! keys or clocks: the world answers what is asked. The wait for a visitor's first message is the transport's
//! deadline.
//! Invariants: a visitor gets one exchange and one answer; any other message is a reason to close; while no hall
//! is known, nobody is let in. A wait is looked at again when the proof is there: many exchanges opened at once
//! get no more guesses than one.
//! Limits: those of [`crate::front`] and [`crate::back_off`]; a proof comes within [`LoginConfig::proof_timeout`];
//! texts by `usher_proto::limits`.
//! Read next: [`crate::front`], [`crate::back_off`], then [`crate::hall`].

use crate::back_off::{BackOff, BackOffConfig, Holder};
use crate::front::{ArbitrationConfig, Caller, Front};
use crate::pending::Pending;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use usher_proto::limits::{HALLS_MAX, SCRAM_BYTES_MAX, WORLDS_MAX};
use usher_proto::machine::{Answer, Challenge, Exchange, Grant, Peer, Question};
use usher_proto::message::{
    CloseReason, Closing, Credentials, LogIn, LogInChallenge, LogInDenial, LogInDenied, LogInProof, LoggedIn,
    Message, WorldEntry, Worlds,
};
use usher_proto::{
    AccountId, Address, ConnId, Figures, Input, Machine, NodeConfig, Outbox, Output, ServerKind, Time,
    WorldId,
};
use usher_steady::SteadyMap;

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
    /// How wrong passwords are slowed down.
    pub back_off: BackOffConfig,
    /// For a client's proof, once it was asked for.
    pub proof_timeout: Duration,
}

impl Default for LoginConfig {
    fn default() -> Self {
        let node = NodeConfig::new(ServerKind::Login);
        Self {
            node,
            arbitration: ArbitrationConfig::default(),
            halls: Vec::new(),
            back_off: BackOffConfig::default(),
            proof_timeout: Duration::from_secs(5),
        }
    }
}

/// One visitor.
#[derive(Debug)]
struct Visit {
    /// Where from; none: limits by address do not hold.
    address: Option<IpAddr>,
    step: Step,
}

/// How far a visit is.
#[derive(Debug)]
enum Step {
    /// Let in, not yet up.
    Admitted,
    /// Up; `LogIn` is expected.
    Expected,
    /// The world makes a guest's session.
    Guest,
    /// The world makes a challenge.
    First(String),
    /// It was sent; `LogInProof` is expected.
    Challenged(Box<Attempt>),
    /// The world checks the proof.
    Final(AccountId),
    /// Answered and closed; gone when the transport says so.
    Leaving,
}

/// An exchange that waits for its proof.
#[derive(Debug)]
struct Attempt {
    account: AccountId,
    exchange: Exchange,
}

/// How visits ended, and why.
#[derive(Debug, Default)]
struct Counts {
    granted: u64,
    denied: [u64; DENIALS.len()],
    held_by_account: u64,
    held_by_address: u64,
    proof_timeouts: u64,
    unexpected: u64,
    listed: u64,
}

/// The denials by number, as metrics name them.
const DENIALS: [&str; 6] =
    ["wrong_credentials", "no_guests", "no_such_world", "malformed", "disabled", "try_later"];

fn number(reason: LogInDenial) -> usize {
    match reason {
        LogInDenial::WrongCredentials => 0,
        LogInDenial::NoGuests => 1,
        LogInDenial::NoSuchWorld => 2,
        LogInDenial::Malformed => 3,
        LogInDenial::Disabled => 4,
        LogInDenial::TryLater { .. } => 5,
    }
}

/// The login machine.
#[derive(Debug)]
pub struct Login {
    front: Front,
    configured_halls: Vec<Address>,
    /// What the manager said last.
    halls: Vec<Address>,
    worlds: Vec<WorldEntry>,
    visits: SteadyMap<ConnId, Visit>,
    back_off: BackOff,
    /// Proofs that are awaited, by the number of their challenge.
    proofs: Pending,
    challenges: u64,
    counts: Counts,
}

impl Login {
    /// A login server nobody has visited yet.
    pub fn new(config: LoginConfig, seed: u64) -> Self {
        let LoginConfig { node, arbitration, mut halls, back_off, proof_timeout } = config;
        halls.truncate(HALLS_MAX);
        Self {
            front: Front::new(node, arbitration, seed),
            configured_halls: halls,
            halls: Vec::new(),
            worlds: Vec::new(),
            visits: SteadyMap::new(seed),
            back_off: BackOff::new(back_off, seed),
            proofs: Pending::new(proof_timeout, seed),
            challenges: 0,
            counts: Counts::default(),
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
            self.visits.insert(conn, Visit { address: caller.address, step: Step::Admitted });
        }
    }

    /// The manager's list, else the config's.
    fn known_halls(&self) -> &[Address] {
        if self.halls.is_empty() { &self.configured_halls } else { &self.halls }
    }

    fn connected(&mut self, conn: ConnId) {
        if let Some(visit) = self.visits.get_mut(&conn) {
            visit.step = Step::Expected;
        }
    }

    fn heard(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        if self.front.uplink.is_link(conn) {
            return self.heard_from_manager(now, conn, message, out);
        }
        match (self.take_step(conn), message) {
            (Step::Leaving, _) => {}
            (Step::Expected, Message::LogIn(log_in)) => self.log_in(now, conn, log_in, out),
            (Step::Expected, Message::ListWorlds(_)) => self.list_worlds(conn, out),
            (Step::Challenged(attempt), Message::LogInProof(proof)) => {
                self.prove(now, conn, *attempt, proof, out);
            }
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    /// How far the visit is; it is over unless it is given a next step.
    fn take_step(&mut self, conn: ConnId) -> Step {
        let step = self.visits.get_mut(&conn).map(|visit| &mut visit.step);
        step.map_or(Step::Leaving, |step| core::mem::replace(step, Step::Leaving))
    }

    fn set_step(&mut self, conn: ConnId, step: Step) {
        if let Some(visit) = self.visits.get_mut(&conn) {
            visit.step = step;
        }
    }

    fn address(&self, conn: ConnId) -> Option<IpAddr> {
        self.visits.get(&conn).and_then(|visit| visit.address)
    }

    fn heard_from_manager(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox<()>) {
        match message {
            Message::Arbitrated(answer) => self.front.arbitrated(answer, out),
            Message::Halls(halls) => {
                self.halls = halls.addresses;
                self.halls.truncate(HALLS_MAX);
            }
            Message::WorldsUp(up) => {
                self.worlds = up.worlds;
                self.worlds.truncate(WORLDS_MAX);
            }
            Message::RegisterDenied(_) => self.front.link_down(out),
            Message::DrainOrder(_) => self.front.drain(),
            // Whoever logs in here logs in anew; it is kept for a manager that forgot.
            Message::Revoked(said) => self.front.uplink.revoked(now, &said),
            Message::Registered(_) | Message::Closing(_) => {}
            _ => out.close(conn, CloseReason::Unexpected),
        }
    }

    /// What the manager said last; its own, of which it lets in, stands there in any case.
    fn list_worlds(&mut self, conn: ConnId, out: &mut Outbox<()>) {
        let world = self.world();
        let mut worlds = self.worlds.clone();
        if worlds.iter().all(|entry| entry.world != world) {
            worlds.truncate(WORLDS_MAX - 1);
            let at = worlds.partition_point(|entry| entry.world < world);
            worlds.insert(at, WorldEntry { world, players: 0, capacity: 0, logins: Vec::new() });
        }
        self.counts.listed += 1;
        out.send(conn, Worlds { worlds });
        self.close(conn, CloseReason::Finished, out);
    }

    fn log_in(&mut self, now: Time, conn: ConnId, log_in: LogIn, out: &mut Outbox<()>) {
        let LogIn { world, credentials } = log_in;
        if world != self.world() {
            return self.deny(conn, LogInDenial::NoSuchWorld, out);
        }
        match credentials {
            Credentials::Guest => self.ask(conn, Step::Guest, Question::LogInGuest { world }, out),
            Credentials::Scram { client_first } if !is_well_formed(&client_first) => {
                self.deny(conn, LogInDenial::Malformed, out);
            }
            Credentials::Scram { client_first } => {
                if let Some(wait) = self.back_off.address_wait(now, self.address(conn)) {
                    return self.hold(conn, wait, out);
                }
                let step = Step::First(client_first.clone());
                self.ask(conn, step, Question::LogInFirst { client_first }, out);
            }
        }
    }

    /// A visit asks one thing at a time and connection numbers are not used again: the number of one is that of
    /// its question.
    fn ask(&mut self, conn: ConnId, step: Step, question: Question, out: &mut Outbox<()>) {
        self.set_step(conn, step);
        out.push(Output::Ask { id: conn.0, question });
    }

    fn answered(&mut self, now: Time, conn: ConnId, answer: Answer, out: &mut Outbox<()>) {
        match (self.take_step(conn), answer) {
            (Step::First(client_first), Answer::Challenge(Ok(challenge))) => {
                self.challenge(now, conn, client_first, challenge, out);
            }
            (Step::First(_), Answer::Challenge(Err(reason))) | (Step::Guest, Answer::LogIn(Err(reason))) => {
                self.deny(conn, reason, out);
            }
            (Step::Guest, Answer::LogIn(Ok(grant))) => self.grant(conn, grant, out),
            (Step::Final(account), Answer::LogIn(answer)) => self.proven(now, conn, account, answer, out),
            (step, _) => self.set_step(conn, step),
        }
    }

    fn challenge(
        &mut self,
        now: Time,
        conn: ConnId,
        client_first: String,
        challenge: Challenge,
        out: &mut Outbox<()>,
    ) {
        let Challenge { account, server_first } = challenge;
        if let Some(wait) = self.wait(now, conn, account) {
            return self.hold(conn, wait, out);
        }
        out.send(conn, LogInChallenge { server_first: server_first.clone() });
        let exchange = Exchange { client_first, server_first };
        self.set_step(conn, Step::Challenged(Box::new(Attempt { account, exchange })));
        self.challenges += 1;
        self.proofs.insert(now, self.challenges, conn, ());
    }

    fn prove(
        &mut self,
        now: Time,
        conn: ConnId,
        attempt: Attempt,
        LogInProof { client_final }: LogInProof,
        out: &mut Outbox<()>,
    ) {
        self.proofs.forget(conn);
        let Attempt { account, exchange } = attempt;
        if !is_well_formed(&client_final) {
            return self.deny(conn, LogInDenial::Malformed, out);
        }
        if let Some(wait) = self.wait(now, conn, account) {
            return self.hold(conn, wait, out);
        }
        let question = Question::LogInFinal { world: self.world(), exchange, client_final };
        self.ask(conn, Step::Final(account), question, out);
    }

    fn proven(
        &mut self,
        now: Time,
        conn: ConnId,
        account: AccountId,
        answer: Result<Grant, LogInDenial>,
        out: &mut Outbox<()>,
    ) {
        let address = self.address(conn);
        match answer {
            Ok(grant) => {
                self.back_off.succeeded(now, account, address);
                self.grant(conn, grant, out);
            }
            Err(reason) => {
                if reason == LogInDenial::WrongCredentials {
                    self.back_off.failed(now, account, address);
                }
                self.deny(conn, reason, out);
            }
        }
    }

    fn wait(&self, now: Time, conn: ConnId, account: AccountId) -> Option<(Holder, Duration)> {
        self.back_off.wait(now, account, self.address(conn))
    }

    fn hold(&mut self, conn: ConnId, (holder, wait): (Holder, Duration), out: &mut Outbox<()>) {
        match holder {
            Holder::Account => self.counts.held_by_account += 1,
            Holder::Address => self.counts.held_by_address += 1,
        }
        let retry_after_ms = u32::try_from(wait.as_millis() + 1).unwrap_or(u32::MAX);
        self.deny(conn, LogInDenial::TryLater { retry_after_ms }, out);
    }

    /// Whoever was asked for a proof and is silent.
    fn close_silent(&mut self, now: Time, out: &mut Outbox<()>) {
        while let Some(conn) = self.proofs.pop_expired(now) {
            self.counts.proof_timeouts += 1;
            self.close(conn, CloseReason::Idle, out);
        }
    }

    fn world(&self) -> WorldId {
        self.front.node().world
    }

    fn grant(&mut self, conn: ConnId, grant: Grant, out: &mut Outbox<()>) {
        self.counts.granted += 1;
        let Grant { identity, session_key, ticket, ticket_ttl, server_final } = grant;
        let logged_in = LoggedIn {
            identity,
            session_key: session_key.into(),
            ticket: ticket.into(),
            ticket_ttl_s: u32::try_from(ticket_ttl.as_secs()).unwrap_or(u32::MAX),
            halls: self.known_halls().into(),
            server_final: server_final.map(Into::into),
        };
        out.send(conn, logged_in);
        self.close(conn, CloseReason::Finished, out);
    }

    fn deny(&mut self, conn: ConnId, reason: LogInDenial, out: &mut Outbox<()>) {
        self.counts.denied[number(reason)] += 1;
        out.send(conn, LogInDenied { reason });
        self.close(conn, CloseReason::Finished, out);
    }

    fn close(&mut self, conn: ConnId, reason: CloseReason, out: &mut Outbox<()>) {
        self.counts.unexpected += u64::from(reason == CloseReason::Unexpected);
        self.proofs.forget(conn);
        self.set_step(conn, Step::Leaving);
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
            Input::Message { conn, message } => self.heard(now, conn, message, out),
            Input::Disconnected { conn } => {
                self.visits.remove(&conn);
                self.proofs.forget(conn);
                self.front.disconnected(conn, out);
            }
            Input::LinkUp { conn } => self.front.link_up(now, conn, out),
            Input::LinkDown => self.front.link_down(out),
            Input::Answer { id, answer } => self.answered(now, ConnId(id), answer, out),
            Input::Drain => self.front.drain(),
            Input::Timeout
            | Input::DrainServer { .. }
            | Input::Revoke { .. }
            | Input::Announce { .. }
            | Input::Dialed { .. }
            | Input::DialFailed { .. }
            | Input::HandedOver { .. }
            | Input::Told { .. } => {}
        }
        self.close_silent(now, out);
        self.front.end_step(now, self.serving(), out);
    }

    fn next_timeout(&self) -> Option<Time> {
        self.front.next_timeout().into_iter().chain(self.proofs.next_timeout()).min()
    }

    fn check_invariants(&self) {
        self.front.check_invariants(self.serving());
        assert!(self.halls.len() <= HALLS_MAX && self.configured_halls.len() <= HALLS_MAX);
        self.back_off.check_invariants();
        self.proofs.check_invariants();
        let challenged = self.visits.values().filter(|visit| matches!(visit.step, Step::Challenged(_)));
        assert_eq!(challenged.count(), self.proofs.len(), "who was challenged is waited for");
    }

    fn figures(&self, figures: &mut Figures) {
        self.front.figures(figures);
        let Counts { granted, denied, held_by_account, held_by_address, .. } = self.counts;
        let results = [("granted", granted), ("denied", denied.iter().sum())];
        figures.counter(
            "usher_worlds_listed_total",
            "Visitors told which worlds there are.",
            self.counts.listed,
        );
        let held = [("account", held_by_account), ("address", held_by_address)];
        figures.gauge("usher_serving", "Visitors being served.", self.serving().into());
        figures.counters("usher_logins_total", "Logins that came to an end, by result.", "result", results);
        let denied = DENIALS.into_iter().zip(denied);
        figures.counters("usher_logins_denied_total", "Logins denied, by reason.", "reason", denied);
        figures.counters(
            "usher_logins_held_total",
            "Logins told to come later after wrong passwords, by whose wait it was.",
            "by",
            held,
        );
        figures.gauge(
            "usher_login_proofs_awaited",
            "Visitors who are to prove their password.",
            self.proofs.len() as u64,
        );
        figures.counter(
            "usher_login_proof_timeouts_total",
            "Visitors whose proof did not come in time.",
            self.counts.proof_timeouts,
        );
        figures.counter(
            "usher_unexpected_total",
            "Connections closed for what they said.",
            self.counts.unexpected,
        );
        self.back_off.figures(figures);
    }
}

fn is_well_formed(text: &str) -> bool {
    (1..=SCRAM_BYTES_MAX).contains(&text.len())
}

#[cfg(test)]
mod tests;
