//! The manager among servers that do as they are told: the driver of its tests.
//!
//! Why: every test is a story of links, messages and time; [`Cluster`] tells it in a line each, and checks the
//! manager's invariants after every step.
//! Read next: [`entering`], the rules (a) to (h).

mod arbitration;
mod directory;
mod entering;
mod placing;
mod registration;
mod shadow;
mod worlds;

use super::{Config, Manager};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::time::Duration;
use usher_proto::machine::{Answer, ClusterView, Peer, Question};
use usher_proto::message::{
    Claim, Claimed, CloseReason, Evict, Load, Message, PlayerPresent, Present, Register, Registered, Release,
    Released, Renew, RoomReport, Verdict,
};
use usher_proto::{
    AccountId, Address, ConnId, Figures, GameId, Generation, Identity, Input, Machine, Outbox, Output,
    Reservation, RoomNo, ServerKind, SessionId, Time, WorldId,
};

const WORLD: WorldId = WorldId(1);
const GOMOKU: GameId = GameId(1);
const CHESS: GameId = GameId(2);
const STARTED_UNIX_MS: u64 = 1_700_000_000_000;
const LEASE_MS: u64 = 4_000;

/// A manager, its time, and what it has said.
struct Cluster {
    manager: Manager,
    now: Time,
    next_conn: u64,
    /// Who renews its lease while time passes.
    renewing: BTreeSet<ConnId>,
    inbox: BTreeMap<ConnId, Vec<Message>>,
    closed: Vec<(ConnId, CloseReason)>,
    refused: Vec<(ConnId, Message)>,
    /// Reservations asked to be sealed; answered at once unless held back.
    seals: Vec<(u64, Reservation)>,
    hold_seals: bool,
    view: ClusterView,
    shown: usize,
    drained: bool,
}

