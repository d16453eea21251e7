//! The shape of a machine: one event in, everything it causes out, nothing else.
//!
//! Why: logic without sockets, clocks or threads runs the same on a server and in the simulator, by the
//! million, and a run can be repeated from its seed.
//! Owns: [`Machine`], [`Input`], [`Output`], [`Outbox`], [`Time`], and what may be *asked*.
//! Invariants: `handle` never blocks and never fails; after every `handle` the caller drains the outbox, in
//! order; a machine holds no secret (tickets are sealed and accounts checked by the world it runs in).
//! Limits: an outbox holds what one step caused; its size is bounded by the machine's own limits.
//! Read next: `usher-logic` for the machines, `usher-runtime` and `usher-sim` for the two worlds.

use crate::figures::Figures;
use crate::first_frame::Role;
use crate::hand::{HandFailure, HandRecord, Seed};
use crate::ids::{
    AccountId, Address, ConnId, GameId, GroupId, Identity, Reservation, ServerName, ShardId, WorldId,
};
use crate::message::{CloseReason, LogInDenial, Look, Message, NotDone, Play};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::{Add, Sub};
use core::time::Duration;
use serde::Serialize;

/// Nanoseconds since the machine's world started. Never goes back; may jump ahead (a stopped process).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// So many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Time {
    type Output = Duration;
    /// The time from `earlier` to here; zero if it is later.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Logic as a state machine. See the module head for the law.
pub trait Machine {
    /// What this machine's shards tell each other and hand over with a connection.
    type Note: Send + 'static;

    /// One event in; everything it causes goes to `out`. Never blocks, never fails.
    fn handle(&mut self, now: Time, input: Input<Self::Note>, out: &mut Outbox<Self::Note>);

    /// When to call again with [`Input::Timeout`].
    fn next_timeout(&self) -> Option<Time>;

    /// Panics if an invariant does not hold: all of them, a full sweep. For tests and the simulator.
    fn check_invariants(&self) {}

    /// States what this machine counts, for metrics.
    fn figures(&self, _figures: &mut Figures) {}
}

/// Who is at the other end of a connection, as far as the world below has proven it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody without a ticket, at a login server.
    Stranger,
    /// The holder of a good ticket.
    Player(Identity),
    /// A server of this cluster, on the link listener.
    Server(ServerName),
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Input<N> {
    /// Somebody's first frame is here and opened. Answer with [`Output::Admit`] or [`Output::Refuse`], now or
    /// later; nothing else comes from the connection before that.
    Knock {
        /// The connection.
        conn: ConnId,
        /// Who it is.
        peer: Peer,
        /// The place that was kept, already checked: for this server, not expired, for this session.
        reservation: Option<Reservation>,
        /// Where from, as limits by address count it; none: those do not hold for it.
        address: Option<IpAddr>,
    },
    /// An admitted connection is up, and its peer is proven.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Who it is.
        peer: Peer,
    },
    /// A message.
    Message {
        /// On this connection.
        conn: ConnId,
        /// What was said.
        message: Message,
    },
    /// The connection is gone: the last input about it, exactly one for each knock, dial or link.
    Disconnected {
        /// The connection.
        conn: ConnId,
    },
    /// The link to the manager is up. The machine presents itself.
    LinkUp {
        /// The link's connection.
        conn: ConnId,
    },
    /// The link to the manager broke.
    LinkDown,
    /// What was asked is answered.
    Answer {
        /// The id given with [`Output::Ask`].
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// An outgoing connection is up and its server admitted it.
    Dialed {
        /// The token given with [`Output::Dial`].
        token: u64,
        /// Its connection from now on.
        conn: ConnId,
    },
    /// An outgoing connection was not made, or its server refused it in clear.
    DialFailed {
        /// The token given with [`Output::Dial`].
        token: u64,
        /// Why.
        why: DialFailure,
    },
    /// This shard owns the connection from now on.
    HandedOver {
        /// The connection.
        conn: ConnId,
        /// What its former owner says of it.
        note: N,
    },
    /// Another shard says something.
    Told {
        /// Which.
        from: ShardId,
        /// What.
        note: N,
    },
    /// The time of [`Machine::next_timeout`] has come.
    Timeout,
    /// The operator wants this server empty: admit nobody new, let what runs come to its end.
    Drain,
    /// The operator wants that server of the cluster empty. A manager's alone.
    DrainServer {
        /// Its name.
        name: ServerName,
    },
    /// The operator wants every login of this account so far out of every room, and none of them in again.
    Revoke {
        /// The account.
        account: AccountId,
    },
    /// The operator says something to every player who is in a room. A manager's alone.
    Announce {
        /// What; checked by the world.
        text: String,
    },
}

