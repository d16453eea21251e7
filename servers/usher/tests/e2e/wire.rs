//! A player's end of a connection, as plain as it can be: blocking, one frame after the other.
//!
//! Why: the tests say things no honest client says, and must see exactly what is answered.
//! Owns: first frame, packets, and the four steps of the way to a seat.
//! Invariants: a silent server fails the test after [`PATIENCE`]; pings are answered and not shown.
//! Read next: `usher_proto::first_frame`, `usher_proto::codec`.

use crate::page::{PATIENCE, until};
use crate::secrets;
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame, Role};
use usher_proto::message::{
    ChatAccepted, ChatSaid, CloseReason, Credentials, Directory, Enter, Entered, GetDirectory, LogIn,
    LogInChallenge, LogInDenial, LogInDenied, LogInProof, LoggedIn, Pong, Renewed, SeatNo, Sit, Speaker,
};
use usher_proto::{GameId, Message, RoomNo, WorldId};
use usher_secure::noise::Split;
use usher_secure::os_rng;
use usher_secure::scram::{self, ClientKeys, ServerFirst};

/// The one game there is.
pub(crate) const GOMOKU: GameId = GameId(1);

/// What came next on a connection.
#[derive(Debug)]
pub(crate) enum Heard {
    /// This.
    Said(Message),
    /// The orderly end of the stream.
    Ended,
    /// A reset.
    Reset,
}

thread_local! {
    static RECORDED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn record(bytes: &[u8]) {
    RECORDED.with_borrow_mut(|recorded| recorded.extend_from_slice(bytes));
}

/// Everything that went over this test's connections, both ways, but for the lengths of what came.
pub(crate) fn recorded() -> Vec<u8> {
    RECORDED.with_borrow(Vec::clone)
}

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    unfinished: Unfinished,
    /// Once it was welcomed.
    keys: Option<Split>,
}

/// A body as a frame.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

/// A message as frames.
pub(crate) fn packets(message: impl Into<Message>) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(Form::MessagePack, &message.into(), |header, body| {
        bytes.extend(framed(&[&header[..], body].concat()));
    })
    .unwrap();
    bytes
}

fn may_be_heard(speaker: Speaker) -> bool {
    matches!(speaker, Speaker::Anyone | Speaker::Server | Speaker::Manager)
}

