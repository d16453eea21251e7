//! Everybody does anything at any time, and what is said crosses: in the end all agree who is where.
//!
//! Clients connect, enter, talk, sit, play, stand, leave, drop and log in anew at random; the link breaks and
//! the manager forgets everything; each way between shards, clients and manager is as slow as it likes.

use super::house::{House, Way, config, who};
use super::manager::Presence;
use alloc::collections::BTreeMap;
use alloc::vec;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use usher_games::GameKind;
use usher_proto::message::{
    Act, Chat, Dismiss, Enter, HandBegin, Leave, Ready, SetTableRules, Sit, SitDenial, SitDenied, Stand,
    TableRules, Watch,
};
use usher_proto::{AccountId, ConnId, Identity, Message, RoomNo, TableNo};

const ACCOUNTS: u64 = 4;
const ROOMS: u16 = 2;
const STEPS: u32 = 3000;
/// One way is stalled for about so many steps, then another.
const STALL_STEPS: u64 = 20;

/// A connection as its client sees it.
struct Client {
    identity: Identity,
    /// Where it is, and the last chat it heard there.
    inside: Option<(RoomNo, u64)>,
    asked: bool,
    table: (u64, u32),
}

struct Churn {
    house: House,
    chance: ChaCha8Rng,
    clients: BTreeMap<u64, Client>,
    logins: BTreeMap<u64, u64>,
    next_conn: u64,
    stalled: Option<Way>,
}