/// Why an outgoing connection did not come about.
#[derive(Clone, Debug, PartialEq)]
pub enum DialFailure {
    /// Nobody answered, or not in time.
    Unreachable,
    /// The server said this and closed: [`Message::Redirect`], [`Message::Busy`], [`Message::Closing`], ...
    Refused(Message),
    /// It closed without a word.
    Closed,
}

/// What a machine causes.
#[derive(Debug)]
pub enum Output<N> {
    /// Let a knocking connection in.
    Admit(ConnId),
    /// Turn a knocking connection away, with this said in clear.
    Refuse(ConnId, Message),
    /// Send a message.
    Send(ConnId, Message),
    /// Send a message that many connections get: encoded once.
    SendShared(ConnId, Arc<Message>),
    /// Put a connection into a group.
    Join(ConnId, GroupId),
    /// Take it out again. A closed connection leaves its groups by itself.
    Leave(ConnId, GroupId),
    /// Send to everyone in a group but one.
    Publish {
        /// The group.
        group: GroupId,
        /// What.
        message: Message,
        /// Who not.
        except: Option<ConnId>,
    },
    /// Send a message that many groups get to everyone in this one: encoded once for all of them.
    PublishShared(GroupId, Arc<Message>),
    /// Say why and close; what was sent before still arrives.
    Close(ConnId, CloseReason),
    /// Give the connection to another shard, with what it must know.
    HandOver {
        /// The connection.
        conn: ConnId,
        /// Its new owner.
        to: ShardId,
        /// What goes along.
        note: N,
    },
    /// Say something to another shard.
    Tell(ShardId, N),
    /// Ask the world for what a machine may not do itself; answered by [`Input::Answer`].
    Ask {
        /// The machine's own number for this question.
        id: u64,
        /// The question.
        question: Question,
    },
    /// Connect to a server as a player does; answered by [`Input::Dialed`] or [`Input::DialFailed`].
    Dial {
        /// The machine's own number for this attempt.
        token: u64,
        /// Where to.
        address: Address,
        /// What the first frame says.
        hello: Hello,
    },
    /// Tell whoever runs this server what went wrong with a hand.
    HandFailed(Box<HandFailure>),
    /// Replace what the admin page shows of this server.
    Show(ClusterView),
    /// A drained server has nobody left: the process may end.
    Drained,
}

/// What a client's first frame says, before it is put into bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// Which kind of server the client believes it talks to.
    pub role: Role,
    /// Its ticket; empty at a login server.
    pub ticket: Vec<u8>,
    /// Its reservation; empty without a redirect.
    pub reservation: Vec<u8>,
    /// What proves the ticket's holder, and encrypts the rest; all zeros at a login server.
    pub session_key: [u8; 32],
}