impl Cluster {
    /// A manager whose first lease is over.
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let mut cluster = Self::unsettled(config);
        cluster.run(LEASE_MS);
        cluster
    }

    /// A manager that has just started.
    fn unsettled(config: Config) -> Self {
        let config = Config { started_unix_ms: STARTED_UNIX_MS, ..config };
        let mut cluster = Self {
            manager: Manager::new(config, 7),
            now: Time(0),
            next_conn: 0,
            renewing: BTreeSet::new(),
            inbox: BTreeMap::new(),
            closed: Vec::new(),
            refused: Vec::new(),
            seals: Vec::new(),
            hold_seals: false,
            view: ClusterView::default(),
            shown: 0,
            drained: false,
        };
        cluster.step(Input::Timeout);
        cluster
    }

    /// Another manager takes over: every link is gone, time goes on.
    fn restart(&mut self) {
        let config = self.manager.config;
        self.manager = Manager::new(config, 8);
        self.renewing.clear();
        self.inbox.clear();
        self.step(Input::Timeout);
    }

    fn step(&mut self, input: Input<Infallible>) {
        let mut out = Outbox::default();
        self.manager.handle(self.now, input, &mut out);
        self.manager.check_invariants();
        for output in out.drain() {
            self.keep(output);
        }
    }

    fn keep(&mut self, output: Output<Infallible>) {
        match output {
            Output::Send(conn, message) => self.inbox.entry(conn).or_default().push(message),
            Output::SendShared(conn, message) => {
                self.inbox.entry(conn).or_default().push(Message::clone(&message));
            }
            Output::Close(conn, reason) => {
                self.renewing.remove(&conn);
                self.closed.push((conn, reason));
            }
            Output::Refuse(conn, message) => self.refused.push((conn, message)),
            Output::Ask { id, question: Question::SealReservation { reservation, ttl } } => {
                assert_eq!(ttl, Duration::from_secs(5));
                self.seals.push((id, reservation));
                if !self.hold_seals {
                    self.seal(id);
                }
            }
            Output::Show(view) => {
                self.view = view;
                self.shown += 1;
            }
            Output::Drained => self.drained = true,
            Output::Admit(_) => {}
            other => panic!("a manager does not do this: {other:?}"),
        }
    }

    fn seal(&mut self, id: u64) {
        let answer = Answer::Reservation(id.to_be_bytes().to_vec());
        self.step(Input::Answer { id, answer });
    }

    /// Lets time pass, timers running and live servers renewing.
    fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while self.now < end {
            let pulse = self.now + Duration::from_millis(500);
            let due = self.manager.next_timeout().unwrap_or(end).max(self.now);
            self.now = due.min(pulse).min(end);
            if due <= self.now {
                self.step(Input::Timeout);
            }
            for conn in self.renewing.clone() {
                self.say(conn, Renew::default());
            }
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        while self.manager.next_timeout().is_some_and(|due| due <= self.now) {
            self.step(Input::Timeout);
        }
    }

    fn say(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.step(Input::Message { conn, message: message.into() });
    }

    /// What was said to `conn` since it was asked last.
    fn heard(&mut self, conn: ConnId) -> Vec<Message> {
        self.inbox.remove(&conn).unwrap_or_default()
    }

    fn evictions(&mut self, conn: ConnId) -> Vec<Evict> {
        let evict = |message| if let Message::Evict(evict) = message { Some(evict) } else { None };
        self.heard(conn).into_iter().filter_map(evict).collect()
    }

    fn knock(&mut self, peer: Peer) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.step(Input::Knock { conn, peer, reservation: None, address: None });
        conn
    }

    fn link(&mut self, name: &str) -> ConnId {
        let peer = Peer::Server(name.into());
        let conn = self.knock(peer.clone());
        self.step(Input::Connected { conn, peer });
        conn
    }

    fn cut(&mut self, conn: ConnId) {
        self.renewing.remove(&conn);
        self.step(Input::Disconnected { conn });
    }

    /// How a server of that kind presents itself now.
    fn facts(&self, kind: ServerKind, name: &str) -> Register {
        Register {
            kind,
            name: name.into(),
            incarnation: 1,
            world: WORLD,
            address: address_of(name).as_str().into(),
            clock_unix_ms: STARTED_UNIX_MS + self.now.as_millis(),
            serve_max: 100,
            serve_per_second_max: 1_000,
            connections_max: 125,
            rooms: if kind == ServerKind::Room { rooms() } else { Vec::new() },
            players: 0,
            inner: Address::default(),
        }
    }

    /// Links and registers; the answer must be that it is registered.
    fn join(&mut self, register: Register) -> ConnId {
        let conn = self.link(&register.name.0);
        self.say(conn, register);
        assert_eq!(self.inbox[&conn][0], Registered { lease_ms: 4_000 }.into());
        self.inbox.get_mut(&conn).map(|inbox| inbox.remove(0));
        self.renewing.insert(conn);
        conn
    }

    fn server(&mut self, kind: ServerKind, name: &str) -> ConnId {
        let facts = self.facts(kind, name);
        self.join(facts)
    }

    fn room(&mut self, name: &str) -> ConnId {
        self.server(ServerKind::Room, name)
    }

    /// A room server presents itself with its players.
    fn room_with(&mut self, name: &str, players: Vec<PlayerPresent>) -> ConnId {
        let facts = Register { players: players.len() as u32, ..self.facts(ServerKind::Room, name) };
        let conn = self.join(facts);
        self.say(conn, Present { players });
        conn
    }

    fn claim_in(&mut self, conn: ConnId, identity: Identity, game: GameId, room: u16) -> Verdict {
        let before = self.inbox.get(&conn).map_or(0, Vec::len);
        self.say(conn, Claim { request: 77, identity, game, room: RoomNo(room) });
        match self.inbox.get_mut(&conn).expect("a claim is answered").remove(before) {
            Message::Claimed(Claimed { request: 77, verdict }) => verdict,
            other => panic!("{other:?} is no verdict"),
        }
    }

    /// Claims a room of Gomoku.
    fn claim(&mut self, conn: ConnId, identity: Identity, room: u16) -> Verdict {
        self.claim_in(conn, identity, GOMOKU, room)
    }

    fn release(&mut self, conn: ConnId, identity: Identity, room: u16) {
        let before = self.inbox.get(&conn).map_or(0, Vec::len);
        self.say(conn, Release { request: 78, identity, game: GOMOKU, room: RoomNo(room) });
        let answer = self.inbox.get_mut(&conn).expect("a release is answered").remove(before);
        assert_eq!(answer, Released { request: 78 }.into());
    }

    fn figure(&self, name: &str) -> u64 {
        let mut figures = Figures::default();
        self.manager.figures(&mut figures);
        figures.value(name).expect("the figure is kept")
    }

    fn state(&self, name: &str) -> &'static str {
        let id = self.manager.registry.named(&name.into());
        id.map_or("gone", |id| self.manager.registry.get(id).expect("a name stands for an entry").state())
    }
}

fn address_of(name: &str) -> String {
    format!("{name}:1000")
}

/// Rooms 0 and 1 play Gomoku, 2 and 3 chess.
fn rooms() -> Vec<RoomReport> {
    let report = |room: u16, game| RoomReport {
        room: RoomNo(room),
        name: format!("room {room}").into(),
        game,
        population: 0,
        capacity: 10,
    };
    vec![report(0, GOMOKU), report(1, GOMOKU), report(2, CHESS), report(3, CHESS)]
}

/// The `login`-th login of an account.
fn player(account: u64, login: u64) -> Identity {
    Identity {
        world: WORLD,
        account: AccountId(account),
        session: SessionId(account * 100 + login),
        generation: Generation(login * 1_000),
    }
}

fn present(identity: Identity, room: u16, entered_unix_ms: u64) -> PlayerPresent {
    PlayerPresent { identity, game: GOMOKU, room: RoomNo(room), entered_unix_ms }
}

fn evict(newest: Identity) -> Evict {
    Evict { world: newest.world, account: newest.account, below: newest.generation }
}

/// The order that ends this very login at a server.
fn evict_this(login: Identity) -> Evict {
    Evict { below: Generation(login.generation.0 + 1), ..evict(login) }
}

fn elsewhere(server: &str, room: u16) -> Verdict {
    Verdict::Elsewhere { address: address_of(server).as_str().into(), room: RoomNo(room) }
}

fn load(serving: u32, served_per_second: u32) -> Load {
    Load { serving, served_per_second, draining: false, rooms: Vec::new() }
}