impl Churn {
    fn new(kind: GameKind, seed: u64) -> Self {
        let mut config = config(usize::from(ROOMS), 4);
        config.rooms.iter_mut().for_each(|room| room.game = kind);
        config.replay_max = 5;
        let house = House::open(config);
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Self { house, chance, clients: BTreeMap::new(), logins: BTreeMap::new(), next_conn: 1, stalled: None }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    fn step(&mut self) {
        if self.below(STALL_STEPS) == 0 {
            self.stalled = self.some_way();
        }
        let way = self.some_way().filter(|way| self.stalled != Some(*way));
        match way {
            Some(way) if self.below(4) != 0 => self.house.deliver(way),
            _ => self.act(),
        }
        self.listen();
    }

    fn some_way(&mut self) -> Option<Way> {
        let ways = self.house.ways();
        let at = self.below(ways.len().max(1) as u64) as usize;
        ways.get(at).copied()
    }

    fn act(&mut self) {
        match self.below(100) {
            0 if self.house.linked => self.break_link(),
            0..=2 if !self.house.linked => self.house.link_up(),
            3..=5 => {
                let millis = self.below(20_000);
                self.house.pass(millis);
            }
            6..=20 => self.connect(),
            _ => self.client_acts(),
        }
    }

    fn break_link(&mut self) {
        self.house.link_down();
        if self.below(2) == 0 {
            self.house.presence = Some(Presence::default());
        }
    }

    fn connect(&mut self) {
        let account = self.below(ACCOUNTS) + 1;
        let login = self.logins.entry(account).or_insert(1);
        *login += u64::from(self.chance.next_u32().is_multiple_of(4));
        let older = u64::from(self.chance.next_u32().is_multiple_of(8));
        let identity = who(account, login.saturating_sub(older).max(1));
        let conn = self.next_conn;
        self.next_conn += 1;
        assert!(self.house.connect(conn, identity));
        self.clients.insert(conn, Client { identity, inside: None, asked: false, table: (0, 0) });
    }

    fn client_acts(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let at = self.below(self.clients.len() as u64) as usize;
        let (&conn, client) = self.clients.iter().nth(at).expect("counted");
        let (inside, asked, (hand, turn)) = (client.inside, client.asked, client.table);
        let dice = self.below(16);
        let message: Message = match (dice, inside) {
            (0, _) => {
                self.house.post_drop(conn);
                self.clients.remove(&conn);
                return;
            }
            (_, None) if asked => return,
            (_, None) => self.wish(conn),
            (1, Some(_)) => Leave {}.into(),
            (2..=4, Some(_)) => Sit { table: None, seat: None }.into(),
            (5, Some(_)) => Stand {}.into(),
            (6..=8, Some(_)) => Act { hand, turn, action: vec![self.below(225) as u8].into() }.into(),
            (9, Some(_)) => Ready { ready: self.below(4) > 0 }.into(),
            (10, Some(_)) => self.rules().into(),
            (11, Some(_)) => Dismiss { seat: self.below(3) as u8 }.into(),
            (12, Some(_)) => Watch { table: TableNo(self.below(3) as u16) }.into(),
            (_, Some(_)) => Chat { request: 0, text: "x".into() }.into(),
        };
        if let Message::Leave(_) = message {
            let client = self.clients.get_mut(&conn).expect("it acts");
            client.asked = true;
        }
        if !(asked && matches!(message, Message::Leave(_))) {
            self.house.post(conn, message);
        }
    }

    fn rules(&mut self) -> SetTableRules {
        let begins = [HandBegin::AtOnce, HandBegin::AllReady, HandBegin::OwnerReady];
        let begin = begins[self.below(3) as usize];
        let (closed, private) = (self.below(4) == 0, self.below(4) == 0);
        SetTableRules { rules: TableRules { begin, closed, private } }
    }

    fn wish(&mut self, conn: u64) -> Message {
        let room = self.below(u64::from(ROOMS) + 1) as u16;
        let last_seq = (self.below(2) == 0).then(|| self.below(20));
        self.clients.get_mut(&conn).expect("it acts").asked = true;
        Enter {
            game: self.house.game,
            room: (room < ROOMS).then_some(RoomNo(room)),
            last_seq,
            last_hand: None,
        }
        .into()
    }

    /// What clients hear must fit: nothing lost, doubled or out of order.
    fn listen(&mut self) {
        for (&conn, client) in &mut self.clients {
            for message in self.house.heard(conn) {
                match message {
                    Message::Entered(entered) => {
                        assert!(client.inside.is_none());
                        client.inside = Some((entered.room, entered.seq));
                        client.asked = false;
                    }
                    Message::EnterDenied(_) => client.asked = false,
                    Message::ChatGap(gap) => assert_eq!(client.inside.map(|it| it.1), Some(gap.last)),
                    Message::ChatSaid(said) => {
                        let (room, seq) = client.inside.expect("heard outside");
                        assert_eq!(said.seq, seq + 1, "connection {conn}");
                        client.inside = Some((room, said.seq));
                    }
                    Message::Left(left) => {
                        assert_eq!(client.inside.take().map(|it| it.1), Some(left.seq));
                        client.asked = false;
                    }
                    Message::SitDenied(SitDenied { reason }) => {
                        assert_ne!(reason, SitDenial::Taken, "there are seats for everybody");
                    }
                    Message::TableState(state) => client.table = (state.hand, state.turn),
                    Message::Acted(acted) => client.table = (acted.hand, acted.turn + 1),
                    _ => {}
                }
            }
        }
        let closed = &self.house.closed;
        self.clients.retain(|&conn, _| !closed.contains_key(&ConnId(conn)));
    }

    /// Everything arrives, every grace runs out: who is where is the same for all.
    fn comes_to_rest(&mut self) {
        if !self.house.linked {
            self.house.link_up();
        }
        self.house.settle();
        self.listen();
        self.house.pass(61_000);
        self.listen();
        let seen: BTreeMap<AccountId, (Identity, RoomNo)> = self
            .clients
            .values()
            .filter_map(|client| Some((client.identity.account, (client.identity, client.inside?.0))))
            .collect();
        let inside = self.clients.values().filter(|client| client.inside.is_some()).count();
        assert_eq!(inside, seen.len(), "an account is in two rooms");
        assert_eq!(
            self.house.presence.as_ref().expect("it answers").rooms,
            seen,
            "presence and players differ"
        );
        let [players, places, claims, releases, serving] = [
            "usher_players",
            "usher_places_held",
            "usher_claims_pending",
            "usher_releases_pending",
            "usher_serving",
        ]
        .map(|figure| self.house.figure(figure) as usize);
        assert_eq!((players, places, claims, releases), (seen.len(), seen.len(), 0, 0));
        assert_eq!(serving, self.clients.len());
        assert_eq!(self.house.figure("usher_evictions_pending"), 0);
    }
}

#[test]
fn in_the_end_all_agree_who_is_where() {
    for &kind in GameKind::ALL {
        let mut hands = 0;
        for seed in 0..40 {
            let mut churn = Churn::new(kind, seed);
            for _ in 0..STEPS {
                churn.step();
            }
            churn.comes_to_rest();
            hands += churn.house.figure("usher_hands_started_total");
        }
        assert!(hands > 40, "{hands} hands of {kind}");
    }
}

#[test]
fn a_drain_in_the_middle_of_it_ends() {
    for (seed, &kind) in (100..140).zip(GameKind::ALL.iter().cycle()) {
        let mut churn = Churn::new(kind, seed);
        for _ in 0..STEPS / 2 {
            churn.step();
        }
        if let Some(presence) = churn.house.presence.as_mut() {
            presence.takes_parties = seed % 2 == 0;
        }
        churn.house.drain();
        churn.listen();
        if !churn.house.linked {
            churn.house.link_up();
        }
        churn.house.settle();
        for _ in 0..300 {
            churn.house.pass(30_000);
        }
        assert_eq!(churn.house.drained, 1, "seed {seed}");
        assert_eq!(churn.house.figure("usher_serving") + churn.house.figure("usher_places_held"), 0);
    }
}
