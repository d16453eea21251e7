//! A crowd against servers that say what the test tells them to.
//!
//! Why: what a client does with each answer can be asked one answer at a time.
//! Owns: [`Stage`], which keeps the clock, makes the connections and remembers what was said and closed.
//! Read next: `journeys.rs`, `playing.rs`, `evening.rs`, `proving.rs`.

mod evening;
mod journeys;
mod playing;
mod proving;

use crate::{Config, Crowd, Plan, Play, Tally};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::machine::{Answer, DialFailure, Hello, Question};
use usher_proto::message::*;
use usher_proto::{
    AccountId, Address, ConnId, GameId, Generation, Identity, Input, Machine, Message, Outbox, Output,
    RoomNo, SessionId, TableNo, Time, WorldId,
};

struct Dial {
    token: u64,
    address: Address,
    hello: Hello,
}

struct Stage {
    crowd: Crowd<Tally>,
    game: GameId,
    now: Time,
    dials: VecDeque<Dial>,
    said: VecDeque<(ConnId, Message)>,
    closed: Vec<ConnId>,
    asked: VecDeque<(u64, Question)>,
    drained: u32,
    conns: u64,
}

fn one_player(play: Play) -> Config {
    Config {
        players: 1,
        mix: Plan { play, ..Plan::default() }.into(),
        logins: vec!["login-1".into(), "login-2".into()],
        reconnect_per_mille: 0,
        ..Config::default()
    }
}

impl Stage {
    fn new(config: Config) -> Self {
        let game = GameId(config.mix.plan(0).game.id());
        let crowd = Crowd::new(config, Tally::default());
        let (dials, said, closed) = (VecDeque::new(), VecDeque::new(), Vec::new());
        let asked = VecDeque::new();
        Self { crowd, game, now: Time(0), dials, said, closed, asked, drained: 0, conns: 0 }
    }

    fn input(&mut self, input: Input<core::convert::Infallible>) {
        let mut out = Outbox::default();
        self.crowd.handle(self.now, input, &mut out);
        for output in out.drain() {
            match output {
                Output::Dial { token, address, hello } => {
                    self.dials.push_back(Dial { token, address, hello });
                }
                Output::Send(conn, message) => self.said.push_back((conn, message)),
                Output::Close(conn, _) => self.closed.push(conn),
                Output::Ask { id, question } => self.asked.push_back((id, question)),
                Output::Drained => self.drained += 1,
                other => panic!("a player does not do this: {other:?}"),
            }
        }
        self.crowd.check_invariants();
    }

    /// Lets time pass to the next timeout.
    fn tick(&mut self) {
        let at = self.crowd.next_timeout().expect("something is to happen");
        self.now = self.now.max(at);
        self.input(Input::Timeout);
    }

    /// The next dial; time passes until there is one.
    fn dial(&mut self) -> Dial {
        for _ in 0..1000 {
            match self.dials.pop_front() {
                Some(dial) => return dial,
                None => self.tick(),
            }
        }
        panic!("nobody dials");
    }

    fn dial_to(&mut self, address: &str) -> Dial {
        let dial = self.dial();
        assert_eq!(dial.address, address.into());
        dial
    }

