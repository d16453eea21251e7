//! A person against servers that say what the test tells them to.
//!
//! Read next: `../tests/journeys.rs`, the same questions to simulated players.

use super::*;
use alloc::rc::Rc;
use alloc::vec;
use core::cell::RefCell;
use usher_proto::machine::{Answer, ClientProof, Question};
use usher_proto::message::*;
use usher_proto::{Generation, Identity, SessionId, ShardId};

const GAME: GameId = GameId(1);

struct Stage {
    person: Person<alloc::boxed::Box<dyn FnMut(News)>>,
    news: Rc<RefCell<Vec<News>>>,
    now: Time,
    caused: Vec<Output<Wish>>,
    conns: u64,
}

impl Stage {
    fn new(has_account: bool) -> Self {
        Self::in_world(has_account, Some(WorldId(1)))
    }

    fn in_world(has_account: bool, world: Option<WorldId>) -> Self {
        let news = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&news);
        let config = PersonConfig {
            logins: ["login-1", "login-2"].map(Address::from).into(),
            has_account,
            world,
            step_timeout: Duration::from_secs(10),
            seed: 1,
        };
        let person =
            Person::new(config, alloc::boxed::Box::new(move |news| heard.borrow_mut().push(news)) as _);
        Self { person, news, now: Time(0), caused: Vec::new(), conns: 0 }
    }

    fn input(&mut self, input: Input<Wish>) {
        let mut out = Outbox::default();
        self.person.handle(self.now, input, &mut out);
        self.person.check_invariants();
        self.caused.extend(out.drain());
    }

    fn wish(&mut self, note: Wish) {
        self.input(Input::Told { from: ShardId(0), note });
    }

    /// The next dial, as time passes: its token, address and first frame.
    fn dial(&mut self) -> (u64, String, Hello) {
        for _ in 0..100 {
            let at = self.caused.iter().position(|output| matches!(output, Output::Dial { .. }));
            if let Some(Output::Dial { token, address, hello }) = at.map(|at| self.caused.remove(at)) {
                return (token, (*address.0).into(), hello);
            }
            self.now = self.now.max(self.person.next_timeout().expect("something is to happen"));
            self.input(Input::Timeout);
        }
        panic!("nobody is dialled");
    }

    /// Lets the next dial, which must be to there, come about; what was said on it first, if anything.
    fn accept(&mut self, wanted: &str) -> (ConnId, Option<Message>) {
        let (token, address, _) = self.dial();
        assert_eq!(address, wanted);
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.input(Input::Dialed { token, conn });
        (conn, self.said())
    }

    fn said(&mut self) -> Option<Message> {
        let at = self.caused.iter().position(|output| matches!(output, Output::Send(..)))?;
        match self.caused.remove(at) {
            Output::Send(_, message) => Some(message),
            _ => None,
        }
    }

    fn refuse(&mut self, wanted: &str, message: impl Into<Message>) {
        let (token, address, _) = self.dial();
        assert_eq!(address, wanted);
        self.input(Input::DialFailed { token, why: DialFailure::Refused(message.into()) });
    }

    fn say(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.input(Input::Message { conn, message: message.into() });
    }

    fn last(&self) -> News {
        self.news.borrow().last().cloned().expect("something happened")
    }

    fn log_in(&mut self) {
        let (conn, said) = self.accept("login-1");
        assert!(matches!(said, Some(Message::LogIn(_))));
        self.say(conn, granted(None));
    }

    fn browse(&mut self, kept: Vec<SeatKept>) {
        let (conn, said) = self.accept("hall-1");
        assert_eq!(said, Some(GetDirectory { game: None }.into()));
        self.say(
            conn,
            Renewed { ticket: Some(b"renewed".to_vec().into()), directory_refresh_s: 1800, seats: kept },
        );
        self.say(conn, Directory { rooms: vec![], totals: vec![] });
    }

    /// In room 3 of room-1, chats 1 to 10 said before.
    fn inside() -> (Self, ConnId) {
        let mut stage = Self::new(false);
        stage.log_in();
        stage.browse(vec![]);
        stage.wish(Wish::Enter(place()));
        let (conn, said) = stage.accept("room-1");
        assert_eq!(said, Some(enter(None)));
        stage.say(conn, entered(10));
        (stage, conn)
    }
}