impl Wire {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        Self::over(stream)
    }

    /// From another host of the loopback; nothing if that was reset at once.
    pub(crate) fn connect_from(host: Ipv4Addr, address: &str) -> Option<Self> {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((host, 0)).into()).unwrap();
        match socket.connect(&address.into()) {
            Ok(()) => Some(Self::over(socket.into())),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{address} from {host}: {error}"),
        }
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unfinished: Unfinished::default(), keys: None }
    }

    /// Whether anything comes, or the end, within that time.
    pub(crate) fn is_heard_within(&self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let heard = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        !matches!(heard, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Whether the other end has ended or reset it by now.
    pub(crate) fn is_over(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let heard = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        match heard {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Says a first frame, with a handshake if a key is known; the answer if it is not a welcome.
    pub(crate) fn greet(mut self, role: Role, ticket: &[u8]) -> Result<Self, Message> {
        let head = first_frame(role, ticket);
        let (initiator, message) = secrets::begin(role, ticket, &head).unzip();
        self.write(&framed(&[&head[..], message.as_ref().map_or(&[], |it| &it[..])].concat()));
        let body = self.read_frame().unwrap_or_else(|error| panic!("no answer to the first frame: {error}"));
        match (body.split_first(), initiator) {
            (Some((&ANSWER_WELCOME, answer)), Some(initiator)) => {
                self.keys = Some(initiator.finish(answer).expect("the server knows the key"));
                Ok(self)
            }
            _ => Err(self.decode(&body).expect("a refusal fits one frame")),
        }
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        record(bytes);
        self.stream.write_all(bytes)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap_or_else(|error| panic!("cannot say anything: {error}"));
    }

    pub(crate) fn say(&mut self, message: impl Into<Message>) {
        let clear = packets(message);
        let wire = self.sealed(&clear);
        self.write(&wire);
    }

    /// The body of the next frame, whatever it is.
    pub(crate) fn hear_raw(&mut self) -> Vec<u8> {
        self.read_frame().unwrap()
    }

    /// Frames as they go over the wire.
    pub(crate) fn sealed(&mut self, mut frames: &[u8]) -> Vec<u8> {
        let Some(keys) = &mut self.keys else { return frames.to_vec() };
        let mut wire = Vec::new();
        while let Some((length, rest)) = frames.split_first_chunk::<2>() {
            let (body, others) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
            let mut sealed = body.to_vec();
            let tag = keys.sealing.seal(&mut sealed).unwrap();
            wire.extend(framed(&[&sealed[..], &tag].concat()));
            frames = others;
        }
        wire
    }

    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            let body = match self.read_frame() {
                Ok(body) => body,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Heard::Ended,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Heard::Reset,
                Err(error) => panic!("nothing heard: {error}"),
            };
            match self.decode(&body) {
                Some(Message::Ping(_)) => self.say(Pong {}),
                Some(message) => return Heard::Said(message),
                None => {}
            }
        }
    }

    /// Waits until a hand is played at its table.
    pub(crate) fn await_hand(&mut self) {
        self.await_said("a hand", |said| match said {
            Message::TableState(table) => table.playing.then_some(()),
            _ => None,
        });
    }

    /// Hears on until `pick` takes something; everything else is let by.
    pub(crate) fn await_said<T>(&mut self, what: &str, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        loop {
            match self.hear() {
                Heard::Said(message) => match pick(&message) {
                    Some(picked) => return picked,
                    None => {
                        assert!(!matches!(message, Message::Closing(_)), "waited for {what}: {message:?}");
                    }
                },
                ended => panic!("waited for {what}: {ended:?}"),
            }
        }
    }

    /// The last reason given before the end of the stream, which must be an orderly one.
    pub(crate) fn last_word(&mut self) -> Option<CloseReason> {
        let mut reason = None;
        loop {
            match self.hear() {
                Heard::Said(Message::Closing(closing)) => reason = Some(closing.reason),
                Heard::Said(_) => assert_eq!(reason, None, "something was said after the last word"),
                Heard::Ended => return reason,
                Heard::Reset => panic!("reset after {reason:?}"),
            }
        }
    }

    /// Says a chat and waits for its number.
    pub(crate) fn chat(&mut self, text: &str) -> u64 {
        self.say(usher_proto::message::Chat { request: 1, text: text.into() });
        self.await_said("the chat's number", |message| match message {
            Message::ChatAccepted(ChatAccepted { seq, .. }) => Some(*seq),
            _ => None,
        })
    }

    /// Waits until somebody has said this.
    pub(crate) fn hear_chat(&mut self, wanted: &str) -> u64 {
        self.await_said(wanted, |message| match message {
            Message::ChatSaid(ChatSaid { seq, text, .. }) if text == wanted => Some(*seq),
            _ => None,
        })
    }

    /// Sits down anywhere.
    pub(crate) fn sit(&mut self) -> SeatNo {
        self.say(Sit { table: None, seat: None });
        self.await_said("a seat", |message| match message {
            Message::Seated(seated) => Some(seated.at),
            _ => None,
        })
    }

    /// The end of a visit to a login.
    fn logged_in(&mut self) -> Result<LoggedIn, LogInDenial> {
        let ended = self.await_said("a login", |message| match message {
            Message::LoggedIn(logged_in) => {
                let key = logged_in.session_key.to_vec().try_into().unwrap();
                secrets::remember(&logged_in.ticket, key);
                Some(Ok(logged_in.clone()))
            }
            Message::LogInDenied(LogInDenied { reason }) => Some(Err(*reason)),
            _ => None,
        });
        assert_eq!(self.last_word(), Some(CloseReason::Finished));
        ended
    }

    fn read_frame(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut body)?;
        record(&body);
        let Some(keys) = &mut self.keys else { return Ok(body) };
        let mut clear = Vec::new();
        keys.opening.open(&body, &mut clear).expect("a server's frame opens");
        Ok(clear)
    }

    fn decode(&mut self, body: &[u8]) -> Option<Message> {
        codec::decode(Form::MessagePack, may_be_heard, &mut self.unfinished, body)
            .unwrap_or_else(|error| panic!("a server said what cannot be read: {error}: {body:02x?}"))
    }
}

/// A first frame without reservation.
pub(crate) fn first_frame(role: Role, ticket: &[u8]) -> Vec<u8> {
    FirstFrame { role, ticket, reservation: b"", noise: b"" }.to_bytes()
}

/// Connects and shows a ticket; what was said instead of a welcome.
pub(crate) fn greet(address: &str, role: Role, ticket: &[u8]) -> Result<Wire, Message> {
    Wire::connect(address).greet(role, ticket)
}