impl core::fmt::Debug for Hello {
    /// Without what is secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hello").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What a machine may ask of its world.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Make a session, with its ticket, for somebody without an account.
    LogInGuest {
        /// The world chosen.
        world: WorldId,
    },
    /// What is this client to prove?
    LogInFirst {
        /// Its first text.
        client_first: String,
    },
    /// Has it? If so, make a session with its ticket.
    LogInFinal {
        /// The world chosen.
        world: WorldId,
        /// What was said so far.
        exchange: Exchange,
        /// The proof.
        client_final: String,
    },
    /// The first text of a player's own.
    ClientFirst {
        /// Which account of the world's list.
        account: u32,
    },
    /// The proof for what a server asked of a player.
    ClientFinal {
        /// Which account of the world's list.
        account: u32,
        /// What was said so far.
        exchange: Exchange,
    },
    /// Seal anew the ticket this connection presented: same session and generation, a fresh expiry.
    RenewTicket {
        /// The connection.
        conn: ConnId,
    },
    /// Seal a reservation that expires after `ttl`.
    SealReservation {
        /// What it says.
        reservation: Reservation,
        /// How long it is good for.
        ttl: Duration,
    },
    /// The chance of a hand: bits that nobody can guess.
    HandSeed,
    /// What comes of a hand whose rules are a worker's.
    Play(Box<Play>),
    /// Write down a hand that is over, and count it once.
    RecordHand(Box<HandRecord>),
    /// What an account has won and lost so far.
    Score {
        /// Whose.
        account: AccountId,
        /// At which game.
        game: GameId,
    },
}

/// What the world answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Question::LogInFirst`].
    Challenge(Result<Challenge, LogInDenial>),
    /// To [`Question::LogInGuest`] and [`Question::LogInFinal`].
    LogIn(Result<Grant, LogInDenial>),
    /// To [`Question::ClientFirst`]; nothing if there is no such account.
    ClientFirst(Option<String>),
    /// To [`Question::ClientFinal`]; nothing if this is no challenge to answer.
    ClientFinal(Option<ClientProof>),
    /// To [`Question::RenewTicket`]; nothing if the session is over.
    Ticket(Option<Vec<u8>>),
    /// To [`Question::SealReservation`].
    Reservation(Vec<u8>),
    /// To [`Question::HandSeed`].
    HandSeed(Seed),
    /// To [`Question::Play`].
    Played(Played),
    /// To [`Question::RecordHand`], once it cannot be lost any more: the score of each of its seats from then on; nothing
    /// if it could not be written down.
    HandRecorded(Option<Vec<i64>>),
    /// To [`Question::Score`]; nothing where no scores are kept.
    Score(Option<i64>),
}

/// What a worker says of a hand.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// It is done, and this is the hand now.
    Look(Box<Look>),
    /// The action is not allowed, for this reason; the hand is as it was.
    Refused(String),
    /// There is nothing to say of it.
    Undone(NotDone),
}

/// A SCRAM exchange so far. Its texts are no secrets, so a machine may keep them, and then the world need not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the client said.
    pub client_first: String,
    /// What it was answered.
    pub server_first: String,
}

/// What somebody is to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The account's number, whether or not there is such an account.
    pub account: AccountId,
    /// The server's first text.
    pub server_first: String,
}

/// A player's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProof {
    /// To the server.
    pub client_final: String,
    /// What a server that knows the password answers, to the letter.
    pub server_final: String,
}

/// What a successful login is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Who the player is from now on.
    pub identity: Identity,
    /// 32 bytes that prove it later; for the player alone, a machine only passes it on.
    pub session_key: Vec<u8>,
    /// The sealed ticket.
    pub ticket: Vec<u8>,
    /// How long the ticket is good for.
    pub ticket_ttl: Duration,
    /// The server's last text, if the account was proven.
    pub server_final: Option<String>,
}