fn place() -> Place {
    Place { address: "room-1".into(), room: RoomNo(3), game: GAME }
}

fn enter(last_seq: Option<u64>) -> Message {
    Enter { game: GAME, room: Some(RoomNo(3)), last_seq, last_hand: None }.into()
}

fn entered(seq: u64) -> Entered {
    Entered { room: RoomNo(3), name: "room".into(), seq, population: 1, seat: None }
}

fn granted(server_final: Option<&str>) -> LoggedIn {
    let (session, generation) = (SessionId(1), Generation(1));
    LoggedIn {
        identity: Identity { world: WorldId(1), account: AccountId(7), session, generation },
        session_key: vec![5; 32].into(),
        ticket: b"ticket".to_vec().into(),
        ticket_ttl_s: 7200,
        halls: ["hall-1", "hall-2"].map(Address::from).into(),
        server_final: server_final.map(Into::into),
    }
}

#[test]
fn a_guest_logs_in_chooses_enters_and_leaves() {
    let (mut stage, conn) = Stage::inside();
    let is_inside = |news: &News| matches!(news, News::Entered { away: None, .. });
    assert!(stage.news.borrow().iter().any(is_inside));
    stage.wish(Wish::Say(Chat { request: 1, text: "hello".into() }.into()));
    assert!(matches!(stage.said(), Some(Message::Chat(_))));
    stage.wish(Wish::Leave);
    assert_eq!(stage.said(), Some(Leave {}.into()));
    stage.say(conn, Left { seq: 10 });
    assert!(stage.news.borrow().contains(&News::Left));
    stage.browse(vec![]);
    stage.wish(Wish::Leave);
    assert_eq!(stage.last(), News::NotNow);
}

#[test]
fn a_redirect_is_followed_with_its_place_and_a_busy_server_waited_for() {
    let mut stage = Stage::new(false);
    stage.refuse(
        "login-1",
        Redirect { address: "login-9".into(), reservation: b"place".to_vec().into(), room: None },
    );
    let (token, address, hello) = stage.dial();
    assert_eq!((address.as_str(), hello.reservation.as_slice()), ("login-9", &b"place"[..]));
    stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    let before = stage.now;
    stage.refuse("login-2", Busy { retry_after_ms: 2000 });
    stage.log_in();
    assert!((2000..=3600).contains(&(stage.now - before).as_millis()), "{:?}", stage.now - before);
    for _ in 0..20 {
        let (token, ..) = stage.dial();
        stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    }
    assert!(matches!(stage.last(), News::Waiting { .. }), "who is logged in goes on trying");
}

#[test]
fn no_login_server_ends_it_with_a_reason() {
    let mut stage = Stage::new(false);
    for _ in 0..6 {
        let (token, ..) = stage.dial();
        stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    }
    assert_eq!(stage.last(), News::Ended("no login server answers"));
    assert!(stage.caused.iter().any(|output| matches!(output, Output::Drained)));
    assert_eq!(stage.person.next_timeout(), None);
}

#[test]
fn a_lost_room_is_entered_again_with_the_last_chat_seen() {
    let (mut stage, conn) = Stage::inside();
    stage.say(conn, ChatSaid { seq: 14, from: AccountId(9), text: "so".into() });
    stage.input(Input::Disconnected { conn });
    assert!(stage.news.borrow().contains(&News::Lost("closed")));
    for _ in 0..3 {
        let (token, _, hello) = stage.dial();
        assert_eq!(hello.ticket, b"renewed");
        stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    }
    let (conn, said) = stage.accept("room-1");
    assert_eq!(said, Some(enter(Some(14))));
    stage.say(conn, entered(14));
    assert!(matches!(stage.last(), News::Entered { away: Some(_), .. }));
}

