//! A whole room server on the bench: its shards, its clients, its link, and the order between them.
//!
//! What the world below promises is kept here and nothing more: what goes one way arrives in order, different
//! ways are independent, a connection's messages wait while it is handed over, a closed connection is gone
//! after what it had said.
//! Read next: `entering.rs`.

use super::manager::Presence;
use super::records::Records;
use crate::hand::{Guard, unguarded};
use crate::room::{DOOR, RoomConfig, RoomNote, RoomServer, RoomSpec, Stopwatch, Tools};
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::GameKind;
use usher_proto::hand::HandFailure;
use usher_proto::machine::{Answer, Peer};
use usher_proto::message::{CloseReason, Enter, EnterDenial, EnterDenied, Entered, Load, Sit};
use usher_proto::{
    AccountId, ConnId, Figures, GameId, Generation, GroupId, Identity, Input, Machine, Message, Outbox,
    Output, RoomNo, SessionId, ShardId, Time, WorldId,
};

pub(super) const LINK: ConnId = ConnId(1_000_000);
pub(super) const GOMOKU: GameId = GameId(GameKind::Gomoku.id());

/// A way that things go in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Shards(ShardId, ShardId),
    Client(ConnId),
    ToManager,
    FromManager,
    /// What a shard's world answers it.
    World(ShardId),
    /// The scores it tells a shard, which come in their own time.
    Scores(ShardId),
    /// What workers say of hands, in theirs.
    Workers(ShardId),
}

/// One thing on its way.
#[derive(Debug)]
enum Mail {
    Note(Input<RoomNote>),
    Says(Message),
    IsGone,
}

pub(super) struct House {
    shards: Vec<RoomServer>,
    /// What is played in the first room, and looked for.
    pub(super) game: GameId,
    pub(super) now_ms: u64,
    mail: BTreeMap<Way, VecDeque<Mail>>,
    owner: BTreeMap<ConnId, ShardId>,
    /// Connections being handed over: what they say waits.
    moving: BTreeSet<ConnId>,
    groups: BTreeMap<GroupId, BTreeSet<ConnId>>,
    inbox: BTreeMap<ConnId, Vec<Message>>,
    /// Everything that was ever sent to anybody, the manager too.
    pub(super) sent: Vec<(ConnId, Message)>,
    /// Nothing is delivered on this way.
    held: Option<Way>,
    pub(super) closed: BTreeMap<ConnId, CloseReason>,
    pub(super) refused: BTreeMap<ConnId, Message>,
    pub(super) linked: bool,
    /// Answers for the manager; without it a test does.
    pub(super) presence: Option<Presence>,
    /// What the manager was told and nobody took, loads apart.
    told_manager: Vec<Message>,
    loads: Vec<Load>,
    pub(super) drained: usize,
    /// What the operator was told of hands.
    pub(super) failures: Vec<HandFailure>,
    pub(super) records: Records,
}

pub(super) fn config(rooms: usize, capacity: u32) -> RoomConfig {
    let rooms = (0..rooms).map(|no| RoomSpec::new(&alloc::format!("room {no}"), GameKind::Gomoku, capacity));
    // Who comes and goes is told where a test is about that.
    let presence_interval = Duration::ZERO;
    RoomConfig { rooms: rooms.collect(), floors: 2, presence_interval, ..RoomConfig::default() }
}

/// Login number `login` of an account.
pub(super) fn who(account: u64, login: u64) -> Identity {
    Identity {
        world: WorldId(1),
        account: AccountId(account),
        session: SessionId(account * 1000 + login),
        generation: Generation(login),
    }
}

impl House {
    /// A house whose manager answers, with its link up.
    pub(super) fn open(config: RoomConfig) -> Self {
        Self::timed(config, || 0)
    }

    /// The same with a stopwatch.
    pub(super) fn timed(config: RoomConfig, stopwatch: Stopwatch) -> Self {
        let mut house = Self::new(config, Tools { guard: unguarded, stopwatch });
        house.presence = Some(Presence::default());
        house.link_up();
        house.told_manager();
        house
    }

    /// A house without a link, whose manager says nothing.
    pub(super) fn dark(config: RoomConfig, guard: Guard) -> Self {
        Self::new(config, Tools { guard, stopwatch: || 0 })
    }

