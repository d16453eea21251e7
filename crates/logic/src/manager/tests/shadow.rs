//! Rooms that obey, among links that break, servers that vanish and managers that start anew; then peace,
//! and what the rooms hold is compared with what presence believes.
//!
//! Why: the rules are few, their interleavings are not. Every case is a seed that replays.
//! The room here does what a real one does on its link: it presents whom it holds, repeats claims and releases
//! until they are answered, lets a newer login take a seat over, and evicts when told.
//! Read next: [`super::entering`], the rules one by one.

use super::*;
use alloc::collections::VecDeque;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use usher_proto::message::Evicted;

const SEEDS: u64 = 150;
const STEPS: usize = 300;
const SERVERS: usize = 3;
const ACCOUNTS: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Guest {
    identity: Identity,
    game: GameId,
    room: RoomNo,
    entered_unix_ms: u64,
}

/// A room server's half of the story, with messages on their way in both directions.
struct Shadow {
    name: String,
    incarnation: u64,
    conn: Option<ConnId>,
    guests: Vec<Guest>,
    claims: BTreeMap<u64, Guest>,
    releases: BTreeMap<u64, Guest>,
    to_manager: VecDeque<Message>,
    from_manager: VecDeque<Message>,
}

impl Shadow {
    fn request(request: u64, guest: Guest, claim: bool) -> Message {
        let Guest { identity, game, room, .. } = guest;
        if claim {
            Claim { request, identity, game, room }.into()
        } else {
            Release { request, identity, game, room }.into()
        }
    }

    fn tell(&mut self, message: Message) {
        if self.conn.is_some() {
            self.to_manager.push_back(message);
        }
    }

    fn hear(&mut self, message: Message, random: &mut Random, now_unix_ms: u64) {
        match message {
            Message::Claimed(Claimed { request, verdict }) => {
                let guest = self.claims.remove(&request).filter(|_| verdict == Verdict::Granted);
                let Some(guest) = guest else { return };
                if random.chance(4) {
                    // The connection is gone: nobody enters, and a seat is not taken over.
                    return self.leave(guest, random.next());
                }
                let same = |other: &Guest| {
                    other.identity.account == guest.identity.account && other.room == guest.room
                };
                self.guests.retain(|other| !same(other));
                self.guests.push(Guest { entered_unix_ms: now_unix_ms, ..guest });
            }
            Message::Released(Released { request }) => {
                self.releases.remove(&request);
            }
            Message::Evict(Evict { world, account, below }) => {
                self.guests
                    .retain(|guest| guest.identity.account != account || guest.identity.generation >= below);
                self.tell(Evicted { world, account, below }.into());
            }
            _ => {}
        }
    }

    /// One visit is over. The place is given up with the last visit and claim of that login in that room:
    /// released earlier, the release would overtake the other's grant.
    fn leave(&mut self, guest: Guest, request: u64) {
        let same = |other: &Guest| (other.identity, other.room) == (guest.identity, guest.room);
        self.guests.retain(|other| !same(other));
        if !self.claims.values().any(same) {
            self.releases.insert(request, guest);
            self.tell(Self::request(request, guest, false));
        }
    }
}

struct Random(ChaCha8Rng);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