#[test]
fn a_room_that_stays_away_is_given_up_unless_the_hall_knows_where_the_seat_is() {
    for kept in [vec![], vec![SeatKept { address: "room-2".into(), room: RoomNo(5), game: GAME }]] {
        let (mut stage, conn) = Stage::inside();
        stage.input(Input::Disconnected { conn });
        let lost = stage.now;
        loop {
            let (token, address, _) = stage.dial();
            let why = DialFailure::Unreachable;
            if address == "hall-1" && stage.now - lost >= AWAY_MAX {
                stage.caused.push(Output::Dial {
                    token,
                    address: address.as_str().into(),
                    hello: stage.person.hello(ServerKind::Hall, vec![]),
                });
                break;
            }
            stage.input(Input::DialFailed { token, why });
        }
        assert!(stage.now - lost < AWAY_MAX + Duration::from_secs(5));
        let is_kept = !kept.is_empty();
        stage.browse(kept);
        if is_kept {
            assert_eq!(stage.dial().1, "room-2");
        } else {
            assert_eq!(stage.last(), News::Denied("the seat was not kept"));
        }
    }
}

#[test]
fn while_a_room_stays_away_the_hall_is_asked_now_and_then_where_the_seat_is() {
    let (mut stage, conn) = Stage::inside();
    stage.input(Input::Disconnected { conn });
    let lost = stage.now;
    let asked = |stage: &mut Stage| {
        let mut tries = 0;
        loop {
            let (token, address, hello) = stage.dial();
            if address == "hall-1" {
                stage.caused.push(Output::Dial { token, address: address.as_str().into(), hello });
                return tries;
            }
            tries += 1;
            stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
        }
    };
    let rooms_shown =
        |stage: &Stage| stage.news.borrow().iter().filter(|news| matches!(news, News::Rooms { .. })).count();
    let shown = rooms_shown(&stage);
    assert_eq!(asked(&mut stage), 4);
    assert!(stage.now - lost < Duration::from_secs(6), "{:?}", stage.now - lost);
    stage.browse(vec![]);
    assert_eq!(asked(&mut stage), 4, "it may come back with the seat");
    assert_eq!(rooms_shown(&stage), shown, "it is on its way back");
    stage.browse(vec![SeatKept { address: "gateway-2".into(), room: RoomNo(3), game: GAME }]);
    let (conn, said) = stage.accept("gateway-2");
    assert_eq!(said, Some(enter(None)));
    stage.say(conn, entered(14));
    assert!(matches!(stage.last(), News::Entered { away: Some(_), .. }));
}

#[test]
fn who_asks_the_hall_on_the_way_back_may_give_the_seat_up_and_goes_on_if_no_hall_answers() {
    let (mut stage, conn) = Stage::inside();
    stage.input(Input::Disconnected { conn });
    let mut halls = 0;
    let after_halls = loop {
        let (token, address, _) = stage.dial();
        if halls > 0 && address == "room-1" {
            break token;
        }
        halls += u32::from(address.starts_with("hall"));
        stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    };
    assert_eq!(halls, 6, "one, and as often again as there are halls and redirects");
    stage.input(Input::DialFailed { token: after_halls, why: DialFailure::Unreachable });
    loop {
        let (token, address, _) = stage.dial();
        if address == "hall-1" {
            break;
        }
        stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    }
    stage.wish(Wish::Leave);
    stage.browse(vec![]);
    assert!(matches!(stage.last(), News::Rooms { .. }), "{:?}", stage.last());
}

#[test]
fn who_is_sent_from_room_to_room_waits_and_is_back_at_the_list_in_the_end() {
    let mut stage = Stage::new(false);
    stage.log_in();
    stage.browse(vec![]);
    let elsewhere = |to: usize| EnterDenied {
        reason: EnterDenial::Elsewhere { address: ["room-1", "room-2"][to].into(), room: RoomNo(3) },
    };
    for inside_at in [None, Some(3), None] {
        stage.wish(Wish::Enter(place()));
        let mut sent_on = 0;
        let entered_at = loop {
            let before = stage.now;
            let (conn, said) = stage.accept(["room-1", "room-2"][sent_on % 2]);
            assert!(said.is_some());
            let least = Duration::from_millis(if sent_on < 2 { 0 } else { 500 });
            assert!(stage.now - before >= least, "dialled at once, sent on {sent_on} times");
            if inside_at == Some(sent_on) {
                stage.say(conn, entered(10));
                break Some(conn);
            }
            sent_on += 1;
            assert!(sent_on <= 21, "it never ends");
            stage.say(conn, elsewhere(sent_on % 2));
            if stage.news.borrow().contains(&News::Denied("sent from room to room")) {
                break None;
            }
        };
        if let Some(conn) = entered_at {
            stage.wish(Wish::Leave);
            assert_eq!(stage.said(), Some(Leave {}.into()));
            stage.say(conn, Left { seq: 11 });
        } else {
            assert_eq!(sent_on, 21);
            stage.news.borrow_mut().clear();
        }
        stage.browse(vec![]);
        assert!(matches!(stage.last(), News::Rooms { .. }));
    }
}