    fn new(config: RoomConfig, tools: Tools) -> Self {
        let config = Arc::new(config);
        let shards = (0..config.shards()).map(|shard| RoomServer::new(&config, ShardId(shard), 7, tools));
        Self {
            shards: shards.collect(),
            game: GameId(config.rooms[0].game.id()),
            now_ms: 0,
            mail: BTreeMap::new(),
            owner: BTreeMap::new(),
            moving: BTreeSet::new(),
            groups: BTreeMap::new(),
            inbox: BTreeMap::new(),
            sent: Vec::new(),
            held: None,
            closed: BTreeMap::new(),
            refused: BTreeMap::new(),
            linked: false,
            presence: None,
            told_manager: Vec::new(),
            loads: Vec::new(),
            drained: 0,
            failures: Vec::new(),
            records: Records::default(),
        }
    }

    // What a test does.

    /// A new connection of this login; whether it was admitted.
    pub(super) fn connect(&mut self, conn: u64, identity: Identity) -> bool {
        let (conn, peer) = (ConnId(conn), Peer::Player(identity));
        self.knock(conn, peer.clone());
        let admitted = self.owner.contains_key(&conn);
        if admitted {
            self.give(DOOR, Input::Connected { conn, peer });
        }
        admitted
    }

    pub(super) fn knock(&mut self, conn: ConnId, peer: Peer) {
        self.give(DOOR, Input::Knock { conn, peer, reservation: None, address: None });
    }

    /// Says something; everything it causes has happened afterwards.
    pub(super) fn say(&mut self, conn: u64, message: impl Into<Message>) {
        self.post(conn, message);
        self.settle();
    }

    /// Says something that does not arrive yet.
    pub(super) fn post(&mut self, conn: u64, message: impl Into<Message>) {
        self.send_by(Way::Client(ConnId(conn)), Mail::Says(message.into()));
    }

    /// The connection drops.
    pub(super) fn drop(&mut self, conn: u64) {
        self.post_drop(conn);
        self.settle();
    }

    pub(super) fn post_drop(&mut self, conn: u64) {
        let conn = ConnId(conn);
        if self.closed.insert(conn, CloseReason::Finished).is_none() {
            self.gone(conn);
        }
    }

    pub(super) fn link_up(&mut self) {
        self.linked = true;
        self.give(DOOR, Input::LinkUp { conn: LINK });
        self.settle();
    }

    /// The link breaks; what was on its way is lost.
    pub(super) fn link_down(&mut self) {
        self.linked = false;
        self.mail.remove(&Way::ToManager);
        self.mail.remove(&Way::FromManager);
        self.give(DOOR, Input::LinkDown);
        self.settle();
    }

    pub(super) fn manager_says(&mut self, message: impl Into<Message>) {
        self.post_manager(message);
        self.settle();
    }

    /// The manager says something that does not arrive yet.
    pub(super) fn post_manager(&mut self, message: impl Into<Message>) {
        self.send_by(Way::FromManager, Mail::Says(message.into()));
    }

    /// From now on nothing is delivered on this way, until it is let go.
    pub(super) fn hold(&mut self, way: Way) {
        self.held = Some(way);
    }

    /// What was held is delivered.
    pub(super) fn let_go(&mut self) {
        self.held = None;
        self.settle();
    }

    pub(super) fn drain(&mut self) {
        self.give(DOOR, Input::Drain);
        self.settle();
    }

    /// Lets time pass; every timeout is given at its time.
    pub(super) fn pass(&mut self, millis: u64) {
        let until_ms = self.now_ms + millis;
        let mut turns = 0;
        while let Some((at, shard)) = self.next_timeout().filter(|&(at, _)| at <= Time::from_millis(until_ms))
        {
            turns += 1;
            assert!(turns <= 10_000, "the machine spins");
            self.now_ms = self.now_ms.max(at.0.div_ceil(1_000_000));
            self.give(shard, Input::Timeout);
            self.settle();
        }
        self.now_ms = until_ms;
    }

    fn next_timeout(&self) -> Option<(Time, ShardId)> {
        let due =
            self.shards.iter().zip(0..).filter_map(|(it, shard)| Some((it.next_timeout()?, ShardId(shard))));
        due.min()
    }

    // What a test sees.