    fn accept(&mut self, dial: &Dial) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.input(Input::Dialed { token: dial.token, conn });
        conn
    }

    fn refuse(&mut self, dial: &Dial, message: impl Into<Message>) {
        self.input(Input::DialFailed { token: dial.token, why: DialFailure::Refused(message.into()) });
    }

    fn miss(&mut self, dial: &Dial) {
        self.input(Input::DialFailed { token: dial.token, why: DialFailure::Unreachable });
    }

    fn say(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.input(Input::Message { conn, message: message.into() });
    }

    fn cut(&mut self, conn: ConnId) {
        self.input(Input::Disconnected { conn });
    }

    /// What was said next, on this connection; time passes until something was.
    fn heard(&mut self, conn: ConnId) -> Message {
        for _ in 0..1000 {
            if let Some((on, message)) = self.said.pop_front() {
                assert_eq!(on, conn, "{message:?}");
                return message;
            }
            self.tick();
        }
        panic!("nothing was said");
    }

    /// What the world was asked, and the number of that question.
    fn asked(&mut self) -> (u64, Question) {
        self.asked.pop_front().expect("something was asked")
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        self.input(Input::Answer { id, answer });
    }

    fn tally(&self) -> &Tally {
        self.crowd.ledger()
    }

    fn failure(&self) -> Option<&'static str> {
        self.tally().failures.keys().next().copied()
    }

    fn login(&mut self) {
        let dial = self.dial();
        self.login_at(&dial);
    }

    fn login_at(&mut self, dial: &Dial) {
        let conn = self.accept(dial);
        assert!(matches!(self.heard(conn), Message::LogIn(_)));
        self.say(conn, logged_in());
        assert!(self.closed.contains(&conn));
    }

    fn hall(&mut self, rooms: &[(&str, u16)]) {
        let dial = self.dial();
        self.hall_at(&dial, rooms, vec![]);
    }

    fn hall_at(&mut self, dial: &Dial, rooms: &[(&str, u16)], seats: Vec<SeatKept>) {
        assert_eq!(dial.hello.ticket, b"ticket");
        let conn = self.accept(dial);
        assert_eq!(self.heard(conn), GetDirectory { game: Some(self.game) }.into());
        self.say(conn, Renewed { ticket: None, directory_refresh_s: 1800, seats });
        self.say(conn, directory(self.game, rooms));
        assert!(self.closed.contains(&conn));
    }

    /// Into the room dialled next: the connection, and the `Enter` that was said on it.
    fn knock_room(&mut self, address: &str) -> (ConnId, Enter) {
        let dial = self.dial_to(address);
        let conn = self.accept(&dial);
        match self.heard(conn) {
            Message::Enter(enter) => (conn, enter),
            other => panic!("not Enter but {other:?}"),
        }
    }

    fn seat(&mut self, conn: ConnId, room: u16, seq: u64) {
        self.say(conn, entered(room, seq, None));
        assert_eq!(self.heard(conn), Sit { table: None, seat: None }.into());
        self.say(conn, Seated { at: SEAT });
    }

    /// The straight way to a seat in room 3 of room-1.
    fn seated(config: Config) -> (Self, ConnId) {
        let mut stage = Self::new(config);
        stage.login();
        stage.hall(&[("room-1", 3)]);
        let (conn, _) = stage.knock_room("room-1");
        stage.seat(conn, 3, 0);
        (stage, conn)
    }

    /// Out again, from a seat, with everything settled.
    fn out(&mut self, conn: ConnId, seq: u64) {
        assert_eq!(self.heard(conn), Stand {}.into());
        self.say(conn, Stood { from: Some(SEAT), dismissed: false });
        assert_eq!(self.heard(conn), Leave {}.into());
        self.say(conn, Left { seq });
        assert!(self.closed.contains(&conn));
    }
}

const SEAT: SeatNo = SeatNo { table: TableNo(0), seat: 1 };
const ACCOUNT: AccountId = AccountId(77);

fn logged_in() -> LoggedIn {
    let (session, generation) = (SessionId(1), Generation(1));
    let identity = Identity { world: WorldId(1), account: ACCOUNT, session, generation };
    LoggedIn {
        identity,
        session_key: vec![0; 32].into(),
        ticket: b"ticket".to_vec().into(),
        ticket_ttl_s: 7200,
        halls: ["hall-1", "hall-2"].map(Address::from).into(),
        server_final: None,
    }
}

fn directory(game: GameId, rooms: &[(&str, u16)]) -> Directory {
    let entry = |&(address, room): &(&str, u16)| RoomEntry {
        address: address.into(),
        room: RoomNo(room),
        name: "room".into(),
        game,
        population: 10,
        capacity: 400,
    };
    Directory { rooms: rooms.iter().map(entry).collect(), totals: vec![] }
}

fn entered(room: u16, seq: u64, seat: Option<SeatNo>) -> Entered {
    Entered { room: RoomNo(room), name: "room".into(), seq, population: 1, seat }
}

fn redirect(address: &str) -> Redirect {
    Redirect { address: address.into(), reservation: b"place".to_vec().into(), room: None }
}

fn closing(reason: CloseReason) -> Closing {
    Closing { reason }
}

fn within(span: Duration, from_ms: u64, to_ms: u64) -> bool {
    (Duration::from_millis(from_ms)..=Duration::from_millis(to_ms)).contains(&span)
}