struct Story {
    cluster: Cluster,
    shadows: Vec<Shadow>,
    random: Random,
    logins: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let shadow = |at| Shadow {
            name: format!("room-{at}"),
            incarnation: 1,
            conn: None,
            guests: Vec::new(),
            claims: BTreeMap::new(),
            releases: BTreeMap::new(),
            to_manager: VecDeque::new(),
            from_manager: VecDeque::new(),
        };
        Self {
            cluster: Cluster::new(),
            shadows: (0..SERVERS).map(shadow).collect(),
            random: Random(ChaCha8Rng::seed_from_u64(seed)),
            logins: 2,
        }
    }

    fn unix_ms(&self) -> u64 {
        STARTED_UNIX_MS + self.cluster.now.as_millis()
    }

    fn step(&mut self) {
        let at = self.random.below(SERVERS as u64) as usize;
        match self.random.below(100) {
            0..=29 => self.claim(at),
            30..=39 => self.leave(at),
            40..=74 => {
                self.deliver(at);
            }
            75..=79 => self.cut(at),
            80..=89 => self.connect(at),
            90 => self.crash(at),
            91 => self.restart_manager(),
            92 => self.pass(5_000),
            93..=94 => self.logins += 1,
            _ => self.pass(300),
        }
    }

    /// Some login of some account knocks at some room.
    fn claim(&mut self, at: usize) {
        let account = 1 + self.random.below(ACCOUNTS);
        let login = self.logins - self.random.below(2);
        let room = self.random.below(4) as u16;
        let game = if room < 2 { GOMOKU } else { CHESS };
        let guest = Guest { identity: player(account, login), game, room: RoomNo(room), entered_unix_ms: 0 };
        let request = self.random.next();
        let shadow = &mut self.shadows[at];
        shadow.claims.insert(request, guest);
        shadow.tell(Shadow::request(request, guest, true));
    }

    fn leave(&mut self, at: usize) {
        let request = self.random.next();
        let guests = self.shadows[at].guests.len() as u64;
        if guests > 0 {
            let which = self.random.below(guests) as usize;
            let guest = self.shadows[at].guests[which];
            self.shadows[at].leave(guest, request);
        }
    }

    /// One message arrives, in one direction.
    fn deliver(&mut self, at: usize) -> bool {
        let up = self.random.chance(2);
        self.deliver_one(at, up) || self.deliver_one(at, !up)
    }

    fn deliver_one(&mut self, at: usize, up: bool) -> bool {
        let now_unix_ms = self.unix_ms();
        let shadow = &mut self.shadows[at];
        let Some(conn) = shadow.conn else { return false };
        if up {
            let Some(message) = shadow.to_manager.pop_front() else { return false };
            self.cluster.say(conn, message);
            self.collect();
        } else {
            let Some(message) = shadow.from_manager.pop_front() else { return false };
            shadow.hear(message, &mut self.random, now_unix_ms);
        }
        true
    }

    /// What the manager said is on its way; whom it closed has lost its link.
    fn collect(&mut self) {
        for shadow in &mut self.shadows {
            if let Some(conn) = shadow.conn {
                shadow.from_manager.extend(self.cluster.heard(conn));
            }
        }
        for (conn, reason) in core::mem::take(&mut self.cluster.closed) {
            assert!(
                matches!(reason, CloseReason::NotRegistered | CloseReason::Replaced),
                "a room that behaves is not closed for {reason:?}"
            );
            let Some(at) = self.shadows.iter().position(|shadow| shadow.conn == Some(conn)) else { continue };
            self.cut(at);
        }
    }

    fn cut(&mut self, at: usize) {
        let shadow = &mut self.shadows[at];
        shadow.to_manager.clear();
        shadow.from_manager.clear();
        if let Some(conn) = shadow.conn.take() {
            self.cluster.cut(conn);
        }
    }

    /// Connects, or connects again before the old link is seen to break.
    fn connect(&mut self, at: usize) {
        let conn = self.cluster.link(&self.shadows[at].name);
        let facts = self.cluster.facts(ServerKind::Room, &self.shadows[at].name);
        let shadow = &mut self.shadows[at];
        shadow.to_manager.clear();
        shadow.from_manager.clear();
        shadow.conn = Some(conn);
        self.cluster
            .renewing
            .retain(|renewing| self.shadows.iter().any(|shadow| shadow.conn == Some(*renewing)));
        let shadow = &mut self.shadows[at];
        let players = shadow.guests.len() as u32;
        shadow.tell(Register { incarnation: shadow.incarnation, players, ..facts }.into());
        // What was left before comes before what is there now.
        for (request, guest) in shadow.releases.clone() {
            shadow.tell(Shadow::request(request, guest, false));
        }
        for guest in shadow.guests.clone() {
            let Guest { identity, game, room, entered_unix_ms } = guest;
            let players = vec![PlayerPresent { identity, game, room, entered_unix_ms }];
            shadow.tell(Present { players }.into());
        }
        for (request, guest) in shadow.claims.clone() {
            shadow.tell(Shadow::request(request, guest, true));
        }
        // The registration itself arrives with the link; what follows may take its time.
        self.deliver_one(at, true);
        if self.shadows[at].conn == Some(conn) {
            self.cluster.renewing.insert(conn);
        }
    }

    fn crash(&mut self, at: usize) {
        self.cut(at);
        let shadow = &mut self.shadows[at];
        shadow.incarnation += 1;
        shadow.guests.clear();
        shadow.claims.clear();
        shadow.releases.clear();
    }

    fn restart_manager(&mut self) {
        (0..SERVERS).for_each(|at| self.cut(at));
        self.cluster.restart();
    }

    fn pass(&mut self, millis: u64) {
        self.cluster.run(millis);
        self.collect();
    }

    /// Every link comes up and everything on its way arrives.
    fn peace(&mut self) {
        for at in 0..SERVERS {
            self.cut(at);
            self.connect(at);
        }
        while (0..SERVERS).any(|at| self.deliver(at)) {}
        self.cluster.sweep();
    }

    fn check(&self, seed: u64) {
        let guests: Vec<Guest> =
            self.shadows.iter().flat_map(|shadow| shadow.guests.iter().copied()).collect();
        for (at, guest) in guests.iter().enumerate() {
            for other in &guests[..at] {
                let same = other.identity.account == guest.identity.account;
                assert!(!same || other.identity == guest.identity, "seed {seed}: two logins of one account");
                assert!(!same || other.game != guest.game, "seed {seed}: two rooms of one game");
            }
        }
        let places = self.cluster.figure("usher_presence_places");
        assert_eq!(places, guests.len() as u64, "seed {seed}: presence is what the rooms hold");
    }
}

#[test]
fn after_any_story_each_account_is_in_one_room_of_a_game_by_one_login_and_presence_knows() {
    let mut seated = 0;
    for seed in 0..SEEDS {
        let mut story = Story::new(seed);
        for _ in 0..STEPS {
            story.step();
        }
        story.peace();
        story.check(seed);
        seated += story.shadows.iter().map(|shadow| shadow.guests.len()).sum::<usize>();
    }
    assert!(seated > SEEDS as usize, "the stories end with somebody in a room: {seated}");
}