/// The cluster as its manager sees it: what `/api/cluster` answers, in JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClusterView {
    /// When it was so, in unix milliseconds by the manager's clock.
    pub unix_ms: u64,
    /// Everyone known, by name.
    pub servers: Vec<ServerView>,
    /// Accounts in at least one room.
    pub players_online: u64,
    /// Places they have in rooms: an account in rooms of two games counts twice.
    pub players_in_rooms: u64,
    /// Reservations given and not yet redeemed or expired.
    pub reservations_outstanding: u64,
    /// Redirects decided, by kind of server.
    pub redirects_login: u64,
    /// As above.
    pub redirects_hall: u64,
    /// As above.
    pub redirects_room: u64,
    /// Questions where to redirect to that no server had a place for.
    pub redirects_nobody: u64,
    /// Redirects that no entry of `flows` counts.
    pub redirects_unpaired: u64,
    /// Who sent how many where.
    pub flows: Vec<FlowView>,
    /// Older logins evicted.
    pub evictions: u64,
    /// Logins put out by the operator.
    pub revocations: u64,
    /// Players let into a room.
    pub claims_granted: u64,
    /// Claims refused because the player already has a room of that game.
    pub claims_denied: u64,
    /// Claims refused because of a newer login.
    pub claims_superseded: u64,
    /// Claims refused because the manager could keep no more accounts.
    pub claims_full: u64,
    /// Times a server was taken into the cluster.
    pub registrations: u64,
    /// Times one was not.
    pub registrations_denied: u64,
    /// Servers that did not renew their lease.
    pub leases_ended: u64,
    /// Times the manager itself stood still for longer than half a lease.
    pub time_jumps: u64,
    /// Links closed for what they said.
    pub unexpected: u64,
    /// Rooms of the directory.
    pub rooms: Vec<RoomView>,
}

/// Redirects from one server to another in [`ClusterView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowView {
    /// Who sent.
    pub from: ServerName,
    /// Who was sent to.
    pub to: ServerName,
    /// How many clients, since the younger of the two came.
    pub redirects: u64,
}

/// One server in [`ClusterView`].
#[derive(Clone, Debug, Serialize)]
pub struct ServerView {
    /// Its name.
    pub name: ServerName,
    /// Its kind.
    pub kind: &'static str,
    /// `joining`, `up`, `suspect`, `draining` or `gone`.
    pub state: &'static str,
    /// Where clients find it.
    pub address: Address,
    /// The gateway whose address that is.
    pub through: Option<ServerName>,
    /// Its world.
    pub world: WorldId,
    /// What it serves now.
    pub serving: u32,
    /// Its `serve_max`.
    pub serve_max: u32,
    /// Places kept there for clients that were sent to it.
    pub reserved: u32,
    /// Open client connections.
    pub connections: u32,
    /// Most there ever were.
    pub connections_peak: u32,
    /// Above which nothing passes.
    pub connections_max: u32,
    /// CPU used, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory now, in KiB.
    pub rss_kib: u64,
    /// Most resident memory there ever was, in KiB.
    pub rss_kib_peak: u64,
}

/// One room in [`ClusterView`].
#[derive(Clone, Debug, Serialize)]
pub struct RoomView {
    /// Its server.
    pub server: ServerName,
    /// Its number there.
    pub room: u16,
    /// Its name.
    pub name: Arc<str>,
    /// People in it.
    pub population: u32,
    /// People it has seats for.
    pub capacity: u32,
}

/// Everything one step of a machine caused, in order.
#[derive(Debug)]
pub struct Outbox<N> {
    outputs: Vec<Output<N>>,
}

impl<N> Default for Outbox<N> {
    fn default() -> Self {
        Self { outputs: Vec::new() }
    }
}

impl<N> Outbox<N> {
    /// Adds an output.
    pub fn push(&mut self, output: Output<N>) {
        self.outputs.push(output);
    }

    /// Adds a message to one connection.
    pub fn send(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.push(Output::Send(conn, message.into()));
    }

    /// Adds a message to a group.
    pub fn publish(&mut self, group: GroupId, message: impl Into<Message>, except: Option<ConnId>) {
        self.push(Output::Publish { group, message: message.into(), except });
    }

    /// Adds a close with its reason.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.push(Output::Close(conn, reason));
    }

    /// Takes what was caused, in order; the space stays for the next step.
    pub fn drain(&mut self) -> alloc::vec::Drain<'_, Output<N>> {
        self.outputs.drain(..)
    }

    /// How much was caused so far: where [`Outbox::since`] begins.
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// What was caused since there were so many.
    pub fn since(&self, len: usize) -> &[Output<N>] {
        &self.outputs[len..]
    }

    /// Whether the step caused nothing.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }
}