#[test]
fn who_is_crowded_out_before_it_is_in_comes_again() {
    let (mut stage, conn) = Stage::inside();
    stage.input(Input::Disconnected { conn });
    stage.refuse("room-1", Closing { reason: CloseReason::Replaced });
    let (conn, _) = stage.accept("room-1");
    stage.say(conn, entered(10));
    stage.say(conn, Closing { reason: CloseReason::Replaced });
    assert!(matches!(stage.last(), News::Ended(_)));
}

#[test]
fn an_expired_ticket_is_replaced_and_a_later_login_ends_it() {
    let (mut stage, conn) = Stage::inside();
    stage.input(Input::Disconnected { conn });
    stage.refuse("room-1", Closing { reason: CloseReason::TicketExpired });
    stage.log_in();
    stage.browse(vec![]);
    stage.wish(Wish::Enter(place()));
    let (conn, _) = stage.accept("room-1");
    stage.say(conn, entered(10));
    stage.say(conn, Closing { reason: CloseReason::Evicted });
    assert!(matches!(stage.last(), News::Ended(_)));
}

#[test]
fn the_ticket_is_renewed_beside_the_room() {
    let (mut stage, room) = Stage::inside();
    let (token, address, _) = stage.dial();
    assert_eq!(address, "hall-1");
    let hall = ConnId(99);
    stage.input(Input::Dialed { token, conn: hall });
    assert_eq!(stage.said(), Some(GetDirectory { game: None }.into()));
    stage.say(
        hall,
        Renewed { ticket: Some(b"third".to_vec().into()), directory_refresh_s: 1800, seats: vec![] },
    );
    stage.say(hall, Directory { rooms: vec![], totals: vec![] });
    assert_eq!(stage.person.ticket, b"third");
    assert!(stage.caused.iter().any(|output| matches!(output, Output::Close(conn, _) if *conn == hall)));
    stage.input(Input::Drain);
    assert_eq!(stage.said(), Some(Leave {}.into()));
    stage.say(room, Left { seq: 10 });
    assert_eq!(stage.last(), News::Ended("left"));
}

#[test]
fn an_account_believes_only_a_server_that_knows_its_password() {
    for (answered, is_good) in [("v=good", true), ("v=bad", false)] {
        let mut stage = Stage::new(true);
        let (conn, said) = stage.accept("login-1");
        assert_eq!(said, None);
        let id = stage.person.attempt << 1;
        stage.input(Input::Answer { id, answer: Answer::ClientFirst(Some("first".into())) });
        assert!(matches!(stage.said(), Some(Message::LogIn(_))));
        stage.say(conn, LogInChallenge { server_first: "asked".into() });
        let asks = |output: &Output<Wish>| {
            matches!(output, Output::Ask { question: Question::ClientFinal { .. }, .. })
        };
        assert!(stage.caused.iter().any(asks));
        let proof = ClientProof { client_final: "proof".into(), server_final: "v=good".into() };
        stage.input(Input::Answer { id, answer: Answer::ClientFinal(Some(proof)) });
        assert_eq!(stage.said(), Some(LogInProof { client_final: "proof".into() }.into()));
        stage.say(conn, granted(Some(answered)));
        assert_eq!(matches!(stage.last(), News::Ended(_)), !is_good);
    }
}