/// A guest's whole visit to a login server.
pub(crate) fn log_in(address: &str, credentials: Credentials) -> LoggedIn {
    let mut wire = at_login(address);
    wire.say(LogIn { world: WorldId(1), credentials });
    wire.logged_in().expect("guests are let in")
}

/// The same into a world, which may be one that is not let in to there.
pub(crate) fn log_in_to(address: &str, world: WorldId) -> Result<LoggedIn, LogInDenial> {
    let mut wire = at_login(address);
    wire.say(LogIn { world, credentials: Credentials::Guest });
    wire.logged_in()
}

fn at_login(address: &str) -> Wire {
    // A login that has just started may not have heard of a hall yet: it asks to come back.
    until("a login takes everybody", || greet(address, Role::Login, b"").ok())
}

/// The same under an account that has its own name as password.
pub(crate) fn log_in_as(address: &str, name: &str) -> LoggedIn {
    prove(at_login(address), name, name).1.expect("the password is right")
}

/// The same with any password: what was asked, and how it ended.
pub(crate) fn try_log_in(
    address: &str,
    name: &str,
    password: &str,
) -> (String, Result<LoggedIn, LogInDenial>) {
    prove(at_login(address), name, password)
}

/// A whole exchange on a connection that is let in; the server's proof is checked.
pub(crate) fn prove(mut wire: Wire, name: &str, password: &str) -> (String, Result<LoggedIn, LogInDenial>) {
    let client_first = scram::client_first(name, &scram::fresh_nonce(&mut os_rng())).unwrap();
    let credentials = Credentials::Scram { client_first: client_first.clone() };
    wire.say(LogIn { world: WorldId(1), credentials });
    let asked = wire.await_said("a challenge", |message| match message {
        Message::LogInChallenge(LogInChallenge { server_first }) => Some(Ok(server_first.clone())),
        Message::LogInDenied(LogInDenied { reason }) => Some(Err(*reason)),
        _ => None,
    });
    let server_first = match asked {
        Ok(server_first) => server_first,
        Err(reason) => return (String::new(), Err(reason)),
    };
    let first = ServerFirst::parse(&server_first).unwrap();
    let keys = ClientKeys::derive(password, &first.salt, first.iterations).unwrap();
    let proof = scram::client_final(&client_first, &server_first, &keys).unwrap();
    wire.say(LogInProof { client_final: proof.text });
    let ended = wire.logged_in();
    if let Ok(logged_in) = &ended {
        assert_eq!(logged_in.server_final.as_deref(), Some(proof.server_final.as_str()));
    }
    (server_first, ended)
}

/// A whole visit to a hall.
pub(crate) fn visit_hall(address: &str, ticket: &[u8]) -> (Renewed, Directory) {
    let mut wire = greet(address, Role::Hall, ticket).expect("a hall takes whoever has a ticket");
    wire.say(GetDirectory { game: None });
    let mut renewed = None;
    let directory = wire.await_said("the directory", |message| match message {
        Message::Renewed(said) => {
            renewed = Some(said.clone());
            None
        }
        Message::Directory(directory) => Some(directory.clone()),
        _ => None,
    });
    assert_eq!(wire.last_word(), Some(CloseReason::Finished));
    let renewed = renewed.expect("the renewed ticket comes before the directory");
    if let (Some(again), Some(key)) = (&renewed.ticket, secrets::session_key(ticket)) {
        secrets::remember(again, key);
    }
    (renewed, directory)
}

/// Into a room, or what was said instead.
pub(crate) fn enter(address: &str, ticket: &[u8], room: Option<u16>) -> Result<(Wire, Entered), Message> {
    let mut wire = greet(address, Role::Room, ticket)?;
    wire.say(Enter { game: GOMOKU, room: room.map(RoomNo), last_seq: None, last_hand: None });
    match wire.hear() {
        Heard::Said(Message::Entered(entered)) => Ok((wire, entered)),
        Heard::Said(other) => Err(other),
        ended => panic!("wanted to enter: {ended:?}"),
    }
}

/// A guest's whole way to a seat.
pub(crate) fn seat_guest(login: &str) -> Wire {
    let guest = log_in(login, Credentials::Guest);
    let (renewed, directory) = visit_hall(&guest.halls[0].0, &guest.ticket);
    let ticket = renewed.ticket.expect("the session is young");
    let room = directory.rooms.first().expect("there is a room with space");
    let (mut wire, _) = enter(&room.address.0, &ticket, Some(room.room.0)).expect("there is space");
    wire.sit();
    wire
}