    /// What a connection was sent since this was last asked.
    pub(super) fn heard(&mut self, conn: u64) -> Vec<Message> {
        self.inbox.remove(&ConnId(conn)).unwrap_or_default()
    }

    /// What the manager was told since this was last asked, loads apart.
    pub(super) fn told_manager(&mut self) -> Vec<Message> {
        core::mem::take(&mut self.told_manager)
    }

    /// The loads reported since this was last asked.
    pub(super) fn loads(&mut self) -> Vec<Load> {
        core::mem::take(&mut self.loads)
    }

    pub(super) fn reason(&self, conn: u64) -> Option<CloseReason> {
        self.closed.get(&ConnId(conn)).copied()
    }

    /// A figure, summed over the shards.
    pub(super) fn figure(&self, name: &str) -> u64 {
        let mut figures = Figures::default();
        for shard in &self.shards {
            shard.figures(&mut figures);
        }
        figures.value(name).unwrap_or_else(|| panic!("no figure is called {name}"))
    }

    // Short ways to where most stories begin.

    pub(super) fn enter_any(&mut self, conn: u64) -> Vec<Message> {
        self.say(conn, Enter { game: self.game, room: None, last_seq: None, last_hand: None });
        self.heard(conn)
    }

    pub(super) fn enter(&mut self, conn: u64, room: u16) -> Vec<Message> {
        self.say(conn, Enter { game: self.game, room: Some(RoomNo(room)), last_seq: None, last_hand: None });
        self.heard(conn)
    }

    pub(super) fn resume(&mut self, conn: u64, room: u16, last_seq: u64) -> Vec<Message> {
        self.say(
            conn,
            Enter { game: self.game, room: Some(RoomNo(room)), last_seq: Some(last_seq), last_hand: None },
        );
        self.heard(conn)
    }

    /// This login connects and enters the room.
    pub(super) fn arrive(&mut self, conn: u64, identity: Identity, room: u16) -> Entered {
        assert!(self.connect(conn, identity), "{:?}", self.refused);
        entered(&self.enter(conn, room))
    }

    pub(super) fn sit(&mut self, conn: u64) -> Vec<Message> {
        self.say(conn, Sit { table: None, seat: None });
        self.heard(conn)
    }

    // The world.

    /// Delivers until nothing is on its way.
    pub(super) fn settle(&mut self) {
        let mut turns = 0;
        while let Some(&way) = self.ways().first() {
            turns += 1;
            assert!(turns <= 100_000, "it never settles");
            self.deliver(way);
        }
    }

    /// The ways something can be delivered on now.
    pub(super) fn ways(&self) -> Vec<Way> {
        let waits = |way: &Way| {
            self.held == Some(*way) || matches!(way, Way::Client(conn) if self.moving.contains(conn))
        };
        self.mail.keys().copied().filter(|way| !waits(way)).collect()
    }

    /// Delivers the next thing on a way.
    pub(super) fn deliver(&mut self, way: Way) {
        let Some(queue) = self.mail.get_mut(&way) else { return };
        let mail = queue.pop_front().expect("an empty way");
        if queue.is_empty() {
            self.mail.remove(&way);
        }
        match (way, mail) {
            (Way::Shards(_, to), Mail::Note(input)) => {
                if let Input::HandedOver { conn, .. } = input {
                    self.moving.remove(&conn);
                }
                self.give(to, input);
            }
            (Way::Client(conn), Mail::Says(message)) => {
                self.give(self.owner[&conn], Input::Message { conn, message });
            }
            (Way::Client(conn), Mail::IsGone) => {
                let owner = self.owner.remove(&conn).expect("it is gone once");
                self.give(owner, Input::Disconnected { conn });
            }
            (Way::ToManager, Mail::Says(message)) => self.manager_hears(message),
            (Way::World(shard) | Way::Scores(shard) | Way::Workers(shard), Mail::Note(input)) => {
                self.give(shard, input);
            }
            (Way::FromManager, Mail::Says(message)) => {
                self.give(DOOR, Input::Message { conn: LINK, message });
            }
            (way, mail) => panic!("{mail:?} on {way:?}"),
        }
    }

    fn manager_hears(&mut self, message: Message) {
        let answers = self.presence.as_mut().map(|presence| presence.answer(&message));
        for answer in answers.into_iter().flatten() {
            self.send_by(Way::FromManager, Mail::Says(answer));
        }
        match message {
            Message::Load(load) => self.loads.push(load),
            message => self.told_manager.push(message),
        }
    }