#[test]
fn who_is_shown_out_of_an_emptied_room_goes_to_the_other_and_starts_afresh_there() {
    let (mut stage, conn) = Stage::inside();
    let shown = |room| Redirect { address: "room-2".into(), reservation: b"place".to_vec().into(), room };
    stage.say(conn, shown(Some(RoomNo(8))));
    let (token, address, hello) = stage.dial();
    assert_eq!((address.as_str(), hello.reservation.as_slice()), ("room-2", &b"place"[..]));
    stage.input(Input::Dialed { token, conn: ConnId(99) });
    let wanted = Enter { game: GAME, room: Some(RoomNo(8)), last_seq: None, last_hand: None };
    assert_eq!(stage.said(), Some(wanted.into()));
    stage.say(ConnId(99), Entered { room: RoomNo(8), ..entered(0) });
    let there = Place { address: "room-2".into(), room: RoomNo(8), game: GAME };
    assert!(matches!(stage.last(), News::Entered { place, away: None, .. } if place == there));
    stage.say(ConnId(99), shown(Some(RoomNo(9))));
    let (token, ..) = stage.dial();
    stage.input(Input::DialFailed { token, why: DialFailure::Unreachable });
    stage.browse(vec![]);
    let (mut stage, conn) = Stage::inside();
    stage.wish(Wish::Leave);
    stage.say(conn, shown(Some(RoomNo(8))));
    assert_eq!(stage.last(), News::Dialing(ServerKind::Hall), "it wanted out anyway");
}

fn in_world(world: u16, logins: &[&str]) -> WorldEntry {
    let logins = logins.iter().copied().map(Address::from).collect();
    WorldEntry { world: WorldId(world), players: 0, capacity: 100, logins }
}

#[test]
fn who_has_chosen_no_world_is_asked_and_goes_to_its_logins() {
    let mut stage = Stage::in_world(false, None);
    let (conn, said) = stage.accept("login-1");
    assert_eq!(said, Some(ListWorlds {}.into()));
    let worlds = vec![in_world(1, &["login-1"]), in_world(2, &["there-1", "there-2"])];
    stage.say(conn, Worlds { worlds: worlds.clone() });
    assert_eq!(stage.last(), News::Worlds(worlds));
    stage.wish(Wish::Browse);
    assert_eq!(stage.last(), News::NotNow);
    stage.wish(Wish::Choose(WorldId(2)));
    stage.refuse("there-1", Closing { reason: CloseReason::Draining });
    let (_, said) = stage.accept("there-2");
    let log_in = LogIn { world: WorldId(2), credentials: Credentials::Guest };
    assert_eq!(said, Some(log_in.into()));
}

#[test]
fn one_world_is_no_choice() {
    let mut stage = Stage::in_world(false, None);
    let (conn, _) = stage.accept("login-1");
    stage.say(conn, Worlds { worlds: vec![in_world(7, &[])] });
    let (_, said) = stage.accept("login-1");
    assert_eq!(said, Some(LogIn { world: WorldId(7), credentials: Credentials::Guest }.into()));
}

#[test]
fn a_login_of_another_world_is_asked_the_way() {
    let mut stage = Stage::in_world(false, Some(WorldId(2)));
    let no_such_world = LogInDenied { reason: LogInDenial::NoSuchWorld };
    let (conn, _) = stage.accept("login-1");
    stage.say(conn, no_such_world.clone());
    let (conn, said) = stage.accept("login-1");
    assert_eq!(said, Some(ListWorlds {}.into()));
    stage.say(conn, Worlds { worlds: vec![in_world(1, &["login-1"]), in_world(2, &["there-1"])] });
    let (conn, said) = stage.accept("there-1");
    assert_eq!(said, Some(LogIn { world: WorldId(2), credentials: Credentials::Guest }.into()));
    stage.say(conn, no_such_world);
    assert_eq!(stage.last(), News::Ended("there is no such world here"), "once");
}

#[test]
fn a_world_that_is_not_there_ends_it() {
    for worlds in [vec![], vec![in_world(1, &["login-1"])]] {
        let mut stage = Stage::in_world(false, Some(WorldId(2)));
        let (conn, _) = stage.accept("login-1");
        stage.say(conn, LogInDenied { reason: LogInDenial::NoSuchWorld });
        let (conn, _) = stage.accept("login-1");
        stage.say(conn, Worlds { worlds });
        assert!(matches!(stage.last(), News::Ended(_)));
    }
}