    fn give(&mut self, shard: ShardId, input: Input<RoomNote>) {
        let mut out = Outbox::default();
        let machine = &mut self.shards[usize::from(shard.0)];
        machine.handle(Time::from_millis(self.now_ms), input, &mut out);
        machine.check_invariants();
        for output in out.drain() {
            self.happens(shard, output);
        }
    }

    fn happens(&mut self, from: ShardId, output: Output<RoomNote>) {
        match output {
            Output::Admit(conn) => assert!(self.owner.insert(conn, DOOR).is_none()),
            Output::Refuse(conn, message) => assert!(self.refused.insert(conn, message).is_none()),
            Output::Send(LINK, message) => {
                assert!(self.linked, "{message:?} is said to nobody");
                self.sent.push((LINK, message.clone()));
                self.send_by(Way::ToManager, Mail::Says(message));
            }
            Output::Send(conn, message) => self.hear(from, conn, message),
            Output::SendShared(conn, message) => self.hear(from, conn, (*message).clone()),
            Output::Join(conn, group) => {
                self.groups.entry(group).or_default().insert(conn);
            }
            Output::Leave(conn, group) => {
                let left = self.groups.entry(group).or_default().remove(&conn);
                assert!(left || self.closed.contains_key(&conn));
            }
            Output::Publish { group, message, except } => {
                for conn in self.groups.get(&group).cloned().unwrap_or_default() {
                    if Some(conn) != except {
                        self.hear_any(conn, message.clone());
                    }
                }
            }
            Output::PublishShared(group, message) => {
                for conn in self.groups.get(&group).cloned().unwrap_or_default() {
                    self.hear_any(conn, (*message).clone());
                }
            }
            Output::Close(LINK, reason) => {
                self.closed.insert(LINK, reason);
            }
            Output::Close(conn, reason) => {
                if let Entry::Vacant(open) = self.closed.entry(conn) {
                    open.insert(reason);
                    self.gone(conn);
                }
            }
            Output::HandOver { conn, to, note } => {
                let owned = self.owner.insert(conn, to).is_none_or(|owner| owner == from);
                assert!(owned, "shard {from} hands over {conn}, which it does not own");
                self.moving.insert(conn);
                self.send_by(Way::Shards(from, to), Mail::Note(Input::HandedOver { conn, note }));
            }
            Output::Tell(to, note) => {
                self.send_by(Way::Shards(from, to), Mail::Note(Input::Told { from, note }));
            }
            Output::Drained => self.drained += 1,
            Output::HandFailed(failure) => self.failures.push(*failure),
            Output::Ask { id, question } => {
                let answer = self.records.answer(question);
                let way = match answer {
                    Answer::Score(_) => Way::Scores(from),
                    Answer::Played(_) => Way::Workers(from),
                    _ => Way::World(from),
                };
                self.send_by(way, Mail::Note(Input::Answer { id, answer }));
            }
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, from: ShardId, conn: ConnId, message: Message) {
        if let Some(owner) = self.owner.get(&conn) {
            assert_eq!(*owner, from, "{message:?} from a shard that does not own {conn}");
        }
        self.hear_any(conn, message);
    }

    fn hear_any(&mut self, conn: ConnId, message: Message) {
        if !self.closed.contains_key(&conn) {
            self.sent.push((conn, message.clone()));
            self.inbox.entry(conn).or_default().push(message);
        }
    }

    /// What a closed connection had said still arrives, then that it is gone.
    fn gone(&mut self, conn: ConnId) {
        self.groups.values_mut().for_each(|group| {
            group.remove(&conn);
        });
        self.send_by(Way::Client(conn), Mail::IsGone);
    }

    fn send_by(&mut self, way: Way, mail: Mail) {
        self.mail.entry(way).or_default().push_back(mail);
    }
}

pub(super) fn entered(heard: &[Message]) -> Entered {
    let entered = heard.iter().find_map(|it| match it {
        Message::Entered(entered) => Some(entered.clone()),
        _ => None,
    });
    entered.unwrap_or_else(|| panic!("not entered: {heard:?}"))
}

pub(super) fn denied(reason: EnterDenial) -> Vec<Message> {
    alloc::vec![EnterDenied { reason }.into()]
}
